//! The hash in Redis that a visits deployment keeps.

use serde_json::{Value, json};

use crate::support::backend::Backend;
use crate::support::redis::{Engine, RedisServer};
use crate::support::wait::until_true;
use crate::{House, counts_in, run};

const HASH: &str = "country_statscountry_stats";

/// A house whose key is one of the default site.
fn house(backend: Backend) -> House {
    let mut house = House::new(backend);
    house.key = run(&house.stage.settings, &["key", "add", "default", "--rights", "manage"]);
    let ask = |house: &mut House| house.call("GET", "/api/v1/imports/a", None).status;
    until_true("the key to be known", || ask(&mut house) == 200);
    house
}

#[track_caller]
fn import(house: &House, redis: &RedisServer, more: &[&str]) -> Value {
    let url = redis.url();
    let (code, mut said, errors) = house.try_import(&[&["--redis", &url], more].concat());
    assert_eq!(code, Some(0), "{errors}");
    said.remove(0)
}

fn totals_of_a_deployment_are_taken_over(backend: Backend) {
    let old = RedisServer::start(Engine::Redis);
    old.cli(&[
        "HSET",
        HASH,
        "gb",
        "17",
        "cy",
        "4",
        "us",
        "5000000000",
        "total",
        "9",
        "fr",
        "many",
    ]);
    let mut house = house(backend);
    house.client.visit("gb");
    let first = import(&house, &old, &[]);
    assert_eq!(
        (&first["visits"], &first["before"]),
        (&json!(5_000_000_021_u64), &json!(0))
    );
    assert_eq!(first["rejected"].as_array().unwrap().len(), 2, "{first}");
    // At once, without waiting for the counters.
    let report = house.gateway.report();
    let of = |country: &str| report.0.get(country).copied().unwrap_or_default();
    assert_eq!((of("gb"), of("cy"), of("us")), (18, 4, 5_000_000_000));
    // Again: what was added since, and nothing else; in between with a kill.
    house.gateway.kill();
    house.gateway.start_again();
    house.client = house.gateway.client();
    assert_eq!(import(&house, &old, &[])["visits"], 0);
    old.cli(&["HINCRBY", HASH, "gb", "3"]);
    old.cli(&["HSET", HASH, "de", "1"]);
    let second = import(&house, &old, &[]);
    assert_eq!(
        (&second["visits"], &second["before"]),
        (&json!(4), &json!(5_000_000_021_u64))
    );
    assert_eq!(house.gateway.report().0.get("gb"), Some(&21));
    if let Some(server) = &house.stage.server {
        until_true("all to be counted", || counts_in(server).0.get("gb") == Some(&21));
        until_true("all to be counted", || {
            counts_in(server).0.get("us") == Some(&5_000_000_000)
        });
    }
    // A hash that has less is another one.
    old.cli(&["HSET", HASH, "gb", "5"]);
    let (code, _, errors) = house.try_import(&["--redis", &old.url()]);
    assert!(code == Some(1) && errors.contains("5 visits of gb"), "{errors}");
    assert_eq!(
        import(&house, &old, &["--name", "another"])["visits"],
        5_000_000_010_u64
    );
    assert_eq!(house.gateway.report().0.get("gb"), Some(&26));
    let received = crate::metric(&house.gateway, "footfall_visits_received_total");
    let kept = crate::metric(&house.gateway, "footfall_visits_kept_total");
    assert_eq!((received, kept), (5_000_000_014, 5_000_000_014));
    house.gateway.stop();
    let output = house.stage.settings.run(&["verify"]);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
}

#[test]
fn totals_of_a_deployment_are_taken_over_embedded() {
    totals_of_a_deployment_are_taken_over(Backend::Embedded);
}

#[test]
fn totals_of_a_deployment_are_taken_over_with_redis() {
    totals_of_a_deployment_are_taken_over(Backend::Redis);
}

#[test]
fn a_redis_that_is_away_or_has_no_such_hash_is_told() {
    let mut old = RedisServer::start(Engine::Redis);
    let house = house(Backend::Embedded);
    let (code, _, errors) = house.try_import(&["--redis", &old.url()]);
    assert!(code == Some(1) && errors.contains("has 0 fields"), "{errors}");
    old.cli(&["SET", HASH, "x"]);
    let (code, _, errors) = house.try_import(&["--redis", &old.url()]);
    assert!(code == Some(1) && errors.contains("WRONGTYPE"), "{errors}");
    old.stop();
    let (code, _, errors) = house.try_import(&["--redis", &old.url()]);
    assert!(code == Some(1) && errors.contains("refused"), "{errors}");
}

#[test]
fn numbers_that_no_country_can_have_are_refused() {
    let mut house = house(Backend::Embedded);
    for (body, status, code) in [
        (r#"{"visits":{"gb":4398046511104}}"#, 422, "field_invalid"),
        (r#"{"visits":{"gb":1,"GB":1}}"#, 422, "field_invalid"),
        (r#"{"visits":{"g":1}}"#, 422, "field_invalid"),
        (r#"{"visits":{"gb":18446744073709551616}}"#, 422, "field_invalid"),
        (r#"{"visits":"#, 400, "json_invalid"),
        (" ", 400, "body_empty"),
    ] {
        let answer = house.call("POST", "/api/v1/imports/a", Some(("application/json", body.as_bytes())));
        assert_eq!(
            (answer.status, &answer.json()["code"]),
            (status, &json!(code)),
            "{body}"
        );
    }
    let most = (1_u64 << 42) - 1;
    let body = json!({"visits": {"gb": most}}).to_string();
    let answer = house.call("POST", "/api/v1/imports/a", Some(("application/json", body.as_bytes())));
    assert_eq!((answer.status, answer.json()), (202, json!({"accepted": most})));
    // Together they would be too many.
    let answer = house.call("POST", "/api/v1/imports/b", Some(("application/json", body.as_bytes())));
    assert_eq!(answer.status, 422);
    assert_eq!(house.gateway.report().0.get("gb"), Some(&most));
}
