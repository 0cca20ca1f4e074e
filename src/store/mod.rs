//! The store: every event with all its columns, for breakdowns, filters, lists and histories.
//!
//! A view behind the log. Rows come in the order of their sequences and lie in one index a month of event time
//! (Tantivy: each column compressed by itself, terms indexed where filters need them), so that retention drops
//! folders. Each index notes with every commit up to which sequence it has its month; the store's own note, a small
//! file, says up to which sequence all of them do. What is appended again after a restart is skipped by the one or
//! by the other, so a replay never doubles a row.
//!
//! Must not know: HTTP, frames, what questions mean. The only room that names tantivy.
//!
//! Bounded: open writers and their memory, paths of properties with a column, groups of an answer.
//!
//! On failure: what an index says against itself sets it aside as `<month>.damaged`, loudly, and takes the cursor back
//! to zero, so that the month is made again from the frames that are kept. A write that fails leaves the store behind
//! its cursor: open it again and append from there.

mod checking;
mod column;
mod document;
mod index;
mod library;
mod month;
mod opening;
mod properties;
mod schema;
pub mod search;
mod size;
mod state;
mod survey;
mod writing;

use std::io;
use std::path::{Path, PathBuf};

use tantivy::TantivyError;

use crate::config::StoreConfig;
use crate::event::Sequence;

pub use column::{COLUMNS, Column, Field, Kind};
pub use library::{Library, Snapshot};
pub use month::Month;
pub use opening::Finding;
pub use properties::is_path;
pub use state::Lack;
pub use survey::{Surveyed, survey, survey_sessions};
pub use writing::Store;

/// What the store may use.
#[derive(Debug, Clone, Copy)]
pub struct StoreLimits {
    /// Open writers; a row of one more month closes the one that was idle for longest.
    pub writers_max: usize,
    /// Memory of a writer before it begins a segment, at least 15 MB.
    pub writer_bytes: usize,
    /// Paths of properties that get a column, a month; others are kept and returned, and cannot be asked for.
    pub property_paths_max: usize,
    /// Threads of one search.
    pub search_threads: usize,
    /// Groups that one answer may be made of.
    pub groups_max: usize,
    /// Memory of what was counted of segments and is kept for the next question, in bytes.
    pub partials_bytes_max: u64,
    /// Segments with so many documents are shared by threads, and what was counted of them is kept.
    pub large_segment_documents: u32,
}

/// Counting fewer documents again costs less than sharing the work or keeping what was counted.
const LARGE_SEGMENT_DOCUMENTS: u32 = 1 << 16;

impl Default for StoreLimits {
    fn default() -> Self {
        Self::from(&StoreConfig::default())
    }
}

impl From<&StoreConfig> for StoreLimits {
    fn from(config: &StoreConfig) -> Self {
        Self {
            writers_max: config.writers_max,
            writer_bytes: config.writer_bytes,
            property_paths_max: config.property_paths_max,
            search_threads: config.search_threads,
            groups_max: config.groups_max,
            partials_bytes_max: config.partials_bytes_max,
            large_segment_documents: LARGE_SEGMENT_DOCUMENTS,
        }
    }
}

/// The highest sequence that the store in a folder has seen, as its note and its months say; zero where there is none.
///
/// # Errors
/// The note cannot be read.
pub fn seen_in(folder: &Path) -> io::Result<Sequence> {
    let state = match state::State::read(folder) {
        Ok(state) => state.unwrap_or_default(),
        // Whoever opens the store says so.
        Err(error) if matches!(error.kind(), io::ErrorKind::InvalidData | io::ErrorKind::Unsupported) => {
            state::State::default()
        }
        Err(error) => return Err(error),
    };
    let months = match opening::months_in(folder) {
        Ok(months) => months,
        Err(error) if error.kind() == io::ErrorKind::NotFound => Vec::new(),
        Err(error) => return Err(error),
    };
    // One that cannot be read begins anew, and has seen nothing then.
    let seen = months
        .into_iter()
        .filter_map(|month| index::committed_in(&folder.join(month.to_string())));
    Ok(seen.fold(state.cursor, Sequence::max))
}

/// Why the store could not do what was asked.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// Its own files.
    #[error("{path}: {source}")]
    Files {
        /// Which.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// An index.
    #[error("the index of {month}: {source}")]
    Index {
        /// Which.
        month: Month,
        /// What it says.
        source: TantivyError,
    },
    /// Reading an index failed in a way that only damage explains.
    #[error("the index of {0} could not be read to its end; it is damaged")]
    Unreadable(Month),
    /// A write failed before.
    #[error("a write to the event store failed; it must be opened again")]
    Failed,
    /// The answer took longer than it may.
    #[error("the answer took too long")]
    TooSlow,
    /// More groups than allowed.
    #[error("the answer has more than {0} groups")]
    TooManyGroups(usize),
}

impl StoreError {
    /// Something about a file or folder.
    fn files(path: &Path, source: io::Error) -> Self {
        let path = path.into();
        Self::Files { path, source }
    }

    /// Something about a month's index.
    fn index(month: Month) -> impl FnOnce(TantivyError) -> Self {
        move |source| Self::Index { month, source }
    }
}
