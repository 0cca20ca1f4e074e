//! The file of the claims: the only place of this room that names SQLite.
//!
//! A commit does not wait for the disk, so it survives the process but maybe not a power cut; [`File::sync`] brings
//! everything to the disk that was committed before. Whoever claims syncs before it forgets where a claim came from.

use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::{Connection, OpenFlags, OptionalExtension, Row as SqliteRow, params};

use super::Claim;
use crate::event::Sequence;

/// Marks the file (`PRAGMA application_id`): the letters `ffpt`.
const APPLICATION: i32 = 0x6666_7074;
/// The version of the tables (`PRAGMA user_version`).
const VERSION: i32 = 1;
/// How long to wait for another process, which may still write while this one takes over.
const PATIENCE: Duration = Duration::from_secs(5);

const TABLES: &str = "
    CREATE TABLE told (
        only  INTEGER PRIMARY KEY CHECK (only = 1),
        token TEXT NOT NULL,
        upto  INTEGER NOT NULL CHECK (upto >= 0)
    ) STRICT;
    CREATE TABLE lanes (
        identity BLOB PRIMARY KEY CHECK (length(identity) = 16),
        cursor   INTEGER NOT NULL CHECK (cursor >= 0)
    ) STRICT, WITHOUT ROWID;
    CREATE TABLE kinds (
        kind INTEGER PRIMARY KEY,
        name TEXT NOT NULL UNIQUE
    ) STRICT;
    CREATE TABLE claims (
        number    INTEGER PRIMARY KEY,
        user      TEXT NOT NULL,
        timestamp INTEGER NOT NULL CHECK (timestamp >= 0),
        kind      INTEGER NOT NULL,
        sequence  INTEGER NOT NULL CHECK (sequence >= 0),
        UNIQUE (user, timestamp)
    ) STRICT;
    CREATE TABLE totals (
        user  TEXT NOT NULL,
        kind  INTEGER NOT NULL,
        total INTEGER NOT NULL CHECK (total >= 0),
        PRIMARY KEY (user, kind)
    ) STRICT, WITHOUT ROWID;";

const INSERT: &str = "INSERT INTO claims (user, timestamp, kind, sequence) VALUES (?1, ?2, ?3, ?4)
    ON CONFLICT (user, timestamp) DO NOTHING";
const RAISE: &str = "INSERT INTO totals (user, kind, total) VALUES (?1, ?2, 1)
    ON CONFLICT (user, kind) DO UPDATE SET total = total + 1";
const LOWER: &str = "UPDATE totals SET total = total - 1 WHERE user = ?1 AND kind = ?2";
const FIRST: &str = "SELECT sequence FROM claims WHERE user = ?1 AND timestamp = ?2";
const AFTER: &str = "SELECT number, user, timestamp, name, sequence FROM claims JOIN kinds USING (kind)
    WHERE number > ?1 ORDER BY number LIMIT ?2";
const TOTALS: &str = "SELECT user, name, total FROM totals JOIN kinds USING (kind)
    WHERE (?1 IS NULL OR user = ?1) AND (?2 IS NULL OR name = ?2) ORDER BY user";
const WRONG: &str = "WITH counted AS (SELECT user, kind, count(*) AS total FROM claims GROUP BY user, kind)
    SELECT (SELECT count(*) FROM (SELECT * FROM counted EXCEPT SELECT user, kind, total FROM totals))
    + (SELECT count(*) FROM totals WHERE total > 0 AND (user, kind) NOT IN (SELECT user, kind FROM counted))";
const TOTALS_OF: &str = "SELECT user, name, total FROM totals JOIN kinds USING (kind)
    WHERE user = ?1 AND (?2 IS NULL OR name = ?2)";

/// The claims cannot be read or written now.
#[derive(Debug, thiserror::Error)]
pub enum PointsError {
    /// What SQLite says of the file.
    #[error("{path}: {source}")]
    File {
        /// The file.
        path: PathBuf,
        /// What went wrong.
        source: rusqlite::Error,
    },
    /// It is a file of something else, or of a later version.
    #[error("{0} is no file of points that this gateway can read")]
    Strange(PathBuf),
    /// Redis cannot be asked, or says what it should not.
    #[error("{0}")]
    Redis(Box<str>),
}

/// A claim as it stands in the file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row {
    /// Its place among all claims of the file.
    pub number: u64,
    /// Whose points.
    pub user: Box<str>,
    /// The client's time.
    pub timestamp: u64,
    /// What happened.
    pub kind: Box<str>,
    /// The frame that says so.
    pub sequence: Sequence,
}

/// The open file.
#[derive(Debug)]
pub struct File {
    path: PathBuf,
    connection: Connection,
}

impl File {
    /// Opens the file, or bears it.
    pub fn open(path: &Path) -> Result<Self, PointsError> {
        Self::over(path, || {
            let connection = Connection::open(path)?;
            connection.busy_timeout(PATIENCE)?;
            connection.pragma_update(None, "journal_mode", "WAL")?;
            connection.pragma_update(None, "synchronous", "NORMAL")?;
            connection.execute_batch("BEGIN IMMEDIATE")?;
            if version_of(&connection)? == (0, 0) {
                connection.execute_batch(TABLES)?;
                connection.pragma_update(None, "application_id", APPLICATION)?;
                connection.pragma_update(None, "user_version", VERSION)?;
            }
            connection.execute_batch("COMMIT")?;
            Ok(connection)
        })
    }

    /// Opens the file only to look at it; `None` if there is none.
    pub fn look(path: &Path) -> Result<Option<Self>, PointsError> {
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let opened = Self::over(path, || {
            let connection = Connection::open_with_flags(path, flags)?;
            connection.busy_timeout(PATIENCE)?;
            Ok(connection)
        });
        match opened {
            Err(PointsError::File { source, .. })
                if source.sqlite_error_code() == Some(rusqlite::ErrorCode::CannotOpen) =>
            {
                Ok(None)
            }
            opened => opened.map(Some),
        }
    }

    fn over(path: &Path, open: impl FnOnce() -> rusqlite::Result<Connection>) -> Result<Self, PointsError> {
        let told = |source| PointsError::File {
            path: path.into(),
            source,
        };
        let connection = open().map_err(told)?;
        if version_of(&connection).map_err(told)? != (APPLICATION, VERSION) {
            return Err(PointsError::Strange(path.into()));
        }
        Ok(Self {
            path: path.into(),
            connection,
        })
    }

    /// Begins a transaction.
    pub fn begin(&self) -> Result<(), PointsError> {
        self.told(self.connection.execute_batch("BEGIN IMMEDIATE"))
    }

    /// Ends it, with everything in it.
    pub fn commit(&self) -> Result<(), PointsError> {
        self.told(self.connection.execute_batch("COMMIT"))
    }

    /// Ends it, with nothing.
    pub fn roll_back(&self) {
        if !self.connection.is_autocommit() {
            // Where even this fails there is nothing left to give up.
            let _ = self.connection.execute_batch("ROLLBACK");
        }
    }

    /// Adds a claim unless user and time have one; whether they have it from this frame.
    pub fn claim(&self, claim: Claim<'_>) -> Result<bool, PointsError> {
        self.told(self.insert(claim))
    }

    fn insert(&self, claim: Claim<'_>) -> rusqlite::Result<bool> {
        let kind = self.kind(claim.kind)?;
        let values = params![claim.user, signed(claim.timestamp), kind, signed(claim.sequence.0)];
        if self.connection.prepare_cached(INSERT)?.execute(values)? == 1 {
            self.connection
                .prepare_cached(RAISE)?
                .execute(params![claim.user, kind])?;
            return Ok(true);
        }
        Ok(self.first(claim.user, claim.timestamp)? == Some(claim.sequence))
    }

    fn kind(&self, name: &str) -> rusqlite::Result<i64> {
        let mut find = self
            .connection
            .prepare_cached("SELECT kind FROM kinds WHERE name = ?1")?;
        if let Some(kind) = find.query_row([name], |row| row.get(0)).optional()? {
            return Ok(kind);
        }
        self.connection
            .execute("INSERT INTO kinds (name) VALUES (?1)", [name])?;
        Ok(self.connection.last_insert_rowid())
    }

    /// The frame that user and time have their claim from.
    pub fn frame_of(&self, user: &str, timestamp: u64) -> Result<Option<Sequence>, PointsError> {
        self.told(self.first(user, timestamp))
    }

    fn first(&self, user: &str, timestamp: u64) -> rusqlite::Result<Option<Sequence>> {
        let mut find = self.connection.prepare_cached(FIRST)?;
        let found = find.query_row(params![user, signed(timestamp)], |row| number(row, 0));
        Ok(found.optional()?.map(Sequence))
    }

    /// Somebody else was first, and claimed it for another kind: that is the one which counts.
    pub fn correct(&self, row: &Row, kind: &str) -> Result<(), PointsError> {
        let correct = || {
            let (before, now) = (self.kind(&row.kind)?, self.kind(kind)?);
            let user: &str = &row.user;
            self.connection.execute(
                "UPDATE claims SET kind = ?2 WHERE number = ?1",
                params![signed(row.number), now],
            )?;
            self.connection.execute(LOWER, params![user, before])?;
            self.connection.execute(RAISE, params![user, now])
        };
        self.told(correct()).map(drop)
    }

    /// So many claims after one, in their order.
    pub fn after(&self, number: u64, most: usize) -> Result<Vec<Row>, PointsError> {
        let read = || {
            let mut select = self.connection.prepare_cached(AFTER)?;
            let rows = select.query_map(params![signed(number), signed(most as u64)], row)?;
            rows.collect()
        };
        self.told(read())
    }

    /// The number of the last claim.
    pub fn last(&self) -> Result<u64, PointsError> {
        let select = "SELECT coalesce(max(number), 0) FROM claims";
        self.told(self.connection.query_row(select, [], |row| number(row, 0)))
    }

    /// Gives every sum that a question is about, by user.
    pub fn totals(
        &self,
        (user, kind): (Option<&str>, Option<&str>),
        take: &mut dyn FnMut(&str, &str, u64),
    ) -> Result<(), PointsError> {
        let mut read = || {
            let mut select = self
                .connection
                .prepare_cached(if user.is_some() { TOTALS_OF } else { TOTALS })?;
            let mut rows = select.query(params![user, kind])?;
            while let Some(row) = rows.next()? {
                take(row.get_ref(0)?.as_str()?, row.get_ref(1)?.as_str()?, number(row, 2)?);
            }
            Ok(())
        };
        self.told(read())
    }

    /// How many claims there are, and how many sums are not what they come to.
    pub fn audit(&self) -> Result<(u64, u64), PointsError> {
        let audit = || {
            let count = |query| self.connection.query_row(query, [], |row| number(row, 0));
            Ok((count("SELECT count(*) FROM claims")?, count(WRONG)?))
        };
        self.told(audit())
    }

    /// The frame up to which every claim of a lane is here, when it was last synced.
    pub fn cursor(&self, lane: [u8; 16]) -> Result<Sequence, PointsError> {
        let mut find = self
            .connection
            .prepare_cached("SELECT cursor FROM lanes WHERE identity = ?1");
        let find = find.as_mut().map_err(|_| rusqlite::Error::InvalidQuery);
        let found = find.and_then(|find| find.query_row([&lane[..]], |row| number(row, 0)).optional());
        Ok(Sequence(self.told(found)?.unwrap_or_default()))
    }

    /// Brings to the disk what was committed, and notes up to which frame of a lane every claim is here.
    pub fn sync(&self, lane: [u8; 16], cursor: Sequence) -> Result<(), PointsError> {
        let write = || {
            // The log of SQLite is one file, so this commit takes those before it to the disk.
            self.connection.pragma_update(None, "synchronous", "FULL")?;
            let upsert = "INSERT INTO lanes (identity, cursor) VALUES (?1, ?2)
                ON CONFLICT (identity) DO UPDATE SET cursor = excluded.cursor";
            let written = self.connection.execute(upsert, params![&lane[..], signed(cursor.0)]);
            self.connection.pragma_update(None, "synchronous", "NORMAL")?;
            written
        };
        self.told(write()).map(drop)
    }

    /// Under which token Redis was last told, and up to which number.
    pub fn told_upto(&self) -> Result<Option<(String, u64)>, PointsError> {
        let select = "SELECT token, upto FROM told";
        let found = self
            .connection
            .query_row(select, [], |row| Ok((row.get(0)?, number(row, 1)?)));
        self.told(found.optional())
    }

    /// Notes it.
    pub fn set_told(&self, token: &str, upto: u64) -> Result<(), PointsError> {
        let upsert = "INSERT INTO told (only, token, upto) VALUES (1, ?1, ?2)
            ON CONFLICT (only) DO UPDATE SET token = excluded.token, upto = excluded.upto";
        self.told(self.connection.execute(upsert, params![token, signed(upto)]))
            .map(drop)
    }

    fn told<T>(&self, result: rusqlite::Result<T>) -> Result<T, PointsError> {
        result.map_err(|source| PointsError::File {
            path: self.path.clone(),
            source,
        })
    }
}

fn version_of(connection: &Connection) -> rusqlite::Result<(i32, i32)> {
    let ask = |name: &str| connection.query_row(&format!("PRAGMA {name}"), [], |row| row.get(0));
    Ok((ask("application_id")?, ask("user_version")?))
}

fn row(row: &SqliteRow<'_>) -> rusqlite::Result<Row> {
    Ok(Row {
        number: number(row, 0)?,
        user: row.get::<_, String>(1)?.into(),
        timestamp: number(row, 2)?,
        kind: row.get::<_, String>(3)?.into(),
        sequence: Sequence(number(row, 4)?),
    })
}

/// A column that never holds less than zero.
fn number(row: &SqliteRow<'_>, column: usize) -> rusqlite::Result<u64> {
    let value: i64 = row.get(column)?;
    u64::try_from(value).map_err(|_| rusqlite::Error::IntegralValueOutOfRange(column, value))
}

/// A number as SQLite keeps it. All of these stay far below 2^63.
fn signed(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}
