//! Where a database keeps the country of a record.

use std::collections::HashSet;

use maxminddb::{MaxMindDbError, PathElement, Reader, Within, WithinOptions};

/// Networks that are looked at to learn the path.
const PROBED_NETWORKS_MAX: usize = 100_000;

/// The path from a record to its country's code; the same in all records of a database.
#[derive(Debug, Clone, Copy)]
pub(super) enum CountryPath {
    /// `country.iso_code`: MaxMind's Country and City, DB-IP.
    Nested,
    /// `country_code`: a flat record.
    Flat,
}

impl CountryPath {
    const ALL: [Self; 2] = [Self::Nested, Self::Flat];

    /// The path in the first record that has a country; a few have none in every database.
    pub(super) fn of(reader: &Reader<Vec<u8>>) -> Result<Option<Self>, MaxMindDbError> {
        for record in every_network(reader)?.take(PROBED_NETWORKS_MAX) {
            let record = record?;
            // A path that leads through something else than a map is an error, and not this record's.
            let has = |path: &Self| matches!(record.decode_path::<&str>(path.keys()), Ok(Some(_)));
            if let Some(path) = Self::ALL.into_iter().find(has) {
                return Ok(Some(path));
            }
        }
        Ok(None)
    }

    /// Verifies the tree, and of each record what lookups read of it.
    pub(super) fn verify(self, reader: &Reader<Vec<u8>>) -> Result<(), MaxMindDbError> {
        // A node has two branches, so a sound tree has fewer networks; one that leads back into itself has no end.
        let mut networks_left = u64::from(reader.metadata().node_count) * 3;
        let mut seen = HashSet::new();
        for record in every_network(reader)? {
            let record = record?;
            networks_left = networks_left
                .checked_sub(1)
                .ok_or_else(|| MaxMindDbError::invalid_database("the search tree leads back into itself"))?;
            // Records are shared by networks: each is decoded once.
            if record.offset().is_some_and(|offset| seen.insert(offset)) {
                record.decode_path::<&str>(self.keys())?;
            }
        }
        Ok(())
    }

    /// The keys that lead from a record to its two letters.
    pub(super) const fn keys(self) -> &'static [PathElement<'static>] {
        match self {
            Self::Nested => &[PathElement::Key("country"), PathElement::Key("iso_code")],
            Self::Flat => &[PathElement::Key("country_code")],
        }
    }
}

/// Walks the tree; networks without a record are told too, so that whoever counts can stop in a tree without end.
fn every_network(reader: &Reader<Vec<u8>>) -> Result<Within<'_, Vec<u8>>, MaxMindDbError> {
    reader.networks(WithinOptions::default().include_networks_without_data())
}
