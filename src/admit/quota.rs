//! The allowance, as configured and as governor wants it.

use std::num::NonZeroU32;
use std::time::Duration;

use governor::Quota;

use crate::clock;
use crate::config::LimitConfig;

/// Longest window: 31 days. Longer ones would only hold memory.
const WINDOW_MS_MAX: u64 = 31 * 24 * 60 * 60 * 1_000;

/// A limit that cannot be kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum InvalidLimit {
    /// The window is empty or longer than 31 days.
    #[error("limit.window_ms must be from 1 to {WINDOW_MS_MAX}, not {0}")]
    Window(u64),
    /// The allowance refills faster than once a nanosecond.
    #[error("limit.max must be at most 1,000,000 for each millisecond of limit.window_ms, not {0}")]
    Max(u32),
}

/// The quota of a configuration; `None` if the limit is off.
///
/// # Errors
/// [`InvalidLimit`] if no quota can express the configuration.
pub(super) fn quota(config: &LimitConfig) -> Result<Option<Quota>, InvalidLimit> {
    let Some(max) = NonZeroU32::new(config.max) else {
        return Ok(None);
    };
    if !(1..=WINDOW_MS_MAX).contains(&config.window_ms) {
        return Err(InvalidLimit::Window(config.window_ms));
    }
    let refill = clock::ms(config.window_ms) / max.get();
    let quota = Quota::with_period(refill).ok_or(InvalidLimit::Max(max.get()))?;
    Ok(Some(quota.allow_burst(max)))
}

/// A span in whole seconds, rounded up: whoever waits that long has waited long enough.
pub(super) fn seconds_up(span: Duration) -> u32 {
    let seconds = span.as_secs().saturating_add(u64::from(span.subsec_nanos() > 0));
    u32::try_from(seconds).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(max: u32, window_ms: u64) -> LimitConfig {
        LimitConfig {
            max,
            window_ms,
            ..LimitConfig::default()
        }
    }

    #[test]
    fn the_default_gives_one_back_every_600_milliseconds() {
        let quota = quota(&LimitConfig::default()).unwrap().unwrap();
        assert_eq!(quota.burst_size().get(), 100);
        assert_eq!(quota.replenish_interval(), Duration::from_millis(600));
    }

    #[test]
    fn zero_switches_the_limit_off_whatever_the_window() {
        assert_eq!(quota(&config(0, 0)), Ok(None));
    }

    #[test]
    fn what_cannot_be_kept_is_refused() {
        assert_eq!(quota(&config(1, 0)), Err(InvalidLimit::Window(0)));
        assert_eq!(quota(&config(1, u64::MAX)), Err(InvalidLimit::Window(u64::MAX)));
        assert_eq!(quota(&config(u32::MAX, 1)), Err(InvalidLimit::Max(u32::MAX)));
        assert!(quota(&config(u32::MAX, 60_000)).is_ok());
        assert!(quota(&config(u32::MAX, WINDOW_MS_MAX)).is_ok());
    }

    #[test]
    fn seconds_are_rounded_up() {
        assert_eq!(seconds_up(Duration::ZERO), 0);
        assert_eq!(seconds_up(Duration::from_nanos(1)), 1);
        assert_eq!(seconds_up(Duration::from_secs(2)), 2);
        assert_eq!(seconds_up(Duration::MAX), u32::MAX);
    }
}
