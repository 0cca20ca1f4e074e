//! The hash of every value of a column, so that values of several segments can be counted as one set.

use std::hash::{BuildHasher, Hash, RandomState};
use std::sync::Arc;

use quick_cache::sync::{Cache, DefaultLifecycle};
use quick_cache::{DefaultHashBuilder, OptionsBuilder, Weighter};
use tantivy::columnar::StrColumn;
use tantivy::index::SegmentId;

use crate::store::column::Column;

/// Memory of all hashes that are kept, in bytes.
const KEPT_BYTES_MAX: u64 = 48 << 20;
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
            kept: Arc::new(one_piece(KEPT_MAX, KEPT_BYTES_MAX, ByBytes)),
            hasher: RandomState::new(),
        }
    }
}

/// A cache that is not cut into pieces: what takes much of it would fit none of them.
pub fn one_piece<K, V, W>(items: usize, bytes_max: u64, weighter: W) -> Cache<K, V, W>
where
    K: Eq + Hash,
    V: Clone,
    W: Weighter<K, V> + Clone,
{
    let options = OptionsBuilder::new()
        .shards(1)
        .estimated_items_capacity(items)
        .weight_capacity(bytes_max)
        .build();
    match options {
        Ok(options) => Cache::with_options(
            options,
            weighter,
            DefaultHashBuilder::default(),
            DefaultLifecycle::default(),
        ),
        Err(_) => Cache::with_weighter(items, bytes_max, weighter),
    }
}

impl HashCache {
    /// Keeps nothing any more.
    pub fn forget(&self) {
        self.kept.clear();
    }

    /// The hash of a value.
    pub fn hash(&self, value: &str) -> u64 {
        self.hasher.hash_one(value.as_bytes())
    }

    /// The hashes of a segment's column, in the order of its terms; made once for everyone who needs them at a time.
    pub fn of(&self, segment: SegmentId, column: Column, values: &StrColumn) -> std::io::Result<Arc<[u64]>> {
        self.kept.get_or_insert_with(&(segment, column), || {
            let mut hashes = Vec::with_capacity(values.num_terms());
            let mut terms = values.dictionary().stream()?;
            while terms.advance() {
                hashes.push(self.hasher.hash_one(terms.key()));
            }
            Ok(hashes.into())
        })
    }
}
