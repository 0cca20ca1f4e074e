//! What is counted and summed, a group.

use std::collections::HashSet;
use std::hash::BuildHasherDefault;
use std::sync::Arc;

use tantivy::TantivyError;
use tantivy::columnar::Column as Values;

use super::Figure;
use super::condition::Condition;
use super::distinct::{Distinct, Mix, exact_max};
use super::docs::Docs;
use super::hashes::HashCache;
use super::segment::{Part, Segment, firsts};
use crate::store::column::{Column, Field, Kind};

/// One figure of each group.
#[derive(Debug, Clone)]
pub struct Measure {
    /// What is counted or summed.
    pub what: What,
    /// Of which of the group's events.
    pub only: Condition,
}

/// What is counted or summed.
#[derive(Debug, Clone)]
pub enum What {
    /// Events.
    Events,
    /// Different values of a text column.
    Distinct(Column),
    /// Events with a number.
    Count(Field),
    /// The sum of numbers.
    Sum(Field),
}

impl What {
    /// The figure of no events.
    pub fn of_nothing(&self) -> Figure {
        match self {
            Self::Events | Self::Count(_) => Figure::Count(0),
            Self::Sum(_) => Figure::Whole(0),
            Self::Distinct(_) => Figure::Distinct {
                count: 0,
                estimated: false,
            },
        }
    }
}

/// One figure of one group, while it grows.
#[derive(Debug, Clone)]
pub enum Sum {
    /// A count.
    Count(u64),
    /// Of numbers: of the whole ones, of the others, and whether there were any others.
    Numbers(i128, f64, bool),
    /// Different values.
    Distinct(Distinct),
}

impl Sum {
    /// Nothing counted yet.
    pub fn new(what: &What) -> Self {
        match what {
            What::Events | What::Count(_) => Self::Count(0),
            What::Sum(_) => Self::Numbers(0, 0.0, false),
            What::Distinct(_) => Self::Distinct(Distinct::default()),
        }
    }

    /// Adds what another part of the events brings.
    pub fn merge(&mut self, other: Self, exact_max: usize) {
        match (self, other) {
            (Self::Count(ours), Self::Count(theirs)) => *ours += theirs,
            (Self::Numbers(whole, broken, any), Self::Numbers(their_whole, their_broken, their_any)) => {
                *whole += their_whole;
                *broken += their_broken;
                *any |= their_any;
            }
            (Self::Distinct(ours), Self::Distinct(theirs)) => ours.merge(theirs, exact_max),
            _ => {}
        }
    }
}

/// One measure over one segment: figures of all its groups, by their numbers.
pub struct Tally {
    only: Option<Docs>,
    kind: TallyKind,
}

enum TallyKind {
    Events(Vec<u64>),
    Count(Vec<Part>, Vec<u64>),
    Sum(Vec<Part>, Vec<Sum>),
    Distinct(Option<Seen>),
}

/// Which values each group has seen.
struct Seen {
    ords: Values<u64>,
    hashes: Arc<[u64]>,
    /// A bit a group and value, where that is little; else pairs of both.
    bits: Vec<u64>,
    pairs: HashSet<u64, BuildHasherDefault<Mix>>,
    /// What pairs made room for.
    earlier: Vec<Distinct>,
}

/// Bits up to which groups and values have one each: 32 MB.
const BITS_MAX: usize = 1 << 28;
/// Pairs that are kept before they go into sets of their groups.
const PAIRS_MAX: usize = 1 << 22;

impl Tally {
    /// Begins a measure over documents of a segment that has so many groups at most.
    pub fn new(
        segment: &Segment<'_>,
        measure: &Measure,
        docs: &Docs,
        (groups, hashes): (Option<usize>, &HashCache),
    ) -> Result<Self, TantivyError> {
        let only = match &measure.only {
            Condition::All => None,
            only => Some(only.within(segment, docs.clone())?),
        };
        let numbers = |field: &Field| -> Result<Vec<Part>, TantivyError> {
            let number = |part: &Part| match part {
                Part::Whole(_) | Part::Broken(_) => true,
                Part::Natural(_, kind) => *kind == Kind::Number,
                Part::Text(_) | Part::Flag(_) => false,
            };
            Ok(segment.parts(field)?.into_iter().filter(number).collect())
        };
        let kind = match &measure.what {
            What::Events => TallyKind::Events(Vec::new()),
            What::Count(field) => TallyKind::Count(numbers(field)?, Vec::new()),
            What::Sum(field) => TallyKind::Sum(numbers(field)?, Vec::new()),
            What::Distinct(column) => TallyKind::Distinct(match segment.text(*column)? {
                None => None,
                Some(values) => Some(Seen::new(
                    values.ords().clone(),
                    hashes.of(segment.reader.segment_id(), *column, &values)?,
                    groups,
                )),
            }),
        };
        Ok(Self { only, kind })
    }

    /// Counts a block of documents, each with its group.
    pub fn count(&mut self, docs: &[u32], groups: &[u32]) {
        let Some(only) = &self.only else {
            self.kind.count(docs, groups);
            return;
        };
        let (docs, groups): (Vec<u32>, Vec<u32>) =
            docs.iter().zip(groups).filter(|(doc, _)| only.contains(**doc)).unzip();
        self.kind.count(&docs, &groups);
    }

    /// The figures of so many groups.
    pub fn finish(self, groups: usize) -> Vec<Sum> {
        match self.kind {
            TallyKind::Events(mut counts) | TallyKind::Count(_, mut counts) => {
                counts.resize(groups, 0);
                counts.into_iter().map(Sum::Count).collect()
            }
            TallyKind::Sum(_, mut sums) => {
                sums.resize(groups, Sum::Numbers(0, 0.0, false));
                sums
            }
            TallyKind::Distinct(None) => vec![Sum::Distinct(Distinct::default()); groups],
            TallyKind::Distinct(Some(seen)) => seen.finish(groups).into_iter().map(Sum::Distinct).collect(),
        }
    }
}

impl TallyKind {
    fn count(&mut self, docs: &[u32], groups: &[u32]) {
        match self {
            Self::Events(counts) => groups.iter().for_each(|group| *slot(counts, *group, 0) += 1),
            Self::Count(parts, counts) => {
                let mut values = Vec::new();
                for part in parts {
                    part.bits(docs, &mut values);
                    let with = groups.iter().zip(&values).filter(|(_, value)| value.is_some());
                    with.for_each(|(group, _)| *slot(counts, *group, 0) += 1);
                }
            }
            Self::Sum(parts, sums) => {
                let mut values = Vec::new();
                for part in parts {
                    part.bits(docs, &mut values);
                    for (group, bits) in groups.iter().zip(&values) {
                        let Some(bits) = bits else { continue };
                        let Sum::Numbers(whole, broken, any) = slot(sums, *group, Sum::Numbers(0, 0.0, false)) else {
                            continue;
                        };
                        match part {
                            Part::Broken(_) => {
                                *broken += f64::from_bits(*bits);
                                *any = true;
                            }
                            Part::Natural(..) => *whole += i128::from(*bits),
                            _ => *whole += i128::from(bits.cast_signed()),
                        }
                    }
                }
            }
            Self::Distinct(None) => {}
            Self::Distinct(Some(seen)) => seen.count(docs, groups),
        }
    }
}

impl Seen {
    fn new(ords: Values<u64>, hashes: Arc<[u64]>, groups: Option<usize>) -> Self {
        let bits = groups.and_then(|groups| groups.checked_mul(hashes.len()));
        let bits = bits.filter(|bits| *bits <= BITS_MAX).unwrap_or(0);
        Self {
            ords,
            hashes,
            bits: vec![0; bits.div_ceil(64)],
            pairs: HashSet::default(),
            earlier: Vec::new(),
        }
    }

    fn count(&mut self, docs: &[u32], groups: &[u32]) {
        let mut values = Vec::new();
        firsts(&self.ords, docs, &mut values);
        let seen = groups
            .iter()
            .zip(&values)
            .filter_map(|(group, ord)| ord.map(|ord| (u64::from(*group), ord)));
        if self.bits.is_empty() {
            seen.for_each(|(group, ord)| {
                self.pairs.insert(group << 32 | ord);
            });
            if self.pairs.len() > PAIRS_MAX {
                self.make_room();
            }
            return;
        }
        let width = self.hashes.len() as u64;
        for (group, ord) in seen {
            let bit = group * width + ord;
            if let Some(word) = usize::try_from(bit / 64)
                .ok()
                .and_then(|place| self.bits.get_mut(place))
            {
                *word |= 1 << (bit % 64);
            }
        }
    }

    fn make_room(&mut self) {
        let pairs = std::mem::take(&mut self.pairs);
        let most = exact_max(self.earlier.len());
        for pair in pairs {
            self.add(pair >> 32, pair & 0xffff_ffff, most);
        }
    }

    fn add(&mut self, group: u64, ord: u64, most: usize) {
        let hash = usize::try_from(ord).ok().and_then(|ord| self.hashes.get(ord)).copied();
        if let (Some(hash), Ok(group)) = (hash, u32::try_from(group)) {
            slot(&mut self.earlier, group, Distinct::default()).insert(hash, most);
        }
    }

    fn finish(mut self, groups: usize) -> Vec<Distinct> {
        self.earlier.resize(groups, Distinct::default());
        self.make_room();
        let (bits, width) = (std::mem::take(&mut self.bits), self.hashes.len() as u64);
        for (place, word) in (0u64..).zip(bits) {
            let mut left = word;
            while left != 0 {
                let bit = place * 64 + u64::from(left.trailing_zeros());
                self.add(bit / width, bit % width, exact_max(groups));
                left &= left - 1;
            }
        }
        self.earlier
    }
}

/// A group's place, made if there is none.
fn slot<T: Clone>(of: &mut Vec<T>, group: u32, empty: T) -> &mut T {
    let place = group as usize;
    if of.len() <= place {
        of.resize(place + 1, empty);
    }
    #[expect(clippy::indexing_slicing, reason = "it was just made")]
    &mut of[place]
}
