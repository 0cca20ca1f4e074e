//! Gateways that run, and commands beside them.

use std::fs;
use std::time::Duration;

use crate::support::backend::Backend;
use crate::support::gateway::{Gateway, Settings};
use crate::support::report::metric;
use crate::support::wait::{until, until_true};

/// The promise, whatever the machine is busy with.
const SEEN: Duration = Duration::from_secs(5);

fn keys(gateway: &Gateway) -> u64 {
    metric(gateway, "footfall_directory_keys")
}

fn sites(gateway: &Gateway) -> u64 {
    metric(gateway, "footfall_directory_sites")
}

fn up(gateway: &Gateway) -> u64 {
    metric(gateway, "footfall_directory_up")
}

#[track_caller]
fn run(settings: &Settings, arguments: &[&str]) -> String {
    let output = settings.run(arguments);
    assert_eq!(
        output.status.code(),
        Some(0),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8(output.stdout).unwrap()
}

#[track_caller]
fn seen(what: &str, mut holds: impl FnMut() -> bool) {
    until(what, SEEN, || holds().then_some(()));
}

#[test]
fn a_running_gateway_sees_what_commands_change_and_has_it_after_a_restart() {
    for backend in [Backend::Embedded, Backend::Redis, Backend::Valkey] {
        let stage = backend.stage();
        let mut gateway = stage.settings.start();
        assert_eq!((sites(&gateway), keys(&gateway), up(&gateway)), (1, 0, 1));
        run(&stage.settings, &["site", "add", "shop"]);
        let key = run(&stage.settings, &["key", "add", "shop", "--rights", "write"]);
        seen("the key", || (sites(&gateway), keys(&gateway)) == (2, 1));
        gateway.kill();
        gateway.start_again();
        assert_eq!((sites(&gateway), keys(&gateway)), (2, 1), "before it is ready");
        run(&stage.settings, &["key", "revoke", key.trim()]);
        seen("the end of the key", || keys(&gateway) == 0);
        gateway.hand_over();
        assert_eq!(sites(&gateway), 2, "after a hand-over");
        run(&stage.settings, &["site", "add", "blog"]);
        seen("the site", || sites(&gateway) == 3);
        assert_eq!(gateway.client().visit("GB").status, 201);
        gateway.stop();
    }
}

#[test]
fn a_gateway_goes_on_with_what_it_knows_while_redis_is_away_and_starts_with_its_copy() {
    let mut stage = Backend::Redis.stage();
    run(&stage.settings, &["site", "add", "shop"]);
    let mut gateway = stage.settings.start();
    assert_eq!(sites(&gateway), 2);
    stage.server().kill();
    until_true("trouble to be noticed", || up(&gateway) == 0);
    assert_eq!(sites(&gateway), 2);
    assert!(metric(&gateway, "footfall_directory_failures_total") > 0);
    assert_eq!(gateway.said("those that are known stay in use"), 1, "{}", gateway.log());
    assert!(
        !gateway.obstacles().contains("director"),
        "no reason to turn clients away"
    );
    gateway.kill();
    gateway.start_again();
    assert_eq!(sites(&gateway), 2);
    stage.server().start_again();
    until_true("Redis to be back", || up(&gateway) == 1);
    assert_eq!(gateway.said("can be looked at again"), 1);
}

#[test]
fn a_redis_that_came_up_empty_gets_sites_and_keys_back() {
    let mut stage = Backend::Redis.stage();
    let gateway = stage.settings.start();
    run(&stage.settings, &["site", "add", "shop"]);
    run(&stage.settings, &["key", "add", "shop", "--rights", "read"]);
    seen("the key", || keys(&gateway) == 1);
    stage.server().cli(&["FLUSHALL"]);
    until_true("the gateway to give it back", || {
        gateway.said("Redis had lost sites and keys") == 1
    });
    let listed = run(&stage.settings.elsewhere(), &["key", "list", "shop", "--json"]);
    assert!(listed.contains("\"rights\": \"read\""), "{listed}");
    assert_eq!((sites(&gateway), keys(&gateway)), (2, 1));
}

#[test]
fn a_damaged_file_of_sites_does_not_stop_visits() {
    let settings = Settings::new();
    fs::create_dir_all(settings.data_dir()).unwrap();
    let file = settings.data_dir().join("directory.sqlite");
    fs::write(&file, vec![7; 8_192]).unwrap();
    let gateway = settings.start();
    assert_eq!(gateway.client().visit("GB").status, 201);
    assert_eq!((sites(&gateway), up(&gateway)), (1, 0));
    assert!(gateway.log().contains("directory.sqlite"), "{}", gateway.log());
    assert_eq!(
        fs::read(&file).unwrap(),
        vec![7; 8_192],
        "it stays for whoever looks into it"
    );
    let output = settings.run(&["site", "list"]);
    assert_eq!(output.status.code(), Some(1));
}
