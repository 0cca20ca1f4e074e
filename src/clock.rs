//! The one place that asks the machine for the time.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use rustix::time::{ClockId, clock_gettime};

/// Width of the finest time bucket that counters are kept in, in seconds.
pub const BUCKET_SECONDS: u64 = 900;

/// Milliseconds since 1970-01-01T00:00:00Z; zero if the machine's clock is set before that.
#[expect(clippy::disallowed_methods, reason = "this is the one place")]
pub fn unix_ms() -> u64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |since| u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
}

/// The 15-minute bucket of a time in milliseconds: quarters of an hour since 1970.
pub const fn bucket_of(unix_ms: u64) -> u64 {
    unix_ms / 1_000 / BUCKET_SECONDS
}

/// A moment for measuring spans; never jumps.
#[expect(clippy::disallowed_methods, reason = "this is the one place")]
pub fn now() -> Instant {
    Instant::now()
}

/// The time since the machine began, as of the kernel's last tick: some milliseconds late at most, never going back, and
/// a fraction of the price of [`now`].
pub fn since_boot() -> Duration {
    let time = clock_gettime(ClockId::MonotonicCoarse);
    let seconds = Duration::from_secs(u64::try_from(time.tv_sec).unwrap_or_default());
    seconds.saturating_add(Duration::from_nanos(u64::try_from(time.tv_nsec).unwrap_or_default()))
}

/// A source of time, for parts whose runs must be repeatable.
pub trait Clock: Send + Sync + 'static {
    /// Milliseconds since 1970-01-01T00:00:00Z.
    fn unix_ms(&self) -> u64;
    /// A moment for measuring spans; never jumps.
    fn now(&self) -> Instant;
}

/// The machine's clock.
#[derive(Debug, Clone, Copy)]
pub struct Machine;

impl Clock for Machine {
    fn unix_ms(&self) -> u64 {
        unix_ms()
    }

    fn now(&self) -> Instant {
        now()
    }
}

/// Milliseconds as a [`Duration`].
pub const fn ms(milliseconds: u64) -> Duration {
    Duration::from_millis(milliseconds)
}
