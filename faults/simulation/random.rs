//! Chance that repeats itself: the same seed, the same numbers.

use std::cell::RefCell;
use std::rc::Rc;

/// A stream of numbers (`SplitMix64`).
#[derive(Debug, Clone)]
pub struct Random(u64);

impl Random {
    pub fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ 0x5851_f42d_4c95_7f2d)
    }

    pub fn number(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number in `0..end`; zero if there is none.
    pub fn below(&mut self, end: u64) -> u64 {
        self.number() % end.max(1)
    }

    /// A place in a list of so many.
    pub fn place(&mut self, length: usize) -> usize {
        usize::try_from(self.below(length as u64)).unwrap()
    }

    pub fn chance(&mut self, percent: u64) -> bool {
        self.below(100) < percent
    }

    pub fn pick<T: Copy>(&mut self, from: &[T]) -> T {
        from[self.place(from.len())]
    }

    /// A stream of its own.
    pub fn fork(&mut self) -> Self {
        Self::new(self.number())
    }
}

/// A stream that several parts of a world draw from.
#[derive(Debug, Clone)]
pub struct SharedRandom(Rc<RefCell<Random>>);

impl SharedRandom {
    pub fn new(random: Random) -> Self {
        Self(Rc::new(RefCell::new(random)))
    }

    pub fn below(&self, end: u64) -> u64 {
        self.0.borrow_mut().below(end)
    }

    pub fn chance(&self, percent: u64) -> bool {
        self.0.borrow_mut().chance(percent)
    }
}
