//! The event store's files fail, fill up, or are damaged, and nothing else is: answers and counters go on, and in the end
//! every event that was accepted is in the store once.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::time::Duration;

use footfall::event::{Event, EventId, Row, Sequence, SiteId};
use footfall::store::search::{Condition, List};
use footfall::store::{Store, StoreLimits, survey};

use crate::disk::{LoopDisk, SmallDisk};
use crate::scale;
use crate::series::Series;
use crate::support::backend::Backend;
use crate::support::dice::Dice;
use crate::support::gateway::{Gateway, Settings};
use crate::support::history::History;
use crate::support::load::Load;
use crate::support::report::metric;
use crate::support::wait::{until, until_true};

/// Bytes that events have more, so that segments of the journal end.
const PADDING: usize = 2_000;
/// A store that steps back behind everything else fails no faster than it is let.
const OFTEN: Duration = Duration::from_mins(3);

/// Settings of a gateway whose segments go soon, but for what the event store lacks.
fn settings(commit_ms: u64) -> Settings {
    let settings = Backend::Embedded.stage().settings.set("FOOTFALL_DURABILITY", "disk");
    let settings = settings.set("FOOTFALL_STORE_COMMIT_MS", commit_ms);
    let settings = settings.set("FOOTFALL_STORE_RETRY_MS_MAX", 50);
    let settings = settings.set("FOOTFALL_STORE_WRITER_BYTES", 15_000_000);
    let settings = settings.set("FOOTFALL_JOURNAL_SEGMENT_BYTES", 1 << 20);
    // Nobody sends an id again after so long.
    settings.set("FOOTFALL_APPLY_WINDOW_MS", 10_000)
}

fn load(series: &Series, gateway: &Gateway) -> Load {
    series.load(gateway).padded(PADDING)
}

fn store_folder(settings: &Settings) -> PathBuf {
    settings.data_dir().join("events")
}

/// Lets the event store lie elsewhere than the journal.
fn put_store_on(disk: &Path, settings: &Settings) {
    let there = disk.join("events");
    fs::create_dir_all(&there).unwrap();
    fs::create_dir_all(settings.data_dir()).unwrap();
    symlink(there, store_folder(settings)).unwrap();
}

/// Nobody was refused; a connection may have been lost.
#[track_caller]
fn check_none_refused(history: &History) {
    let statuses = history.statuses();
    assert!(
        statuses.keys().all(|status| [0, 201, 202].contains(status)),
        "{statuses:?}"
    );
}

#[test]
fn power_cuts_of_the_event_stores_disk_cost_no_event() {
    let mut series = Series::begin("store-power-cut", 121);
    let (disk, settings) = (LoopDisk::new(256), settings(20));
    put_store_on(&disk.path(), &settings);
    for round in 0..scale::pick(4, 60) {
        let mut gateway = settings.start();
        let running = load(&series, &gateway).start();
        running.wait_for_kept(200 + series.dice.below(600));
        disk.cut_power();
        series.broke(1);
        running.wait_for_kept(100 + series.dice.below(600));
        if round % 2 == 0 {
            until_true("the store to fail", || metric(&gateway, "footfall_store_up") == 0);
            gateway.stop();
        } else {
            gateway.kill();
        }
        disk.restore_power();
        let history = running.finish();
        check_none_refused(&history);
        let mut gateway = settings.start();
        series.settle(history, &gateway, None);
        gateway.stop();
    }
    series.end(settings.start());
}

#[test]
fn a_full_disk_of_the_event_store_holds_nothing_else_and_costs_no_event() {
    let mut series = Series::begin("store-full", 122);
    let (disk, settings) = (SmallDisk::new(256), settings(20));
    put_store_on(&disk.path(), &settings);
    let gateway = settings.start();
    for _ in 0..scale::pick(2, 20) {
        let running = load(&series, &gateway).start();
        running.wait_for_kept(200 + series.dice.below(600));
        let failures = || metric(&gateway, "footfall_store_failures_total");
        let before = failures();
        disk.fill();
        series.broke(1);
        until_true("the store to fail", || failures() > before);
        running.wait_for_kept(300 + series.dice.below(600));
        disk.make_room();
        running.wait_for_kept(300);
        let history = running.finish();
        history.check_all_kept();
        series.settle(history, &gateway, None);
    }
    series.end(gateway);
}

#[test]
fn syncs_of_the_event_stores_note_that_fail_cost_no_event() {
    let mut series = Series::begin("store-note-fails", 123);
    let settings = settings(20);
    let folder = store_folder(&settings);
    let (note, folder) = (
        folder.join("state.new").display().to_string(),
        folder.display().to_string(),
    );
    let fault = format!("--inject=fsync:error=EIO:when={}+3", 5 + series.dice.below(3));
    let tracer = [
        "/usr/bin/strace",
        "-D",
        "-f",
        "-qq",
        "-o",
        "/dev/null",
        "-P",
        &note,
        "-P",
        &folder,
        &fault,
    ];
    let gateway = settings.clone().under(&tracer).start();
    let running = load(&series, &gateway).start();
    let failures = || metric(&gateway, "footfall_store_failures_total");
    let goal = scale::pick(5, 50);
    until("the store to fail often", OFTEN, || (failures() >= goal).then_some(()));
    let history = running.finish();
    history.check_all_kept();
    series.broke(failures());
    series.settle(history, &gateway, None);
    // The next start needs no tracer.
    let mut gateway = gateway;
    gateway.stop();
    series.end(settings.start());
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        if path.is_dir() && path.extension().is_none() {
            found.extend(files(&path));
        } else if path.is_file() {
            found.push(path);
        }
    }
    found.sort();
    found
}

/// Removes a file, or everything. Nobody writes into the files of a store, so it need not expect that while it runs.
fn remove_some(folder: &Path, dice: &mut Dice) {
    let files = files(folder);
    if files.is_empty() || dice.below(3) == 0 {
        let _ = fs::remove_dir_all(folder);
    } else {
        // It may be gone already: segments are merged.
        let _ = fs::remove_file(&files[usize::try_from(dice.below(files.len() as u64)).unwrap()]);
    }
}

/// What a disk does to files while nobody has them open.
fn damage_some(folder: &Path, dice: &mut Dice) {
    let files = files(folder);
    if files.is_empty() || dice.below(4) == 0 {
        return remove_some(folder, dice);
    }
    let path = &files[usize::try_from(dice.below(files.len() as u64)).unwrap()];
    let mut bytes = fs::read(path).unwrap();
    let place = usize::try_from(dice.below(bytes.len().max(1) as u64)).unwrap();
    if dice.below(3) == 0 {
        bytes.truncate(place);
    } else if !bytes.is_empty() {
        bytes[place] ^= 1 << dice.below(8);
    }
    eprintln!("damaged: {}, {place}", path.display());
    fs::write(path, bytes).unwrap();
}

/// Starts a gateway as often as there is damage left in its store, which each start must find.
fn mend(gateway: &mut Gateway) {
    loop {
        gateway.stop();
        let found = survey(&store_folder(gateway.settings()), StoreLimits::default()).unwrap();
        let is_whole = found.is_none_or(|found| found.findings.is_empty());
        gateway.start_again();
        if is_whole {
            return;
        }
        until_true("damage to be found", || {
            metric(gateway, "footfall_store_damages_total") > 0
        });
    }
}

#[test]
fn damaged_files_of_the_event_store_cost_no_event_that_the_journal_has() {
    let mut series = Series::begin("store-damaged", 124);
    // Everything that was ever sent stays in the journal.
    let settings = settings(50).set("FOOTFALL_APPLY_WINDOW_MS", 3_600_000);
    let mut gateway = settings.start();
    for _ in 0..scale::pick(4, 60) {
        let running = load(&series, &gateway).start();
        running.wait_for_kept(200 + series.dice.below(600));
        remove_some(&store_folder(&settings), &mut series.dice);
        series.broke(1);
        running.wait_for_kept(100 + series.dice.below(600));
        gateway.kill();
        damage_some(&store_folder(&settings), &mut series.dice);
        series.broke(1);
        let history = running.finish();
        check_none_refused(&history);
        gateway.start_again();
        mend(&mut gateway);
        series.settle(history, &gateway, None);
    }
    series.end(gateway);
}

fn open(settings: &Settings) -> Store {
    let (store, findings) = Store::open(&store_folder(settings), StoreLimits::default()).unwrap();
    assert_eq!(findings, []);
    store
}

/// A gateway that was sent something and has ended well.
fn one_round(series: &mut Series, settings: &Settings) -> Gateway {
    let mut gateway = settings.start();
    let running = load(series, &gateway).start();
    running.wait_for_kept(300);
    let history = running.finish();
    series.settle(history, &gateway, None);
    gateway.stop();
    gateway
}

#[test]
fn control_a_row_that_is_stored_twice_is_noticed() {
    let mut series = Series::begin("control-store-row-doubled", 125);
    let settings = settings(20);
    let gateway = one_round(&mut series, &settings);
    let mut store = open(&settings);
    let newest = List {
        site: SiteId::DEFAULT,
        times: 0..u64::MAX,
        condition: Condition::All,
        after: None,
        limit: 1_000,
    };
    let stored = store.library().snapshot().list(&newest).unwrap();
    let first = stored.iter().find(|event| event.id.contains("control-")).unwrap();
    let id = EventId::Client(first.id.as_bytes());
    let event = Event::new(SiteId::DEFAULT, "named", id, first.received_ms);
    store.append(&Row::new(store.cursor().next(), event)).unwrap();
    store.commit().unwrap();
    drop(store);
    series.broke(1);
    series.verify_ended(&gateway);
    series.end_control_of_rows();
}

#[test]
fn control_rows_that_are_lost_are_noticed() {
    let mut series = Series::begin("control-store-row-lost", 126);
    let settings = settings(20);
    drop(one_round(&mut series, &settings));
    let (folder, kept) = (store_folder(&settings), settings.data_dir().join("kept"));
    fs::rename(&folder, &kept).unwrap();
    let copied = std::process::Command::new("cp")
        .arg("-r")
        .args([&kept, &folder])
        .status();
    assert!(copied.unwrap().success());
    let gateway = one_round(&mut series, &settings);
    let after = open(&settings).cursor();
    fs::remove_dir_all(&folder).unwrap();
    fs::rename(&kept, &folder).unwrap();
    believe(&settings, after);
    series.broke(1);
    series.verify_ended(&gateway);
    series.end_control_of_rows();
}

/// Makes a store believe that it has everything up to a frame.
fn believe(settings: &Settings, upto: Sequence) {
    let mut store = open(settings);
    assert!(store.cursor() < upto, "it has it all");
    store.advance(upto);
    store.commit().unwrap();
}

#[test]
fn control_a_cursor_that_is_committed_before_its_rows_is_noticed() {
    let mut series = Series::begin("control-store-cursor-ahead", 127);
    let settings = settings(60_000);
    let mut gateway = settings.start();
    let running = load(&series, &gateway).start();
    running.wait_for_kept(300);
    let upto = until_applied(&gateway);
    gateway.kill();
    let history = running.finish();
    believe(&settings, upto);
    series.broke(1);
    gateway.start_again();
    series.settle_counters(history, &gateway, None);
    series.verify(&mut gateway);
    series.end_control_of_rows();
}

/// The last frame that was counted, once there is one.
fn until_applied(gateway: &Gateway) -> Sequence {
    let applied = || metric(gateway, "footfall_counters_applied_sequence");
    until_true("something to be counted", || applied() > 300);
    Sequence(applied())
}
