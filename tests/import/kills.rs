//! `kill -9` of the importer and of the gateway, at random moments.

use std::collections::BTreeMap;
use std::net::TcpListener;
use std::thread;
use std::time::Duration;

use crate::support::backend::Backend;
use crate::support::dice::Dice;
use crate::{House, event, events, journaled};

const LINES: u64 = 6_000;
const KILLS: u64 = 12;
/// Each of so many lines can be no event.
const BAD_EVERY: u64 = 500;

fn text() -> String {
    let line = |number: u64| {
        if number % BAD_EVERY == 7 {
            format!("bad {number}\n")
        } else {
            event(number) + "\n"
        }
    };
    (0..LINES).map(line).collect()
}

const fn bad_lines() -> u64 {
    LINES / BAD_EVERY
}

/// Whether every line was counted once, wherever one looks: journal, counters, store, rejects.
fn check(house: &mut House) -> Result<(), String> {
    let mut times: BTreeMap<u64, u64> = BTreeMap::new();
    journaled(&house.stage.settings, &mut |_, manner| {
        *times.entry(manner.import.unwrap().line).or_default() += 1;
    });
    if let Some((line, times)) = times.iter().find(|(_, times)| **times != 1) {
        return Err(format!("line {line} is in the journal {times} times"));
    }
    let expected = LINES - bad_lines();
    if times.len() as u64 != expected {
        return Err(format!("{} lines are in the journal, not {expected}", times.len()));
    }
    let counted = house.counts().values().sum::<u64>();
    if counted != expected {
        return Err(format!("{counted} are counted, not {expected}"));
    }
    let told = std::fs::read_to_string(house.folder.path().join("events.ndjson.rejects")).unwrap();
    let rejected: Vec<&str> = told.lines().skip(1).filter(|line| line.contains("\tbad ")).collect();
    let mut numbers: Vec<u64> = rejected
        .iter()
        .map(|line| line.split('\t').next().unwrap().parse().unwrap())
        .collect();
    numbers.dedup();
    if (rejected.len() as u64, numbers.len() as u64) != (bad_lines(), bad_lines()) {
        return Err(format!("{} lines are in the file of rejects", rejected.len()));
    }
    let output = house.stage.settings.run(&["verify"]);
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    if !output.status.success() || !said.contains("store: 0 differences") {
        return Err(said);
    }
    Ok(())
}

/// A port that nobody has, so that an importer finds a gateway again that was killed.
fn port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

fn survive(backend: Backend, mode: &str, seed: u64) -> House {
    eprintln!("seed {seed}");
    let mut dice = Dice::new(seed);
    let mut house = House::with(backend, |settings| {
        settings.set("PORT", port()).set("FOOTFALL_DURABILITY", mode)
    });
    let file = house.file("events.ndjson", text());
    let arguments = [file.to_str().unwrap(), "--lines", "40"];
    let mut killed = 0;
    let mut importer = house.command(&arguments).spawn().unwrap();
    while killed < KILLS {
        thread::sleep(Duration::from_millis(dice.below(120)));
        if dice.below(2) == 0 {
            importer.kill().unwrap();
            importer.wait().unwrap();
            importer = house.command(&arguments).spawn().unwrap();
        } else {
            house.gateway.kill();
            house.gateway.start_again();
        }
        killed += 1;
    }
    let output = importer.wait_with_output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    house.client = house.gateway.client();
    assert_eq!(house.import(&file, &[]), [LINES, 0, 0, 0]);
    let gateway = &house.gateway;
    crate::until_true("all to be counted", || {
        house.counts().values().sum::<u64>() == LINES - bad_lines()
            && crate::metric(gateway, "footfall_store_events") == LINES - bad_lines()
    });
    house.gateway.stop();
    house
}

#[test]
fn each_line_counts_once_whoever_is_killed_embedded() {
    let mut house = survive(Backend::Embedded, "disk", 71);
    assert_eq!(check(&mut house), Ok(()));
}

#[test]
fn each_line_counts_once_whoever_is_killed_with_redis() {
    let mut house = survive(Backend::Redis, "os", 72);
    assert_eq!(check(&mut house), Ok(()));
}

#[test]
fn the_check_notices_lines_that_come_twice() {
    let mut house = survive(Backend::Embedded, "os", 73);
    house.gateway.start_again();
    house.client = house.gateway.client();
    // As an importer would that forgot what it had sent.
    assert_eq!(house.lines("again", 0, &events(0..3)).json()["accepted"], 3);
    house.gateway.stop();
    let noticed = check(&mut house).unwrap_err();
    assert!(noticed.contains("2 times"), "{noticed}");
}

#[test]
fn two_importers_of_the_same_file_at_once_take_each_line_once() {
    let mut house = House::new(Backend::Embedded);
    let file = house.file("events.ndjson", text());
    let rejects = ["one", "two"].map(|name| house.folder.path().join(name));
    let importers = rejects.each_ref().map(|rejects| {
        let arguments = [
            file.to_str().unwrap(),
            "--lines",
            "50",
            "--rejects",
            rejects.to_str().unwrap(),
        ];
        house.command(&arguments).spawn().unwrap()
    });
    for importer in importers {
        let output = importer.wait_with_output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }
    house.until_counted(&[("signup", LINES - bad_lines())]);
    house.verify();
}

#[test]
fn how_far_an_import_is_outlives_its_segments() {
    let mut house = House::with(Backend::Embedded, |settings| {
        settings
            .set("FOOTFALL_APPLY_WINDOW_BYTES_MAX", 0)
            .set("FOOTFALL_COUNTERS_PERSIST_MS", 20)
    });
    let file = house.file("events.ndjson", events(0..100));
    assert_eq!(house.import(&file, &[]), [0, 100, 100, 0]);
    house.gateway.stop();
    house.gateway.start_again();
    let lane = house.stage.settings.data_dir().join("lane-0");
    crate::until_true("old segments to be gone", || {
        std::fs::read_dir(lane.join("journal")).unwrap().count() == 1
    });
    house.gateway.stop();
    let mut left = 0;
    journaled(&house.stage.settings, &mut |_, _| left += 1);
    assert_eq!(left, 0, "the journal says nothing of it any more");
    house.gateway.start_again();
    house.client = house.gateway.client();
    assert_eq!(house.import(&file, &[]), [100, 0, 0, 0]);
    // Without what the counters' database keeps nobody would know.
    house.gateway.stop();
    let database = rusqlite::Connection::open(lane.join("counters.sqlite")).unwrap();
    assert_eq!(database.execute("DELETE FROM imports", []), Ok(1));
    drop(database);
    house.gateway.start_again();
    house.client = house.gateway.client();
    assert_eq!(house.import(&file, &[]), [0, 100, 100, 0]);
}
