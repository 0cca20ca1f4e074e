//! The ids seen lately: bounded in time and number, made again from the log at start.

use std::collections::VecDeque;
use std::hash::Hash;
use std::hint::black_box;

use hashbrown::HashTable;
use siphasher::sip128::{Hasher128, SipHasher13};

use crate::config::ApplyConfig;
use crate::event::{Country, Family, SiteId};

/// What is remembered of the visit that an id counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct First {
    /// Where it came from.
    pub country: Country,
    /// The total it was answered with, if this process answered it. Of an event: the mark of its request.
    pub total: Option<u64>,
}

/// An id with what it is an id of: the same bytes name different things on other sites, and as a visit and an event.
#[derive(Debug, Clone, Copy)]
pub struct Id<'a> {
    /// Whose id.
    pub site: SiteId,
    /// Of what.
    pub family: Family,
    /// The client's bytes.
    pub bytes: &'a [u8],
}

/// An id to be taken.
#[derive(Debug, Clone, Copy)]
pub struct Claim {
    fingerprint: u128,
    time_ms: u64,
    first: First,
}

/// Ids by a 128-bit keyed fingerprint (SipHash-1-3), the oldest first to go.
///
/// What is remembered lies in the order in which it came; the table holds places in that order, each with a part of its
/// fingerprint. So a new id touches the table and the two ends of the order, and nothing in between, not even when the
/// table grows or tidies itself.
#[derive(Debug)]
pub struct Window {
    span_ms: u64,
    ids_max: usize,
    key: [u8; 16],
    places: HashTable<Place>,
    order: VecDeque<Seen>,
    /// The place of the first in `order`; places count on through the numbers and begin anew.
    first: u32,
}

/// Where an id stands in the order.
#[derive(Debug)]
struct Place {
    number: u32,
    /// The first 32 bits of its fingerprint.
    print: u32,
}

#[derive(Debug)]
struct Seen {
    fingerprint: u128,
    time_ms: u64,
    first: First,
}

impl Window {
    /// An empty window.
    pub fn new(config: &ApplyConfig, key: &[u8; 16]) -> Self {
        Self {
            span_ms: config.window_ms,
            ids_max: config.window_ids_max,
            key: *key,
            places: HashTable::new(),
            order: VecDeque::new(),
            first: 0,
        }
    }

    /// The claim of a visit or an event on its id.
    pub fn claim(&self, id: Id<'_>, time_ms: u64, first: First) -> Claim {
        Claim {
            fingerprint: self.fingerprint(id),
            time_ms,
            first,
        }
    }

    /// Brings what the next claims will touch near: in a table that is larger than the processor's caches each look
    /// waits for memory, and looks that do not depend on each other wait together.
    pub fn approach<'a>(&self, claims: impl ExactSizeIterator<Item = &'a Claim>) {
        let oldest = self.order.iter().take(claims.len()).map(|seen| seen.fingerprint);
        for fingerprint in claims.map(|claim| claim.fingerprint).chain(oldest) {
            let print = print(fingerprint);
            black_box(self.places.find(hash(print), |place| place.print == print).is_some());
        }
    }

    /// Takes an id: `None` if it is new, else what is remembered of the first that had it.
    pub fn take(&mut self, claim: &Claim) -> Option<First> {
        let &Claim {
            fingerprint,
            time_ms,
            first,
        } = claim;
        self.forget_before(time_ms.saturating_sub(self.span_ms));
        if let Some(seen) = self.find(fingerprint) {
            return Some(seen.first);
        }
        self.make_room();
        let place = Place {
            number: self
                .first
                .wrapping_add(u32::try_from(self.order.len()).unwrap_or(u32::MAX)),
            print: print(fingerprint),
        };
        self.places
            .insert_unique(hash(place.print), place, |place| hash(place.print));
        self.order.push_back(Seen {
            fingerprint,
            time_ms,
            first,
        });
        None
    }

    /// Keeps a total with an id that the window holds.
    pub fn remember(&mut self, id: Id<'_>, total: u64) {
        let fingerprint = self.fingerprint(id);
        if let Some(seen) = self.find(fingerprint) {
            seen.first.total = Some(total);
        }
    }

    fn find(&mut self, fingerprint: u128) -> Option<&mut Seen> {
        let (order, first, print) = (&self.order, self.first, print(fingerprint));
        let is_it = |place: &Place| {
            let seen = || order.get(place.number.wrapping_sub(first) as usize);
            place.print == print && seen().is_some_and(|seen| seen.fingerprint == fingerprint)
        };
        let number = self.places.find(hash(print), is_it)?.number;
        self.order.get_mut(number.wrapping_sub(first) as usize)
    }

    fn forget_before(&mut self, time_ms: u64) {
        while self.order.front().is_some_and(|seen| seen.time_ms < time_ms) {
            self.forget_oldest();
        }
    }

    fn make_room(&mut self) {
        while self.order.len() >= self.ids_max.max(1) {
            self.forget_oldest();
        }
    }

    fn forget_oldest(&mut self) {
        let Some(seen) = self.order.pop_front() else { return };
        let oldest = self.first;
        if let Ok(entry) = self
            .places
            .find_entry(hash(print(seen.fingerprint)), |place| place.number == oldest)
        {
            entry.remove();
        }
        self.first = oldest.wrapping_add(1);
    }

    fn fingerprint(&self, id: Id<'_>) -> u128 {
        let mut hasher = SipHasher13::new_with_key(&self.key);
        id.site.0.hash(&mut hasher);
        id.family.hash(&mut hasher);
        id.bytes.hash(&mut hasher);
        hasher.finish128().as_u128()
    }
}

const fn print(fingerprint: u128) -> u32 {
    (fingerprint >> 96) as u32
}

/// A fingerprint is keyed, so a part of it is as good a hash as any; the table looks at both ends of 64 bits.
const fn hash(print: u32) -> u64 {
    (print as u64) << 32 | print as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    const FIRST: First = First {
        country: Country::UNKNOWN,
        total: None,
    };

    const fn id(bytes: &[u8]) -> Id<'_> {
        Id {
            site: SiteId::DEFAULT,
            family: Family::Visits,
            bytes,
        }
    }

    fn window(window_ms: u64, window_ids_max: usize) -> Window {
        Window::new(
            &ApplyConfig {
                window_ms,
                window_ids_max,
                ..ApplyConfig::default()
            },
            &[3; 16],
        )
    }

    fn claim(window: &mut Window, bytes: &[u8], time_ms: u64) -> Option<First> {
        let claim = window.claim(id(bytes), time_ms, FIRST);
        window.take(&claim)
    }

    #[test]
    fn an_id_is_forgotten_after_the_span_and_not_before() {
        let mut window = window(1_000, 10);
        assert_eq!(claim(&mut window, b"a", 5_000), None);
        assert_eq!(claim(&mut window, b"a", 6_000), Some(FIRST));
        assert_eq!(claim(&mut window, b"a", 6_001), None);
    }

    #[test]
    fn the_oldest_ids_go_when_there_are_too_many() {
        let mut window = window(1_000_000, 3);
        for id in [b"a", b"b", b"c", b"d"] {
            claim(&mut window, id, 1);
        }
        assert!(claim(&mut window, b"d", 1).is_some());
        assert_eq!(window.order.len(), window.places.len());
        assert!(window.order.len() <= 3);
        assert_eq!(claim(&mut window, b"a", 1), None);
    }

    #[test]
    fn a_full_window_still_knows_what_it_holds() {
        let mut window = window(1_000_000, 1);
        claim(&mut window, b"a", 1);
        assert!(claim(&mut window, b"a", 2).is_some());
    }
}
