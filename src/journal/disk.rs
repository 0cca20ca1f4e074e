//! What the journal asks of a file system, small enough to be simulated.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// A directory of files.
pub trait Disk: Send + Sync + 'static {
    /// The names in the directory, in no order.
    ///
    /// # Errors
    /// When the directory cannot be read.
    fn list(&self) -> io::Result<Vec<String>>;
    /// Makes a new, empty file; the name lasts only after [`Disk::sync_names`].
    ///
    /// # Errors
    /// When the file exists or cannot be made.
    fn create(&self, name: &str) -> io::Result<Arc<dyn DiskFile>>;
    /// Opens a file for reading.
    ///
    /// # Errors
    /// When there is none or it cannot be read.
    fn open(&self, name: &str) -> io::Result<Arc<dyn DiskFile>>;
    /// Gives a file another name, replacing what had it.
    ///
    /// # Errors
    /// When the file system refuses.
    fn rename(&self, from: &str, to: &str) -> io::Result<()>;
    /// Gives a file a second name; it may have that name already.
    ///
    /// # Errors
    /// When the file system refuses.
    fn link(&self, name: &str, second: &str) -> io::Result<()>;
    /// Removes a file.
    ///
    /// # Errors
    /// When the file system refuses.
    fn remove(&self, name: &str) -> io::Result<()>;
    /// Makes names last: after it, creations, renames and removals survive a power cut.
    ///
    /// # Errors
    /// When the sync fails; then nothing is known about the names.
    fn sync_names(&self) -> io::Result<()>;
}

/// A file of a [`Disk`].
pub trait DiskFile: Send + Sync {
    /// Writes all bytes at an offset.
    ///
    /// # Errors
    /// When not all could be written; any part may have been.
    fn write_at(&self, offset: u64, bytes: &[u8]) -> io::Result<()>;
    /// Reads up to `into.len()` bytes at an offset; fewer only at the end.
    ///
    /// # Errors
    /// When the file cannot be read.
    fn read_at(&self, offset: u64, into: &mut [u8]) -> io::Result<usize>;
    /// Makes the bytes last (`fdatasync`).
    ///
    /// # Errors
    /// When the sync fails; then nothing is known about the bytes since the last one that succeeded.
    fn sync(&self) -> io::Result<()>;
    /// Cuts the file to a length.
    ///
    /// # Errors
    /// When the file system refuses.
    fn truncate(&self, length: u64) -> io::Result<()>;
    /// The file's length in bytes.
    ///
    /// # Errors
    /// When the file system refuses.
    fn length(&self) -> io::Result<u64>;
}

/// A directory of the real file system.
#[derive(Debug)]
pub struct RealDisk {
    folder: PathBuf,
}

impl RealDisk {
    /// Makes the directory if it is not there.
    ///
    /// # Errors
    /// When it can be neither made nor used.
    pub fn new(folder: &Path) -> io::Result<Self> {
        fs::create_dir_all(folder)?;
        Ok(Self {
            folder: folder.to_owned(),
        })
    }
}

impl Disk for RealDisk {
    fn list(&self) -> io::Result<Vec<String>> {
        let entries = fs::read_dir(&self.folder)?;
        entries
            .map(|entry| Ok(entry?.file_name().to_string_lossy().into_owned()))
            .collect()
    }

    fn create(&self, name: &str) -> io::Result<Arc<dyn DiskFile>> {
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .create_new(true)
            .open(self.folder.join(name))?;
        Ok(Arc::new(file))
    }

    fn open(&self, name: &str) -> io::Result<Arc<dyn DiskFile>> {
        Ok(Arc::new(File::open(self.folder.join(name))?))
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        fs::rename(self.folder.join(from), self.folder.join(to))
    }

    fn link(&self, name: &str, second: &str) -> io::Result<()> {
        match fs::hard_link(self.folder.join(name), self.folder.join(second)) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => Err(error),
            _ => Ok(()),
        }
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        fs::remove_file(self.folder.join(name))
    }

    fn sync_names(&self) -> io::Result<()> {
        File::open(&self.folder)?.sync_all()
    }
}

impl DiskFile for File {
    fn write_at(&self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        self.write_all_at(bytes, offset)
    }

    fn read_at(&self, offset: u64, into: &mut [u8]) -> io::Result<usize> {
        let mut filled = 0;
        while let Some(rest) = into.get_mut(filled..).filter(|rest| !rest.is_empty()) {
            match FileExt::read_at(self, rest, offset + filled as u64) {
                Ok(0) => break,
                Ok(read) => filled += read,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(filled)
    }

    fn sync(&self) -> io::Result<()> {
        self.sync_data()
    }

    fn truncate(&self, length: u64) -> io::Result<()> {
        self.set_len(length)
    }

    fn length(&self) -> io::Result<u64> {
        Ok(self.metadata()?.len())
    }
}
