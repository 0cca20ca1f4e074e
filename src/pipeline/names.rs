//! The names of events that have a counter of their own.
//!
//! Whoever can send events can send ever new names, and every name is a counter for good. So a site has room for some,
//! and events with later ones count as `__other__`. Which way an event counts is decided before it is journaled and
//! stands in its frame, so that a replay comes to the same numbers.
//!
//! A name has its place for good when an event of it is in the log, not before: what is refused takes no place. Anybody
//! can send without a key, so half of the room is kept for those who have one.

use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use crate::apply::{OTHER_FIELD, VISIT_FIELD, field_of};
use crate::event::SiteId;

/// For how many events a name has its place that are not in the log yet; 0: it has it for good.
type Waiting = usize;
type Known = HashMap<SiteId, HashMap<Box<str>, Waiting>>;

/// Who names an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Namer {
    /// Someone whom the site has given a key.
    Known,
    /// Anyone at all.
    Anyone,
}

/// Names by site.
#[derive(Debug)]
pub struct Names {
    names_max: usize,
    known: RwLock<Known>,
}

/// A name's place as long as it is not known whether an event of it gets into the log.
#[derive(Debug)]
pub struct Claim {
    names: Arc<Names>,
    site: SiteId,
    field: Box<str>,
}

impl Names {
    pub(super) fn new(names_max: usize) -> Self {
        Self {
            names_max,
            known: RwLock::default(),
        }
    }

    /// Takes over names that have counters already, by the fields that count them.
    pub(super) fn know<'a>(&self, site: SiteId, fields: impl Iterator<Item = &'a Box<str>>) {
        let names = fields.filter(|field| ![VISIT_FIELD, OTHER_FIELD].contains(&&***field));
        let names = names.map(|field| (field.clone(), 0));
        self.write().entry(site).or_default().extend(names);
    }

    /// Takes over what another lane knows.
    pub(super) fn know_all(&self, other: &Self) {
        let others: Vec<_> = (other.read().iter())
            .map(|(site, names)| (*site, names.keys().cloned().collect::<Vec<_>>()))
            .collect();
        for (site, names) in others {
            self.know(site, names.iter());
        }
    }

    /// Whether events of this name count among all others, since the site has no room for it; and if it gets its place
    /// by this event, the claim on that, which ends when it is dropped.
    pub fn is_other(self: &Arc<Self>, site: SiteId, (name, namer): (&str, Namer)) -> (bool, Option<Claim>) {
        let field = field_of(name);
        let names_max = match namer {
            Namer::Known => self.names_max,
            Namer::Anyone => self.names_max.div_ceil(2),
        };
        if field == OTHER_FIELD {
            return (true, None);
        }
        // Nearly every event has a name that is known: workers do not wait for each other then.
        if let Some(names) = self.read().get(&site) {
            match names.get(field) {
                Some(0) => return (false, None),
                None if names.len() >= names_max => return (true, None),
                _ => {}
            }
        }
        let mut known = self.write();
        let names = known.entry(site).or_default();
        let has_room = names.len() < names_max;
        match names.get_mut(field) {
            Some(0) => return (false, None),
            Some(waiting) => *waiting += 1,
            // Another worker may have taken the last place meanwhile.
            None if !has_room => return (true, None),
            None => drop(names.insert(field.into(), 1)),
        }
        let claim = Claim {
            names: self.clone(),
            site,
            field: field.into(),
        };
        (false, Some(claim))
    }

    fn read(&self) -> RwLockReadGuard<'_, Known> {
        self.known.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, Known> {
        self.known.write().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Claim {
    /// An event of the name is, or may be, in the log.
    pub fn settle(self) {
        let mut known = self.names.write();
        let names = known.get_mut(&self.site);
        if let Some(waiting) = names.and_then(|names| names.get_mut(&self.field)) {
            *waiting = 0;
        }
        // Dropping the claim looks at the names again.
        drop(known);
    }
}

impl Drop for Claim {
    fn drop(&mut self) {
        let mut known = self.names.write();
        let Some(names) = known.get_mut(&self.site) else { return };
        match names.get_mut(&self.field) {
            // For good, by this claim or another one.
            Some(0) | None => {}
            Some(1) => drop(names.remove(&self.field)),
            Some(waiting) => *waiting -= 1,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SITE: SiteId = SiteId::DEFAULT;

    fn names(names_max: usize) -> Arc<Names> {
        Arc::new(Names::new(names_max))
    }

    /// Whether an event of a name that gets into the log counts among all others.
    fn is_other(names: &Arc<Names>, site: SiteId, name: &str) -> bool {
        let (is_other, claim) = names.is_other(site, (name, Namer::Known));
        claim.into_iter().for_each(Claim::settle);
        is_other
    }

    #[test]
    fn a_full_site_takes_no_new_names_and_knows_the_old_ones() {
        let names = names(2);
        names.know(
            SITE,
            [Box::from("view"), Box::from("visit"), Box::from("__other__")].iter(),
        );
        assert!(!is_other(&names, SITE, "signup"));
        assert!(is_other(&names, SITE, "third"));
        assert!(!is_other(&names, SITE, "view") && !is_other(&names, SITE, "signup"));
        assert!(!is_other(&names, SiteId([1; 16]), "third"));
        let lane = self::names(2);
        lane.know_all(&names);
        assert!(is_other(&lane, SITE, "third") && !is_other(&lane, SITE, "signup"));
    }

    #[test]
    fn a_name_whose_events_are_all_refused_leaves_its_place_to_another() {
        let names = names(1);
        let (first, second) = (
            names.is_other(SITE, ("a", Namer::Known)),
            names.is_other(SITE, ("a", Namer::Known)),
        );
        assert!(!first.0 && !second.0 && is_other(&names, SITE, "b"));
        drop(first);
        assert!(is_other(&names, SITE, "b"), "another event may still be kept");
        drop(second);
        assert!(!is_other(&names, SITE, "b") && is_other(&names, SITE, "a"));
        let (first, second) = (
            names.is_other(SITE, ("b", Namer::Known)),
            names.is_other(SITE, ("b", Namer::Known)),
        );
        drop((first, second));
        assert!(!is_other(&names, SITE, "b"), "it has its place for good");
    }

    #[test]
    fn a_claim_that_is_settled_keeps_the_place_whatever_becomes_of_others() {
        let names = names(1);
        let (first, second) = (
            names.is_other(SITE, ("a", Namer::Known)).1,
            names.is_other(SITE, ("a", Namer::Known)).1,
        );
        first.unwrap().settle();
        drop(second);
        assert!(!is_other(&names, SITE, "a") && is_other(&names, SITE, "b"));
    }

    #[test]
    fn whoever_has_no_key_leaves_half_of_the_room_to_those_who_have_one() {
        let names = names(4);
        let mut refused = 0;
        for name in ["a", "b", "c", "d", "e", "f"] {
            let (is_other, claim) = names.is_other(SITE, (name, Namer::Anyone));
            claim.into_iter().for_each(Claim::settle);
            refused += usize::from(is_other);
        }
        assert_eq!(refused, 4);
        assert!(!is_other(&names, SITE, "signup") && !is_other(&names, SITE, "order"));
        assert!(is_other(&names, SITE, "third"));
        let of_anyone = |name| names.is_other(SITE, (name, Namer::Anyone)).0;
        assert!(!of_anyone("order") && !of_anyone("a"), "what is known is known to all");
    }

    #[test]
    fn names_with_a_meaning_of_their_own_take_no_place_of_others() {
        let names = names(1);
        assert!(is_other(&names, SITE, "__other__") && is_other(&names, SITE, "__visit__"));
        assert!(!is_other(&names, SITE, "visit"), "it is a name like any other");
        assert!(is_other(&names, SITE, "a"));
    }
}
