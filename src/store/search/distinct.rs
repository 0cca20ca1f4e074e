//! How many different values there are: exactly while they are few, by a sketch when they are many.

use hashbrown::HashTable;

use super::sketch::Sketch;

/// Values that all groups of an answer together may keep exactly, about.
const EXACT_ALL: usize = 1 << 20;
/// Values that one group may keep exactly whatever the others do, and at most. The lower bound takes as much memory as
/// a sketch.
const EXACT_ONE: (usize, usize) = (Sketch::BYTES / 8, 1 << 16);

/// How many values a group may keep exactly when there are so many groups.
pub fn exact_max(groups: usize) -> usize {
    (EXACT_ALL / groups.max(1)).clamp(EXACT_ONE.0, EXACT_ONE.1)
}

/// For each set, the values that it and those before it have, so many sets in all. Three merges a set, however many
/// that are: what a window has is the tail of one block and the head of the next.
pub fn over(sets: &[Distinct], width: usize, exact_max: usize) -> Vec<Distinct> {
    let mut all = Vec::with_capacity(sets.len());
    let mut tails: Vec<Distinct> = Vec::new();
    for block in sets.chunks(width.max(1)) {
        let mut head = Distinct::default();
        for (place, set) in block.iter().enumerate() {
            head.merge(set, exact_max);
            let mut window = head.clone();
            if let Some(tail) = tails.get(place + 1) {
                window.merge(tail, exact_max);
            }
            all.push(window);
        }
        let mut tail = Distinct::default();
        let grown = block.iter().rev().map(|set| {
            tail.merge(set, exact_max);
            tail.clone()
        });
        tails = grown.collect();
        tails.reverse();
    }
    all
}

/// A set of hashes that may lose its exactness, never its size.
#[derive(Debug, Clone)]
pub enum Distinct {
    /// Every hash once, in no order.
    Listed(Vec<u64>),
    /// Every hash once, so that it is quickly told whether one is there.
    Known(HashTable<u64>),
    /// A sketch of them.
    Sketch(Sketch),
}

impl Default for Distinct {
    fn default() -> Self {
        Self::Listed(Vec::new())
    }
}

impl Distinct {
    /// A set of hashes, each of which comes once; of more than so many a sketch.
    pub fn of(hashes: impl ExactSizeIterator<Item = u64>, exact_max: usize) -> Self {
        if hashes.len() <= exact_max {
            return Self::Listed(hashes.collect());
        }
        let mut sketch = Sketch::default();
        hashes.for_each(|hash| sketch.add(hash));
        Self::Sketch(sketch)
    }

    /// Adds what another set has; beyond so many values the set becomes a sketch.
    pub fn merge(&mut self, other: &Self, exact_max: usize) {
        *self = match (std::mem::take(self), other) {
            (Self::Sketch(mut ours), Self::Sketch(theirs)) => {
                ours.merge(theirs);
                Self::Sketch(ours)
            }
            (Self::Sketch(ours), theirs) => theirs.sketched(ours),
            (ours, Self::Sketch(theirs)) => ours.sketched(theirs.clone()),
            (Self::Listed(ours), theirs) if ours.is_empty() => theirs.clone().within(exact_max),
            (ours, theirs) => {
                let mut known = ours.known(theirs.len());
                theirs.each(|hash| {
                    known.entry(hash, |ours| *ours == hash, |ours| *ours).or_insert(hash);
                });
                Self::Known(known).within(exact_max)
            }
        };
    }

    /// The same as a table with room for so many more. The hashes are their own hashes: they have a secret key.
    fn known(self, more: usize) -> HashTable<u64> {
        if let Self::Known(known) = self {
            return known;
        }
        let mut known = HashTable::with_capacity(self.len() + more);
        self.each(|hash| {
            known.insert_unique(hash, hash, |ours| *ours);
        });
        known
    }

    fn within(self, exact_max: usize) -> Self {
        if self.len() > exact_max {
            self.sketched(Sketch::default())
        } else {
            self
        }
    }

    /// A sketch with the hashes that are kept here.
    fn sketched(&self, mut sketch: Sketch) -> Self {
        self.each(|hash| sketch.add(hash));
        Self::Sketch(sketch)
    }

    /// How many hashes are kept.
    fn len(&self) -> usize {
        match self {
            Self::Listed(hashes) => hashes.len(),
            Self::Known(hashes) => hashes.len(),
            Self::Sketch(_) => 0,
        }
    }

    /// Hands over the hashes that are kept.
    fn each(&self, take: impl FnMut(u64)) {
        match self {
            Self::Listed(hashes) => hashes.iter().copied().for_each(take),
            Self::Known(hashes) => hashes.iter().copied().for_each(take),
            Self::Sketch(_) => {}
        }
    }

    /// What it takes, in bytes.
    pub fn bytes(&self) -> usize {
        match self {
            Self::Listed(hashes) => 8 * hashes.capacity(),
            Self::Known(hashes) => 9 * hashes.capacity(),
            Self::Sketch(_) => Sketch::BYTES,
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
            Self::Listed(_) | Self::Known(_) => (self.len() as u64, false),
            Self::Sketch(sketch) => (sketch.estimate().round() as u64, true),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::hash::{BuildHasher, RandomState};
    use std::ops::Range;

    use super::*;

    fn of(hasher: &RandomState, numbers: Range<u64>, exact_max: usize) -> Distinct {
        let hashes: Vec<u64> = numbers.map(|number| hasher.hash_one(number)).collect();
        Distinct::of(hashes.into_iter(), exact_max)
    }

    #[test]
    fn few_values_are_counted_exactly_and_many_within_the_stated_error() {
        let hasher = RandomState::new();
        assert_eq!(of(&hasher, 0..10_000, 10_000).count(), (10_000, false));
        for many in [10_001u64, 200_000, 1_000_000] {
            let (count, estimated) = of(&hasher, 0..many, 10_000).count();
            assert!(estimated);
            let off = count.abs_diff(many) as f64 / many as f64;
            // Five standard errors: once in two million runs.
            assert!(off < 0.041, "{count} instead of {many}");
        }
    }

    #[test]
    fn merging_counts_what_both_have_once_whatever_they_are() {
        let hasher = RandomState::new();
        for (left, right) in [
            (100, 100),
            (100, 9_000),
            (9_000, 100),
            (9_000, 9_000),
            (0, 9_000),
            (0, 5),
            (5, 0),
        ] {
            let exact_max = 1_000;
            // The last ten of the first are the first ten of the second.
            let mut merged = of(&hasher, 0..left, exact_max);
            let begin = left.saturating_sub(10);
            merged.merge(&of(&hasher, begin..begin + right, exact_max), exact_max);
            let expected = left.max(begin + right) as f64;
            let (count, estimated) = merged.count();
            assert_eq!(estimated, left > 1_000 || right > 1_000);
            let allowed = if estimated { 0.041 * expected } else { 0.0 };
            assert!(
                (count as f64 - expected).abs() <= allowed,
                "{count} instead of {expected}"
            );
        }
    }

    #[test]
    fn what_grows_beyond_its_bound_becomes_an_estimate() {
        let hasher = RandomState::new();
        let mut grown = Distinct::default();
        for part in 0..20 {
            grown.merge(&of(&hasher, part * 100..(part + 1) * 100, 1_000), 1_000);
            let (count, estimated) = grown.count();
            assert_eq!(estimated, part >= 10);
            assert!(
                count.abs_diff((part + 1) * 100) <= if estimated { 82 } else { 0 },
                "{count}"
            );
        }
    }

    #[test]
    fn a_window_has_what_its_sets_have_and_nothing_else() {
        let hasher = RandomState::new();
        for width in [1, 2, 3, 7, 30, 50] {
            // Each set has three values, of which it shares one with the next.
            let sets: Vec<Distinct> = (0..40).map(|day| of(&hasher, day * 2..day * 2 + 3, 1_000)).collect();
            let counts: Vec<u64> = over(&sets, width, 1_000).iter().map(|set| set.count().0).collect();
            let expected: Vec<u64> = (0..40).map(|day| (day + 1).min(width as u64) * 2 + 1).collect();
            assert_eq!(counts, expected, "{width}");
        }
        assert!(over(&[], 3, 9).is_empty());
    }

    #[test]
    fn many_groups_leave_each_a_small_exact_part() {
        assert_eq!(
            (exact_max(0), exact_max(64), exact_max(1_000_000)),
            (65_536, 16_384, 2_048)
        );
    }
}
