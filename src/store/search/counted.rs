//! Counting the groups of one segment, in parts if it is large.

use std::ops::Range;
use std::sync::{Mutex, PoisonError};

use tantivy::{SegmentReader, TantivyError};

use super::groups::Groups;
use super::hashes::HashCache;
use super::measure::{Onlys, Tally};
use super::partials::{Asked, Partial};
use super::segment::Segment;
use super::{Search, leave_machines_out, meant};
use crate::store::StoreLimits;
use crate::store::month::Month;

/// The groups of a part of a segment, under the numbers that it gives them.
pub struct Counted {
    groups: Groups,
    tallies: Vec<Tally>,
    left_out: u64,
}

/// A segment that is to be counted.
pub struct Job<'r> {
    /// Whose.
    pub month: Month,
    /// The segment.
    pub reader: &'r SegmentReader,
    /// Under what its answer is kept, if it is.
    pub asked: Option<Asked>,
    parts: u32,
    /// How many parts are not counted yet, and what the others came to.
    joined: Mutex<(u32, Option<Counted>)>,
}

impl Counted {
    /// Counts what is meant of a part of a segment; `None` if that is nothing.
    pub fn of(search: &Search, segment: &Segment<'_>, hashes: &HashCache) -> Result<Option<Self>, TantivyError> {
        let Some(mut docs) = meant(segment, search.site, &search.times, &search.condition)? else {
            return Ok(None);
        };
        let left_out = if search.people_only {
            leave_machines_out(segment, &mut docs)?
        } else {
            0
        };
        let mut groups = Groups::new(segment, &search.keys)?;
        let (most, mut onlys) = (groups.most(), Onlys::default());
        let mut tallies = Vec::with_capacity(search.measures.len());
        for measure in &search.measures {
            tallies.push(Tally::new(segment, measure, (&docs, &mut onlys), (most, hashes))?);
        }
        let mut numbers = Vec::new();
        docs.blocks(|block| {
            segment.in_time()?;
            groups.of(block, &mut numbers);
            for tally in &mut tallies {
                tally.count(block, &numbers);
            }
            Ok::<_, TantivyError>(())
        })?;
        Ok(Some(Self {
            groups,
            tallies,
            left_out,
        }))
    }

    fn absorb(&mut self, other: Self) {
        self.left_out += other.left_out;
        let numbers = self.groups.absorb(other.groups);
        for (ours, theirs) in self.tallies.iter_mut().zip(other.tallies) {
            ours.absorb(theirs, &numbers);
        }
    }

    fn finish(self) -> Result<Partial, TantivyError> {
        let count = self.groups.count();
        Ok(Partial {
            names: self.groups.names()?,
            left_out: self.left_out,
            sums: self.tallies.into_iter().map(|tally| tally.finish(count)).collect(),
        })
    }
}

impl<'r> Job<'r> {
    /// A segment that threads share if it is large.
    pub fn new(month: Month, reader: &'r SegmentReader, asked: Option<Asked>, limits: &StoreLimits) -> Self {
        let threads = u32::try_from(limits.search_threads).unwrap_or(1).max(1);
        let parts = (reader.max_doc() / limits.large_segment_documents.max(1)).clamp(1, threads);
        Self {
            month,
            reader,
            asked,
            parts,
            joined: Mutex::new((parts, None)),
        }
    }

    /// The parts it is counted in.
    pub fn parts(&self) -> impl Iterator<Item = (&Self, Range<u32>)> {
        let docs = u64::from(self.reader.max_doc());
        let end = move |part: u32| u32::try_from(docs * u64::from(part) / u64::from(self.parts)).unwrap_or(u32::MAX);
        (0..self.parts).map(move |part| (self, end(part)..end(part + 1)))
    }

    /// Takes what one part came to; gives the answer of the segment with the last of them.
    pub fn join(&self, counted: Option<Counted>) -> Result<Option<Partial>, TantivyError> {
        let mut joined = self.joined.lock().unwrap_or_else(PoisonError::into_inner);
        let (left, known) = &mut *joined;
        *left -= 1;
        match (&mut *known, counted) {
            (Some(known), Some(counted)) => known.absorb(counted),
            (None, counted) => *known = counted,
            (Some(_), None) => {}
        }
        if *left > 0 {
            return Ok(None);
        }
        let whole = known.take();
        drop(joined);
        whole.map_or_else(|| Ok(Partial::default()), Counted::finish).map(Some)
    }
}
