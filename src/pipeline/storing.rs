//! The event store's filling: what the log says, as rows, in order.
//!
//! Nothing in here starts a thread, sleeps, or asks the machine for the time: [`Storer`](super::storer) does.

use std::io;
use std::path::{Path, PathBuf};

use super::walk::{Told, Tracks, Walk};
use crate::config::Config;
use crate::enrich::Tags;
use crate::event::Sequence;
use crate::store::{Finding, Lack, Store, StoreError, StoreLimits};

/// The store of a data directory, and where in the log it is.
pub struct Storing {
    store: Store,
    walk: Walk,
    tally: Tally,
}

/// What was done since the last look.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Tally {
    /// Events written.
    pub events: u64,
    /// Erasures carried out.
    pub erasures: u64,
}

/// Why the store cannot be filled on; opening it again goes on from what it has.
#[derive(Debug, thiserror::Error)]
pub enum StoringError {
    /// The store's files.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A check has found damage.
    #[error("a file of the event store is damaged")]
    Damaged,
    /// The log cannot be read.
    #[error("the journal cannot be read: {0}")]
    Journal(#[from] io::Error),
}

/// Where the event store of a data directory lies.
pub fn folder(data_dir: &Path) -> PathBuf {
    data_dir.join("events")
}

impl Storing {
    /// Opens the store of a data directory, after a look at every byte if it is in doubt, and finds its place in the
    /// log.
    ///
    /// # Errors
    /// When the store cannot be used.
    pub fn open(config: &Config, tracks: &Tracks, in_doubt: bool) -> Result<(Self, Vec<Finding>), StoringError> {
        let (folder, limits) = (folder(&config.journal.data_dir), StoreLimits::from(&config.store));
        let opened = if in_doubt {
            Store::open_checked(&folder, limits)
        } else {
            Store::open(&folder, limits)
        };
        let (mut store, findings) = opened?;
        if !tracks.reach_back_to(store.cursor()) {
            store.note_lack(Lack::Start);
        }
        let walk = Walk::new(tracks, store.cursor(), &config.apply);
        let tally = Tally::default();
        Ok((Self { store, walk, tally }, findings))
    }

    /// The store.
    pub const fn store(&mut self) -> &mut Store {
        &mut self.store
    }

    /// What was done since the last call.
    pub fn take_tally(&mut self) -> Tally {
        std::mem::take(&mut self.tally)
    }

    /// Hands everything up to a synced frame to the store; after each row `turn` may commit, or end it early by
    /// `false`. Whether everything was handed over.
    ///
    /// # Errors
    /// When the store or the log fails; then nothing more can be done with it but to open it anew.
    pub fn advance(
        &mut self,
        upto: Sequence,
        turn: &mut dyn FnMut(&mut Store) -> Result<bool, StoreError>,
    ) -> Result<bool, StoringError> {
        let Self { store, walk, tally } = self;
        let mut failed = None;
        let done = walk.read(upto, &mut |sequence, told| {
            let kept = match told {
                Told::Event(event) => {
                    tally.events += 1;
                    store.append(&Tags::of(event.query).row(sequence, event))
                }
                Told::Erasure(erasure) => {
                    tally.erasures += 1;
                    store.erase(sequence, &erasure)
                }
            };
            let result = kept.and_then(|()| turn(store));
            *result.as_ref().unwrap_or(&false) || {
                failed = result.err();
                false
            }
        })?;
        if let Some(error) = failed {
            return Err(error.into());
        }
        if done {
            store.advance(walk.head());
        }
        Ok(done)
    }
}
