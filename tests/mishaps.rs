//! What goes wrong around a gateway is told, ends, and mends itself when its cause does.

mod support;

use std::collections::BTreeSet;
use std::fs;
use std::thread;

use support::backend::{Backend, visits_in};
use support::client::Request;
use support::gateway::{Gateway, Settings};
use support::report::Report;
use support::wait::until_true;

#[test]
fn a_counter_that_is_no_number_halts_counting_without_a_storm_until_it_is_mended() {
    let mut stage = Backend::Redis.stage();
    let gateway = stage.settings.clone().set("RATE_LIMIT_MAX", 0).start();
    let mut client = gateway.client();
    client.visit("GB");
    until_true("counting began", || visits_in(stage.server()).of("gb") == 1);
    stage.server().cli(&["HSET", "ff:{0}:visits", "fr", "abc"]);
    assert!(client.visit("FR").status < 300);
    until_true("readyz names the counter", || gateway.obstacles().contains("fr"));
    until_true("some attempts are made", || {
        gateway.log().matches("link to Redis is down").count() >= 4
    });
    assert!(client.visit("GB").status < 300, "visits are still kept");
    let attempts = gateway.log().matches("link to Redis is down").count();
    assert!(attempts < 40, "{attempts} attempts: no pause grows between them");
    stage.server().cli(&["HDEL", "ff:{0}:visits", "fr"]);
    until_true("counting goes on", || gateway.obstacles() == "[]");
    let counted = Report([("fr".to_owned(), 1), ("gb".to_owned(), 2)].into());
    until_true("both are counted", || visits_in(stage.server()) == counted);
}

#[test]
fn a_visit_with_a_key_is_answered_even_if_the_journal_cannot_be_read() {
    let gateway = Settings::new().set("FOOTFALL_APPLY_ANSWER_MS_MAX", 300).start();
    let journal = gateway.data_dir().join("lane-0/journal");
    let segment = fs::read_dir(&journal).unwrap().next().unwrap().unwrap().path();
    let elsewhere = gateway.data_dir().join("elsewhere");
    fs::rename(&segment, &elsewhere).unwrap();
    let keyed = Request::new("POST", "/api/v1/stats?countryCode=GB").header("Idempotency-Key", "one");
    let answer = gateway.client().send(&keyed);
    assert_eq!(
        (answer.status, answer.json()["code"].clone()),
        (500, "DURABILITY_UNKNOWN".into())
    );
    until_true("readyz tells", || gateway.obstacles().contains("cannot be read"));
    fs::rename(&elsewhere, &segment).unwrap();
    until_true("it reads again", || gateway.obstacles() == "[]");
    let answer = gateway.client().send(&keyed);
    assert_eq!((answer.status, answer.text()), (201, r#"{"gb":1}"#.to_owned()));
}

#[test]
fn a_gateway_gives_no_number_twice_while_others_count_too() {
    let stage = Backend::Redis.stage();
    let settings = stage.settings.set("RATE_LIMIT_MAX", 0);
    let gateways = [settings.clone().start(), settings.elsewhere().start()];
    let numbers = |gateway: &Gateway| {
        let mut client = gateway.client();
        (0..500)
            .map(|_| client.visit("GB").json()["gb"].as_u64().unwrap())
            .collect::<Vec<_>>()
    };
    thread::scope(|scope| {
        for gateway in &gateways {
            scope.spawn(move || {
                let given: Vec<_> = thread::scope(|scope| {
                    let clients: Vec<_> = (0..4).map(|_| scope.spawn(|| numbers(gateway))).collect();
                    clients.into_iter().flat_map(|client| client.join().unwrap()).collect()
                });
                let distinct: BTreeSet<_> = given.iter().collect();
                assert_eq!((given.len(), distinct.len()), (2_000, 2_000));
            });
        }
    });
    for gateway in &gateways {
        until_true("both know all", || gateway.report().of("gb") == 4_000);
    }
}

#[test]
fn a_directory_that_is_none_is_not_verified_and_not_made() {
    let settings = Settings::new();
    let output = settings.run(&["verify"]);
    let told = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(1), "{told}");
    assert!(told.contains("is no data directory"), "{told}");
    assert!(!settings.data_dir().exists());
}
