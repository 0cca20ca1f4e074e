//! Who waits for what apply decides about a single frame.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::sync::oneshot;

use crate::event::{Country, Sequence};

/// What apply decided about a visit with an idempotency key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Answer {
    /// The country of the visit, or of its twin that was counted.
    pub country: Country,
    /// The country's total after it.
    pub total: u64,
}

/// Waiting requests by the sequence of their frame.
#[derive(Debug, Default)]
pub struct Answers {
    waiting: Mutex<BTreeMap<Sequence, oneshot::Sender<Answer>>>,
}

impl Answers {
    /// Registers requests for frames from `first` on; to be called before any consumer can see the frames.
    pub fn expect(&self, first: Sequence, waiters: impl Iterator<Item = oneshot::Sender<Answer>>) {
        let mut waiting = self.lock();
        let mut sequence = first;
        for waiter in waiters {
            waiting.insert(sequence, waiter);
            sequence = sequence.next();
        }
    }

    /// Answers whoever waits for a frame.
    pub fn give(&self, sequence: Sequence, answer: Answer) {
        if let Some(waiter) = self.lock().remove(&sequence) {
            // A client that hung up needs no answer.
            let _ = waiter.send(answer);
        }
    }

    /// Drops those who wait for frames in `first..=last`, which never came into the log.
    pub fn forget(&self, first: Sequence, last: Sequence) {
        self.lock().retain(|sequence, _| *sequence < first || *sequence > last);
    }

    /// Whether anyone waits.
    pub fn is_awaited(&self) -> bool {
        !self.lock().is_empty()
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<Sequence, oneshot::Sender<Answer>>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
