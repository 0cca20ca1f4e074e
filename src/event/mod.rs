//! The nouns every room shares: event, row, country, site, sequence, counters and their deltas.

mod fact;
mod row;
mod session;

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};

pub use fact::{Event, EventId, Revenue, Visitor};
pub use row::{Erasure, Row};
pub use session::{PAGE_VIEWS, Page, Session, is_page_view};

/// Number of two-letter codes, `AA` to `ZZ`.
pub const COUNTRIES: usize = 26 * 26;

/// A country as two ASCII letters (ISO 3166-1 alpha-2, and what geo databases add to it, such as `XK`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Country(u16);

impl Country {
    /// A client whose country nobody knows: `XX`.
    pub const UNKNOWN: Self = Self(23 * 26 + 23);

    /// Reads exactly two ASCII letters of any case.
    pub fn parse(code: &[u8]) -> Option<Self> {
        let &[first, second] = code else { return None };
        let letter = |byte: u8| {
            byte.is_ascii_alphabetic()
                .then(|| u16::from(byte.to_ascii_lowercase() - b'a'))
        };
        Some(Self(letter(first)? * 26 + letter(second)?))
    }

    /// The country at a place in `0..COUNTRIES`, alphabetical by code.
    pub fn from_index(index: usize) -> Option<Self> {
        u16::try_from(index).ok().filter(|_| index < COUNTRIES).map(Self)
    }

    /// The country's place in `0..COUNTRIES`, alphabetical by code.
    pub const fn index(self) -> usize {
        self.0 as usize
    }

    /// The code's two letters, lower case.
    #[expect(clippy::cast_possible_truncation, reason = "quotient and remainder are below 26")]
    pub const fn letters(self) -> [u8; 2] {
        [b'a' + (self.0 / 26) as u8, b'a' + (self.0 % 26) as u8]
    }
}

impl fmt::Display for Country {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [first, second] = self.letters();
        write!(f, "{}{}", char::from(first), char::from(second))
    }
}

/// A tenant's web property, by its 16-byte id; all zero is the default site, which open calls feed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct SiteId(pub [u8; 16]);

impl SiteId {
    /// The site of calls that name none.
    pub const DEFAULT: Self = Self([0; 16]);

    /// Whether this is the default site.
    pub fn is_default(self) -> bool {
        self == Self::DEFAULT
    }
}

impl fmt::Display for SiteId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

/// The place of a frame in the journal: 1 for the first, without end, never given twice.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Sequence(pub u64);

impl Sequence {
    /// Before the first frame.
    pub const ZERO: Self = Self(0);

    /// The sequence after this one.
    #[must_use]
    pub const fn next(self) -> Self {
        Self(self.0 + 1)
    }
}

impl fmt::Display for Sequence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// What a counter hash counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Family {
    /// Visits by country; fields are lower-case country codes.
    Visits,
    /// Events by name; visits are the field `visit`.
    Events,
}

impl Family {
    /// Every family, in the order of their names.
    pub const ALL: [Self; 2] = [Self::Events, Self::Visits];

    /// The name in keys and tables.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Visits => "visits",
            Self::Events => "events",
        }
    }

    /// The family of a name, as [`Family::name`] gives it.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|family| family.name() == name)
    }
}

/// One hash of counters: all totals of a family of a site.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CounterHash {
    /// Whose counters.
    pub site: SiteId,
    /// What they count.
    pub family: Family,
}

/// Changes to counters: for each hash its fields and by how much they grow.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Deltas {
    hashes: BTreeMap<CounterHash, BTreeMap<Box<str>, u64>>,
}

impl Deltas {
    /// Lets a field grow by an amount.
    pub fn add(&mut self, hash: CounterHash, field: &str, amount: u64) {
        let fields = self.hashes.entry(hash).or_default();
        match fields.get_mut(field) {
            Some(sum) => *sum += amount,
            None => {
                fields.insert(field.into(), amount);
            }
        }
    }

    /// Adds every change of another set.
    pub fn merge(&mut self, other: &Self) {
        for (hash, fields) in &other.hashes {
            for (field, amount) in fields {
                self.add(*hash, field, *amount);
            }
        }
    }

    /// What is left when another set of changes, a part of this one, is taken away.
    #[must_use]
    pub fn less(&self, other: &Self) -> Self {
        let mut left = Self::default();
        for (hash, fields) in &self.hashes {
            for (field, amount) in fields {
                match amount.saturating_sub(other.get(hash, field)) {
                    0 => {}
                    rest => left.add(*hash, field, rest),
                }
            }
        }
        left
    }

    /// Whether nothing changes.
    pub fn is_empty(&self) -> bool {
        self.hashes.is_empty()
    }

    /// The touched hashes with their fields, in key order.
    pub fn iter(&self) -> impl Iterator<Item = (&CounterHash, &BTreeMap<Box<str>, u64>)> {
        self.hashes.iter()
    }

    /// A field's amount; zero if it is not touched.
    pub fn get(&self, hash: &CounterHash, field: &str) -> u64 {
        self.hashes
            .get(hash)
            .and_then(|fields| fields.get(field))
            .copied()
            .unwrap_or(0)
    }
}
