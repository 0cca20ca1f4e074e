//! What the applier has decided, for who reads the same frames after it.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::event::Sequence;

/// Most duplicates remembered; if there are more that the store has yet to pass, it decides for itself again.
const DUPLICATES_MAX: usize = 1 << 20;

/// Which events of the latest frames are duplicates. The store needs no window of ids of its own for those.
#[derive(Debug, Default)]
pub struct Decided {
    inner: Mutex<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    /// Frames after this one and up to the other are known.
    after: Sequence,
    upto: Sequence,
    /// The duplicates among them, rising.
    duplicates: VecDeque<Sequence>,
}

impl Decided {
    /// The applier begins after a frame.
    pub fn begin(&self, after: Sequence) {
        *self.lock() = Inner {
            after,
            upto: after,
            duplicates: VecDeque::new(),
        };
    }

    /// An event is a duplicate.
    pub fn note(&self, duplicate: Sequence) {
        let mut inner = self.lock();
        if inner.duplicates.len() >= DUPLICATES_MAX {
            inner.duplicates.clear();
            inner.after = duplicate;
        } else {
            inner.duplicates.push_back(duplicate);
        }
    }

    /// Everything up to here is decided.
    pub fn advance(&self, upto: Sequence) {
        let mut inner = self.lock();
        inner.upto = inner.upto.max(upto);
    }

    /// The stretch that is known: after the one, up to the other.
    pub fn stretch(&self) -> (Sequence, Sequence) {
        let inner = self.lock();
        (inner.after, inner.upto)
    }

    /// The duplicates among the frames after one; `None` if not all of these are known.
    pub fn duplicates_after(&self, after: Sequence) -> Option<VecDeque<Sequence>> {
        let inner = self.lock();
        (after >= inner.after).then(|| {
            let first = inner.duplicates.partition_point(|duplicate| *duplicate <= after);
            inner.duplicates.range(first..).copied().collect()
        })
    }

    /// Nobody will ask again for what is up to a frame.
    pub fn forget(&self, upto: Sequence) {
        let mut inner = self.lock();
        let passed = inner.duplicates.partition_point(|duplicate| *duplicate <= upto);
        inner.duplicates.drain(..passed);
        if inner.duplicates.is_empty() {
            inner.duplicates.shrink_to(1 << 10);
        }
        inner.after = inner.after.max(upto);
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decided(duplicates: &[u64]) -> Decided {
        let decided = Decided::default();
        decided.begin(Sequence(10));
        for number in duplicates {
            decided.note(Sequence(*number));
        }
        decided.advance(Sequence(20));
        decided
    }

    #[test]
    fn only_what_was_decided_since_the_beginning_and_not_forgotten_is_known() {
        let decided = decided(&[12, 15, 16]);
        let known = |after| {
            decided
                .duplicates_after(Sequence(after))
                .map(|known| known.into_iter().map(|s| s.0).collect::<Vec<_>>())
        };
        assert_eq!(decided.stretch(), (Sequence(10), Sequence(20)));
        assert_eq!(known(9), None);
        assert_eq!(
            (known(10), known(12), known(16)),
            (Some(vec![12, 15, 16]), Some(vec![15, 16]), Some(vec![]))
        );
        decided.forget(Sequence(15));
        assert_eq!((known(14), known(15)), (None, Some(vec![16])));
        decided.advance(Sequence(3));
        assert_eq!(decided.stretch(), (Sequence(15), Sequence(20)));
    }

    #[test]
    fn too_many_are_forgotten_together() {
        let decided = decided(&[]);
        for number in 0..DUPLICATES_MAX as u64 {
            decided.note(Sequence(20 + number));
        }
        assert!(decided.duplicates_after(Sequence(10)).is_some());
        let last = Sequence(20 + DUPLICATES_MAX as u64);
        decided.note(last);
        assert_eq!(decided.duplicates_after(Sequence(10)), None);
        assert_eq!(decided.duplicates_after(last), Some(VecDeque::new()));
    }
}
