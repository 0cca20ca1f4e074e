//! Numbers without pattern that follow from a seed, the same on every machine.

/// A splitmix64 generator: one addition and two multiplications a number, and every seed is good.
#[derive(Debug, Clone)]
pub struct Dice(u64);

impl Dice {
    /// Dice of a seed.
    pub const fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// The next number.
    pub const fn roll(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        mixed(self.0)
    }

    /// A number below a bound, which is not zero.
    pub const fn below(&mut self, bound: u64) -> u64 {
        within(self.roll(), bound)
    }

    /// Whether something happens that happens this often in a hundred times.
    pub const fn percent(&mut self, times: u64) -> bool {
        self.below(100) < times
    }
}

/// A number that follows from another, without pattern.
pub const fn mixed(number: u64) -> u64 {
    let number = (number ^ (number >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let number = (number ^ (number >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    number ^ (number >> 31)
}

/// The place of a number of 64 bits among `bound` equal parts.
pub const fn within(number: u64, bound: u64) -> u64 {
    ((number as u128 * bound as u128) >> 64) as u64
}

/// One of a list whose entries have weights.
pub fn weighted<T>(number: u64, list: &[T], weight: impl Fn(&T) -> u64) -> Option<&T> {
    let mut left = within(number, list.iter().map(&weight).sum::<u64>().max(1));
    for entry in list {
        let weight = weight(entry);
        if left < weight {
            return Some(entry);
        }
        left -= weight;
    }
    list.last()
}

/// One of a list, each as often as the others.
pub fn one_of<T: Copy + Default>(number: u64, list: &[T]) -> T {
    let place = within(number, list.len() as u64);
    usize::try_from(place)
        .ok()
        .and_then(|place| list.get(place))
        .copied()
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_always_gives_the_same_numbers() {
        let rolled = |seed| {
            let mut dice = Dice::new(seed);
            [dice.roll(), dice.roll(), dice.roll()]
        };
        // The reference figures of splitmix64.
        assert_eq!(
            rolled(0),
            [0xe220_a839_7b1d_cdaf, 0x6e78_9e6a_a1b9_65f4, 0x06c4_5d18_8009_454f]
        );
        assert_ne!(rolled(0), rolled(1));
    }

    #[test]
    fn numbers_stay_below_their_bound_and_weights_are_kept() {
        let mut dice = Dice::new(7);
        let list = [("a", 1_u64), ("b", 3), ("c", 0)];
        let mut found = [0; 3];
        for _ in 0..4_000 {
            assert!(dice.below(3) < 3);
            let chosen = weighted(dice.roll(), &list, |entry| entry.1).unwrap();
            found[list.iter().position(|entry| entry == chosen).unwrap()] += 1;
        }
        assert!((800..1_200).contains(&found[0]) && found[2] == 0, "{found:?}");
    }
}
