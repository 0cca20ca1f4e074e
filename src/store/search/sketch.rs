//! How many different values there are, about, in a fixed amount of memory: `HyperLogLog` (Flajolet and others, 2007) with
//! the estimator of Ertl (2017), which needs no tables and is as good for few values as for many.

/// Bits of a hash that choose a register: 2^14 registers, a standard error of 0.81 %.
const CHOICE: u32 = 14;
/// How many registers there are.
const REGISTERS: usize = 1 << CHOICE;
/// The greatest value of a register: all bits but those that choose it, and one.
const GREATEST: u8 = 51;

/// For each register, the longest run of zeros that a hash that chose it went on with, plus one.
#[derive(Clone, PartialEq, Eq)]
pub struct Sketch {
    registers: Box<[u8]>,
}

impl Default for Sketch {
    fn default() -> Self {
        Self {
            registers: vec![0; REGISTERS].into(),
        }
    }
}

impl std::fmt::Debug for Sketch {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Sketch({:.0})", self.estimate())
    }
}

impl Sketch {
    /// What a sketch takes, in bytes.
    pub const BYTES: usize = REGISTERS;

    /// Adds a hash, of which every bit must be as good as a coin.
    pub fn add(&mut self, hash: u64) {
        let register = usize::try_from(hash >> (64 - CHOICE)).unwrap_or(0);
        let rest = hash << CHOICE;
        #[expect(clippy::cast_possible_truncation, reason = "64 at most")]
        let run = (rest.leading_zeros() as u8 + 1).min(GREATEST);
        if let Some(longest) = self.registers.get_mut(register) {
            *longest = run.max(*longest);
        }
    }

    /// Adds what another one has seen.
    pub fn merge(&mut self, other: &Self) {
        for (ours, theirs) in self.registers.iter_mut().zip(&other.registers) {
            *ours = (*ours).max(*theirs);
        }
    }

    /// About how many different hashes were added.
    pub fn estimate(&self) -> f64 {
        let mut counts = [0u32; GREATEST as usize + 1];
        for register in &self.registers {
            if let Some(count) = counts.get_mut(usize::from(*register)) {
                *count += 1;
            }
        }
        let all = REGISTERS as f64;
        let [empty, middle @ .., full] = counts;
        let mut sum = all * tau(1.0 - f64::from(full) / all);
        for count in middle.into_iter().rev() {
            sum = f64::midpoint(sum, f64::from(count));
        }
        sum += all * sigma(f64::from(empty) / all);
        all * all / (2.0 * std::f64::consts::LN_2 * sum)
    }
}

/// What registers tell that saw nothing.
fn sigma(mut share: f64) -> f64 {
    if share >= 1.0 {
        return f64::INFINITY;
    }
    let (mut weight, mut sum) = (1.0, share);
    loop {
        share *= share;
        let before = sum;
        sum += share * weight;
        weight += weight;
        // Nothing is added any more, to the last bit.
        if sum.total_cmp(&before).is_eq() {
            return sum;
        }
    }
}

/// What registers tell that are full.
fn tau(mut share: f64) -> f64 {
    if share <= 0.0 || share >= 1.0 {
        return 0.0;
    }
    let (mut weight, mut sum) = (1.0, 1.0 - share);
    loop {
        share = share.sqrt();
        let before = sum;
        weight *= 0.5;
        sum -= (1.0 - share).powi(2) * weight;
        if sum.total_cmp(&before).is_eq() {
            return sum / 3.0;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::hash::{BuildHasher, RandomState};

    use super::*;

    #[test]
    fn few_and_many_are_estimated_within_five_standard_errors() {
        let hasher = RandomState::new();
        let mut sketch = Sketch::default();
        assert!(sketch.estimate().abs() < f64::EPSILON);
        let mut added = 0u64;
        for many in [1u64, 10, 100, 3_000, 30_000, 100_000, 1_000_000] {
            while added < many {
                sketch.add(hasher.hash_one(added));
                added += 1;
            }
            let (estimate, expected) = (sketch.estimate(), many as f64);
            // Of a few, two or three may choose the same register.
            let off = (estimate - expected).abs();
            assert!(off < 3.5 + 0.041 * expected, "{estimate} instead of {many}");
        }
    }

    #[test]
    fn two_that_are_merged_are_as_one_that_saw_all() {
        let hasher = RandomState::new();
        let of = |numbers: std::ops::Range<u64>| {
            let mut sketch = Sketch::default();
            numbers.for_each(|number| sketch.add(hasher.hash_one(number)));
            sketch
        };
        let mut merged = of(0..60_000);
        merged.merge(&of(40_000..100_000));
        assert_eq!(merged, of(0..100_000));
    }

    #[test]
    fn a_register_holds_the_longest_run_there_can_be() {
        assert_eq!(u32::from(GREATEST), 64 - CHOICE + 1);
    }

    #[test]
    fn hashes_at_the_ends_of_their_range_are_taken() {
        let mut sketch = Sketch::default();
        for hash in [0, u64::MAX, 1, 1 << 63] {
            sketch.add(hash);
        }
        assert!((1.5..4.5).contains(&sketch.estimate()), "{sketch:?}");
    }
}
