//! Apply: what the log's frames mean for the counters. A pure state machine, one ordered consumer.
//!
//! The same frames in the same order always give the same deltas, so a replay after a crash, or for a Redis that went
//! back in time, comes to the same numbers. Time comes from the frames, never from the machine.
//!
//! Must not know: files, sockets, threads, the machine's clock.
//!
//! Bounded: the window of idempotency keys (`window_ms`, `window_ids_max`).
//!
//! On failure: nothing here fails; a frame nobody can read never gets here.

mod tally;
mod window;

use crate::config::ApplyConfig;
use crate::event::{Country, Deltas, SiteId};

use tally::Tally;
pub use tally::VISIT_FIELD;
pub use window::First;
use window::Window;

/// What a visit with an idempotency key came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// It is counted.
    Counted,
    /// Its idempotency key was counted before, by this visit.
    Duplicate(First),
}

/// A visit frame as apply needs it; the pipeline translates from the journal's payloads.
#[derive(Debug, Clone, Copy)]
pub struct KeyedVisit<'a> {
    /// Whose visit.
    pub site: SiteId,
    /// When it was received, in milliseconds since 1970.
    pub time_ms: u64,
    /// Where from.
    pub country: Country,
    /// The client's idempotency key.
    pub id: &'a [u8],
}

/// The state that decides what frames mean.
#[derive(Debug)]
pub struct Apply {
    window: Window,
    tally: Tally,
}

impl Apply {
    /// An empty state; `key` seeds the fingerprints of ids and must be the same for every replay.
    pub fn new(config: &ApplyConfig, key: &[u8; 16]) -> Self {
        Self {
            window: Window::new(config, key),
            tally: Tally::default(),
        }
    }

    /// Counts folded visits.
    pub fn visits(&mut self, site: SiteId, counts: impl Iterator<Item = (Country, u64)>) {
        self.tally.visits(site, counts);
    }

    /// One visit, counted unless its id was.
    pub fn visit(&mut self, visit: KeyedVisit<'_>) -> Step {
        if let Some(first) = self.window.claim((visit.site, visit.id), visit.time_ms, visit.country) {
            Step::Duplicate(first)
        } else {
            self.tally.visits(visit.site, std::iter::once((visit.country, 1)));
            Step::Counted
        }
    }

    /// A visit of the other lane: its id is known from now on, and who counted it is not this lane's matter.
    pub fn witness(&mut self, visit: KeyedVisit<'_>) {
        let _ = self.window.claim((visit.site, visit.id), visit.time_ms, visit.country);
    }

    /// Keeps the total that the visit with an id was answered with, for its twins.
    pub fn remember(&mut self, visit: KeyedVisit<'_>, total: u64) {
        self.window.remember(visit.site, visit.id, total);
    }

    /// The changes to the counters since the last call.
    pub fn drain(&mut self) -> Deltas {
        self.tally.drain()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::{CounterHash, Family};

    const VISITS: CounterHash = CounterHash {
        site: SiteId::DEFAULT,
        family: Family::Visits,
    };
    const EVENTS: CounterHash = CounterHash {
        site: SiteId::DEFAULT,
        family: Family::Events,
    };

    fn apply() -> Apply {
        Apply::new(&ApplyConfig::default(), &[0; 16])
    }

    fn keyed(id: &'static [u8], time_ms: u64) -> KeyedVisit<'static> {
        KeyedVisit {
            site: SiteId::DEFAULT,
            time_ms,
            country: Country::parse(b"gb").unwrap(),
            id,
        }
    }

    #[test]
    fn folded_visits_raise_their_countries_and_the_event_total() {
        let mut apply = apply();
        let counts = [(Country::parse(b"gb").unwrap(), 3), (Country::parse(b"cy").unwrap(), 4)];
        apply.visits(SiteId::DEFAULT, counts.into_iter());
        let deltas = apply.drain();
        assert_eq!(
            (
                deltas.get(&VISITS, "gb"),
                deltas.get(&VISITS, "cy"),
                deltas.get(&EVENTS, VISIT_FIELD)
            ),
            (3, 4, 7)
        );
        assert!(apply.drain().is_empty());
    }

    #[test]
    fn a_twin_counts_nothing_and_learns_the_first_total() {
        let mut apply = apply();
        let country = Country::parse(b"gb").unwrap();
        assert_eq!(apply.visit(keyed(b"a", 5)), Step::Counted);
        assert_eq!(
            apply.visit(keyed(b"a", 6)),
            Step::Duplicate(First { country, total: None })
        );
        apply.remember(keyed(b"a", 5), 41);
        assert_eq!(
            apply.visit(keyed(b"a", 7)),
            Step::Duplicate(First {
                country,
                total: Some(41)
            })
        );
        assert_eq!(apply.drain().get(&VISITS, "gb"), 1);
    }

    #[test]
    fn a_visit_of_the_other_lane_counts_nothing_and_makes_its_twin_a_duplicate() {
        let mut apply = apply();
        apply.witness(keyed(b"a", 5));
        assert!(apply.drain().is_empty());
        assert!(matches!(apply.visit(keyed(b"a", 6)), Step::Duplicate(_)));
        assert!(apply.drain().is_empty());
    }

    #[test]
    fn the_same_id_of_another_site_is_another_visit() {
        let mut apply = apply();
        let other = KeyedVisit {
            site: SiteId([1; 16]),
            ..keyed(b"a", 5)
        };
        apply.visit(keyed(b"a", 5));
        assert!(matches!(apply.visit(other), Step::Counted));
    }
}
