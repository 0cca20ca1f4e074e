//! The country of a client.

use std::net::IpAddr;

use super::geo_watch::GeoWatch;
use super::place::{Place, known_country};
use crate::config::GeoConfig;
use crate::event::Country;

/// Knows the country of a client: from the header of a trusted proxy if one is configured, then from the database.
#[derive(Debug)]
pub struct Countries {
    header: Option<Box<str>>,
    geo: GeoWatch,
    /// Whether regions and cities are asked for.
    finely: bool,
}

impl Countries {
    /// Opens the configured database; without a usable one countries are unknown until there is one.
    pub fn open(config: &GeoConfig) -> Self {
        Self {
            header: config.country_header.as_deref().map(Into::into),
            geo: GeoWatch::open(config),
            finely: config.region_and_city,
        }
    }

    /// The configured header in which a proxy names the client's country.
    pub fn header(&self) -> Option<&str> {
        self.header.as_deref()
    }

    /// The database, to be refreshed and asked how it is.
    pub const fn geo(&self) -> &GeoWatch {
        &self.geo
    }

    /// The country of a client's address; `None` if nobody knows.
    ///
    /// `claim` is the value of [`Countries::header`] if the request has it exactly once. It is believed only if the
    /// operator configured the header and the request came `via_proxy`, a trusted one: anybody can send a header.
    /// `XX`, `ZZ` and what is no country (`T1` for Tor) leave the question to the database.
    pub fn country_of(&self, address: IpAddr, via_proxy: bool, claim: Option<&[u8]>) -> Option<Country> {
        self.believed(via_proxy, claim).or_else(|| self.geo.lookup(address))
    }

    /// The same with region and city, if the database knows them and they are wanted: not of another country than the
    /// one that a proxy names.
    pub fn place_of(&self, address: IpAddr, via_proxy: bool, claim: Option<&[u8]>) -> Place {
        let place = self.finely.then(|| self.geo.lookup_place(address)).flatten();
        match (self.believed(via_proxy, claim), place) {
            (Some(country), Some(place)) if place.country != country => Place::in_country(country),
            (_, Some(place)) => place,
            (Some(country), None) => Place::in_country(country),
            (None, None) => Place::in_country(self.geo.lookup(address).unwrap_or(Country::UNKNOWN)),
        }
    }

    fn believed(&self, via_proxy: bool, claim: Option<&[u8]>) -> Option<Country> {
        claim
            .filter(|_| via_proxy && self.header.is_some())
            .and_then(known_country)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BRITISH: &str = "81.2.69.160";
    const NOWHERE: &str = "10.0.0.1";

    fn countries(header: Option<&str>) -> Countries {
        Countries::open(&GeoConfig {
            database: Some(
                concat!(
                    env!("CARGO_MANIFEST_DIR"),
                    "/tests/fixtures/geo/GeoIP2-Country-Test.mmdb"
                )
                .into(),
            ),
            country_header: header.map(Into::into),
            ..GeoConfig::default()
        })
    }

    fn code(country: Option<Country>) -> Option<String> {
        country.map(|country| country.to_string())
    }

    #[test]
    fn a_header_is_believed_only_if_configured_and_from_a_trusted_proxy() {
        let table = [
            (Some("CF-IPCountry"), true, "fr"),
            (Some("CF-IPCountry"), false, "gb"),
            (None, true, "gb"),
            (None, false, "gb"),
        ];
        for (header, via_proxy, expected) in table {
            let found = countries(header).country_of(BRITISH.parse().unwrap(), via_proxy, Some(b"FR"));
            assert_eq!(code(found).as_deref(), Some(expected), "{header:?} {via_proxy}");
        }
    }

    #[test]
    fn a_header_that_names_no_country_leaves_it_to_the_database() {
        let countries = countries(Some("CF-IPCountry"));
        let values: [&[u8]; 9] = [b"XX", b"xx", b"ZZ", b"T1", b"", b"F", b"FRA", b" FR", b"\xc3\xa9"];
        for value in values {
            let known = countries.country_of(BRITISH.parse().unwrap(), true, Some(value));
            assert_eq!(code(known).as_deref(), Some("gb"), "{value:?}");
            assert_eq!(countries.country_of(NOWHERE.parse().unwrap(), true, Some(value)), None);
        }
        let without = countries.country_of(BRITISH.parse().unwrap(), true, None);
        assert_eq!(code(without).as_deref(), Some("gb"));
    }

    #[test]
    fn region_and_city_are_those_of_the_address_unless_the_proxy_names_another_country() {
        let open = |region_and_city, database: &str| {
            Countries::open(&GeoConfig {
                database: Some(format!("{}/tests/fixtures/geo/{database}", env!("CARGO_MANIFEST_DIR")).into()),
                country_header: Some("CF-IPCountry".into()),
                region_and_city,
                ..GeoConfig::default()
            })
        };
        let told = |countries: &Countries, claim: Option<&[u8]>| {
            let place = countries.place_of(BRITISH.parse().unwrap(), true, claim);
            let (region, city) = (place.region.as_str().to_owned(), place.city.as_str().to_owned());
            (place.country.to_string(), region, city)
        };
        let of = |country: &str, region: &str, city: &str| (country.to_owned(), region.to_owned(), city.to_owned());
        let cities = open(true, "GeoIP2-City-Test.mmdb");
        for (claim, expected) in [
            (None, of("gb", "England", "London")),
            (Some(&b"GB"[..]), of("gb", "England", "London")),
            (Some(b"FR"), of("fr", "", "")),
        ] {
            assert_eq!(told(&cities, claim), expected, "{claim:?}");
        }
        assert_eq!(told(&open(false, "GeoIP2-City-Test.mmdb"), None), of("gb", "", ""));
        assert_eq!(told(&open(true, "GeoIP2-Country-Test.mmdb"), None), of("gb", "", ""));
        assert_eq!(cities.place_of(NOWHERE.parse().unwrap(), true, None), Place::UNKNOWN);
    }

    #[test]
    fn a_header_serves_where_the_database_knows_nothing() {
        let found = countries(Some("CF-IPCountry")).country_of(NOWHERE.parse().unwrap(), true, Some(b"xk"));
        assert_eq!(code(found).as_deref(), Some("xk"));
    }
}
