//! A look at a store that nobody uses, which changes nothing.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::checking::Look;
use super::index::Shape;
use super::library::{Library, Snapshot};
use super::opening::{Finding, months_in, open_whole};
use super::schema::Fields;
use super::search::{Condition, Figure, GroupKey, Key, Measure, Of, Search, What};
use super::state::{Lack, State};
use super::{Column, Field, StoreError, StoreLimits};
use crate::event::SiteId;

/// What a store is found to be.
pub struct Surveyed {
    /// What it has.
    pub snapshot: Snapshot,
    /// Why it may lack events that were counted.
    pub lacks: Vec<Lack>,
    /// What is wrong with it; the next start begins these parts anew.
    pub findings: Vec<Finding>,
}

/// Looks at every byte of the store in a folder; `None` if there is none.
///
/// # Errors
/// The folder cannot be read.
pub fn survey(folder: &Path, limits: StoreLimits) -> Result<Option<Surveyed>, StoreError> {
    look_at(folder, limits, Fields::new())
}

/// The same of a store of sessions.
///
/// # Errors
/// The folder cannot be read.
pub fn survey_sessions(folder: &Path, limits: StoreLimits) -> Result<Option<Surveyed>, StoreError> {
    look_at(folder, limits, Fields::of_sessions())
}

fn look_at(folder: &Path, limits: StoreLimits, fields: Fields) -> Result<Option<Surveyed>, StoreError> {
    if !folder.exists() {
        return Ok(None);
    }
    let mut findings = Vec::new();
    let state = match State::read(folder) {
        Ok(None) => return Ok(None),
        Ok(Some(state)) => state,
        Err(error) if error.kind() == std::io::ErrorKind::InvalidData => {
            findings.push(Finding::State);
            State::default()
        }
        Err(source) => return Err(StoreError::files(folder, source)),
    };
    let shape = Shape {
        fields: Arc::new(fields),
        limits,
    };
    let (mut shelves, mut missing) = (Vec::new(), state.months.clone());
    for month in months_in(folder).map_err(|source| StoreError::files(folder, source))? {
        // What is not among the months was dropped, or never committed.
        if !missing.remove(&month) {
            continue;
        }
        match open_whole(&folder.join(month.to_string()), month, &shape, Look::Thorough) {
            Ok(index) => shelves.push((month, index.reader())),
            Err(error) => findings.push(Finding::Damaged {
                month,
                aside: PathBuf::new(),
                why: error.to_string(),
            }),
        }
    }
    findings.extend(missing.into_iter().map(Finding::Gone));
    let library = Library::new(limits);
    library.publish(shelves, state.cursor);
    Ok(Some(Surveyed {
        snapshot: library.snapshot(),
        lacks: state.lacks.into_iter().collect(),
        findings,
    }))
}

impl Snapshot {
    /// How many events of a site belong to a visit, and how many the visits that are over say they have.
    ///
    /// # Errors
    /// The index cannot be read.
    pub fn events_of_visits(&self, over: &Self, site: SiteId) -> Result<[u64; 2], StoreError> {
        let count = |snapshot: &Self, what: What, condition: Condition| {
            let found = snapshot.search(&Search {
                of: Of::Events,
                site,
                times: 0..u64::MAX,
                condition,
                people_only: false,
                keys: Vec::new(),
                measures: vec![Measure {
                    what,
                    only: Condition::All,
                }],
            })?;
            let figure = found.groups.first().and_then(|group| group.figures.first().copied());
            Ok(match figure {
                Some(Figure::Count(count)) => count,
                Some(Figure::Whole(sum)) => u64::try_from(sum).unwrap_or(0),
                _ => 0,
            })
        };
        let has_visit = Condition::Not(Box::new(Condition::Is(Column::Visit.into(), vec![None])));
        Ok([
            count(self, What::Events, has_visit)?,
            count(over, What::Sum(Column::VisitEvents.into()), Condition::All)?,
        ])
    }

    /// How many events of each name a site has.
    ///
    /// # Errors
    /// The index cannot be read, or there are more names than an answer may have groups.
    pub fn names_of(&self, site: SiteId) -> Result<BTreeMap<Box<str>, u64>, StoreError> {
        let found = self.search(&Search {
            of: Of::Events,
            site,
            times: 0..u64::MAX,
            condition: Condition::All,
            people_only: false,
            keys: vec![GroupKey::Field(Field::Column(Column::Name))],
            measures: vec![Measure {
                what: What::Events,
                only: Condition::All,
            }],
        })?;
        let name_and_count =
            found
                .groups
                .into_iter()
                .filter_map(|group| match (group.keys.into_iter().next(), group.figures.first()) {
                    (Some(Key::Text(name)), Some(Figure::Count(count))) => Some((name, *count)),
                    _ => None,
                });
        Ok(name_and_count.collect())
    }
}
