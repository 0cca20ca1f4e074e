//! The ledger: embedded counters, and what this data directory has contributed to Redis. The two are the same thing.
//!
//! Memory answers; SQLite, the only place of this room that names it, holds a state some commits older. Totals and
//! cursor are written in one transaction that reaches the disk before it returns, so after any crash the totals are
//! exactly those of the persisted cursor, and the journal brings back the rest.

use std::fmt;
use std::path::{Path, PathBuf};

use rusqlite::{Connection, ErrorCode, OptionalExtension, Row, Transaction, params};

use super::tally::Tally;
use super::{Commit, Fields, Verdict};
use crate::event::{CounterHash, Deltas, Family, Sequence, SiteId};

/// Marks the file as a ledger (`PRAGMA application_id`): the letters `ffld`.
const APPLICATION: i32 = 0x6666_6c64;
/// The version of the tables (`PRAGMA user_version`).
const VERSION: i32 = 1;

/// One row of `ledger`, so that the cursor always goes with the totals; a row a field in `counters`.
const TABLES: &str = "
    CREATE TABLE ledger (
        only     INTEGER PRIMARY KEY CHECK (only = 1),
        identity BLOB NOT NULL CHECK (length(identity) = 16),
        cursor   INTEGER NOT NULL CHECK (cursor >= 0)
    ) STRICT;
    CREATE TABLE counters (
        site   BLOB NOT NULL CHECK (length(site) = 16),
        family TEXT NOT NULL,
        field  TEXT NOT NULL,
        total  INTEGER NOT NULL CHECK (total >= 0),
        PRIMARY KEY (site, family, field)
    ) STRICT, WITHOUT ROWID;";

const UPSERT: &str = "INSERT INTO counters (site, family, field, total) VALUES (?1, ?2, ?3, ?4)
    ON CONFLICT DO UPDATE SET total = excluded.total";

/// Why the ledger's file cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum LedgerError {
    /// The file belongs to another data directory.
    #[error("{path} belongs to another data directory: its identity is {found}, the journal's is {wanted}")]
    Identity {
        /// The file.
        path: PathBuf,
        /// The identity in the file, in hexadecimal.
        found: String,
        /// The identity it was opened with, in hexadecimal.
        wanted: String,
    },
    /// The file was written by a later version of the gateway.
    #[error("{path} has version {found}, this gateway knows versions up to {VERSION}: run a newer gateway")]
    Newer {
        /// The file.
        path: PathBuf,
        /// The version in the file.
        found: i32,
    },
    /// The file is not a ledger, or what is in it cannot be right.
    #[error("{path} is damaged or is not a ledger: {why}")]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What was found.
        why: String,
    },
    /// SQLite could not do it now: no room, no permission, locked by another process.
    #[error("{path}: {source}")]
    Sqlite {
        /// The file.
        path: PathBuf,
        /// What SQLite says.
        source: rusqlite::Error,
    },
}

/// What a ledger's file holds, or what is written to it at once.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LedgerPage {
    /// The sequence that the totals have come to.
    pub cursor: Sequence,
    /// Totals by field: all of them, or those that have changed.
    pub totals: Vec<(CounterHash, Box<str>, u64)>,
}

/// Where a ledger lasts.
pub trait LedgerFile: fmt::Debug + Send {
    /// Writes changed totals and the cursor, all or nothing; they are on disk when this returns.
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
    durable: Sequence,
}

impl Ledger {
    /// Opens the SQLite file of the data directory with this identity, or bears it.
    ///
    /// # Errors
    /// The file belongs to another identity, is newer than this program, is damaged, or cannot be opened.
    pub fn open(path: impl Into<PathBuf>, identity: [u8; 16]) -> Result<Self, LedgerError> {
        let path = path.into();
        match load(&path, identity) {
            Ok((connection, page)) => Ok(Self::over(Box::new(SqliteFile { path, connection }), page)),
            Err(Trouble::Said(error)) => Err(error),
            Err(Trouble::Sqlite(source)) => Err(explain(&path, source)),
        }
    }

    /// A ledger over a file that holds all of a page.
    pub fn over(file: Box<dyn LedgerFile>, page: LedgerPage) -> Self {
        Self {
            file,
            durable: page.cursor,
            tally: Tally::restore(page.cursor, page.totals),
        }
    }

    /// Applies a commit in memory. Never [`Verdict::Lost`] or [`Verdict::Fenced`].
    pub fn commit(&mut self, commit: Commit<'_>) -> Verdict {
        self.tally.commit(commit)
    }

    /// Writes what has changed, and the cursor, in one transaction that is on disk when this returns. Blocks for a
    /// sync of the disk; does nothing when nothing has changed.
    ///
    /// # Errors
    /// The file takes no writes: memory and file stay as they were, and the next call tries again.
    pub fn persist(&mut self) -> Result<(), LedgerError> {
        if self.durable == self.tally.cursor() {
            return Ok(());
        }
        let changed = self.tally.dirty();
        self.file.write(&LedgerPage {
            cursor: self.tally.cursor(),
            totals: changed
                .map(|(hash, field, total)| (*hash, field.into(), total))
                .collect(),
        })?;
        self.tally.clean();
        self.durable = self.tally.cursor();
        Ok(())
    }

    /// The sequence that memory has come to.
    pub fn cursor(&self) -> Sequence {
        self.tally.cursor()
    }

    /// The sequence that the file has come to, which survives a crash.
    pub fn durable_cursor(&self) -> Sequence {
        self.durable
    }

    /// The totals of one hash, in memory, at [`Ledger::cursor`].
    pub fn totals(&self, hash: &CounterHash) -> Fields {
        self.tally.totals(hash)
    }

    /// Everything this data directory has counted up to [`Ledger::cursor`], as one set of changes.
    pub fn contribution(&self) -> Deltas {
        self.tally.whole()
    }
}

/// The one real file.
#[derive(Debug)]
struct SqliteFile {
    path: PathBuf,
    connection: Connection,
}

impl LedgerFile for SqliteFile {
    fn write(&mut self, page: &LedgerPage) -> Result<(), LedgerError> {
        write(&mut self.connection, page).map_err(|source| explain(&self.path, source))
    }
}

/// What went wrong on the way to an open ledger.
enum Trouble {
    Said(LedgerError),
    Sqlite(rusqlite::Error),
}

impl From<rusqlite::Error> for Trouble {
    fn from(source: rusqlite::Error) -> Self {
        Self::Sqlite(source)
    }
}

fn load(path: &Path, identity: [u8; 16]) -> Result<(Connection, LedgerPage), Trouble> {
    let mut file = Connection::open(path)?;
    // Asked before anything is written, so that a foreign file stays as it is.
    let tables: i64 = file.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0))?;
    let application: i32 = file.query_row("PRAGMA application_id", [], |row| row.get(0))?;
    let version: i32 = file.query_row("PRAGMA user_version", [], |row| row.get(0))?;
    if tables > 0 && application != APPLICATION {
        return Err(damaged(path, "it is a database of something else"));
    }
    if version > VERSION {
        let path = path.into();
        return Err(Trouble::Said(LedgerError::Newer { path, found: version }));
    }
    file.pragma_update(None, "journal_mode", "WAL")?;
    file.pragma_update(None, "synchronous", "FULL")?;
    if tables == 0 {
        give_birth(&mut file, identity)?;
    }
    let health: String = file.query_row("PRAGMA integrity_check(1)", [], |row| row.get(0))?;
    if health != "ok" {
        return Err(damaged(path, &health));
    }
    let page = restore(path, &file, identity)?;
    Ok((file, page))
}

fn give_birth(file: &mut Connection, identity: [u8; 16]) -> rusqlite::Result<()> {
    let birth = file.transaction()?;
    birth.execute_batch(TABLES)?;
    birth.execute(
        "INSERT INTO ledger (only, identity, cursor) VALUES (1, ?1, 0)",
        [&identity[..]],
    )?;
    birth.pragma_update(None, "application_id", APPLICATION)?;
    birth.pragma_update(None, "user_version", VERSION)?;
    birth.commit()
}

fn restore(path: &Path, file: &Connection, identity: [u8; 16]) -> Result<LedgerPage, Trouble> {
    let head = file
        .query_row("SELECT identity, cursor FROM ledger", [], |row| {
            Ok((row.get::<_, [u8; 16]>(0)?, number(row, 1)?))
        })
        .optional()?;
    let (found, cursor) = head.ok_or_else(|| damaged(path, "it has no cursor"))?;
    if found != identity {
        return Err(Trouble::Said(LedgerError::Identity {
            path: path.into(),
            found: SiteId(found).to_string(),
            wanted: SiteId(identity).to_string(),
        }));
    }
    let mut totals = Vec::new();
    let mut select = file.prepare("SELECT site, family, field, total FROM counters")?;
    let mut found = select.query([])?;
    while let Some(row) = found.next()? {
        let family: String = row.get(1)?;
        let family = Family::parse(&family).ok_or_else(|| damaged(path, "it counts a family that is not known"))?;
        let site = SiteId(row.get(0)?);
        let field: String = row.get(2)?;
        totals.push((CounterHash { site, family }, field.into(), number(row, 3)?));
    }
    Ok(LedgerPage {
        cursor: Sequence(cursor),
        totals,
    })
}

fn write(file: &mut Connection, page: &LedgerPage) -> rusqlite::Result<()> {
    let transaction = file.transaction()?;
    upsert(&transaction, page)?;
    transaction.execute("UPDATE ledger SET cursor = ?1", [signed(page.cursor.0)?])?;
    transaction.commit()
}

fn upsert(transaction: &Transaction<'_>, page: &LedgerPage) -> rusqlite::Result<()> {
    let mut upsert = transaction.prepare_cached(UPSERT)?;
    for (hash, field, total) in &page.totals {
        upsert.execute(params![&hash.site.0[..], hash.family.name(), field, signed(*total)?])?;
    }
    Ok(())
}

/// A column that never holds less than zero.
fn number(row: &Row<'_>, column: usize) -> rusqlite::Result<u64> {
    let value: i64 = row.get(column)?;
    u64::try_from(value).map_err(|_| rusqlite::Error::IntegralValueOutOfRange(column, value))
}

/// A number as SQLite keeps it. Sequences and totals stay far below 2^63.
fn signed(number: u64) -> rusqlite::Result<i64> {
    i64::try_from(number).map_err(|error| rusqlite::Error::ToSqlConversionFailure(error.into()))
}

fn damaged(path: &Path, why: &str) -> Trouble {
    Trouble::Said(LedgerError::Damaged {
        path: path.into(),
        why: why.into(),
    })
}

/// Tells damage from everything that time or the operator may heal.
fn explain(path: &Path, source: rusqlite::Error) -> LedgerError {
    let path = path.into();
    let damage = matches!(
        source.sqlite_error_code(),
        Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase)
    ) || matches!(
        source,
        rusqlite::Error::FromSqlConversionFailure(..)
            | rusqlite::Error::IntegralValueOutOfRange(..)
            | rusqlite::Error::InvalidColumnType(..)
    );
    if damage {
        LedgerError::Damaged {
            path,
            why: source.to_string(),
        }
    } else {
        LedgerError::Sqlite { path, source }
    }
}
