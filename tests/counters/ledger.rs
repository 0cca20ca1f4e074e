//! The ledger's file.

use std::fs;

use footfall::counters::{Fields, Ledger, LedgerError, Verdict};
use footfall::event::{CounterHash, Family, Sequence, SiteId};
use rusqlite::Connection;
use tempfile::TempDir;

use crate::{EVENTS, IDENTITY, OTHER, VISITS, commit, deltas, gb};

fn apply(ledger: &mut Ledger, to: u64) {
    let verdict = ledger.commit(commit(to - 1, to, &gb(1)));
    assert!(matches!(verdict, Verdict::Applied(_)));
}

/// A directory with a ledger at sequence 3, and its path.
fn filled() -> (TempDir, std::path::PathBuf) {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("ledger.sqlite");
    let mut ledger = Ledger::open(&path, IDENTITY).unwrap();
    (1..=3).for_each(|to| apply(&mut ledger, to));
    ledger.persist().unwrap();
    (directory, path)
}

#[test]
fn a_crash_between_commits_leaves_the_persisted_cursor_with_its_totals() {
    let (_directory, path) = filled();
    let mut ledger = Ledger::open(&path, IDENTITY).unwrap();
    (4..=9).for_each(|to| apply(&mut ledger, to));
    assert_eq!((ledger.cursor(), ledger.durable_cursor()), (Sequence(9), Sequence(3)));
    // Nothing is persisted when it goes, as when the process is killed.
    drop(ledger);
    let mut ledger = Ledger::open(&path, IDENTITY).unwrap();
    assert_eq!((ledger.cursor(), ledger.durable_cursor()), (Sequence(3), Sequence(3)));
    assert_eq!(ledger.totals(&VISITS)["gb"], 3);
    apply(&mut ledger, 4);
    ledger.persist().unwrap();
    assert_eq!(ledger.durable_cursor(), Sequence(4));
    assert_eq!(Ledger::open(&path, IDENTITY).unwrap().totals(&VISITS)["gb"], 4);
}

#[test]
fn the_contribution_is_everything_of_every_site_and_survives_a_restart() {
    let (_directory, path) = filled();
    let site = SiteId([7; 16]);
    let family = Family::Events;
    let of_site = CounterHash { site, family };
    let more = deltas(&[(EVENTS, "visit", 8), (of_site, "b\u{fc}cher", 2)]);
    let mut ledger = Ledger::open(&path, IDENTITY).unwrap();
    assert!(matches!(ledger.commit(commit(3, 5, &more)), Verdict::Applied(_)));
    let mut whole = more.clone();
    whole.add(VISITS, "gb", 3);
    assert_eq!(ledger.contribution(), whole);
    ledger.persist().unwrap();
    drop(ledger);
    let ledger = Ledger::open(&path, IDENTITY).unwrap();
    assert_eq!(ledger.contribution(), whole);
    assert_eq!(ledger.totals(&of_site), Fields::from([("b\u{fc}cher".into(), 2)]));
}

#[test]
fn the_file_of_another_data_directory_is_refused() {
    let (_directory, path) = filled();
    let error = Ledger::open(&path, OTHER).unwrap_err();
    assert!(matches!(error, LedgerError::Identity { .. }), "{error}");
    assert!(error.to_string().contains("a1a1a1a1") && error.to_string().contains("b2b2b2b2"));
    assert_eq!(Ledger::open(&path, IDENTITY).unwrap().cursor(), Sequence(3));
}

#[test]
fn a_newer_file_is_refused_and_left_as_it_is() {
    let (_directory, path) = filled();
    let file = Connection::open(&path).unwrap();
    file.pragma_update(None, "user_version", 2).unwrap();
    let error = Ledger::open(&path, IDENTITY).unwrap_err();
    assert!(matches!(error, LedgerError::Newer { found: 2, .. }), "{error}");
    file.pragma_update(None, "user_version", 1).unwrap();
    assert_eq!(Ledger::open(&path, IDENTITY).unwrap().cursor(), Sequence(3));
}

#[test]
fn a_file_of_something_else_is_refused_and_left_as_it_is() {
    let directory = tempfile::tempdir().unwrap();
    let text = directory.path().join("text");
    fs::write(&text, "this is no database, ".repeat(500)).unwrap();
    let foreign = directory.path().join("foreign");
    let file = Connection::open(&foreign).unwrap();
    file.execute_batch("CREATE TABLE notes (text TEXT)").unwrap();
    for path in [text, foreign] {
        let before = fs::read(&path).unwrap();
        let error = Ledger::open(&path, IDENTITY).unwrap_err();
        assert!(matches!(error, LedgerError::Damaged { .. }), "{error}");
        assert_eq!(fs::read(&path).unwrap(), before);
    }
}

#[test]
fn damaged_pages_are_told_not_read() {
    let (_directory, path) = filled();
    let mut bytes = fs::read(&path).unwrap();
    let second_page = bytes.len() / 3..;
    bytes[second_page].iter_mut().for_each(|byte| *byte ^= 0x5a);
    fs::write(&path, bytes).unwrap();
    let error = Ledger::open(&path, IDENTITY).unwrap_err();
    assert!(matches!(error, LedgerError::Damaged { .. }), "{error}");
}

#[test]
fn a_persist_that_fails_changes_nothing_and_the_next_one_makes_up_for_it() {
    let (_directory, path) = filled();
    let mut ledger = Ledger::open(&path, IDENTITY).unwrap();
    let other = Connection::open(&path).unwrap();
    let trigger = "CREATE TRIGGER full BEFORE UPDATE ON ledger BEGIN SELECT RAISE(ABORT, 'no room'); END";
    other.execute_batch(trigger).unwrap();
    (4..=5).for_each(|to| apply(&mut ledger, to));
    let error = ledger.persist().unwrap_err();
    assert!(matches!(error, LedgerError::Sqlite { .. }), "{error}");
    assert_eq!((ledger.cursor(), ledger.durable_cursor()), (Sequence(5), Sequence(3)));
    assert_eq!(Ledger::open(&path, IDENTITY).unwrap().totals(&VISITS)["gb"], 3);
    other.execute_batch("DROP TRIGGER full").unwrap();
    ledger.persist().unwrap();
    assert_eq!(Ledger::open(&path, IDENTITY).unwrap().totals(&VISITS)["gb"], 5);
}

#[test]
fn damage_that_reading_would_not_notice_is_found() {
    let (_directory, path) = filled();
    let mut ledger = Ledger::open(&path, IDENTITY).unwrap();
    let more = deltas(&[(VISITS, "cyprus", 1), (VISITS, "us", 1)]);
    assert!(matches!(ledger.commit(commit(3, 4, &more)), Verdict::Applied(_)));
    ledger.persist().unwrap();
    drop(ledger);
    let mut bytes = fs::read(&path).unwrap();
    let place = bytes.windows(6).position(|window| window == b"cyprus").unwrap();
    bytes[place] = b'z'; // no longer in the order of the key
    fs::write(&path, bytes).unwrap();
    let error = Ledger::open(&path, IDENTITY).unwrap_err();
    assert!(matches!(error, LedgerError::Damaged { .. }), "{error}");
}

#[test]
fn a_persist_writes_only_what_has_changed() {
    let (_directory, path) = filled();
    let mut ledger = Ledger::open(&path, IDENTITY).unwrap();
    let us = deltas(&[(VISITS, "us", 1)]);
    assert!(matches!(ledger.commit(commit(3, 4, &us)), Verdict::Applied(_)));
    ledger.persist().unwrap();
    let other = Connection::open(&path).unwrap();
    other.execute("UPDATE counters SET total = 77", []).unwrap();
    apply(&mut ledger, 5);
    ledger.persist().unwrap();
    let kept = Ledger::open(&path, IDENTITY).unwrap().totals(&VISITS);
    assert_eq!(kept, Fields::from([("gb".into(), 4), ("us".into(), 77)]));
}
