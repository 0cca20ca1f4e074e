//! What clients were told, written outside the gateway, and whether its counts keep that promise.

use std::collections::{BTreeMap, BTreeSet};

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
pub struct History(pub Vec<Sent>);

impl History {
    /// Adds another history.
    pub fn merge(&mut self, other: Self) {
        self.0.extend(other.0);
    }

    /// Visits by country that were answered with `2xx`.
    pub fn kept(&self) -> Report {
        self.by_country(|sent| matches!(sent.fate, Fate::Kept { .. }))
    }

    /// Visits by country that got no answer.
    pub fn unknown(&self) -> Report {
        self.by_country(|sent| sent.fate == Fate::Unknown)
    }

    fn by_country(&self, counts: impl Fn(&Sent) -> bool) -> Report {
        let mut report = Report::default();
        for sent in self.0.iter().filter(|sent| counts(sent)) {
            *report.0.entry(sent.country.to_ascii_lowercase()).or_default() += 1;
        }
        report
    }

    /// How often each status was answered; 0 stands for no answer.
    pub fn statuses(&self) -> BTreeMap<u16, usize> {
        let mut statuses = BTreeMap::new();
        for sent in &self.0 {
            let status = match sent.fate {
                Fate::Kept { status, .. } | Fate::Refused(status) => status,
                Fate::Unknown => 0,
            };
            *statuses.entry(status).or_default() += 1;
        }
        statuses
    }

    /// The totals that answers named for a country, in the order they were collected.
    pub fn totals(&self, country: &str) -> Vec<u64> {
        let of_country = self.0.iter().filter(|sent| sent.country.eq_ignore_ascii_case(country));
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
        let at_once: Vec<Sent> = self.0.iter().filter(|sent| sent.tries == 1).cloned().collect();
        let at_once = Self(at_once);
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

    /// Fails the test when any visit was refused or left without an answer.
    #[track_caller]
    pub fn check_all_kept(&self) {
        let bad = self.0.iter().find(|sent| !matches!(sent.fate, Fate::Kept { .. }));
        assert!(bad.is_none(), "{bad:?}; answers by status: {:?}", self.statuses());
    }
}
