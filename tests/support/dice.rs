//! Numbers that look random and are the same each run.

/// A sequence of numbers that a seed decides (splitmix64).
#[derive(Debug, Clone)]
pub struct Dice(u64);

impl Dice {
    /// The sequence of a seed.
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// The next number below a bound.
    pub fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % bound
    }

    /// The next number from a least to a most, both included; small ones come as often as large ones.
    pub fn spread(&mut self, least: u64, most: u64) -> u64 {
        let (low, high) = (least.ilog2(), most.ilog2());
        let size = 1u64 << (u64::from(low) + self.below(u64::from(high - low) + 1));
        (size + self.below(size)).clamp(least, most)
    }
}
