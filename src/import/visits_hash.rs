//! The hash in Redis in which a visits deployment keeps its totals by country.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use redis::{RedisError, cmd};
use serde::Serialize;

use super::gateway::{Gateway, GatewayError};
use crate::clock::Clock;
use crate::config::Secret;
use crate::event::Country;
use crate::redis_address::{AddressError, RedisAddress};

/// How long Redis may take to answer.
const PATIENCE: Duration = Duration::from_secs(10);
/// Most fields that a hash of countries can have.
const FIELDS_MAX: u64 = 10_000;

/// Why a hash cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum HashError {
    /// The URL does not fit.
    #[error(transparent)]
    Address(#[from] AddressError),
    /// Redis does not answer, or not with a hash.
    #[error("{0}")]
    Redis(Box<str>),
    /// It is no hash of countries.
    #[error("the hash {0} {1}")]
    Strange(String, String),
}

/// What a hash holds.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Hash {
    /// Visits by country.
    pub visits: BTreeMap<String, u64>,
    /// Fields that are no country with a number of visits.
    pub rejected: Vec<(String, String)>,
}

/// What became of a hash.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub struct VisitsSummary {
    /// The import's name.
    pub name: String,
    /// Countries in the hash.
    pub countries: usize,
    /// Visits that had been taken before.
    pub before: u64,
    /// Visits that were taken now.
    pub visits: u64,
    /// Fields that are no country with a number of visits, with their values.
    pub rejected: Vec<(String, String)>,
}

/// Reads a hash.
///
/// # Errors
/// Redis does not answer, or there is no such hash.
pub fn read_hash(url: &Secret, hash: &str) -> Result<Hash, HashError> {
    let address = RedisAddress::parse(url)?;
    let told = |error: RedisError| HashError::Redis(address.trouble(&error));
    let mut connection = address.client()?.get_connection_with_timeout(PATIENCE).map_err(told)?;
    connection.set_read_timeout(Some(PATIENCE)).map_err(told)?;
    let fields: u64 = cmd("HLEN").arg(hash).query(&mut connection).map_err(told)?;
    if fields == 0 || fields > FIELDS_MAX {
        let what = format!("has {fields} fields: it is none of countries");
        return Err(HashError::Strange(hash.to_owned(), what));
    }
    let pairs: Vec<(Vec<u8>, Vec<u8>)> = cmd("HGETALL").arg(hash).query(&mut connection).map_err(told)?;
    Ok(sort(pairs))
}

fn sort(pairs: Vec<(Vec<u8>, Vec<u8>)>) -> Hash {
    let mut hash = Hash::default();
    for (field, value) in pairs {
        let visits = str::from_utf8(&value).ok().and_then(|text| text.parse::<u64>().ok());
        match (Country::parse(&field), visits) {
            (Some(country), Some(visits)) => *hash.visits.entry(country.to_string()).or_default() += visits,
            _ => hash.rejected.push((shown(&field), shown(&value))),
        }
    }
    hash
}

fn shown(bytes: &[u8]) -> String {
    bytes.escape_ascii().to_string()
}

/// Imports visits; must be called on a local runtime.
///
/// # Errors
/// The gateway does not take them, or has taken more of a country than there are.
pub async fn import_visits<C: Clock>(
    gateway: &Gateway<C>,
    name: &str,
    hash: Hash,
) -> Result<VisitsSummary, GatewayError> {
    let told = gateway.ask(name).await?;
    let fewer = hash
        .visits
        .iter()
        .find(|(country, visits)| told.visits.get(*country).is_some_and(|taken| taken > visits));
    if let Some((country, visits)) = fewer {
        let words = format!(
            "the hash has {visits} visits of {country}, but more were imported as {name}; if it is another one, give it \
             a name with --name"
        );
        return Err(GatewayError::Refused(409, words));
    }
    let accepted = gateway.send_visits(name, &hash.visits).await?;
    Ok(VisitsSummary {
        name: name.to_owned(),
        countries: hash.visits.len(),
        before: told.visits.values().sum(),
        visits: accepted,
        rejected: hash.rejected,
    })
}

impl fmt::Display for VisitsSummary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} visits of {} countries", self.visits, self.countries)?;
        if self.before > 0 {
            write!(f, "; {} had been imported before", self.before)?;
        }
        for (field, value) in &self.rejected {
            write!(f, "\n  left out: {field} {value}")?;
        }
        write!(f, "\n  the import is called {}", self.name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn countries_of_any_case_add_up_and_other_fields_are_told() {
        let pair = |field: &str, value: &str| (field.as_bytes().to_vec(), value.as_bytes().to_vec());
        let pairs = [
            ("gb", "17"),
            ("GB", "3"),
            ("cy", "0"),
            ("total", "20"),
            ("us", "-1"),
            ("fr", "1e3"),
        ];
        let hash = sort(pairs.map(|(field, value)| pair(field, value)).into());
        assert_eq!(hash.visits, BTreeMap::from([("cy".into(), 0), ("gb".into(), 20)]));
        let rejected: Vec<_> = hash.rejected.iter().map(|(field, _)| field.as_str()).collect();
        assert_eq!(rejected, ["total", "us", "fr"]);
    }
}
