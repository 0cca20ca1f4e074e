//! The directory's file, `directory.sqlite` in the data directory: the only place of this room that names SQLite or
//! touches files.
//!
//! It is under no lock of the gateway: commands change it while a gateway runs. SQLite lets one write after another,
//! and readers wait for nobody.

use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use rusqlite::{Connection, ErrorCode, OpenFlags, OptionalExtension as _, Transaction, TransactionBehavior, params};

use super::edition::Edition;
use super::record::{self, Kind, Writing};
use super::refusal::DirectoryError;
use super::register::Register;

const NAME: &str = "directory.sqlite";
/// Marks the file (`PRAGMA application_id`): the letters `ffdi`.
const APPLICATION: i32 = 0x6666_6469;
/// The version of the tables (`PRAGMA user_version`).
const VERSION: i32 = 1;
/// How often others are waited for who open the file at the same time.
const WAITS: usize = 100;

/// Records are JSON under an id, as in Redis; [`record`] says what is in them.
const TABLES: &str = "
    CREATE TABLE IF NOT EXISTS directory (
        only    INTEGER PRIMARY KEY CHECK (only = 1),
        edition TEXT NOT NULL
    ) STRICT;
    CREATE TABLE IF NOT EXISTS sites (
        id     TEXT PRIMARY KEY,
        record TEXT NOT NULL CHECK (json_valid(record))
    ) STRICT, WITHOUT ROWID;
    CREATE TABLE IF NOT EXISTS keys (
        id     TEXT PRIMARY KEY,
        record TEXT NOT NULL CHECK (json_valid(record))
    ) STRICT, WITHOUT ROWID;";

const SET_EDITION: &str = "INSERT INTO directory (only, edition) VALUES (1, ?1)
    ON CONFLICT DO UPDATE SET edition = excluded.edition";

/// The file, which need not be there yet.
#[derive(Debug)]
pub(super) struct SqliteFile {
    path: PathBuf,
    open: Option<Open>,
}

#[derive(Debug)]
struct Open {
    connection: Connection,
    /// Device and inode: another file may take the path meanwhile.
    file: (u64, u64),
}

/// What went wrong with the file.
enum Trouble {
    Said(String),
    Sqlite(rusqlite::Error),
}

impl From<rusqlite::Error> for Trouble {
    fn from(error: rusqlite::Error) -> Self {
        Self::Sqlite(error)
    }
}

impl SqliteFile {
    /// The file of a data directory.
    pub fn of(data_dir: &Path) -> Self {
        Self {
            path: data_dir.join(NAME),
            open: None,
        }
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    pub fn exists(&self) -> bool {
        self.path.exists()
    }

    /// The edition in the file; that of nothing if there is no file.
    pub fn edition(&mut self) -> Result<Edition, DirectoryError> {
        self.with(|open| match open {
            Some(connection) => edition(connection),
            None => Ok(Edition::NONE),
        })
    }

    /// Everything in the file.
    pub fn load(&mut self) -> Result<Register, DirectoryError> {
        self.with(|open| match open {
            Some(connection) => load(connection),
            None => Ok(Register::default()),
        })
    }

    /// Writes a change if the file has the edition that it was made for; makes the file if need be.
    pub fn write(&mut self, writing: &Writing) -> Result<bool, DirectoryError> {
        if !self.exists() {
            self.open = None;
            let made = self.path.parent().map_or(Ok(()), fs::create_dir_all);
            made.map_err(|error| self.wrong(error.to_string()))?;
            self.open = Some(open(&self.path).map_err(|trouble| self.explain(trouble))?);
        }
        self.with(|open| match open {
            Some(connection) => write(connection, writing),
            None => Err(Trouble::Said("it has gone while it was written".into())),
        })
    }

    /// Does something with the file, which is opened if it is there. After a failure it is opened anew.
    fn with<T>(
        &mut self,
        act: impl FnOnce(Option<&mut Connection>) -> Result<T, Trouble>,
    ) -> Result<T, DirectoryError> {
        let place = place(&self.path);
        self.open = self.open.take().filter(|open| Some(open.file) == place);
        if self.open.is_none() && place.is_some() {
            self.open = Some(open(&self.path).map_err(|trouble| self.explain(trouble))?);
        }
        let result = act(self.open.as_mut().map(|open| &mut open.connection));
        result.map_err(|trouble| {
            self.open = None;
            self.explain(trouble)
        })
    }

    fn explain(&self, trouble: Trouble) -> DirectoryError {
        self.wrong(match trouble {
            Trouble::Said(why) => why,
            Trouble::Sqlite(error) => error.to_string(),
        })
    }

    fn wrong(&self, why: String) -> DirectoryError {
        let path = self.path.clone();
        DirectoryError::File { path, why }
    }
}

/// Where on which disk a file is; `None` if it is not there.
fn place(path: &Path) -> Option<(u64, u64)> {
    fs::metadata(path).ok().map(|found| (found.dev(), found.ino()))
}

fn open(path: &Path) -> Result<Open, Trouble> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let mut connection = Connection::open_with_flags(path, flags)?;
    // Asked before anything is written, so that a foreign file stays as it is.
    let tables: i64 = connection.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0))?;
    let application: i32 = connection.query_row("PRAGMA application_id", [], |row| row.get(0))?;
    let version: i32 = connection.query_row("PRAGMA user_version", [], |row| row.get(0))?;
    if tables > 0 && application != APPLICATION {
        return Err(Trouble::Said("it is a database of something else".into()));
    }
    if version > VERSION {
        let why = format!("it has version {version}, this program knows versions up to {VERSION}: run a newer one");
        return Err(Trouble::Said(why));
    }
    write_ahead(&mut connection)?;
    connection.pragma_update(None, "synchronous", "FULL")?;
    if tables == 0 {
        give_birth(&mut connection)?;
    }
    let health: String = connection.query_row("PRAGMA quick_check(1)", [], |row| row.get(0))?;
    if health != "ok" {
        return Err(Trouble::Said(format!("it is damaged: {health}")));
    }
    let gone = || Trouble::Said("it has gone while it was opened".into());
    let file = place(path).ok_or_else(gone)?;
    Ok(Open { connection, file })
}

/// Lets readers wait for nobody. Where others do the same at once, SQLite gives this up without waiting for them, as it does
/// for everything else: so a transaction that does nothing waits instead.
fn write_ahead(connection: &mut Connection) -> rusqlite::Result<()> {
    let mut done = Ok(());
    for _ in 0..WAITS {
        done = connection.pragma_update(None, "journal_mode", "WAL");
        match &done {
            Err(error) if error.sqlite_error_code() == Some(ErrorCode::DatabaseBusy) => {
                connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
            }
            _ => break,
        }
    }
    done
}

/// Two processes may do this at once: one waits, and finds everything there.
fn give_birth(connection: &mut Connection) -> rusqlite::Result<()> {
    let birth = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    birth.execute_batch(TABLES)?;
    birth.pragma_update(None, "application_id", APPLICATION)?;
    birth.pragma_update(None, "user_version", VERSION)?;
    birth.commit()
}

fn edition(connection: &Connection) -> Result<Edition, Trouble> {
    let mut select = connection.prepare_cached("SELECT edition FROM directory")?;
    let text: Option<String> = select.query_row([], |row| row.get(0)).optional()?;
    let damaged = || Trouble::Said("it is damaged: its edition cannot be read".into());
    Edition::parse(&text.unwrap_or_default()).ok_or_else(damaged)
}

fn load(connection: &mut Connection) -> Result<Register, Trouble> {
    // One transaction, one moment.
    let transaction = connection.transaction()?;
    let edition = edition(&transaction)?;
    let mut records = Vec::new();
    for kind in Kind::ALL {
        let mut select = transaction.prepare(&format!("SELECT id, record FROM {}", table(kind)))?;
        let found = select.query_map([], |row| Ok((kind, row.get(0)?, row.get::<_, String>(1)?.into_bytes())))?;
        for record in found {
            records.push(record?);
        }
    }
    Ok(record::read(edition, records.into_iter()))
}

fn write(connection: &mut Connection, writing: &Writing) -> Result<bool, Trouble> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    if edition(&transaction)? != writing.from {
        return Ok(false);
    }
    put(&transaction, writing)?;
    transaction.commit()?;
    Ok(true)
}

fn put(transaction: &Transaction<'_>, writing: &Writing) -> rusqlite::Result<()> {
    if writing.whole {
        transaction.execute_batch("DELETE FROM sites; DELETE FROM keys;")?;
    }
    for entry in &writing.entries {
        let table = table(entry.kind);
        match &entry.text {
            Some(text) => transaction
                .prepare_cached(&format!("INSERT OR REPLACE INTO {table} (id, record) VALUES (?1, ?2)"))?
                .execute(params![entry.id, text])?,
            None => transaction
                .prepare_cached(&format!("DELETE FROM {table} WHERE id = ?1"))?
                .execute([&entry.id])?,
        };
    }
    transaction.execute(SET_EDITION, [writing.to.to_string()])?;
    Ok(())
}

const fn table(kind: Kind) -> &'static str {
    match kind {
        Kind::Site => "sites",
        Kind::Key => "keys",
    }
}
