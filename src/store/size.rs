//! What the store takes on disk, and for what.

use std::collections::BTreeMap;

use super::StoreError;
use super::library::Snapshot;

impl Snapshot {
    /// Bytes on disk by what they hold: each column, the terms of each, what is only returned, and the rest.
    ///
    /// # Errors
    /// An index cannot be read.
    pub fn sizes(&self) -> Result<BTreeMap<String, u64>, StoreError> {
        let mut sizes = BTreeMap::new();
        for (month, searcher) in &self.months {
            let usage = searcher.space_usage().map_err(|source| StoreError::Index {
                month: *month,
                source: source.into(),
            })?;
            for segment in usage.segments() {
                let mut known = 0;
                let mut add = |name: String, bytes: u64| {
                    known += bytes;
                    *sizes.entry(name).or_insert(0) += bytes;
                };
                for field in segment.fast_fields().fields() {
                    add(format!("column {}", field.field_name()), field.total().get_bytes());
                }
                for field in segment.termdict().fields().chain(segment.postings().fields()) {
                    add(format!("terms {}", field.field_name()), field.total().get_bytes());
                }
                add("returned".into(), segment.store().total().get_bytes());
                let rest = segment.total().get_bytes().saturating_sub(known);
                *sizes.entry("rest".into()).or_insert(0) += rest;
            }
        }
        Ok(sizes)
    }
}
