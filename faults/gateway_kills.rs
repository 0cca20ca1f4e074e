//! `kill -9` of the gateway under load, also while it recovers.

use std::fs;
use std::time::{Duration, Instant};

use crate::scale;
use crate::series::{Series, counted};
use crate::support::backend::{Backend, counts_in};
use crate::support::redis::free_port;

/// Kills between two checks.
const KILLS_A_ROUND: u64 = 5;

fn series(backend: Backend, mode: &str, count: u64, seed: u64) {
    let mut series = Series::begin(&format!("gateway-killed-{}-{mode}", backend.name()), seed);
    let stage = backend.stage();
    // The port stays, so that clients come while the gateway still starts.
    let settings = stage.settings.clone().set("PORT", free_port());
    // Small steps of the event store, so that kills meet its commits.
    let settings = settings.set("FOOTFALL_STORE_COMMIT_MS", 20);
    let mut gateway = settings.set("FOOTFALL_DURABILITY", mode).start();
    for _ in 0..count / KILLS_A_ROUND {
        let running = series.load(&gateway).start();
        for kill in 0..KILLS_A_ROUND {
            running.wait_for_kept(series.dice.below(500));
            pass(Duration::from_micros(series.dice.below(3_000)));
            gateway.kill();
            series.broke(1);
            if kill % 2 == 1 {
                let moment = Duration::from_micros(series.dice.below(60_000));
                gateway.settings().kill_while_starting(moment);
                series.broke(1);
            }
            gateway.start_again();
        }
        let history = running.finish();
        series.settle(history, &gateway, stage.server.as_ref());
    }
    series.end(gateway);
}

/// Moments right after an answer are as good as any other.
fn pass(time: Duration) {
    let begin = Instant::now();
    while begin.elapsed() < time {
        std::hint::spin_loop();
    }
}

#[test]
fn kills_lose_and_double_nothing_embedded() {
    series(Backend::Embedded, "disk", scale::pick(10, 200), 11);
}

#[test]
fn kills_lose_and_double_nothing_with_redis() {
    series(Backend::Redis, "disk", scale::pick(10, 200), 12);
}

#[test]
fn kills_lose_and_double_nothing_in_os_mode_with_valkey() {
    series(Backend::Valkey, "os", scale::pick(5, 50), 13);
}

#[test]
fn kills_lose_and_double_nothing_in_applied_mode() {
    series(Backend::Redis, "applied", scale::pick(5, 50), 16);
}

#[test]
fn control_a_journal_that_is_gone_after_a_kill_is_noticed() {
    let mut series = Series::begin("control-gateway-killed-journal-removed", 14);
    let mut gateway = Backend::Embedded.stage().settings.start();
    let running = series.load(&gateway).start();
    running.wait_for_kept(300);
    gateway.kill();
    series.broke(1);
    let journal = gateway.data_dir().join("lane-0/journal");
    for segment in fs::read_dir(journal).unwrap() {
        fs::remove_file(segment.unwrap().path()).unwrap();
    }
    let history = running.finish();
    gateway.start_again();
    series.check(&[history], &counted(&gateway, None));
    series.end_control();
}

/// One event more than all that can have been kept, and one less than all that must be.
#[test]
fn control_an_event_that_is_counted_twice_or_lost_is_noticed() {
    for (name, doubled) in [("doubled", true), ("lost", false)] {
        let mut series = Series::begin(&format!("control-gateway-killed-event-{name}"), 17);
        let mut stage = Backend::Redis.stage();
        let mut gateway = stage.settings.start();
        let running = series.load(&gateway).start();
        running.wait_for_kept(300);
        gateway.kill();
        series.broke(1);
        let mut history = running.finish();
        gateway.start_again();
        Series::send_again(&mut history, &gateway);
        series.check(&[history], &counted(&gateway, stage.server.as_ref()));
        series.assert_clean();
        let server = stage.server();
        server.cli(&["HINCRBY", "ff:{0}:events", "named", if doubled { "1" } else { "-1" }]);
        series.check(&[], &counts_in(server));
        series.end_control();
    }
}

#[test]
fn control_a_visit_that_is_counted_twice_is_noticed() {
    let mut series = Series::begin("control-gateway-killed-visit-doubled", 15);
    let mut stage = Backend::Redis.stage();
    let mut gateway = stage.settings.start();
    let running = series.load(&gateway).start();
    running.wait_for_kept(300);
    gateway.kill();
    series.broke(1);
    let mut history = running.finish();
    gateway.start_again();
    Series::send_again(&mut history, &gateway);
    counted(&gateway, stage.server.as_ref());
    // Every visit of this country without a key may or may not have been counted: one more than all is too many.
    let spare = history.unknown().of("gb") + 1;
    let server = stage.server();
    server.cli(&["HINCRBY", "ff:{0}:visits", "gb", &spare.to_string()]);
    series.check(&[history], &counts_in(server));
    series.end_control();
}
