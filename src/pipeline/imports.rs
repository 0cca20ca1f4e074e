//! How far imports are, and who may go on with one.
//!
//! Each frame of an import says which line it was. So the log alone tells how far an import has come, and a line that
//! is in the log is never taken again: batches of one import come one after the other, and each begins where the last
//! one ended. The ledger keeps what the frames said when their segments go.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::Shared;
use super::batch::EventBatch;
use crate::event::{Country, ImportId, ImportKey, ImportPart, Progress, SiteId};
use crate::journal::payload::{self, ImportedVisits};
use crate::outcome::Reason;

/// All imports of a data directory.
#[derive(Debug)]
pub struct Imports {
    imports_max: usize,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// Another process may still take lines.
    is_away: bool,
    known: BTreeMap<ImportKey, Progress>,
    /// Those of which a batch is on its way into the log.
    busy: BTreeSet<(SiteId, ImportId)>,
    /// Those of which a batch went into the log or not, which nobody knows.
    doubtful: BTreeSet<(SiteId, ImportId)>,
}

/// The right to go on with an import, for one batch.
#[derive(Debug)]
pub struct ImportTurn {
    imports: Arc<Imports>,
    site: SiteId,
    id: ImportId,
    /// Where the parts are when the batch is in the log.
    reached: Vec<(ImportPart, Progress)>,
    /// Visits that count then.
    visits: Vec<(Country, u64)>,
}

impl Imports {
    pub(super) fn new(imports_max: usize) -> Self {
        Self {
            imports_max,
            state: Mutex::default(),
        }
    }

    /// Learns how far imports are; what was known of one stays if it is further.
    pub(super) fn know(&self, found: impl IntoIterator<Item = (ImportKey, Progress)>) {
        let mut state = self.lock();
        for (key, progress) in found {
            state.known.entry(key).or_default().reach(progress);
        }
    }

    /// Learns what the imports of another lane have come to.
    pub(super) fn know_all(&self, other: &Self) {
        let known = other.lock().known.clone();
        self.know(known);
    }

    /// Notes whether another process may still take lines.
    pub(super) fn set_away(&self, is_away: bool) {
        self.lock().is_away = is_away;
    }

    /// How far a part is.
    ///
    /// # Errors
    /// When another process may still go on with it.
    pub fn progress(&self, key: &ImportKey) -> Result<Progress, Reason> {
        let state = self.lock();
        if state.is_away {
            return Err(Reason::ImportUnknown);
        }
        Ok(state.known.get(key).copied().unwrap_or_default())
    }

    /// How many visits of each country an import has taken.
    ///
    /// # Errors
    /// When another process may still go on with it.
    pub fn visits(&self, site: SiteId, id: ImportId) -> Result<Vec<(Country, u64)>, Reason> {
        let state = self.lock();
        if state.is_away {
            return Err(Reason::ImportUnknown);
        }
        let of_import = state.known.iter().filter(|(key, _)| key.site == site && key.id == id);
        let visits = of_import.filter_map(|(key, progress)| match key.part {
            ImportPart::Visits(country) => Some((country, progress.taken)),
            ImportPart::Lines => None,
        });
        Ok(visits.collect())
    }

    /// Goes on with an import; nobody else can until the turn is settled or dropped.
    ///
    /// # Errors
    /// When someone else does so now, it is not known how far it is, or there are too many.
    pub fn begin(self: &Arc<Self>, site: SiteId, id: ImportId) -> Result<ImportTurn, Reason> {
        let mut state = self.lock();
        if state.is_away || state.doubtful.contains(&(site, id)) {
            return Err(Reason::ImportUnknown);
        }
        if state.busy.contains(&(site, id)) {
            return Err(Reason::ImportBusy);
        }
        let is_known = state.known.keys().any(|key| key.site == site && key.id == id);
        if !is_known && state.count() >= self.imports_max {
            return Err(Reason::ImportsFull);
        }
        state.busy.insert((site, id));
        Ok(ImportTurn {
            imports: self.clone(),
            site,
            id,
            reached: Vec::new(),
            visits: Vec::new(),
        })
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// Imports that were begun, and those that begin now.
    fn count(&self) -> usize {
        let known = self.known.keys().map(|key| (key.site, key.id));
        let mut all: Vec<_> = known.chain(self.busy.iter().copied()).collect();
        all.sort_unstable();
        all.dedup();
        all.len()
    }
}

impl ImportTurn {
    /// How far a part is.
    pub fn progress(&self, part: ImportPart) -> Progress {
        let key = self.key(part);
        self.imports.lock().known.get(&key).copied().unwrap_or_default()
    }

    /// The lines up to one are taken with a batch, of which the client made a digest. Adds the frame that says so.
    pub fn end_lines(mut self, batch: &mut EventBatch, (lines, digest): (u64, u64), now_ms: u64) {
        let mut frame = Vec::new();
        payload::put_lines(&mut frame, (self.site, self.id), (lines, digest), now_ms);
        let reached = Progress {
            taken: lines,
            checked: lines,
            digest,
        };
        self.reached.push((ImportPart::Lines, reached));
        batch.end_import(&frame, self);
    }

    /// A batch of nothing but visits, each country with how many of them are taken then, and how many of these are new.
    pub fn end_visits(mut self, visits: &[ImportedVisits], now_ms: u64) -> EventBatch {
        let mut frame = Vec::new();
        payload::put_imported_visits(&mut frame, (self.site, self.id), visits.iter().copied(), now_ms);
        for ImportedVisits { country, taken, added } in visits {
            self.reached.push((ImportPart::Visits(*country), Progress::at(*taken)));
            self.visits.push((*country, *added));
        }
        let mut batch = EventBatch::default();
        batch.end_import(&frame, self);
        batch
    }

    /// Visits of the batch.
    pub(super) fn count_visits(&self) -> u64 {
        self.visits.iter().map(|(_, added)| added).sum()
    }

    /// The batch is in the log: it is as far as it says, and its visits are part of the totals.
    pub(super) fn settle(self, shared: &Shared) {
        let reached = self.reached.iter().map(|(part, progress)| (self.key(*part), *progress));
        self.imports.know(reached);
        for (country, added) in &self.visits {
            shared.totals.raise(*country, *added);
        }
        shared.metrics.visits.kept.inc_by(self.count_visits());
    }

    /// Nobody knows whether the batch is in the log. The next start will.
    pub(super) fn doubt(self) {
        self.imports.lock().doubtful.insert((self.site, self.id));
    }

    const fn key(&self, part: ImportPart) -> ImportKey {
        ImportKey {
            site: self.site,
            id: self.id,
            part,
        }
    }
}

impl Drop for ImportTurn {
    fn drop(&mut self) {
        self.imports.lock().busy.remove(&(self.site, self.id));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LINES: ImportPart = ImportPart::Lines;

    fn key(id: u8) -> ImportKey {
        ImportKey {
            site: SiteId::DEFAULT,
            id: [id; 16],
            part: LINES,
        }
    }

    fn begin(imports: &Arc<Imports>, id: u8) -> Result<ImportTurn, Reason> {
        imports.begin(SiteId::DEFAULT, [id; 16])
    }

    #[test]
    fn one_batch_at_a_time_goes_on_with_an_import_and_others_are_not_held_up() {
        let imports = Arc::new(Imports::new(10));
        let turn = begin(&imports, 1).unwrap();
        assert_eq!(begin(&imports, 1).unwrap_err(), Reason::ImportBusy);
        assert!(begin(&imports, 2).is_ok());
        drop(turn);
        assert!(begin(&imports, 1).is_ok());
    }

    #[test]
    fn what_is_dropped_has_taken_nothing_and_what_is_doubtful_is_not_gone_on_with() {
        let imports = Arc::new(Imports::new(10));
        let mut batch = EventBatch::default();
        begin(&imports, 1).unwrap().end_lines(&mut batch, (7, 5), 1);
        assert_eq!((batch.len(), batch.events()), (1, 0));
        drop(batch);
        assert_eq!(imports.progress(&key(1)), Ok(Progress::default()));
        begin(&imports, 1).unwrap().doubt();
        assert_eq!(begin(&imports, 1).unwrap_err(), Reason::ImportUnknown);
    }

    #[test]
    fn there_are_at_most_so_many_imports_and_known_ones_go_on() {
        let imports = Arc::new(Imports::new(2));
        imports.know([(key(1), Progress::at(5)), (key(2), Progress::at(6))]);
        let visits = ImportKey {
            part: ImportPart::Visits(Country::UNKNOWN),
            ..key(2)
        };
        imports.know([(visits, Progress::at(1))]);
        assert_eq!(begin(&imports, 3).unwrap_err(), Reason::ImportsFull);
        let turn = begin(&imports, 2).unwrap();
        assert_eq!((turn.progress(LINES).taken, turn.progress(visits.part).taken), (6, 1));
        assert_eq!(
            imports.visits(SiteId::DEFAULT, [2; 16]),
            Ok(vec![(Country::UNKNOWN, 1)])
        );
    }

    #[test]
    fn nobody_goes_on_while_another_process_may() {
        let imports = Arc::new(Imports::new(2));
        imports.set_away(true);
        assert_eq!(begin(&imports, 1).unwrap_err(), Reason::ImportUnknown);
        assert_eq!(imports.progress(&key(1)), Err(Reason::ImportUnknown));
        imports.set_away(false);
        assert!(begin(&imports, 1).is_ok());
    }
}
