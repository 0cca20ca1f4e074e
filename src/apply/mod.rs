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

mod session_file;
mod sessions;
#[cfg(test)]
mod sessions_tests;
mod tally;
mod window;

use crate::config::ApplyConfig;
use crate::event::{Country, Deltas, Family, SiteId};

pub use session_file::{Changes, Kept, SessionFile, SessionFileError, take_up};
pub use sessions::{Activity, GAP_MS, Joined, Open, Sessions, Who};
use tally::Tally;
pub use tally::{OTHER_FIELD, VISIT_FIELD, VISIT_NAME_FIELD, field_of};
pub use window::First;
use window::{Claim, Id, Window};

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

/// What an event came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EventStep {
    /// It is counted.
    Counted,
    /// It was counted before, when the same request came for the first time.
    Repeated,
    /// Its id was counted before, in another request.
    Duplicate,
}

/// An event frame as apply needs it; the pipeline translates from the journal's payloads.
#[derive(Debug, Clone, Copy)]
pub struct NamedEvent<'a> {
    /// Whose event.
    pub site: SiteId,
    /// When it was received, in milliseconds since 1970.
    pub time_ms: u64,
    /// The field that counts it: see [`field_of`].
    pub field: &'a str,
    /// The client's id; an event without one is never a duplicate.
    pub id: Option<&'a [u8]>,
    /// The request that it came with, and its place in that; 0 if the request has no name.
    pub request: u64,
}

/// Visits and events of a replay that are decided together.
const TOGETHER: usize = 32;

/// A visit or an event of a replay that is not decided yet.
#[derive(Debug)]
struct Waiting {
    claim: Claim,
    site: SiteId,
    counts: Counts,
}

/// What raises if its id is new.
#[derive(Debug)]
enum Counts {
    /// A visit of a country.
    Visit(Country),
    /// An event, in a field.
    Event(Box<str>),
    /// Nothing: it is the other lane's.
    Nothing,
}

/// The state that decides what frames mean.
#[derive(Debug)]
pub struct Apply {
    window: Window,
    tally: Tally,
    waiting: Vec<Waiting>,
}

impl Apply {
    /// An empty state; `key` seeds the fingerprints of ids and must be the same for every replay.
    pub fn new(config: &ApplyConfig, key: &[u8; 16]) -> Self {
        Self {
            window: Window::new(config, key),
            tally: Tally::default(),
            waiting: Vec::with_capacity(TOGETHER),
        }
    }

    /// Counts folded visits.
    pub fn visits(&mut self, site: SiteId, counts: impl Iterator<Item = (Country, u64)>) {
        self.tally.visits(site, counts);
    }

    /// One visit, counted unless its id was.
    pub fn visit(&mut self, visit: KeyedVisit<'_>) -> Step {
        self.settle();
        let claim = self.claim(visit);
        if let Some(first) = self.window.take(&claim) {
            Step::Duplicate(first)
        } else {
            self.tally.visits(visit.site, std::iter::once((visit.country, 1)));
            Step::Counted
        }
    }

    /// The same for a visit that nobody waits for.
    pub fn replay(&mut self, visit: KeyedVisit<'_>) {
        self.wait(visit.site, self.claim(visit), Counts::Visit(visit.country));
    }

    /// A visit of the other lane: its id is known from now on, and who counted it is not this lane's matter.
    pub fn witness(&mut self, visit: KeyedVisit<'_>) {
        self.wait(visit.site, self.claim(visit), Counts::Nothing);
    }

    /// Keeps the total that the visit with an id was answered with, for its twins.
    pub fn remember(&mut self, visit: KeyedVisit<'_>, total: u64) {
        self.window.remember(visit.key(), total);
    }

    /// One event, counted unless its id was.
    pub fn event(&mut self, event: NamedEvent<'_>) -> EventStep {
        self.settle();
        let claim = self.claim_event(event);
        match claim.and_then(|claim| self.window.take(&claim)) {
            None => {
                self.tally.event(event.site, event.field);
                EventStep::Counted
            }
            Some(First { total, .. }) if event.request != 0 && total == Some(event.request) => EventStep::Repeated,
            Some(_) => EventStep::Duplicate,
        }
    }

    /// The same for an event that nobody waits for.
    pub fn replay_event(&mut self, event: NamedEvent<'_>) {
        match self.claim_event(event) {
            Some(claim) => self.wait(event.site, claim, Counts::Event(event.field.into())),
            // Whatever was before it makes no difference.
            None => self.tally.event(event.site, event.field),
        }
    }

    /// An event of the other lane, as [`Apply::witness`].
    pub fn witness_event(&mut self, event: NamedEvent<'_>) {
        if let Some(claim) = self.claim_event(event) {
            self.wait(event.site, claim, Counts::Nothing);
        }
    }

    /// An event that somebody else counts; whether it counts there.
    pub fn judge_event(&mut self, event: NamedEvent<'_>) -> bool {
        self.settle();
        let claim = self.claim_event(event);
        claim.and_then(|claim| self.window.take(&claim)).is_none()
    }

    /// The changes to the counters since the last call.
    pub fn drain(&mut self) -> Deltas {
        self.settle();
        self.tally.drain()
    }

    fn wait(&mut self, site: SiteId, claim: Claim, counts: Counts) {
        self.waiting.push(Waiting { claim, site, counts });
        if self.waiting.len() >= TOGETHER {
            self.settle();
        }
    }

    /// Decides what waits, in its order.
    fn settle(&mut self) {
        self.window.approach(self.waiting.iter().map(|waiting| &waiting.claim));
        for Waiting { claim, site, counts } in self.waiting.drain(..) {
            if self.window.take(&claim).is_some() {
                continue;
            }
            match counts {
                Counts::Visit(country) => self.tally.visits(site, std::iter::once((country, 1))),
                Counts::Event(field) => self.tally.event(site, &field),
                Counts::Nothing => {}
            }
        }
    }

    fn claim(&self, visit: KeyedVisit<'_>) -> Claim {
        let first = First {
            country: visit.country,
            total: None,
        };
        self.window.claim(visit.key(), visit.time_ms, first)
    }

    /// The claim of an event on its id; one without an id of the client's has none, and is always new.
    fn claim_event(&self, event: NamedEvent<'_>) -> Option<Claim> {
        let id = Id {
            site: event.site,
            family: Family::Events,
            bytes: event.id?,
        };
        let first = First {
            country: Country::UNKNOWN,
            total: Some(event.request),
        };
        Some(self.window.claim(id, event.time_ms, first))
    }
}

impl<'a> KeyedVisit<'a> {
    const fn key(&self) -> Id<'a> {
        Id {
            site: self.site,
            family: Family::Visits,
            bytes: self.id,
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

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

    const IDS: [&[u8]; 20] = [
        b"a", b"b", b"c", b"d", b"e", b"f", b"g", b"h", b"i", b"j", b"k", b"l", b"m", b"n", b"o", b"p", b"q", b"r",
        b"s", b"t",
    ];

    proptest! {
        #[test]
        fn a_replay_decides_as_it_was_decided_live(
            frames in prop::collection::vec((0..22_usize, 0..5_000_u64, any::<bool>(), any::<bool>()), 0..200),
            window_ids_max in 1..20_usize,
        ) {
            let config = ApplyConfig { window_ms: 1_000, window_ids_max, ..ApplyConfig::default() };
            let [mut live, mut late] = [(); 2].map(|()| Apply::new(&config, &[0; 16]));
            let mut last = 0;
            for (id, later_ms, own, is_event) in frames {
                last += later_ms / 20;
                let id = IDS.get(id).copied();
                let event = NamedEvent { time_ms: last, ..named(id, 0) };
                match (id.filter(|_| !is_event), own) {
                    (Some(id), true) => {
                        live.visit(keyed(id, last));
                        late.replay(keyed(id, last));
                    }
                    (Some(id), false) => {
                        live.witness(keyed(id, last));
                        late.witness(keyed(id, last));
                    }
                    (None, true) => {
                        live.event(event);
                        late.replay_event(event);
                    }
                    (None, false) => {
                        live.witness_event(event);
                        late.witness_event(event);
                    }
                }
            }
            prop_assert_eq!(late.visit(keyed(b"a", last)), live.visit(keyed(b"a", last)));
            let event = NamedEvent { time_ms: last, ..named(Some(b"a"), 0) };
            prop_assert_eq!(late.event(event), live.event(event));
            prop_assert_eq!(late.drain(), live.drain());
        }
    }

    fn named(id: Option<&'static [u8]>, request: u64) -> NamedEvent<'static> {
        NamedEvent {
            site: SiteId::DEFAULT,
            time_ms: 5,
            field: "signup",
            id,
            request,
        }
    }

    #[test]
    fn an_event_is_counted_by_its_name_once_an_id() {
        let mut apply = apply();
        assert_eq!(apply.event(named(Some(b"a"), 0)), EventStep::Counted);
        assert_eq!(apply.event(named(Some(b"a"), 0)), EventStep::Duplicate);
        assert_eq!(apply.event(named(None, 0)), EventStep::Counted);
        assert_eq!(apply.event(named(None, 0)), EventStep::Counted);
        assert_eq!(apply.drain().get(&EVENTS, "signup"), 3);
        assert!(apply.drain().is_empty());
    }

    #[test]
    fn names_with_a_meaning_of_their_own_are_counted_elsewhere() {
        assert_eq!(field_of("signup"), "signup");
        let reserved = [VISIT_FIELD, OTHER_FIELD, VISIT_NAME_FIELD].map(field_of);
        assert_eq!(reserved, [VISIT_NAME_FIELD, OTHER_FIELD, OTHER_FIELD]);
    }

    #[test]
    fn a_twin_of_the_same_request_is_told_apart_from_one_of_another() {
        let mut apply = apply();
        assert_eq!(apply.event(named(Some(b"a"), 7)), EventStep::Counted);
        assert_eq!(apply.event(named(Some(b"a"), 7)), EventStep::Repeated);
        assert_eq!(apply.event(named(Some(b"a"), 8)), EventStep::Duplicate);
        assert_eq!(apply.event(named(Some(b"a"), 0)), EventStep::Duplicate);
        assert_eq!(apply.drain().get(&EVENTS, "signup"), 1);
    }

    #[test]
    fn ids_of_visits_and_events_are_apart_and_the_other_lane_is_heard() {
        let mut apply = apply();
        apply.visit(keyed(b"a", 5));
        assert_eq!(apply.event(named(Some(b"a"), 0)), EventStep::Counted);
        apply.witness_event(named(Some(b"b"), 0));
        assert_eq!(apply.event(named(Some(b"b"), 0)), EventStep::Duplicate);
        let deltas = apply.drain();
        assert_eq!(
            (deltas.get(&EVENTS, "signup"), deltas.get(&EVENTS, VISIT_FIELD)),
            (1, 1)
        );
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
