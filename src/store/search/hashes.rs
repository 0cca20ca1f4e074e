//! The hash of every value of a column, so that values of several segments can be counted as one set.

use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;

use quick_cache::Weighter;
use quick_cache::sync::Cache;
use tantivy::columnar::StrColumn;
use tantivy::index::SegmentId;

use crate::store::column::Column;

/// Memory of all hashes that are kept, in bytes.
const KEPT_BYTES_MAX: u64 = 64 << 20;
/// About how many segments and columns that are.
const KEPT_MAX: usize = 1_000;

type Kept = Cache<(SegmentId, Column), Arc<[u64]>, ByBytes>;

/// Keeps the hashes of segments, which never change, for the next question.
#[derive(Clone)]
pub struct HashCache {
    kept: Arc<Kept>,
    hasher: RandomState,
}

#[derive(Debug, Clone)]
struct ByBytes;

impl Weighter<(SegmentId, Column), Arc<[u64]>> for ByBytes {
    fn weight(&self, _: &(SegmentId, Column), hashes: &Arc<[u64]>) -> u64 {
        64 + 8 * hashes.len() as u64
    }
}

impl Default for HashCache {
    fn default() -> Self {
        Self {
            kept: Arc::new(Cache::with_weighter(KEPT_MAX, KEPT_BYTES_MAX, ByBytes)),
            hasher: RandomState::new(),
        }
    }
}

impl HashCache {
    /// The hashes of a segment's column, in the order of its terms.
    pub fn of(&self, segment: SegmentId, column: Column, values: &StrColumn) -> std::io::Result<Arc<[u64]>> {
        if let Some(hashes) = self.kept.get(&(segment, column)) {
            return Ok(hashes);
        }
        let mut hashes = Vec::with_capacity(values.num_terms());
        let mut terms = values.dictionary().stream()?;
        while terms.advance() {
            hashes.push(self.hasher.hash_one(terms.key()));
        }
        let hashes: Arc<[u64]> = hashes.into();
        self.kept.insert((segment, column), Arc::clone(&hashes));
        Ok(hashes)
    }
}
