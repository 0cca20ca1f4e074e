//! What clients were told, written outside the gateway, and whether its counts keep that promise.

use std::collections::{BTreeMap, BTreeSet};

use super::batches::{Batch, Told};
use super::report::Report;

/// What a client knows about one visit it sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fate {
    /// Answered with a `2xx`: must be counted exactly once.
    Kept {
        /// `201` or `202`.
        status: u16,
        /// The total the answer named.
        total: u64,
    },
    /// Answered with this other status: must not be counted.
    Refused(u16),
    /// No answer came, or the one that nobody can tell: may be counted once or not at all.
    Unknown,
}

/// One visit a client sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sent {
    /// Its country, as sent.
    pub country: String,
    /// Its `Idempotency-Key`, if it had one.
    pub key: Option<String>,
    /// How often it was sent.
    pub tries: u64,
    /// What became of it.
    pub fate: Fate,
}

/// Everything the clients of a test sent.
#[derive(Debug, Clone, Default)]
pub struct History {
    /// The visits.
    pub visits: Vec<Sent>,
    /// Batches of events.
    pub batches: Vec<Batch>,
}

impl History {
    /// Adds another history.
    pub fn merge(&mut self, other: Self) {
        self.visits.extend(other.visits);
        self.batches.extend(other.batches);
    }

    /// Visits by country, and events by name, that were answered with `2xx`.
    pub fn kept(&self) -> Report {
        let visits = self.by_country(|sent| matches!(sent.fate, Fate::Kept { .. }));
        self.with_events(visits, |told| told == Told::Kept)
    }

    /// Visits by country, and events by name, that got no answer.
    pub fn unknown(&self) -> Report {
        let visits = self.by_country(|sent| sent.fate == Fate::Unknown);
        self.with_events(visits, |told| told == Told::Unknown)
    }

    fn with_events(&self, mut report: Report, counts: impl Fn(Told) -> bool) -> Report {
        for batch in self.batches.iter().filter(|batch| counts(batch.told)) {
            *report.0.entry(batch.counter().to_owned()).or_default() += Batch::EVENTS;
        }
        report
    }

    fn by_country(&self, counts: impl Fn(&Sent) -> bool) -> Report {
        let mut report = Report::default();
        for sent in self.visits.iter().filter(|sent| counts(sent)) {
            *report.0.entry(sent.country.to_ascii_lowercase()).or_default() += 1;
        }
        report
    }

    /// How often each status was answered; 0 stands for no answer.
    pub fn statuses(&self) -> BTreeMap<u16, usize> {
        let mut statuses = BTreeMap::new();
        let visits = self.visits.iter().map(|sent| match sent.fate {
            Fate::Kept { status, .. } | Fate::Refused(status) => status,
            Fate::Unknown => 0,
        });
        let batches = self.batches.iter().map(|batch| match batch.told {
            Told::Kept => 202,
            Told::Refused(status) => status,
            Told::Unknown => 0,
        });
        for status in visits.chain(batches) {
            *statuses.entry(status).or_default() += 1;
        }
        statuses
    }

    /// The totals that answers named for a country, in the order they were collected.
    pub fn totals(&self, country: &str) -> Vec<u64> {
        let of_country = self
            .visits
            .iter()
            .filter(|sent| sent.country.eq_ignore_ascii_case(country));
        let total = |sent: &Sent| match sent.fate {
            Fate::Kept { total, .. } => Some(total),
            Fate::Refused(_) | Fate::Unknown => None,
        };
        of_country.filter_map(total).collect()
    }

    /// Counts may be: all that was kept, and any part of what is unknown. Says what is wrong.
    pub fn contradiction(&self, counted: &Report) -> Option<String> {
        let (kept, unknown) = (self.kept(), self.unknown());
        let countries: BTreeSet<&String> = kept.0.keys().chain(unknown.0.keys()).chain(counted.0.keys()).collect();
        let wrong = countries.into_iter().find_map(|country| {
            let (least, most) = (kept.of(country), kept.of(country) + unknown.of(country));
            let count = counted.of(country);
            let right = (least..=most).contains(&count);
            (!right).then(|| format!("{country}: {count} counted, {least} to {most} expected"))
        });
        wrong.or_else(|| self.repeated_total())
    }

    /// No total may be told to two clients. A visit that is sent again after a restart is told the total of then, which
    /// another may have been told before.
    pub fn repeated_total(&self) -> Option<String> {
        let visits = self.visits.iter().filter(|sent| sent.tries == 1).cloned().collect();
        let at_once = Self {
            visits,
            batches: Vec::new(),
        };
        at_once.kept().0.keys().find_map(|country| {
            let mut seen = BTreeSet::new();
            let mut totals = at_once.totals(country).into_iter();
            totals
                .find(|total| !seen.insert(*total))
                .map(|total| format!("{country}: total {total} was given twice"))
        })
    }

    /// Fails the test when the counts break what clients were told.
    #[track_caller]
    pub fn check(&self, counted: &Report) {
        if let Some(wrong) = self.contradiction(counted) {
            panic!("{wrong}; answers by status: {:?}", self.statuses());
        }
    }

    /// Fails the test when any request was refused or left without an answer.
    #[track_caller]
    pub fn check_all_kept(&self) {
        let bad = self.visits.iter().find(|sent| !matches!(sent.fate, Fate::Kept { .. }));
        assert!(bad.is_none(), "{bad:?}; answers by status: {:?}", self.statuses());
        let bad = self.batches.iter().find(|batch| batch.told != Told::Kept);
        assert!(bad.is_none(), "{bad:?}; answers by status: {:?}", self.statuses());
    }
}
