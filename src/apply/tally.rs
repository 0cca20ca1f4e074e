//! What frames add up to until it is handed to the counters.

use std::collections::BTreeMap;

use crate::event::{CounterHash, Country, Deltas, Family, SiteId};
use crate::fold::Fold;

/// The field of [`Family::Events`] that counts visits.
pub const VISIT_FIELD: &str = "visit";

/// Visits by site and country.
#[derive(Debug, Default)]
pub struct Tally {
    sites: BTreeMap<SiteId, Fold>,
}

impl Tally {
    /// Counts visits of a country.
    pub fn visits(&mut self, site: SiteId, counts: impl Iterator<Item = (Country, u64)>) {
        let fold = self.sites.entry(site).or_default();
        counts.for_each(|(country, visits)| fold.add(country, visits));
    }

    /// Everything counted since the last call, as changes to counters.
    pub fn drain(&mut self) -> Deltas {
        let mut deltas = Deltas::default();
        for (&site, fold) in &mut self.sites {
            let mut all = 0;
            for (country, visits) in fold.iter() {
                all += visits;
                deltas.add(
                    CounterHash {
                        site,
                        family: Family::Visits,
                    },
                    &country.to_string(),
                    visits,
                );
            }
            if all > 0 {
                deltas.add(
                    CounterHash {
                        site,
                        family: Family::Events,
                    },
                    VISIT_FIELD,
                    all,
                );
            }
            fold.clear();
        }
        deltas
    }
}
