//! The two lanes of a data directory: each a journal with its counters, an identity for life, one holder at a time.
//!
//! A gateway writes to one lane and looks after both. At a restart without a pause the new process writes to the other
//! one while the old process finishes its own.

use std::fmt;
use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use super::JournalError;
use super::segment::Identity;

const LOCK: &str = "lock";
const IDENTITY: &str = "identity";
const JOURNAL: &str = "journal";

/// Which of a data directory's lanes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Lane(usize);

/// A lane that this process holds, whether anything was ever kept there or not.
#[derive(Debug)]
pub struct LaneLock {
    lane: Lane,
    folder: PathBuf,
    /// Held as long as this lives.
    _lock: File,
}

/// A lane that this process holds, with its identity.
#[derive(Debug)]
pub struct Home {
    lock: LaneLock,
    identity: Identity,
}

impl fmt::Display for Lane {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "lane-{}", self.0)
    }
}

impl Lane {
    /// Both.
    pub const BOTH: [Self; 2] = [Self(0), Self(1)];

    /// The one beside it.
    #[must_use]
    pub const fn other(self) -> Self {
        Self(1 - self.0)
    }

    /// Its folder in a data directory.
    pub fn folder(self, data_dir: &Path) -> PathBuf {
        data_dir.join(self.to_string())
    }

    /// Where its segments lie.
    pub fn journal_folder(self, data_dir: &Path) -> PathBuf {
        self.folder(data_dir).join(JOURNAL)
    }

    /// Its identity, without locking it; `None` if nothing was ever kept there.
    ///
    /// # Errors
    /// When the file cannot be read or is no identity.
    pub fn identity(self, data_dir: &Path) -> io::Result<Option<Identity>> {
        read_identity(&self.folder(data_dir))
    }
}

/// The identity of a data directory, for what must mean the same in both lanes: that of the first one that was used.
///
/// # Errors
/// When it cannot be read, or nothing was ever kept there.
pub fn identity_of(data_dir: &Path) -> io::Result<Identity> {
    for lane in Lane::BOTH {
        if let Some(identity) = lane.identity(data_dir)? {
            return Ok(identity);
        }
    }
    Err(io::Error::new(io::ErrorKind::NotFound, "nothing was ever kept there"))
}

impl LaneLock {
    /// Takes hold of a lane; its folder is made if need be.
    ///
    /// # Errors
    /// When another process holds it, or it cannot be used.
    pub fn take(data_dir: &Path, lane: Lane) -> Result<Self, JournalError> {
        refuse_former_layout(data_dir)?;
        let folder = lane.folder(data_dir);
        fs::create_dir_all(&folder).map_err(|source| unusable(&folder, source))?;
        let mut file = open_lock(&folder)?;
        match file.try_lock() {
            Ok(()) => Ok(Self::held(lane, folder, file)),
            Err(fs::TryLockError::WouldBlock) => {
                let mut holder = String::new();
                // Whose it is only helps the operator; the refusal stands without it.
                let _ = file.read_to_string(&mut holder);
                Err(JournalError::Locked {
                    folder: data_dir.to_owned(),
                    holder: holder.trim().to_owned(),
                })
            }
            Err(fs::TryLockError::Error(error)) => Err(unusable(&folder, error)),
        }
    }

    /// The same, but waits until its holder has given it up or is gone.
    ///
    /// # Errors
    /// When it cannot be used.
    pub fn wait_for(data_dir: &Path, lane: Lane) -> Result<Self, JournalError> {
        let folder = lane.folder(data_dir);
        let file = open_lock(&folder)?;
        file.lock().map_err(|source| unusable(&folder, source))?;
        Ok(Self::held(lane, folder, file))
    }

    /// Which lane it is.
    pub const fn lane(&self) -> Lane {
        self.lane
    }

    /// Whether anything was ever kept there.
    ///
    /// # Errors
    /// When its identity cannot be read.
    pub fn is_used(&self) -> Result<bool, JournalError> {
        let identity = read_identity(&self.folder);
        Ok(identity.map_err(|source| unusable(&self.folder, source))?.is_some())
    }

    fn held(lane: Lane, folder: PathBuf, mut file: File) -> Self {
        // For whoever is refused; a full disk must not stand in the way of a start.
        let _ = file.set_len(0).and_then(|()| writeln!(file, "{}", std::process::id()));
        Self {
            lane,
            folder,
            _lock: file,
        }
    }
}

impl Home {
    /// Reads the identity of a lane, or bears it.
    ///
    /// # Errors
    /// When it cannot be read or written.
    pub fn open(lock: LaneLock) -> Result<Self, JournalError> {
        let found = read_identity(&lock.folder).and_then(|known| match known {
            Some(identity) => Ok(identity),
            None => bear_identity(&lock.folder),
        });
        match found {
            Ok(identity) => Ok(Self { lock, identity }),
            Err(source) => Err(unusable(&lock.folder, source)),
        }
    }

    /// Which lane it is.
    pub const fn lane(&self) -> Lane {
        self.lock.lane
    }

    /// Who this lane is to Redis.
    pub const fn identity(&self) -> Identity {
        self.identity
    }

    /// Where the segments lie.
    pub fn journal_folder(&self) -> PathBuf {
        self.lock.folder.join(JOURNAL)
    }

    /// Where the counters' database lies.
    pub fn counters_file(&self) -> PathBuf {
        self.lock.folder.join("counters.sqlite")
    }
}

fn unusable(folder: &Path, source: io::Error) -> JournalError {
    JournalError::Folder {
        folder: folder.to_owned(),
        source,
    }
}

/// A directory from before there were lanes would be taken for an empty one, and what is in it be forgotten.
fn refuse_former_layout(data_dir: &Path) -> Result<(), JournalError> {
    if data_dir.join(IDENTITY).exists() {
        let told = "it was written by a build without lanes; move what is in it to a folder `lane-0` in it";
        return Err(unusable(data_dir, io::Error::new(io::ErrorKind::Unsupported, told)));
    }
    Ok(())
}

fn open_lock(folder: &Path) -> Result<File, JournalError> {
    let mut options = File::options();
    let opened = options.read(true).write(true).create(true).truncate(false);
    opened
        .open(folder.join(LOCK))
        .map_err(|source| unusable(folder, source))
}

fn read_identity(folder: &Path) -> io::Result<Option<Identity>> {
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

fn bear_identity(folder: &Path) -> io::Result<Identity> {
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes).map_err(io::Error::other)?;
    let draft = folder.join("identity.tmp");
    let mut file = File::create(&draft)?;
    writeln!(file, "{:032x}", u128::from_be_bytes(bytes))?;
    file.sync_all()?;
    fs::rename(&draft, folder.join(IDENTITY))?;
    File::open(folder)?.sync_all()?;
    // The lane's own name must last too.
    if let Some(data_dir) = folder.parent() {
        File::open(data_dir)?.sync_all()?;
    }
    Ok(Identity(bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    const LANE: Lane = Lane::BOTH[0];

    #[test]
    fn an_identity_is_kept_for_life_and_a_second_holder_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let lock = LaneLock::take(folder.path(), LANE).unwrap();
        assert!(!lock.is_used().unwrap());
        let home = Home::open(lock).unwrap();
        let refused = LaneLock::take(folder.path(), LANE);
        assert!(matches!(refused, Err(JournalError::Locked { .. })), "{refused:?}");
        let other = LaneLock::take(folder.path(), LANE.other()).unwrap();
        assert_ne!(Home::open(other).unwrap().identity(), home.identity());
        let identity = home.identity();
        drop(home);
        let lock = LaneLock::take(folder.path(), LANE).unwrap();
        assert!(lock.is_used().unwrap());
        assert_eq!(Home::open(lock).unwrap().identity(), identity);
        assert_eq!(LANE.identity(folder.path()).unwrap(), Some(identity));
    }

    #[test]
    fn who_waits_for_a_lane_has_it_when_its_holder_lets_go() {
        let folder = tempfile::tempdir().unwrap();
        let held = LaneLock::take(folder.path(), LANE).unwrap();
        let waiting = std::thread::spawn({
            let data_dir = folder.path().to_owned();
            move || LaneLock::wait_for(&data_dir, LANE).unwrap().lane()
        });
        drop(held);
        assert_eq!(waiting.join().unwrap(), LANE);
    }

    #[test]
    fn a_damaged_identity_is_an_error_and_never_replaced() {
        let folder = tempfile::tempdir().unwrap();
        let lock = LaneLock::take(folder.path(), LANE).unwrap();
        fs::write(LANE.folder(folder.path()).join(IDENTITY), "not hexadecimal").unwrap();
        assert!(matches!(Home::open(lock), Err(JournalError::Folder { .. })));
    }

    #[test]
    fn a_directory_from_before_there_were_lanes_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join(IDENTITY), "00").unwrap();
        let refused = LaneLock::take(folder.path(), LANE).unwrap_err().to_string();
        assert!(refused.contains("lane-0"), "{refused}");
    }
}
