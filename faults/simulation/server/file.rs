//! What a Redis has on disk, and what a start makes of it.
//!
//! A start finds what was there some time ago. The transaction that came next may have been torn: then Redis gives it
//! up, but its first commands stay in the file, and the start after that carries them out.

use super::{Key, Keys};
use crate::random::Random;

/// One command of a transaction.
#[derive(Debug, Clone)]
pub enum Write {
    Set(String, Vec<(String, String)>),
    /// By one.
    Increase(String, String),
    Remove(String, String),
    Rename(String, String),
}

impl Write {
    pub fn carry_out(&self, keys: &mut Keys) {
        match self {
            Self::Set(key, values) => {
                let held = keys.entry(key.clone()).or_insert_with(|| Key::Hash([].into()));
                if let Key::Hash(fields) = held {
                    fields.extend(values.iter().cloned());
                }
            }
            Self::Increase(key, field) => {
                let held = keys.entry(key.clone()).or_insert_with(|| Key::Hash([].into()));
                if let Key::Hash(fields) = held {
                    let number = fields.get(field).map_or(0, |number| number.parse().unwrap_or(0_u64));
                    fields.insert(field.clone(), (number + 1).to_string());
                }
            }
            Self::Remove(key, field) => {
                if let Some(Key::Hash(fields)) = keys.get_mut(key) {
                    fields.remove(field);
                    if fields.is_empty() {
                        keys.remove(key);
                    }
                }
            }
            Self::Rename(from, to) => {
                if let Some(held) = keys.remove(from) {
                    keys.insert(to.clone(), held);
                }
            }
        }
    }
}

/// The file, as a start would read it, and as it was at some moments.
#[derive(Default)]
pub struct File {
    keys: Keys,
    snapshots: Vec<Snapshot>,
}

struct Snapshot {
    keys: Keys,
    /// The transaction that came after it.
    next: Vec<Write>,
}

impl File {
    pub fn clear(&mut self) {
        self.keys.clear();
    }

    pub fn remove(&mut self, key: &str) {
        self.keys.remove(key);
    }

    pub fn take_snapshot(&mut self) {
        let keys = self.keys.clone();
        self.snapshots.push(Snapshot { keys, next: Vec::new() });
    }

    /// Takes down what was done at once.
    pub fn append(&mut self, transaction: Vec<Write>) {
        for write in &transaction {
            write.carry_out(&mut self.keys);
        }
        if let Some(last) = self.snapshots.last_mut().filter(|last| last.next.is_empty()) {
            last.next = transaction;
        }
    }

    /// What a start finds that finds one of the snapshots.
    pub fn start(&mut self, random: &mut Random) -> Option<Keys> {
        if self.snapshots.is_empty() {
            return None;
        }
        let place = random.place(self.snapshots.len());
        // What came after the snapshot belongs to a history that never was.
        self.snapshots.truncate(place + 1);
        let snapshot = self.snapshots.last_mut()?;
        let next = std::mem::take(&mut snapshot.next);
        self.keys.clone_from(&snapshot.keys);
        let found = self.keys.clone();
        if next.len() > 1 && random.chance(30) {
            // Perhaps nothing but its end is missing.
            let torn = 1 + random.place(next.len());
            for write in &next[..torn] {
                write.carry_out(&mut self.keys);
            }
        }
        Some(found)
    }
}
