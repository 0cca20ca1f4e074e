//! Why nothing was changed, or cannot be read.

use std::path::PathBuf;

/// A wish that cannot be: which field, and why.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{field}: {reason}")]
pub struct Refusal {
    /// The field, such as `time_zone`.
    pub field: &'static str,
    /// What is wrong with it, and what would be right.
    pub reason: String,
}

impl Refusal {
    pub(super) fn new(field: &'static str, reason: impl Into<String>) -> Self {
        let reason = reason.into();
        Self { field, reason }
    }
}

/// Why the directory could not be read or changed.
#[derive(Debug, thiserror::Error)]
pub enum DirectoryError {
    /// What was asked for cannot be; nothing was changed.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// The file of the directory.
    #[error("{path}: {why}")]
    File {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        why: String,
    },
    /// Redis.
    #[error("{0}")]
    Redis(Box<str>),
    /// Redis broke off in the middle of a change.
    #[error("{0}; whether anything was changed is not known, so look before you try again")]
    Unknown(Box<str>),
    /// Others changed the directory again and again, so that this change never fitted.
    #[error("others change sites and keys all the time; nothing was changed, try again")]
    Crowded,
    /// The machine gives no random numbers.
    #[error("no random numbers: {0}")]
    Random(getrandom::Error),
}
