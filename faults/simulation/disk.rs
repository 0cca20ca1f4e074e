//! A data directory in memory, with what a real one does to its files when the power goes.
//!
//! The operating system's view (`seen`) survives the death of a process. What lasts through a power cut is what was
//! synced, and any part of what was not: nothing, all, a beginning, or a scatter of sectors. A name lasts once the
//! directory was synced. After a failed sync the view shows bytes that the disk may lack for ever.

mod calls;

use std::collections::BTreeMap;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard};

use footfall::counters::{Ledger, LedgerPage};
use footfall::event::CounterHash;
use footfall::journal::Disk;

use self::calls::{SimDisk, SimLedger};
use crate::mutant::Mutant;
use crate::random::Random;
use crate::rows::Table;

const SECTOR: usize = 512;
const PAGE: usize = 4_096;
/// The journal writes zeros ahead of its frames in pieces of this size; a world rarely has room for all of them, since
/// reading them again is what costs most time.
const ZEROS: usize = 256 << 10;

/// A data directory, shared by the process that runs over it and the world that breaks it.
#[derive(Clone)]
pub struct Directory(Arc<Mutex<Files>>);

/// What is wrong with a directory now.
#[derive(Debug, Clone, Copy, Default)]
pub struct DiskFaults {
    /// No room for any write.
    pub full: bool,
    /// Percentage of reads that fail.
    pub reads_fail: u64,
    /// After so many further syncs one fails.
    pub sync_fails_in: Option<u64>,
    /// After so many further writes one fails for want of room.
    pub write_fails_in: Option<u64>,
    /// After so many further writes there is no room.
    pub fills_in: Option<u64>,
    /// After so many further calls the process dies in the middle of one.
    pub dies_in: Option<u64>,
}

#[derive(Clone)]
struct Files {
    names: BTreeMap<String, usize>,
    lasting_names: BTreeMap<String, usize>,
    /// Changes of names since the directory was synced; each lasts as a whole or not at all, none before an earlier one.
    name_changes: Vec<Vec<(String, Option<usize>)>>,
    nodes: Vec<Node>,
    ledger: BTreeMap<(CounterHash, Box<str>), u64>,
    /// Everything else of the ledger.
    page: LedgerPage,
    /// The event store.
    table: Table,
    faults: DiskFaults,
    zeros_bytes: usize,
    dead: bool,
    random: Random,
    mutant: Option<Mutant>,
}

#[derive(Clone, Default)]
struct Node {
    seen: Vec<u8>,
    lasting: Vec<u8>,
    unsynced: Vec<Change>,
}

#[derive(Clone)]
enum Change {
    Write(usize, Vec<u8>),
    Truncate(usize),
}

/// How much of what was not synced a power cut leaves.
#[derive(Clone, Copy)]
enum Leftover {
    Nothing,
    Everything,
    /// The changes up to a place, and the sectors of the next up to a place.
    Beginning(usize, usize),
    Scatter,
}

impl Directory {
    pub fn new(identity: [u8; 16], mut random: Random, mutant: Option<Mutant>) -> Self {
        let zeros_bytes = match random.below(64) {
            0 => ZEROS,
            piece => usize::try_from(piece).unwrap() * 64,
        };
        Self(Arc::new(Mutex::new(Files {
            names: BTreeMap::new(),
            lasting_names: BTreeMap::new(),
            name_changes: Vec::new(),
            nodes: Vec::new(),
            ledger: BTreeMap::new(),
            page: LedgerPage::born(identity),
            table: Table::default(),
            faults: DiskFaults::default(),
            zeros_bytes,
            dead: false,
            random,
            mutant,
        })))
    }

    /// A copy of what a reader of the directory sees now; it lasts.
    pub fn copy(&self) -> Self {
        let mut files = self.lock().clone();
        files.random = files.random.fork();
        for node in &mut files.nodes {
            node.lasting.clone_from(&node.seen);
            node.unsynced.clear();
        }
        files.lasting_names.clone_from(&files.names);
        files.name_changes.clear();
        (files.faults, files.dead) = (DiskFaults::default(), false);
        Self(Arc::new(Mutex::new(files)))
    }

    /// Becomes what a copy was.
    pub fn restore(&self, copy: &Self) {
        let copy = copy.copy();
        let copy = copy.lock().clone();
        *self.lock() = copy;
    }

    pub fn disk(&self) -> Arc<dyn Disk> {
        Arc::new(SimDisk(self.clone()))
    }

    pub fn ledger(&self) -> Ledger {
        let files = self.lock();
        let totals = files.ledger.iter();
        let page = LedgerPage {
            totals: totals
                .map(|((hash, field), total)| (*hash, field.clone(), *total))
                .collect(),
            ..files.page.clone()
        };
        Ledger::over(Box::new(SimLedger(self.clone())), page)
    }

    /// The mistake that is planted in its world.
    pub fn mutant(&self) -> Option<Mutant> {
        self.lock().mutant
    }

    /// What lasts of the event store.
    pub fn table(&self) -> Table {
        self.lock().table.clone()
    }

    /// Changes the event store, if the disk takes it.
    pub fn change_table(&self, change: impl FnOnce(&mut Table)) -> io::Result<()> {
        let mut files = self.lock();
        files.enter()?;
        if files.faults.full || is_due(&mut files.faults.write_fails_in) {
            return Err(io::ErrorKind::StorageFull.into());
        }
        change(&mut files.table);
        Ok(())
    }

    /// Damages a part of the event store; whether there is one.
    pub fn damage_table(&self, place: usize) -> bool {
        self.lock().table.damage(place)
    }

    /// Becomes what a copy was, but for the event store.
    pub fn restore_without_store(&self, copy: &Self) {
        let table = self.table();
        self.restore(copy);
        self.lock().table = table;
    }

    /// The name it commits under.
    pub fn guard(&self) -> [u8; 16] {
        self.lock().page.standing.guard
    }

    pub fn set_faults(&self, change: impl FnOnce(&mut DiskFaults)) {
        change(&mut self.lock().faults);
    }

    pub fn faults(&self) -> DiskFaults {
        self.lock().faults
    }

    /// Whether the process over it died in the middle of a call.
    pub fn is_dead(&self) -> bool {
        self.lock().dead
    }

    /// Nothing of the process that died gets here any more; the next one may come.
    pub fn revive(&self) {
        let mut files = self.lock();
        files.dead = false;
        files.faults.dies_in = None;
        files.faults.sync_fails_in = None;
        files.faults.write_fails_in = None;
    }

    /// The power goes: what was not synced lasts in part.
    pub fn cut_power(&self) {
        self.lock().cut_power();
    }

    /// Flips a bit of a file.
    pub fn flip(&self, name: &str, bit: usize) {
        let mut files = self.lock();
        let node = files.names[name];
        let node = &mut files.nodes[node];
        node.seen[bit / 8] ^= 1 << (bit % 8);
        node.lasting.clone_from(&node.seen);
        node.unsynced.clear();
        if files.mutant == Some(Mutant::ChecksumIgnored) {
            files.mend_checksums();
        }
    }

    /// Cuts everything behind the first damage of a segment: what a mistaken recovery would do.
    pub fn cut_behind(&self, name: &str, length: usize) {
        let mut files = self.lock();
        let node = files.names[name];
        let node = &mut files.nodes[node];
        node.seen.truncate(length);
        node.lasting.clone_from(&node.seen);
        node.unsynced.clear();
    }

    /// A file's bytes.
    pub fn bytes(&self, name: &str) -> Vec<u8> {
        let files = self.lock();
        files.nodes[files.names[name]].seen.clone()
    }

    /// Puts a file there that lasts.
    pub fn put(&self, name: &str, bytes: &[u8]) {
        let mut files = self.lock();
        let node = files.nodes.len();
        files.nodes.push(Node {
            seen: bytes.to_vec(),
            lasting: bytes.to_vec(),
            unsynced: Vec::new(),
        });
        files.names.insert(name.into(), node);
        files.lasting_names.insert(name.into(), node);
    }

    /// The names of all files.
    pub fn names(&self) -> Vec<String> {
        self.lock().names.keys().cloned().collect()
    }

    fn lock(&self) -> MutexGuard<'_, Files> {
        self.0.lock().unwrap()
    }
}

impl Files {
    /// Every call begins here: the dead do nothing, and one may die now.
    fn enter(&mut self) -> io::Result<()> {
        match &mut self.faults.dies_in {
            Some(0) => self.dead = true,
            Some(left) => *left -= 1,
            None => {}
        }
        if self.dead {
            return Err(io::Error::other("the process is dead"));
        }
        Ok(())
    }

    fn change_names(&mut self, changes: Vec<(String, Option<usize>)>) {
        apply(&mut self.names, &changes);
        self.name_changes.push(changes);
    }

    fn find(&self, name: &str) -> io::Result<usize> {
        self.names.get(name).copied().ok_or(io::ErrorKind::NotFound.into())
    }

    fn write(&mut self, node: usize, offset: usize, bytes: &[u8]) -> io::Result<()> {
        let was_alive = !self.dead;
        if let Err(error) = self.enter() {
            if was_alive {
                let part = self.random.place(bytes.len() + 1);
                self.nodes[node].write(offset, &bytes[..part]);
            }
            return Err(error);
        }
        if bytes.len() == ZEROS && self.zeros_bytes < ZEROS {
            let room = if self.faults.full { 0 } else { self.zeros_bytes };
            self.nodes[node].write(offset, &bytes[..room]);
            return Err(io::ErrorKind::StorageFull.into());
        }
        self.faults.full |= is_due(&mut self.faults.fills_in);
        if self.faults.full || is_due(&mut self.faults.write_fails_in) {
            let part = self.random.place(bytes.len());
            self.nodes[node].write(offset, &bytes[..part]);
            return Err(io::ErrorKind::StorageFull.into());
        }
        self.nodes[node].write(offset, bytes);
        Ok(())
    }

    fn sync(&mut self, node: usize) -> io::Result<()> {
        self.enter()?;
        if is_due(&mut self.faults.sync_fails_in) {
            // The pages are clean now, whether or not they got to the disk: no later sync writes them.
            let lasting = self.leave(node, Leftover::Scatter, SECTOR);
            let node = &mut self.nodes[node];
            node.lasting = lasting;
            node.unsynced.clear();
            return match self.mutant {
                Some(Mutant::SyncErrorIgnored) => Ok(()),
                _ => Err(io::Error::from_raw_os_error(5)),
            };
        }
        if self.mutant != Some(Mutant::SyncDoesNothing) {
            let node = &mut self.nodes[node];
            node.lasting.clone_from(&node.seen);
            node.unsynced.clear();
        }
        Ok(())
    }

    fn cut_power(&mut self) {
        let changes = self.nodes.iter().map(|node| node.unsynced.len()).max().unwrap_or(0);
        let leftover = match self.random.below(4) {
            0 => Leftover::Nothing,
            1 => Leftover::Everything,
            2 => Leftover::Beginning(self.random.place(changes + 1), self.random.place(4)),
            _ => Leftover::Scatter,
        };
        let unit = self.random.pick(&[SECTOR, PAGE, 64]);
        for place in 0..self.nodes.len() {
            let lasting = self.leave(place, leftover, unit);
            let node = &mut self.nodes[place];
            node.seen.clone_from(&lasting);
            node.lasting = lasting;
            node.unsynced.clear();
        }
        let kept = self.random.place(self.name_changes.len() + 1);
        for changes in self.name_changes.drain(..).take(kept) {
            apply(&mut self.lasting_names, &changes);
        }
        self.names.clone_from(&self.lasting_names);
        if self.mutant == Some(Mutant::ChecksumIgnored) {
            self.mend_checksums();
        }
    }

    /// What lasts of a file if the power goes now.
    fn leave(&mut self, node: usize, leftover: Leftover, unit: usize) -> Vec<u8> {
        let Node { lasting, unsynced, .. } = self.nodes[node].clone();
        let mut left = Node {
            seen: lasting,
            ..Node::default()
        };
        // Blocks that a file was given and that were never written may hold anything.
        let stale = matches!(leftover, Leftover::Scatter) && self.random.chance(30);
        for (place, change) in unsynced.iter().enumerate() {
            let whole = match leftover {
                Leftover::Nothing => false,
                Leftover::Everything => true,
                Leftover::Beginning(changes, _) => place < changes,
                Leftover::Scatter => self.random.chance(40),
            };
            match change {
                _ if whole => left.change(change),
                Change::Truncate(_) => {}
                Change::Write(offset, bytes) => {
                    for (number, (start, piece)) in pieces(*offset, bytes, unit).enumerate() {
                        let kept = match leftover {
                            Leftover::Beginning(changes, sectors) => place == changes && number < sectors,
                            Leftover::Scatter => self.random.chance(50),
                            Leftover::Nothing | Leftover::Everything => false,
                        };
                        if kept {
                            left.change(&Change::Write(start, piece.to_vec()));
                        } else if stale {
                            let rubbish = piece.iter().map(|_| self.random.number().to_le_bytes()[0]);
                            left.change(&Change::Write(start, rubbish.collect()));
                        }
                    }
                }
            }
        }
        left.seen
    }

    /// Makes what looks like a frame pass for one.
    fn mend_checksums(&mut self) {
        for name in self.names.values() {
            let bytes = &mut self.nodes[*name].seen;
            let mut at = footfall::journal::SEGMENT_HEADER_BYTES;
            while let Some(header) = bytes.get(at..at + footfall::journal::HEADER_BYTES) {
                let length = u32::from_le_bytes(header[..4].try_into().unwrap()) as usize;
                let end = at + footfall::journal::HEADER_BYTES + length;
                if length == 0 || end > bytes.len() {
                    break;
                }
                let crc = crc32c::crc32c_append(crc32c::crc32c(&bytes[at..at + 4]), &bytes[at + 8..end]);
                bytes[at + 4..at + 8].copy_from_slice(&crc.to_le_bytes());
                at = end;
            }
        }
    }
}

impl Node {
    fn write(&mut self, offset: usize, bytes: &[u8]) {
        self.change(&Change::Write(offset, bytes.to_vec()));
        self.unsynced.push(Change::Write(offset, bytes.to_vec()));
    }

    fn change(&mut self, change: &Change) {
        match change {
            Change::Write(offset, bytes) => {
                let end = offset + bytes.len();
                if self.seen.len() < end {
                    self.seen.resize(end, 0);
                }
                self.seen[*offset..end].copy_from_slice(bytes);
            }
            Change::Truncate(length) => self.seen.resize(*length, 0),
        }
    }
}

fn is_due(countdown: &mut Option<u64>) -> bool {
    match countdown {
        Some(0) => {
            *countdown = None;
            true
        }
        Some(left) => {
            *left -= 1;
            false
        }
        None => false,
    }
}

fn apply(names: &mut BTreeMap<String, usize>, changes: &[(String, Option<usize>)]) {
    for (name, node) in changes {
        match node {
            Some(node) => names.insert(name.clone(), *node),
            None => names.remove(name),
        };
    }
}

/// The parts of a write that lie in different units of the disk.
fn pieces(offset: usize, bytes: &[u8], unit: usize) -> impl Iterator<Item = (usize, &[u8])> {
    let mut at = 0;
    std::iter::from_fn(move || {
        let start = at;
        at = bytes.len().min((offset + start) / unit * unit + unit - offset);
        (start < bytes.len()).then(|| (offset + start, &bytes[start..at]))
    })
}
