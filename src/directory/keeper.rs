//! Keeps the directory of one process as it is stored, and changes it.

use std::sync::Arc;

use tokio::time::{MissedTickBehavior, interval};

use super::Directory;
use super::edition::Edition;
use super::place::Place;
use super::record::Writing;
use super::redis::RedisHash;
use super::refusal::DirectoryError;
use super::register::Register;
use super::registrar::Wishes;
use super::sqlite::SqliteFile;

use crate::clock;
use crate::config::{Config, DirectoryConfig};
use crate::metrics::Metrics;
use crate::redis_address::{AddressError, RedisAddress};

/// What becomes of the copy that is kept beside Redis.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Copying {
    /// It is kept: this process is a gateway.
    Always,
    /// It is used and kept if it is there: a command must not leave a data directory wherever it is called.
    IfThere,
}

/// Looks for changes, makes changes, and tells the [`Directory`].
#[derive(Debug)]
pub struct Keeper {
    pub(super) place: Place,
    copy: Option<SqliteFile>,
    /// The copy could not be brought up to date.
    copy_is_due: bool,
    pub(super) directory: Arc<Directory>,
    pub(super) config: DirectoryConfig,
    metrics: Arc<Metrics>,
    /// The last look failed.
    troubled: bool,
}

impl Keeper {
    /// A keeper that has not looked yet: its directory is the copy, if there is one.
    ///
    /// # Errors
    /// The setting of Redis.
    pub fn new(config: &Config, metrics: Arc<Metrics>, copying: Copying) -> Result<Self, AddressError> {
        let file = SqliteFile::of(&config.journal.data_dir);
        let (place, copy) = match &config.counters.redis_url {
            None => (Place::Alone(file), None),
            Some(url) => {
                let hash = RedisHash::new(RedisAddress::parse(url)?, &config.counters)?;
                let copy = Some(file).filter(|file| copying == Copying::Always || file.exists());
                (Place::Shared(Box::new(hash)), copy)
            }
        };
        let mut keeper = Self {
            place,
            copy,
            copy_is_due: false,
            directory: Arc::default(),
            config: config.directory.clone(),
            metrics,
            troubled: false,
        };
        keeper.start_from_file();
        Ok(keeper)
    }

    /// What requests ask.
    pub fn directory(&self) -> Arc<Directory> {
        self.directory.clone()
    }

    /// Where it is stored, for people.
    pub fn place(&self) -> String {
        self.place.to_string()
    }

    /// Looks again and again, as often as configured, the first time at once; and does what is wished for meanwhile.
    pub async fn keep_fresh(mut self, mut wishes: Wishes) {
        let mut look = interval(clock::ms(self.config.refresh_ms));
        look.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                // However much is wished for, revoked keys are heard of in time.
                biased;
                _ = look.tick() => self.watch().await,
                wish = wishes.next() => wish.grant(&mut self).await,
            }
        }
    }

    /// Looks whether there is another edition, and takes it over.
    ///
    /// # Errors
    /// When that cannot be told; the directory stays as it is.
    pub async fn refresh(&mut self) -> Result<(), DirectoryError> {
        let found = self.place.edition().await?;
        let held = self.directory.register();
        if found == held.edition {
            if self.copy_is_due {
                self.keep_copy(&held);
            }
            return Ok(());
        }
        if self.place.is_shared() && found.is_before(&held.edition) {
            return self.give_back(found, &held).await;
        }
        if let Place::Alone(file) = &self.place
            && found == Edition::NONE
        {
            let (path, why) = (
                file.path().to_owned(),
                "it has gone; what was known of it stays in use".to_owned(),
            );
            return Err(DirectoryError::File { path, why });
        }
        let register = self.place.load().await?;
        self.adopt(register);
        Ok(())
    }

    /// Redis has lost changes. If someone else gives them back first, the next look finds them.
    async fn give_back(&mut self, found: Edition, held: &Register) -> Result<(), DirectoryError> {
        if self.place.write(&Writing::whole(found, held)).await? {
            let (sites, keys) = (held.sites().len(), held.keys().len());
            tracing::warn!(
                sites,
                keys,
                "Redis had lost sites and keys: they are back, from this gateway's copy"
            );
        }
        Ok(())
    }

    /// Takes over what is stored now. The copy first: what has changed is known by what is still published.
    pub(super) fn adopt(&mut self, register: Register) {
        self.keep_copy(&register);
        self.publish(register);
    }

    fn publish(&self, register: Register) {
        let figures = &self.metrics.directory;
        figures
            .sites
            .set(i64::try_from(register.sites().len()).unwrap_or(i64::MAX));
        figures
            .keys
            .set(i64::try_from(register.keys().len()).unwrap_or(i64::MAX));
        self.directory.publish(register);
    }

    /// So that a process that takes over knows sites and keys before its first look is done.
    fn start_from_file(&mut self) {
        let found = match (&mut self.place, &mut self.copy) {
            (Place::Alone(file), _) | (_, Some(file)) => file.load(),
            _ => return self.publish(Register::default()),
        };
        match found {
            Ok(register) => self.publish(register),
            Err(error) => {
                // Of a file that is not a copy the first look will tell.
                if self.copy.take().is_some() {
                    tracing::error!(%error, "the copy of sites and keys cannot be read, and none is kept");
                }
                self.publish(Register::default());
            }
        }
    }

    /// Without a copy everything works as long as Redis does, so trouble with it is only told.
    fn keep_copy(&mut self, register: &Register) {
        let Some(copy) = &mut self.copy else { return };
        match renew(copy, &self.directory.register(), register) {
            Ok(true) => self.copy_is_due = false,
            Ok(false) => {
                let path = copy.path().display();
                tracing::warn!(
                    %path,
                    "this data directory has sites and keys of its own, which Redis does not have: those of Redis are \
                     in use, and no copy of them is kept. Add yours there (`site add --id`), then remove the file"
                );
                self.copy = None;
            }
            Err(error) => {
                if !self.copy_is_due {
                    tracing::warn!(%error, "the copy of sites and keys is out of date; every look tries again");
                }
                self.copy_is_due = true;
            }
        }
    }

    /// [`Keeper::refresh`] for a process that goes on with what it knows: trouble is told by log and figures.
    pub async fn watch(&mut self) {
        let looked = self.refresh().await;
        let figures = &self.metrics.directory;
        figures.up.set(i64::from(looked.is_ok()));
        match &looked {
            Err(error) => {
                figures.failures.inc();
                if !self.troubled {
                    tracing::warn!(%error, "sites and keys cannot be looked at: those that are known stay in use");
                }
            }
            Ok(()) if self.troubled => tracing::info!("sites and keys can be looked at again"),
            Ok(()) => {}
        }
        self.troubled = looked.is_err();
    }
}

/// Brings a copy up to date, with what has changed since `last` if that is what it has; `false` if it is one of another
/// directory.
fn renew(copy: &mut SqliteFile, last: &Register, register: &Register) -> Result<bool, DirectoryError> {
    let found = copy.edition()?;
    if found == register.edition || register.edition.is_before(&found) {
        return Ok(true);
    }
    if found != Edition::NONE && !found.is_kin(&register.edition) {
        return Ok(false);
    }
    let writing = if found == last.edition {
        Writing::change(found, register.edition, &last.change_to(register))
    } else {
        Writing::whole(found, register)
    };
    // When another process was faster, it has written what this one would.
    copy.write(&writing)?;
    Ok(true)
}
