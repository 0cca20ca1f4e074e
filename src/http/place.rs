//! Where a request comes from.

use hyper::header::{HeaderMap, HeaderName};

use crate::admit::Client;
use crate::enrich::{Countries, Place};
use crate::event::Country;

/// Where a client is.
pub fn place_of(countries: &Countries, headers: &HeaderMap, client: Client) -> Place {
    let claim = countries.header().and_then(|name| sole(headers, name));
    countries.place_of(client.address, client.via_proxy, claim)
}

/// The country of a client.
pub fn country_of(countries: &Countries, headers: &HeaderMap, client: Client) -> Country {
    let claim = countries.header().and_then(|name| sole(headers, name));
    let country = countries.country_of(client.address, client.via_proxy, claim);
    country.unwrap_or(Country::UNKNOWN)
}

/// The value of a header that is there exactly once.
fn sole<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a [u8]> {
    let name = HeaderName::from_bytes(name.as_bytes()).ok()?;
    let mut values = headers.get_all(name).into_iter();
    match (values.next(), values.next()) {
        (Some(value), None) => Some(value.as_bytes()),
        _ => None,
    }
}
