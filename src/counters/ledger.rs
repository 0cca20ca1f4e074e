//! The ledger: embedded counters, and what this data directory has contributed to Redis. The two are the same thing.
//!
//! Memory answers; its file holds a state some commits older. Totals and cursor are written in one transaction that
//! reaches the disk before it returns, so after any crash the totals are exactly those of the persisted cursor, and the
//! journal brings back the rest.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::path::PathBuf;

use super::ledger_file::{self, LedgerError};
use super::standing::Standing;
use super::tally::Tally;
use super::{Commit, Fields, Verdict};
use crate::event::{CounterHash, Deltas, ImportKey, Progress, Sequence};

/// What a ledger's file holds, or what is written to it at once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LedgerPage {
    /// The sequence that the totals have come to.
    pub cursor: Sequence,
    /// The last sequence that Redis was known to hold.
    pub held: Sequence,
    /// How the directory stands with Redis.
    pub standing: Standing,
    /// Totals by field: all of them, or those that have changed.
    pub totals: Vec<(CounterHash, Box<str>, u64)>,
    /// How far imports are: all of them, or those that have gone on.
    pub imports: Vec<(ImportKey, Progress)>,
}

impl LedgerPage {
    /// That of a directory at its birth.
    pub fn born(identity: [u8; 16]) -> Self {
        Self {
            cursor: Sequence::ZERO,
            held: Sequence::ZERO,
            standing: Standing::born(identity),
            totals: Vec::new(),
            imports: Vec::new(),
        }
    }
}

/// Where a ledger lasts.
pub trait LedgerFile: fmt::Debug + Send {
    /// Writes changed totals and the rest of a page, all or nothing; they are on disk when this returns.
    ///
    /// # Errors
    /// When they could not be written: then nothing of them is there.
    fn write(&mut self, page: &LedgerPage) -> Result<(), LedgerError>;
}

/// Totals in memory, persisted to a file now and then.
#[derive(Debug)]
pub struct Ledger {
    file: Box<dyn LedgerFile>,
    tally: Tally,
    standing: Standing,
    held: Sequence,
    imports: BTreeMap<ImportKey, Progress>,
    /// Imports that have gone on since the file was written.
    going: BTreeSet<ImportKey>,
    /// Cursor and held sequence as the file has them.
    durable: (Sequence, Sequence),
}

impl Ledger {
    /// Opens the SQLite file of the data directory with this identity, or bears it.
    ///
    /// # Errors
    /// The file belongs to another identity, is newer than this program, is damaged, or cannot be opened.
    pub fn open(path: impl Into<PathBuf>, identity: [u8; 16]) -> Result<Self, LedgerError> {
        let (file, page) = ledger_file::open(path.into(), identity)?;
        Ok(Self::over(Box::new(file), page))
    }

    /// A ledger over a file that holds all of a page.
    pub fn over(file: Box<dyn LedgerFile>, page: LedgerPage) -> Self {
        Self {
            file,
            durable: (page.cursor, page.held),
            tally: Tally::restore(page.cursor, page.totals),
            standing: page.standing,
            held: page.held,
            imports: page.imports.into_iter().collect(),
            going: BTreeSet::new(),
        }
    }

    /// Applies a commit in memory. Never [`Verdict::Lost`] or [`Verdict::Stale`].
    pub fn commit(&mut self, commit: Commit<'_>) -> Verdict {
        self.tally.commit(commit)
    }

    /// Writes what has changed, and the cursor, in one transaction that is on disk when this returns. Blocks for a
    /// sync of the disk; does nothing when nothing has changed.
    ///
    /// # Errors
    /// The file takes no writes: memory and file stay as they were, and the next call tries again.
    pub fn persist(&mut self) -> Result<(), LedgerError> {
        if self.durable == (self.tally.cursor(), self.held) && self.going.is_empty() {
            return Ok(());
        }
        self.write()
    }

    /// Changes how the directory stands with Redis; the change is on disk when this returns, with everything else.
    ///
    /// # Errors
    /// The file takes no writes: then nothing has changed.
    pub fn stand(&mut self, standing: Standing) -> Result<(), LedgerError> {
        if standing == self.standing {
            return Ok(());
        }
        let before = std::mem::replace(&mut self.standing, standing);
        let written = self.write();
        if written.is_err() {
            self.standing = before;
        }
        written
    }

    fn write(&mut self) -> Result<(), LedgerError> {
        let changed = self.tally.dirty();
        self.file.write(&LedgerPage {
            cursor: self.tally.cursor(),
            held: self.held,
            standing: self.standing.clone(),
            totals: changed
                .map(|(hash, field, total)| (*hash, field.into(), total))
                .collect(),
            imports: (self.going.iter())
                .filter_map(|key| Some((*key, *self.imports.get(key)?)))
                .collect(),
        })?;
        self.going.clear();
        self.tally.clean();
        self.durable = (self.tally.cursor(), self.held);
        Ok(())
    }

    /// How the directory stands with Redis.
    pub const fn standing(&self) -> &Standing {
        &self.standing
    }

    /// The last sequence that Redis was known to hold, as far as it was persisted.
    pub const fn held(&self) -> Sequence {
        self.held
    }

    /// Notes what Redis holds; persisted with the next change of the totals.
    pub const fn set_held(&mut self, held: Sequence) {
        self.held = held;
    }

    /// Notes how far imports have come with the frames up to [`Ledger::cursor`], or the commit that follows.
    pub fn note_imports(&mut self, reached: BTreeMap<ImportKey, Progress>) {
        for (key, progress) in reached {
            self.imports.entry(key).or_default().reach(progress);
            self.going.insert(key);
        }
    }

    /// How far each import is.
    pub fn imports(&self) -> impl Iterator<Item = (ImportKey, Progress)> {
        self.imports.iter().map(|(key, progress)| (*key, *progress))
    }

    /// The sequence that memory has come to.
    pub fn cursor(&self) -> Sequence {
        self.tally.cursor()
    }

    /// The sequence that the file has come to, which survives a crash.
    pub fn durable_cursor(&self) -> Sequence {
        self.durable.0
    }

    /// The totals of one hash, in memory, at [`Ledger::cursor`].
    pub fn totals(&self, hash: &CounterHash) -> Fields {
        self.tally.totals(hash)
    }

    /// Everything this data directory has counted up to [`Ledger::cursor`], as one set of changes.
    pub fn whole(&self) -> Deltas {
        self.tally.whole()
    }

    /// The part of it that belongs to the name it has with Redis now.
    pub fn contribution(&self) -> Deltas {
        self.whole().less(&self.standing.base)
    }
}
