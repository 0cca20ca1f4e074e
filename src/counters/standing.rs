//! How a data directory stands with Redis: the name it commits under, what of its counts is there under another name,
//! and which sequences mean something else to Redis than to its journal.
//!
//! Two misfortunes make this necessary. A directory is *restored* from an older copy: then Redis holds sequences that
//! this journal never gave, or gives again to other frames. A directory is *cloned* and the clone started: then the
//! original is fenced, and goes on under a new name.

use crate::event::{Deltas, Sequence};

/// How a data directory stands with Redis.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Standing {
    /// The name it commits under: the directory's identity, until a clone took that over.
    pub guard: [u8; 16],
    /// The first sequence of the earliest start that has not heard from Redis since; Redis cannot hold any from there
    /// on, unless the directory was restored. `None` while the last start has.
    pub unmet: Option<Sequence>,
    /// Former timelines, oldest first.
    pub forks: Vec<Fork>,
    /// What of the totals Redis holds under former names.
    pub base: Deltas,
}

/// A timeline that a restored directory has left.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fork {
    /// The first sequence that this journal gave to a frame of its own.
    pub first: Sequence,
    /// The last sequence of the timeline it left.
    pub last: Sequence,
}

impl Standing {
    /// That of a directory at its birth.
    pub fn born(identity: [u8; 16]) -> Self {
        Self {
            guard: identity,
            unmet: None,
            forks: Vec::new(),
            base: Deltas::default(),
        }
    }

    /// Up to which frame of this journal a Redis has everything that says it holds `held`: `held` itself, or, if that
    /// is a sequence of a timeline which was left, the last frame before the parting.
    pub fn place(&self, held: Sequence) -> Sequence {
        let left = self.forks.iter().find(|fork| fork.first <= held && held <= fork.last);
        left.map_or(held, |fork| Sequence(fork.first.0.saturating_sub(1)))
    }

    /// Whether a Redis that holds `held` tells of a timeline nobody knew of: there is none of ours beyond `unmet`.
    pub fn is_foreign(&self, held: Sequence) -> bool {
        self.place(held) == held && self.unmet.is_some_and(|unmet| held >= unmet)
    }

    /// Notes that Redis has been met, holding `held`; says whether a timeline was left.
    pub fn meet(&mut self, held: Sequence) -> bool {
        let foreign = self.is_foreign(held);
        if let Some(first) = self.unmet.filter(|_| foreign) {
            // It covers what an earlier one with the same beginning covered.
            self.forks.retain(|fork| fork.first != first);
            self.forks.push(Fork { first, last: held });
        }
        self.unmet = None;
        foreign
    }

    /// Goes on under a new name, under which Redis has nothing yet; `held` is what it has under the former ones.
    pub fn rename(&mut self, guard: [u8; 16], held: Deltas) {
        self.guard = guard;
        self.base = held;
        self.forks.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn standing(unmet: u64) -> Standing {
        Standing {
            unmet: Some(Sequence(unmet)),
            ..Standing::born([1; 16])
        }
    }

    #[test]
    fn a_redis_that_holds_no_more_than_was_ever_sent_is_taken_at_its_word() {
        let mut standing = standing(11);
        assert!(!standing.meet(Sequence(10)));
        assert_eq!((standing.place(Sequence(10)), standing.unmet), (Sequence(10), None));
        assert!(!standing.meet(Sequence(40)), "those were sent since");
        assert_eq!(standing.place(Sequence(40)), Sequence(40));
    }

    #[test]
    fn sequences_of_a_timeline_that_was_left_mean_the_parting() {
        let mut standing = standing(11);
        assert!(standing.meet(Sequence(25)));
        for (held, place) in [(9, 9), (10, 10), (11, 10), (25, 10), (26, 26)] {
            assert_eq!(standing.place(Sequence(held)), Sequence(place), "{held}");
        }
        standing.unmet = Some(Sequence(31));
        assert!(!standing.meet(Sequence(25)), "known");
        assert_eq!(standing.forks.len(), 1);
    }

    #[test]
    fn a_new_name_begins_without_a_past() {
        let mut standing = standing(11);
        standing.meet(Sequence(25));
        standing.rename([2; 16], Deltas::default());
        assert_eq!(standing.place(Sequence(20)), Sequence(20));
    }
}
