//! From events to their visits and back: which visits have an event, or are such, that a condition means.

use std::fmt;
use std::ops::Range;
use std::sync::{Arc, Mutex, PoisonError};

use hashbrown::HashSet;
use tantivy::TantivyError;

use super::condition::{Condition, holding};
use super::docs::Docs;
use super::open::Looked;
use super::reading::{NONE, numbers};
use super::segment::Segment;
use super::{Of, leave_machines_out, meant, spread};
use crate::event::SiteId;
use crate::store::StoreError;
use crate::store::column::Column;
use crate::store::document::read_visit;
use crate::store::library::Snapshot;

/// Visits that a condition may name, at most: some 40 MB.
const VISITS_MAX: usize = 4 << 20;

/// Some visits, by their numbers, to be found among events or sessions.
#[derive(Clone)]
pub struct Among {
    visits: Arc<HashSet<u64>>,
    of: Of,
}

impl Among {
    /// Whether a visit is one of these.
    pub fn has(&self, number: u64) -> bool {
        self.visits.contains(&number)
    }

    /// The documents within a set that belong to these.
    ///
    /// # Errors
    /// The index cannot be read.
    pub fn within(&self, segment: &Segment<'_>, within: &Docs) -> Result<Docs, TantivyError> {
        match self.of {
            Of::Events => {
                let is_one = |shown: &str| read_visit(shown).is_some_and(|number| self.has(number));
                holding(segment, within, &Column::Visit.into(), is_one)
            }
            Of::Sessions => {
                let mut met = Docs::none(segment.count());
                each_number(segment, within, |doc, number| {
                    if self.has(number) {
                        met.insert(doc);
                    }
                })?;
                Ok(met)
            }
        }
    }
}

/// Hands over the numbers of sessions.
fn each_number(segment: &Segment<'_>, docs: &Docs, mut take: impl FnMut(u32, u64)) -> Result<(), TantivyError> {
    let column = segment.sequences()?;
    let mut values = Vec::new();
    docs.blocks(|block| {
        segment.in_time()?;
        numbers(&column, block, &mut values);
        for (doc, number) in block.iter().zip(&values) {
            take(*doc, *number);
        }
        Ok(())
    })
}

impl fmt::Debug for Among {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} visits", self.visits.len())
    }
}

impl Snapshot {
    /// The visits of events, or of sessions, that are meant, to be found among the others.
    ///
    /// # Errors
    /// The index cannot be read, or these are too many.
    pub fn visits_of(
        &self,
        of: Of,
        (site, times): (SiteId, &Range<u64>),
        (condition, people_only): (&Condition, bool),
    ) -> Result<Among, StoreError> {
        let mut visits = HashSet::new();
        if of == Of::Sessions {
            for session in &self.sessions.open {
                let looked = Looked::at(session);
                let is_person = !people_only || session.row().bot_rule.is_empty();
                if session.site == site && times.contains(&session.start_ms) && is_person && looked.meets(condition) {
                    visits.insert(session.number);
                }
            }
        }
        let visits = Mutex::new(visits);
        spread(&self.segments(of, times), &self.limits, |(month, reader)| {
            let found = self.guarded(*month, || {
                let segment = self.segment(reader, 0..reader.max_doc());
                collect(&segment, of, (site, times), (condition, people_only))
            })?;
            let mut visits = visits.lock().unwrap_or_else(PoisonError::into_inner);
            visits.extend(found);
            if visits.len() > VISITS_MAX {
                return Err(StoreError::TooManyGroups(VISITS_MAX));
            }
            Ok(())
        })?;
        Ok(Among {
            visits: Arc::new(visits.into_inner().unwrap_or_else(PoisonError::into_inner)),
            of: match of {
                Of::Events => Of::Sessions,
                Of::Sessions => Of::Events,
            },
        })
    }
}

fn collect(
    segment: &Segment<'_>,
    of: Of,
    (site, times): (SiteId, &Range<u64>),
    (condition, people_only): (&Condition, bool),
) -> Result<Vec<u64>, TantivyError> {
    let mut visits = Vec::new();
    let Some(mut docs) = meant(segment, site, times, condition)? else {
        return Ok(visits);
    };
    if people_only {
        leave_machines_out(segment, &mut docs)?;
    }
    match of {
        Of::Events => of_events(segment, &docs, &mut visits)?,
        Of::Sessions => each_number(segment, &docs, |_, number| visits.push(number))?,
    }
    Ok(visits)
}

/// The visits of events: each is read once.
fn of_events(segment: &Segment<'_>, docs: &Docs, visits: &mut Vec<u64>) -> Result<(), TantivyError> {
    let Some(column) = segment.text(Column::Visit)? else {
        return Ok(());
    };
    let mut seen = vec![false; column.num_terms()];
    let mut ords = Vec::new();
    docs.blocks(|block| {
        segment.in_time()?;
        numbers(column.ords(), block, &mut ords);
        for ord in ords.iter().filter(|ord| **ord != NONE) {
            if let Some(seen) = usize::try_from(*ord).ok().and_then(|ord| seen.get_mut(ord)) {
                *seen = true;
            }
        }
        Ok::<_, TantivyError>(())
    })?;
    let mut terms = column.dictionary().stream()?;
    let mut seen = seen.into_iter();
    while terms.advance() {
        if seen.next() == Some(true) {
            visits.extend(str::from_utf8(terms.key()).ok().and_then(read_visit));
        }
    }
    Ok(())
}
