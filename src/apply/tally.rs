//! What frames add up to until it is handed to the counters.

use std::collections::{BTreeMap, HashMap};

use crate::event::{CounterHash, Country, Deltas, Family, SiteId};
use crate::fold::Fold;

/// The field of [`Family::Events`] that counts visits.
pub const VISIT_FIELD: &str = "visit";
/// The field that counts events whose names a site has too many of.
pub const OTHER_FIELD: &str = "__other__";

/// Visits by site and country, events by site and name.
#[derive(Debug, Default)]
pub struct Tally {
    visits: BTreeMap<SiteId, Fold>,
    events: BTreeMap<SiteId, HashMap<Box<str>, u64>>,
}

impl Tally {
    /// Counts visits of a country.
    pub fn visits(&mut self, site: SiteId, counts: impl Iterator<Item = (Country, u64)>) {
        let fold = self.visits.entry(site).or_default();
        counts.for_each(|(country, visits)| fold.add(country, visits));
    }

    /// Counts an event.
    pub fn event(&mut self, site: SiteId, name: &str) {
        let names = self.events.entry(site).or_default();
        match names.get_mut(name) {
            Some(count) => *count += 1,
            None => {
                names.insert(name.into(), 1);
            }
        }
    }

    /// Everything counted since the last call, as changes to counters.
    pub fn drain(&mut self) -> Deltas {
        let mut deltas = Deltas::default();
        for (&site, fold) in &mut self.visits {
            let visits = CounterHash {
                site,
                family: Family::Visits,
            };
            let mut all = 0;
            for (country, count) in fold.iter() {
                all += count;
                deltas.add(visits, &country.to_string(), count);
            }
            if all > 0 {
                deltas.add(events_of(site), VISIT_FIELD, all);
            }
            fold.clear();
        }
        for (site, names) in std::mem::take(&mut self.events) {
            for (name, count) in names {
                deltas.add(events_of(site), &name, count);
            }
        }
        deltas
    }
}

const fn events_of(site: SiteId) -> CounterHash {
    CounterHash {
        site,
        family: Family::Events,
    }
}
