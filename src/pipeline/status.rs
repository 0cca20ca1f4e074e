//! What `/readyz` tells: which parts serve, and what stands in the way.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, OnceLock, PoisonError};

use crate::metrics::Metrics;

/// The state of the counters' side, written by the link and read by the health answers.
#[derive(Debug, Default)]
pub struct Status {
    counters_up: AtomicBool,
    fenced: AtomicBool,
    evicting: AtomicBool,
    unreadable: AtomicBool,
    ephemeral: OnceLock<&'static str>,
    halted: Mutex<Option<String>>,
    store_trouble: Mutex<Option<String>>,
}

impl Status {
    /// Whether the counters answer.
    pub fn is_counters_up(&self) -> bool {
        self.counters_up.load(Ordering::Acquire)
    }

    /// Whether another process has taken over this directory's identity.
    pub fn is_fenced(&self) -> bool {
        self.fenced.load(Ordering::Acquire)
    }

    /// Whether Redis may evict counters, against the configuration.
    pub fn is_evicting(&self) -> bool {
        self.evicting.load(Ordering::Acquire)
    }

    /// Whether the journal could not be read the last time.
    pub fn is_unreadable(&self) -> bool {
        self.unreadable.load(Ordering::Acquire)
    }

    /// The type of the data directory's file system, if nothing on it lasts and the configuration does not allow that.
    pub fn ephemeral(&self) -> Option<&'static str> {
        self.ephemeral.get().copied()
    }

    /// Why nothing is counted until someone mends it.
    pub fn halted(&self) -> Option<String> {
        self.halted.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Why the event store takes nothing at the moment; what it lacks waits in the journal.
    pub fn store_trouble(&self) -> Option<String> {
        let trouble = self.store_trouble.lock().unwrap_or_else(PoisonError::into_inner);
        trouble.clone()
    }

    pub(super) fn set_store_trouble(&self, trouble: Option<String>) {
        *self.store_trouble.lock().unwrap_or_else(PoisonError::into_inner) = trouble;
    }

    pub(super) fn set_counters_up(&self, up: bool, metrics: &Metrics) {
        self.counters_up.store(up, Ordering::Release);
        metrics.counters.up.set(i64::from(up));
    }

    pub(super) fn set_fenced(&self) {
        self.fenced.store(true, Ordering::Release);
    }

    pub(super) fn set_evicting(&self, evicting: bool) {
        self.evicting.store(evicting, Ordering::Release);
    }

    pub(super) fn set_unreadable(&self, unreadable: bool) {
        self.unreadable.store(unreadable, Ordering::Release);
    }

    pub(super) fn set_ephemeral(&self, file_system: &'static str) {
        self.ephemeral.get_or_init(|| file_system);
    }

    pub(super) fn set_halted(&self, reason: Option<String>) {
        *self.halted.lock().unwrap_or_else(PoisonError::into_inner) = reason;
    }
}
