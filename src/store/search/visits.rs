//! From events to their visits and back: which visits have an event, or are such, that a condition means.

use std::fmt;
use std::ops::Range;
use std::sync::Arc;

use hashbrown::HashSet;
use tantivy::TantivyError;

use super::condition::Condition;
use super::open::Looked;
use super::reading::{NONE, numbers};
use super::segment::Segment;
use super::{Of, leave_machines_out, meant};
use crate::event::SiteId;
use crate::store::StoreError;
use crate::store::column::Column;
use crate::store::document::read_visit;
use crate::store::library::Snapshot;

/// Visits that a condition may name, at most: some 40 MB.
const VISITS_MAX: usize = 4 << 20;

/// Some visits, by their numbers.
#[derive(Clone)]
pub struct Among {
    visits: Arc<HashSet<u64>>,
}

impl Among {
    /// Whether a visit is one of these, by its number as the column has it.
    pub fn has(&self, shown: &str) -> bool {
        read_visit(shown).is_some_and(|number| self.visits.contains(&number))
    }
}

impl fmt::Debug for Among {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} visits", self.visits.len())
    }
}

impl Snapshot {
    /// The visits of events, or of sessions, that are meant.
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
        for (month, reader) in self.segments(of, times) {
            self.guarded(month, || {
                let segment = self.segment(reader, 0..reader.max_doc());
                collect(&segment, (site, times), (condition, people_only), &mut visits)
            })?;
            if visits.len() > VISITS_MAX {
                return Err(StoreError::TooManyGroups(VISITS_MAX));
            }
        }
        Ok(Among {
            visits: Arc::new(visits),
        })
    }
}

fn collect(
    segment: &Segment<'_>,
    (site, times): (SiteId, &Range<u64>),
    (condition, people_only): (&Condition, bool),
    visits: &mut HashSet<u64>,
) -> Result<(), TantivyError> {
    let Some(mut docs) = meant(segment, site, times, condition)? else {
        return Ok(());
    };
    if people_only {
        leave_machines_out(segment, &mut docs)?;
    }
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
