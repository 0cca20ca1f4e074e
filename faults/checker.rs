//! Holds what clients were told against what was counted.
//!
//! Every `2xx` must be counted once, every refusal not at all, a visit of unknown fate once or not at all. What was
//! counted at the end of a round is where the next one begins, so that a visit that turns up or goes later is found
//! too, and one round's unknown visits never hide what another did.

use std::collections::BTreeSet;

use crate::support::history::History;
use crate::support::report::Report;

/// What does not fit.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Violations {
    /// Visits that were kept and are not counted.
    pub lost: u64,
    /// Visits that are counted, and were refused, never sent, or counted before.
    pub doubled: u64,
    /// Each of them in words.
    pub told: Vec<String>,
}

impl Violations {
    /// Adds those of another check.
    pub fn add(&mut self, other: Self) {
        self.lost += other.lost;
        self.doubled += other.doubled;
        self.told.extend(other.told);
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.told.is_empty()
    }
}

/// Checks round after round.
#[derive(Debug, Default)]
pub struct Checker {
    settled: Report,
}

impl Checker {
    /// Checks a round: what was sent in it to each gateway, and what is counted after it.
    pub fn check(&mut self, sent: &[History], counted: &Report) -> Violations {
        let mut violations = Violations::default();
        let (kept, unknown) = (sum(sent, History::kept), sum(sent, History::unknown));
        let countries: BTreeSet<&String> = [&kept, &unknown, counted, &self.settled]
            .into_iter()
            .flat_map(|report| report.0.keys())
            .collect();
        for country in countries {
            let least = self.settled.of(country) + kept.of(country);
            let most = least + unknown.of(country);
            let count = counted.of(country);
            let (lost, doubled) = (least.saturating_sub(count), count.saturating_sub(most));
            if lost + doubled > 0 {
                violations
                    .told
                    .push(format!("{country}: {count} counted, {least} to {most} expected"));
            }
            violations.lost += lost;
            violations.doubled += doubled;
        }
        self.settled = counted.clone();
        violations
    }
}

/// Answers to batches that cannot be true.
pub fn wrong(sent: &[History]) -> Vec<String> {
    let batches = sent.iter().flat_map(|history| &history.batches);
    batches.filter_map(|batch| batch.wrong.clone()).collect()
}

/// Totals that were told to two clients of a gateway. That two gateways gave the same is no fault: each gives its own.
pub fn repeated(sent: &[History]) -> Vec<String> {
    sent.iter().filter_map(History::repeated_total).collect()
}

fn sum(histories: &[History], part: impl Fn(&History) -> Report) -> Report {
    let mut sum = Report::default();
    for (country, count) in histories.iter().flat_map(|history| part(history).0) {
        *sum.0.entry(country).or_default() += count;
    }
    sum
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::support::history::{Fate, Sent};

    const KEPT: Fate = Fate::Kept { status: 201, total: 0 };

    /// Visits to one country, each answered with a total of its own.
    fn history(fates: &[Fate]) -> [History; 1] {
        let sent = |(place, fate): (usize, &Fate)| Sent {
            country: "GB".into(),
            key: None,
            tries: 1,
            fate: match fate {
                Fate::Kept { status, .. } => Fate::Kept {
                    status: *status,
                    total: place as u64,
                },
                other => *other,
            },
        };
        let visits = fates.iter().enumerate().map(sent).collect();
        [History {
            visits,
            ..History::default()
        }]
    }

    fn counted(count: u64) -> Report {
        Report([("gb".to_owned(), count)].into())
    }

    #[test]
    fn doctored_histories_are_found_out() {
        let told = [KEPT, KEPT, Fate::Refused(503), Fate::Unknown];
        for (count, lost, doubled) in [(0, 2, 0), (1, 1, 0), (2, 0, 0), (3, 0, 0), (4, 0, 1)] {
            let found = Checker::default().check(&history(&told), &counted(count));
            assert_eq!((found.lost, found.doubled), (lost, doubled), "{count} counted");
            assert_eq!(found.is_empty(), lost + doubled == 0);
        }
        let mut doctored = history(&told);
        let again = doctored[0].visits[0].clone();
        doctored[0].visits.push(again);
        assert_eq!(Checker::default().check(&doctored, &counted(2)).lost, 1);
        doctored[0].visits.truncate(1);
        assert_eq!(Checker::default().check(&doctored, &counted(2)).doubled, 1);
    }

    #[test]
    fn a_visit_of_unknown_fate_is_settled_by_the_round_it_was_sent_in() {
        let mut checker = Checker::default();
        assert!(checker.check(&history(&[KEPT, Fate::Unknown]), &counted(1)).is_empty());
        let later = checker.check(&history(&[KEPT]), &counted(3));
        assert_eq!((later.lost, later.doubled), (0, 1), "it turned up later");
        let gone = checker.check(&history(&[]), &counted(2));
        assert_eq!((gone.lost, gone.doubled), (1, 0));
    }

    #[test]
    fn a_total_that_two_clients_were_told_is_found() {
        let mut told = history(&[KEPT, KEPT]);
        assert!(repeated(&told).is_empty());
        told[0].visits[1] = told[0].visits[0].clone();
        assert_eq!(repeated(&told).len(), 1);
        told[0].visits[1].tries = 2;
        assert!(repeated(&told).is_empty(), "sent again");
        let apart = [history(&[KEPT]), history(&[KEPT])].concat();
        assert!(repeated(&apart).is_empty(), "two gateways");
    }

    #[test]
    fn countries_do_not_make_up_for_each_other() {
        let wrong = Report([("gb".to_owned(), 1), ("us".to_owned(), 1)].into());
        let found = Checker::default().check(&history(&[KEPT, KEPT]), &wrong);
        assert_eq!((found.lost, found.doubled), (1, 1));
    }
}
