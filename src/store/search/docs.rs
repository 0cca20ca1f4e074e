//! Which documents of a segment are meant.

use std::ops::Range;

/// Documents that are looked at in one go.
pub const BLOCK: usize = 1_024;

/// A set of documents of one segment, a bit each.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Docs {
    words: Vec<u64>,
}

impl Docs {
    /// No document of a segment with so many.
    pub fn none(count: u32) -> Self {
        let words = vec![0; (count as usize).div_ceil(64)];
        Self { words }
    }

    /// Every document of a segment with so many.
    pub fn all(count: u32) -> Self {
        let mut words = vec![u64::MAX; (count as usize).div_ceil(64)];
        if let (Some(last), rest @ 1..) = (words.last_mut(), count % 64) {
            *last = (1 << rest) - 1;
        }
        Self { words }
    }

    /// Takes out what lies outside a range.
    pub fn cut(&mut self, range: &Range<u32>) {
        for (place, word) in (0u32..).zip(&mut self.words) {
            let bit = |end: u32| end.saturating_sub(place * 64).min(64);
            let below = |end: u32| 1u64.checked_shl(bit(end)).unwrap_or(0).wrapping_sub(1);
            *word &= below(range.end) & !below(range.start);
        }
    }

    /// Puts a document into the set.
    pub fn insert(&mut self, doc: u32) {
        if let Some(word) = self.words.get_mut(doc as usize / 64) {
            *word |= 1 << (doc % 64);
        }
    }

    /// Whether a document is in the set.
    pub fn contains(&self, doc: u32) -> bool {
        let word = self.words.get(doc as usize / 64).copied().unwrap_or(0);
        word >> (doc % 64) & 1 == 1
    }

    /// Keeps what is in the other set, too.
    pub fn keep(&mut self, other: &Self) {
        for (word, other) in self.words.iter_mut().zip(&other.words) {
            *word &= other;
        }
    }

    /// Takes out what is in the other set.
    pub fn remove(&mut self, other: &Self) {
        for (word, other) in self.words.iter_mut().zip(&other.words) {
            *word &= !other;
        }
    }

    /// Puts in what is in the other set.
    pub fn add(&mut self, other: &Self) {
        for (word, other) in self.words.iter_mut().zip(&other.words) {
            *word |= other;
        }
    }

    /// How many documents are in the set.
    pub fn count(&self) -> usize {
        self.words.iter().map(|word| word.count_ones() as usize).sum()
    }

    /// Hands over the documents in order, in blocks of at most [`BLOCK`].
    pub fn blocks<E>(&self, mut take: impl FnMut(&[u32]) -> Result<(), E>) -> Result<(), E> {
        let mut block = Vec::with_capacity(BLOCK);
        for (place, word) in (0u32..).zip(&self.words) {
            let mut left = *word;
            if left == u64::MAX {
                block.extend(place * 64..place * 64 + 64);
                left = 0;
            }
            while left != 0 {
                block.push(place * 64 + left.trailing_zeros());
                left &= left - 1;
            }
            // A word brings 64 at most.
            if block.len() > BLOCK - 64 {
                take(&block)?;
                block.clear();
            }
        }
        if block.is_empty() { Ok(()) } else { take(&block) }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::convert::Infallible;

    use proptest::collection::btree_set;
    use proptest::prelude::*;

    use super::*;

    fn docs(of: &BTreeSet<u32>) -> Docs {
        let mut docs = Docs::none(5_000);
        for doc in of {
            docs.insert(*doc);
        }
        docs
    }

    fn listed(docs: &Docs) -> Vec<u32> {
        let mut all = Vec::new();
        let Ok(()) = docs.blocks::<Infallible>(|block| {
            assert!(block.len() <= BLOCK);
            all.extend_from_slice(block);
            Ok(())
        });
        all
    }

    proptest! {
        #[test]
        fn sets_do_what_sets_do(left in btree_set(0u32..5_000, 0..3_000), right in btree_set(0u32..5_000, 0..3_000)) {
            let with = |change: fn(&mut Docs, &Docs)| {
                let mut set = docs(&left);
                change(&mut set, &docs(&right));
                prop_assert_eq!(set.count(), listed(&set).len());
                Ok(listed(&set))
            };
            prop_assert_eq!(with(Docs::keep)?, left.intersection(&right).copied().collect::<Vec<_>>());
            prop_assert_eq!(with(Docs::remove)?, left.difference(&right).copied().collect::<Vec<_>>());
            prop_assert_eq!(with(Docs::add)?, left.union(&right).copied().collect::<Vec<_>>());
        }

        #[test]
        fn a_cut_leaves_what_lies_in_the_range(of in btree_set(0u32..5_000, 0..3_000), ends in [0u32..5_100, 0u32..5_100]) {
            let range = ends[0].min(ends[1])..ends[0].max(ends[1]);
            let mut cut = docs(&of);
            cut.cut(&range);
            prop_assert_eq!(listed(&cut), of.range(range).copied().collect::<Vec<_>>());
        }

        #[test]
        fn all_are_as_many_as_asked_for(count in 0u32..300) {
            prop_assert_eq!(listed(&Docs::all(count)), (0..count).collect::<Vec<_>>());
            prop_assert_eq!(Docs::none(count).count(), 0);
        }
    }
}
