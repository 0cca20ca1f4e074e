//! The file that keeps what sessions were open at a frame: the only place of this room that names SQLite.
//!
//! It is a help, and no record: who finds it damaged begins a new one, and loses no more than the sessions that were
//! open.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use rusqlite::{Connection, Transaction, params};

use super::sessions::{Open, Sessions, Who};
use crate::event::{Sequence, Session, SiteId};

/// Marks the file (`PRAGMA application_id`): the letters `ffse`.
const APPLICATION: i32 = 0x6666_7365;
/// The version of the tables (`PRAGMA user_version`).
const VERSION: i32 = 1;

/// `session` is what is kept with an open one, as JSON; `who` a fingerprint under the file's key.
const TABLES: &str = "
    CREATE TABLE place (
        only   INTEGER PRIMARY KEY CHECK (only = 1),
        key    BLOB NOT NULL CHECK (length(key) = 16),
        cursor INTEGER NOT NULL CHECK (cursor >= 0)
    ) STRICT;
    CREATE TABLE sites (
        site    BLOB PRIMARY KEY CHECK (length(site) = 16),
        time_ms INTEGER NOT NULL
    ) STRICT, WITHOUT ROWID;
    CREATE TABLE open (
        number      INTEGER PRIMARY KEY,
        who         BLOB NOT NULL CHECK (length(who) = 16),
        site_ms     INTEGER NOT NULL,
        received_ms INTEGER NOT NULL,
        session     TEXT NOT NULL
    ) STRICT;";

const PUT: &str = "INSERT INTO open (number, who, site_ms, received_ms, session) VALUES (?1, ?2, ?3, ?4, ?5)
    ON CONFLICT DO UPDATE SET site_ms = excluded.site_ms, received_ms = excluded.received_ms, session = excluded.session";
const PUT_SITE: &str = "INSERT INTO sites (site, time_ms) VALUES (?1, ?2)
    ON CONFLICT DO UPDATE SET time_ms = excluded.time_ms";

/// Why the file cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("{path}: {source}")]
pub struct SessionFileError {
    path: PathBuf,
    source: rusqlite::Error,
}

/// The open file.
pub struct SessionFile {
    path: PathBuf,
    connection: Connection,
}

/// What was kept.
#[derive(Debug)]
pub struct Kept {
    /// What fingerprints and numbers are made with.
    pub key: [u8; 16],
    /// The frame at which these sessions were open.
    pub cursor: Sequence,
    /// How far each site's time was.
    pub sites: Vec<(SiteId, u64)>,
    /// The open sessions.
    pub open: Vec<Open<Arc<Session>>>,
}

/// What has changed since the file was written.
pub struct Changes<'a> {
    /// The frame at which it is so.
    pub cursor: Sequence,
    /// Sites whose time has gone on.
    pub sites: &'a [(SiteId, u64)],
    /// Sessions that have changed and are open.
    pub open: &'a [&'a Open<Arc<Session>>],
    /// Sessions that are not open any more.
    pub gone: &'a [u64],
}

impl SessionFile {
    /// Opens the file, or bears it, with what it kept. One that is damaged, or from a later version, is put aside.
    ///
    /// # Errors
    /// SQLite can neither read nor make it.
    pub fn open(path: &Path) -> Result<(Self, Kept), SessionFileError> {
        let opened = load(path).or_else(|error| {
            if !is_damage(&error) {
                return Err(error);
            }
            let aside = path.with_extension("damaged");
            tracing::error!(%error, ?path, ?aside, "what sessions were open cannot be read: they are cut short here");
            for end in ["", "-wal", "-shm"] {
                let of = |path: &Path| PathBuf::from(format!("{}{end}", path.display()));
                // What is not there need not be moved.
                let _ = std::fs::rename(of(path), of(&aside));
            }
            load(path)
        });
        let (connection, kept) = opened.map_err(|source| explain(path, source))?;
        let path = path.into();
        Ok((Self { path, connection }, kept))
    }

    /// Where it lies.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Writes changes, durably and as one.
    ///
    /// # Errors
    /// SQLite cannot write; the file is as it was.
    pub fn write(&mut self, changes: &Changes<'_>) -> Result<(), SessionFileError> {
        write(&mut self.connection, changes).map_err(|source| explain(&self.path, source))
    }
}

/// Takes up what was kept.
pub fn take_up<T>(kept: Kept, open_max: usize, mut with: impl FnMut(Arc<Session>) -> T) -> Sessions<T> {
    let mut sessions = Sessions::new(&kept.key, open_max);
    for (site, time_ms) in kept.sites {
        sessions.restore_site(site, time_ms);
    }
    for open in kept.open {
        sessions.restore(Open {
            site: open.site,
            who: open.who,
            number: open.number,
            start_ms: open.start_ms,
            end_ms: open.end_ms,
            site_ms: open.site_ms,
            received_ms: open.received_ms,
            kept: with(open.kept),
        });
    }
    sessions
}

fn explain(path: &Path, source: rusqlite::Error) -> SessionFileError {
    let path = path.into();
    SessionFileError { path, source }
}

fn is_damage(error: &rusqlite::Error) -> bool {
    use rusqlite::ErrorCode::{DatabaseCorrupt, NotADatabase};
    match error {
        rusqlite::Error::SqliteFailure(failure, _) => matches!(failure.code, DatabaseCorrupt | NotADatabase),
        // A value that cannot be one of these tables'.
        _ => true,
    }
}

fn load(path: &Path) -> rusqlite::Result<(Connection, Kept)> {
    let mut file = Connection::open(path)?;
    file.busy_timeout(std::time::Duration::from_secs(5))?;
    let tables: i64 = file.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0))?;
    if tables == 0 {
        give_birth(&mut file)?;
    }
    let number = |name: &str| file.query_row(&format!("PRAGMA {name}"), [], |row| row.get::<_, i32>(0));
    if (number("application_id")?, number("user_version")?) != (APPLICATION, VERSION) {
        return Err(rusqlite::Error::InvalidQuery);
    }
    file.pragma_update(None, "journal_mode", "WAL")?;
    file.pragma_update(None, "synchronous", "FULL")?;
    let kept = restore(&file)?;
    Ok((file, kept))
}

fn give_birth(file: &mut Connection) -> rusqlite::Result<()> {
    let birth = file.transaction_with_behavior(rusqlite::TransactionBehavior::Immediate)?;
    let tables: i64 = birth.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0))?;
    // Another process may have been first.
    if tables == 0 {
        birth.execute_batch(TABLES)?;
        let key = uuid::Uuid::new_v4().into_bytes();
        birth.execute("INSERT INTO place (only, key, cursor) VALUES (1, ?1, 0)", [&key[..]])?;
        birth.pragma_update(None, "application_id", APPLICATION)?;
        birth.pragma_update(None, "user_version", VERSION)?;
    }
    birth.commit()
}

fn restore(file: &Connection) -> rusqlite::Result<Kept> {
    let place = "SELECT key, cursor FROM place";
    let (key, cursor) = file.query_row(place, [], |row| Ok((row.get(0)?, row.get::<_, i64>(1)?)))?;
    let mut sites = file.prepare("SELECT site, time_ms FROM sites")?;
    let sites = sites.query_map([], |row| Ok((SiteId(row.get(0)?), natural(row.get(1)?))))?;
    let mut open = file.prepare("SELECT number, who, site_ms, received_ms, session FROM open ORDER BY number")?;
    let open = open.query_map([], |row| {
        let text: String = row.get(4)?;
        let session: Session = serde_json::from_str(&text).map_err(|_| rusqlite::Error::InvalidQuery)?;
        Ok(Open {
            site: session.site,
            who: Who(u128::from_be_bytes(row.get(1)?)),
            number: natural(row.get(0)?),
            start_ms: session.start_ms,
            end_ms: session.end_ms,
            site_ms: natural(row.get(2)?),
            received_ms: natural(row.get(3)?),
            kept: Arc::new(session),
        })
    })?;
    Ok(Kept {
        key,
        cursor: Sequence(natural(cursor)),
        sites: sites.collect::<Result<_, _>>()?,
        open: open.collect::<Result<_, _>>()?,
    })
}

fn write(connection: &mut Connection, changes: &Changes<'_>) -> rusqlite::Result<()> {
    let all = connection.transaction()?;
    put(&all, changes)?;
    all.execute("UPDATE place SET cursor = ?1", [changes.cursor.0.cast_signed()])?;
    all.commit()
}

fn put(all: &Transaction<'_>, changes: &Changes<'_>) -> rusqlite::Result<()> {
    let mut delete = all.prepare_cached("DELETE FROM open WHERE number = ?1")?;
    for number in changes.gone {
        delete.execute([number.cast_signed()])?;
    }
    let mut put = all.prepare_cached(PUT)?;
    for open in changes.open {
        let text = serde_json::to_string(&*open.kept).map_err(|_| rusqlite::Error::InvalidQuery)?;
        put.execute(params![
            open.number.cast_signed(),
            open.who.0.to_be_bytes(),
            open.site_ms.cast_signed(),
            open.received_ms.cast_signed(),
            text,
        ])?;
    }
    let mut put_site = all.prepare_cached(PUT_SITE)?;
    for (site, time_ms) in changes.sites {
        put_site.execute(params![site.0, time_ms.cast_signed()])?;
    }
    Ok(())
}

/// What was written from a number without a sign.
const fn natural(kept: i64) -> u64 {
    kept.cast_unsigned()
}
