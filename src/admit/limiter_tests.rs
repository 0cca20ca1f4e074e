//! What the limiter promises, on a clock that only moves when told.

use governor::clock::FakeRelativeClock;
use proptest::prelude::*;
use sfv::{List, Parser};

use super::*;

struct Fixture {
    clock: FakeRelativeClock,
    metrics: LimitMetrics,
    limiter: Limiter<FakeRelativeClock>,
}

fn limiter(max: u32, window_ms: u64, addresses_max: usize) -> Fixture {
    let config = LimitConfig {
        max,
        window_ms,
        addresses_max,
        ..LimitConfig::default()
    };
    let (clock, metrics) = (FakeRelativeClock::default(), LimitMetrics::default());
    let limiter = Limiter::with_clock(&config, &metrics, clock.clone()).unwrap().unwrap();
    Fixture {
        clock,
        metrics,
        limiter,
    }
}

impl Fixture {
    fn check(&self, address: &str) -> Verdict {
        self.limiter.check(address.parse().unwrap())
    }

    fn admits(&self, address: &str) -> bool {
        self.check(address).is_admitted()
    }
}

#[test]
fn a_burst_of_the_whole_allowance_is_admitted_and_the_next_request_refused() {
    let fixture = limiter(100, 60_000, 10);
    for left in (0..100).rev() {
        let verdict = fixture.check("203.0.113.7");
        assert!(verdict.is_admitted());
        assert_eq!(verdict.remaining, left);
    }
    let refused = fixture.check("203.0.113.7");
    assert_eq!(
        refused,
        Verdict {
            remaining: 0,
            reset_seconds: 60,
            retry_after_seconds: Some(1)
        }
    );
    assert_eq!(fixture.metrics.refused.get(), 1);
    assert!(fixture.admits("203.0.113.8"), "another address has its own allowance");
}

#[test]
fn a_used_allowance_refills_evenly() {
    let fixture = limiter(10, 60_000, 10);
    for _ in 0..10 {
        assert!(fixture.admits("203.0.113.7"));
    }
    assert_eq!(fixture.check("203.0.113.7").retry_after_seconds, Some(6));
    fixture.clock.advance(Duration::from_millis(5_999));
    assert!(!fixture.admits("203.0.113.7"));
    fixture.clock.advance(Duration::from_millis(1));
    assert!(fixture.admits("203.0.113.7"));
    assert!(!fixture.admits("203.0.113.7"));
    fixture.clock.advance(Duration::from_mins(1));
    assert_eq!(fixture.check("203.0.113.7").remaining, 9);
}

#[test]
fn whoever_waits_as_told_is_admitted_and_whoever_waits_for_the_reset_has_everything() {
    let fixture = limiter(7, 20_000, 10);
    for _ in 0..7 {
        fixture.check("203.0.113.7");
    }
    let refused = fixture.check("203.0.113.7");
    fixture
        .clock
        .advance(Duration::from_secs(refused.retry_after_seconds.unwrap().into()));
    let admitted = fixture.check("203.0.113.7");
    assert!(admitted.is_admitted());
    fixture
        .clock
        .advance(Duration::from_secs(admitted.reset_seconds.into()));
    assert_eq!(fixture.check("203.0.113.7").remaining, 6);
}

#[test]
fn ipv6_shares_by_64_and_mapped_ipv4_is_ipv4() {
    let fixture = limiter(1, 60_000, 10);
    assert!(fixture.admits("2001:db8:1:2::1"));
    assert!(!fixture.admits("2001:db8:1:2:3::4"));
    assert!(fixture.admits("2001:db8:1:3::1"));
    assert!(fixture.admits("203.0.113.7"));
    assert!(!fixture.admits("::ffff:203.0.113.7"));
}

#[test]
fn zero_switches_the_limit_off() {
    let config = LimitConfig {
        max: 0,
        ..LimitConfig::default()
    };
    assert!(Limiter::new(&config, &LimitMetrics::default()).unwrap().is_none());
}

#[test]
fn at_the_cap_new_addresses_share_their_neighbourhood_and_known_ones_keep_theirs() {
    let fixture = limiter(2, 60_000, 4);
    for address in ["192.0.2.1", "192.0.2.2", "2001:db8::1", "203.0.113.1"] {
        assert_eq!(fixture.check(address).remaining, 1, "{address}");
    }
    assert_eq!(fixture.check("192.0.2.3").remaining, 1);
    assert_eq!(fixture.check("192.0.2.4").remaining, 0, "shares with 192.0.2.3");
    assert!(!fixture.admits("192.0.2.5"));
    assert!(fixture.admits("192.0.2.1"), "known: its own allowance");
    assert!(!fixture.admits("192.0.2.1"));
    fixture.limiter.sweep();
    assert_eq!(fixture.metrics.addresses.get(), 5);
}

#[test]
fn when_neighbourhoods_are_full_too_everybody_else_shares_one_allowance() {
    let fixture = limiter(3, 60_000, 4);
    for address in ["192.0.2.1", "192.0.2.2", "192.0.2.3", "192.0.2.4", "192.0.2.5"] {
        assert_eq!(fixture.check(address).remaining, 2, "{address}");
    }
    assert_eq!(fixture.check("198.51.100.1").remaining, 2);
    assert_eq!(fixture.check("2001:db8:1::1").remaining, 1);
    assert_eq!(fixture.check("203.0.113.1").remaining, 0);
    assert!(!fixture.admits("10.0.0.1"));
    assert_eq!(
        fixture.check("192.0.2.6").remaining,
        1,
        "a known neighbourhood keeps its own"
    );
}

#[test]
fn a_sweep_forgets_only_who_has_the_whole_allowance_again() {
    let fixture = limiter(10, 60_000, 10);
    for _ in 0..10 {
        fixture.check("192.0.2.1");
    }
    fixture.check("192.0.2.2");
    fixture.limiter.sweep();
    assert_eq!(fixture.metrics.addresses.get(), 2);
    fixture.clock.advance(Duration::from_secs(12));
    fixture.limiter.sweep();
    assert_eq!(fixture.metrics.addresses.get(), 1);
    assert_eq!(
        fixture.check("192.0.2.1").remaining,
        1,
        "two came back in 12 seconds, one is used"
    );
    fixture.clock.advance(Duration::from_mins(2));
    fixture.limiter.sweep();
    assert_eq!(fixture.metrics.addresses.get(), 0);
}

#[test]
fn the_policy_is_a_structured_field() {
    let fixture = limiter(100, 60_000, 10);
    assert_eq!(fixture.limiter.policy().as_bytes(), br#""ip";q=100;w=60"#);
    assert!(Parser::new(fixture.limiter.policy().as_bytes()).parse::<List>().is_ok());
    let longest = limiter(u32::MAX, 31 * 86_400_000, 10);
    assert_eq!(longest.limiter.policy().as_bytes(), br#""ip";q=4294967295;w=2678400"#);
}

/// The same limit said in another way: a bucket that every admitted request fills by one refill interval and that
/// drains with time.
struct LeakyBucket {
    max: u64,
    interval: u64,
    level: u64,
}

impl LeakyBucket {
    fn drain(&mut self, nanoseconds: u64) {
        self.level = self.level.saturating_sub(nanoseconds);
    }

    /// What remains after an admitted request, or how long to wait.
    fn check(&mut self) -> Result<u64, u64> {
        let full = self.max * self.interval;
        let filled = self.level + self.interval;
        if filled > full {
            return Err(filled - full);
        }
        self.level = filled;
        Ok((full - filled) / self.interval)
    }
}

proptest! {
    #[test]
    fn it_agrees_with_a_leaky_bucket(
        max in 1_u32..20,
        window_ms in 1_u64..5_000,
        pauses in prop::collection::vec(prop_oneof![Just(0_u64), 0_u64..1_000_000_000, 0_u64..10_000_000_000], 1..200),
    ) {
        let fixture = limiter(max, window_ms, 10);
        let interval = window_ms * 1_000_000 / u64::from(max);
        let mut bucket = LeakyBucket { max: max.into(), interval, level: 0 };
        for pause in pauses {
            fixture.clock.advance(Duration::from_nanos(pause));
            bucket.drain(pause);
            let verdict = fixture.check("203.0.113.7");
            match bucket.check() {
                Ok(remaining) => {
                    prop_assert!(verdict.is_admitted());
                    prop_assert_eq!(u64::from(verdict.remaining), remaining);
                    let reset = u64::from(verdict.reset_seconds) * 1_000_000_000;
                    prop_assert!(reset >= bucket.level && reset < bucket.level + interval + 1_000_000_000);
                }
                Err(wait) => {
                    let seconds = wait.div_ceil(1_000_000_000).max(1);
                    prop_assert_eq!(verdict.retry_after_seconds.map(u64::from), Some(seconds));
                    prop_assert_eq!(u64::from(verdict.reset_seconds), bucket.level.div_ceil(1_000_000_000));
                }
            }
        }
    }
}
