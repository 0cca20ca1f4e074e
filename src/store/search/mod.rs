//! Answers from a snapshot: figures of groups, lists of events.
//!
//! A question is answered segment by segment, by as many threads as may be: a bit a document says which events are
//! meant; each gets the number of its group; each measure counts by these numbers. Names of groups and hashes of
//! values join what segments know under numbers of their own.

mod buckets;
mod condition;
mod counted;
mod distinct;
mod docs;
mod groups;
pub(super) mod hashes;
mod list;
mod measure;
mod mix;
mod open;
pub(super) mod partials;
mod reading;
mod seen;
mod segment;
mod session_list;
mod sketch;
mod visits;

use std::cmp::Reverse;
use std::collections::HashMap;
use std::ops::Range;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use tantivy::columnar::Column as Values;
use tantivy::{SegmentReader, TantivyError};

pub use buckets::{Buckets, DAY_MS, Pieces, Stretch};
pub use condition::Condition;
pub use groups::{GroupKey, KEYS_MAX, Key};
pub use list::{List, Position, StoredEvent};
pub use measure::{Edge, Measure, What};
pub use session_list::{SessionList, StoredSession};
pub use visits::Among;

use super::column::Column;
use super::library::Snapshot;
use super::month::Month;
use super::{StoreError, StoreLimits};
use crate::event::SiteId;
use counted::{Counted, Job};
use docs::Docs;
use measure::Sum;
use partials::Partial;
use reading::numbers;
use segment::{Segment, is_over};

/// What a question is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Of {
    /// Events.
    Events,
    /// Sessions, by the time at which they began.
    Sessions,
}

/// A question about groups of events, or of sessions.
#[derive(Debug, Clone)]
pub struct Search {
    /// Of which of the two.
    pub of: Of,
    /// Whose events.
    pub site: SiteId,
    /// When they happened, in milliseconds since 1970.
    pub times: Range<u64>,
    /// Which of them.
    pub condition: Condition,
    /// Whether those that machines sent of their own accord are left out.
    pub people_only: bool,
    /// By what they are grouped, at most [`KEYS_MAX`].
    pub keys: Vec<GroupKey>,
    /// What is counted of each group.
    pub measures: Vec<Measure>,
}

/// The answer to a question.
#[derive(Debug, Clone, PartialEq)]
pub struct Found {
    /// The groups, in no order.
    pub groups: Vec<Group>,
    /// Events that would have been counted, and were left out since machines sent them.
    pub left_out: u64,
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
    /// A time in milliseconds since 1970; none of no events.
    Time(Option<u64>),
}

impl Snapshot {
    /// Answers a question; groups come in no order, and without keys there is one.
    ///
    /// # Errors
    /// The index cannot be read, or there are more groups than may be.
    pub fn search(&self, search: &Search) -> Result<Found, StoreError> {
        let mut merged = Merged::new(search, self.limits.groups_max);
        if search.keys.is_empty() {
            merged.groups.insert(Box::new([]), merged.empty.clone());
        }
        if search.of == Of::Sessions {
            merged.add(&open::count(search, &self.sessions.open, &self.hashes))?;
        }
        let segments = self.segments(search.of, &search.times);
        let jobs = segments
            .into_iter()
            .filter_map(|(month, reader)| self.job(search, month, reader, &mut merged).transpose());
        let jobs: Vec<Job<'_>> = jobs.collect::<Result<_, _>>()?;
        let merged = Mutex::new(merged);
        let mut work: Vec<(&Job<'_>, Range<u32>)> = jobs.iter().flat_map(Job::parts).collect();
        // The largest first, so that no thread begins one when the others have ended.
        work.sort_by_key(|(_, range)| Reverse(range.len()));
        spread(&work, &self.limits, |(job, range)| {
            let counted = self.guarded(job.month, || {
                let segment = self.segment(job.reader, range.clone());
                Counted::of(search, &segment, &self.hashes)
            })?;
            let Some(counted) = self.guarded(job.month, || job.join(counted))? else {
                return Ok(());
            };
            let partial = Arc::new(counted);
            merged.lock().unwrap_or_else(PoisonError::into_inner).add(&partial)?;
            if let Some(asked) = job.asked.clone() {
                self.partials.keep(asked, &partial);
            }
            Ok(())
        })?;
        let merged = merged.into_inner().unwrap_or_else(PoisonError::into_inner);
        Ok(merged.finish(search))
    }

    /// What is to be counted of a segment, unless its answer is known.
    fn job<'r>(
        &self,
        search: &Search,
        month: Month,
        reader: &'r SegmentReader,
        merged: &mut Merged,
    ) -> Result<Option<Job<'r>>, StoreError> {
        let whole = self.segment(reader, 0..reader.max_doc());
        let times = self.guarded(month, || {
            whole.times().map(|times| (times.min_value(), times.max_value()))
        })?;
        let asked = self.partials.key(search, reader, times);
        if let Some(known) = asked.as_ref().and_then(|asked| self.partials.get(asked)) {
            merged.add(&known)?;
            return Ok(None);
        }
        Ok(Some(Job::new(month, reader, asked, &self.limits)))
    }

    fn segment<'r>(&self, reader: &'r SegmentReader, range: Range<u32>) -> Segment<'r> {
        let until = self.until;
        Segment { reader, range, until }
    }

    /// The same; an answer that took too long is no damage.
    fn guarded<T>(&self, month: Month, read: impl FnOnce() -> Result<T, TantivyError>) -> Result<T, StoreError> {
        guarded(month, read).map_err(|error| match error {
            StoreError::Index { .. } if is_over(self.until) => StoreError::TooSlow,
            other => other,
        })
    }

    /// The segments that may have events, or sessions, of some time.
    fn segments(&self, of: Of, times: &Range<u64>) -> Vec<(Month, &SegmentReader)> {
        let overlaps = |month: &Month| {
            let of = month.times();
            of.start < times.end && times.start < of.end
        };
        let months = match of {
            Of::Events => &self.months,
            Of::Sessions => &self.sessions.months,
        };
        let months = months.iter().filter(|(month, _)| overlaps(month));
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
    // What leaves less to look at goes first.
    let span = |from: u64, to: u64| to.saturating_sub(from);
    let asked = span(times.start.max(all.min_value()), times.end.min(all.max_value()));
    let wide = asked > span(all.min_value(), all.max_value()) / 2;
    if wide {
        docs = condition.within(segment, docs)?;
    }
    if all.min_value() < times.start || all.max_value() >= times.end {
        docs = at_times(segment, &all, times, &docs)?;
    }
    if !wide {
        docs = condition.within(segment, docs)?;
    }
    Ok((docs.count() > 0).then_some(docs))
}

/// Takes those that machines sent of their own accord out of a set; how many that were. Most segments have few of them,
/// and only these are looked at.
fn leave_machines_out(segment: &Segment<'_>, docs: &mut Docs) -> Result<u64, TantivyError> {
    let people = Condition::Is(Column::BotRule.into(), vec![None]);
    let before = docs.count();
    *docs = people.within(segment, std::mem::replace(docs, Docs::none(0)))?;
    Ok((before - docs.count()) as u64)
}

/// The documents of a set whose events happened at some time.
fn at_times(segment: &Segment<'_>, all: &Values<u64>, times: &Range<u64>, docs: &Docs) -> Result<Docs, TantivyError> {
    let mut within = Docs::none(segment.count());
    let mut values = Vec::new();
    docs.blocks(|block| {
        segment.in_time()?;
        numbers(all, block, &mut values);
        for (doc, time) in block.iter().zip(&values) {
            if times.contains(time) {
                within.insert(*doc);
            }
        }
        Ok::<_, TantivyError>(())
    })?;
    Ok(within)
}

/// The groups of all segments, joined by their names.
struct Merged {
    groups: HashMap<Box<[Key]>, Vec<Sum>>,
    groups_max: usize,
    empty: Vec<Sum>,
    left_out: u64,
}

impl Merged {
    fn new(search: &Search, groups_max: usize) -> Self {
        Self {
            groups: HashMap::new(),
            groups_max,
            empty: search.measures.iter().map(|measure| Sum::new(&measure.what)).collect(),
            left_out: 0,
        }
    }

    fn add(&mut self, partial: &Partial) -> Result<(), StoreError> {
        self.left_out += partial.left_out;
        for (place, name) in partial.names.iter().enumerate() {
            let most = distinct::exact_max(self.groups.len());
            let group = match self.groups.get_mut(name) {
                Some(group) => group,
                None => self.groups.entry(name.clone()).or_insert_with(|| self.empty.clone()),
            };
            for (ours, theirs) in group.iter_mut().zip(&partial.sums) {
                if let Some(theirs) = theirs.get(place) {
                    ours.merge(theirs, most);
                }
            }
            if self.groups.len() > self.groups_max {
                return Err(StoreError::TooManyGroups(self.groups_max));
            }
        }
        Ok(())
    }

    /// Puts what several buckets of time have together in the place of what each has by itself.
    fn gather_over(&mut self, measures: &[Measure], buckets: u32) {
        let key = |bucket| -> Box<[Key]> { Box::new([Key::Bucket(bucket)]) };
        let wide = measures
            .iter()
            .enumerate()
            .filter_map(|(place, measure)| match measure.what {
                What::DistinctOver(_, width) => Some((place, width)),
                _ => None,
            });
        for (place, width) in wide {
            let mut take = |bucket| match self.groups.get_mut(&key(bucket))?.get_mut(place)? {
                Sum::Distinct(set) => Some(std::mem::take(set)),
                _ => None,
            };
            let sets: Vec<_> = (0..buckets).map(|bucket| take(bucket).unwrap_or_default()).collect();
            let exact_max = distinct::exact_max(sets.len());
            for (bucket, set) in (0..).zip(distinct::over(&sets, width, exact_max)) {
                let group = self.groups.entry(key(bucket)).or_insert_with(|| self.empty.clone());
                if let Some(sum) = group.get_mut(place) {
                    *sum = Sum::Distinct(set);
                }
            }
        }
    }

    fn finish(mut self, search: &Search) -> Found {
        if let [GroupKey::Time(buckets)] = &search.keys[..] {
            self.gather_over(&search.measures, buckets.count());
        }
        let figure = |sum: &Sum| match sum {
            Sum::Count(count) => Figure::Count(*count),
            Sum::Numbers(whole, _, false) => Figure::Whole(*whole),
            Sum::Numbers(whole, broken, true) => Figure::Number(*whole as f64 + broken),
            Sum::Edge(_, time) => Figure::Time(*time),
            Sum::Distinct(distinct) => {
                let (count, estimated) = distinct.count();
                Figure::Distinct { count, estimated }
            }
        };
        let group = |(keys, sums): (Box<[Key]>, Vec<Sum>)| Group {
            keys,
            figures: sums.iter().map(figure).collect(),
        };
        Found {
            groups: self.groups.into_iter().map(group).collect(),
            left_out: self.left_out,
        }
    }
}
