//! No row twice, none missing: after a replay, a crash, with more months than writers.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};

use footfall::event::Sequence;
use footfall::store::{Month, Store, StoreLimits, seen_in};
use jiff::Timestamp;

use super::dice::Dice;
use super::rows::{OwnedRow, SITE, many, time};
use super::{at, everything, fill, open, sequences, sequences_of};

#[test]
fn what_is_appended_again_is_there_once() {
    let folder = tempfile::tempdir().unwrap();
    let rows = many(&mut Dice::new(1), 300);
    let mut store = open(folder.path());
    fill(&mut store, &rows[..200], 50);
    rows[200..250].iter().for_each(|row| store.append(&row.row()).unwrap());
    assert_eq!(store.cursor(), at(rows[199].sequence));
    drop(store);

    let mut store = open(folder.path());
    assert_eq!(store.cursor(), at(rows[199].sequence));
    assert_eq!(sequences(&store), sequences_of(&rows[..200]));
    fill(&mut store, &rows, 1_000);
    assert_eq!(sequences(&store), sequences_of(&rows));
    // Control: the same rows under sequences that are not skipped do double.
    let last = rows[299].sequence;
    let again: Vec<OwnedRow> = rows
        .iter()
        .map(|row| OwnedRow {
            sequence: row.sequence + last,
            ..row.clone()
        })
        .collect();
    fill(&mut store, &again, 1_000);
    assert_eq!(sequences(&store).len(), 2 * sequences_of(&rows).len());
}

#[test]
fn a_row_comes_back_as_it_was_given() {
    let folder = tempfile::tempdir().unwrap();
    let rows = many(&mut Dice::new(3), 100);
    let mut store = open(folder.path());
    fill(&mut store, &rows, 40);
    let stored = everything(&store);
    assert!(stored.is_sorted_by(|left, right| left.position > right.position));
    for row in rows.iter().filter(|row| row.site == SITE) {
        let event = stored
            .iter()
            .find(|event| event.position.sequence.0 == row.sequence)
            .unwrap();
        assert_eq!(
            (event.position.time_ms, event.received_ms),
            (row.time_ms, row.received_ms)
        );
        assert_eq!((&event.id, &event.properties[..]), (&row.id, row.properties.as_bytes()));
        assert_eq!(event.items, row.items.as_bytes());
        let column = |name: &str| {
            let found = event.columns.iter().find(|(column, _)| column.name() == name);
            found.map(|(_, text)| text.as_str()).unwrap_or_default()
        };
        assert_eq!(
            (column("name"), column("country"), column("city")),
            (&*row.name, row.country, &*row.city)
        );
        assert_eq!((column("user"), column("path")), (&*row.user, &*row.path));
        assert_eq!(column("visitor"), row.visitor.clone().unwrap_or_default());
        assert_eq!(
            column("revenue"),
            row.revenue.map(|(minor, _)| minor.to_string()).unwrap_or_default()
        );
    }
}

#[test]
fn more_months_than_writers_and_no_commit_between_lose_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let limits = StoreLimits {
        writers_max: 2,
        writer_bytes: 15 << 20,
        ..StoreLimits::default()
    };
    let (mut store, _) = Store::open(folder.path(), limits).unwrap();
    let start: Timestamp = "2026-01-15T00:00:00Z".parse().unwrap();
    let rows: Vec<OwnedRow> = (1..=60)
        .map(|sequence| {
            let month = (sequence * 7) % 5;
            let time_ms = start.as_millisecond().cast_unsigned() + month * 31 * 86_400_000;
            OwnedRow::random(&mut Dice::new(sequence), sequence, time_ms)
        })
        .collect();
    for row in &rows {
        store.append(&row.row()).unwrap();
    }
    store.commit().unwrap();
    assert_eq!(sequences(&store), sequences_of(&rows));
    drop(store);
    assert_eq!(sequences(&open(folder.path())), sequences_of(&rows));
}

#[test]
fn a_month_that_is_ahead_of_the_note_has_been_seen() {
    let folder = tempfile::tempdir().unwrap();
    let limits = StoreLimits {
        writers_max: 1,
        writer_bytes: 15 << 20,
        ..StoreLimits::default()
    };
    assert_eq!(seen_in(folder.path()).unwrap(), Sequence::ZERO);
    let (mut store, _) = Store::open(folder.path(), limits).unwrap();
    for (sequence, time) in [
        (3, "2026-01-15T00:00:00Z"),
        (5, "2026-01-16T00:00:00Z"),
        (6, "2026-02-15T00:00:00Z"),
    ] {
        store.append(&OwnedRow::plain(sequence, time).row()).unwrap();
    }
    // The first month has made room for the second, and nobody has committed.
    drop(store);
    assert_eq!(seen_in(folder.path()).unwrap(), Sequence(5));
    let store = open(folder.path());
    assert_eq!((store.cursor(), store.seen()), (Sequence::ZERO, Sequence(5)));
    drop(store);
    // A month that cannot be read begins anew, and has seen nothing.
    std::fs::write(folder.path().join("2026-01/meta.json"), "{").unwrap();
    assert_eq!(seen_in(folder.path()).unwrap(), Sequence::ZERO);
}

#[test]
fn dropped_months_stay_dropped_and_take_no_rows() {
    let folder = tempfile::tempdir().unwrap();
    let rows = many(&mut Dice::new(4), 300);
    let october = Month::parse("2026-10").unwrap();
    let kept = |row: &&OwnedRow| Month::of(row.time_ms) >= october;
    let mut store = open(folder.path());
    fill(&mut store, &rows[..200], 50);
    let before = store.library().snapshot();
    assert_eq!(store.drop_before(october).unwrap(), [Month::parse("2026-09").unwrap()]);
    assert!(!folder.path().join("2026-09").exists() && folder.path().join("2026-10").exists());
    assert_eq!(sequences(&store), sequences_of(rows[..200].iter().filter(kept)));
    // Whoever reads goes on with what they have.
    assert_eq!(before.events(), 200);
    fill(&mut store, &rows[200..], 50);
    assert!(store.take_dropped() > 0);
    drop(store);
    let store = open(folder.path());
    assert_eq!(sequences(&store), sequences_of(rows.iter().filter(kept)));
}

/// Tells the child process of a test where to write.
const CHILD_FOLDER: &str = "FOOTFALL_TEST_STORE_FOLDER";

/// The row of a sequence, the same in every process.
fn row_of(sequence: u64) -> OwnedRow {
    let mut dice = Dice::new(sequence);
    let time_ms = time(&mut dice);
    OwnedRow::random(&mut dice, sequence, time_ms)
}

/// Writes until it is killed, and says after each commit how far it is.
fn write_for_ever(folder: &Path) {
    let mut store = open(folder);
    let mut dice = Dice::new(store.cursor().0);
    for sequence in store.cursor().0 + 1.. {
        store.append(&row_of(sequence).row()).unwrap();
        if dice.below(40) == 0 {
            store.commit().unwrap();
            println!("committed {}", store.cursor());
        }
    }
}

#[test]
fn a_kill_between_commits_neither_doubles_nor_loses() {
    if let Ok(folder) = std::env::var(CHILD_FOLDER) {
        write_for_ever(Path::new(&folder));
    }
    let folder = tempfile::tempdir().unwrap();
    let mut dice = Dice::new(11);
    for _ in 0..5 {
        let said = kill_after(folder.path(), 2 + dice.below(8));
        let store = open(folder.path());
        let cursor = store.cursor().0;
        assert!(cursor >= said, "{cursor} is below {said}, which was committed");
        let there = sequences(&store);
        let rows: Vec<OwnedRow> = (1..=cursor).map(row_of).collect();
        let below: Vec<u64> = there.iter().copied().filter(|sequence| *sequence <= cursor).collect();
        assert_eq!(below, sequences_of(&rows));
        assert!(there.is_sorted_by(|left, right| left < right), "a row is there twice");
    }
    let mut store = open(folder.path());
    let end = store.cursor().0 + 500;
    let rows: Vec<OwnedRow> = (1..=end).map(row_of).collect();
    fill(&mut store, &rows, 100_000);
    assert_eq!(sequences(&store), sequences_of(&rows));
}

/// Runs this test in a process of its own that writes, and kills it after so many commits; what it said last.
fn kill_after(folder: &Path, commits: u64) -> u64 {
    let name = "survival::a_kill_between_commits_neither_doubles_nor_loses";
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", name, "--nocapture"])
        .env(CHILD_FOLDER, folder)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let lines = BufReader::new(child.stdout.take().unwrap())
        .lines()
        .map_while(Result::ok);
    let said = lines.filter_map(|line| {
        line.split_once("committed ")
            .map(|(_, sequence)| sequence.parse().unwrap())
    });
    let last = said.take(usize::try_from(commits).unwrap()).last();
    child.kill().unwrap();
    child.wait().unwrap();
    last.unwrap()
}
