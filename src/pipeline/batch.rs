//! The events of one request, or an erasure, encoded as frames.

use super::names::Claim;
use crate::event::{Erasure, Event, EventId};
use crate::journal::Draft;
use crate::journal::payload::{self, Manner};

/// Events of one request, in the order in which they go into the log.
#[derive(Debug, Default)]
pub struct EventBatch {
    bytes: Vec<u8>,
    ends: Vec<usize>,
    /// How many have an id of the client's, so that apply has a word on them.
    with_id: usize,
    /// The latest time at which one was received.
    received_ms: u64,
    /// The names that get a counter by these events.
    claims: Vec<Claim>,
    /// The one frame is no event, but of this kind.
    other: Option<u8>,
    /// Whether somebody waits to hear which session the first one belongs to.
    asks_session: bool,
}

impl EventBatch {
    /// Room for payloads of so many bytes.
    pub fn with_capacity(bytes: usize) -> Self {
        Self {
            bytes: Vec::with_capacity(bytes),
            ..Self::default()
        }
    }

    /// An erasure, which goes the way of events and is none.
    pub fn erasure(erasure: &Erasure<'_>, now_ms: u64) -> Self {
        let mut batch = Self {
            other: Some(payload::ERASURE),
            ..Self::default()
        };
        payload::put_erasure(&mut batch.bytes, erasure, now_ms);
        batch.ends.push(batch.bytes.len());
        batch
    }

    /// That a visitor is still there, as an event that did not happen; somebody waits to hear in which session.
    pub fn sign(event: &Event<'_>) -> Self {
        let mut batch = Self {
            other: Some(payload::SIGN),
            asks_session: true,
            received_ms: event.received_ms,
            ..Self::default()
        };
        payload::put_event(&mut batch.bytes, event, Manner::default());
        batch.ends.push(batch.bytes.len());
        batch
    }

    /// Lets somebody wait to hear which session the first event belongs to.
    pub const fn ask_session(&mut self) {
        self.asks_session = true;
    }

    /// Whether somebody waits to hear which session the first one belongs to.
    pub const fn asks_session(&self) -> bool {
        self.asks_session
    }

    /// Adds an event if its payload has at most so many bytes; whether it has.
    pub fn push(&mut self, event: &Event<'_>, manner: Manner, bytes_max: usize) -> bool {
        let start = self.bytes.len();
        payload::put_event(&mut self.bytes, event, manner);
        let fits = self.bytes.len() - start <= bytes_max;
        if fits {
            self.ends.push(self.bytes.len());
            self.with_id += usize::from(matches!(event.id, EventId::Client(_)));
            self.received_ms = self.received_ms.max(event.received_ms);
        } else {
            self.bytes.truncate(start);
        }
        fits
    }

    /// Adds the claim of an event's name.
    pub fn claim(&mut self, claim: Option<Claim>) {
        self.claims.extend(claim);
    }

    /// The events are, or may be, in the log: their names have counters from now on.
    pub fn settle_names(&mut self) {
        self.claims.drain(..).for_each(Claim::settle);
    }

    /// Number of events.
    pub const fn events(&self) -> usize {
        if self.other.is_some() { 0 } else { self.len() }
    }

    /// Number of frames.
    pub const fn len(&self) -> usize {
        self.ends.len()
    }

    /// Whether there is none.
    pub const fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }

    /// How many have an id of the client's.
    pub const fn with_id(&self) -> usize {
        self.with_id
    }

    /// Size of all payloads.
    pub const fn bytes(&self) -> usize {
        self.bytes.len()
    }

    /// Makes nothing of it later than now, when it is written: the clock may have been set back since it was received.
    ///
    /// Apply forgets ids by the times in the frames, so a later one than those of its neighbours would make it forget
    /// what they have just brought.
    pub fn cap_times(&mut self, now_ms: u64) {
        if self.received_ms <= now_ms {
            return;
        }
        let mut late = std::mem::take(self);
        self.claims = std::mem::take(&mut late.claims);
        (self.other, self.asks_session) = (late.other, late.asks_session);
        for draft in late.drafts() {
            let Some((mut event, manner)) = payload::read_event(draft.payload) else {
                continue;
            };
            event.received_ms = event.received_ms.min(now_ms);
            self.push(&event, manner, usize::MAX);
        }
    }

    /// The frames, which have no sequences yet.
    pub fn drafts(&self) -> impl Iterator<Item = Draft<'_>> {
        let mut start = 0;
        let kind = self.other.unwrap_or(payload::EVENT);
        self.ends.iter().map(move |&end| {
            let payload = self.bytes.get(start..end).unwrap_or_default();
            start = end;
            Draft { kind, payload }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::SiteId;

    #[test]
    fn nothing_is_written_with_a_time_that_the_clock_has_not_reached() {
        let manner = Manner {
            request: 7,
            is_other: true,
        };
        let event = |id, received_ms| Event {
            title: "Shoes",
            time_ms: 4_000,
            ..Event::new(SiteId([9; 16]), "view", id, received_ms)
        };
        let events = [event(EventId::Client(b"a"), 5_000), event(EventId::Own([1; 16]), 6_000)];
        for (now_ms, expected) in [(6_000, [5_000, 6_000]), (5_500, [5_000, 5_500]), (100, [100, 100])] {
            let mut batch = EventBatch::default();
            for event in &events {
                assert!(batch.push(event, manner, 1_000));
            }
            batch.cap_times(now_ms);
            let read: Vec<_> = (batch.drafts())
                .map(|draft| payload::read_event(draft.payload).unwrap())
                .collect();
            let capped = [0, 1].map(|place| {
                let received_ms = expected[place];
                let event = Event {
                    received_ms,
                    ..events[place]
                };
                (event, manner)
            });
            assert_eq!(read, capped, "{now_ms}");
            assert_eq!((batch.len(), batch.with_id()), (2, 1));
        }
    }
}
