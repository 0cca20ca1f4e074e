//! What came back: exact counts by status, and how long answers took.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::{Value, json};

/// Each power of two is cut in this many equal buckets, so a quantile is at most 3 % off.
const PARTS: usize = 32;

/// Counts and times of one run.
pub struct Tally {
    statuses: [u64; 600],
    /// Requests whose connection broke before their answer came: counted or not, nobody knows.
    pub unknown: u64,
    timed: u64,
    nanos_buckets: Vec<u64>,
    nanos_max: u64,
}

impl Default for Tally {
    fn default() -> Self {
        Self {
            statuses: [0; 600],
            unknown: 0,
            timed: 0,
            nanos_buckets: vec![0; 64 * PARTS],
            nanos_max: 0,
        }
    }
}

impl Tally {
    /// Counts an answer; `latency` is missing outside the measured part.
    pub fn note(&mut self, status: u16, latency: Option<Duration>) {
        self.statuses[usize::from(status).min(599)] += 1;
        if let Some(latency) = latency {
            let nanos = latency.as_nanos() as u64;
            self.timed += 1;
            self.nanos_max = self.nanos_max.max(nanos);
            self.nanos_buckets[bucket(nanos)] += 1;
        }
    }

    /// The run as JSON; times are in microseconds.
    pub fn report(&self, seconds: f64) -> Value {
        let all: u64 = self.statuses.iter().sum();
        let statuses: BTreeMap<String, u64> = (0..600)
            .filter(|status| self.statuses[*status] > 0)
            .map(|status| (status.to_string(), self.statuses[status]))
            .collect();
        json!({
            "statuses": statuses,
            "ok": self.statuses[200..300].iter().sum::<u64>(),
            "answers": all,
            "unknown": self.unknown,
            "seconds": seconds,
            "rps": self.timed as f64 / seconds,
            "latency_us": {
                "p50": self.quantile_us(0.5),
                "p90": self.quantile_us(0.9),
                "p99": self.quantile_us(0.99),
                "p999": self.quantile_us(0.999),
                "max": self.nanos_max as f64 / 1_000.0,
            },
            "generator_cpu_us": cpu_nanos() as f64 / 1_000.0 / all.max(1) as f64,
        })
    }

    fn quantile_us(&self, share: f64) -> f64 {
        let wanted = (self.timed as f64 * share).ceil() as u64;
        let mut seen = 0;
        for (index, count) in self.nanos_buckets.iter().enumerate() {
            seen += count;
            if seen >= wanted && seen > 0 {
                return upper_bound(index) as f64 / 1_000.0;
            }
        }
        0.0
    }
}

/// Values below `PARTS` have a bucket each; above, the highest bits choose.
fn bucket(nanos: u64) -> usize {
    let bits = PARTS.trailing_zeros();
    let shift = (64 - nanos.leading_zeros()).saturating_sub(bits + 1);
    shift as usize * PARTS + (nanos >> shift) as usize
}

fn upper_bound(index: usize) -> u64 {
    let shift = (index / PARTS).saturating_sub(1);
    ((index - shift * PARTS) as u64 + 1) << shift
}

/// CPU time this (single-threaded) process has used, in nanoseconds.
fn cpu_nanos() -> u64 {
    std::fs::read_to_string("/proc/self/schedstat")
        .ok()
        .and_then(|text| text.split(' ').next()?.parse().ok())
        .unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bucket_holds_its_value_within_three_percent() {
        for nanos in [0, 1, 31, 32, 33, 63, 64, 1_000, 123_456, 10_000_000_000] {
            let bound = upper_bound(bucket(nanos));
            assert!(
                nanos < bound && bound as f64 <= nanos as f64 * 1.04 + 1.0,
                "{nanos} in a bucket up to {bound}"
            );
        }
    }

    #[test]
    fn answers_outside_the_measured_part_are_counted_but_not_timed() {
        let mut tally = Tally::default();
        tally.note(201, None);
        tally.note(202, Some(Duration::from_micros(100)));
        tally.note(503, Some(Duration::from_micros(200)));
        let report = tally.report(2.0);
        assert_eq!(report["ok"], 2);
        assert_eq!(report["answers"], 3);
        assert_eq!(report["rps"], 1.0);
        assert_eq!(report["statuses"]["503"], 1);
    }
}
