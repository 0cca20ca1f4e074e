//! Holds what clients were told of events against the rows of event stores.
//!
//! Each event has a mark: its id, or one that its properties hold. An event that was kept must be there once, one of
//! unknown fate once or not at all, and nothing else.

use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};

use footfall::event::SiteId;
use footfall::store::search::{Condition, List, StoredEvent};
use footfall::store::{Column, StoreLimits, survey};

use crate::checker::Violations;
use crate::support::batches::{Batch, Told};
use crate::support::report::Report;

/// More events than a series sends.
const MANY: usize = 10_000_000;
/// So many of what is wrong are told, the others only counted.
const TOLD_MAX: usize = 20;

/// What was sent, and what lies in the stores that were read.
#[derive(Debug, Default)]
pub struct Rows {
    sent: HashMap<String, Sent>,
    /// Marks with names, and how often each is there, for each data directory.
    stored: BTreeMap<PathBuf, HashMap<String, (String, u64)>>,
}

#[derive(Debug)]
struct Sent {
    told: Told,
    name: &'static str,
}

impl Rows {
    /// Events that are counted.
    pub fn counted(report: &Report) -> u64 {
        let events = report.0.iter().filter(|(name, _)| name.starts_with("event:"));
        events.map(|(_, count)| count).sum()
    }

    /// A batch was sent, to whichever gateway.
    pub fn sent(&mut self, batch: &Batch) {
        let name = batch.counter().trim_start_matches("event:");
        for mark in batch.marks() {
            let sent = Sent { told: batch.told, name };
            assert!(self.sent.insert(mark, sent).is_none(), "a mark was used twice");
        }
    }

    /// Reads the store of a gateway that has ended; what is wrong with the store itself.
    pub fn read(&mut self, data_dir: &Path) -> Vec<String> {
        let mut rows = HashMap::new();
        let surveyed = survey(&data_dir.join("events"), StoreLimits::default()).unwrap();
        let mut wrong = Vec::new();
        if let Some(surveyed) = surveyed {
            wrong.extend(surveyed.findings.iter().map(ToString::to_string));
            let all = List {
                site: SiteId::DEFAULT,
                times: 0..u64::MAX,
                condition: Condition::All,
                after: None,
                limit: MANY,
            };
            for event in surveyed.snapshot.list(&all).unwrap() {
                let row = rows.entry(mark_of(&event)).or_insert_with(|| {
                    let name = event.columns.get(&Column::Name).cloned();
                    (name.unwrap_or_default(), 0)
                });
                row.1 += 1;
            }
        }
        self.stored.insert(data_dir.to_owned(), rows);
        wrong
    }

    /// Rows of the stores that were read.
    pub fn read_so_far(&self) -> u64 {
        let rows = self.stored.values().flat_map(HashMap::values);
        rows.map(|(_, times)| times).sum()
    }

    /// What does not fit, if any store was read.
    pub fn check(&self) -> Violations {
        let mut found = Violations::default();
        if self.stored.is_empty() {
            return found;
        }
        let mut stored = HashMap::<&String, (&str, u64)>::new();
        for (mark, (name, times)) in self.stored.values().flatten() {
            stored.entry(mark).or_insert((name, 0)).1 += times;
        }
        for (mark, sent) in &self.sent {
            let (name, times) = stored.remove(mark).unwrap_or((sent.name, 0));
            let (least, most) = match sent.told {
                Told::Kept => (1, 1),
                Told::Unknown => (0, 1),
                Told::Refused(_) => (0, 0),
            };
            let (lost, doubled) = (u64::saturating_sub(least, times), times.saturating_sub(most));
            if lost + doubled > 0 || name != sent.name {
                found
                    .told
                    .push(format!("{mark}, {:?}, is stored {times} times as {name}", sent.told));
            }
            found.lost += lost;
            found.doubled += doubled;
        }
        for (mark, (name, times)) in stored {
            found
                .told
                .push(format!("{mark} was never sent and is stored {times} times as {name}"));
            found.doubled += times;
        }
        found.told.truncate(TOLD_MAX);
        found
    }
}

fn mark_of(event: &StoredEvent) -> String {
    let properties: Option<serde_json::Value> = serde_json::from_slice(&event.properties).ok();
    let mark = properties.and_then(|properties| Some(properties["mark"].as_str()?.to_owned()));
    mark.unwrap_or_else(|| event.id.clone())
}
