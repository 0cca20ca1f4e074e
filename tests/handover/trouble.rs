//! What happens when a hand-over goes wrong.

use std::fs;

use crate::support::backend::Backend;
use crate::support::client::{Connection, Request};
use crate::support::gateway::{Gateway, Settings};
use crate::support::process;
use crate::support::wait::until_true;

/// A gateway that is handing over, and cannot finish before a client has: the old process's id, and the client.
fn handing_over(settings: &Settings) -> (Gateway, u32, Connection) {
    // What one worker answers after a connection began, it has answered after it read from that.
    let mut gateway = settings.clone().set("FOOTFALL_EDGE_WORKERS", 1).start();
    let mut slow = Connection::open(gateway.address()).unwrap();
    slow.write(b"POST /api/v1/stats?countryCode=CY HTTP/1.1\r\n").unwrap();
    assert_eq!(gateway.client().get("/livez").status, 200);
    assert_eq!(gateway.client().visit("GB").status, 201);
    let old = gateway.begin_hand_over();
    assert!(process::runs(old));
    (gateway, old, slow)
}

/// A connection to the new process, and how many visits were sent to find it: that one does not know all totals yet. The
/// old one may still take a connection in after the new one answers.
#[track_caller]
fn connection_to_the_new_process(gateway: &Gateway) -> (Connection, u64) {
    let (mut found, mut visits) = (None, 0);
    until_true("a visit kept by the new process", || {
        visits += 1;
        let mut connection = Connection::open(gateway.address()).unwrap();
        let visit = Request::new("POST", "/api/v1/stats?countryCode=GB");
        connection.write(&visit.bytes()).unwrap();
        let answer = connection.read_answer().unwrap();
        assert!(matches!(answer.status, 201 | 202), "{answer:?}");
        found = (answer.status == 202).then_some(connection);
        found.is_some()
    });
    (found.unwrap(), visits)
}

#[test]
fn a_new_process_that_cannot_start_changes_nothing() {
    let settings = Settings::new();
    let mut gateway = settings.start();
    let mut resting = Connection::open(gateway.address()).unwrap();
    let file = settings.data_dir().with_file_name("footfall.toml");
    fs::write(&file, "[edge]\nno_such_setting = 1\n").unwrap();
    gateway.signal("USR2");
    gateway.wait_for_word("no hand-over, this process goes on", 1);
    resting
        .write(&Request::new("POST", "/api/v1/stats?countryCode=GB").bytes())
        .unwrap();
    assert_eq!(resting.read_answer().unwrap().status, 201);
    fs::remove_file(file).unwrap();
    gateway.hand_over();
    assert_eq!(gateway.client().visit("GB").text(), r#"{"gb":2}"#);
}

#[test]
fn a_new_process_that_cannot_use_its_lane_changes_nothing() {
    for backend in Backend::KINDS {
        let stage = backend.stage();
        let mut gateway = stage.settings.start();
        let journal = stage.settings.data_dir().join("lane-1/journal");
        fs::write(&journal, "a file where a folder should be").unwrap();
        for round in 1..=2 {
            gateway.signal("USR2");
            gateway.wait_for_word("no hand-over, this process goes on", round);
            assert_eq!(gateway.client().visit("GB").status, 201, "{backend:?}");
        }
        fs::remove_file(&journal).unwrap();
        gateway.hand_over();
        let answer = gateway.client().visit("GB");
        // `202` as long as the new process has not heard from Redis itself.
        assert!(matches!(answer.status, 201 | 202), "{backend:?}: {answer:?}");
        assert_eq!(answer.text(), r#"{"gb":3}"#, "{backend:?}");
    }
}

#[test]
fn while_the_old_process_finishes_visits_are_kept_and_those_with_a_key_wait() {
    for backend in Backend::KINDS {
        let stage = backend.stage();
        let (gateway, old, slow) = handing_over(&stage.settings);
        let (mut waiting, visits) = connection_to_the_new_process(&gateway);
        let kept = 1 + visits;
        let keyed = Request::new("POST", "/api/v1/stats?countryCode=GB").header("Idempotency-Key", "order-1");
        waiting.write(&keyed.bytes()).unwrap();
        process::signal_process(old, "KILL");
        let answer = waiting.read_answer().unwrap();
        assert!(matches!(answer.status, 201 | 202), "{backend:?}: {answer:?}");
        gateway.wait_for_word("what it left is taken over", 1);
        drop(slow);
        until_true("every visit", || gateway.report().of("gb") == kept + 1);
    }
}

#[test]
fn a_second_request_to_hand_over_is_refused_while_one_is_under_way() {
    let (gateway, old, slow) = handing_over(&Settings::new());
    gateway.signal("USR2");
    gateway.wait_for_word("another one is refused", 1);
    assert!(process::runs(old));
    drop(slow);
    gateway.wait_for_word("what it left is taken over", 1);
    assert_eq!(gateway.report().of("gb"), 1);
}

#[test]
fn both_processes_killed_in_the_middle_lose_nothing() {
    for backend in Backend::KINDS {
        let stage = backend.stage();
        let (mut gateway, old, _slow) = handing_over(&stage.settings);
        let kept = 1 + connection_to_the_new_process(&gateway).1;
        process::signal_process(old, "KILL");
        gateway.kill();
        until_true("the old process to end", || !process::runs(old));
        gateway.start_again();
        until_true("every visit", || gateway.report().of("gb") == kept);
        gateway.stop();
        assert!(gateway.settings().run(&["verify"]).status.success());
    }
}

#[test]
fn a_stop_of_the_new_process_leaves_what_it_kept_to_the_next_start() {
    let (mut gateway, old, _slow) = handing_over(&Settings::new());
    let kept = 1 + connection_to_the_new_process(&gateway).1;
    gateway.stop();
    process::signal_process(old, "TERM");
    until_true("the old process to end", || !process::runs(old));
    gateway.start_again();
    assert_eq!(gateway.report().of("gb"), kept);
}
