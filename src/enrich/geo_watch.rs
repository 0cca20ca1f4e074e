//! The database in use, and the file it comes from. The only file of this room that reads files.

use std::fmt;
use std::fs::{File, Metadata};
use std::io::{self, Read};
use std::net::IpAddr;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use arc_swap::{ArcSwap, ArcSwapOption};

use super::geo_database::{GeoDatabase, GeoError};
use super::place::Place;
use crate::config::GeoConfig;
use crate::event::Country;

/// Largest database file: several times the largest that is sold with countries.
const FILE_BYTES_MAX: u64 = 1 << 30;

/// How it stands with the geo database.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum GeoStatus {
    /// A database is in use.
    Loaded {
        /// What it calls itself, such as `GeoLite2-Country`.
        database_type: String,
        /// When it was built, in seconds since 1970.
        build_epoch: u64,
    },
    /// None is configured, or the configured file is not there: countries are unknown.
    Missing,
    /// The file cannot be used, for this reason: countries are unknown.
    Bad(String),
}

impl fmt::Display for GeoStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Loaded {
                database_type,
                build_epoch,
            } => write!(f, "loaded {database_type}, built at {build_epoch}"),
            Self::Missing => f.write_str("no geo database, countries are unknown"),
            Self::Bad(reason) => write!(f, "the geo database is not used, countries are unknown: {reason}"),
        }
    }
}

/// What a look at the file led to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refreshed {
    /// Nothing has changed since the last look.
    Unchanged,
    /// A new database is in use.
    Swapped,
    /// There is a new file, which cannot be used; what was in use stays.
    Refused,
    /// The file has gone; what was in use stays.
    Gone,
}

/// What tells one version of a file from another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct FileMark {
    device: u64,
    inode: u64,
    bytes: u64,
    modified: (i64, i64),
}

/// What the last look at the file found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Sighting {
    NotLooked,
    Nothing,
    /// It is there, and for this reason cannot be looked at or read. Tried again each time, as reasons pass.
    Unread(io::ErrorKind),
    File(FileMark),
}

/// The geo database of one gateway: read by all workers, replaced when its file is.
#[derive(Debug)]
pub struct GeoWatch {
    path: Option<PathBuf>,
    current: ArcSwapOption<GeoDatabase>,
    status: ArcSwap<GeoStatus>,
    /// Held while the file is looked at and loaded, so that one look happens after another; never by workers.
    last: Mutex<Sighting>,
}

impl GeoWatch {
    /// Loads the configured database. Whatever is wrong with it is logged and told by [`GeoWatch::status`].
    pub fn open(config: &GeoConfig) -> Self {
        let watch = Self {
            path: config.database.clone(),
            current: ArcSwapOption::empty(),
            status: ArcSwap::from_pointee(GeoStatus::Missing),
            last: Mutex::new(Sighting::NotLooked),
        };
        if watch.path.is_none() {
            tracing::info!(
                "no geo database is configured: countries of addresses are unknown (see GeoLite2-README.md)"
            );
        }
        watch.refresh();
        watch
    }

    /// The country of an address; `None` if it is unknown or there is no database. Never waits.
    pub fn lookup(&self, address: IpAddr) -> Option<Country> {
        self.current.load().as_ref()?.lookup(address)
    }

    /// The country of an address with region and city; `None` if the country is unknown or the database has no cities.
    /// Never waits.
    pub fn lookup_place(&self, address: IpAddr) -> Option<Place> {
        self.current.load().as_ref()?.lookup_place(address)
    }

    /// How it stands. Never waits.
    pub fn status(&self) -> Arc<GeoStatus> {
        self.status.load_full()
    }

    /// Looks at the file, and if it has changed loads, verifies and swaps it in; a bad one is refused and not tried
    /// again until it changes.
    ///
    /// Reads the whole file: to be called every [`GeoConfig::reload_ms`] from a thread that serves nobody.
    pub fn refresh(&self) -> Refreshed {
        let Some(path) = &self.path else {
            return Refreshed::Unchanged;
        };
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        let sighting = look(path);
        if *last == sighting {
            return Refreshed::Unchanged;
        }
        if sighting == Sighting::Nothing {
            *last = sighting;
            return self.gone(path);
        }
        match load(path) {
            Ok((mark, database)) => {
                *last = Sighting::File(mark);
                self.swap_in(path, database)
            }
            Err(error) => {
                let sighting = unread(&error).unwrap_or(sighting);
                if *last == sighting {
                    return Refreshed::Unchanged;
                }
                *last = sighting;
                self.refuse(path, &error)
            }
        }
    }

    fn swap_in(&self, path: &Path, database: GeoDatabase) -> Refreshed {
        let status = GeoStatus::Loaded {
            database_type: database.database_type().to_owned(),
            build_epoch: database.build_epoch(),
        };
        tracing::info!(path = %path.display(), "geo database: {status}");
        self.current.store(Some(Arc::new(database)));
        self.status.store(Arc::new(status));
        Refreshed::Swapped
    }

    fn refuse(&self, path: &Path, error: &GeoError) -> Refreshed {
        if self.is_loaded() {
            tracing::warn!(path = %path.display(), "the new geo database is refused and the old one stays: {error}");
        } else {
            let status = GeoStatus::Bad(error.to_string());
            tracing::warn!(path = %path.display(), "{status}");
            self.status.store(Arc::new(status));
        }
        Refreshed::Refused
    }

    fn gone(&self, path: &Path) -> Refreshed {
        if self.is_loaded() {
            tracing::warn!(path = %path.display(), "the geo database's file has gone; what was loaded stays");
        } else {
            let status = GeoStatus::Missing;
            tracing::warn!(path = %path.display(), "{status} (see GeoLite2-README.md)");
            self.status.store(Arc::new(status));
        }
        Refreshed::Gone
    }

    fn is_loaded(&self) -> bool {
        self.current.load().is_some()
    }
}

fn look(path: &Path) -> Sighting {
    match std::fs::metadata(path) {
        Ok(metadata) => Sighting::File(FileMark::of(&metadata)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Sighting::Nothing,
        Err(error) => Sighting::Unread(error.kind()),
    }
}

/// What an error says about the file if its bytes have not been seen.
fn unread(error: &GeoError) -> Option<Sighting> {
    match error {
        GeoError::Read(error) => Some(Sighting::Unread(error.kind())),
        _ => None,
    }
}

/// Reads and verifies a database. The file's mark is taken before its bytes: if they change meanwhile, the next look
/// finds another mark and loads it again.
fn load(path: &Path) -> Result<(FileMark, GeoDatabase), GeoError> {
    // Asked before opening, since opening a pipe would wait for its writer.
    if !std::fs::metadata(path)?.is_file() {
        return Err(GeoError::NotAFile);
    }
    let file = File::open(path)?;
    let mark = FileMark::of(&file.metadata()?);
    if mark.bytes > FILE_BYTES_MAX {
        return Err(GeoError::TooLarge(FILE_BYTES_MAX));
    }
    // No memory map: a mapped file that somebody truncates ends the process.
    let mut bytes = Vec::with_capacity(usize::try_from(mark.bytes).unwrap_or_default());
    file.take(FILE_BYTES_MAX).read_to_end(&mut bytes)?;
    Ok((mark, GeoDatabase::from_bytes(bytes)?))
}

impl FileMark {
    fn of(metadata: &Metadata) -> Self {
        Self {
            device: metadata.dev(),
            inode: metadata.ino(),
            bytes: metadata.len(),
            modified: (metadata.mtime(), metadata.mtime_nsec()),
        }
    }
}

#[cfg(test)]
#[path = "geo_watch_tests.rs"]
mod tests;
