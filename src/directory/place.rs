//! Where the directory is kept: one interface to SQLite and Redis.

use std::fmt;

use super::edition::Edition;
use super::record::Writing;
use super::redis::RedisHash;
use super::refusal::DirectoryError;
use super::register::Register;
use super::sqlite::SqliteFile;

/// What holds the directory.
#[derive(Debug)]
pub(super) enum Place {
    /// This data directory's file.
    Alone(SqliteFile),
    /// Redis, with others.
    Shared(Box<RedisHash>),
}

impl Place {
    pub(super) const fn is_shared(&self) -> bool {
        matches!(self, Self::Shared(_))
    }

    /// Which edition is there.
    pub(super) async fn edition(&mut self) -> Result<Edition, DirectoryError> {
        match self {
            Self::Alone(file) => file.edition(),
            Self::Shared(hash) => hash.edition().await,
        }
    }

    /// Everything that is there.
    pub(super) async fn load(&mut self) -> Result<Register, DirectoryError> {
        match self {
            Self::Alone(file) => file.load(),
            Self::Shared(hash) => hash.load().await,
        }
    }

    /// Writes a change if what is there is what it was made for, and says whether.
    pub(super) async fn write(&mut self, writing: &Writing) -> Result<bool, DirectoryError> {
        match self {
            Self::Alone(file) => file.write(writing),
            Self::Shared(hash) => hash.write(writing).await,
        }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Alone(file) => file.path().display().fmt(f),
            Self::Shared(hash) => hash.fmt(f),
        }
    }
}
