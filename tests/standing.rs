//! A data directory with a past: restored from an older copy, cloned, or behind a Redis that is older than its journal.

mod support;

use std::fs;
use std::path::Path;

use support::backend::{Backend, visits_in};
use support::gateway::{Gateway, Settings};
use support::redis::RedisServer;
use support::report::Report;
use support::wait::until_true;

const NOWHERE: &str = "redis://127.0.0.1:1";

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy(&entry.path(), &target);
        } else {
            fs::copy(entry.path(), target).unwrap();
        }
    }
}

/// So many visits, one after the other, all of them kept.
fn visit(gateway: &Gateway, country: &str, visits: u64) {
    let mut client = gateway.client();
    for _ in 0..visits {
        let answer = client.visit(country);
        assert!(matches!(answer.status, 201 | 202), "{answer:?}");
    }
}

fn counts(of: &[(&str, u64)]) -> Report {
    Report(
        of.iter()
            .map(|(country, visits)| ((*country).to_owned(), *visits))
            .collect(),
    )
}

#[track_caller]
fn until_redis_has(server: &RedisServer, expected: &Report) {
    until_true("Redis has every visit once", || visits_in(server) == *expected);
}

#[track_caller]
fn verify(settings: &Settings) -> String {
    let output = settings.run(&["verify"]);
    let told = String::from_utf8_lossy(&output.stdout).into_owned();
    assert_eq!(
        output.status.code(),
        Some(0),
        "{told}{}",
        String::from_utf8_lossy(&output.stderr)
    );
    told
}

#[test]
fn a_restored_directory_loses_nothing_that_it_kept_before_it_met_redis_however_often_it_is_started() {
    let mut stage = Backend::Redis.stage();
    let settings = stage.settings.clone();
    let alone = settings.clone().set("REDIS_URL", NOWHERE);
    let mut gateway = settings.start();
    visit(&gateway, "GB", 3);
    gateway.stop();
    let backup = settings.elsewhere().data_dir();
    copy(&settings.data_dir(), &backup);
    // Redis learns of forty more, which the copy does not have.
    let mut gateway = settings.start();
    visit(&gateway, "CY", 40);
    gateway.stop();
    until_redis_has(stage.server(), &counts(&[("gb", 3), ("cy", 40)]));
    fs::remove_dir_all(settings.data_dir()).unwrap();
    copy(&backup, &settings.data_dir());
    for _ in 0..3 {
        let mut gateway = alone.start();
        visit(&gateway, "FR", 2);
        gateway.kill();
    }
    let mut gateway = settings.start();
    visit(&gateway, "DE", 1);
    until_redis_has(stage.server(), &counts(&[("gb", 3), ("cy", 40), ("fr", 6), ("de", 1)]));
    for _ in 0..2 {
        gateway.kill();
        gateway.start_again();
        visit(&gateway, "DE", 1);
    }
    until_redis_has(stage.server(), &counts(&[("gb", 3), ("cy", 40), ("fr", 6), ("de", 3)]));
}

#[test]
fn a_clone_beside_its_original_takes_over_the_name_and_the_original_counts_on_under_another() {
    let mut stage = Backend::Redis.stage();
    let settings = stage.settings.clone();
    let mut original = settings.start();
    visit(&original, "GB", 5);
    until_redis_has(stage.server(), &counts(&[("gb", 5)]));
    let elsewhere = settings.elsewhere();
    copy(&settings.data_dir(), &elsewhere.data_dir());
    visit(&original, "CY", 7);
    until_redis_has(stage.server(), &counts(&[("gb", 5), ("cy", 7)]));
    let mut clone = elsewhere.start();
    for _ in 0..3 {
        visit(&clone, "FR", 4);
        visit(&original, "DE", 6);
    }
    let expected = counts(&[("gb", 5), ("cy", 7), ("fr", 12), ("de", 18)]);
    until_redis_has(stage.server(), &expected);
    until_true("the original has a new name", || {
        original.log().contains("under a new name")
    });
    for gateway in [&mut original, &mut clone] {
        gateway.kill();
        gateway.start_again();
        visit(gateway, "IT", 1);
    }
    let expected = counts(&[("gb", 5), ("cy", 7), ("fr", 12), ("de", 18), ("it", 2)]);
    until_redis_has(stage.server(), &expected);
    original.stop();
    clone.stop();
    verify(&settings);
    verify(&elsewhere);
}

#[test]
fn what_a_clone_took_along_before_redis_had_it_counts_once() {
    let mut stage = Backend::Redis.stage();
    let settings = stage.settings.clone();
    let original = settings.start();
    visit(&original, "GB", 5);
    until_redis_has(stage.server(), &counts(&[("gb", 5)]));
    stage.server().pause();
    visit(&original, "CY", 7);
    until_true("the visits are in the journal's files", || {
        original.log().contains("link to Redis is down")
    });
    let elsewhere = settings.elsewhere();
    copy(&settings.data_dir(), &elsewhere.data_dir());
    visit(&original, "FR", 4);
    // The clone comes first, since the original waits for Redis without an end.
    original.signal("STOP");
    stage.server().resume();
    let clone = elsewhere.start();
    visit(&clone, "DE", 2);
    until_redis_has(stage.server(), &counts(&[("gb", 5), ("cy", 7), ("de", 2)]));
    original.signal("CONT");
    let expected = counts(&[("gb", 5), ("cy", 7), ("de", 2), ("fr", 4)]);
    until_redis_has(stage.server(), &expected);
    visit(&original, "IT", 1);
    until_true("the original counts on", || visits_in(stage.server()).of("it") == 1);
    assert_eq!(visits_in(stage.server()).of("cy"), 7);
}

#[test]
fn a_redis_older_than_the_kept_segments_is_filled_anew_by_every_gateway() {
    let mut stage = Backend::Redis.stage();
    let settings = stage.settings.clone().set("FOOTFALL_JOURNAL_KEEP_BYTES", 0);
    let settings = settings.set("FOOTFALL_APPLY_WINDOW_BYTES_MAX", 0);
    let settings = settings.set("FOOTFALL_COUNTERS_PERSIST_MS", 20);
    let other = settings.elsewhere().start();
    visit(&other, "FR", 9);
    let mut gateway = settings.start();
    visit(&gateway, "GB", 3);
    until_redis_has(stage.server(), &counts(&[("fr", 9), ("gb", 3)]));
    let fields: Vec<_> = stage
        .server()
        .cli(&["HKEYS", "ff:{0}:guard"])
        .lines()
        .map(str::to_owned)
        .collect();
    let old: Vec<_> = fields
        .iter()
        .filter(|field| !field.contains(':'))
        .map(|field| (field.clone(), stage.server().cli(&["HGET", "ff:{0}:guard", field])))
        .collect();
    // A new segment at each start; the older ones go as soon as they are counted.
    for _ in 0..3 {
        visit(&gateway, "CY", 2);
        gateway.stop();
        gateway.start_again();
    }
    until_redis_has(stage.server(), &counts(&[("fr", 9), ("gb", 3), ("cy", 6)]));
    let journal = settings.data_dir().join("lane-0/journal");
    until_true("old segments are gone", || fs::read_dir(&journal).unwrap().count() == 1);
    // What a snapshot from before would have brought back.
    for (field, sequence) in &old {
        stage.server().cli(&["HSET", "ff:{0}:guard", field, sequence]);
    }
    stage.server().cli(&["HDEL", "ff:{0}:visits", "cy"]);
    stage.server().cli(&["HSET", "ff:{0}:events", "visit", "12"]);
    visit(&gateway, "DE", 1);
    until_redis_has(stage.server(), &counts(&[("fr", 9), ("gb", 3), ("cy", 6), ("de", 1)]));
    assert_eq!(
        stage.server().cli(&["HGET", "ff:{0}:visits:before-1", "gb"]),
        "3",
        "nothing is thrown away"
    );
    let metrics = gateway.admin_client().get("/metrics").text();
    assert!(metrics.contains("footfall_counters_renewals_total 1\n"), "{metrics}");
}

#[test]
fn counters_that_outlived_every_guard_step_aside() {
    let mut stage = Backend::Valkey.stage();
    let gateway = stage.settings.start();
    visit(&gateway, "GB", 3);
    until_redis_has(stage.server(), &counts(&[("gb", 3)]));
    stage.server().cli(&["DEL", "ff:{0}:guard"]);
    visit(&gateway, "CY", 1);
    until_redis_has(stage.server(), &counts(&[("gb", 3), ("cy", 1)]));
}

#[test]
fn counts_made_without_redis_are_added_when_it_is_used_again_although_their_frames_are_gone() {
    let mut stage = Backend::Redis.stage();
    let settings = stage.settings.clone().set("FOOTFALL_COUNTERS_PERSIST_MS", 20);
    let settings = settings.set("FOOTFALL_JOURNAL_KEEP_BYTES", 0);
    let settings = settings.set("FOOTFALL_APPLY_WINDOW_BYTES_MAX", 0);
    let mut gateway = settings.start();
    visit(&gateway, "GB", 3);
    gateway.stop();
    let embedded = settings.clone().unset("REDIS_URL");
    for _ in 0..3 {
        let mut gateway = embedded.start();
        visit(&gateway, "CY", 2);
        gateway.stop();
    }
    let gateway = settings.start();
    visit(&gateway, "GB", 1);
    until_redis_has(stage.server(), &counts(&[("gb", 4), ("cy", 6)]));
}

#[test]
fn what_waits_for_redis_counts_against_the_spool_also_after_a_restart() {
    let settings = Settings::new()
        .set("REDIS_URL", NOWHERE)
        .set("FOOTFALL_JOURNAL_SPOOL_BYTES_MAX", 8_192);
    let mut gateway = settings.start();
    let mut client = gateway.client();
    let mut kept = 0;
    until_true("the spool is full", || {
        let answer = client.visit("GB");
        kept += u64::from(answer.status == 202);
        answer.status == 503
    });
    assert!(kept > 100, "{kept}");
    gateway.kill();
    gateway.start_again();
    let answer = gateway.client().visit("GB");
    assert_eq!(
        (answer.status, answer.json()["code"].clone()),
        (503, "SPOOL_FULL".into())
    );
}

#[test]
fn rebuild_mends_counters_of_gateways_that_run_and_of_a_directory_that_rests() {
    let mut stage = Backend::Redis.stage();
    let settings = stage.settings.clone();
    let mut resting = settings.start();
    visit(&resting, "GB", 3);
    resting.stop();
    let running = settings.elsewhere().start();
    visit(&running, "CY", 2);
    until_redis_has(stage.server(), &counts(&[("gb", 3), ("cy", 2)]));
    stage.server().cli(&["HINCRBY", "ff:{0}:visits", "gb", "-2"]);
    stage.server().cli(&["HINCRBY", "ff:{0}:visits", "fr", "70"]);
    let output = settings.run(&["rebuild"]);
    let told = String::from_utf8_lossy(&output.stdout).into_owned();
    assert_eq!(output.status.code(), Some(0), "{told}");
    assert!(
        told.contains("generation 1") && told.contains("2 gateways have contributed"),
        "{told}"
    );
    until_redis_has(stage.server(), &counts(&[("gb", 3), ("cy", 2)]));
    assert_eq!(stage.server().cli(&["HGET", "ff:{0}:visits:before-1", "fr"]), "70");
    visit(&running, "CY", 1);
    until_redis_has(stage.server(), &counts(&[("gb", 3), ("cy", 3)]));
    verify(&settings);
}

#[test]
fn rebuild_leaves_the_directory_of_a_running_gateway_to_it_and_needs_redis() {
    let mut stage = Backend::Redis.stage();
    let gateway = stage.settings.start();
    visit(&gateway, "GB", 3);
    until_redis_has(stage.server(), &counts(&[("gb", 3)]));
    let output = gateway.settings().run(&["rebuild"]);
    let told = String::from_utf8_lossy(&output.stdout).into_owned();
    assert_eq!(output.status.code(), Some(0), "{told}");
    assert!(told.contains("contributes by itself"), "{told}");
    until_redis_has(stage.server(), &counts(&[("gb", 3)]));
    let output = Settings::new().run(&["rebuild"]);
    let told = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(1), "{told}");
    assert!(told.contains("redis_url is not set"), "{told}");
}
