//! The promise of the event store: every row once, whatever happens to the process or the files, and every answer the
//! one that a slow look at all rows gives.

mod answers;
mod bounds;
mod damage;
mod erasure;
mod kept;
mod oracle;
mod rows;
mod session_lists;
mod survival;
mod visits;
mod visits_oracle;

#[path = "../support/dice.rs"]
#[allow(dead_code, reason = "rows need no sizes")]
mod dice;

#[path = "../support/wait.rs"]
#[allow(dead_code, reason = "little is waited for")]
mod wait;

use std::path::Path;

use footfall::event::Sequence;
use footfall::store::search::{Condition, List, StoredEvent};
use footfall::store::{Finding, Store, StoreLimits};
use rows::{OwnedRow, SITE};

/// Opens a store that must be whole.
fn open(folder: &Path) -> Store {
    let (store, findings) = open_anyhow(folder);
    assert_eq!(findings, []);
    store
}

fn open_anyhow(folder: &Path) -> (Store, Vec<Finding>) {
    let limits = StoreLimits {
        writer_bytes: 15 << 20,
        ..StoreLimits::default()
    };
    Store::open_checked(folder, limits).unwrap()
}

/// Removes a folder of a closed store, of which a thread may still be at its last file.
fn remove(folder: &Path) {
    wait::until_true("the folder to be gone", || {
        let _ = std::fs::remove_dir_all(folder);
        !folder.exists()
    });
}

/// Appends rows, and commits after some of them.
fn fill(store: &mut Store, rows: &[OwnedRow], commit_every: usize) {
    for part in rows.chunks(commit_every) {
        for row in part {
            store.append(&row.row()).unwrap();
        }
        store.commit().unwrap();
    }
}

/// Everything the store has of the usual site, newest first.
fn everything(store: &Store) -> Vec<StoredEvent> {
    let all = List {
        site: SITE,
        times: 0..u64::MAX,
        condition: Condition::All,
        after: None,
        limit: 100_000,
    };
    store.library().snapshot().list(&all).unwrap()
}

/// The sequences of what the store has, in order.
fn sequences(store: &Store) -> Vec<u64> {
    let mut sequences: Vec<u64> = everything(store)
        .iter()
        .map(|event| event.position.sequence.0)
        .collect();
    sequences.sort_unstable();
    sequences
}

/// The sequences of rows of the usual site, in order.
fn sequences_of<'a>(rows: impl IntoIterator<Item = &'a OwnedRow>) -> Vec<u64> {
    let rows = rows.into_iter().filter(|row| row.site == SITE);
    rows.map(|row| row.sequence).collect()
}

fn at(sequence: u64) -> Sequence {
    Sequence(sequence)
}
