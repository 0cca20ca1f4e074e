//! Time that passes when the world says so.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use footfall::clock::Clock;

/// The clock of a world: the time of day may jump, the time that has passed does not.
#[derive(Debug, Clone)]
pub struct SimClock(Arc<Times>);

#[derive(Debug)]
struct Times {
    begun: Instant,
    passed_ms: AtomicU64,
    unix_ms: AtomicU64,
}

impl SimClock {
    pub fn new() -> Self {
        Self(Arc::new(Times {
            begun: footfall::clock::now(),
            passed_ms: AtomicU64::new(0),
            unix_ms: AtomicU64::new(1_790_000_000_000),
        }))
    }

    pub fn pass(&self, ms: u64) {
        self.0.passed_ms.fetch_add(ms, Ordering::Relaxed);
        self.0.unix_ms.fetch_add(ms, Ordering::Relaxed);
    }

    /// Sets the time of day forward or back.
    pub fn jump(&self, ms: i64) {
        let now = self.unix_ms();
        self.0.unix_ms.store(now.saturating_add_signed(ms), Ordering::Relaxed);
    }
}

impl Clock for SimClock {
    fn unix_ms(&self) -> u64 {
        self.0.unix_ms.load(Ordering::Relaxed)
    }

    fn now(&self) -> Instant {
        self.0.begun + Duration::from_millis(self.0.passed_ms.load(Ordering::Relaxed))
    }
}
