//! What is journaled singly and waits for the same write: visits with an idempotency key, and batches of events.

use tokio::sync::oneshot;

use super::Shared;
use super::answers::{Answer, Answers, SessionWord, Word};
use super::batch::EventBatch;
use crate::event::{Country, Sequence, SiteId};
use crate::journal::{Draft, payload};
use crate::outcome::{Kept, Reason};

/// Who waits: first for the write, then for apply.
type Waiter<T> = oneshot::Sender<Result<(Sequence, T), Reason>>;

/// A visit with an idempotency key, on its way into the log.
pub struct Keyed {
    /// Where from.
    pub country: Country,
    /// The client's key.
    pub id: Box<[u8]>,
    /// Who waits.
    pub waiter: Waiter<oneshot::Receiver<Answer>>,
}

/// The events of a request, on their way into the log.
pub struct Submission {
    /// The events, at least one.
    pub batch: EventBatch,
    /// Who waits.
    pub waiter: Waiter<Heard>,
}

/// What those who sent events wait for next.
#[derive(Default)]
pub struct Heard {
    /// The words on events, where one has an id.
    pub words: Option<oneshot::Receiver<Vec<Word>>>,
    /// The session of the first one, where that is asked.
    pub session: Option<oneshot::Receiver<SessionWord>>,
}

/// Everything that waits for the next write.
#[derive(Default)]
pub struct Singles {
    visits: Vec<Keyed>,
    submissions: Vec<Submission>,
    bytes: usize,
}

/// What those who wait will wait for next.
#[derive(Default)]
pub struct Expected {
    answers: Vec<oneshot::Receiver<Answer>>,
    heard: Vec<Heard>,
}

impl Singles {
    /// Room for about as many as waited last time.
    pub fn with_capacity(submissions: usize) -> Self {
        Self {
            submissions: Vec::with_capacity(submissions),
            ..Self::default()
        }
    }

    /// Adds a visit.
    pub fn add_visit(&mut self, visit: Keyed) {
        self.visits.push(visit);
    }

    /// Adds the events of a request.
    pub fn add_events(&mut self, submission: Submission) {
        self.bytes += submission.batch.bytes();
        self.submissions.push(submission);
    }

    /// Number of requests.
    pub const fn len(&self) -> usize {
        self.visits.len() + self.submissions.len()
    }

    /// Size of the events.
    pub const fn bytes(&self) -> usize {
        self.bytes
    }

    /// Makes no event later than now, when they are written.
    pub fn cap_times(&mut self, now_ms: u64) {
        for Submission { batch, .. } in &mut self.submissions {
            batch.cap_times(now_ms);
        }
    }

    /// The payloads of the visits.
    pub fn visit_payloads(&self, now_ms: u64) -> Vec<Vec<u8>> {
        let payload = |Keyed { country, id, .. }: &Keyed| {
            let mut bytes = Vec::new();
            let visit = payload::Visit {
                site: SiteId::DEFAULT,
                time_ms: now_ms,
                country: *country,
                id,
            };
            payload::put_visit(&mut bytes, visit);
            bytes
        };
        self.visits.iter().map(payload).collect()
    }

    /// The frames of the events, which follow those of the visits.
    pub fn event_drafts(&self) -> impl Iterator<Item = Draft<'_>> {
        self.submissions.iter().flat_map(|submission| submission.batch.drafts())
    }

    /// Registers all who wait for a word of apply; their frames begin with `first`.
    pub fn expect(&self, first: Sequence, answers: &Answers) -> Expected {
        let mut expected = Expected {
            answers: Vec::with_capacity(self.visits.len()),
            heard: Vec::with_capacity(self.submissions.len()),
        };
        let mut next = first;
        for _ in &self.visits {
            let (waiter, answer) = oneshot::channel();
            answers.expect(next, waiter);
            expected.answers.push(answer);
            next = next.next();
        }
        for Submission { batch, .. } in &self.submissions {
            let words = (batch.with_id() > 0).then(|| {
                let (waiter, words) = oneshot::channel();
                answers.expect_words(next, batch.len(), waiter);
                words
            });
            let session = batch.asks_session().then(|| {
                let (waiter, session) = oneshot::channel();
                answers.expect_session(next, waiter);
                session
            });
            expected.heard.push(Heard { words, session });
            next = Sequence(next.0 + batch.len() as u64);
        }
        expected
    }

    /// Tells all that their frames are in the log, from `first` on; whether any of them waits for apply.
    pub fn hand_on(self, expected: Expected, first: Sequence, shared: &Shared) -> bool {
        let mut next = first;
        let mut awaited = !self.visits.is_empty();
        for (Keyed { waiter, .. }, answer) in self.visits.into_iter().zip(expected.answers) {
            // A client that hung up needs no answer.
            let _ = waiter.send(Ok((next, answer)));
            next = next.next();
        }
        for (Submission { mut batch, waiter }, heard) in self.submissions.into_iter().zip(expected.heard) {
            batch.settle_names();
            awaited |= heard.words.is_some() || heard.session.is_some();
            // Those with an id are noted when apply has decided about them.
            let certain = batch.events().saturating_sub(batch.with_id());
            shared.metrics.events.kept.inc_by(certain as u64);
            let last = Sequence(next.0 + batch.len() as u64 - 1);
            let _ = waiter.send(Ok((last, heard)));
            next = last.next();
        }
        awaited
    }

    /// Tells all that their frames are not in the log, or not known to be.
    pub fn refuse(self, reason: Reason, shared: &Shared) {
        let visits = self.visits.len() as u64;
        shared.metrics.visits.count_refused(reason, visits);
        for Keyed { waiter, .. } in self.visits {
            let _ = waiter.send(Err(reason));
        }
        for Submission { mut batch, waiter } in self.submissions {
            if reason.row().kept == Kept::Unknown {
                batch.settle_names();
            }
            shared.metrics.events.count_refused(reason, batch.events() as u64);
            let _ = waiter.send(Err(reason));
        }
    }
}
