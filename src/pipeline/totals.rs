//! The totals that answers name: what this gateway has kept, and what the others have counted.
//!
//! One number a country, which only grows: by this gateway's visits after the write that the mode answers on, so a
//! client reads its own visits, and by what the others have counted more than was known. Each visit is answered with
//! the number that it raised the total to, so no number is given twice.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Instant;

use crate::clock;
use crate::event::{COUNTRIES, Country};

/// A reply older than this no longer makes totals current, in milliseconds.
pub const CURRENT_MS: u64 = 1_000;
/// No reply yet.
const NEVER: u64 = u64::MAX;

/// Totals by country of the default site, shared by all workers.
#[derive(Debug)]
pub struct Totals {
    counts: Box<[AtomicU64]>,
    /// The part of the totals that others have counted, as far as it is known.
    foreign: Box<[AtomicU64]>,
    /// Rises with every change of a total.
    version: AtomicU64,
    /// Cleared while another process still counts what belongs to the totals.
    whole: AtomicBool,
    /// Set when another process has told what the others have counted.
    heard: AtomicBool,
    view: View,
}

/// How fresh the view of others' counts is.
#[derive(Debug)]
enum View {
    /// There are no others.
    Alone,
    /// When Redis last told, in milliseconds since `begun`; [`NEVER`] before the first time.
    Shared { begun: Instant, told_ms: AtomicU64 },
}

impl Totals {
    /// Totals of a gateway whose counters are embedded.
    pub fn alone() -> Self {
        Self::with_view(View::Alone)
    }

    /// Totals of a gateway that shares a Redis.
    pub fn shared() -> Self {
        Self::with_view(View::Shared {
            begun: clock::now(),
            told_ms: AtomicU64::new(NEVER),
        })
    }

    fn with_view(view: View) -> Self {
        let zeros = || (0..COUNTRIES).map(|_| AtomicU64::new(0)).collect();
        Self {
            counts: zeros(),
            foreign: zeros(),
            version: AtomicU64::new(0),
            whole: AtomicBool::new(true),
            heard: AtomicBool::new(false),
            view,
        }
    }

    /// Raises a country's total by visits that are kept, and returns the total before.
    pub fn raise(&self, country: Country, visits: u64) -> u64 {
        let before = cell(&self.counts, country).fetch_add(visits, Ordering::AcqRel);
        self.version.fetch_add(1, Ordering::Release);
        before
    }

    /// A country's total.
    pub fn total(&self, country: Country) -> u64 {
        cell(&self.counts, country).load(Ordering::Acquire)
    }

    /// Takes over what the others have counted for a country, if it is more than was known: a Redis that lost its data
    /// must not take totals back. Only one thread may call this.
    pub fn raise_foreign(&self, country: Country, visits: u64) {
        let known = cell(&self.foreign, country).fetch_max(visits, Ordering::AcqRel);
        if visits > known {
            self.raise(country, visits - known);
        }
    }

    /// Notes that Redis has just told.
    pub fn told(&self) {
        if let View::Shared { begun, told_ms } = &self.view {
            told_ms.store(elapsed_ms(*begun), Ordering::Release);
        }
    }

    /// Notes whether another process still counts what belongs to the totals.
    pub(super) fn set_whole(&self, now: bool) {
        self.whole.store(now, Ordering::Release);
    }

    /// Takes over totals that another process has told; `before` is what both of them include as kept here.
    pub(super) fn hear(&self, told: &Told, before: &Told) {
        for (country, total) in told.iter() {
            self.raise_foreign(country, total.saturating_sub(before.of(country)));
        }
        if told.known {
            self.heard.store(true, Ordering::Release);
        }
    }

    /// Changes whenever a total does.
    pub fn version(&self) -> u64 {
        self.version.load(Ordering::Acquire)
    }

    /// Whether nothing is missing, and the others' counts are at most a second old.
    pub fn is_current(&self) -> bool {
        self.whole.load(Ordering::Acquire) && self.is_fresh()
    }

    fn is_fresh(&self) -> bool {
        match &self.view {
            View::Alone => true,
            View::Shared { begun, told_ms } => {
                let told = told_ms.load(Ordering::Acquire);
                told != NEVER && elapsed_ms(*begun).saturating_sub(told) <= CURRENT_MS
            }
        }
    }

    /// Whether the others' counts have been known at all since the start.
    pub fn is_known(&self) -> bool {
        match &self.view {
            View::Alone => true,
            View::Shared { told_ms, .. } => {
                self.heard.load(Ordering::Acquire) || told_ms.load(Ordering::Acquire) != NEVER
            }
        }
    }

    /// Every country that has visits, alphabetically.
    pub fn all(&self) -> impl Iterator<Item = (Country, u64)> {
        (0..COUNTRIES)
            .filter_map(Country::from_index)
            .map(|country| (country, self.total(country)))
            .filter(|&(_, total)| total > 0)
    }
}

/// Totals as one process tells them to another.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Told {
    totals: Vec<u64>,
    /// Whether the others' counts were known.
    known: bool,
}

impl Told {
    /// The totals as they are now.
    pub fn own(totals: &Totals) -> Self {
        let total = |index| Country::from_index(index).map_or(0, |country| totals.total(country));
        Self {
            totals: (0..COUNTRIES).map(total).collect(),
            known: totals.is_known(),
        }
    }

    /// A byte whether the others' counts are known, then the totals, eight bytes each.
    pub fn encode(&self) -> Vec<u8> {
        let totals = self.totals.iter().flat_map(|total| total.to_le_bytes());
        std::iter::once(u8::from(self.known)).chain(totals).collect()
    }

    /// Reads them again; `None` if the bytes are something else.
    pub fn decode(bytes: &[u8]) -> Option<Self> {
        let (known, totals) = bytes.split_first()?;
        let (totals, rest) = totals.as_chunks();
        let whole = totals.len() == COUNTRIES && rest.is_empty();
        whole.then(|| Self {
            totals: totals.iter().map(|total| u64::from_le_bytes(*total)).collect(),
            known: *known == 1,
        })
    }

    fn of(&self, country: Country) -> u64 {
        self.totals.get(country.index()).copied().unwrap_or_default()
    }

    fn iter(&self) -> impl Iterator<Item = (Country, u64)> {
        let countries = (0..COUNTRIES).filter_map(Country::from_index);
        countries.map(|country| (country, self.of(country)))
    }
}

fn elapsed_ms(since: Instant) -> u64 {
    u64::try_from(since.elapsed().as_millis()).unwrap_or(NEVER - 1)
}

#[allow(
    clippy::indexing_slicing,
    reason = "a Country's index is below COUNTRIES, the length of both slices"
)]
fn cell(cells: &[AtomicU64], country: Country) -> &AtomicU64 {
    &cells[country.index()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_total_grows_by_own_and_foreign_visits_and_every_change_is_noticed() {
        let totals = Totals::shared();
        let gb = Country::parse(b"gb").unwrap();
        let version = totals.version();
        assert_eq!(totals.raise(gb, 2), 0);
        totals.raise_foreign(gb, 40);
        assert_eq!((totals.total(gb), totals.raise(gb, 1)), (42, 42));
        assert!(totals.version() >= version + 3);
        assert_eq!(totals.all().collect::<Vec<_>>(), [(gb, 43)]);
    }

    #[test]
    fn a_redis_that_lost_its_data_takes_no_total_back() {
        let totals = Totals::shared();
        let gb = Country::parse(b"gb").unwrap();
        for (foreign, total) in [(40, 40), (0, 40), (7, 40), (40, 40), (41, 41)] {
            totals.raise_foreign(gb, foreign);
            assert_eq!(totals.total(gb), total, "foreign {foreign}");
        }
    }

    #[test]
    fn totals_that_another_process_tells_take_none_back_and_count_nothing_twice() {
        let gb = Country::parse(b"gb").unwrap();
        let old = Totals::alone();
        old.raise(gb, 40);
        let told = Told::decode(&Told::own(&old).encode()).unwrap();
        assert_eq!(told, Told::own(&old));
        let new = Totals::alone();
        new.raise(gb, 10);
        let before = Told::own(&new);
        new.set_whole(false);
        assert!(!new.is_current());
        new.raise(gb, 2);
        new.hear(&told, &before);
        new.hear(&told, &before);
        assert_eq!(
            new.total(gb),
            42,
            "40 told, of which 10 were kept here before, and 2 since"
        );
        new.set_whole(true);
        assert!(new.is_current());
        let beside_others = Totals::shared();
        beside_others.hear(&told, &before);
        assert!(beside_others.is_known() && !beside_others.is_current());
        assert_eq!(Told::decode(&[1, 2, 3]), None);
    }

    #[test]
    fn a_shared_view_is_unknown_until_redis_tells() {
        let totals = Totals::shared();
        assert!(!totals.is_known() && !totals.is_current());
        totals.told();
        assert!(totals.is_known() && totals.is_current());
        assert!(Totals::alone().is_current());
    }
}
