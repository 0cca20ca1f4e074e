//! The reading side of the store.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use arc_swap::ArcSwap;
use tantivy::{IndexReader, Searcher};

use super::StoreLimits;
use super::month::Month;
use super::search::hashes::HashCache;
use crate::event::Sequence;

/// Hands out snapshots of the store, from any thread.
#[derive(Clone)]
pub struct Library {
    shared: Arc<Shared>,
}

struct Shared {
    shelves: ArcSwap<Vec<(Month, IndexReader)>>,
    cursor: AtomicU64,
    hashes: HashCache,
    limits: StoreLimits,
}

/// What the store had at one moment; it stays as it is while others write and drop.
#[derive(Clone)]
pub struct Snapshot {
    /// Every month, in order.
    pub(super) months: Vec<(Month, Searcher)>,
    pub(super) cursor: Sequence,
    pub(super) hashes: HashCache,
    pub(super) limits: StoreLimits,
}

impl Library {
    pub(super) fn new(limits: StoreLimits) -> Self {
        let shared = Shared {
            shelves: ArcSwap::default(),
            cursor: AtomicU64::new(0),
            hashes: HashCache::default(),
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
            cursor,
            hashes: self.shared.hashes.clone(),
            limits: self.shared.limits,
        }
    }

    /// Everything up to here can be asked about.
    pub fn cursor(&self) -> Sequence {
        Sequence(self.shared.cursor.load(Ordering::Acquire))
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

    /// How many events it has.
    pub fn events(&self) -> u64 {
        self.months.iter().map(|(_, searcher)| searcher.num_docs()).sum()
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
