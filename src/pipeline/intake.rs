//! A worker's way into the pipeline.

use std::rc::Rc;
use std::sync::Arc;

use tokio::sync::oneshot;
use tokio::time::timeout;

use super::Shared;
use super::answers::{SessionWord, Word};
use super::batch::EventBatch;
use super::gather::Gather;
use super::group::Place;
use super::singles::{Heard, Keyed, Submission};
use crate::clock;
use crate::config::Durability;
use crate::event::{Country, Erasure, Sequence};
use crate::outcome::Reason;

/// What a kept visit is answered with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Receipt {
    /// The country it is counted for.
    pub country: Country,
    /// The country's total after it.
    pub total: u64,
    /// How far it is kept.
    pub kept: Durability,
    /// Whether the total includes what the other gateways have counted up to now.
    pub current: bool,
}

/// What became of the events of a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EventsReceipt {
    /// A word on each event, in their order; `None`: all of them count.
    pub words: Option<Vec<Word>>,
    /// How far they are kept.
    pub kept: Durability,
}

/// What became of an erasure.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Erased {
    /// Its place in the log: an event store whose cursor has come so far has carried it out.
    pub sequence: Sequence,
    /// How far it is kept.
    pub kept: Durability,
}

/// What became of an event, or a sign of life, of which the session was asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SessionReceipt {
    /// Which session it belongs to.
    pub session: SessionWord,
    /// How far it is kept.
    pub kept: Durability,
}

/// Frames that are in the log: the last one's sequence, and what can be heard of them.
type Written = Result<(Sequence, Heard), Reason>;

/// Takes visits and events of one worker; belongs to the worker's thread.
#[derive(Clone)]
pub struct Intake {
    shared: Arc<Shared>,
    gather: Rc<Gather>,
}

impl Intake {
    /// The intake of a worker; must be called on its runtime, where the gathering task is started.
    pub fn new(shared: Arc<Shared>) -> Self {
        let gather = Gather::new(shared.clone());
        tokio::task::spawn_local(gather.clone().run());
        Self { shared, gather }
    }

    /// Keeps a visit; the place resolves to its receipt, or to the reason why it is not kept or not known to be.
    pub fn visit(&self, country: Country) -> Place {
        self.gather.join(country)
    }

    /// Keeps a visit unless one with the same id was kept before; both get the same answer.
    ///
    /// # Errors
    /// The reason why it is not kept, or not known to be.
    pub async fn visit_once(&self, country: Country, id: &[u8]) -> Result<Receipt, Reason> {
        let (waiter, written) = oneshot::channel();
        self.gather.join_keyed(Keyed {
            country,
            id: id.into(),
            waiter,
        });
        let (sequence, answer) = written.await.map_err(|_| Reason::DurabilityUnknown)??;
        let answer = self.wait_for_apply(answer, sequence).await?;
        let kept = self.shared.settle(sequence).await;
        Ok(Receipt {
            country: answer.country,
            total: answer.total,
            kept,
            current: self.shared.totals.is_current(),
        })
    }

    /// Keeps the events of a request, at least one, each unless one with its id was kept before. They are handed over
    /// before this returns.
    ///
    /// # Errors
    /// The reason why they are not kept, or not known to be.
    pub fn events(&self, batch: EventBatch) -> impl Future<Output = Result<EventsReceipt, Reason>> + '_ {
        let frames = batch.len() as u64;
        let written = self.submit(batch);
        async move {
            let (last, heard) = written?.await.map_err(|_| Reason::DurabilityUnknown)??;
            let words = match heard.words {
                None => None,
                Some(words) => {
                    let first = Sequence(last.0 - (frames - 1));
                    Some(Box::pin(self.wait_for_apply(words, first)).await?)
                }
            };
            let kept = self.shared.settle(last).await;
            Ok(EventsReceipt { words, kept })
        }
    }

    /// Keeps one event, or a sign of life, and says which session it belongs to.
    ///
    /// # Errors
    /// The reason why it is not kept, or not known to be; or that nobody can tell its session now.
    pub async fn in_session(&self, mut batch: EventBatch) -> Result<SessionReceipt, Reason> {
        batch.ask_session();
        let written = self.submit(batch)?;
        let (last, heard) = written.await.map_err(|_| Reason::DurabilityUnknown)??;
        let session = match heard.session {
            None => SessionWord::default(),
            Some(session) => self.wait_for_apply(session, last).await?,
        };
        let kept = self.shared.settle(last).await;
        Ok(SessionReceipt { session, kept })
    }

    /// Keeps an erasure: whatever it means that was kept before it goes from the event store, soon and for good. What
    /// was counted stays counted.
    ///
    /// # Errors
    /// The reason why it is not kept, or not known to be.
    pub async fn erase(&self, erasure: &Erasure<'_>) -> Result<Erased, Reason> {
        let now_ms = self.shared.log.clock().unix_ms();
        let written = self.submit(EventBatch::erasure(erasure, now_ms))?;
        let (sequence, _) = written.await.map_err(|_| Reason::DurabilityUnknown)??;
        let kept = self.shared.settle(sequence).await;
        Ok(Erased { sequence, kept })
    }

    /// Hands frames over, and tells when they are in the log.
    fn submit(&self, batch: EventBatch) -> Result<oneshot::Receiver<Written>, Reason> {
        let (waiter, written) = oneshot::channel();
        let events = batch.events() as u64;
        let joined = self.gather.join_events(Submission { batch, waiter });
        joined.inspect_err(|reason| self.shared.metrics.events.count_refused(*reason, events))?;
        Ok(written)
    }

    /// The word of apply on frames from `first` on, which are in the log.
    async fn wait_for_apply<T>(&self, word: oneshot::Receiver<T>, first: Sequence) -> Result<T, Reason> {
        let patience = clock::ms(self.shared.config.apply.answer_ms_max);
        let Ok(Ok(word)) = timeout(patience, word).await else {
            // It is in the log, but nobody can say whether it counts.
            self.shared.answers.forget(first, first);
            return Err(Reason::DurabilityUnknown);
        };
        Ok(word)
    }
}
