//! Which state of the directory it is, so that two can be told apart without reading them.

use std::fmt;

use super::hexadecimal;

/// One state of one directory.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Edition {
    /// Drawn at random with the first change; all zero before. Tells one directory from another.
    birth: [u8; 16],
    /// How many changes there were.
    revision: u64,
    /// Drawn at random with every change: two histories that part have no edition in common, however long they are.
    mark: [u8; 8],
}

impl Edition {
    /// Nothing was ever added.
    pub const NONE: Self = Self {
        birth: [0; 16],
        revision: 0,
        mark: [0; 8],
    };

    /// The edition that a change makes of this one.
    pub(super) fn next(self) -> Result<Self, getrandom::Error> {
        let mut next = self;
        next.revision += 1;
        getrandom::fill(&mut next.mark)?;
        if self == Self::NONE {
            getrandom::fill(&mut next.birth)?;
        }
        Ok(next)
    }

    /// Whether both are states of one directory.
    pub(super) fn is_kin(&self, other: &Self) -> bool {
        self.birth == other.birth
    }

    /// Whether this is an earlier state of the same directory.
    pub(super) fn is_before(&self, other: &Self) -> bool {
        *self == Self::NONE && *other != Self::NONE || self.is_kin(other) && self.revision < other.revision
    }

    /// Reads what [`Edition`] prints; the empty text is no edition at all, and so [`Edition::NONE`].
    pub(super) fn parse(text: &str) -> Option<Self> {
        if text.is_empty() {
            return Some(Self::NONE);
        }
        let mut parts = text.split(':');
        let edition = Self {
            birth: hexadecimal::read(parts.next()?)?,
            revision: parts.next()?.parse().ok()?,
            mark: hexadecimal::read(parts.next()?)?,
        };
        parts.next().is_none().then_some(edition)
    }
}

impl fmt::Display for Edition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if *self == Self::NONE {
            return Ok(());
        }
        let (birth, mark) = (hexadecimal::write(&self.birth), hexadecimal::write(&self.mark));
        write!(f, "{birth}:{}:{mark}", self.revision)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn editions_are_read_back_and_damaged_ones_are_not() {
        let edition = Edition::NONE.next().unwrap().next().unwrap();
        let text = edition.to_string();
        assert_eq!(Edition::parse(&text), Some(edition));
        assert_eq!(Edition::parse(&Edition::NONE.to_string()), Some(Edition::NONE));
        for damaged in [&text[1..], &format!("{text}:"), "1:2", ":::"] {
            assert_eq!(Edition::parse(damaged), None, "{damaged}");
        }
    }

    #[test]
    fn before_means_an_earlier_state_of_the_same_directory() {
        let first = Edition::NONE.next().unwrap();
        let (second, twin) = (first.next().unwrap(), first.next().unwrap());
        assert!(Edition::NONE.is_before(&first) && first.is_before(&second));
        assert!(!second.is_before(&first) && !first.is_before(&first) && !first.is_before(&Edition::NONE));
        assert!(second != twin && !second.is_before(&twin) && second.is_kin(&twin));
        assert!(
            !first.is_before(&Edition::NONE.next().unwrap().next().unwrap()),
            "another directory"
        );
    }
}
