//! Room on the data directory's file system: how much is left, a reserve for bad days, and whether what is written there
//! lasts at all.
//!
//! A file system without any room takes no segment, no rewrite of the last one at a start, and no write of the
//! counters' database. So visits are refused while less than a low watermark is free, and a file of a segment's size
//! is set aside, which a start gives up when it finds no room otherwise.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use rustix::fs::{FallocateFlags, FsWord, fallocate, fstatvfs, statfs};

use crate::config::JournalConfig;

const RESERVE: &str = "reserve";

/// File systems whose files end with the machine or the container, by the number that `statfs` gives (statfs(2)).
const EPHEMERAL: [(FsWord, &str); 3] = [
    (0x0102_1994, "tmpfs"),
    (0x8584_58f6, "ramfs"),
    (0x794c_7630, "overlayfs"),
];

/// The room of one data directory.
#[derive(Debug)]
pub struct Space {
    folder: PathBuf,
    free_bytes_min: u64,
    reserve_bytes: u64,
}

impl Space {
    /// The room of a data directory that exists.
    pub fn new(folder: &Path, config: &JournalConfig) -> Self {
        Self {
            folder: folder.to_owned(),
            free_bytes_min: config.free_bytes_min,
            reserve_bytes: config.reserve_bytes,
        }
    }

    /// Gives the reserve up if the file system has not as much left; for a start, before anything is written.
    ///
    /// # Errors
    /// When the file system cannot be asked, or the reserve not be removed.
    pub fn make_room(&self) -> io::Result<()> {
        let reserve = self.folder.join(RESERVE);
        if self.free_bytes()? >= self.reserve_bytes || !reserve.exists() {
            return Ok(());
        }
        tracing::warn!(folder = %self.folder.display(), "the file system is full: starting with the room of the reserve");
        fs::remove_file(reserve)
    }

    /// Sets the reserve aside, unless it is there or would take the last room.
    ///
    /// # Errors
    /// When it cannot be made; then there is none.
    pub fn keep_reserve(&self) -> io::Result<()> {
        let path = self.folder.join(RESERVE);
        let found = fs::metadata(&path).map_or(0, |file| file.len());
        if self.reserve_bytes == 0 || found >= self.reserve_bytes {
            return Ok(());
        }
        if self.free_bytes()? < self.reserve_bytes.saturating_add(self.free_bytes_min) {
            return Ok(());
        }
        let file = File::create(&path)?;
        let made = fallocate(&file, FallocateFlags::empty(), 0, self.reserve_bytes);
        made.map_err(|error| {
            // Half a reserve is worse than none: it takes room and gives too little.
            let _ = fs::remove_file(&path);
            error.into()
        })
    }

    /// Whether less is free than must be for visits to be taken.
    ///
    /// # Errors
    /// When the file system cannot be asked.
    pub fn is_short(&self) -> io::Result<bool> {
        Ok(self.free_bytes()? < self.free_bytes_min)
    }

    /// The file system's type if nothing on it lasts.
    ///
    /// # Errors
    /// When the file system cannot be asked.
    pub fn ephemeral(&self) -> io::Result<Option<&'static str>> {
        let found = statfs(&self.folder)?.f_type;
        let known = EPHEMERAL.iter().find(|(number, _)| *number == found);
        Ok(known.map(|(_, name)| *name))
    }

    /// Bytes that this process could still write.
    fn free_bytes(&self) -> io::Result<u64> {
        let found = fstatvfs(File::open(&self.folder)?)?;
        Ok(found.f_bavail.saturating_mul(found.f_frsize))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn space(folder: &Path, free_bytes_min: u64, reserve_bytes: u64) -> Space {
        let config = JournalConfig {
            free_bytes_min,
            reserve_bytes,
            ..JournalConfig::default()
        };
        Space::new(folder, &config)
    }

    #[test]
    fn the_reserve_is_kept_while_there_is_room_and_given_up_when_there_is_none() {
        let folder = tempfile::tempdir().unwrap();
        let reserve = folder.path().join(RESERVE);
        space(folder.path(), 0, 5_000).keep_reserve().unwrap();
        assert_eq!(fs::metadata(&reserve).unwrap().len(), 5_000);
        space(folder.path(), 0, 5_000).make_room().unwrap();
        assert!(reserve.exists(), "there is room enough");
        space(folder.path(), 0, u64::MAX).make_room().unwrap();
        assert!(!reserve.exists());
        space(folder.path(), u64::MAX, 5_000).keep_reserve().unwrap();
        assert!(!reserve.exists(), "it would take the last room");
    }

    #[test]
    fn a_watermark_above_what_is_free_is_short() {
        let folder = tempfile::tempdir().unwrap();
        assert!(!space(folder.path(), 1, 0).is_short().unwrap());
        assert!(space(folder.path(), u64::MAX, 0).is_short().unwrap());
    }

    #[test]
    fn memory_does_not_last() {
        let shared_memory = Path::new("/dev/shm");
        assert_eq!(space(shared_memory, 0, 0).ephemeral().unwrap(), Some("tmpfs"));
        assert_eq!(space(Path::new("/proc"), 0, 0).ephemeral().unwrap(), None);
    }
}
