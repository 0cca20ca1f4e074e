//! The data directory: one gateway at a time, and an identity for life.

use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use super::JournalError;
use super::segment::Identity;

const LOCK: &str = "lock";
const IDENTITY: &str = "identity";

/// A data directory that this process holds.
#[derive(Debug)]
pub struct Home {
    folder: PathBuf,
    identity: Identity,
    /// Held as long as this lives.
    _lock: File,
}

impl Home {
    /// Makes the directory if need be, locks it, and reads or bears its identity.
    ///
    /// # Errors
    /// When another process holds it, or it cannot be used.
    pub fn open(folder: &Path) -> Result<Self, JournalError> {
        let in_folder = |source| JournalError::Folder {
            folder: folder.to_owned(),
            source,
        };
        fs::create_dir_all(folder).map_err(in_folder)?;
        let lock = lock(folder)?;
        let identity = match read_identity(folder).map_err(in_folder)? {
            Some(identity) => identity,
            None => bear_identity(folder).map_err(in_folder)?,
        };
        Ok(Self {
            folder: folder.to_owned(),
            identity,
            _lock: lock,
        })
    }

    /// Who this directory is.
    pub const fn identity(&self) -> Identity {
        self.identity
    }

    /// The directory.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Where the segments lie.
    pub fn journal_folder(&self) -> PathBuf {
        self.folder.join("journal")
    }

    /// Where the counters' database lies.
    pub fn counters_file(&self) -> PathBuf {
        self.folder.join("counters.sqlite")
    }
}

/// The identity of a data directory, without locking it; `None` if it has none yet.
///
/// # Errors
/// When the file cannot be read or is no identity.
pub fn read_identity(folder: &Path) -> io::Result<Option<Identity>> {
    let text = match fs::read_to_string(folder.join(IDENTITY)) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    let number = u128::from_str_radix(text.trim(), 16)
        .ok()
        .filter(|_| text.trim().len() == 32);
    match number {
        Some(number) => Ok(Some(Identity(number.to_be_bytes()))),
        None => Err(io::Error::new(
            io::ErrorKind::InvalidData,
            "the file `identity` is not 32 hexadecimal digits",
        )),
    }
}

fn lock(folder: &Path) -> Result<File, JournalError> {
    let path = folder.join(LOCK);
    let in_folder = |source| JournalError::Folder {
        folder: folder.to_owned(),
        source,
    };
    let mut file = File::options()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .open(&path)
        .map_err(in_folder)?;
    match file.try_lock() {
        Ok(()) => {}
        Err(fs::TryLockError::WouldBlock) => {
            let mut holder = String::new();
            // Whose it is only helps the operator; the refusal stands without it.
            let _ = file.read_to_string(&mut holder);
            return Err(JournalError::Locked {
                folder: folder.to_owned(),
                holder: holder.trim().to_owned(),
            });
        }
        Err(fs::TryLockError::Error(error)) => return Err(in_folder(error)),
    }
    // For whoever is refused; a full disk must not stand in the way of a start.
    let _ = file.set_len(0).and_then(|()| writeln!(file, "{}", std::process::id()));
    Ok(file)
}

fn bear_identity(folder: &Path) -> io::Result<Identity> {
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes).map_err(io::Error::other)?;
    let draft = folder.join("identity.tmp");
    let mut file = File::create(&draft)?;
    writeln!(file, "{:032x}", u128::from_be_bytes(bytes))?;
    file.sync_all()?;
    fs::rename(&draft, folder.join(IDENTITY))?;
    File::open(folder)?.sync_all()?;
    Ok(Identity(bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_identity_is_kept_for_life_and_a_second_holder_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let home = Home::open(folder.path()).unwrap();
        let refused = Home::open(folder.path());
        assert!(matches!(refused, Err(JournalError::Locked { .. })), "{refused:?}");
        let identity = home.identity();
        drop(home);
        assert_eq!(Home::open(folder.path()).unwrap().identity(), identity);
    }

    #[test]
    fn a_damaged_identity_is_an_error_and_never_replaced() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join(IDENTITY), "not hexadecimal").unwrap();
        assert!(matches!(Home::open(folder.path()), Err(JournalError::Folder { .. })));
    }
}
