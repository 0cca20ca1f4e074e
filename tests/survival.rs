//! What was answered survives: restarts, `kill -9` under load and during recovery, embedded and with Redis.
//!
//! Clients write down what they were told; afterwards every `2xx` must be counted once, every visit without an
//! answer once or not at all, and exactly once when it is sent again with its `Idempotency-Key`.

mod support;

use std::time::Duration;

use support::backend::{Backend, Stage, visits_in};
use support::dice::Dice;
use support::gateway::{Gateway, Settings};
use support::history::{Fate, History};
use support::load::{Load, send_visit};
use support::report::Report;
use support::wait::until_true;

/// Rounds of load and `kill -9`.
const KILLS: u64 = 20;
/// Connections that send while the gateway is killed.
const CONNECTIONS: usize = 64;

#[test]
fn counts_survive_a_restart_and_a_kill() {
    for mode in ["os", "disk", "applied"] {
        for backend in Backend::KINDS {
            let stage = backend.stage();
            let mut gateway = stage.settings.clone().set("FOOTFALL_DURABILITY", mode).start();
            assert_eq!(gateway.client().visit("GB").text(), r#"{"gb":1}"#);
            gateway.stop();
            gateway.start_again();
            assert_eq!(
                gateway.client().get("/api/v1/stats").text(),
                r#"{"gb":1}"#,
                "{backend:?} {mode}"
            );
            assert_eq!(gateway.client().visit("GB").text(), r#"{"gb":2}"#);
            gateway.kill();
            gateway.start_again();
            assert_eq!(
                gateway.client().get("/api/v1/stats").text(),
                r#"{"gb":2}"#,
                "{backend:?} {mode}"
            );
            assert_eq!(gateway.client().visit("GB").text(), r#"{"gb":3}"#);
        }
    }
}

/// Runs load and kills the gateway at an odd moment, again and again, now and then while it starts.
fn kill_under_load(gateway: &mut Gateway, keyed: bool, seed: u64) -> History {
    let mut dice = Dice::new(seed);
    let mut history = History::default();
    for round in 0..KILLS {
        let mut load = Load::new(gateway.address(), CONNECTIONS);
        if keyed {
            load = load.keyed(&format!("round-{round}"));
        }
        let running = load.start();
        running.wait_for_answers(dice.below(400));
        gateway.kill();
        history.merge(running.finish());
        if round % 4 == 3 {
            gateway
                .settings()
                .kill_while_starting(Duration::from_micros(dice.below(40_000)));
        }
        gateway.start_again();
    }
    history
}

/// Waits until Redis shows what the gateway reports.
fn wait_for_redis(stage: &Stage, report: &Report) {
    if let Some(server) = &stage.server {
        until_true("Redis to hold every visit", || visits_in(server) == *report);
    }
}

#[test]
fn every_answered_visit_is_counted_once_through_twenty_kills_embedded() {
    survive_kills(Backend::Embedded, "os", 1);
}

#[test]
fn every_answered_visit_is_counted_once_through_twenty_kills_with_redis() {
    survive_kills(Backend::Redis, "disk", 2);
}

fn survive_kills(backend: Backend, mode: &str, seed: u64) {
    let stage = backend.stage();
    let mut gateway = stage.settings.clone().set("FOOTFALL_DURABILITY", mode).start();
    let history = kill_under_load(&mut gateway, false, seed);
    let report = gateway.report();
    history.check(&report);
    assert!(
        history.kept().sum() > 1_000,
        "the load was too thin: {:?}",
        history.statuses()
    );
    wait_for_redis(&stage, &report);
}

#[test]
fn visits_sent_again_with_their_key_count_exactly_once_embedded() {
    resend_after_kills(Backend::Embedded, 3);
}

#[test]
fn visits_sent_again_with_their_key_count_exactly_once_with_redis() {
    resend_after_kills(Backend::Redis, 4);
}

fn resend_after_kills(backend: Backend, seed: u64) {
    let stage = backend.stage();
    let mut gateway = stage.settings.start();
    let mut history = kill_under_load(&mut gateway, true, seed);
    assert!(
        history.unknown().sum() > 0,
        "no visit was without an answer: {:?}",
        history.statuses()
    );
    let mut client = gateway.client();
    for sent in history.visits.iter_mut().filter(|sent| sent.fate == Fate::Unknown) {
        sent.fate = send_visit(&mut client, &sent.country, sent.key.as_deref());
    }
    history.check_all_kept();
    let report = gateway.report();
    assert_eq!(report, history.kept(), "{:?}", history.statuses());
    wait_for_redis(&stage, &report);
}

/// A visit with a key, three restarts, and the same visit again; how often it is counted, and how many segments are
/// left.
fn counted_after_restarts(stage: &Stage, window_bytes_max: u64) -> (u64, usize) {
    let settings = stage.settings.elsewhere().set("FOOTFALL_JOURNAL_KEEP_BYTES", 0);
    let settings = settings
        .set("FOOTFALL_APPLY_WINDOW_BYTES_MAX", window_bytes_max)
        .set("FOOTFALL_COUNTERS_PERSIST_MS", 20);
    let mut gateway = settings.start();
    let before = gateway.report().of("gb");
    let send = |gateway: &Gateway| {
        let fate = send_visit(&mut gateway.client(), "GB", Some("order-1"));
        assert!(matches!(fate, Fate::Kept { .. }), "{fate:?}");
    };
    send(&gateway);
    // A new segment at each start.
    for _ in 0..3 {
        gateway.client().visit("CY");
        gateway.stop();
        gateway.start_again();
    }
    let segments = || {
        let files = std::fs::read_dir(settings.data_dir().join("lane-0/journal"));
        files.unwrap().count()
    };
    if window_bytes_max == 0 {
        until_true("old segments are gone", || segments() == 1);
    }
    gateway.stop();
    gateway.start_again();
    send(&gateway);
    (gateway.report().of("gb") - before, segments())
}

#[test]
fn a_key_is_remembered_over_restarts_although_no_segment_is_kept_for_redis() {
    for backend in Backend::KINDS {
        let stage = backend.stage();
        let (counted, segments) = counted_after_restarts(&stage, 1 << 30);
        assert_eq!(counted, 1, "{backend:?}");
        assert!(segments > 3, "{backend:?}: {segments}");
        // The control: no byte is kept for it.
        assert_eq!(counted_after_restarts(&stage, 0).0, 2, "{backend:?}");
    }
}

#[test]
fn the_check_notices_when_a_journal_is_lost() {
    let mut gateway = Settings::new().start();
    let history = Load::new(gateway.address(), 8).requests(20).run();
    history.check(&gateway.report());
    gateway.kill();
    std::fs::remove_dir_all(gateway.data_dir()).unwrap();
    gateway.start_again();
    assert!(history.contradiction(&gateway.report()).is_some());
}

#[test]
fn the_check_notices_when_a_visit_is_counted_twice() {
    let mut stage = Backend::Redis.stage();
    let gateway = stage.settings.start();
    let history = Load::new(gateway.address(), 8).requests(20).run();
    wait_for_redis(&stage, &gateway.report());
    stage.server().cli(&["HINCRBY", "ff:{0}:visits", "gb", "1"]);
    assert!(history.contradiction(&visits_in(stage.server())).is_some());
}
