//! Damaged and deleted files are noticed when the store is opened, and what they held is made again.

use std::fs;
use std::path::{Path, PathBuf};

use footfall::store::{Finding, Month, Store, StoreError, StoreLimits};

use super::dice::Dice;
use super::rows::{OwnedRow, many};
use super::{at, fill, open, open_anyhow, sequences, sequences_of};

/// A store of rows in several months, closed.
fn stored(rows: &[OwnedRow]) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let mut store = open(folder.path());
    fill(&mut store, rows, 100);
    assert_eq!(store.cursor(), at(rows.last().unwrap().sequence));
    folder
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let path = entry.unwrap().path();
        let target = to.join(path.file_name().unwrap());
        if path.is_dir() {
            copy(&path, &target);
        } else {
            fs::copy(&path, &target).unwrap();
        }
    }
}

fn flip(path: &Path) {
    let mut bytes = fs::read(path).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 0x10;
    fs::write(path, bytes).unwrap();
}

fn cut(path: &Path) {
    let bytes = fs::read(path).unwrap();
    fs::write(path, &bytes[..bytes.len() / 2]).unwrap();
}

fn delete(path: &Path) {
    fs::remove_file(path).unwrap();
}

/// The files of a month, without locks, which say nothing.
fn files(month: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(month).unwrap().map(|entry| entry.unwrap().path());
    entries
        .filter(|path| path.extension().is_none_or(|ending| ending != "lock"))
        .collect()
}

#[test]
fn whatever_file_is_damaged_everything_is_made_again() {
    let rows = many(&mut Dice::new(21), 200);
    let whole = stored(&rows);
    let october = whole.path().join("2026-10");
    let mut noticed = 0;
    for file in files(&october) {
        for damage in [flip, cut, delete] {
            let folder = tempfile::tempdir().unwrap();
            copy(whole.path(), folder.path());
            damage(&folder.path().join("2026-10").join(file.file_name().unwrap()));
            let (mut store, findings) = open_anyhow(folder.path());
            if let [Finding::Damaged { month, aside, .. }] = &findings[..] {
                noticed += 1;
                assert_eq!(month.to_string(), "2026-10");
                assert!(aside.exists());
                assert_eq!(store.cursor(), at(0));
            } else {
                assert_eq!(findings, [], "{}", file.display());
            }
            fill(&mut store, &rows, 1_000);
            assert_eq!(sequences(&store), sequences_of(&rows), "{}", file.display());
            drop(store);
            assert_eq!(sequences(&open(folder.path())), sequences_of(&rows));
        }
    }
    // Every file of a segment, and the list of segments; the list of all files can be made again by the index.
    assert!(
        noticed >= 3 * (files(&october).len() - 1),
        "{noticed} of {}",
        3 * files(&october).len()
    );
}

#[test]
fn a_month_that_is_gone_is_noticed_and_made_again() {
    let rows = many(&mut Dice::new(22), 200);
    let folder = stored(&rows);
    super::remove(&folder.path().join("2026-10"));
    let (mut store, findings) = open_anyhow(folder.path());
    assert_eq!(findings, [Finding::Gone(Month::parse("2026-10").unwrap())]);
    let left = rows
        .iter()
        .filter(|row| Month::of(row.time_ms).to_string() != "2026-10");
    assert_eq!(sequences(&store), sequences_of(left));
    // A crash before all is made again must not forget that it is not.
    store.append(&rows[0].row()).unwrap();
    store.commit().unwrap();
    drop(store);
    let mut store = open(folder.path());
    assert_eq!(store.cursor(), at(rows[0].sequence));
    fill(&mut store, &rows, 1_000);
    assert_eq!(sequences(&store), sequences_of(&rows));
}

#[test]
fn a_damaged_note_takes_the_cursor_back_and_a_missing_store_begins_again() {
    let rows = many(&mut Dice::new(23), 100);
    for damage in [flip, cut] {
        let folder = stored(&rows);
        damage(&folder.path().join("state"));
        let (mut store, findings) = open_anyhow(folder.path());
        assert_eq!((findings, store.cursor()), (vec![Finding::State], at(0)));
        fill(&mut store, &rows, 1_000);
        assert_eq!(sequences(&store), sequences_of(&rows));
    }
    let folder = stored(&rows);
    for entry in fs::read_dir(folder.path()).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            super::remove(&path);
        } else {
            fs::remove_file(path).unwrap();
        }
    }
    let store = open(folder.path());
    assert_eq!((store.cursor(), sequences(&store)), (at(0), Vec::new()));
}

#[test]
fn damage_that_shows_only_later_is_found_by_a_check() {
    let rows = many(&mut Dice::new(24), 100);
    let folder = stored(&rows);
    let store = open(folder.path());
    store.check().unwrap();
    let segment = files(&folder.path().join("2026-10"));
    flip(
        segment
            .iter()
            .find(|path| path.extension().is_some_and(|ending| ending == "fast"))
            .unwrap(),
    );
    assert!(
        store
            .check()
            .unwrap_err()
            .to_string()
            .starts_with("the index of 2026-10")
    );
}

#[test]
fn a_commit_whose_sequence_was_changed_is_damaged() {
    let rows = many(&mut Dice::new(26), 200);
    let folder = stored(&rows);
    let list = folder.path().join("2026-10/meta.json");
    let text = fs::read_to_string(&list).unwrap();
    let note = text.split("up to ").nth(1).unwrap();
    let (digits, _) = note.split_once(',').unwrap();
    let other = if digits.starts_with('1') { "2" } else { "1" };
    let changed = text.replace(&format!("up to {digits},"), &format!("up to {other}{},", &digits[1..]));
    assert_ne!(changed, text);
    fs::write(&list, changed).unwrap();
    let (mut store, findings) = open_anyhow(folder.path());
    assert!(matches!(findings[..], [Finding::Damaged { .. }]), "{findings:?}");
    fill(&mut store, &rows, 1_000);
    assert_eq!(sequences(&store), sequences_of(&rows));
    // Earlier builds said the sequence alone.
    drop(store);
    let text = fs::read_to_string(&list).unwrap();
    let note = &text[text.find("up to ").unwrap()..];
    let (note, _) = note.split_once('"').unwrap();
    let digits: String = note["up to ".len()..]
        .chars()
        .take_while(char::is_ascii_digit)
        .collect();
    fs::write(&list, text.replace(note, &digits)).unwrap();
    let (store, findings) = open_anyhow(folder.path());
    assert_eq!((findings, sequences(&store)), (Vec::new(), sequences_of(&rows)));
}

#[test]
fn an_index_that_contradicts_the_note_is_damaged_and_without_a_note_of_another_version() {
    let rows = many(&mut Dice::new(25), 200);
    for has_note in [true, false] {
        let folder = stored(&rows);
        let list = folder.path().join("2026-10/meta.json");
        let text = fs::read_to_string(&list).unwrap();
        assert!(text.contains("\"_lag\""), "{text}");
        fs::write(&list, text.replace("\"_lag\"", "\"_mag\"")).unwrap();
        if has_note {
            let (mut store, findings) = open_anyhow(folder.path());
            assert!(matches!(findings[..], [Finding::Damaged { .. }]), "{findings:?}");
            fill(&mut store, &rows, 1_000);
            assert_eq!(sequences(&store), sequences_of(&rows));
        } else {
            fs::remove_file(folder.path().join("state")).unwrap();
            let refused = Store::open(folder.path(), StoreLimits::default());
            assert!(matches!(refused, Err(StoreError::Index { .. })));
        }
    }
}
