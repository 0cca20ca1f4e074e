//! Imports: how far each of them is. What was taken is a number that only grows, so hearing of it twice changes nothing.

use super::{Country, SiteId};

/// The name of an import, as a hash.
pub type ImportId = [u8; 16];

/// A part of an import that is taken from its beginning to its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ImportKey {
    /// For whose events or visits.
    pub site: SiteId,
    /// Which import.
    pub id: ImportId,
    /// Lines of events, or the visits of a country.
    pub part: ImportPart,
}

/// What is counted up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ImportPart {
    /// Lines.
    Lines,
    /// Visits of a country.
    Visits(Country),
}

impl ImportPart {
    /// The part as a number, which stays the same for good.
    pub const fn number(self) -> usize {
        match self {
            Self::Lines => 0,
            Self::Visits(country) => country.index() + 1,
        }
    }

    /// The part of a number.
    pub fn from_number(number: usize) -> Option<Self> {
        match number.checked_sub(1) {
            None => Some(Self::Lines),
            Some(index) => Country::from_index(index).map(Self::Visits),
        }
    }
}

/// How far a part is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Progress {
    /// Everything up to here is taken: lines, or visits.
    pub taken: u64,
    /// Up to here the client has said what it read, by a digest.
    pub checked: u64,
    /// The digest: the client's matter.
    pub digest: u64,
}

impl Progress {
    /// So much is taken, of which nobody knows the digest.
    pub const fn at(taken: u64) -> Self {
        Self {
            taken,
            checked: 0,
            digest: 0,
        }
    }

    /// Goes on to where another one is, as far as that is further.
    pub fn reach(&mut self, other: Self) {
        self.taken = self.taken.max(other.taken);
        if other.checked > self.checked {
            (self.checked, self.digest) = (other.checked, other.digest);
        }
    }
}

/// Which line of which import an event was.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ImportMark {
    /// The import.
    pub id: ImportId,
    /// The line, counted from 1.
    pub line: u64,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_have_numbers_that_lead_back() {
        for number in 0..=super::super::COUNTRIES {
            let part = ImportPart::from_number(number).unwrap();
            assert_eq!(part.number(), number);
        }
        assert_eq!(ImportPart::from_number(super::super::COUNTRIES + 1), None);
    }

    #[test]
    fn what_is_heard_twice_or_late_changes_nothing() {
        let (early, late) = (
            Progress {
                taken: 5,
                checked: 5,
                digest: 7,
            },
            Progress::at(9),
        );
        let mut one = early;
        one.reach(late);
        let mut other = late;
        other.reach(early);
        other.reach(early);
        assert_eq!((one, other), (Progress { taken: 9, ..early }, one));
    }
}
