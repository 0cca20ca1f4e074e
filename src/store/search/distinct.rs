//! How many different values there are: exactly while they are few, by a sketch when they are many.

use std::collections::HashSet;
use std::hash::{BuildHasherDefault, Hasher};

use datasketches::hll::{HllSketch, HllType, HllUnion};

/// Size of a sketch: 2^14 registers, a standard error of 0.8 %.
const SKETCH_LG: u8 = 14;
/// Values that all groups of an answer together may keep exactly, about.
const EXACT_ALL: usize = 1 << 20;
/// Values that one group may keep exactly whatever the others do, and at most.
const EXACT_ONE: (usize, usize) = (256, 1 << 16);

/// How many values a group may keep exactly when there are so many groups.
pub fn exact_max(groups: usize) -> usize {
    (EXACT_ALL / groups.max(1)).clamp(EXACT_ONE.0, EXACT_ONE.1)
}

/// A set of hashes that may lose its exactness, never its size.
#[derive(Debug, Clone)]
pub enum Distinct {
    /// Every hash.
    Exact(HashSet<u64, BuildHasherDefault<Mix>>),
    /// A sketch of them.
    Sketch(HllSketch),
}

impl Default for Distinct {
    fn default() -> Self {
        Self::Exact(HashSet::default())
    }
}

impl Distinct {
    /// Adds a hash; beyond so many hashes the set becomes a sketch.
    pub fn insert(&mut self, hash: u64, exact_max: usize) {
        match self {
            Self::Exact(hashes) => {
                hashes.insert(hash);
                if hashes.len() > exact_max {
                    self.sketch();
                }
            }
            Self::Sketch(sketch) => sketch.update(hash),
        }
    }

    /// Adds what another set has.
    pub fn merge(&mut self, other: Self, exact_max: usize) {
        match (&mut *self, other) {
            (_, Self::Exact(hashes)) => hashes.into_iter().for_each(|hash| self.insert(hash, exact_max)),
            (Self::Exact(_), other @ Self::Sketch(_)) => {
                let exact = std::mem::replace(self, other);
                self.merge(exact, exact_max);
            }
            (Self::Sketch(ours), Self::Sketch(theirs)) => {
                if let Ok(mut union) = HllUnion::new(SKETCH_LG) {
                    union.update(ours);
                    union.update(&theirs);
                    *ours = union.to_sketch(HllType::Hll8);
                }
            }
        }
    }

    /// How many values, and whether that is an estimate.
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "an estimate is a whole number of values, and never below none"
    )]
    pub fn count(&self) -> (u64, bool) {
        match self {
            Self::Exact(hashes) => (hashes.len() as u64, false),
            Self::Sketch(sketch) => (sketch.estimate().round() as u64, true),
        }
    }

    fn sketch(&mut self) {
        let Self::Exact(hashes) = self else { return };
        // The size is a constant that sketches allow.
        if let Ok(mut sketch) = HllSketch::new(SKETCH_LG, HllType::Hll8) {
            for hash in hashes.iter() {
                sketch.update(*hash);
            }
            *self = Self::Sketch(sketch);
        }
    }
}

/// Hashes numbers that clients cannot choose: hashes with a secret key, and numbers of our own.
#[derive(Debug, Clone, Copy, Default)]
pub struct Mix(u64);

impl Hasher for Mix {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.write_u64(u64::from(*byte));
        }
    }

    fn write_u64(&mut self, number: u64) {
        // The golden ratio spreads neighbours; the high half, which it spreads best, is folded into the low one.
        let spread = (self.0 ^ number).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        self.0 = spread ^ spread >> 32;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(numbers: std::ops::Range<u64>, exact_max: usize) -> Distinct {
        use std::hash::BuildHasher;
        let hasher = std::hash::RandomState::new();
        let mut distinct = Distinct::default();
        // The keys of two states differ: only one is used for what is merged.
        numbers.for_each(|number| distinct.insert(hasher.hash_one(number), exact_max));
        distinct
    }

    #[test]
    fn few_values_are_counted_exactly_and_many_within_the_stated_error() {
        assert_eq!(of(0..10_000, 10_000).count(), (10_000, false));
        for many in [10_001u64, 200_000, 1_000_000] {
            let (count, estimated) = of(0..many, 10_000).count();
            assert!(estimated);
            let off = count.abs_diff(many) as f64 / many as f64;
            // Five standard errors: once in two million runs.
            assert!(off < 0.041, "{count} instead of {many}");
        }
    }

    #[test]
    fn merging_counts_what_both_have_once_whatever_they_are() {
        let part = |numbers: std::ops::Range<u64>, exact_max| {
            let mut distinct = Distinct::default();
            numbers.for_each(|number| distinct.insert(number.wrapping_mul(0x9e37_79b9_7f4a_7c15), exact_max));
            distinct
        };
        for (left, right) in [(100, 100), (100_000, 100), (100, 100_000), (100_000, 100_000)] {
            let mut merged = part(0..60_000, left);
            merged.merge(part(30_000..90_000, right), left.min(right));
            let (count, estimated) = merged.count();
            assert_eq!(estimated, left.min(right) == 100);
            assert!(count.abs_diff(90_000) < 3_700, "{count} of {left} and {right}");
        }
        let mut merged = part(0..60, 1_000);
        merged.merge(part(30..90, 1_000), 1_000);
        assert_eq!(merged.count(), (90, false));
    }

    #[test]
    fn many_groups_leave_each_a_small_exact_part() {
        assert_eq!(
            (exact_max(0), exact_max(64), exact_max(1_000_000)),
            (65_536, 16_384, 256)
        );
    }
}
