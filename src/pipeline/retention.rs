//! Which segments still serve somebody.
//!
//! One that is counted serves a Redis that goes back in time (`journal.keep_bytes`, `journal.keep_ms`). One from before
//! those serves the window of idempotency keys: whoever reads the frames behind it must know which keys were seen there
//! (`apply.window_ms`, `apply.window_bytes_max`).

use crate::config::Config;
use crate::event::Sequence;
use crate::journal::{Segment, ended_before};

/// The segment that holds the frame after a sequence.
pub fn holder_of(list: &[Segment], after: Sequence) -> usize {
    let holder = list.iter().rposition(|segment| segment.first <= after.next());
    holder.unwrap_or(0)
}

/// Where to begin reading so that the frames of the segment `holder` and those behind it find every id of their window:
/// with the first segment that was still open a window's span before that one was begun, and when that was. Counted
/// from the segments, not from now: a replay may come late.
pub fn window_before(list: &[Segment], holder: usize, window_ms: u64) -> (usize, u64) {
    let begun_ms = list.get(holder).map_or(0, |segment| segment.created_ms);
    let since_ms = begun_ms.saturating_sub(window_ms);
    (ended_before(list, since_ms).min(holder), since_ms)
}

/// Whether there is as much of a window before the segment `holder` as [`first_needed`] keeps: all since a time, in
/// milliseconds since 1970, or what `bytes_max` allows. There is less where no segment was kept for a Redis that goes
/// back in time any more.
pub fn has_window(list: &[Segment], holder: usize, since_ms: u64, bytes_max: u64) -> bool {
    // A journal's first segment begins with the first sequence, wherever its frames do.
    let all = |oldest: &Segment| oldest.first <= Sequence::ZERO.next() || oldest.created_ms <= since_ms;
    let before: u64 = list.iter().take(holder).map(|segment| segment.bytes).sum();
    // The one that did not fit was about as long as the others.
    let one_more = list.iter().map(|segment| segment.bytes).max().unwrap_or(0);
    list.first().is_none_or(all) || before.saturating_add(one_more) > bytes_max
}

/// The first segment that serves somebody, if everything up to `done` is counted.
pub fn first_needed(list: &[Segment], done: Sequence, config: &Config, now_ms: u64) -> usize {
    let kept = first_kept(list, done, config, now_ms);
    let (window, _) = window_before(list, kept, config.apply.window_ms);
    let before = list.get(window..kept).unwrap_or_default();
    let mut bytes = 0;
    let in_bound = before.iter().rev().take_while(|segment| {
        bytes += segment.bytes;
        bytes <= config.apply.window_bytes_max
    });
    kept - in_bound.count()
}

/// The first segment that is not counted, or kept for a Redis that goes back in time.
fn first_kept(list: &[Segment], done: Sequence, config: &Config, now_ms: u64) -> usize {
    let holder = holder_of(list, done);
    if config.counters.redis_url.is_none() {
        return holder;
    }
    let mut bytes_behind: u64 = list.iter().map(|segment| segment.bytes).sum();
    let expendable = list.iter().zip(list.iter().skip(1)).take_while(|(segment, next)| {
        bytes_behind = bytes_behind.saturating_sub(segment.bytes);
        let ended_ms = next.created_ms;
        bytes_behind >= config.journal.keep_bytes || ended_ms.saturating_add(config.journal.keep_ms) < now_ms
    });
    expendable.count().min(holder)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Secret;

    const NOW_MS: u64 = 10_000;

    /// Ten segments of 100 bytes, one begun each second, the last one just now; ten frames each.
    fn segments() -> Vec<Segment> {
        let segment = |number: u64| Segment {
            first: Sequence(10 * number + 1),
            created_ms: 1_000 * (number + 1),
            bytes: 100,
        };
        (0..10).map(segment).collect()
    }

    fn config(keep: (u64, u64), window: (u64, u64)) -> Config {
        let mut config = Config::default();
        (config.journal.keep_bytes, config.journal.keep_ms) = keep;
        (config.apply.window_bytes_max, config.apply.window_ms) = window;
        config.counters.redis_url = Some(Secret::new("redis://somewhere"));
        config
    }

    #[test]
    fn segments_serve_a_redis_that_goes_back_and_the_window_of_keys_before_that() {
        const ALL: u64 = u64::MAX;
        for (keep, window, needed) in [
            ((0, ALL), (0, 1), 9),
            ((300, ALL), (0, 1), 7),
            ((ALL, 0), (0, 1), 8),
            ((ALL, 2_500), (0, 1), 6),
            // The window counts from where the kept ones begin, and has a bound of its own.
            ((0, ALL), (ALL, 2_500), 6),
            ((0, ALL), (299, 2_500), 7),
            ((0, ALL), (300, 2_500), 6),
            ((300, ALL), (ALL, 2_500), 4),
            ((300, ALL), (150, 2_500), 6),
            ((ALL, ALL), (0, 1), 0),
            ((0, 0), (ALL, ALL), 0),
        ] {
            let config = config(keep, window);
            let found = first_needed(&segments(), Sequence(99), &config, NOW_MS);
            assert_eq!(found, needed, "keep {keep:?}, window {window:?}");
        }
    }

    #[test]
    fn what_is_not_counted_stays_with_its_window() {
        let config = config((0, 0), (u64::MAX, 1_500));
        for (done, needed) in [(0, 0), (49, 2), (50, 3), (99, 7)] {
            let found = first_needed(&segments(), Sequence(done), &config, NOW_MS);
            assert_eq!(found, needed, "counted up to {done}");
        }
    }

    #[test]
    fn embedded_counters_keep_segments_for_the_window_alone() {
        let mut config = config((u64::MAX, u64::MAX), (u64::MAX, 2_500));
        config.counters.redis_url = None;
        assert_eq!(first_needed(&segments(), Sequence(99), &config, NOW_MS), 6);
        assert_eq!(first_needed(&[], Sequence(99), &config, NOW_MS), 0);
    }

    #[test]
    fn a_window_reaches_back_to_its_time_or_to_the_journals_birth_or_as_far_as_its_bytes_allow() {
        let list = segments();
        assert!(has_window(&list, 5, 0, u64::MAX));
        let rest = list.get(3..).unwrap();
        assert!(has_window(rest, 2, 4_000, u64::MAX));
        assert!(!has_window(rest, 2, 3_999, u64::MAX) && !has_window(rest, 2, 3_999, 300));
        assert!(has_window(rest, 2, 3_999, 299) && has_window(rest, 0, 3_999, 0));
        assert!(has_window(&[], 0, 0, u64::MAX));
    }

    #[test]
    fn what_is_left_has_the_window_of_what_is_kept_and_no_more() {
        for window in [(u64::MAX, 2_500), (250, 2_500), (0, 2_500)] {
            let config = config((300, u64::MAX), window);
            let list = segments();
            let left = list.get(first_needed(&list, Sequence(99), &config, NOW_MS)..).unwrap();
            let has_window = |segment: &Segment| {
                let (_, since_ms) = window_before(&list, holder_of(&list, segment.first), window.1);
                let holder = holder_of(left, segment.first);
                has_window(left, holder, since_ms, window.0)
            };
            assert!(list.get(7..).unwrap().iter().all(has_window), "{window:?}");
            assert_eq!(left.first().is_some_and(has_window), left.len() == 3, "{window:?}");
        }
    }
}
