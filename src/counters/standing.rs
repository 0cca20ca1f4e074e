//! How a data directory stands with Redis: the name it commits under, what of its counts is there under another name,
//! and which sequences mean something else to Redis than to its journal.
//!
//! Two misfortunes make this necessary. A directory is *restored* from an older copy: then Redis holds sequences that
//! this journal never gave, or gives again to other frames. A directory is *cloned* and the clone started: then the
//! original is fenced, and goes on under a new name.

use crate::event::{Deltas, Sequence};

/// Starts that a directory remembers; a clone whose copy is older than these is a stranger to its original.
const INHERITED_MAX: usize = 16;

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
    /// The nonce under which the process that writes the journal claims its name; `None` if it knows no Redis.
    pub writer: Option<[u8; 16]>,
    /// What the journal has of earlier processes, oldest first.
    pub inherited: Vec<Inherited>,
}

/// A part of a journal that an earlier process wrote, here or in the directory that this is a copy of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Inherited {
    /// Its nonce.
    pub writer: [u8; 16],
    /// The last frame that is its own, or from before it.
    pub last: Sequence,
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
            writer: None,
            inherited: Vec::new(),
        }
    }

    /// A process begins to write, after the frame `head`.
    pub fn begin(&mut self, writer: Option<[u8; 16]>, head: Sequence) {
        // From here on Redis can hold nothing of ours until it is met.
        self.unmet.get_or_insert(head.next());
        if let Some(before) = std::mem::replace(&mut self.writer, writer) {
            self.inherited.push(Inherited {
                writer: before,
                last: head,
            });
        }
        let surplus = self.inherited.len().saturating_sub(INHERITED_MAX);
        self.inherited.drain(..surplus);
    }

    /// Up to which frame a journal that inherited so much is the same as this one.
    pub fn in_common(&self, inherited: &[Inherited]) -> Sequence {
        let own = self.writer.map(|writer| Inherited {
            writer,
            last: Sequence(u64::MAX),
        });
        let own = self.inherited.iter().copied().chain(own);
        let common = own.filter_map(|ours| {
            let theirs = inherited.iter().find(|theirs| theirs.writer == ours.writer)?;
            Some(theirs.last.min(ours.last))
        });
        common.max().unwrap_or_default()
    }

    /// Redis was last counted in under this name by a process whose journal had inherited so much: what both have, that
    /// one may have brought there, also when we have never met it.
    pub fn share(&mut self, before: &[Inherited]) {
        let ours_alone = self.in_common(before).0.saturating_add(1);
        self.unmet = self.unmet.map(|unmet| unmet.max(Sequence(ours_alone)));
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

    /// Goes on under a new name, under which Redis has nothing yet; `elsewhere` is what counts under former ones.
    pub fn rename(&mut self, guard: [u8; 16], writer: [u8; 16], elsewhere: Deltas) {
        self.guard = guard;
        self.writer = Some(writer);
        self.base = elsewhere;
        self.forks.clear();
        self.inherited.clear();
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
        standing.rename([2; 16], [3; 16], Deltas::default());
        assert_eq!(standing.place(Sequence(20)), Sequence(20));
    }

    #[test]
    fn a_copy_has_in_common_what_was_written_before_it_was_made() {
        let mut original = Standing::born([1; 16]);
        original.begin(Some([7; 16]), Sequence(0));
        let mut copy = original.clone();
        copy.begin(Some([8; 16]), Sequence(20));
        assert_eq!(original.in_common(&copy.inherited), Sequence(20));
        // The copy goes on without Redis, is started again; the original as well.
        copy.begin(None, Sequence(30));
        copy.begin(Some([9; 16]), Sequence(40));
        assert_eq!(original.in_common(&copy.inherited), Sequence(20));
        original.begin(Some([10; 16]), Sequence(25));
        assert_eq!(original.in_common(&copy.inherited), Sequence(20));
        assert_eq!(Standing::born([2; 16]).in_common(&copy.inherited), Sequence::ZERO);
    }

    #[test]
    fn what_the_original_has_brought_to_redis_of_a_copy_that_never_met_it_is_not_brought_again() {
        let mut original = Standing::born([1; 16]);
        original.begin(Some([7; 16]), Sequence(0));
        let mut copy = original.clone();
        copy.begin(Some([8; 16]), Sequence(20));
        let holder = [Inherited {
            writer: [7; 16],
            last: Sequence(u64::MAX),
        }];
        copy.share(&holder);
        for (held, is_foreign) in [(12, false), (20, false), (21, true)] {
            assert_eq!(copy.is_foreign(Sequence(held)), is_foreign, "{held}");
        }
        assert!(copy.meet(Sequence(30)));
        assert_eq!(copy.place(Sequence(30)), Sequence(20));
        copy.share(&holder);
        assert_eq!(copy.unmet, None, "who has met Redis is not made a stranger");
    }

    #[test]
    fn only_the_last_starts_are_remembered() {
        let mut standing = Standing::born([1; 16]);
        for start in 0..40 {
            standing.begin(Some([start; 16]), Sequence(u64::from(start)));
        }
        assert_eq!(standing.inherited.len(), INHERITED_MAX);
        assert_eq!(standing.inherited.last().map(|last| last.last), Some(Sequence(39)));
    }
}
