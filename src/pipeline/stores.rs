//! The stores of a data directory: events, sessions that are over, and what sessions are open.

use std::io;
use std::path::{Path, PathBuf};

use super::open_sessions::OpenSessions;
use super::storing::Rows;
use crate::apply::{Kept, SessionFile, SessionFileError};
use crate::config::Config;
use crate::event::{Erasure, Row, Sequence, Session};
use crate::store::{Finding, Lack, Library, Month, Store, StoreError, StoreLimits};

/// Where the event store of a data directory lies.
pub fn events_folder(data_dir: &Path) -> PathBuf {
    data_dir.join("events")
}

/// Where the store of its sessions lies.
pub fn sessions_folder(data_dir: &Path) -> PathBuf {
    data_dir.join("sessions")
}

/// The file of its open sessions.
pub fn sessions_file(data_dir: &Path) -> PathBuf {
    data_dir.join("sessions.sqlite")
}

/// Events, sessions that are over, and what sessions are open.
///
/// A commit makes the two stores last, and then what is open. So what is open is never ahead of the stores: who goes on
/// from it makes the same sessions again of what they have already, and they take none of it.
pub struct Stores {
    events: Store,
    sessions: Store,
    file: SessionFile,
    /// What the file kept, until somebody goes on from it.
    kept: Option<Kept>,
    /// What is open is kept at this frame.
    cursor: Sequence,
}

impl Stores {
    /// Opens the stores of a data directory, after a look at every byte if they are in doubt.
    ///
    /// # Errors
    /// One of them cannot be used.
    pub fn open(config: &Config, in_doubt: bool) -> Result<(Self, Vec<Finding>), StoreError> {
        let (data_dir, limits) = (&config.journal.data_dir, StoreLimits::from(&config.store));
        let (folder, beside) = (&events_folder(data_dir), &sessions_folder(data_dir));
        let (opened, beside) = if in_doubt {
            (
                Store::open_checked(folder, limits)?,
                Store::open_sessions_checked(beside, limits)?,
            )
        } else {
            (Store::open(folder, limits)?, Store::open_sessions(beside, limits)?)
        };
        let ((events, mut findings), (sessions, of_sessions)) = (opened, beside);
        findings.extend(of_sessions);
        let path = sessions_file(data_dir);
        let (file, kept) = SessionFile::open(&path).map_err(|error| in_file(data_dir, error))?;
        let cursor = kept.cursor;
        // One that is over and still among those may be in both until the frames between have come again.
        if sessions.cursor() == cursor {
            let open = kept.open.iter().map(|open| open.kept.clone()).collect();
            events.library().put_sessions(&sessions.library(), open);
        }
        let kept = Some(kept);
        let stores = Self {
            events,
            sessions,
            file,
            kept,
            cursor,
        };
        Ok((stores, findings))
    }

    /// Who reads them, from any thread.
    pub fn library(&self) -> Library {
        self.events.library()
    }

    /// Who reads the files of each.
    pub fn libraries(&self) -> [Library; 2] {
        [self.events.library(), self.sessions.library()]
    }

    /// Bytes of their files.
    pub fn disk_bytes(&self) -> u64 {
        self.events.disk_bytes() + self.sessions.disk_bytes()
    }

    /// Rows that were not taken since the last call because their month is not kept any more.
    pub fn take_dropped(&mut self) -> u64 {
        self.events.take_dropped()
    }

    /// Lets go of what is only needed for writing, when everything is committed.
    ///
    /// # Errors
    /// The disk takes no writes: open the stores again.
    pub fn rest(&mut self) -> Result<(), StoreError> {
        self.events.rest()?;
        self.sessions.rest()
    }

    /// Drops all months before one, with everything in them.
    ///
    /// # Errors
    /// The files cannot be removed.
    pub fn drop_before(&mut self, first: Month) -> Result<Vec<Month>, StoreError> {
        self.sessions.drop_before(first)?;
        self.events.drop_before(first)
    }
}

impl Rows for Stores {
    fn cursor(&self) -> Sequence {
        self.events.cursor().min(self.sessions.cursor()).min(self.cursor)
    }

    fn seen(&self) -> Sequence {
        self.events.seen().max(self.sessions.seen()).max(self.cursor)
    }

    fn is_behind(&self) -> bool {
        // A crash between the stores' commit and the file's leaves only that behind.
        self.events.is_behind() || self.sessions.is_behind() || self.cursor < self.events.appended()
    }

    fn append(&mut self, row: &Row<'_>) -> Result<(), StoreError> {
        self.events.append(row)
    }

    fn append_session(&mut self, over_at: Sequence, session: &Session) -> Result<(), StoreError> {
        self.sessions.append_session(over_at, session)
    }

    fn erase(&mut self, sequence: Sequence, erasure: &Erasure<'_>) -> Result<(), StoreError> {
        self.events.erase(sequence, erasure)?;
        self.sessions.erase(sequence, erasure)
    }

    fn advance(&mut self, sequence: Sequence) -> Result<(), StoreError> {
        self.events.advance(sequence);
        self.sessions.end_frame(sequence)
    }

    fn kept(&mut self) -> Kept {
        self.kept.take().unwrap_or_else(|| Kept {
            key: [0; 16],
            cursor: Sequence::ZERO,
            sites: Vec::new(),
            open: Vec::new(),
        })
    }

    fn commit(&mut self, open: &OpenSessions) -> Result<(), StoreError> {
        self.sessions.advance(self.events.appended());
        self.sessions.commit()?;
        // Before the events', which begin another edition when something was erased: no answer of that may be made from
        // sessions of before.
        self.events.library().put_sessions(&self.sessions.library(), open.all());
        self.events.commit()?;
        let path = self.file.path().to_owned();
        let written = open.changes(|changes| self.file.write(changes));
        written.map_err(|error| in_file(&path, error))?;
        self.cursor = open.head();
        Ok(())
    }

    fn note_start(&mut self, reaches_back_to: &dyn Fn(Sequence) -> bool) {
        if !reaches_back_to(self.events.cursor()) {
            self.events.note_lack(Lack::Start);
        }
        if !reaches_back_to(self.sessions.cursor().min(self.cursor)) {
            self.sessions.note_lack(Lack::Start);
        }
    }
}

fn in_file(path: &Path, error: SessionFileError) -> StoreError {
    StoreError::Files {
        path: path.into(),
        source: io::Error::other(error),
    }
}
