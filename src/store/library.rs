//! The reading side of the store.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use arc_swap::ArcSwap;
use tantivy::{IndexReader, Searcher};

use super::StoreLimits;
use super::month::Month;
use super::search::hashes::HashCache;
use super::search::partials::Partials;
use crate::event::{Sequence, Session};

/// Hands out snapshots of the store, from any thread.
#[derive(Clone)]
pub struct Library {
    shared: Arc<Shared>,
}

struct Shared {
    shelves: ArcSwap<Vec<(Month, IndexReader)>>,
    sessions: ArcSwap<SessionShelf>,
    cursor: AtomicU64,
    edition: AtomicU64,
    hashes: HashCache,
    partials: Partials,
    limits: StoreLimits,
}

/// The sessions of a store's events at one commit: those that are over by month, and those that were open then. They
/// change together, so that none is on both sides, or on neither.
#[derive(Default)]
pub(super) struct SessionShelf {
    pub(super) months: Vec<(Month, Searcher)>,
    pub(super) open: Vec<Arc<Session>>,
}

/// What the store had at one moment; it stays as it is while others write and drop.
#[derive(Clone)]
pub struct Snapshot {
    /// Every month, in order.
    pub(super) months: Vec<(Month, Searcher)>,
    pub(super) sessions: Arc<SessionShelf>,
    pub(super) cursor: Sequence,
    pub(super) hashes: HashCache,
    pub(super) partials: Partials,
    pub(super) limits: StoreLimits,
    /// When an answer that is not there yet is given up.
    pub(super) until: Option<Instant>,
}

/// A number that no other edition of any store of this process has.
fn next_edition() -> u64 {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    NEXT.fetch_add(1, Ordering::Relaxed)
}

impl Library {
    pub(super) fn new(limits: StoreLimits) -> Self {
        let shared = Shared {
            shelves: ArcSwap::default(),
            sessions: ArcSwap::default(),
            cursor: AtomicU64::new(0),
            edition: AtomicU64::new(next_edition()),
            hashes: HashCache::default(),
            partials: Partials::new(&limits),
            limits,
        };
        Self {
            shared: Arc::new(shared),
        }
    }

    /// What the store has now.
    pub fn snapshot(&self) -> Snapshot {
        // The cursor first: what is read after it has at least that much.
        let cursor = Sequence(self.shared.cursor.load(Ordering::Acquire));
        let shelves = self.shared.shelves.load();
        Snapshot {
            months: shelves
                .iter()
                .map(|(month, reader)| (*month, reader.searcher()))
                .collect(),
            sessions: self.shared.sessions.load_full(),
            cursor,
            hashes: self.shared.hashes.clone(),
            partials: self.shared.partials.clone(),
            limits: self.shared.limits,
            until: None,
        }
    }

    /// Everything up to here can be asked about.
    pub fn cursor(&self) -> Sequence {
        Sequence(self.shared.cursor.load(Ordering::Acquire))
    }

    /// Which edition of the store this is: another one whenever something was taken away from it, so that what was
    /// answered before must not be given again.
    pub fn edition(&self) -> u64 {
        self.shared.edition.load(Ordering::Acquire)
    }

    /// Puts the sessions of the events beside them: those that are over, from the store that keeps them, and those that
    /// are open.
    pub fn put_sessions(&self, over: &Self, open: Vec<Arc<Session>>) {
        let months = over.snapshot().months;
        self.shared.sessions.store(Arc::new(SessionShelf { months, open }));
    }

    /// Lets go of what is kept for the next question.
    pub fn forget(&self) {
        self.shared.hashes.forget();
        self.shared.partials.forget();
    }

    pub(super) fn taken_away(&self) {
        self.shared.edition.store(next_edition(), Ordering::Release);
    }

    pub(super) fn publish(&self, shelves: Vec<(Month, IndexReader)>, cursor: Sequence) {
        self.shared.shelves.store(Arc::new(shelves));
        self.committed(cursor);
    }

    pub(super) fn committed(&self, cursor: Sequence) {
        self.shared.cursor.store(cursor.0, Ordering::Release);
    }
}

impl Snapshot {
    /// Everything up to here is in the snapshot; parts of what follows may be, too.
    pub fn cursor(&self) -> Sequence {
        self.cursor
    }

    /// The same; its answers are given up when they are not there at a moment.
    #[must_use]
    pub fn until(mut self, moment: Instant) -> Self {
        self.until = Some(moment);
        self
    }

    /// How many events it has.
    pub fn events(&self) -> u64 {
        self.months.iter().map(|(_, searcher)| searcher.num_docs()).sum()
    }

    /// How many sessions it has, and how many of them are open.
    pub fn sessions(&self) -> (u64, u64) {
        let over: u64 = self
            .sessions
            .months
            .iter()
            .map(|(_, searcher)| searcher.num_docs())
            .sum();
        let open = self.sessions.open.len() as u64;
        (over + open, open)
    }

    /// The beginning of its first month, in milliseconds since 1970.
    pub fn first_time(&self) -> Option<u64> {
        self.months.first().map(|(month, _)| month.times().start)
    }

    /// The same with what another store has beside it: a data directory may have two lanes.
    #[must_use]
    pub fn beside(mut self, other: Self) -> Self {
        self.months.extend(other.months);
        self.months.sort_by_key(|(month, _)| *month);
        self.cursor = self.cursor.max(other.cursor);
        self
    }
}
