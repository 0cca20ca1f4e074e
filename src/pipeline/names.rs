//! The names of events that have a counter of their own.
//!
//! Whoever can send events can send ever new names, and every name is a counter for good. So a site has room for some,
//! and events with later ones count as `__other__`. Which way an event counts is decided before it is journaled and
//! stands in its frame, so that a replay comes to the same numbers.

use std::collections::{HashMap, HashSet};
use std::sync::{PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use crate::event::SiteId;

type Known = HashMap<SiteId, HashSet<Box<str>>>;

/// Names by site.
#[derive(Debug)]
pub struct Names {
    names_max: usize,
    known: RwLock<Known>,
}

impl Names {
    pub(super) fn new(names_max: usize) -> Self {
        Self {
            names_max,
            known: RwLock::default(),
        }
    }

    /// Takes over names that have counters already.
    pub(super) fn know<'a>(&self, site: SiteId, names: impl Iterator<Item = &'a Box<str>>) {
        self.write().entry(site).or_default().extend(names.cloned());
    }

    /// Takes over what another lane knows.
    pub(super) fn know_all(&self, other: &Self) {
        let others: Vec<_> = other
            .read()
            .iter()
            .map(|(site, names)| (*site, names.clone()))
            .collect();
        for (site, names) in others {
            self.know(site, names.iter());
        }
    }

    /// Whether events of this name count among all others, since the site has no room for it.
    pub fn is_other(&self, site: SiteId, name: &str) -> bool {
        // Nearly every event has a name that is known: workers do not wait for each other then.
        if let Some(names) = self.read().get(&site) {
            let is_known = names.contains(name);
            if is_known || names.len() >= self.names_max {
                return !is_known;
            }
        }
        let mut known = self.write();
        let names = known.entry(site).or_default();
        // Another worker may have taken the last place meanwhile.
        let has_room = names.len() < self.names_max;
        if has_room {
            names.insert(name.into());
        }
        !has_room && !names.contains(name)
    }

    fn read(&self) -> RwLockReadGuard<'_, Known> {
        self.known.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, Known> {
        self.known.write().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_site_takes_no_new_names_and_knows_the_old_ones() {
        let names = Names::new(2);
        names.know(SiteId::DEFAULT, [Box::from("view")].iter());
        assert!(!names.is_other(SiteId::DEFAULT, "signup"));
        assert!(names.is_other(SiteId::DEFAULT, "third"));
        assert!(!names.is_other(SiteId::DEFAULT, "view") && !names.is_other(SiteId::DEFAULT, "signup"));
        assert!(!names.is_other(SiteId([1; 16]), "third"));
        let lane = Names::new(2);
        lane.know_all(&names);
        assert!(lane.is_other(SiteId::DEFAULT, "third") && !lane.is_other(SiteId::DEFAULT, "signup"));
    }
}
