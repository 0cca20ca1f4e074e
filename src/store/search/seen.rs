//! Which values each group of a segment has seen, by the numbers that the segment gives its values.

use std::sync::Arc;

use tantivy::columnar::Column as Values;

use super::distinct::{Distinct, exact_max};
use super::measure::slot;
use super::reading::{NONE, numbers};

/// Bits up to which groups and values have one each: 32 MB.
const BITS_MAX: usize = 1 << 28;
/// Pairs that are kept before they are sorted into their groups: 32 MB.
const PAIRS_MAX: usize = 1 << 22;

/// Which values each group has seen.
pub struct Seen {
    ords: Values<u64>,
    /// The hash of each value.
    hashes: Arc<[u64]>,
    memory: Memory,
}

enum Memory {
    /// A bit a group and value, so many words a group.
    Bits(Vec<u64>, usize),
    Pairs(Pairs),
}

/// Pairs of a group and a value that it has seen.
#[derive(Default)]
struct Pairs {
    /// In the order of documents, some more than once: the group above, the value below.
    fresh: Vec<u64>,
    /// Each group's values, each once.
    of_groups: Vec<Vec<u32>>,
    /// For each value, the group that was looked at when it was seen last, plus one.
    marks: Vec<u32>,
}

impl Seen {
    /// Begins to look at a column of a segment that has so many groups at most.
    pub fn new(ords: Values<u64>, hashes: Arc<[u64]>, groups: Option<usize>) -> Self {
        let words = hashes.len().div_ceil(64);
        let few = groups.and_then(|groups| groups.checked_mul(words * 64));
        let memory = match few.filter(|bits| *bits <= BITS_MAX) {
            Some(bits) => Memory::Bits(vec![0; bits / 64], words),
            None => Memory::Pairs(Pairs {
                marks: vec![0; hashes.len()],
                ..Pairs::default()
            }),
        };
        Self { ords, hashes, memory }
    }

    /// Looks at a block of documents, each with its group.
    pub fn count(&mut self, docs: &[u32], groups: &[u32]) {
        let mut values = Vec::with_capacity(docs.len());
        numbers(&self.ords, docs, &mut values);
        self.note(groups, &values);
    }

    /// Notes that each group has seen a value.
    fn note(&mut self, groups: &[u32], values: &[u64]) {
        let seen = groups.iter().zip(values).filter(|(_, ord)| **ord != NONE);
        match &mut self.memory {
            Memory::Bits(bits, words) => {
                for (group, ord) in seen {
                    let place = usize::try_from(ord / 64).map_or(usize::MAX, |word| *group as usize * *words + word);
                    if let Some(word) = bits.get_mut(place) {
                        *word |= 1 << (ord % 64);
                    }
                }
            }
            Memory::Pairs(pairs) => {
                pairs
                    .fresh
                    .extend(seen.map(|(group, ord)| u64::from(*group) << 32 | ord));
                pairs.make_room();
            }
        }
    }

    /// Adds what was seen in another part of the segment, whose groups have other numbers there.
    pub fn absorb(&mut self, other: Self, group_numbers: &[u32]) {
        match (&mut self.memory, other.memory) {
            (Memory::Bits(ours, words), Memory::Bits(theirs, _)) => {
                for (group, theirs) in group_numbers.iter().zip(theirs.chunks(*words)) {
                    let ours = ours.chunks_mut(*words).nth(*group as usize).into_iter().flatten();
                    ours.zip(theirs).for_each(|(ours, theirs)| *ours |= theirs);
                }
            }
            (Memory::Pairs(ours), Memory::Pairs(mut theirs)) => {
                theirs.sort();
                for (group, ords) in group_numbers.iter().zip(theirs.of_groups) {
                    let pair = |ord: u32| u64::from(*group) << 32 | u64::from(ord);
                    ours.fresh.extend(ords.into_iter().map(pair));
                    ours.make_room();
                }
            }
            _ => {}
        }
    }

    /// What each of so many groups has seen.
    pub fn finish(self, groups: usize) -> Vec<Distinct> {
        let most = exact_max(groups);
        let hash = |ord: usize| self.hashes.get(ord).copied().unwrap_or(0);
        match self.memory {
            // A column without values has no words.
            Memory::Bits(_, 0) => vec![Distinct::default(); groups],
            Memory::Bits(bits, words) => {
                let mut ords = Vec::new();
                let of_group = |row: &[u64]| {
                    ords.clear();
                    for (place, word) in row.iter().enumerate() {
                        let mut left = *word;
                        while left != 0 {
                            ords.push(place * 64 + left.trailing_zeros() as usize);
                            left &= left - 1;
                        }
                    }
                    Distinct::of(ords.iter().map(|ord| hash(*ord)), most)
                };
                bits.chunks(words).take(groups).map(of_group).collect()
            }
            Memory::Pairs(mut pairs) => {
                pairs.sort();
                pairs.of_groups.resize(groups, Vec::new());
                let of_group = |ords: Vec<u32>| Distinct::of(ords.iter().map(|ord| hash(*ord as usize)), most);
                pairs.of_groups.into_iter().map(of_group).collect()
            }
        }
    }
}

impl Pairs {
    fn make_room(&mut self) {
        if self.fresh.len() >= PAIRS_MAX {
            self.sort();
        }
    }

    /// Puts the values of all fresh pairs to their groups, unless they are there.
    #[expect(clippy::cast_possible_truncation, reason = "a pair is two halves of 32 bits")]
    fn sort(&mut self) {
        let group_of = |pair: u64| (pair >> 32) as u32;
        // Where the values of each group begin, once they lie side by side.
        let mut begins: Vec<usize> = Vec::new();
        for pair in &self.fresh {
            *slot(&mut begins, group_of(*pair), 0) += 1;
        }
        let mut sum = 0;
        for begin in &mut begins {
            sum += std::mem::replace(begin, sum);
        }
        let mut ords = vec![0u32; self.fresh.len()];
        for pair in std::mem::take(&mut self.fresh) {
            let next = slot(&mut begins, group_of(pair), 0);
            if let Some(place) = ords.get_mut(*next) {
                *place = pair as u32;
            }
            *next += 1;
        }
        self.marks.fill(0);
        let mut rest = &ords[..];
        let mut taken = 0;
        // Each beginning has moved to its group's end.
        for (group, end) in (0u32..).zip(begins) {
            let (ours, others) = rest.split_at_checked(end - taken).unwrap_or((rest, &[]));
            (rest, taken) = (others, end);
            let known = slot(&mut self.of_groups, group, Vec::new());
            for ord in known.iter() {
                *slot(&mut self.marks, *ord, 0) = group + 1;
            }
            for ord in ours {
                let mark = slot(&mut self.marks, *ord, 0);
                if *mark != group + 1 {
                    *mark = group + 1;
                    known.push(*ord);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;

    const GROUPS: u32 = 9;
    const VALUES: u64 = 200;

    type Noted = Vec<(u32, u64)>;

    fn seen(groups: Option<usize>) -> Seen {
        let hashes: Vec<u64> = (0..VALUES).map(|ord| ord << 8 | 1).collect();
        Seen::new(Values::build_empty_column(0), hashes.into(), groups)
    }

    fn note(seen: &mut Seen, part: &Noted) {
        let (groups, values): (Vec<u32>, Vec<u64>) = part.iter().copied().unzip();
        seen.note(&groups, &values);
    }

    fn hashes(seen: Seen) -> Vec<BTreeSet<u64>> {
        let of = |distinct| match distinct {
            Distinct::Listed(hashes) => {
                let set: BTreeSet<u64> = hashes.iter().copied().collect();
                assert_eq!(set.len(), hashes.len(), "a value came twice");
                set
            }
            other => panic!("these are few, and of one segment: {other:?}"),
        };
        seen.finish(GROUPS as usize).into_iter().map(of).collect()
    }

    proptest! {
        #[test]
        fn each_group_has_what_it_has_seen_once_however_that_is_kept(
            parts in vec(vec((0..GROUPS, prop_oneof![9 => 0..VALUES, 1 => Just(NONE)]), 0..300), 1..4),
            other in vec((0..GROUPS, 0..VALUES), 0..300),
        ) {
            let mut expected = vec![BTreeSet::new(); GROUPS as usize];
            for (group, ord) in parts.iter().flatten().filter(|(_, ord)| *ord != NONE) {
                expected[*group as usize].insert(ord << 8 | 1);
            }
            // Another part of the segment numbers its groups the other way round.
            let numbers: Vec<u32> = (0..GROUPS).rev().collect();
            for (group, ord) in &other {
                expected[numbers[*group as usize] as usize].insert(ord << 8 | 1);
            }
            for groups in [Some(GROUPS as usize), None] {
                let (mut ours, mut theirs) = (seen(groups), seen(groups));
                for part in &parts {
                    note(&mut ours, part);
                    if let Memory::Pairs(pairs) = &mut ours.memory {
                        pairs.sort();
                    }
                }
                note(&mut theirs, &other);
                ours.absorb(theirs, &numbers);
                prop_assert_eq!(hashes(ours), expected.clone());
            }
        }
    }
}
