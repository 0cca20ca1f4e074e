//! When an event happened, as far as the client's clock can be believed.

use crate::config::EventsConfig;

/// The time of an event, in milliseconds since 1970: the client's, set right by what its clock showed when it sent the
/// event, and moved to where events may be. An event without a time happened when it was received.
pub fn event_time(time_ms: Option<u64>, sent_at_ms: Option<u64>, received_ms: u64, config: &EventsConfig) -> u64 {
    let Some(time_ms) = time_ms else { return received_ms };
    let corrected = match sent_at_ms {
        Some(sent_at_ms) => time_ms.saturating_add(received_ms).saturating_sub(sent_at_ms),
        None => time_ms,
    };
    let earliest = received_ms.saturating_sub(config.late_ms_max);
    let latest = received_ms.saturating_add(config.early_ms_max);
    corrected.clamp(earliest, latest)
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: u64 = 1_795_000_000_000;
    const DAY: u64 = 86_400_000;

    fn time(time_ms: u64, sent_at_ms: Option<u64>) -> u64 {
        event_time(Some(time_ms), sent_at_ms, NOW, &EventsConfig::default())
    }

    #[test]
    fn a_clock_that_is_wrong_is_set_right() {
        assert_eq!(event_time(None, Some(7), NOW, &EventsConfig::default()), NOW);
        assert_eq!(time(NOW - 5_000, None), NOW - 5_000);
        // An hour ahead, and three years behind: what counts is how long before sending it was.
        assert_eq!(time(NOW + 3_600_000 - 5_000, Some(NOW + 3_600_000)), NOW - 5_000);
        assert_eq!(time(NOW - 1_000 * DAY - 5_000, Some(NOW - 1_000 * DAY)), NOW - 5_000);
    }

    #[test]
    fn times_are_moved_to_where_events_may_be() {
        assert_eq!(time(NOW - 8 * DAY, None), NOW - 7 * DAY);
        assert_eq!(time(NOW + 120_000, None), NOW + 60_000);
        assert_eq!(time(u64::MAX, None), NOW + 60_000);
        assert_eq!(time(0, Some(u64::MAX)), NOW - 7 * DAY);
    }
}
