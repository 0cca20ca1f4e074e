//! What became of the events that were sent.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};

/// Reasons that are told apart; those of later kinds are counted together.
const REASONS_MAX: usize = 32;

/// What a gateway answered for the events of a request.
#[derive(Debug, Deserialize)]
pub struct Receipt {
    accepted: u64,
    duplicates: u64,
    rejected: u64,
    errors: Vec<Flaw>,
}

#[derive(Debug, Deserialize)]
struct Flaw {
    code: String,
    #[serde(default)]
    field: String,
    message: String,
}

/// What became of all events.
#[derive(Debug, Default, Clone, PartialEq, Serialize)]
pub struct Tally {
    /// Events that were sent.
    pub sent: u64,
    /// Events that were kept.
    pub accepted: u64,
    /// Events that had been kept before: the answer to the first try was lost.
    pub duplicates: u64,
    /// Events that were rejected.
    pub rejected: u64,
    /// Events of which nobody knows whether they were kept.
    pub unknown: u64,
    /// Requests that were answered.
    pub requests: u64,
    /// Requests that were sent again.
    pub again: u64,
    /// How long it took, in seconds.
    pub seconds: f64,
    /// Why events were rejected, and how many for each reason.
    pub reasons: BTreeMap<String, u64>,
}

impl Tally {
    /// Counts an answer.
    pub fn note(&mut self, receipt: Receipt) {
        self.requests += 1;
        self.accepted += receipt.accepted;
        self.duplicates += receipt.duplicates;
        self.rejected += receipt.rejected;
        for flaw in receipt.errors.into_iter().filter(|flaw| flaw.code != "duplicate") {
            let reason = format!("{} {}: {}", flaw.code, flaw.field, flaw.message);
            let is_new = !self.reasons.contains_key(&reason);
            let reason = if is_new && self.reasons.len() >= REASONS_MAX {
                "others".into()
            } else {
                reason
            };
            *self.reasons.entry(reason).or_default() += 1;
        }
    }

    /// Notes how long it took.
    pub const fn end(&mut self, took: Duration) {
        self.seconds = took.as_secs_f64();
    }

    /// Whether every event is known to be kept.
    pub const fn is_whole(&self) -> bool {
        self.accepted + self.duplicates == self.sent
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let rate = (self.accepted + self.duplicates) as f64 / self.seconds.max(1e-9);
        writeln!(
            f,
            "sent {} events in {:.1} s: {rate:.0} a second",
            self.sent, self.seconds
        )?;
        write!(
            f,
            "accepted {}, duplicates {}, rejected {}, unknown {}; {} requests answered, {} sent again",
            self.accepted, self.duplicates, self.rejected, self.unknown, self.requests, self.again
        )?;
        self.reasons
            .iter()
            .try_for_each(|(reason, count)| write!(f, "\n  {count} × {reason}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn receipt(text: &str) -> Receipt {
        serde_json::from_str(text).unwrap()
    }

    #[test]
    fn answers_are_added_up_and_reasons_counted() {
        let mut tally = Tally {
            sent: 7,
            ..Tally::default()
        };
        tally.note(receipt(
            r#"{"accepted":3,"duplicates":0,"rejected":0,"errors":[],"more":1}"#,
        ));
        assert!(!tally.is_whole());
        tally.note(receipt(
            r#"{"accepted":2,"duplicates":1,"rejected":1,"errors":[
                {"index":1,"id":"x","field":"id","code":"duplicate","message":"known"},
                {"index":2,"field":"url","code":"field_invalid","message":"must be a URL"}]}"#,
        ));
        assert!(!tally.is_whole());
        assert_eq!((tally.accepted, tally.duplicates, tally.rejected), (5, 1, 1));
        assert_eq!(tally.reasons["field_invalid url: must be a URL"], 1);
        tally.sent = 6;
        assert!(tally.is_whole());
    }
}
