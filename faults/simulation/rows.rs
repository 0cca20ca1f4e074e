//! A row store in memory, in the place of the event store: rows in one part a month, each with the sequence up to which
//! it has its month, and a note with the sequence up to which all have.
//!
//! A commit makes part after part last, then the note; whatever breaks in between leaves what was made. What was not
//! committed is lost with its process.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use footfall::apply::{Kept, Open};
use footfall::event::{Erasure, EventId, Row, Sequence, Session, SiteId};
use footfall::pipeline::parts::{OpenSessions, Rows};
use footfall::store::{Lack, Month, StoreError};

use crate::disk::Directory;
use crate::mutant::Mutant;

/// Months that are written to at once.
const WRITERS_MAX: usize = 2;

/// What lasts of a store.
#[derive(Debug, Clone, Default)]
pub struct Table {
    months: BTreeMap<Month, Part>,
    cursor: Sequence,
    /// Sessions that are over, with the sequence up to which they are all there.
    over: Vec<Ended>,
    over_cursor: Sequence,
    /// Sessions that were open at a frame.
    open: OpenThen,
    /// The first month that is kept.
    pub first: Option<Month>,
    pub lacks: BTreeSet<Lack>,
    /// A month is not as it was left; whoever opens the store finds it.
    damaged: Option<Month>,
}

/// A month.
#[derive(Debug, Clone, Default)]
struct Part {
    committed: Sequence,
    rows: Vec<Stored>,
}

/// A row, as far as it matters here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stored {
    pub name: String,
    /// The request that it was sent by.
    pub request: usize,
    user: String,
    /// The session that it belongs to.
    pub visit: Option<u64>,
}

/// A session, as far as it matters here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ended {
    pub number: u64,
    pub events: u64,
    user: String,
    start_ms: u64,
}

#[derive(Debug, Clone, Default)]
struct OpenThen {
    cursor: Sequence,
    sites: BTreeMap<SiteId, u64>,
    open: BTreeMap<u64, Open<Arc<Session>>>,
}

#[derive(Debug, Clone)]
enum Change {
    Add(Stored),
    Erase(String),
}

/// A store that is open.
pub struct SimRows {
    directory: Directory,
    table: Table,
    /// What is not committed, by month, with the last use.
    pending: BTreeMap<Month, (u64, Vec<Change>)>,
    /// Sessions that are over and not committed.
    ended: Vec<Ended>,
    appended: Sequence,
    uses: u64,
    failed: bool,
    mutant: Option<Mutant>,
}

impl Table {
    /// All rows.
    pub fn rows(&self) -> impl Iterator<Item = &Stored> {
        self.months.values().flat_map(|part| &part.rows)
    }

    /// Everything up to here is in it.
    pub fn cursor(&self) -> Sequence {
        self.cursor.min(self.over_cursor).min(self.open.cursor)
    }

    /// Every session, whether it is over or not: its number and its events.
    pub fn sessions(&self) -> impl Iterator<Item = (u64, u64)> {
        let over = self.over.iter().map(|ended| (ended.number, ended.events));
        over.chain(self.open.open.values().map(|open| (open.number, open.kept.events)))
    }

    /// The highest sequence that any part has heard of.
    pub fn seen(&self) -> Sequence {
        let parts = self.months.values().map(|part| part.committed);
        let others = self.over_cursor.max(self.open.cursor);
        parts.fold(self.cursor.max(others), Sequence::max)
    }

    /// Damages one of its months; whether there is one.
    pub fn damage(&mut self, place: usize) -> bool {
        let months: Vec<_> = self.months.keys().copied().collect();
        self.damaged = (!months.is_empty()).then(|| months[place % months.len()]);
        self.damaged.is_some()
    }
}

impl SimRows {
    /// Opens the store of a directory; what is damaged begins anew.
    pub fn open(directory: &Directory, mutant: Option<Mutant>) -> Result<Self, StoreError> {
        let opened = directory.change_table(|table| {
            if let Some(month) = table.damaged.take() {
                table.months.remove(&month);
                table.cursor = Sequence::ZERO;
                table.lacks.insert(Lack::Damage);
            }
        });
        opened.map_err(|_| StoreError::Failed)?;
        let table = directory.table();
        Ok(Self {
            directory: directory.clone(),
            appended: table.cursor(),
            table,
            pending: BTreeMap::new(),
            ended: Vec::new(),
            uses: 0,
            failed: false,
            mutant,
        })
    }

    /// Drops all months before one.
    pub fn drop_before(&mut self, first: Month) -> Result<(), StoreError> {
        if self.table.first.is_some_and(|known| first <= known) {
            return Ok(());
        }
        self.table.first = Some(first);
        self.table.months = self.table.months.split_off(&first);
        self.pending = self.pending.split_off(&first);
        let is_kept = move |ended: &Ended| Month::of(ended.start_ms) >= first;
        self.ended.retain(is_kept);
        self.table.over.retain(is_kept);
        self.table.lacks.insert(Lack::Retention);
        let lacks = self.table.lacks.clone();
        self.make_last(|table| {
            table.months = table.months.split_off(&first);
            table.over.retain(is_kept);
            (table.first, table.lacks) = (Some(first), lacks);
        })
    }

    fn make_last(&mut self, change: impl FnOnce(&mut Table)) -> Result<(), StoreError> {
        let made = self.directory.change_table(change);
        self.failed |= made.is_err();
        made.map_err(|_| StoreError::Failed)
    }

    /// What is to be done to a month, if it lacks a sequence.
    fn ready(&mut self, month: Month, sequence: Sequence) -> Result<Option<&mut Vec<Change>>, StoreError> {
        let committed = self.table.months.entry(month).or_default().committed;
        if committed >= sequence && self.mutant != Some(Mutant::StoreReplayTaken) {
            return Ok(None);
        }
        if !self.pending.contains_key(&month) && self.pending.len() >= WRITERS_MAX {
            let oldest = self.pending.iter().min_by_key(|(_, (used, _))| *used);
            let oldest = oldest.map(|(month, _)| *month).unwrap();
            self.commit_month(oldest)?;
        }
        self.uses += 1;
        let open = self.pending.entry(month).or_default();
        open.0 = self.uses;
        Ok(Some(&mut open.1))
    }

    fn commit_month(&mut self, month: Month) -> Result<(), StoreError> {
        let upto = self.appended;
        let Some((_, changes)) = self.pending.remove(&month) else {
            return Ok(());
        };
        if self.mutant == Some(Mutant::StoreCommitLost) {
            return Ok(());
        }
        let part = self.table.months.entry(month).or_default();
        part.committed = upto;
        for change in changes {
            match change {
                Change::Add(row) => part.rows.push(row),
                Change::Erase(user) => part.rows.retain(|row| row.user != user),
            }
        }
        let part = part.clone();
        self.make_last(|table| drop(table.months.insert(month, part)))
    }

    fn commit_note(&mut self) -> Result<(), StoreError> {
        let (upto, lacks) = (self.appended.max(self.table.cursor), self.table.lacks.clone());
        self.make_last(|table| (table.cursor, table.lacks) = (upto, lacks))?;
        self.table.cursor = upto;
        Ok(())
    }

    fn commit_sessions(&mut self) -> Result<(), StoreError> {
        let upto = self.appended.max(self.table.over_cursor);
        self.table.over.append(&mut self.ended);
        self.table.over_cursor = upto;
        let over = self.table.over.clone();
        self.make_last(|table| (table.over, table.over_cursor) = (over, upto))
    }

    fn commit_open(&mut self, open: &OpenSessions) -> Result<(), StoreError> {
        let then = &mut self.table.open;
        open.changes(|changes| {
            then.cursor = changes.cursor;
            then.sites.extend(changes.sites.iter().copied());
            for number in changes.gone {
                then.open.remove(number);
            }
            for open in changes.open {
                then.open.insert(open.number, (*open).clone());
            }
        });
        let then = then.clone();
        self.make_last(|table| table.open = then)
    }

    fn sound(&self) -> Result<(), StoreError> {
        if self.failed { Err(StoreError::Failed) } else { Ok(()) }
    }
}

impl Rows for SimRows {
    fn cursor(&self) -> Sequence {
        self.table.cursor()
    }

    fn seen(&self) -> Sequence {
        self.table.seen()
    }

    fn is_behind(&self) -> bool {
        self.appended > self.table.cursor()
    }

    fn append(&mut self, row: &Row<'_>) -> Result<(), StoreError> {
        self.sound()?;
        if row.sequence <= self.table.cursor {
            return Ok(());
        }
        let month = Month::of(row.event.time_ms);
        if self.table.first.is_some_and(|first| month < first) {
            self.table.lacks.insert(Lack::Retention);
        } else if let Some(changes) = self.ready(month, row.sequence)? {
            changes.push(Change::Add(Stored {
                name: row.event.name.into(),
                request: request_of(row.event.id),
                user: row.event.user.into(),
                visit: row.visit,
            }));
        }
        self.advance(row.sequence)
    }

    fn append_session(&mut self, over_at: Sequence, session: &Session) -> Result<(), StoreError> {
        self.sound()?;
        let is_kept = self
            .table
            .first
            .is_none_or(|first| Month::of(session.start_ms) >= first);
        if is_kept && (over_at > self.table.over_cursor || self.mutant == Some(Mutant::SessionsTakenAgain)) {
            self.ended.push(Ended {
                number: session.number,
                events: session.events,
                user: session.user().into(),
                start_ms: session.start_ms,
            });
        }
        Ok(())
    }

    fn erase(&mut self, sequence: Sequence, erasure: &Erasure<'_>) -> Result<(), StoreError> {
        self.sound()?;
        let Erasure::User(_, user) = erasure else {
            panic!("nobody erases {erasure:?} here");
        };
        if sequence > self.table.over_cursor {
            self.ended.retain(|ended| ended.user != *user);
            self.table.over.retain(|ended| ended.user != *user);
        }
        if sequence <= self.table.cursor {
            return Ok(());
        }
        self.table.lacks.insert(Lack::Erasure);
        if self.mutant != Some(Mutant::StoreErasureForgotten) {
            let months: Vec<Month> = self.table.months.keys().copied().collect();
            for month in months {
                if let Some(changes) = self.ready(month, sequence)? {
                    changes.push(Change::Erase((*user).into()));
                }
            }
        }
        self.advance(sequence)
    }

    fn advance(&mut self, sequence: Sequence) -> Result<(), StoreError> {
        self.appended = self.appended.max(sequence);
        Ok(())
    }

    fn kept(&mut self) -> Kept {
        let OpenThen { cursor, sites, open } = self.table.open.clone();
        Kept {
            key: [7; 16],
            cursor,
            sites: sites.into_iter().collect(),
            open: open.into_values().collect(),
        }
    }

    fn commit(&mut self, open: &OpenSessions) -> Result<(), StoreError> {
        self.sound()?;
        let open_first = self.mutant == Some(Mutant::OpenSessionsFirst);
        if open_first {
            self.commit_open(open)?;
        }
        self.commit_sessions()?;
        let note_first = self.mutant == Some(Mutant::StoreCursorFirst);
        if note_first {
            self.commit_note()?;
        }
        let months: Vec<Month> = self.pending.keys().copied().collect();
        for month in months {
            self.commit_month(month)?;
        }
        if !note_first {
            self.commit_note()?;
        }
        if open_first { Ok(()) } else { self.commit_open(open) }
    }

    fn note_start(&mut self, reaches_back_to: &dyn Fn(Sequence) -> bool) {
        if !reaches_back_to(self.table.cursor()) {
            self.table.lacks.insert(Lack::Start);
        }
    }
}

/// The id of an event that has none of its client's.
pub fn own_id(request: usize) -> EventId<'static> {
    EventId::Own((request as u128).to_le_bytes())
}

fn request_of(id: EventId<'_>) -> usize {
    match id {
        EventId::Own(bytes) => usize::try_from(u128::from_le_bytes(bytes)).unwrap(),
        EventId::Client(key) => {
            let key = str::from_utf8(key).unwrap();
            key.trim_start_matches("key-").parse().unwrap()
        }
    }
}
