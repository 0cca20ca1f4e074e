//! When the storer commits, rests, and looks after what is old.

use std::time::{Duration, Instant};

use super::storing::Rows;
use crate::config::StoreConfig;
use crate::{clock, memory};

/// Time between two looks at which months are too old.
const RETENTION_EVERY: Duration = Duration::from_hours(1);
/// Time between two looks at how large the store is.
const SIZE_EVERY: Duration = Duration::from_secs(10);
/// Rows a second above which a commit may wait for more of them.
const MANY_A_SECOND: f64 = 5_000.0;
/// How often memory is given back when a rest begins: the threads for writing end a little later.
const GIVE_BACK_TIMES: u32 = 3;
/// Rows between two looks at the clock.
const ROWS_A_LOOK: u32 = 256;

/// What a row's turn brings.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Turn {
    /// Nothing.
    GoOn,
    /// A commit.
    Commit,
    /// The end: a stop has waited long enough.
    Stop,
}

/// When it is time for what.
pub struct Pace {
    commit: Duration,
    commit_busy: Duration,
    rest: Duration,
    committed: Instant,
    wrote: Instant,
    /// Rows since the last commit.
    fresh: u64,
    looked_at_age: Option<Instant>,
    looked_at_size: Option<Instant>,
    rows: u32,
    stop_at: Option<Instant>,
    /// When memory is given back next, and how often still.
    give_back: (Instant, u32),
}

impl Pace {
    /// Begins now.
    pub fn new(config: &StoreConfig) -> Self {
        let now = clock::now();
        Self {
            commit: clock::ms(config.commit_ms),
            commit_busy: clock::ms(config.commit_busy_ms),
            rest: clock::ms(config.rest_ms),
            committed: now,
            wrote: now,
            fresh: 0,
            looked_at_age: None,
            looked_at_size: None,
            rows: 0,
            stop_at: None,
            give_back: (now, 0),
        }
    }

    /// A row was handed over.
    pub fn turn(&mut self) -> Turn {
        self.rows += 1;
        self.fresh += 1;
        if self.rows < ROWS_A_LOOK {
            return Turn::GoOn;
        }
        self.rows = 0;
        let now = clock::now();
        if self.stop_at.is_some_and(|stop_at| now >= stop_at) {
            Turn::Stop
        } else if now.duration_since(self.committed) >= self.commit_busy {
            Turn::Commit
        } else {
            Turn::GoOn
        }
    }

    /// Something was written.
    pub fn wrote(&mut self) {
        self.wrote = clock::now();
        self.give_back = (self.wrote + self.rest, GIVE_BACK_TIMES);
    }

    /// A commit begins.
    pub fn committed(&mut self) {
        self.committed = clock::now();
        self.fresh = 0;
    }

    /// Whether to commit when the log is drained: soon after a few rows; later after many, since a few large segments
    /// are cheaper than many small ones; and late if only the place in the log is new.
    pub fn is_due(&self, store: &impl Rows) -> bool {
        let gone = clock::now().duration_since(self.committed);
        let few = self.fresh > 0 && (self.fresh as f64) < MANY_A_SECOND * gone.as_secs_f64();
        let wait = if few { self.commit } else { self.commit_busy };
        store.is_behind() && gone >= wait
    }

    /// Whether nothing was written for long.
    pub fn may_rest(&self) -> bool {
        clock::now().duration_since(self.wrote) >= self.rest
    }

    /// Whether to give memory back, during a rest.
    pub fn gives_back(&mut self) -> bool {
        let (due, left) = self.give_back;
        let now = clock::now();
        let gives_back = left > 0 && now >= due;
        if gives_back {
            self.give_back = (now + memory::KEPT, left - 1);
        }
        gives_back
    }

    /// Whether to look which months are too old.
    pub fn looks_at_age(&mut self) -> bool {
        is_time(&mut self.looked_at_age, RETENTION_EVERY)
    }

    /// Whether to look how large the store is.
    pub fn looks_at_size(&mut self) -> bool {
        is_time(&mut self.looked_at_size, SIZE_EVERY)
    }

    /// A stop waits at most so long for what is left.
    pub fn stop_within(&mut self, patience: Duration) {
        self.stop_at.get_or_insert_with(|| clock::now() + patience);
    }
}

/// Whether so much time has gone by since it was so for the last time.
fn is_time(last: &mut Option<Instant>, every: Duration) -> bool {
    let now = clock::now();
    let due = last.is_none_or(|last| now.duration_since(last) >= every);
    if due {
        *last = Some(now);
    }
    due
}
