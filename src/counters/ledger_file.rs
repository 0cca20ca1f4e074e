//! The file of a ledger: the only place of this room that names SQLite.

use std::path::{Path, PathBuf};

use rusqlite::{Connection, ErrorCode, OptionalExtension, Row, Transaction, params};

use super::ledger::{LedgerFile, LedgerPage};
use super::standing::{Fork, Inherited, Standing};
use crate::event::{CounterHash, Deltas, Family, ImportKey, ImportPart, Progress, Sequence, SiteId};

/// Marks the file as a ledger (`PRAGMA application_id`): the letters `ffld`.
const APPLICATION: i32 = 0x6666_6c64;
/// The version of the tables (`PRAGMA user_version`).
const VERSION: i32 = 1;

/// One row of `ledger`, so that the cursor always goes with the totals; a row a field in `counters`.
const TABLES: &str = "
    CREATE TABLE ledger (
        only     INTEGER PRIMARY KEY CHECK (only = 1),
        identity BLOB NOT NULL CHECK (length(identity) = 16),
        cursor   INTEGER NOT NULL CHECK (cursor >= 0),
        guard    BLOB NOT NULL CHECK (length(guard) = 16),
        unmet    INTEGER,
        held     INTEGER NOT NULL CHECK (held >= 0),
        writer   BLOB CHECK (length(writer) = 16)
    ) STRICT;
    CREATE TABLE inherited (
        place  INTEGER PRIMARY KEY,
        writer BLOB NOT NULL CHECK (length(writer) = 16),
        last   INTEGER NOT NULL CHECK (last >= 0)
    ) STRICT;
    CREATE TABLE forks (
        first INTEGER PRIMARY KEY,
        last  INTEGER NOT NULL CHECK (last >= first)
    ) STRICT;
    CREATE TABLE counters (
        site   BLOB NOT NULL CHECK (length(site) = 16),
        family TEXT NOT NULL,
        field  TEXT NOT NULL,
        total  INTEGER NOT NULL CHECK (total >= 0),
        base   INTEGER NOT NULL DEFAULT 0 CHECK (base >= 0),
        PRIMARY KEY (site, family, field)
    ) STRICT, WITHOUT ROWID;";

/// How far imports are; earlier builds wrote files without it.
const IMPORTS: &str = "
    CREATE TABLE IF NOT EXISTS imports (
        site    BLOB NOT NULL CHECK (length(site) = 16),
        id      BLOB NOT NULL CHECK (length(id) = 16),
        part    INTEGER NOT NULL CHECK (part >= 0),
        taken   INTEGER NOT NULL CHECK (taken >= 0),
        checked INTEGER NOT NULL CHECK (checked >= 0),
        digest  BLOB NOT NULL CHECK (length(digest) = 8),
        PRIMARY KEY (site, id, part)
    ) STRICT, WITHOUT ROWID;";
const GO_ON: &str = "INSERT OR REPLACE INTO imports (site, id, part, taken, checked, digest)
    VALUES (?1, ?2, ?3, ?4, ?5, ?6)";

/// The first builds wrote files of this version without a standing with Redis. What they counted is read; how they stood,
/// Redis tells when it is met.
const TABLES_BEFORE: &str = "
    ALTER TABLE ledger RENAME TO ledger_before;
    ALTER TABLE counters RENAME TO counters_before;";
const TAKE_OVER: &str = "
    INSERT INTO ledger (only, identity, cursor, guard, held)
        SELECT only, identity, cursor, identity, 0 FROM ledger_before;
    INSERT INTO counters (site, family, field, total) SELECT site, family, field, total FROM counters_before;
    DROP TABLE ledger_before;
    DROP TABLE counters_before;";

const UPSERT: &str = "INSERT INTO counters (site, family, field, total) VALUES (?1, ?2, ?3, ?4)
    ON CONFLICT DO UPDATE SET total = excluded.total";
const SET_BASE: &str = "UPDATE counters SET base = ?4 WHERE site = ?1 AND family = ?2 AND field = ?3";

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

/// The one real file.
#[derive(Debug)]
pub(super) struct SqliteFile {
    path: PathBuf,
    connection: Connection,
    /// As it is in the file.
    standing: Standing,
}

/// Opens the file of the data directory with this identity, or bears it; and everything that is in it.
pub(super) fn open(path: PathBuf, identity: [u8; 16]) -> Result<(SqliteFile, LedgerPage), LedgerError> {
    match load(&path, identity) {
        Ok((connection, page)) => {
            let standing = page.standing.clone();
            let file = SqliteFile {
                path,
                connection,
                standing,
            };
            Ok((file, page))
        }
        Err(Trouble::Said(error)) => Err(error),
        Err(Trouble::Sqlite(source)) => Err(explain(&path, source)),
    }
}

impl LedgerFile for SqliteFile {
    fn write(&mut self, page: &LedgerPage) -> Result<(), LedgerError> {
        let anew = (self.standing != page.standing).then_some(&page.standing);
        write(&mut self.connection, page, anew).map_err(|source| explain(&self.path, source))?;
        self.standing.clone_from(&page.standing);
        Ok(())
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
    let knows_redis = "SELECT count(*) FROM pragma_table_info('ledger') WHERE name = 'guard'";
    if file.query_row(knows_redis, [], |row| row.get::<_, i64>(0))? == 0 {
        renew(&mut file)?;
    }
    file.execute_batch(IMPORTS)?;
    let page = restore(path, &file, identity)?;
    Ok((file, page))
}

fn give_birth(file: &mut Connection, identity: [u8; 16]) -> rusqlite::Result<()> {
    let birth = file.transaction()?;
    birth.execute_batch(TABLES)?;
    birth.execute(
        "INSERT INTO ledger (only, identity, cursor, guard, held) VALUES (1, ?1, 0, ?1, 0)",
        [&identity[..]],
    )?;
    birth.pragma_update(None, "application_id", APPLICATION)?;
    birth.pragma_update(None, "user_version", VERSION)?;
    birth.commit()
}

/// Brings a file of the first builds into today's form.
fn renew(file: &mut Connection) -> rusqlite::Result<()> {
    let renewal = file.transaction()?;
    renewal.execute_batch(TABLES_BEFORE)?;
    renewal.execute_batch(TABLES)?;
    renewal.execute_batch(TAKE_OVER)?;
    renewal.commit()
}

fn restore(path: &Path, file: &Connection, identity: [u8; 16]) -> Result<LedgerPage, Trouble> {
    let mut page = LedgerPage::born(identity);
    let found = file
        .query_row(
            "SELECT identity, cursor, held, guard, unmet, writer FROM ledger",
            [],
            |row| {
                page.standing.writer = row.get(5)?;
                page.cursor = Sequence(number(row, 1)?);
                page.held = Sequence(number(row, 2)?);
                page.standing.guard = row.get(3)?;
                page.standing.unmet = row
                    .get::<_, Option<i64>>(4)?
                    .map(|_| number(row, 4).map(Sequence))
                    .transpose()?;
                row.get::<_, [u8; 16]>(0)
            },
        )
        .optional()?;
    let found = found.ok_or_else(|| damaged(path, "it has no cursor"))?;
    if found != identity {
        return Err(Trouble::Said(LedgerError::Identity {
            path: path.into(),
            found: SiteId(found).to_string(),
            wanted: SiteId(identity).to_string(),
        }));
    }
    page.standing.forks = forks(file)?;
    page.standing.inherited = inherited(file)?;
    (page.totals, page.standing.base) = totals(path, file)?;
    page.imports = imports(path, file)?;
    Ok(page)
}

fn forks(file: &Connection) -> rusqlite::Result<Vec<Fork>> {
    let mut select = file.prepare("SELECT first, last FROM forks ORDER BY rowid")?;
    let fork = |row: &Row<'_>| {
        Ok(Fork {
            first: Sequence(number(row, 0)?),
            last: Sequence(number(row, 1)?),
        })
    };
    select.query_map([], fork)?.collect()
}

fn inherited(file: &Connection) -> rusqlite::Result<Vec<Inherited>> {
    let mut select = file.prepare("SELECT writer, last FROM inherited ORDER BY place")?;
    let part = |row: &Row<'_>| {
        Ok(Inherited {
            writer: row.get(0)?,
            last: Sequence(number(row, 1)?),
        })
    };
    select.query_map([], part)?.collect()
}

fn imports(path: &Path, file: &Connection) -> Result<Vec<(ImportKey, Progress)>, Trouble> {
    let mut select = file.prepare("SELECT site, id, part, taken, checked, digest FROM imports")?;
    let (mut imports, mut found) = (Vec::new(), select.query([])?);
    while let Some(row) = found.next()? {
        let part = usize::try_from(number(row, 2)?).ok().and_then(ImportPart::from_number);
        let key = ImportKey {
            site: SiteId(row.get(0)?),
            id: row.get(1)?,
            part: part.ok_or_else(|| damaged(path, "it has a part of an import that is not known"))?,
        };
        let progress = Progress {
            taken: number(row, 3)?,
            checked: number(row, 4)?,
            digest: u64::from_be_bytes(row.get(5)?),
        };
        imports.push((key, progress));
    }
    Ok(imports)
}

type Totals = Vec<(CounterHash, Box<str>, u64)>;

fn totals(path: &Path, file: &Connection) -> Result<(Totals, Deltas), Trouble> {
    let (mut totals, mut base) = (Vec::new(), Deltas::default());
    let mut select = file.prepare("SELECT site, family, field, total, base FROM counters")?;
    let mut found = select.query([])?;
    while let Some(row) = found.next()? {
        let family: String = row.get(1)?;
        let family = Family::parse(&family).ok_or_else(|| damaged(path, "it counts a family that is not known"))?;
        let site = SiteId(row.get(0)?);
        let hash = CounterHash { site, family };
        let field: String = row.get(2)?;
        match number(row, 4)? {
            0 => {}
            amount => base.add(hash, &field, amount),
        }
        totals.push((hash, field.into(), number(row, 3)?));
    }
    Ok((totals, base))
}

fn write(file: &mut Connection, page: &LedgerPage, anew: Option<&Standing>) -> rusqlite::Result<()> {
    let transaction = file.transaction()?;
    upsert(&transaction, page)?;
    go_on(&transaction, &page.imports)?;
    transaction.execute(
        "UPDATE ledger SET cursor = ?1, held = ?2",
        [signed(page.cursor.0)?, signed(page.held.0)?],
    )?;
    if let Some(standing) = anew {
        stand(&transaction, standing)?;
    }
    transaction.commit()
}

fn upsert(transaction: &Transaction<'_>, page: &LedgerPage) -> rusqlite::Result<()> {
    let mut upsert = transaction.prepare_cached(UPSERT)?;
    for (hash, field, total) in &page.totals {
        upsert.execute(params![&hash.site.0[..], hash.family.name(), field, signed(*total)?])?;
    }
    Ok(())
}

fn go_on(transaction: &Transaction<'_>, imports: &[(ImportKey, Progress)]) -> rusqlite::Result<()> {
    let mut go_on = transaction.prepare_cached(GO_ON)?;
    for (ImportKey { site, id, part }, progress) in imports {
        let (taken, checked) = (signed(progress.taken)?, signed(progress.checked)?);
        let digest = progress.digest.to_be_bytes();
        let part = signed(part.number() as u64)?;
        go_on.execute(params![&site.0[..], &id[..], part, taken, checked, &digest[..]])?;
    }
    Ok(())
}

/// Rare, so everything is written afresh.
fn stand(transaction: &Transaction<'_>, standing: &Standing) -> rusqlite::Result<()> {
    let unmet = standing.unmet.map(|unmet| signed(unmet.0)).transpose()?;
    transaction.execute(
        "UPDATE ledger SET guard = ?1, unmet = ?2, writer = ?3",
        params![&standing.guard[..], unmet, standing.writer],
    )?;
    transaction.execute("DELETE FROM forks", [])?;
    for fork in &standing.forks {
        let (first, last) = (signed(fork.first.0)?, signed(fork.last.0)?);
        transaction.execute("INSERT INTO forks (first, last) VALUES (?1, ?2)", [first, last])?;
    }
    transaction.execute("DELETE FROM inherited", [])?;
    for part in &standing.inherited {
        let values = params![&part.writer[..], signed(part.last.0)?];
        transaction.execute("INSERT INTO inherited (writer, last) VALUES (?1, ?2)", values)?;
    }
    transaction.execute("UPDATE counters SET base = 0", [])?;
    let mut set_base = transaction.prepare(SET_BASE)?;
    for (hash, fields) in standing.base.iter() {
        for (field, amount) in fields {
            set_base.execute(params![&hash.site.0[..], hash.family.name(), field, signed(*amount)?])?;
        }
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
