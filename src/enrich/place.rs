//! Where a client is, as far as anybody knows.

use std::fmt;

use crate::event::Country;

/// Codes by which databases and proxies say that they do not know.
const UNKNOWN_CODES: [[u8; 2]; 2] = [*b"xx", *b"zz"];

/// Longest name of a region or a city, in bytes; longer ones are cut at a character.
const NAME_BYTES_MAX: usize = 62;

/// Where a client is. It owns its names without asking for memory, so that a database can be replaced meanwhile.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place {
    /// The country.
    pub country: Country,
    /// Where in the country.
    pub region: Name,
    /// Where in the region.
    pub city: Name,
}

/// A short text.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Name {
    bytes: [u8; NAME_BYTES_MAX],
    length: u8,
}

impl Place {
    /// Nobody knows.
    pub const UNKNOWN: Self = Self::in_country(Country::UNKNOWN);

    /// Somewhere in a country.
    pub const fn in_country(country: Country) -> Self {
        Self {
            country,
            region: Name::NONE,
            city: Name::NONE,
        }
    }
}

impl Name {
    /// No name.
    pub const NONE: Self = Self {
        bytes: [0; NAME_BYTES_MAX],
        length: 0,
    };

    /// A name, cut if it is too long.
    pub(super) fn of(text: &str) -> Self {
        let mut name = Self::NONE;
        let end = text.floor_char_boundary(NAME_BYTES_MAX);
        for (to, from) in name.bytes.iter_mut().zip(text.as_bytes().iter().take(end)) {
            *to = *from;
        }
        // It is below 256.
        name.length = u8::try_from(end).unwrap_or(0);
        name
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        let bytes = self.bytes.get(..usize::from(self.length)).unwrap_or_default();
        str::from_utf8(bytes).unwrap_or_default()
    }
}

impl fmt::Debug for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.as_str().fmt(f)
    }
}

/// The country of a two-letter code, unless the code says that it is not known.
pub(super) fn known_country(code: &[u8]) -> Option<Country> {
    Country::parse(code).filter(|country| !UNKNOWN_CODES.contains(&country.letters()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_reads_back_and_a_long_one_is_cut_at_a_character() {
        for text in ["", "Köln", &"x".repeat(62)] {
            assert_eq!(Name::of(text).as_str(), text);
        }
        assert_eq!(Name::of(&"Λ".repeat(40)).as_str(), "Λ".repeat(31));
        assert_eq!(
            Name::of(&format!("x{}", "Λ".repeat(40))).as_str(),
            format!("x{}", "Λ".repeat(30))
        );
        assert_eq!(format!("{:?}", Name::of("York")), "\"York\"");
    }
}
