//! Visits by country, as an import brings them: how many there have been up to now.

use std::collections::BTreeMap;
use std::fmt;

use serde::de::{Deserialize, Deserializer, Error, MapAccess, Visitor};

use super::questions_voice::Trouble;
use crate::event::Country;
use crate::outcome::Reason;

/// Visits of a country stay below this, so that the sum of all countries is a number that counters can hold (2^53).
pub const VISITS_LIMIT: u64 = 1 << 42;

/// The body of an import of visits.
#[derive(Debug, serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct Body {
    visits: Members,
}

/// The members of an object, each once.
#[derive(Debug)]
struct Members(BTreeMap<String, u64>);

impl<'de> Deserialize<'de> for Members {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(Reading)
    }
}

struct Reading;

impl<'de> Visitor<'de> for Reading {
    type Value = Members;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object with a number for each country")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Members, A::Error> {
        let mut members = BTreeMap::new();
        while let Some((key, value)) = map.next_entry::<String, u64>()? {
            if members.insert(key, value).is_some() {
                return Err(A::Error::custom("a country is named twice"));
            }
        }
        Ok(Members(members))
    }
}

/// The visits of each country that a body names: `{"visits": {"gb": 17}}`.
///
/// # Errors
/// It is no JSON, or something else; a country is none, is named twice, or has more visits than one can have.
pub fn read(body: &[u8]) -> Result<Vec<(Country, u64)>, Trouble> {
    let invalid = |detail: &str| Trouble::about(Reason::FieldInvalid, "visits", detail);
    let body: Body = serde_json::from_slice(body).map_err(|error| {
        if error.is_data() {
            invalid("must be an object with a whole number for each country, and each country once")
        } else {
            Reason::JsonInvalid.into()
        }
    })?;
    let mut visits = BTreeMap::new();
    for (code, amount) in body.visits.0 {
        let country = Country::parse(code.as_bytes());
        let country = country.ok_or_else(|| invalid("must name countries by their two letters"))?;
        if amount >= VISITS_LIMIT {
            return Err(invalid("must be below 2^42 each"));
        }
        if visits.insert(country, amount).is_some() {
            return Err(invalid("must name a country once"));
        }
    }
    Ok(visits.into_iter().collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn visits_of_countries_are_read_and_everything_else_is_refused() {
        let gb = Country::parse(b"gb").unwrap();
        assert_eq!(read(br#"{"visits":{"GB":17}}"#).unwrap(), [(gb, 17)]);
        assert_eq!(read(br#"{"visits":{}}"#).unwrap(), []);
        for (body, reason) in [
            (&br#"{"visits":{"gb":1,"gb":2}}"#[..], Reason::FieldInvalid),
            (br#"{"visits":{"gb":1,"GB":2}}"#, Reason::FieldInvalid),
            (br#"{"visits":{"gbr":1}}"#, Reason::FieldInvalid),
            (br#"{"visits":{"gb":-1}}"#, Reason::FieldInvalid),
            (br#"{"visits":{"gb":1.5}}"#, Reason::FieldInvalid),
            (br#"{"visits":{"gb":4398046511104}}"#, Reason::FieldInvalid),
            (br#"{"visits":[]}"#, Reason::FieldInvalid),
            (br#"{"visits":{},"visits":{}}"#, Reason::FieldInvalid),
            (br#"{"visitors":{}}"#, Reason::FieldInvalid),
            (br"{}", Reason::FieldInvalid),
            (br#"{"visits":{"gb":1"#, Reason::JsonInvalid),
            (b"\xff", Reason::JsonInvalid),
        ] {
            assert_eq!(read(body).unwrap_err().reason, reason, "{}", body.escape_ascii());
        }
    }
}
