//! A gateway alone: its file has the word.

use std::fs;

use serde_json::json;

use crate::support::backend::{Backend, DEFAULT_SITE, events_in};
use crate::support::client::Request;
use crate::support::gateway::{Gateway, Settings};
use crate::support::wait::{SOON, until, until_true};
use crate::{given, points, send, try_points};

#[test]
fn a_start_without_points_makes_no_file_for_them() {
    let gateway = Gateway::start();
    assert_eq!(points(&gateway), given(&[]));
    assert!(!gateway.data_dir().join("points.sqlite").exists());
}

#[test]
fn pairs_are_remembered_after_the_window_of_ids_and_after_a_restart() {
    let settings = Settings::new()
        .set("FOOTFALL_APPLY_WINDOW_MS", 1)
        .set("FOOTFALL_APPLY_WINDOW_IDS_MAX", 1);
    let mut gateway = settings.start();
    for timestamp in 0..5 {
        assert_eq!(send(&mut gateway.client(), "13", "LOGIN", timestamp), 201);
    }
    assert_eq!(send(&mut gateway.client(), "13", "LOGIN", 0), 409);
    gateway.stop();
    gateway.start_again();
    assert_eq!(send(&mut gateway.client(), "13", "LOGIN", 0), 409);
    assert_eq!(points(&gateway), given(&[("13", 5)]));
}

#[test]
fn a_ledger_that_lost_its_last_commits_claims_nothing_twice() {
    let mut gateway = Settings::new().set("FOOTFALL_COUNTERS_PERSIST_MS", 3_600_000).start();
    for timestamp in 0..40 {
        assert_eq!(send(&mut gateway.client(), "13", "LOGIN", timestamp), 201);
    }
    gateway.kill();
    gateway.start_again();
    assert_eq!(points(&gateway), given(&[("13", 40)]));
    // A power cut may take the claims' last commits: here all of them.
    gateway.kill();
    for name in ["points.sqlite", "points.sqlite-wal", "points.sqlite-shm"] {
        let _ = fs::remove_file(gateway.data_dir().join(name));
    }
    gateway.start_again();
    assert_eq!(points(&gateway), given(&[("13", 40)]));
    assert_eq!(send(&mut gateway.client(), "13", "LOGIN", 39), 409);
}

#[test]
fn an_event_is_one_of_the_default_sites_events_too_and_a_refused_one_is_none() {
    for backend in Backend::KINDS {
        let stage = backend.stage();
        let run = |arguments: &[&str]| {
            let output = stage.settings.run(arguments);
            assert!(output.status.success(), "{output:?}");
            String::from_utf8(output.stdout).unwrap()
        };
        let mut gateway = stage.settings.start();
        let key = run(&["key", "add", "default", "--rights", "read"]);
        let key = key
            .split_whitespace()
            .find(|word| word.contains('_'))
            .unwrap()
            .to_owned();
        let now_s = std::time::SystemTime::now()
            .duration_since(std::time::UNIX_EPOCH)
            .unwrap()
            .as_secs();
        let mut client = gateway.client();
        for (kind, timestamp, status) in [
            ("LOGIN", 5, 201),
            ("LOGIN", 5, 409),
            ("PURCHASE", 5, 409),
            ("LOGIN", now_s - 3_600, 201),
            ("PURCHASE", (now_s - 7_200) * 1_000, 201),
        ] {
            assert_eq!(send(&mut client, "13", kind, timestamp), status, "{kind} {timestamp}");
        }
        let list = Request::new("GET", "/api/v1/users/13/events").header("Authorization", &format!("Bearer {key}"));
        let events = until("three events in the store", SOON, || {
            let answer = gateway.client().send(&list);
            let events = answer.json()["events"].as_array().cloned().unwrap_or_default();
            (events.len() == 3).then_some(events)
        });
        let seconds = |place: usize| {
            let time = events[place]["time"].as_str().unwrap();
            time.parse::<jiff::Timestamp>().unwrap().as_second().cast_unsigned()
        };
        assert!(
            now_s <= seconds(0) && seconds(0) <= now_s + 60,
            "a number that is no time: when it came"
        );
        assert_eq!(events[0]["properties"], json!({"timestamp": 5}));
        assert_eq!((seconds(1), seconds(2)), (now_s - 3_600, now_s - 7_200));
        let names = [0, 1, 2].map(|place| events[place]["name"].as_str().unwrap());
        assert_eq!(names, ["LOGIN", "LOGIN", "PURCHASE"]);
        gateway.stop();
        until_true("the events in the counters", || {
            let (counts, _) = events_in(&gateway.data_dir(), DEFAULT_SITE);
            counts.of("LOGIN") == 2 && counts.of("PURCHASE") == 1
        });
        let verified = stage.settings.run(&["verify"]);
        assert!(
            verified.status.success(),
            "{}",
            String::from_utf8_lossy(&verified.stdout)
        );
    }
}

#[test]
fn a_file_that_takes_no_writes_holds_claims_up_and_loses_none() {
    let gateway = Settings::new().set("FOOTFALL_APPLY_ANSWER_MS_MAX", 300).start();
    let file = gateway.data_dir().join("points.sqlite");
    fs::create_dir(&file).unwrap();
    let mut client = gateway.client();
    assert_eq!(send(&mut client, "13", "LOGIN", 1), 503);
    assert_eq!(client.visit("GB").status, 201, "others are answered by the log");
    fs::remove_dir(&file).unwrap();
    until_true("the claim", || {
        try_points(&gateway).unwrap() == Some(given(&[("13", 1)]))
    });
    assert_eq!(send(&mut client, "13", "LOGIN", 1), 409);
}
