//! Lists of sessions, newest first, page by page, with how many there are in all.

use std::cmp::Reverse;
use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::ops::Range;

use tantivy::TantivyError;
use tantivy::columnar::Column as Values;

use super::condition::Condition;
use super::open::Looked;
use super::reading::numbers;
use super::segment::{Part, Segment};
use super::{Of, meant};
use crate::event::SiteId;
use crate::store::StoreError;
use crate::store::column::{Column, Field};
use crate::store::document;
use crate::store::library::Snapshot;

/// A question about single sessions.
#[derive(Debug, Clone)]
pub struct SessionList {
    /// Whose sessions.
    pub site: SiteId,
    /// When they began, in milliseconds since 1970.
    pub times: Range<u64>,
    /// Which of them.
    pub condition: Condition,
    /// How many of the newest are left out.
    pub skip: usize,
    /// How many at most.
    pub limit: usize,
}

/// A session as the store gives it back; texts are empty where nobody knows.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct StoredSession {
    /// Its number.
    pub number: u64,
    /// When it began, in milliseconds since 1970.
    pub start_ms: u64,
    /// Its length in whole seconds.
    pub seconds: u64,
    /// The client's address as far as it is kept.
    pub address: String,
    /// The page that led to it.
    pub referrer: String,
    /// The user agent as sent.
    pub user_agent: String,
}

/// When a session began and its number, by which they are ordered, and where it lies.
type Candidate = (u64, u64, Place);

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Place {
    /// Among those that go on.
    Open(usize),
    /// In which segment, and where in that.
    Over(usize, u32),
}

impl Snapshot {
    /// Lists sessions, the newest first, and tells how many there are without a limit.
    ///
    /// # Errors
    /// The index cannot be read.
    pub fn list_sessions(&self, list: &SessionList) -> Result<(u64, Vec<StoredSession>), StoreError> {
        let mut newest = Newest::new(list.skip.saturating_add(list.limit));
        let mut total = 0;
        for (place, session) in self.sessions.open.iter().enumerate() {
            let is_meant = session.site == list.site && list.times.contains(&session.start_ms);
            if is_meant && Looked::at(session).meets(&list.condition) {
                total += 1;
                newest.take((session.start_ms, session.number, Place::Open(place)));
            }
        }
        let mut work = self.segments(Of::Sessions, &list.times);
        // The newest month first: most of the older ones are counted and not looked at.
        work.reverse();
        for (place, (month, reader)) in work.iter().enumerate() {
            total += self.guarded(*month, || {
                candidates(list, &self.segment(reader, 0..reader.max_doc()), place, &mut newest)
            })?;
        }
        let mut loaders: HashMap<usize, Loader> = HashMap::new();
        let mut listed = Vec::with_capacity(list.limit);
        for (start_ms, number, place) in newest.finish().into_iter().skip(list.skip) {
            match place {
                Place::Open(place) => listed.extend(self.sessions.open.get(place).map(|session| {
                    let (row, mut made) = (session.row(), String::new());
                    let mut text = |column| document::session_text(session, &row, column, &mut made).to_owned();
                    StoredSession {
                        number,
                        start_ms,
                        seconds: session.seconds(),
                        address: text(Column::Address),
                        referrer: text(Column::Referrer),
                        user_agent: text(Column::UserAgent),
                    }
                })),
                Place::Over(place, doc) => {
                    let Some((month, reader)) = work.get(place) else {
                        continue;
                    };
                    listed.push(self.guarded(*month, || {
                        let loader = match loaders.entry(place) {
                            Entry::Occupied(known) => known.into_mut(),
                            Entry::Vacant(new) => new.insert(Loader::new(&self.segment(reader, 0..reader.max_doc()))?),
                        };
                        loader.load(doc, (start_ms, number))
                    })?);
                }
            }
        }
        Ok((total, listed))
    }
}

/// How many sessions of a segment are meant; those that may be listed are handed on.
fn candidates(
    list: &SessionList,
    segment: &Segment<'_>,
    place: usize,
    newest: &mut Newest,
) -> Result<u64, TantivyError> {
    let Some(docs) = meant(segment, list.site, &list.times, &list.condition)? else {
        return Ok(0);
    };
    let total = docs.count() as u64;
    let times = segment.times()?;
    if !newest.may_take(times.max_value()) {
        return Ok(total);
    }
    let session_numbers = segment.sequences()?;
    let mut starts = Vec::new();
    docs.blocks(|block| {
        segment.in_time()?;
        numbers(&times, block, &mut starts);
        for (doc, start_ms) in block.iter().zip(&starts) {
            if newest.may_take(*start_ms) {
                let number = session_numbers.first(*doc).unwrap_or(0);
                newest.take((*start_ms, number, Place::Over(place, *doc)));
            }
        }
        Ok::<_, TantivyError>(())
    })?;
    newest.cut();
    Ok(total)
}

/// The newest so many of what is handed over. They are told from the others only now and then, when many have gathered:
/// sessions come nearly in the order of their time, so that each would push out another.
struct Newest {
    most: usize,
    /// What began before this is not among them.
    floor_ms: u64,
    gathered: Vec<Candidate>,
}

/// So many gather at least.
const GATHERED_MIN: usize = 4_096;

impl Newest {
    const fn new(most: usize) -> Self {
        Self {
            most,
            floor_ms: 0,
            gathered: Vec::new(),
        }
    }

    fn may_take(&self, start_ms: u64) -> bool {
        start_ms >= self.floor_ms && self.most > 0
    }

    fn take(&mut self, candidate: Candidate) {
        if !self.may_take(candidate.0) {
            return;
        }
        self.gathered.push(candidate);
        if self.gathered.len() >= self.most.saturating_mul(2).max(GATHERED_MIN) {
            self.cut();
        }
    }

    fn cut(&mut self) {
        let Some(last) = self.most.checked_sub(1).filter(|last| *last < self.gathered.len()) else {
            return;
        };
        let (_, (start_ms, ..), _) = self
            .gathered
            .select_nth_unstable_by_key(last, |candidate| Reverse(*candidate));
        self.floor_ms = *start_ms;
        self.gathered.truncate(self.most);
    }

    fn finish(mut self) -> Vec<Candidate> {
        self.cut();
        self.gathered.sort_unstable_by_key(|candidate| Reverse(*candidate));
        self.gathered
    }
}

/// Gives sessions of a segment back.
struct Loader {
    texts: [Vec<Part>; 3],
    seconds: Option<Values<i64>>,
}

impl Loader {
    fn new(segment: &Segment<'_>) -> Result<Self, TantivyError> {
        let parts = |column| segment.parts(&Field::Column(column));
        let seconds = parts(Column::VisitSeconds)?.into_iter().find_map(|part| match part {
            Part::Whole(values) => Some(values),
            _ => None,
        });
        Ok(Self {
            texts: [
                parts(Column::Address)?,
                parts(Column::Referrer)?,
                parts(Column::UserAgent)?,
            ],
            seconds,
        })
    }

    fn load(&self, doc: u32, (start_ms, number): (u64, u64)) -> Result<StoredSession, TantivyError> {
        let mut bits = Vec::new();
        let mut text = |parts: &[Part]| -> Result<String, TantivyError> {
            let mut text = String::new();
            for part in parts {
                part.bits(&[doc], &mut bits);
                if let Some(Some(bits)) = bits.first() {
                    part.show(*bits, &mut text)?;
                }
            }
            Ok(text)
        };
        let [address, referrer, user_agent] = &self.texts;
        let seconds = self.seconds.as_ref().and_then(|seconds| seconds.first(doc));
        Ok(StoredSession {
            number,
            start_ms,
            seconds: seconds.and_then(|seconds| u64::try_from(seconds).ok()).unwrap_or(0),
            address: text(address)?,
            referrer: text(referrer)?,
            user_agent: text(user_agent)?,
        })
    }
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn the_newest_are_those_that_a_sort_of_all_begins_with(
            starts in vec(0u64..5_000, 0..12_000), most in prop_oneof![0usize..20, 3_000usize..6_000], rising: bool,
        ) {
            let mut all: Vec<Candidate> = (0..).zip(&starts).map(|(n, start)| (*start, n, Place::Open(0))).collect();
            if rising {
                all.sort_unstable();
            }
            let mut newest = Newest::new(most);
            for candidate in &all {
                newest.take(*candidate);
            }
            all.sort_unstable_by_key(|candidate| Reverse(*candidate));
            all.truncate(most);
            prop_assert_eq!(newest.finish(), all);
        }
    }
}
