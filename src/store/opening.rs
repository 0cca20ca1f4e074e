//! Opening the store: which months are there, and which are not as they were left.

use std::collections::BTreeMap;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};

use tantivy::TantivyError;
use tantivy::directory::error::OpenReadError;

use super::StoreError;
use super::checking::Look;
use super::index::{MonthIndex, Shape};
use super::month::Month;
use super::state::State;

/// What was found wrong when the store was opened; all of it begins again from the frames that are kept.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Finding {
    /// The note about the store.
    #[error("the note about the event store is damaged")]
    State,
    /// An index was set aside.
    #[error("the event store's index of {month} is damaged: {why}")]
    Damaged {
        /// Which.
        month: Month,
        /// The name under which it was set aside; empty after a look that changes nothing.
        aside: PathBuf,
        /// What it said.
        why: String,
    },
    /// An index is not there.
    #[error("the event store's index of {0} is gone")]
    Gone(Month),
}

impl Finding {
    /// The name under which it was set aside.
    pub fn aside(&self) -> Option<&Path> {
        match self {
            Self::Damaged { aside, .. } => Some(aside),
            Self::State | Self::Gone(_) => None,
        }
    }
}

/// Opens the index of every month that is kept, and tells those that are damaged or gone.
pub fn open_months(
    folder: &Path,
    state: &State,
    (shape, look): (&Shape, Look),
    findings: &mut Vec<Finding>,
) -> Result<BTreeMap<Month, MonthIndex>, StoreError> {
    let mut missing = state.months.clone();
    let mut months = BTreeMap::new();
    for month in months_in(folder).map_err(|source| StoreError::files(folder, source))? {
        let path = folder.join(month.to_string());
        let dropped = state.first.is_some_and(|first| month < first);
        // What has no list of segments and is not among the months was begun and never committed.
        let begun = !state.months.contains(&month) && !path.join("meta.json").exists();
        if dropped || begun {
            remove(&path)?;
            continue;
        }
        missing.remove(&month);
        match open_whole(&path, month, shape, look) {
            Ok(index) => {
                months.insert(month, index);
            }
            Err(error) if is_damage(&error, state.months.contains(&month)) => {
                findings.push(set_aside(&path, month, &error)?);
            }
            Err(source) => return Err(StoreError::Index { month, source }),
        }
    }
    findings.extend(missing.into_iter().map(Finding::Gone));
    Ok(months)
}

/// Opens an index that must be whole; damage may also show as a panic of who reads it.
pub fn open_whole(path: &Path, month: Month, shape: &Shape, look: Look) -> Result<MonthIndex, TantivyError> {
    let opened = catch_unwind(AssertUnwindSafe(|| MonthIndex::open(path, month, shape, look)));
    opened.unwrap_or_else(|_| Err(TantivyError::InternalError("it could not be read to its end".into())))
}

/// Whether an index says something against itself, and not the system against us. The note, of which a sum is kept, names
/// the version and so the columns of the indexes that it lists; others may be of another version.
fn is_damage(error: &TantivyError, is_listed: bool) -> bool {
    match error {
        TantivyError::SchemaError(_) => is_listed,
        TantivyError::IncompatibleIndex(_)
        | TantivyError::LockFailure(..)
        | TantivyError::OpenReadError(OpenReadError::IncompatibleIndex(_)) => false,
        TantivyError::IoError(error) => error.raw_os_error().is_none(),
        TantivyError::OpenReadError(OpenReadError::IoError { io_error, .. }) => io_error.raw_os_error().is_none(),
        _ => true,
    }
}

/// Gives a damaged index a name under which nobody takes it for one.
fn set_aside(path: &Path, month: Month, why: &TantivyError) -> Result<Finding, StoreError> {
    let mut aside = path.with_extension("damaged");
    for place in 2.. {
        if !aside.exists() {
            break;
        }
        aside = path.with_extension(format!("damaged-{place}"));
    }
    std::fs::rename(path, &aside).map_err(|source| StoreError::files(path, source))?;
    let why = why.to_string();
    Ok(Finding::Damaged { month, aside, why })
}

/// The months that have a folder, in order.
pub fn months_in(folder: &Path) -> io::Result<Vec<Month>> {
    let mut months = Vec::new();
    for entry in std::fs::read_dir(folder)? {
        months.extend(entry?.file_name().to_str().and_then(Month::parse));
    }
    months.sort_unstable();
    Ok(months)
}

/// Removes a folder with all that is in it, if it is there.
pub fn remove(path: &Path) -> Result<(), StoreError> {
    match std::fs::remove_dir_all(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(StoreError::files(path, error)),
        _ => Ok(()),
    }
}
