//! Batches of events, and what clients were told of each event.

use std::collections::BTreeSet;
use std::io;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::answer::Answer;
use super::client::{Client, Request};

/// Events of a batch that should be counted.
const EVENTS: usize = 6;
/// An id is sent again within this time: so long every gateway remembers it.
const REMEMBERED: Duration = Duration::from_secs(5);

/// What makes batches different.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Events without ids, which cannot be sent again.
    Plain,
    /// Each event has an id.
    Named,
    /// The request has an `Idempotency-Key`, half of the events have ids.
    Keyed,
    /// Ids come twice, in the batch and from the one before.
    Repeating,
}

/// What is known of a batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Told {
    /// `202`: each of its events must be counted once.
    Kept,
    /// Answered with this other status: none of them must be counted.
    Refused(u16),
    /// No answer came, or the one that nobody can tell: any of them may be counted.
    Unknown,
}

/// A batch that a client sends.
#[derive(Debug, Clone)]
pub struct Batch {
    kind: Kind,
    /// Its ids and its key begin with this.
    stem: String,
    /// An id that was kept before.
    known: Option<String>,
    /// Further bytes of each event.
    padding: usize,
    /// How often it was sent.
    pub tries: u64,
    /// What is known of it.
    pub told: Told,
    /// What in its answer cannot be true.
    pub wrong: Option<String>,
}

impl Batch {
    /// How many of its events are to be counted.
    pub const EVENTS: u64 = EVENTS as u64;

    /// The batch of a turn; no two may have the same stem. `before` is the one before it on its connection, with the time
    /// when it was answered.
    pub fn new(turn: usize, stem: String, before: Option<&(Self, Instant)>) -> Self {
        let kinds = [Kind::Plain, Kind::Named, Kind::Keyed, Kind::Repeating];
        let kept = before.filter(|(batch, since)| batch.told == Told::Kept && since.elapsed() < REMEMBERED);
        Self {
            kind: kinds[turn % kinds.len()],
            stem,
            known: kept.and_then(|(batch, _)| batch.first_id()),
            padding: 0,
            tries: 0,
            told: Told::Unknown,
            wrong: None,
        }
    }

    /// Gives each event so many bytes more.
    pub fn padded(self, padding: usize) -> Self {
        Self { padding, ..self }
    }

    /// Whether it may be sent again as long as it is unknown what became of it.
    pub fn can_be_repeated(&self) -> bool {
        self.kind != Kind::Plain
    }

    /// The field that counts its events.
    pub const fn counter(&self) -> &'static str {
        match self.kind {
            Kind::Plain => "event:plain",
            Kind::Named => "event:named",
            Kind::Keyed => "event:keyed",
            Kind::Repeating => "event:repeating",
        }
    }

    /// What its ids begin with.
    pub fn stem(&self) -> &str {
        &self.stem
    }

    fn first_id(&self) -> Option<String> {
        (self.kind != Kind::Plain).then(|| self.mark(0))
    }

    /// What tells each of its events from all others: its id, or what its properties say.
    pub fn marks(&self) -> impl Iterator<Item = String> {
        (0..EVENTS).map(|place| self.mark(place))
    }

    fn mark(&self, place: usize) -> String {
        format!("{}-{place}", self.stem)
    }

    /// The events, those that are sent for the second time last.
    fn items(&self) -> Vec<Value> {
        let name = self.counter().trim_start_matches("event:");
        let mut items: Vec<_> = (0..EVENTS)
            .map(|place| match self.kind {
                Kind::Plain => json!({"name": name, "properties": {"mark": self.mark(place)}}),
                Kind::Keyed if place % 2 == 1 => {
                    json!({"name": name, "url": "/a?b=c", "properties": {"mark": self.mark(place)}})
                }
                _ => json!({"name": name, "id": self.mark(place)}),
            })
            .collect();
        if self.kind == Kind::Repeating {
            let again = self.first_id().into_iter().chain(self.known.clone());
            items.extend(again.map(|id| json!({"name": name, "id": id})));
        }
        if self.padding > 0 {
            for item in &mut items {
                item["properties"]["padding"] = "x".repeat(self.padding).into();
            }
        }
        items
    }

    /// Sends it once, learns what can be learned, and says how that was answered.
    pub fn send(&mut self, client: &mut Client) -> Told {
        let items = self.items();
        let mut request = Request::new("POST", "/api/v1/events").header("Content-Type", "application/json");
        if self.kind == Kind::Keyed {
            request = request.header("Idempotency-Key", &self.stem);
        }
        let answer = client.try_send(&request.body(json!({ "events": items }).to_string()));
        self.tries += 1;
        let told = self.judge(answer, items.len());
        // A refusal says nothing of what an earlier try has become.
        if told == Told::Kept || self.tries == 1 {
            self.told = told;
        }
        told
    }

    fn judge(&mut self, answer: io::Result<Answer>, items: usize) -> Told {
        let Ok(answer) = answer else { return Told::Unknown };
        match answer.status {
            202 => {}
            // "A sync failed: this may or may not be kept."
            500 => return Told::Unknown,
            503 => return Told::Refused(503),
            status => panic!("{status} {}", answer.text()),
        }
        let body = answer.json();
        let index = |error: &Value| usize::try_from(error["index"].as_u64().unwrap()).unwrap();
        let duplicates: BTreeSet<usize> = body["errors"].as_array().unwrap().iter().map(index).collect();
        let twins: BTreeSet<usize> = (EVENTS..items).collect();
        // Of what comes again after a lost answer, any part may have been kept; with a key that makes no difference.
        let right = duplicates == twins || self.tries > 1 && self.kind != Kind::Keyed && duplicates.is_superset(&twins);
        if !right || body["rejected"] != 0 {
            self.wrong = Some(format!("{:?} batch, try {}: {body}", self.kind, self.tries));
        }
        Told::Kept
    }
}
