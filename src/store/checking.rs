//! Looking at every byte of an index.

use tantivy::directory::error::OpenReadError;
use tantivy::{Index, TantivyError};

use super::index::unreadable;
use super::library::Library;
use super::{StoreError, search};

/// How much of the files is looked at when a store is opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Look {
    /// Whether all are there and end as they should; damage within is found by who reads it, or by a check.
    Quick,
    /// All bytes.
    Thorough,
}

/// Whether every file has the checksum it was written with; reads all of them, and after each asks `go_on`.
pub fn check(index: &Index, go_on: &mut dyn FnMut() -> bool) -> Result<(), TantivyError> {
    let (directory, metas) = (index.directory(), index.load_metas()?);
    let managed = directory.list_managed_files();
    for file in metas.list_segment_files().intersection(&managed) {
        match directory.validate_checksum(file) {
            Ok(true) => {}
            Ok(false) => return Err(unreadable(&format!("{} has another checksum", file.display()))),
            // Merged into another one meanwhile.
            Err(OpenReadError::FileDoesNotExist(_)) if !index.load_metas()?.list_segment_files().contains(file) => {}
            Err(error) => return Err(error.into()),
        }
        if !go_on() {
            break;
        }
    }
    Ok(())
}

impl Library {
    /// Reads every file of the months while others read and write, and after each asks `go_on`.
    ///
    /// # Errors
    /// The first that is not as it was written.
    pub fn check(&self, go_on: &mut dyn FnMut() -> bool) -> Result<(), StoreError> {
        for (month, searcher) in self.snapshot().months {
            search::guarded(month, || check(searcher.index(), go_on))?;
        }
        Ok(())
    }
}
