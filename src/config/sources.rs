//! Where settings come from.

use std::ffi::OsString;
use std::path::PathBuf;

/// The file that is read when no other is named, if it is there.
pub const FILE: &str = "footfall.toml";

/// Where settings come from. A value of its own, so that tests need no process environment.
#[derive(Debug, Clone, Default)]
pub struct Sources {
    /// The working directory: `footfall.toml` and `.env` are looked for here.
    pub directory: PathBuf,
    /// The file of `--config`, which must be there.
    pub file: Option<PathBuf>,
    /// The variables of the environment.
    pub environment: Vec<(OsString, OsString)>,
    /// Settings from the command line; stronger than everything else.
    pub flags: Vec<Flag>,
}

/// A setting from the command line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Flag {
    /// The flag, as the operator wrote it: `--port`.
    pub name: &'static str,
    /// The setting it stands for: `edge.ports`.
    pub key: &'static str,
    /// Its value, in the form that the environment has.
    pub value: String,
}

impl Sources {
    /// The sources of this process, with what its command line gave.
    pub fn of_process(file: Option<PathBuf>, flags: Vec<Flag>) -> Self {
        Self {
            directory: PathBuf::from("."),
            file,
            environment: std::env::vars_os().collect(),
            flags,
        }
    }
}
