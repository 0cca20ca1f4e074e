//! How workers ask the keeper for changes: by a queue, and a word back.

use tokio::sync::{mpsc, oneshot};

use super::keeper::Keeper;
use super::key::{KeyRecord, NewKey};
use super::refusal::{DirectoryError, Refusal};
use super::registering::{Application, NO_SUCH_KEY};
use crate::event::SiteId;

/// Wishes that may wait; each takes a write to SQLite or a way to Redis and back.
const WAITING_MAX: usize = 64;

/// Asks the keeper of this process for changes; from any thread.
#[derive(Debug, Clone)]
pub struct Registrar {
    wishes: mpsc::Sender<Wish>,
}

/// What is wished for, where the keeper finds it.
#[derive(Debug)]
pub struct Wishes {
    waiting: mpsc::Receiver<Wish>,
}

/// A site and its key, just made. The text of the key is nowhere else.
#[derive(Debug, Clone)]
pub struct Registered {
    /// The site.
    pub site: SiteId,
    /// The key.
    pub key: NewKey,
    /// When it ends, in milliseconds since 1970.
    pub expires_ms: Option<u64>,
}

/// A change, and who waits for it.
#[derive(Debug)]
pub(super) enum Wish {
    Register(Application, Word<Registered>),
    Revoke(Secret, Word<()>),
    Replace(Secret, Word<Registered>),
}

type Word<T> = oneshot::Sender<Result<T, DirectoryError>>;

/// The text of a key, which no log may have.
pub(super) struct Secret(String);

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("***")
    }
}

impl Registered {
    pub(super) fn new(key: NewKey, record: &KeyRecord) -> Self {
        Self {
            site: record.key.site,
            key,
            expires_ms: record.key.expires_ms,
        }
    }
}

impl Registrar {
    /// A registrar, and where its wishes come out.
    pub fn open() -> (Self, Wishes) {
        let (wishes, waiting) = mpsc::channel(WAITING_MAX);
        (Self { wishes }, Wishes { waiting })
    }

    /// Makes a site and a key of what somebody registers.
    ///
    /// # Errors
    /// It cannot be, or the directory cannot be read or written, or too much waits.
    pub async fn register(&self, application: Application) -> Result<Registered, DirectoryError> {
        self.ask(|word| Wish::Register(application, word)).await
    }

    /// Revokes the key of an app.
    ///
    /// # Errors
    /// As [`Registrar::register`].
    pub async fn revoke(&self, key: String) -> Result<(), DirectoryError> {
        self.ask(|word| Wish::Revoke(Secret(key), word)).await
    }

    /// Puts a new key in the place of an app's.
    ///
    /// # Errors
    /// As [`Registrar::register`].
    pub async fn replace(&self, key: String) -> Result<Registered, DirectoryError> {
        self.ask(|word| Wish::Replace(Secret(key), word)).await
    }

    async fn ask<T>(&self, wish: impl FnOnce(Word<T>) -> Wish) -> Result<T, DirectoryError> {
        let (word, heard) = oneshot::channel();
        self.wishes.try_send(wish(word)).map_err(|_| DirectoryError::Crowded)?;
        // The keeper ends with the process only.
        heard.await.unwrap_or(Err(DirectoryError::Crowded))
    }
}

impl Wishes {
    /// The next one. Without anyone who could wish it never comes.
    pub(super) async fn next(&mut self) -> Wish {
        match self.waiting.recv().await {
            Some(wish) => wish,
            None => std::future::pending().await,
        }
    }
}

impl Wish {
    /// Does it, and gives word. Nobody may wait for that any more: it is done all the same, as it may have been wished
    /// for by someone who is gone only to us.
    pub(super) async fn grant(self, keeper: &mut Keeper) {
        match self {
            Self::Register(application, word) => drop(word.send(keeper.register(&application).await)),
            Self::Revoke(key, word) => drop(word.send(keeper.revoke_app_key(&key.0).await)),
            Self::Replace(key, word) => drop(word.send(keeper.replace_app_key(&key.0).await)),
        }
    }
}

impl Refusal {
    /// Whether the key is what is wrong: nobody knows it, or its time is over.
    pub fn is_of_key(&self) -> bool {
        self.field == NO_SUCH_KEY
    }

    /// Whether there is no room for more sites or keys.
    pub fn is_of_room(&self) -> bool {
        ["site", "key"].contains(&self.field)
    }
}
