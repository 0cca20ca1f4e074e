//! The event store's filling: what the log says, as rows, in order.
//!
//! Nothing in here starts a thread, sleeps, or asks the machine for the time: [`Storer`](super::storer) does.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::Shared;
use super::walk::{Told, Tracks, Walk};
use crate::config::{ApplyConfig, Config};
use crate::enrich::Facts;
use crate::event::{Erasure, Row, Sequence};
use crate::journal::Segments;
use crate::store::{Finding, Lack, Store, StoreError, StoreLimits};

/// What takes the rows: the store, or what a simulation has in its place.
pub trait Rows {
    /// Everything up to here is durable; the next row to append is above.
    fn cursor(&self) -> Sequence;

    /// The highest sequence that any part of it has heard of; a part may be ahead of the others.
    fn seen(&self) -> Sequence;

    /// Whether anything was handed over that is not committed.
    fn is_behind(&self) -> bool;

    /// Takes a row, unless it has it already.
    ///
    /// # Errors
    /// It must be opened again.
    fn append(&mut self, row: &Row<'_>) -> Result<(), StoreError>;

    /// Deletes what is at or below a sequence and matches, unless that was done already.
    ///
    /// # Errors
    /// It must be opened again.
    fn erase(&mut self, sequence: Sequence, erasure: &Erasure<'_>) -> Result<(), StoreError>;

    /// Notes that everything up to a sequence was handed over.
    fn advance(&mut self, sequence: Sequence);

    /// Makes everything that was handed over durable.
    ///
    /// # Errors
    /// It must be opened again.
    fn commit(&mut self) -> Result<(), StoreError>;

    /// Notes why it lacks events, durably with the next commit.
    fn note_lack(&mut self, lack: Lack);
}

/// The store of a data directory, and where in the log it is.
pub struct Storing<R = Store> {
    store: R,
    walk: Walk,
    facts: Arc<Facts>,
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
        let (store, findings) = opened?;
        let facts = Arc::new(Facts::new(config.store.user_agents_max));
        Ok((Self::over(store, tracks, &config.apply, facts), findings))
    }
}

impl<R: Rows> Storing<R> {
    /// Finds the place of a store in the log.
    pub fn over(mut store: R, tracks: &Tracks, config: &ApplyConfig, facts: Arc<Facts>) -> Self {
        if !tracks.reach_back_to(store.cursor()) {
            store.note_lack(Lack::Start);
        }
        let walk = Walk::new(tracks, store.cursor(), config);
        let tally = Tally::default();
        Self {
            store,
            walk,
            facts,
            tally,
        }
    }

    /// The store.
    pub const fn store(&mut self) -> &mut R {
        &mut self.store
    }

    /// Lets go of what is not needed while nothing comes.
    pub fn rest(&self) {
        self.facts.rest();
    }

    /// Everything up to here was handed over.
    pub const fn head(&self) -> Sequence {
        self.walk.head()
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
        turn: &mut dyn FnMut(&mut R) -> Result<bool, StoreError>,
    ) -> Result<bool, StoringError> {
        let Self {
            store,
            walk,
            facts,
            tally,
        } = self;
        let mut failed = None;
        let done = walk.read(upto, &mut |sequence, told| {
            let kept = match told {
                Told::Event(event) => {
                    tally.events += 1;
                    store.append(&facts.of(&event).row(sequence, event))
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

impl Rows for Store {
    fn cursor(&self) -> Sequence {
        self.cursor()
    }

    fn seen(&self) -> Sequence {
        self.seen()
    }

    fn is_behind(&self) -> bool {
        self.is_behind()
    }

    fn append(&mut self, row: &Row<'_>) -> Result<(), StoreError> {
        self.append(row)
    }

    fn erase(&mut self, sequence: Sequence, erasure: &Erasure<'_>) -> Result<(), StoreError> {
        self.erase(sequence, erasure)
    }

    fn advance(&mut self, sequence: Sequence) {
        self.advance(sequence);
    }

    fn commit(&mut self) -> Result<(), StoreError> {
        self.commit()
    }

    fn note_lack(&mut self, lack: Lack) {
        self.note_lack(lack);
    }
}

/// What a store has to say to those who share the log with it.
impl Tracks {
    /// What the lanes of a process are read from, before anything is applied: `writing` with its last frame, and the lane
    /// that rests.
    pub fn begin(
        shared: &Shared,
        (segments, head): (Arc<Segments>, Sequence),
        resting: Option<(Arc<Segments>, Sequence)>,
        key: [u8; 16],
    ) -> Self {
        let head = resting.as_ref().map_or(head, |(_, end)| head.max(*end));
        shared.decided.begin(head);
        Self {
            writing: segments,
            resting,
            key,
            decided: Some(shared.decided.clone()),
        }
    }

    /// A store was opened that has seen one sequence and has everything up to another: a journal that was restored without
    /// it must not give sequences that it has seen.
    pub fn tell_opened(&self, shared: &Shared, (seen, cursor): (Sequence, Sequence)) {
        shared.log.skip_past(seen);
        self.tell_stored(shared, cursor);
    }

    /// The store durably is so far: nobody need keep anything for it up to there.
    pub fn tell_stored(&self, shared: &Shared, cursor: Sequence) {
        shared.set_stored_upto(cursor);
        shared.decided.forget(cursor);
        self.tell_waiting(shared);
    }

    /// Tells the log how much waits for the store: as with counters that are away, there is a most.
    pub fn tell_waiting(&self, shared: &Shared) {
        let stored = shared.stored_upto();
        let waiting = |segments: &Segments| -> u64 {
            let list = segments.list();
            let unstored = list.iter().filter(|segment| segment.first > stored);
            unstored.map(|segment| segment.bytes).sum()
        };
        let resting = self.resting.iter().map(|(segments, _)| waiting(segments));
        shared.log.set_unstored(waiting(&self.writing) + resting.sum::<u64>());
    }
}
