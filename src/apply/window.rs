//! The ids seen lately: bounded in time and number, made again from the log at start.

use std::collections::VecDeque;
use std::hash::Hash;

use hashbrown::HashTable;
use siphasher::sip128::{Hasher128, SipHasher13};

use crate::config::ApplyConfig;
use crate::event::{Country, SiteId};

/// What is remembered of the visit that an id counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct First {
    /// Where it came from.
    pub country: Country,
    /// The total it was answered with, if this process answered it.
    pub total: Option<u64>,
}

/// Ids by a 128-bit keyed fingerprint (SipHash-1-3), the oldest first to go.
///
/// What is remembered lies in the order in which it came; the table holds places in that order. So a new id touches
/// the table, which is small enough for a processor's cache, and the two ends of the order, and nothing in between.
#[derive(Debug)]
pub struct Window {
    span_ms: u64,
    ids_max: usize,
    key: [u8; 16],
    places: HashTable<u32>,
    order: VecDeque<Seen>,
    /// The place of the first in `order`; places count on through the numbers and begin anew.
    first: u32,
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

    /// Takes the id of a visit: `None` if it is new, else what is remembered of the first visit that had it.
    pub fn claim(&mut self, (site, id): (SiteId, &[u8]), time_ms: u64, country: Country) -> Option<First> {
        self.forget_before(time_ms.saturating_sub(self.span_ms));
        let fingerprint = self.fingerprint(site, id);
        if let Some(seen) = self.find(fingerprint) {
            return Some(seen.first);
        }
        self.make_room();
        let (order, first) = (&mut self.order, self.first);
        let place = first.wrapping_add(u32::try_from(order.len()).unwrap_or(u32::MAX));
        let hash_of = |place: &u32| {
            let seen = order.get(place.wrapping_sub(first) as usize);
            seen.map_or(0, |seen| hash(seen.fingerprint))
        };
        self.places.insert_unique(hash(fingerprint), place, hash_of);
        order.push_back(Seen {
            fingerprint,
            time_ms,
            first: First { country, total: None },
        });
        None
    }

    /// Keeps a total with an id that the window holds.
    pub fn remember(&mut self, site: SiteId, id: &[u8], total: u64) {
        let fingerprint = self.fingerprint(site, id);
        if let Some(seen) = self.find(fingerprint) {
            seen.first.total = Some(total);
        }
    }

    fn find(&mut self, fingerprint: u128) -> Option<&mut Seen> {
        let (order, first) = (&self.order, self.first);
        let is_it = |place: &u32| {
            let seen = order.get(place.wrapping_sub(first) as usize);
            seen.is_some_and(|seen| seen.fingerprint == fingerprint)
        };
        let place = *self.places.find(hash(fingerprint), is_it)?;
        self.order.get_mut(place.wrapping_sub(first) as usize)
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
        if let Ok(entry) = self.places.find_entry(hash(seen.fingerprint), |place| *place == oldest) {
            entry.remove();
        }
        self.first = oldest.wrapping_add(1);
    }

    fn fingerprint(&self, site: SiteId, id: &[u8]) -> u128 {
        let mut hasher = SipHasher13::new_with_key(&self.key);
        site.0.hash(&mut hasher);
        id.hash(&mut hasher);
        hasher.finish128().as_u128()
    }
}

/// A fingerprint is keyed, so a part of it is as good a hash as any.
const fn hash(fingerprint: u128) -> u64 {
    (fingerprint >> 64) as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    const ANY: Country = Country::UNKNOWN;

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

    #[test]
    fn an_id_is_forgotten_after_the_span_and_not_before() {
        let mut window = window(1_000, 10);
        assert_eq!(window.claim((SiteId::DEFAULT, b"a"), 5_000, ANY), None);
        assert_eq!(
            window.claim((SiteId::DEFAULT, b"a"), 6_000, ANY),
            Some(First {
                country: ANY,
                total: None
            })
        );
        assert_eq!(window.claim((SiteId::DEFAULT, b"a"), 6_001, ANY), None);
    }

    #[test]
    fn the_oldest_ids_go_when_there_are_too_many() {
        let mut window = window(1_000_000, 3);
        for id in [b"a", b"b", b"c", b"d"] {
            window.claim((SiteId::DEFAULT, id), 1, ANY);
        }
        assert!(window.claim((SiteId::DEFAULT, b"d"), 1, ANY).is_some());
        assert_eq!(window.order.len(), window.places.len());
        assert!(window.order.len() <= 3);
        assert_eq!(window.claim((SiteId::DEFAULT, b"a"), 1, ANY), None);
    }

    #[test]
    fn a_full_window_still_knows_what_it_holds() {
        let mut window = window(1_000_000, 1);
        window.claim((SiteId::DEFAULT, b"a"), 1, ANY);
        assert!(window.claim((SiteId::DEFAULT, b"a"), 2, ANY).is_some());
    }
}
