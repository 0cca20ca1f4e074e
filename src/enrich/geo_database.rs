//! A MaxMind database, held in memory.

use std::net::IpAddr;

use maxminddb::{LookupResult, MaxMindDbError, PathElement, Reader};

use super::country_path::CountryPath;
use super::place::{Name, Place, known_country};
use crate::event::Country;

/// Words in the type of a database that has cities.
const WITH_CITIES: [&str; 2] = ["City", "Enterprise"];
/// The keys that lead from a record to the English names of the largest part of the country, and of the city.
const REGION: &[PathElement<'static>] = &[
    PathElement::Key("subdivisions"),
    PathElement::Index(0),
    PathElement::Key("names"),
    PathElement::Key("en"),
];
const CITY: &[PathElement<'static>] = &[
    PathElement::Key("city"),
    PathElement::Key("names"),
    PathElement::Key("en"),
];

/// Why a file is not used as a geo database.
#[derive(Debug, thiserror::Error)]
pub enum GeoError {
    /// The file cannot be read.
    #[error("it cannot be read: {0}")]
    Read(#[from] std::io::Error),
    /// It is a directory, a pipe or a device.
    #[error("it is not a file")]
    NotAFile,
    /// It is larger than this many bytes.
    #[error("it is larger than {0} bytes")]
    TooLarge(u64),
    /// It is no MaxMind database, or a damaged one.
    #[error("it is no sound database: {0}")]
    Damaged(#[from] MaxMindDbError),
    /// It is a sound database of something else, such as networks.
    #[error("it has no countries (its type is {0})")]
    NoCountries(String),
}

/// A verified database with countries.
#[derive(Debug)]
pub struct GeoDatabase {
    reader: Reader<Vec<u8>>,
    country: CountryPath,
    has_ipv6: bool,
    has_cities: bool,
}

impl GeoDatabase {
    /// Reads a database from the bytes of its file and verifies it, which takes some 7 ms a megabyte.
    ///
    /// # Errors
    /// [`GeoError`] if the database is damaged or has no countries.
    pub fn from_bytes(bytes: Vec<u8>) -> Result<Self, GeoError> {
        let reader = Reader::from_source(bytes)?;
        let metadata = reader.metadata();
        // The library's verification insists on these two, which lookups do not need and converted databases lack.
        let is_described = !metadata.description.is_empty() && !metadata.database_type.is_empty();
        if is_described {
            reader.verify()?;
        }
        let country = CountryPath::of(&reader)?.ok_or_else(|| GeoError::NoCountries(metadata.database_type.clone()))?;
        if !is_described {
            country.verify(&reader)?;
        }
        let has_ipv6 = metadata.ip_version == 6;
        let has_cities = WITH_CITIES.iter().any(|word| metadata.database_type.contains(word));
        Ok(Self {
            reader,
            country,
            has_ipv6,
            has_cities,
        })
    }

    /// The country in which an address is used; `None` if the database does not know.
    ///
    /// A record may have no country but one in which the network is registered. That one is not taken: it says where
    /// the operator's papers are, not where the visitor is.
    pub fn lookup(&self, address: IpAddr) -> Option<Country> {
        let record = self.record(address)?;
        let code: &str = record.decode_path(self.country.keys()).ok()??;
        known_country(code.as_bytes())
    }

    /// The country with region and city; `None` if it is not known or the database has no cities.
    pub fn lookup_place(&self, address: IpAddr) -> Option<Place> {
        if !self.has_cities {
            return None;
        }
        let record = self.record(address)?;
        let text = |path: &[PathElement<'static>]| record.decode_path::<&str>(path).ok().flatten();
        Some(Place {
            country: known_country(text(self.country.keys())?.as_bytes())?,
            region: Name::of(text(REGION).unwrap_or_default()),
            city: Name::of(text(CITY).unwrap_or_default()),
        })
    }

    fn record(&self, address: IpAddr) -> Option<LookupResult<'_, Vec<u8>>> {
        let address = address.to_canonical();
        if address.is_ipv6() && !self.has_ipv6 {
            return None;
        }
        self.reader.lookup(address).ok()
    }

    /// What the database calls itself, such as `GeoLite2-Country`.
    pub fn database_type(&self) -> &str {
        &self.reader.metadata().database_type
    }

    /// When the database was built, in seconds since 1970.
    pub fn build_epoch(&self) -> u64 {
        self.reader.metadata().build_epoch
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bytes(name: &str) -> Vec<u8> {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/geo/");
        std::fs::read(format!("{folder}{name}")).unwrap()
    }

    fn database(name: &str) -> GeoDatabase {
        GeoDatabase::from_bytes(bytes(name)).unwrap()
    }

    fn country(database: &GeoDatabase, address: &str) -> Option<String> {
        database
            .lookup(address.parse().unwrap())
            .map(|country| country.to_string())
    }

    #[test]
    fn country_and_city_databases_know_addresses_of_both_kinds() {
        for name in ["GeoIP2-Country-Test.mmdb", "GeoIP2-City-Test.mmdb"] {
            let database = database(name);
            let table = [
                ("81.2.69.160", Some("gb")),
                ("::ffff:81.2.69.160", Some("gb")),
                ("89.160.20.128", Some("se")),
                ("2001:218::1", Some("jp")),
                ("2a02:cf40::1", Some("no")),
                ("10.0.0.1", None),
                ("127.0.0.1", None),
                ("8.8.8.8", None),
                ("::1", None),
                ("2a02:d500::1", None),
                ("214.1.1.1", None),
            ];
            for (address, expected) in table {
                assert_eq!(country(&database, address).as_deref(), expected, "{name} {address}");
            }
        }
    }

    #[test]
    fn the_country_is_where_the_address_is_used_not_where_it_is_registered() {
        // Used in Bhutan, registered in Romania.
        let database = database("GeoIP2-Country-Test.mmdb");
        assert_eq!(country(&database, "67.43.156.1").as_deref(), Some("bt"));
    }

    #[test]
    fn a_flat_database_of_ipv4_is_read_too() {
        let database = database("flat-country.mmdb");
        let table = [
            ("81.2.69.160", Some("cy")),
            ("192.0.2.1", Some("is")),
            ("198.51.100.1", None),
            ("203.0.113.1", None),
            ("10.0.0.1", None),
            ("2001:218::1", None),
            ("::ffff:192.0.2.1", Some("is")),
        ];
        for (address, expected) in table {
            assert_eq!(country(&database, address).as_deref(), expected, "{address}");
        }
    }

    #[test]
    fn a_database_tells_its_type_and_age() {
        let database = database("flat-country.mmdb");
        assert_eq!(database.database_type(), "Flat-Country-Test");
        assert_eq!(database.build_epoch(), 1_767_225_600);
    }

    #[test]
    fn damaged_databases_are_refused() {
        let whole = bytes("GeoIP2-Country-Test.mmdb");
        let damaged = [
            bytes("unexpected-bytes.mmdb"),
            whole.iter().take(whole.len() / 2).copied().collect(),
            whole.iter().skip(1).copied().collect(),
            b"not a database".to_vec(),
            Vec::new(),
        ];
        for (place, bytes) in damaged.into_iter().enumerate() {
            let refusal = GeoDatabase::from_bytes(bytes);
            assert!(matches!(refusal, Err(GeoError::Damaged(_))), "{place}: {refusal:?}");
        }
    }

    #[test]
    fn a_damaged_database_without_description_is_refused_too() {
        let sound = bytes("flat-country.mmdb");
        let nodes = usize::try_from(database("flat-country.mmdb").reader.metadata().node_count).unwrap();
        // A record is a map of one pair, whose key is a pointer to the first value: let one point nowhere.
        let key = sound.windows(3).position(|bytes| bytes == b"\xe1\x20\x00").unwrap() + 1;
        let mut damaged_record = sound.clone();
        damaged_record[key..key + 2].copy_from_slice(b"\x27\xff");
        // Both branches of the second node lead back to it.
        let mut cyclic_tree = sound.clone();
        cyclic_tree[6..12].copy_from_slice(&[0, 0, 1, 0, 0, 1]);
        // Both branches of each node lead to the next: a million networks in 22 nodes.
        let mut endless_tree = sound;
        for (node, next) in (1..=20_usize).zip(2_u8..) {
            endless_tree[node * 6..][..6].copy_from_slice(&[0, 0, next, 0, 0, next]);
        }
        // In both, one branch of the first node is a network with a country: branches count from the tree's first byte
        // in nodes, and on in bytes of what follows.
        let record = u8::try_from(nodes + (key - 1 - nodes * 6)).unwrap();
        for tree in [&mut cyclic_tree, &mut endless_tree] {
            tree[..6].copy_from_slice(&[0, 0, record, 0, 0, 1]);
        }
        let damaged = [
            ("record", damaged_record),
            ("cyclic", cyclic_tree),
            ("endless", endless_tree),
        ];
        for (name, bytes) in damaged {
            let refusal = GeoDatabase::from_bytes(bytes);
            assert!(matches!(refusal, Err(GeoError::Damaged(_))), "{name}: {refusal:?}");
        }
    }

    #[test]
    fn a_database_without_countries_is_refused() {
        let refusal = GeoDatabase::from_bytes(bytes("GeoLite2-ASN-Test.mmdb"));
        assert!(matches!(refusal, Err(GeoError::NoCountries(kind)) if kind == "GeoLite2-ASN"));
    }
}
