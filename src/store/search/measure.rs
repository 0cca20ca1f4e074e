//! What is counted and summed, a group.

use std::collections::HashMap;
use std::sync::Arc;

use tantivy::TantivyError;
use tantivy::columnar::Column as Values;

use super::Figure;
use super::condition::Condition;
use super::distinct::Distinct;
use super::docs::Docs;
use super::hashes::HashCache;
use super::reading::numbers;
use super::seen::Seen;
use super::segment::{Part, Segment};
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
    /// Different values of a text column in this bucket of time and those before it, so many in all. For questions that
    /// are grouped by time alone: each bucket has a group then.
    DistinctOver(Column, usize),
    /// When the first or the last of the events happened.
    Edge(Edge),
    /// Events with a number.
    Count(Field),
    /// The sum of numbers.
    Sum(Field),
}

/// An end of the time in which events happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Edge {
    /// The first event.
    First,
    /// The last event.
    Last,
}

impl Edge {
    /// The outer one of two times.
    pub fn of(self, one: Option<u64>, other: Option<u64>) -> Option<u64> {
        match (one, other) {
            (Some(one), Some(other)) => Some(match self {
                Self::First => one.min(other),
                Self::Last => one.max(other),
            }),
            (one, other) => one.or(other),
        }
    }
}

impl What {
    /// The figure of no events.
    pub fn of_nothing(&self) -> Figure {
        match self {
            Self::Events | Self::Count(_) => Figure::Count(0),
            Self::Sum(_) => Figure::Whole(0),
            Self::Distinct(_) | Self::DistinctOver(..) => Figure::Distinct {
                count: 0,
                estimated: false,
            },
            Self::Edge(_) => Figure::Time(None),
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
    /// A time.
    Edge(Edge, Option<u64>),
}

impl Sum {
    /// Nothing counted yet.
    pub fn new(what: &What) -> Self {
        match what {
            What::Events | What::Count(_) => Self::Count(0),
            What::Sum(_) => Self::Numbers(0, 0.0, false),
            What::Distinct(_) | What::DistinctOver(..) => Self::Distinct(Distinct::default()),
            What::Edge(edge) => Self::Edge(*edge, None),
        }
    }

    /// Adds what another part of the events brings.
    pub fn merge(&mut self, other: &Self, exact_max: usize) {
        match (self, other) {
            (Self::Count(ours), Self::Count(theirs)) => *ours += theirs,
            (Self::Numbers(whole, broken, any), Self::Numbers(their_whole, their_broken, their_any)) => {
                *whole += their_whole;
                *broken += their_broken;
                *any |= their_any;
            }
            (Self::Distinct(ours), Self::Distinct(theirs)) => ours.merge(theirs, exact_max),
            (Self::Edge(edge, ours), Self::Edge(_, theirs)) => *ours = edge.of(*ours, *theirs),
            _ => {}
        }
    }

    /// What it takes beside itself, in bytes.
    pub fn bytes(&self) -> usize {
        match self {
            Self::Distinct(distinct) => distinct.bytes(),
            Self::Count(_) | Self::Numbers(..) | Self::Edge(..) => 0,
        }
    }
}

/// Of which documents measures count; several measures may count of the same ones.
#[derive(Default)]
pub struct Onlys {
    known: HashMap<String, Arc<Docs>>,
}

impl Onlys {
    fn of(&mut self, segment: &Segment<'_>, only: &Condition, docs: &Docs) -> Result<Option<Arc<Docs>>, TantivyError> {
        if let Condition::All = only {
            return Ok(None);
        }
        let name = format!("{only:?}");
        if let Some(known) = self.known.get(&name) {
            return Ok(Some(Arc::clone(known)));
        }
        let met = Arc::new(only.within(segment, docs.clone())?);
        self.known.insert(name, Arc::clone(&met));
        Ok(Some(met))
    }
}

/// One measure over one segment: figures of all its groups, by their numbers.
pub struct Tally {
    only: Option<Arc<Docs>>,
    kind: TallyKind,
}

enum TallyKind {
    Events(Vec<u64>),
    Count(Vec<Part>, Vec<u64>),
    Sum(Vec<Part>, Vec<Sum>),
    Distinct(Option<Seen>),
    Edge(Values<u64>, Edge, Vec<Option<u64>>),
}

/// A sum of nothing.
const NO_NUMBERS: Sum = Sum::Numbers(0, 0.0, false);

impl Tally {
    /// Begins a measure over documents of a segment that has so many groups at most.
    pub fn new(
        segment: &Segment<'_>,
        measure: &Measure,
        (docs, onlys): (&Docs, &mut Onlys),
        (groups, hashes): (Option<usize>, &HashCache),
    ) -> Result<Self, TantivyError> {
        let only = onlys.of(segment, &measure.only, docs)?;
        let parts_of = |field: &Field| -> Result<Vec<Part>, TantivyError> {
            let number = |part: &Part| match part {
                Part::Whole(_) | Part::Broken(_) => true,
                Part::Natural(_, kind) => *kind == Kind::Number,
                Part::Text(_) | Part::Flag(_) => false,
            };
            Ok(segment.parts(field)?.into_iter().filter(number).collect())
        };
        let kind = match &measure.what {
            What::Events => TallyKind::Events(Vec::new()),
            What::Count(field) => TallyKind::Count(parts_of(field)?, Vec::new()),
            What::Sum(field) => TallyKind::Sum(parts_of(field)?, Vec::new()),
            What::Edge(edge) => TallyKind::Edge(segment.times()?, *edge, Vec::new()),
            What::Distinct(column) | What::DistinctOver(column, _) => {
                TallyKind::Distinct(match segment.text(*column)? {
                    None => None,
                    Some(values) => Some(Seen::new(
                        values.ords().clone(),
                        hashes.of(segment.reader.segment_id(), *column, &values)?,
                        groups,
                    )),
                })
            }
        };
        Ok(Self { only, kind })
    }

    /// Counts a block of documents, each with its group.
    pub fn count(&mut self, docs: &[u32], groups: &[u32]) {
        match (&self.only, &mut self.kind) {
            (None, kind) => kind.count(docs, groups),
            (Some(only), TallyKind::Events(counts)) => {
                for (doc, group) in docs.iter().zip(groups) {
                    *slot(counts, *group, 0) += u64::from(only.contains(*doc));
                }
            }
            (Some(only), kind) => {
                let (docs, groups): (Vec<u32>, Vec<u32>) =
                    docs.iter().zip(groups).filter(|(doc, _)| only.contains(**doc)).unzip();
                kind.count(&docs, &groups);
            }
        }
    }

    /// Adds what the same measure has counted of another part of the segment, whose groups have other numbers there.
    pub fn absorb(&mut self, other: Self, numbers: &[u32]) {
        match (&mut self.kind, other.kind) {
            (TallyKind::Events(ours), TallyKind::Events(theirs))
            | (TallyKind::Count(_, ours), TallyKind::Count(_, theirs)) => {
                for (group, count) in numbers.iter().zip(theirs) {
                    *slot(ours, *group, 0) += count;
                }
            }
            (TallyKind::Sum(_, ours), TallyKind::Sum(_, theirs)) => {
                for (group, sum) in numbers.iter().zip(theirs) {
                    slot(ours, *group, NO_NUMBERS).merge(&sum, 0);
                }
            }
            (TallyKind::Distinct(Some(ours)), TallyKind::Distinct(Some(theirs))) => ours.absorb(theirs, numbers),
            (TallyKind::Edge(_, edge, ours), TallyKind::Edge(_, _, theirs)) => {
                for (group, time) in numbers.iter().zip(theirs) {
                    let known = slot(ours, *group, None);
                    *known = edge.of(*known, time);
                }
            }
            _ => {}
        }
    }

    /// The figures of so many groups.
    pub fn finish(self, groups: usize) -> Vec<Sum> {
        match self.kind {
            TallyKind::Events(mut counts) | TallyKind::Count(_, mut counts) => {
                counts.resize(groups, 0);
                counts.into_iter().map(Sum::Count).collect()
            }
            TallyKind::Sum(_, mut sums) => {
                sums.resize(groups, NO_NUMBERS);
                sums
            }
            TallyKind::Edge(_, edge, mut times) => {
                times.resize(groups, None);
                times.into_iter().map(|time| Sum::Edge(edge, time)).collect()
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
                        let Sum::Numbers(whole, broken, any) = slot(sums, *group, NO_NUMBERS) else {
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
            Self::Edge(times, edge, found) => {
                let mut values = Vec::new();
                numbers(times, docs, &mut values);
                for (group, time) in groups.iter().zip(values) {
                    let known = slot(found, *group, None);
                    *known = edge.of(*known, Some(time));
                }
            }
            Self::Distinct(None) => {}
            Self::Distinct(Some(seen)) => seen.count(docs, groups),
        }
    }
}

/// A group's place, made if there is none.
pub fn slot<T: Clone>(of: &mut Vec<T>, group: u32, empty: T) -> &mut T {
    let place = group as usize;
    if of.len() <= place {
        of.resize(place + 1, empty);
    }
    #[expect(clippy::indexing_slicing, reason = "it was just made")]
    &mut of[place]
}
