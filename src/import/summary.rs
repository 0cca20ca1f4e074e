//! What became of a file.

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;

use serde::Serialize;

/// What became of a file.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Summary {
    /// The file.
    pub file: String,
    /// The import's name.
    pub name: String,
    /// Lines that had been taken before.
    pub before: u64,
    /// Lines that were taken now.
    pub lines: u64,
    /// Events among them.
    pub events: u64,
    /// Lines among them that are no page views.
    pub skipped: u64,
    /// Why, and how many for each reason.
    pub skipped_reasons: BTreeMap<String, u64>,
    /// Lines among them that can be no event.
    pub rejected: u64,
    /// Where these are, if there are any.
    pub rejects: Option<PathBuf>,
    /// Whether a last line was left, since it has no end.
    pub left_open: bool,
    /// How long it took, in seconds.
    pub seconds: f64,
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let rate = self.lines as f64 / self.seconds.max(1e-9);
        write!(
            f,
            "{}: {} lines in {:.1} s, {rate:.0} a second",
            self.file, self.lines, self.seconds
        )?;
        if self.before > 0 {
            write!(f, "; {} had been imported before", self.before)?;
        }
        write!(f, "\n  {} events", self.events)?;
        for (why, count) in &self.skipped_reasons {
            write!(f, "\n  {count} lines left out: {why}")?;
        }
        if self.rejected > 0 {
            write!(f, "\n  {} lines rejected", self.rejected)?;
        }
        if let Some(rejects) = &self.rejects {
            write!(f, ": see {}", rejects.display())?;
        }
        if self.left_open {
            f.write_str("\n  the last line has no end yet and was left; --last-line takes it")?;
        }
        write!(f, "\n  the import is called {}", self.name)
    }
}
