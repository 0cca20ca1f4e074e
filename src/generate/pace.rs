//! When events happen.

use super::dice::Dice;
use super::visitor::rhythm;

const HOUR_MS: u64 = 3_600_000;

/// When events happen, and how close they stand.
#[derive(Debug, Clone)]
pub enum Pace {
    /// When they are sent, so many a second.
    Now {
        /// The time, in milliseconds since 1970.
        now_ms: u64,
        /// Events a second.
        rate: u64,
    },
    /// Spread over a span, close by day and sparse by night.
    Spread(Spread),
}

/// A span of time with events in it.
#[derive(Debug, Clone)]
pub struct Spread {
    at_ns: u64,
    until_ms: u64,
    step_ns: u64,
    rhythm: [u64; 24],
}

impl Pace {
    /// Spreads so many events over the time up to a moment; the moment and the span in milliseconds.
    pub fn spread(events: u64, span_ms: u64, until_ms: u64) -> Self {
        Self::Spread(Spread {
            at_ns: until_ms.saturating_sub(span_ms).saturating_mul(1_000_000),
            until_ms,
            step_ns: (span_ms.saturating_mul(1_000_000) / events.max(1)).max(1),
            rhythm: rhythm(),
        })
    }

    /// Events a second, on the mean.
    pub const fn rate(&self) -> u64 {
        match self {
            Self::Now { rate, .. } => *rate,
            Self::Spread(spread) => 1_000_000_000 / spread.step_ns,
        }
    }

    /// When the next event happens, in milliseconds since 1970.
    pub fn next_ms(&mut self, dice: &mut Dice) -> u64 {
        match self {
            Self::Now { now_ms, .. } => *now_ms,
            Self::Spread(spread) => spread.next_ms(dice),
        }
    }
}

impl Spread {
    fn next_ms(&mut self, dice: &mut Dice) -> u64 {
        let now_ms = self.at_ns / 1_000_000;
        let busy = usize::try_from(hour(now_ms))
            .ok()
            .and_then(|hour| self.rhythm.get(hour));
        let step = dice.below(self.step_ns.saturating_mul(2)).saturating_mul(1_024);
        self.at_ns = self.at_ns.saturating_add(step / busy.copied().unwrap_or(1_024));
        now_ms.min(self.until_ms)
    }
}

/// The hour of the day (UTC).
pub const fn hour(unix_ms: u64) -> u64 {
    unix_ms / HOUR_MS % 24
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_fill_their_span_in_order() {
        const UNTIL: u64 = 1_793_491_200_000;
        const DAYS: u64 = 30 * 24 * HOUR_MS;
        let (mut pace, mut dice) = (Pace::spread(100_000, DAYS, UNTIL), Dice::new(1));
        let times: Vec<u64> = (0..100_000).map(|_| pace.next_ms(&mut dice)).collect();
        assert!(times.is_sorted());
        assert_eq!(times[0], UNTIL - DAYS);
        let last = times[99_999];
        assert!(last <= UNTIL && last > UNTIL - DAYS / 50, "{}", UNTIL - last);
        let at = |wanted: u64| times.iter().filter(|time| hour(**time) == wanted).count();
        assert!(at(19) > 2 * at(3), "{} {}", at(19), at(3));
    }
}
