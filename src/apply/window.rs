//! The ids seen lately: bounded in time and number, made again from the log at start.

use std::collections::{HashMap, VecDeque};
use std::hash::Hash;

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
#[derive(Debug)]
pub struct Window {
    span_ms: u64,
    ids_max: usize,
    key: [u8; 16],
    known: HashMap<u128, First>,
    order: VecDeque<(u64, u128)>,
}

impl Window {
    /// An empty window.
    pub fn new(config: &ApplyConfig, key: &[u8; 16]) -> Self {
        Self {
            span_ms: config.window_ms,
            ids_max: config.window_ids_max,
            key: *key,
            known: HashMap::new(),
            order: VecDeque::new(),
        }
    }

    /// Takes the id of a visit: `None` if it is new, else what is remembered of the first visit that had it.
    pub fn claim(&mut self, (site, id): (SiteId, &[u8]), time_ms: u64, country: Country) -> Option<First> {
        self.forget_before(time_ms.saturating_sub(self.span_ms));
        let fingerprint = self.fingerprint(site, id);
        if let Some(first) = self.known.get(&fingerprint) {
            return Some(*first);
        }
        self.make_room();
        self.known.insert(fingerprint, First { country, total: None });
        self.order.push_back((time_ms, fingerprint));
        None
    }

    /// Keeps a total with an id that the window holds.
    pub fn remember(&mut self, site: SiteId, id: &[u8], total: u64) {
        let fingerprint = self.fingerprint(site, id);
        if let Some(first) = self.known.get_mut(&fingerprint) {
            first.total = Some(total);
        }
    }

    fn forget_before(&mut self, time_ms: u64) {
        while self.order.front().is_some_and(|&(seen_ms, _)| seen_ms < time_ms) {
            self.forget_oldest();
        }
    }

    fn make_room(&mut self) {
        while self.order.len() >= self.ids_max.max(1) {
            self.forget_oldest();
        }
    }

    fn forget_oldest(&mut self) {
        if let Some((_, fingerprint)) = self.order.pop_front() {
            self.known.remove(&fingerprint);
        }
    }

    fn fingerprint(&self, site: SiteId, id: &[u8]) -> u128 {
        let mut hasher = SipHasher13::new_with_key(&self.key);
        site.0.hash(&mut hasher);
        id.hash(&mut hasher);
        hasher.finish128().as_u128()
    }
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
        assert_eq!(window.order.len(), window.known.len());
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
