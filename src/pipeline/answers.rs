//! Who waits for what apply decides about single frames.

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

/// What apply decided about an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Word {
    /// It counts.
    Counted,
    /// It counted when the same request came for the first time.
    Repeated,
    /// One with the same id counted before.
    Duplicate,
}

/// Which session a frame belongs to.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct SessionWord {
    /// Its number; `None` if there is none.
    pub number: Option<u64>,
    /// Whether it began with this frame.
    pub began: bool,
}

/// Waiting requests by the sequence of their first frame.
#[derive(Debug, Default)]
pub struct Answers {
    waiting: Mutex<BTreeMap<Sequence, Waiter>>,
    /// Those who wait to hear of the session of a frame.
    sessions: Mutex<BTreeMap<Sequence, oneshot::Sender<SessionWord>>>,
}

#[derive(Debug)]
enum Waiter {
    /// For one visit.
    Visit(oneshot::Sender<Answer>),
    /// For so many events, whose frames follow each other.
    Events(usize, Vec<Word>, oneshot::Sender<Vec<Word>>),
}

impl Answers {
    /// Registers a request for the frame of a visit; to be called before any consumer can see it.
    pub fn expect(&self, sequence: Sequence, waiter: oneshot::Sender<Answer>) {
        self.lock().insert(sequence, Waiter::Visit(waiter));
    }

    /// Registers a request for so many frames of events from `first` on, at least one; as [`Answers::expect`].
    pub fn expect_words(&self, first: Sequence, events: usize, waiter: oneshot::Sender<Vec<Word>>) {
        let words = Vec::with_capacity(events);
        self.lock().insert(first, Waiter::Events(events, words, waiter));
    }

    /// Answers whoever waits for the frame of a visit.
    pub fn give(&self, sequence: Sequence, answer: Answer) {
        if let Some(Waiter::Visit(waiter)) = self.lock().remove(&sequence) {
            // A client that hung up needs no answer.
            let _ = waiter.send(answer);
        }
    }

    /// Tells whoever waits for the frame of an event, once all frames of its request are decided; they are in order.
    pub fn tell(&self, sequence: Sequence, word: Word) {
        let mut waiting = self.lock();
        let Some((&first, Waiter::Events(events, words, _))) = waiting.range_mut(..=sequence).next_back() else {
            return;
        };
        // A frame of a request that nobody waits for may stand behind those of one that somebody does.
        if sequence.0 - first.0 != words.len() as u64 {
            return;
        }
        words.push(word);
        if words.len() == *events
            && let Some(Waiter::Events(_, words, waiter)) = waiting.remove(&first)
        {
            let _ = waiter.send(words);
        }
    }

    /// Registers a request that waits to hear which session a frame belongs to; as [`Answers::expect`].
    pub fn expect_session(&self, sequence: Sequence, waiter: oneshot::Sender<SessionWord>) {
        self.sessions().insert(sequence, waiter);
    }

    /// Tells whoever waits to hear of a frame's session.
    pub fn tell_session(&self, sequence: Sequence, word: SessionWord) {
        if let Some(waiter) = self.sessions().remove(&sequence) {
            // A client that hung up needs no answer.
            let _ = waiter.send(word);
        }
    }

    /// Drops those whose first frame is in `first..=last`: what they wait for will not come.
    pub fn forget(&self, first: Sequence, last: Sequence) {
        let is_other = |sequence: &Sequence| *sequence < first || *sequence > last;
        self.lock().retain(|sequence, _| is_other(sequence));
        self.sessions().retain(|sequence, _| is_other(sequence));
    }

    /// Whether anyone waits.
    pub fn is_awaited(&self) -> bool {
        !self.lock().is_empty() || !self.sessions().is_empty()
    }

    fn sessions(&self) -> MutexGuard<'_, BTreeMap<Sequence, oneshot::Sender<SessionWord>>> {
        self.sessions.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<Sequence, Waiter>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_hears_the_words_on_its_events_and_on_no_others() {
        let answers = Answers::default();
        let (first, mut first_words) = oneshot::channel();
        let (second, mut second_words) = oneshot::channel();
        answers.expect_words(Sequence(5), 2, first);
        answers.expect_words(Sequence(8), 1, second);
        answers.tell(Sequence(4), Word::Duplicate);
        answers.tell(Sequence(5), Word::Counted);
        assert!(first_words.try_recv().is_err());
        answers.tell(Sequence(6), Word::Duplicate);
        // Nobody waits for this one.
        answers.tell(Sequence(7), Word::Repeated);
        answers.tell(Sequence(8), Word::Repeated);
        answers.tell(Sequence(9), Word::Counted);
        assert_eq!(first_words.try_recv().unwrap(), [Word::Counted, Word::Duplicate]);
        assert_eq!(second_words.try_recv().unwrap(), [Word::Repeated]);
        assert!(!answers.is_awaited());
    }

    #[test]
    fn a_request_with_a_frame_that_was_lost_is_never_told_wrong_words() {
        let answers = Answers::default();
        let (waiter, mut words) = oneshot::channel();
        answers.expect_words(Sequence(5), 2, waiter);
        answers.tell(Sequence(6), Word::Counted);
        answers.tell(Sequence(7), Word::Counted);
        answers.forget(Sequence::ZERO, Sequence(7));
        assert!(words.try_recv().is_err() && !answers.is_awaited());
    }
}
