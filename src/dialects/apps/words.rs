//! What this format calls the fields of an event.

use crate::decode::{Field, Words};

/// Keys and fields. Others that an event may have have no key here.
const KEYS: [(&str, Field); 7] = [
    ("eventName", Field::Name),
    ("url", Field::Url),
    ("referrer", Field::Referrer),
    ("userId", Field::User),
    ("metadata", Field::Properties),
    ("timestamp", Field::Time),
    ("screen", Field::ScreenSize),
];

/// The words of this format.
pub const WORDS: Words = Words { field, key };

fn field(key: &str) -> Option<Field> {
    KEYS.iter().find(|(known, _)| *known == key).map(|(_, field)| *field)
}

fn key(field: Field) -> &'static str {
    KEYS.iter()
        .find(|(_, known)| *known == field)
        .map_or("", |(key, _)| *key)
}
