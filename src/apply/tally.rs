//! What frames add up to until it is handed to the counters.

use std::collections::{BTreeMap, HashMap};

use crate::event::{CounterHash, Country, Deltas, Family, SiteId};
use crate::fold::Fold;

/// The field of [`Family::Events`] that counts visits.
pub const VISIT_FIELD: &str = "visit";
/// The field that counts events whose names a site has too many of.
pub const OTHER_FIELD: &str = "__other__";
/// The field of events that are called as visits are, so that a number never mixes the two.
pub const VISIT_NAME_FIELD: &str = "__visit__";

/// The field that counts events of a name. Clients may send any; fields with a meaning of their own count nothing else.
pub fn field_of(name: &str) -> &str {
    match name {
        VISIT_FIELD => VISIT_NAME_FIELD,
        VISIT_NAME_FIELD => OTHER_FIELD,
        name => name,
    }
}

/// Visits by site and country, events by site and field.
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

    /// Counts an event in a field.
    pub fn event(&mut self, site: SiteId, field: &str) {
        let fields = self.events.entry(site).or_default();
        match fields.get_mut(field) {
            Some(count) => *count += 1,
            None => {
                fields.insert(field.into(), 1);
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
        for (site, fields) in std::mem::take(&mut self.events) {
            for (field, count) in fields {
                deltas.add(events_of(site), &field, count);
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
