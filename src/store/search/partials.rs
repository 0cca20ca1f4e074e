//! What was counted of segments, kept for the next time that the same is asked. A segment never changes: events are
//! added in new ones. So of a question that comes again only the newest, small segments are looked at.

use std::sync::Arc;

use quick_cache::Weighter;
use quick_cache::sync::Cache;
use tantivy::SegmentReader;
use tantivy::index::SegmentId;

use super::hashes::one_piece;
use super::measure::Sum;
use super::{Key, Search};
use crate::store::StoreLimits;

/// About how many partial answers are kept; what they take is bounded by bytes.
const KEPT_MAX: usize = 10_000;
/// The share of all memory that one may take.
const SHARE_MAX: u64 = 4;

/// The groups of one segment.
#[derive(Debug, Default)]
pub struct Partial {
    /// What names each group.
    pub names: Vec<Box<[Key]>>,
    /// A list of their sums a measure.
    pub sums: Vec<Vec<Sum>>,
    /// Events that were left out since machines sent them.
    pub left_out: u64,
}

/// A segment as it is, deletions and all, and what was asked of it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Asked {
    segment: SegmentId,
    deleted: u32,
    question: Box<str>,
}

/// Keeps partial answers.
#[derive(Clone)]
pub struct Partials {
    kept: Arc<Cache<Asked, Arc<Partial>, ByBytes>>,
    bytes_max: u64,
    documents_min: u32,
}

#[derive(Debug, Clone)]
struct ByBytes;

impl Weighter<Asked, Arc<Partial>> for ByBytes {
    fn weight(&self, asked: &Asked, partial: &Arc<Partial>) -> u64 {
        (asked.question.len() + partial.bytes()) as u64
    }
}

impl Partials {
    /// Keeps nothing yet.
    pub fn new(limits: &StoreLimits) -> Self {
        let bytes_max = limits.partials_bytes_max;
        Self {
            kept: Arc::new(one_piece(KEPT_MAX, bytes_max, ByBytes)),
            bytes_max,
            documents_min: limits.large_segment_documents,
        }
    }

    /// Under what the answer of a segment is kept, whose times are these; `None` if it is not worth it.
    pub fn key(&self, search: &Search, reader: &SegmentReader, (first_ms, last_ms): (u64, u64)) -> Option<Asked> {
        if reader.max_doc() < self.documents_min || !search.condition.is_lasting() {
            return None;
        }
        // As far as the segment can tell them apart.
        let times = search.times.start.max(first_ms)..search.times.end.min(last_ms.saturating_add(1));
        let meant = (search.site, times, &search.condition, search.people_only);
        let question = (meant, &search.keys, &search.measures);
        Some(Asked {
            segment: reader.segment_id(),
            deleted: reader.num_deleted_docs(),
            question: format!("{question:?}").into(),
        })
    }

    /// Keeps nothing any more.
    pub fn forget(&self) {
        self.kept.clear();
    }

    /// A partial answer that is kept.
    pub fn get(&self, asked: &Asked) -> Option<Arc<Partial>> {
        self.kept.get(asked)
    }

    /// Keeps a partial answer, unless it is too large.
    pub fn keep(&self, asked: Asked, partial: &Arc<Partial>) {
        if partial.bytes() as u64 <= self.bytes_max / SHARE_MAX {
            self.kept.insert(asked, Arc::clone(partial));
        }
    }
}

impl Partial {
    fn bytes(&self) -> usize {
        let of_key = |key: &Key| {
            size_of::<Key>()
                + match key {
                    Key::Text(text) => text.len(),
                    Key::None | Key::Bucket(_) => 0,
                }
        };
        let of_name = |name: &[Key]| size_of::<Box<[Key]>>() + name.iter().map(of_key).sum::<usize>();
        let names = self.names.iter().map(|name| of_name(name)).sum::<usize>();
        let sums = self.sums.iter().flatten().map(|sum| size_of::<Sum>() + sum.bytes());
        size_of::<Self>() + names + sums.sum::<usize>()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_let_go_of_is_not_kept() {
        let partials = Partials::new(&StoreLimits::default());
        let asked = Asked {
            segment: SegmentId::generate_random(),
            deleted: 0,
            question: "?".into(),
        };
        partials.keep(asked.clone(), &Arc::default());
        assert!(partials.get(&asked).is_some());
        partials.forget();
        assert!(partials.get(&asked).is_none());
    }
}
