//! `verify` and `rebuild` with events: what Redis says is held against what was kept, site by site, name by name.

use serde_json::{Value, json};

use crate::support::backend::{Backend, Stage};
use crate::support::gateway::{Gateway, Settings};
use crate::{DEFAULT_SITE, assert_accepted, post, run, send, until_counted};

/// A stage with a site, its id, and its write key.
fn with_a_site() -> (Stage, String, String) {
    let stage = Backend::Redis.stage();
    let printed = run(&stage.settings, &["site", "add", "shop", "--json"]);
    let site: Value = serde_json::from_str(&printed).unwrap();
    let key = run(&stage.settings, &["key", "add", "shop", "--rights", "write"]);
    (stage, site["id"].as_str().unwrap().to_owned(), key)
}

/// Sends events to the default site and to that of a key: some with ids, of which some come again.
fn send_some(gateway: &Gateway, key: &str, id: &str) {
    let batch = json!([{"name": "view"}, {"name": "buy", "id": id}, {"name": "view"}]);
    let mut client = gateway.client();
    assert_accepted(&send(&mut client, &batch), 3);
    let keyed = post(batch.to_string()).header("X-API-Key", key);
    assert_accepted(&client.send(&keyed), 3);
    assert_eq!(client.send(&keyed).json()["duplicates"], 1);
}

fn verified(settings: &Settings) -> (bool, String) {
    let output = settings.run(&["verify"]);
    (output.status.success(), String::from_utf8(output.stdout).unwrap())
}

#[test]
fn verify_names_each_event_counter_that_is_wrong_and_rebuild_mends_them() {
    let (mut stage, site, key) = with_a_site();
    let mut gateway = stage.settings.start();
    send_some(&gateway, &key, "o-1");
    gateway.client().visit("GB");
    let of_default = [("view", 2), ("buy", 1), ("visit", 1)];
    let of_site = [("view", 4), ("buy", 1)];
    until_counted(&stage, DEFAULT_SITE, &of_default);
    until_counted(&stage, &site, &of_site);
    gateway.stop();
    let (good, told) = verified(&stage.settings);
    assert!(good, "{told}");
    let hash = format!("ff:{{0}}:{site}:events");
    let server = stage.server();
    server.cli(&["HINCRBY", "ff:{0}:events", "buy", "-1"]);
    server.cli(&["HINCRBY", &hash, "view", "1"]);
    server.cli(&["HINCRBY", &hash, "sign up", "3"]);
    let (good, told) = verified(&stage.settings);
    assert!(!good, "{told}");
    for expected in [
        "events buy is 0, but this directory contributed 1".to_owned(),
        format!("events of site {site} view is 5, but this directory contributed 4"),
        format!("events of site {site} sign up is 3, but nobody contributed to it"),
        "3 differences".to_owned(),
    ] {
        assert!(told.contains(&expected), "{expected:?} in {told}");
    }
    run(&stage.settings, &["rebuild"]);
    until_counted(&stage, DEFAULT_SITE, &of_default);
    until_counted(&stage, &site, &of_site);
    let before = stage.server().cli(&["HGET", &format!("{hash}:before-1"), "sign up"]);
    assert_eq!(before, "3");
    let (good, told) = verified(&stage.settings);
    assert!(good, "{told}");
    // Ids that were seen before are still known.
    gateway.start_again();
    let again = send(
        &mut gateway.client(),
        &json!([{"name": "buy", "id": "o-1"}, {"name": "buy", "id": "o-2"}]),
    );
    assert_eq!(
        (&again.json()["accepted"], &again.json()["duplicates"]),
        (&json!(1), &json!(1))
    );
    until_counted(&stage, DEFAULT_SITE, &[("view", 2), ("buy", 2), ("visit", 1)]);
}

#[test]
fn rebuild_lets_gateways_that_run_and_a_directory_that_rests_contribute_their_events() {
    let (stage, site, key) = with_a_site();
    let mut resting = stage.settings.start();
    send_some(&resting, &key, "o-1");
    resting.stop();
    let running = stage.settings.elsewhere().start();
    send_some(&running, &key, "o-2");
    let (of_default, of_site) = ([("view", 4), ("buy", 2)], [("view", 8), ("buy", 2)]);
    until_counted(&stage, &site, &of_site);
    stage
        .server
        .as_ref()
        .unwrap()
        .cli(&["DEL", &format!("ff:{{0}}:{site}:events")]);
    let told = run(&stage.settings, &["rebuild"]);
    assert!(told.contains("2 gateways have contributed"), "{told}");
    until_counted(&stage, DEFAULT_SITE, &of_default);
    until_counted(&stage, &site, &of_site);
    let (good, told) = verified(&stage.settings);
    assert!(good, "{told}");
}

#[test]
fn verify_reads_the_events_that_a_kill_has_left_to_be_counted() {
    let settings = Settings::new();
    let mut gateway = settings.start();
    let batch = json!([{"name": "view"}, {"name": "buy", "id": "1"}]);
    assert_accepted(&send(&mut gateway.client(), &batch), 2);
    gateway.kill();
    let (good, told) = verified(&settings);
    assert!(good && told.contains("2 frames"), "{told}");
}
