//! What the clients saw, written down outside the gateways.

use std::collections::BTreeMap;

use footfall::event::{COUNTRIES, Country};

/// Countries that many visits share; every other visit has a country of its own while there are any, so that its
/// counter tells its fate.
const SHARED: usize = 8;

/// How an attempt ended for its client.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// A `2xx`.
    Ok,
    /// An answer that says that nothing was kept.
    Fail,
    /// `durability_unknown`, or no answer.
    Unknown,
}

/// A visit that a client wants counted once.
#[derive(Debug, Clone)]
pub struct Request {
    pub node: usize,
    pub country: Country,
    pub key: Option<Vec<u8>>,
    pub attempts: Vec<Attempt>,
    /// The time of day of the first attempt.
    pub first_ms: u64,
    /// What was kept of it is gone, and nobody can have it: see the world's restores and clones.
    pub forfeited: bool,
    /// Its attempts may all count: they lie further apart than keys are remembered, since the time of day jumped, or the
    /// frame that has the key is damaged.
    pub torn_apart: bool,
    /// The client must not send it again: whoever remembered its key is gone.
    pub given_up: bool,
}

#[derive(Debug, Clone, Copy)]
pub struct Attempt {
    pub outcome: Option<Outcome>,
    /// The step in which it was answered.
    pub answered: u64,
    /// Whether it lasts through a power cut: at once in `disk` mode, after the next sync in `os`.
    pub safe: bool,
}

#[derive(Debug, Default)]
pub struct History {
    pub requests: Vec<Request>,
}

/// The `(request, attempt)` that an answer belongs to.
pub type Ticket = (usize, usize);

impl History {
    /// A first attempt of a new request, with a country of its own or one of the shared ones.
    pub fn begin(&mut self, node: usize, shared: Option<usize>, now_ms: u64) -> usize {
        let number = self.requests.len();
        let index = match shared {
            None if number < COUNTRIES - SHARED => number,
            _ => COUNTRIES - 1 - shared.unwrap_or(number) % SHARED,
        };
        self.requests.push(Request {
            node,
            country: Country::from_index(index).unwrap(),
            key: None,
            attempts: Vec::new(),
            first_ms: now_ms,
            forfeited: false,
            torn_apart: false,
            given_up: false,
        });
        number
    }

    pub fn attempt(&mut self, request: usize) -> Ticket {
        let attempts = &mut self.requests[request].attempts;
        attempts.push(Attempt {
            outcome: None,
            answered: 0,
            safe: false,
        });
        (request, attempts.len() - 1)
    }

    pub fn settle(&mut self, (request, attempt): Ticket, outcome: Outcome, (answered, safe): (u64, bool)) {
        self.requests[request].attempts[attempt] = Attempt {
            outcome: Some(outcome),
            answered,
            safe,
        };
    }

    /// A sync has made everything last that a node answered before.
    pub fn synced(&mut self, node: usize) {
        for attempt in self.attempts_of(node) {
            attempt.safe = true;
        }
    }

    /// The power went at a node: what it answered without a sync may be gone.
    pub fn power_cut(&mut self, node: usize) {
        for attempt in self.attempts_of(node) {
            if attempt.outcome == Some(Outcome::Ok) && !attempt.safe {
                attempt.outcome = Some(Outcome::Unknown);
            }
        }
    }

    /// What a node kept after a step is gone, unless the counters have it already; its keys are forgotten.
    pub fn forfeit(&mut self, node: usize, after: u64, is_counted: impl Fn(Country) -> bool) {
        for request in self.requests.iter_mut().filter(|request| request.node == node) {
            request.given_up |= request.key.is_some();
            let kept_before = |attempt: &Attempt| attempt.outcome == Some(Outcome::Ok) && attempt.answered <= after;
            if !request.attempts.iter().any(kept_before) && (is_shared(request.country) || !is_counted(request.country))
            {
                request.forfeited = true;
            }
        }
    }

    /// The time of day jumps: attempts that are on their way get there at another time than they were sent.
    pub fn time_jumped(&mut self) {
        for request in &mut self.requests {
            request.torn_apart |= request.attempts.iter().any(|seen| seen.outcome.is_none());
        }
    }

    /// How often each country must have been counted, at least and at most.
    pub fn bounds(&self) -> BTreeMap<String, (u64, u64)> {
        let mut bounds = BTreeMap::<String, (u64, u64)>::new();
        for request in &self.requests {
            let had = |outcome| request.attempts.iter().any(|attempt| attempt.outcome == Some(outcome));
            let least = u64::from(had(Outcome::Ok) && !request.forfeited);
            let kept = request
                .attempts
                .iter()
                .filter(|attempt| attempt.outcome != Some(Outcome::Fail));
            let most = if request.torn_apart {
                kept.count()
            } else {
                kept.count().min(1)
            } as u64;
            let bound = bounds.entry(request.country.to_string()).or_default();
            bound.0 += least;
            bound.1 += most;
        }
        bounds
    }

    fn attempts_of(&mut self, node: usize) -> impl Iterator<Item = &mut Attempt> {
        let requests = self.requests.iter_mut().filter(move |request| request.node == node);
        requests.flat_map(|request| request.attempts.iter_mut())
    }
}

fn is_shared(country: Country) -> bool {
    country.index() >= COUNTRIES - SHARED
}

impl Request {
    /// Whether its client does not know whether it counts, and may send it again.
    pub fn is_open(&self) -> bool {
        let ended = |attempt: &Attempt| attempt.outcome.is_some_and(|outcome| outcome != Outcome::Ok);
        self.key.is_some() && !self.given_up && self.attempts.iter().all(ended)
    }
}
