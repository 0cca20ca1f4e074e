//! The writing side of the store.

use std::collections::BTreeMap;
use std::io;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::checking::Look;
use super::index::{MonthIndex, Record, Shape};
use super::library::Library;
use super::month::Month;
use super::opening::{Finding, open_months, remove};
use super::schema::Fields;
use super::state::{Lack, State};
use super::{StoreError, StoreLimits};
use crate::event::{Erasure, Row, Sequence, Session};

/// The writing side, held by one thread.
pub struct Store {
    folder: PathBuf,
    shape: Shape,
    months: BTreeMap<Month, MonthIndex>,
    /// The month of the last row, and its times.
    current: (Range<u64>, Month),
    state: State,
    /// Everything up to here was handed over.
    appended: Sequence,
    /// Counts uses of writers, to find the one that is idle for longest.
    uses: u64,
    /// Rows of months that are not kept.
    dropped: u64,
    /// A write failed: nobody knows what the writers still hold, so nothing may be said to be committed.
    failed: bool,
    /// Something was deleted since the last commit.
    erased: bool,
    library: Library,
}

impl Store {
    /// Opens the store in a folder, or begins one. What is found wrong is told, and mended as far as the frames that
    /// are kept reach: append from [`Store::cursor`] on.
    ///
    /// # Errors
    /// The folder cannot be used, or is of another version.
    pub fn open(folder: &Path, limits: StoreLimits) -> Result<(Self, Vec<Finding>), StoreError> {
        Self::open_with(folder, limits, (Fields::new(), Look::Quick))
    }

    /// The same for a store of sessions.
    ///
    /// # Errors
    /// As [`Store::open`].
    pub fn open_sessions(folder: &Path, limits: StoreLimits) -> Result<(Self, Vec<Finding>), StoreError> {
        Self::open_with(folder, limits, (Fields::of_sessions(), Look::Quick))
    }

    /// The same after a look at every byte.
    ///
    /// # Errors
    /// As [`Store::open`].
    pub fn open_sessions_checked(folder: &Path, limits: StoreLimits) -> Result<(Self, Vec<Finding>), StoreError> {
        Self::open_with(folder, limits, (Fields::of_sessions(), Look::Thorough))
    }

    /// The same after a look at every byte.
    ///
    /// # Errors
    /// As [`Store::open`].
    pub fn open_checked(folder: &Path, limits: StoreLimits) -> Result<(Self, Vec<Finding>), StoreError> {
        Self::open_with(folder, limits, (Fields::new(), Look::Thorough))
    }

    fn open_with(
        folder: &Path,
        limits: StoreLimits,
        (fields, look): (Fields, Look),
    ) -> Result<(Self, Vec<Finding>), StoreError> {
        std::fs::create_dir_all(folder).map_err(|source| StoreError::files(folder, source))?;
        let mut findings = Vec::new();
        let read = match State::read(folder) {
            Err(error) if error.kind() == io::ErrorKind::InvalidData => {
                findings.push(Finding::State);
                None
            }
            read => read.map_err(|source| StoreError::files(folder, source))?,
        };
        let mut store = Self {
            folder: folder.into(),
            shape: Shape {
                fields: Arc::new(fields),
                limits,
            },
            months: BTreeMap::new(),
            current: (0..0, Month::of(0)),
            state: read.unwrap_or_default(),
            appended: Sequence::ZERO,
            uses: 0,
            dropped: 0,
            failed: false,
            erased: false,
            library: Library::new(limits),
        };
        store.months = open_months(folder, &store.state, (&store.shape, look), &mut findings)?;
        if !findings.is_empty() {
            // Durably, before anything is appended: a crash while the months are made again must not forget it.
            store.state.cursor = Sequence::ZERO;
            store.state.lacks.insert(Lack::Damage);
        }
        for finding in &findings {
            tracing::error!(aside = ?finding.aside(), "{finding}; it is made again from the frames that are kept");
        }
        store.state.months = store.months.keys().copied().collect();
        store.write_state()?;
        store.appended = store.state.cursor;
        store.publish();
        Ok((store, findings))
    }

    /// Notes why it lacks events, durably with the next commit.
    pub fn note_lack(&mut self, lack: Lack) {
        self.state.lacks.insert(lack);
    }

    /// Everything up to here is durable and visible; the next row to append is above.
    pub fn cursor(&self) -> Sequence {
        self.state.cursor
    }

    /// Everything up to here was handed over.
    pub const fn appended(&self) -> Sequence {
        self.appended
    }

    /// The highest sequence that it has heard of: a month may be ahead of the cursor, as long as another is behind.
    pub fn seen(&self) -> Sequence {
        let months = self.months.values().map(|index| index.committed);
        months.fold(self.state.cursor, Sequence::max)
    }

    /// Whether anything was handed over that is not committed.
    pub fn is_behind(&self) -> bool {
        self.appended > self.state.cursor
    }

    /// Lets go of what is only needed for writing, when everything is committed; waits for merges that are under way.
    ///
    /// # Errors
    /// The disk takes no writes: open the store again.
    pub fn rest(&mut self) -> Result<(), StoreError> {
        if self.months.values().all(|index| index.last_used().is_none()) {
            return Ok(());
        }
        let settled = self.settle();
        self.note(settled)
    }

    /// Who reads the store, from any thread.
    pub fn library(&self) -> Library {
        self.library.clone()
    }

    /// Bytes of its files.
    pub fn disk_bytes(&self) -> u64 {
        let of_folder = |path: &Path| -> u64 {
            let entries = std::fs::read_dir(path).into_iter().flatten().flatten();
            entries
                .filter_map(|entry| entry.metadata().ok())
                .map(|entry| entry.len())
                .sum()
        };
        self.months.values().map(|index| of_folder(&index.path)).sum()
    }

    /// Rows that were not taken since the last call because their month is not kept any more.
    pub fn take_dropped(&mut self) -> u64 {
        std::mem::take(&mut self.dropped)
    }

    /// Takes a row, unless it has it already. Sequences must rise.
    ///
    /// # Errors
    /// The index takes no writes: open the store again.
    pub fn append(&mut self, row: &Row<'_>) -> Result<(), StoreError> {
        self.sound()?;
        let appended = self.append_record(row.sequence, row.event.time_ms, &Record::Event(row));
        self.advance(row.sequence);
        self.note(appended)
    }

    /// Takes a session that was over at a frame, unless it has it already; [`Store::end_frame`] after all of a frame.
    ///
    /// # Errors
    /// As of [`Store::append`].
    pub fn append_session(&mut self, over_at: Sequence, session: &Session) -> Result<(), StoreError> {
        self.sound()?;
        let appended = self.append_record(over_at, session.start_ms, &Record::Session(session));
        self.note(appended)
    }

    /// Notes that all sessions that were over at a frame were handed over. Only now may a month be closed to make room:
    /// what it has then is all of a frame or nothing.
    ///
    /// # Errors
    /// As of [`Store::append`].
    pub fn end_frame(&mut self, sequence: Sequence) -> Result<(), StoreError> {
        self.advance(sequence);
        let closed = self.close_surplus(self.shape.limits.writers_max.max(1));
        self.note(closed)
    }

    fn append_record(&mut self, sequence: Sequence, time_ms: u64, record: &Record<'_>) -> Result<(), StoreError> {
        let month = self.month_of(time_ms);
        if sequence <= self.state.cursor {
            return Ok(());
        }
        if self.state.first.is_some_and(|first| month < first) {
            self.dropped += 1;
            self.state.lacks.insert(Lack::Retention);
        } else {
            if matches!(record, Record::Event(_)) {
                self.make_room_for(month, sequence)?;
            }
            let Some((index, now)) = self.ready(month, sequence)? else {
                return Ok(());
            };
            index.append(record, now).map_err(StoreError::index(month))?;
        }
        Ok(())
    }

    /// Most rows are of the same month as the one before, and a calendar is dear.
    fn month_of(&mut self, time_ms: u64) -> Month {
        let (times, month) = &self.current;
        if times.contains(&time_ms) {
            return *month;
        }
        let month = Month::of(time_ms);
        self.current = (month.times(), month);
        month
    }

    /// Notes that everything up to a sequence was handed over, be there rows in it or not.
    pub fn advance(&mut self, sequence: Sequence) {
        self.appended = self.appended.max(sequence);
    }

    /// Deletes what is at or below a sequence and matches, unless that was done already.
    ///
    /// # Errors
    /// The index takes no writes: open the store again.
    pub fn erase(&mut self, sequence: Sequence, erasure: &Erasure<'_>) -> Result<(), StoreError> {
        self.sound()?;
        let erased = self.erase_matching(sequence, erasure);
        self.note(erased)
    }

    fn erase_matching(&mut self, sequence: Sequence, erasure: &Erasure<'_>) -> Result<(), StoreError> {
        if sequence <= self.state.cursor {
            return Ok(());
        }
        self.state.lacks.insert(Lack::Erasure);
        let months: Vec<Month> = self.months.keys().copied().collect();
        for month in months {
            self.make_room_for(month, sequence)?;
            if let Some((index, now)) = self.ready(month, sequence)? {
                index.erase(erasure, now).map_err(StoreError::index(month))?;
            }
        }
        self.erased = true;
        self.advance(sequence);
        Ok(())
    }

    /// Makes everything that was handed over durable and visible.
    ///
    /// # Errors
    /// The disk takes no writes: open the store again.
    pub fn commit(&mut self) -> Result<(), StoreError> {
        self.sound()?;
        let committed = self.commit_all();
        self.note(committed)
    }

    fn commit_all(&mut self) -> Result<(), StoreError> {
        let up_to = self.appended;
        for index in self.months.values_mut() {
            let month = index.month;
            index.commit(up_to).map_err(StoreError::index(month))?;
        }
        if self.state.cursor != up_to {
            // Nobody is told of a cursor that is not on disk.
            let before = std::mem::replace(&mut self.state.cursor, up_to);
            let written = self.write_state();
            if written.is_err() {
                self.state.cursor = before;
                return written;
            }
        }
        self.library.committed(up_to);
        if std::mem::take(&mut self.erased) {
            self.library.taken_away();
        }
        Ok(())
    }

    /// Drops all months before one, with everything in them.
    ///
    /// # Errors
    /// The files cannot be removed.
    pub fn drop_before(&mut self, first: Month) -> Result<Vec<Month>, StoreError> {
        if self.state.first.is_some_and(|known| first <= known) {
            return Ok(Vec::new());
        }
        let kept = self.months.split_off(&first);
        let dropped = std::mem::replace(&mut self.months, kept);
        self.state.first = Some(first);
        if !dropped.is_empty() {
            self.state.lacks.insert(Lack::Retention);
        }
        self.state.months = self.months.keys().copied().collect();
        // The note goes first: an index that is left over by a crash is removed at the next start.
        self.write_state()?;
        self.publish();
        self.library.taken_away();
        for index in dropped.values() {
            remove(&index.path)?;
        }
        Ok(dropped.into_keys().collect())
    }

    /// Reads every file of the months.
    ///
    /// # Errors
    /// The first that is not as it was written.
    pub fn check(&self) -> Result<(), StoreError> {
        for index in self.months.values() {
            let month = index.month;
            index.check().map_err(StoreError::index(month))?;
        }
        Ok(())
    }

    /// Commits, and waits for merges that are under way.
    ///
    /// # Errors
    /// The disk takes no writes: open the store again.
    pub fn settle(&mut self) -> Result<(), StoreError> {
        self.commit()?;
        for index in self.months.values_mut() {
            let month = index.month;
            index.settle().map_err(StoreError::index(month))?;
        }
        Ok(())
    }

    /// The index of a month, with the count of uses; `None` if it already has what a sequence brings.
    fn ready(&mut self, month: Month, sequence: Sequence) -> Result<Option<(&mut MonthIndex, u64)>, StoreError> {
        if !self.months.contains_key(&month) {
            let index = self.begin(month)?;
            self.months.insert(month, index);
            self.state.months.insert(month);
            self.publish();
        }
        let known = self.months.get(&month).filter(|index| sequence > index.committed);
        if known.is_none() {
            return Ok(None);
        }
        self.uses += 1;
        let uses = self.uses;
        Ok(self.months.get_mut(&month).map(|index| (index, uses)))
    }

    /// Leaves room for one more writer, if a month has none yet and lacks what a sequence brings.
    fn make_room_for(&mut self, month: Month, sequence: Sequence) -> Result<(), StoreError> {
        let needs_none = |index: &MonthIndex| index.last_used().is_some() || sequence <= index.committed;
        if self.months.get(&month).is_some_and(needs_none) {
            return Ok(());
        }
        self.close_surplus(self.shape.limits.writers_max.max(1) - 1)
    }

    /// Closes the writers that are idle for longest until there are only so many.
    fn close_surplus(&mut self, most: usize) -> Result<(), StoreError> {
        let up_to = self.appended;
        let is_open = |index: &&mut MonthIndex| index.last_used().is_some();
        while self.months.values_mut().filter(is_open).count() > most {
            let open = self.months.values_mut().filter(is_open);
            if let Some(index) = open.min_by_key(|index| index.last_used()) {
                let month = index.month;
                index.commit(up_to).map_err(StoreError::index(month))?;
                index.close();
            }
        }
        Ok(())
    }

    fn begin(&self, month: Month) -> Result<MonthIndex, StoreError> {
        let path = self.folder.join(month.to_string());
        // What lies there and is not among the months was begun and never committed.
        remove(&path)?;
        std::fs::create_dir_all(&path).map_err(|source| StoreError::files(&path, source))?;
        MonthIndex::begin(&path, month, &self.shape).map_err(StoreError::index(month))
    }

    /// Refuses everything after a write has failed.
    fn sound(&self) -> Result<(), StoreError> {
        if self.failed { Err(StoreError::Failed) } else { Ok(()) }
    }

    fn note(&mut self, done: Result<(), StoreError>) -> Result<(), StoreError> {
        self.failed |= done.is_err();
        done
    }

    fn write_state(&self) -> Result<(), StoreError> {
        let written = self.state.write(&self.folder);
        written.map_err(|source| StoreError::files(&self.folder, source))
    }

    fn publish(&self) {
        let shelves = self.months.values().map(|index| (index.month, index.reader()));
        self.library.publish(shelves.collect(), self.state.cursor);
    }
}
