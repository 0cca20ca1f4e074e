//! Answers from a snapshot: figures of groups, lists of events.
//!
//! A question is answered segment by segment, by as many threads as may be: a bit a document says which events are
//! meant; each gets the number of its group; each measure counts by these numbers. Names of groups and hashes of
//! values join what segments know under numbers of their own.

mod buckets;
mod condition;
mod distinct;
mod docs;
mod groups;
pub(super) mod hashes;
mod list;
mod measure;
mod segment;

use std::collections::HashMap;
use std::ops::Range;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

use tantivy::{SegmentReader, TantivyError};

pub use buckets::{Buckets, DAY_MS, Pieces, Stretch};
pub use condition::Condition;
pub use groups::{GroupKey, KEYS_MAX, Key};
pub use list::{List, Position, StoredEvent};
pub use measure::{Measure, What};

use super::library::Snapshot;
use super::month::Month;
use super::{StoreError, StoreLimits};
use crate::event::SiteId;
use docs::Docs;
use groups::Groups;
use hashes::HashCache;
use measure::{Sum, Tally};
use segment::{Segment, firsts};

/// A question about groups of events.
#[derive(Debug, Clone)]
pub struct Search {
    /// Whose events.
    pub site: SiteId,
    /// When they happened, in milliseconds since 1970.
    pub times: Range<u64>,
    /// Which of them.
    pub condition: Condition,
    /// By what they are grouped, at most [`KEYS_MAX`].
    pub keys: Vec<GroupKey>,
    /// What is counted of each group.
    pub measures: Vec<Measure>,
}

/// One group of the answer.
#[derive(Debug, Clone, PartialEq)]
pub struct Group {
    /// What names it, in the order of the question's keys.
    pub keys: Box<[Key]>,
    /// Its figures, in the order of the question's measures.
    pub figures: Vec<Figure>,
}

/// A figure.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Figure {
    /// A count.
    Count(u64),
    /// A sum of whole numbers.
    Whole(i128),
    /// A sum of numbers.
    Number(f64),
    /// How many different values.
    Distinct {
        /// How many.
        count: u64,
        /// Whether that is an estimate.
        estimated: bool,
    },
}

impl Snapshot {
    /// Answers a question; groups come in no order, and without keys there is one.
    ///
    /// # Errors
    /// The index cannot be read, or there are more groups than may be.
    pub fn search(&self, search: &Search) -> Result<Vec<Group>, StoreError> {
        let mut merged = Merged::new(search, self.limits.groups_max);
        if search.keys.is_empty() {
            let empty = search
                .measures
                .iter()
                .map(|measure| vec![Sum::new(&measure.what)])
                .collect();
            merged.add(vec![Box::new([])], empty)?;
        }
        let work = self.segments(&search.times);
        let merged = Mutex::new(merged);
        let answer_one = |(month, reader): &(Month, &SegmentReader)| -> Result<(), StoreError> {
            let found = guarded(*month, || of_segment(search, reader, &self.hashes))?;
            let Some((names, sums)) = found else { return Ok(()) };
            merged.lock().unwrap_or_else(PoisonError::into_inner).add(names, sums)
        };
        spread(&work, &self.limits, answer_one)?;
        let merged = merged.into_inner().unwrap_or_else(PoisonError::into_inner);
        Ok(merged.finish())
    }

    /// The segments that may have events of some time.
    fn segments(&self, times: &Range<u64>) -> Vec<(Month, &SegmentReader)> {
        let overlaps = |month: &Month| {
            let of = month.times();
            of.start < times.end && times.start < of.end
        };
        let months = self.months.iter().filter(|(month, _)| overlaps(month));
        months
            .map(|month| (month.0, month.1.segment_readers()))
            .flat_map(|(month, readers)| readers.iter().map(move |reader| (month, reader)))
            .collect()
    }
}

/// Lets threads share work, piece by piece; the first failure ends it.
fn spread<T: Sync>(
    work: &[T],
    limits: &StoreLimits,
    each: impl Fn(&T) -> Result<(), StoreError> + Sync,
) -> Result<(), StoreError> {
    let next = AtomicUsize::new(0);
    let take = || -> Result<(), StoreError> {
        while let Some(piece) = work.get(next.fetch_add(1, Ordering::Relaxed)) {
            if let Err(error) = each(piece) {
                next.store(work.len(), Ordering::Relaxed);
                return Err(error);
            }
        }
        Ok(())
    };
    std::thread::scope(|scope| {
        let more = limits.search_threads.min(work.len()).saturating_sub(1);
        let others: Vec<_> = (0..more).map(|_| scope.spawn(take)).collect();
        let ours = take();
        let joined = others.into_iter().filter_map(|other| other.join().ok());
        joined.fold(ours, Result::and)
    })
}

/// Reads an index that may be damaged in a way that nobody noticed when it was opened.
pub(super) fn guarded<T>(month: Month, read: impl FnOnce() -> Result<T, TantivyError>) -> Result<T, StoreError> {
    match catch_unwind(AssertUnwindSafe(read)) {
        Ok(read) => read.map_err(|source| StoreError::Index { month, source }),
        Err(_) => Err(StoreError::Unreadable(month)),
    }
}

/// The events of a segment that a question means; `None` if there are none.
fn meant(
    segment: &Segment<'_>,
    site: SiteId,
    times: &Range<u64>,
    condition: &Condition,
) -> Result<Option<Docs>, TantivyError> {
    let all = segment.times()?;
    if segment.count() == 0 || all.max_value() < times.start || all.min_value() >= times.end {
        return Ok(None);
    }
    let mut docs = segment.alive();
    docs.keep(&segment.of_site(site)?);
    if all.min_value() < times.start || all.max_value() >= times.end {
        let mut within = Docs::none(segment.count());
        let mut values = Vec::new();
        docs.blocks(|block| {
            firsts(&all, block, &mut values);
            for (doc, time) in block.iter().zip(&values) {
                if time.is_some_and(|time| times.contains(&time)) {
                    within.insert(*doc);
                }
            }
            Ok::<_, TantivyError>(())
        })?;
        docs = within;
    }
    let docs = condition.within(segment, docs)?;
    Ok((docs.count() > 0).then_some(docs))
}

type Found = (Vec<Box<[Key]>>, Vec<Vec<Sum>>);

fn of_segment(search: &Search, reader: &SegmentReader, hashes: &HashCache) -> Result<Option<Found>, TantivyError> {
    let segment = Segment { reader };
    let Some(docs) = meant(&segment, search.site, &search.times, &search.condition)? else {
        return Ok(None);
    };
    let mut groups = Groups::new(&segment, &search.keys)?;
    let most = groups.most();
    let tally = |measure| Tally::new(&segment, measure, &docs, (most, hashes));
    let mut tallies: Vec<Tally> = search.measures.iter().map(tally).collect::<Result<_, _>>()?;
    let mut numbers = Vec::new();
    docs.blocks(|block| {
        groups.of(block, &mut numbers);
        for tally in &mut tallies {
            tally.count(block, &numbers);
        }
        Ok::<_, TantivyError>(())
    })?;
    let count = groups.count();
    let sums = tallies.into_iter().map(|tally| tally.finish(count)).collect();
    Ok(Some((groups.names()?, sums)))
}

/// The groups of all segments, joined by their names.
struct Merged {
    groups: HashMap<Box<[Key]>, Vec<Sum>>,
    groups_max: usize,
    empty: Vec<Sum>,
}

impl Merged {
    fn new(search: &Search, groups_max: usize) -> Self {
        Self {
            groups: HashMap::new(),
            groups_max,
            empty: search.measures.iter().map(|measure| Sum::new(&measure.what)).collect(),
        }
    }

    /// Adds groups, with a list of their sums a measure.
    fn add(&mut self, names: Vec<Box<[Key]>>, sums: Vec<Vec<Sum>>) -> Result<(), StoreError> {
        let mut sums: Vec<_> = sums.into_iter().map(Vec::into_iter).collect();
        for name in names {
            let most = distinct::exact_max(self.groups.len());
            let group = self.groups.entry(name).or_insert_with(|| self.empty.clone());
            for (ours, theirs) in group.iter_mut().zip(&mut sums) {
                if let Some(theirs) = theirs.next() {
                    ours.merge(theirs, most);
                }
            }
            if self.groups.len() > self.groups_max {
                return Err(StoreError::TooManyGroups(self.groups_max));
            }
        }
        Ok(())
    }

    fn finish(self) -> Vec<Group> {
        let figure = |sum: &Sum| match sum {
            Sum::Count(count) => Figure::Count(*count),
            Sum::Numbers(whole, _, false) => Figure::Whole(*whole),
            Sum::Numbers(whole, broken, true) => Figure::Number(*whole as f64 + broken),
            Sum::Distinct(distinct) => {
                let (count, estimated) = distinct.count();
                Figure::Distinct { count, estimated }
            }
        };
        let group = |(keys, sums): (Box<[Key]>, Vec<Sum>)| Group {
            keys,
            figures: sums.iter().map(figure).collect(),
        };
        self.groups.into_iter().map(group).collect()
    }
}
