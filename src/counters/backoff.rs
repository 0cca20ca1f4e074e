//! How long to wait between two attempts to reach Redis.

use std::time::Duration;

use crate::clock;

/// The pause after a first failure, in milliseconds.
const FIRST_MS: u64 = 10;

/// Pauses that double from 10 ms up to a most, each drawn from the upper half of its span, so that gateways that
/// lost Redis together do not all come back together.
#[derive(Debug, Clone)]
pub struct Backoff {
    most_ms: u64,
    span_ms: u64,
}

impl Backoff {
    /// Pauses of at most so many milliseconds.
    #[must_use]
    pub fn new(most_ms: u64) -> Self {
        Self {
            most_ms,
            span_ms: FIRST_MS.min(most_ms),
        }
    }

    /// The next pause; each call doubles the span that it is drawn from.
    pub fn pause(&mut self) -> Duration {
        // Without randomness the pauses are merely regular.
        self.pause_with(getrandom::u64().unwrap_or(u64::MAX))
    }

    /// The attempt succeeded: begin with short pauses again.
    pub fn reset(&mut self) {
        *self = Self::new(self.most_ms);
    }

    fn pause_with(&mut self, random: u64) -> Duration {
        let half = self.span_ms / 2;
        let pause = self.span_ms - random % (half + 1);
        self.span_ms = self.span_ms.saturating_mul(2).min(self.most_ms);
        clock::ms(pause)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_up_to_the_most_and_start_over_after_a_success() {
        let mut backoff = Backoff::new(1_000);
        let full: Vec<u128> = (0..9).map(|_| backoff.pause_with(0).as_millis()).collect();
        assert_eq!(full, [10, 20, 40, 80, 160, 320, 640, 1_000, 1_000]);
        backoff.reset();
        assert_eq!(backoff.pause_with(0).as_millis(), 10);
    }

    #[test]
    fn a_pause_is_never_less_than_half_its_span() {
        for random in [0, 1, 7, 499, 500, 501, u64::MAX] {
            let mut backoff = Backoff::new(1_000);
            for span in [10, 20, 40, 80, 160, 320, 640, 1_000] {
                let pause = backoff.pause_with(random).as_millis();
                assert!((span / 2..=span).contains(&pause), "{pause} of {span}");
            }
        }
    }

    #[test]
    fn a_most_of_nothing_waits_for_nothing() {
        assert_eq!(Backoff::new(0).pause(), Duration::ZERO);
    }
}
