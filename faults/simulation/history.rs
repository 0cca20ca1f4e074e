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

/// A visit that a client wants counted once, or an event with the name of a country.
#[derive(Debug, Clone)]
#[expect(clippy::struct_excessive_bools, reason = "each is true or not by itself")]
pub struct Request {
    pub node: usize,
    pub country: Country,
    pub key: Option<Vec<u8>>,
    pub is_event: bool,
    pub attempts: Vec<Attempt>,
    /// What was kept of it is gone, and nobody can have it: see the world's restores and clones.
    pub forfeited: bool,
    /// Its attempts may all count: the last was on its way when the key need no longer be remembered, or the frame that
    /// has the key is damaged.
    pub torn_apart: bool,
    /// The client must not send it again: whoever remembered its key is gone.
    pub given_up: bool,
}

#[derive(Debug, Clone, Copy)]
pub struct Attempt {
    /// The step in which it was sent.
    pub sent: u64,
    pub outcome: Option<Outcome>,
    /// The step in which it was answered.
    pub answered: u64,
    /// Whether it lasts through a power cut: at once in `disk` mode, after the next sync in `os`.
    pub safe: bool,
    sent_ms: u64,
    /// The lowest time of day since it was sent.
    low_ms: u64,
    /// How far the time of day has run on since, from any moment to a later one: so long its key has been remembered,
    /// by the only clock that a gateway has.
    run_ms: u64,
}

/// A user whose events are to be erased.
#[derive(Debug, Clone)]
pub struct Wipe {
    pub node: usize,
    pub user: usize,
    pub attempt: Attempt,
}

#[derive(Debug, Default)]
pub struct History {
    pub requests: Vec<Request>,
    pub wipes: Vec<Wipe>,
    pub step: u64,
    now_ms: u64,
}

/// Users of a world.
pub const USERS: usize = 4;
/// Months that the events of a world are of.
const MONTHS: u64 = 4;
const MONTH_MS: u64 = 30 * 86_400_000;
/// Tickets of erasures begin here.
const WIPES: usize = 1 << 32;

/// The `(request, attempt)` that an answer belongs to.
pub type Ticket = (usize, usize);

impl History {
    /// A first attempt of a new request, with a country of its own or one of the shared ones.
    pub fn begin(&mut self, node: usize, shared: Option<usize>) -> usize {
        let number = self.requests.len();
        let index = match shared {
            None if number < COUNTRIES - SHARED => number,
            _ => COUNTRIES - 1 - shared.unwrap_or(number) % SHARED,
        };
        self.requests.push(Request {
            node,
            country: Country::from_index(index).unwrap(),
            key: None,
            is_event: false,
            attempts: Vec::new(),
            forfeited: false,
            torn_apart: false,
            given_up: false,
        });
        number
    }

    pub fn attempt(&mut self, request: usize) -> Ticket {
        let begun = self.begun();
        let attempts = &mut self.requests[request].attempts;
        attempts.push(begun);
        (request, attempts.len() - 1)
    }

    /// Asks for an erasure.
    pub fn wipe(&mut self, node: usize, user: usize) -> Ticket {
        let attempt = self.begun();
        self.wipes.push(Wipe { node, user, attempt });
        (WIPES + self.wipes.len() - 1, 0)
    }

    const fn begun(&self) -> Attempt {
        Attempt {
            sent: self.step,
            outcome: None,
            answered: 0,
            safe: false,
            sent_ms: self.now_ms,
            low_ms: self.now_ms,
            run_ms: 0,
        }
    }

    /// The erasures that were asked of a node for a user.
    pub fn wipes_of(&self, node: usize, user: usize) -> impl Iterator<Item = &Wipe> + Clone {
        self.wipes
            .iter()
            .filter(move |wipe| (wipe.node, wipe.user) == (node, user))
    }

    /// Whether the one who waits is known by a key.
    pub fn is_keyed(&self, (request, _): Ticket) -> bool {
        self.requests.get(request).is_some_and(|request| request.key.is_some())
    }

    /// Whoever waits at a node.
    pub fn waiting(&self, node: usize) -> Vec<Ticket> {
        let requests = self
            .requests
            .iter()
            .enumerate()
            .filter(|(_, request)| request.node == node);
        let attempts = requests.flat_map(|(number, request)| {
            let attempts = request.attempts.iter().enumerate();
            attempts.map(move |(attempt, seen)| ((number, attempt), seen))
        });
        let wipes = self.wipes.iter().enumerate().filter(|(_, wipe)| wipe.node == node);
        let wipes = wipes.map(|(number, wipe)| ((WIPES + number, 0), &wipe.attempt));
        let waiting = attempts.chain(wipes).filter(|(_, seen)| seen.outcome.is_none());
        waiting.map(|(ticket, _)| ticket).collect()
    }

    pub fn settle(&mut self, (request, attempt): Ticket, outcome: Outcome, (answered, safe): (u64, bool)) {
        let attempt = match request.checked_sub(WIPES) {
            Some(wipe) => &mut self.wipes[wipe].attempt,
            None => &mut self.requests[request].attempts[attempt],
        };
        (attempt.outcome, attempt.answered, attempt.safe) = (Some(outcome), answered, safe);
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

    /// Time has passed, or jumped; keys are remembered for `window_ms`.
    pub fn time_is(&mut self, now_ms: u64, window_ms: u64) {
        self.now_ms = now_ms;
        for request in &mut self.requests {
            for attempt in &mut request.attempts {
                attempt.run_ms = attempt.run_ms.max(now_ms.saturating_sub(attempt.low_ms));
                attempt.low_ms = attempt.low_ms.min(now_ms);
            }
            let under_way = request.attempts.iter().any(|attempt| attempt.outcome.is_none());
            request.torn_apart |= under_way && request.is_outlived(window_ms);
        }
    }

    /// How often each country must have been counted, at least and at most.
    pub fn bounds(&self) -> BTreeMap<String, (u64, u64)> {
        let mut bounds = BTreeMap::<String, (u64, u64)>::new();
        for request in &self.requests {
            let (least, most) = request.bounds();
            let bound = bounds.entry(request.country.to_string()).or_default();
            bound.0 += least;
            bound.1 += most;
        }
        bounds
    }

    fn attempts_of(&mut self, node: usize) -> impl Iterator<Item = &mut Attempt> {
        let requests = self.requests.iter_mut().filter(move |request| request.node == node);
        let attempts = requests.flat_map(|request| request.attempts.iter_mut());
        let wipes = self.wipes.iter_mut().filter(move |wipe| wipe.node == node);
        attempts.chain(wipes.map(|wipe| &mut wipe.attempt))
    }
}

fn is_shared(country: Country) -> bool {
    country.index() >= COUNTRIES - SHARED
}

impl Request {
    /// How often it must have been counted, at least and at most.
    pub fn bounds(&self) -> (u64, u64) {
        let had = |outcome| self.attempts.iter().any(|attempt| attempt.outcome == Some(outcome));
        let least = u64::from(had(Outcome::Ok) && !self.forfeited);
        let kept = self.attempts.iter();
        let kept = kept.filter(|attempt| attempt.outcome != Some(Outcome::Fail)).count();
        let most = if self.torn_apart { kept } else { kept.min(1) };
        (least, most as u64)
    }

    /// Whose event it is.
    pub fn user(&self) -> usize {
        self.country.index() % USERS
    }

    /// By how much its time is before the time when it is sent.
    pub fn age_ms(&self) -> u64 {
        self.country.index() as u64 / 4 % MONTHS * MONTH_MS
    }

    /// When it happened, as each attempt says.
    pub fn times_ms(&self) -> impl Iterator<Item = u64> {
        self.attempts.iter().map(|attempt| attempt.sent_ms - self.age_ms())
    }

    /// Whether an attempt that may count was made so long ago that its key need not be remembered.
    pub fn is_outlived(&self, window_ms: u64) -> bool {
        let may_count = |attempt: &&Attempt| !matches!(attempt.outcome, None | Some(Outcome::Fail));
        let mut counting = self.attempts.iter().filter(may_count);
        counting.any(|attempt| attempt.run_ms >= window_ms)
    }

    /// Whether its client does not know whether it counts, and may send it again.
    pub fn is_open(&self) -> bool {
        let ended = |attempt: &Attempt| attempt.outcome.is_some_and(|outcome| outcome != Outcome::Ok);
        self.key.is_some() && !self.given_up && self.attempts.iter().all(ended)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const WINDOW_MS: u64 = 1_000;

    /// Whether a visit that was sent at the first of some times need not be remembered at the last.
    fn is_outlived(times: &[u64]) -> bool {
        let mut history = History::default();
        history.time_is(times[0], WINDOW_MS);
        let request = history.begin(0, None);
        let ticket = history.attempt(request);
        history.settle(ticket, Outcome::Unknown, (1, true));
        for time in &times[1..] {
            history.time_is(*time, WINDOW_MS);
        }
        history.requests[request].is_outlived(WINDOW_MS)
    }

    #[test]
    fn a_key_is_outlived_when_the_clock_has_run_on_by_the_window_and_not_before() {
        for (times, expected) in [
            (&[5_000][..], false),
            (&[5_000, 5_999], false),
            (&[5_000, 6_000], true),
            (&[5_000, 1_000, 1_999], false),
            (&[5_000, 1_000, 2_000], true),
            (&[5_000, 5_500, 1_000, 1_500, 100, 1_099], false),
            (&[5_000, 6_000, 1_000], true),
        ] {
            assert_eq!(is_outlived(times), expected, "{times:?}");
        }
    }

    #[test]
    fn a_repeat_may_count_as_well_if_it_was_under_way_when_its_key_was_outlived() {
        for (before, under_way, most) in [(999, 0, 1), (999, 1, 2), (0, 1_000, 2)] {
            let mut history = History::default();
            let request = history.begin(0, None);
            let first = history.attempt(request);
            history.settle(first, Outcome::Unknown, (1, true));
            history.time_is(before, WINDOW_MS);
            let second = history.attempt(request);
            history.time_is(before + under_way, WINDOW_MS);
            history.settle(second, Outcome::Ok, (2, true));
            history.time_is(before + under_way + WINDOW_MS, WINDOW_MS);
            let country = history.requests[request].country.to_string();
            assert_eq!(history.bounds()[&country], (1, most), "{before}, {under_way}");
        }
    }
}
