//! Why an import ended early.

use std::io;
use std::path::PathBuf;

use super::gateway::GatewayError;

/// Why an import ended early. What was taken is taken, and the same command goes on from there.
#[derive(Debug, thiserror::Error)]
pub enum ImportError {
    /// The file cannot be read.
    #[error("{}: {}", .0.display(), .1)]
    File(PathBuf, io::Error),
    /// The file has nothing that it could be known by.
    #[error("{} has no whole line", .0.display())]
    Empty(PathBuf),
    /// The gateway does not take it.
    #[error(transparent)]
    Gateway(#[from] GatewayError),
    /// What was taken of the file is not what it says now.
    #[error(
        "{file} is not the file that was imported as {name}: its first {lines} lines are others now. \
         If it is another one, give it a name with --name"
    )]
    Changed {
        /// The file.
        file: String,
        /// The import.
        name: String,
        /// So many lines were looked at.
        lines: u64,
    },
    /// The file has fewer lines than were taken.
    #[error("{file} has {lines} lines, but {taken} were imported as {name}")]
    Shorter {
        /// The file.
        file: String,
        /// The import.
        name: String,
        /// Lines that it has.
        lines: u64,
        /// Lines that were taken.
        taken: u64,
    },
    /// The file is of another format.
    #[error("{file} looks like no {format}: {why}. Nothing of it was taken; name what it is with --format")]
    Strange {
        /// The file.
        file: String,
        /// What it should be.
        format: &'static str,
        /// Why its first lines are not.
        why: &'static str,
    },
    /// The gateway knows less than it has answered.
    #[error(
        "the gateway knows of {now} lines and had taken {before}: it is another one now, or its data directory was \
         restored. The same command goes on with what it knows"
    )]
    Stepped {
        /// What it knows.
        now: u64,
        /// What it had taken.
        before: u64,
    },
}
