//! The event store's filling: what the log says, as rows, in order.
//!
//! Nothing in here starts a thread, sleeps, or asks the machine for the time: [`Storer`](super::storer) does.

use std::io;
use std::sync::Arc;

use super::Shared;
use super::open_sessions::OpenSessions;
use super::stores::Stores;
use super::walk::{Told, Tracks, Walk};
use crate::apply::Kept;
use crate::config::{ApplyConfig, Config};
use crate::enrich::Facts;
use crate::event::{Erasure, Event, Row, Sequence, Session};
use crate::journal::Segments;
use crate::store::{Finding, StoreError};

/// What takes the rows: the stores, or what a simulation has in their place.
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

    /// Takes a session that was over at a frame, unless it has it already.
    ///
    /// # Errors
    /// It must be opened again.
    fn append_session(&mut self, over_at: Sequence, session: &Session) -> Result<(), StoreError>;

    /// Deletes what is at or below a sequence and matches, unless that was done already.
    ///
    /// # Errors
    /// It must be opened again.
    fn erase(&mut self, sequence: Sequence, erasure: &Erasure<'_>) -> Result<(), StoreError>;

    /// Notes that everything up to a sequence was handed over.
    ///
    /// # Errors
    /// It must be opened again.
    fn advance(&mut self, sequence: Sequence) -> Result<(), StoreError>;

    /// What sessions were open, and at which frame; to be asked once.
    fn kept(&mut self) -> Kept;

    /// Makes everything that was handed over durable, with what is open now.
    ///
    /// # Errors
    /// It must be opened again.
    fn commit(&mut self, open: &OpenSessions) -> Result<(), StoreError>;

    /// Notes durably with the next commit that a part lacks what came before, unless the log reaches back to where it is.
    fn note_start(&mut self, reaches_back_to: &dyn Fn(Sequence) -> bool);
}

/// The stores of a data directory, and where in the log they are.
pub struct Storing<R = Stores> {
    filling: Filling<R>,
    walk: Walk,
    facts: Arc<Facts>,
    tally: Tally,
}

/// The stores, and the sessions of what they were given.
pub struct Filling<R> {
    store: R,
    open: OpenSessions,
}

impl<R: Rows> Filling<R> {
    /// The stores.
    pub const fn store(&mut self) -> &mut R {
        &mut self.store
    }

    /// Makes everything that was handed over durable.
    ///
    /// # Errors
    /// The stores must be opened again.
    pub fn commit(&mut self) -> Result<(), StoreError> {
        self.store.commit(&self.open)?;
        self.open.are_kept();
        Ok(())
    }

    /// How many sessions are open, and how many ended since the last call only because there were too many.
    pub fn take_counts(&mut self) -> (usize, u64) {
        self.open.take_counts()
    }

    fn event(&mut self, sequence: Sequence, mut row: Row<'_>) -> Result<(), StoreError> {
        row.visit = self.open.take(sequence, &row);
        let any = self.put_over(sequence)?;
        self.store.append(&row)?;
        if any { self.store.advance(sequence) } else { Ok(()) }
    }

    fn sign(&mut self, sequence: Sequence, event: &Event<'_>) -> Result<(), StoreError> {
        self.open.sign(sequence, event);
        self.put_over(sequence)?;
        self.store.advance(sequence)
    }

    /// Hands over the sessions that are over since a frame.
    fn put_over(&mut self, sequence: Sequence) -> Result<bool, StoreError> {
        let over = self.open.take_over();
        for session in &over {
            self.store.append_session(sequence, session)?;
        }
        Ok(!over.is_empty())
    }

    fn erase(&mut self, sequence: Sequence, erasure: &Erasure<'_>) -> Result<(), StoreError> {
        self.open.erase(sequence, erasure);
        self.store.erase(sequence, erasure)
    }
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

impl Storing {
    /// Opens the stores of a data directory, after a look at every byte if they are in doubt, and finds their place in
    /// the log.
    ///
    /// # Errors
    /// When a store cannot be used.
    pub fn open(config: &Config, tracks: &Tracks, in_doubt: bool) -> Result<(Self, Vec<Finding>), StoringError> {
        let (stores, findings) = Stores::open(config, in_doubt)?;
        let facts = Arc::new(Facts::new(config.store.user_agents_max));
        let sessions_max = config.store.sessions_max;
        Ok((
            Self::over(stores, tracks, (&config.apply, sessions_max), facts),
            findings,
        ))
    }
}

impl<R: Rows> Storing<R> {
    /// Finds the place of stores in the log.
    pub fn over(
        mut store: R,
        tracks: &Tracks,
        (config, sessions_max): (&ApplyConfig, usize),
        facts: Arc<Facts>,
    ) -> Self {
        store.note_start(&|cursor| tracks.reach_back_to(cursor));
        let walk = Walk::new(tracks, store.cursor(), config);
        let open = OpenSessions::at(store.cursor(), store.kept(), sessions_max);
        Self {
            filling: Filling { store, open },
            walk,
            facts,
            tally: Tally::default(),
        }
    }

    /// The stores.
    pub const fn store(&mut self) -> &mut R {
        &mut self.filling.store
    }

    /// The stores, and the sessions of what they were given.
    pub const fn filling(&mut self) -> &mut Filling<R> {
        &mut self.filling
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

    /// Hands everything up to a synced frame to the stores; after each row `turn` may commit, or end it early by
    /// `false`. Whether everything was handed over.
    ///
    /// # Errors
    /// When a store or the log fails; then nothing more can be done with it but to open it anew.
    pub fn advance(
        &mut self,
        upto: Sequence,
        turn: &mut dyn FnMut(&mut Filling<R>) -> Result<bool, StoreError>,
    ) -> Result<bool, StoringError> {
        let Self {
            filling,
            walk,
            facts,
            tally,
        } = self;
        let mut failed = None;
        let done = walk.read(upto, &mut |sequence, told| {
            let kept = match told {
                Told::Event(event) => {
                    tally.events += 1;
                    filling.event(sequence, facts.of(&event).row(sequence, event))
                }
                Told::Sign(event) => filling.sign(sequence, &event),
                Told::Erasure(erasure) => {
                    tally.erasures += 1;
                    filling.erase(sequence, &erasure)
                }
            };
            let result = kept.and_then(|()| turn(filling));
            *result.as_ref().unwrap_or(&false) || {
                failed = result.err();
                false
            }
        })?;
        if let Some(error) = failed {
            return Err(error.into());
        }
        if done {
            filling.open.advance(walk.head());
            filling.store.advance(walk.head())?;
        }
        Ok(done)
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
