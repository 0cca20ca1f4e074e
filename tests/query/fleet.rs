//! Gateways that count together.

use std::fs;
use std::time::{SystemTime, UNIX_EPOCH};

use serde_json::json;

use super::House;
use super::support::backend::Backend;
use super::support::wait::until_true;

/// The hash under which a gateway knows a visitor who comes now.
fn hash_at(house: &mut House) -> String {
    house.keep(&json!([{"name": "view", "ip": "203.0.113.7", "user_agent": "one"}]));
    let events = house.events("/api/v1/events?limit=1");
    events[0]["visitor"].as_str().unwrap().to_owned()
}

fn day() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs() / 86_400
}

#[test]
fn a_visitor_who_meets_two_gateways_on_a_day_is_one() {
    for backend in [Backend::Redis, Backend::Valkey] {
        let mut stage = backend.stage();
        let old = (day() - 2).to_string();
        stage.server().cli(&["HSET", "ff:dir:salts", &old, &"7".repeat(32)]);
        let mut first = House::with(&stage.settings, &[]);
        let mut second = first.beside(&stage.settings.elsewhere());
        assert_eq!(hash_at(&mut first), hash_at(&mut second), "{}", backend.name());
        assert_eq!(
            stage.server().cli(&["HEXISTS", "ff:dir:salts", &old]),
            "0",
            "its day is over"
        );
        assert_eq!(stage.server().cli(&["HLEN", "ff:dir:salts"]), "2", "today and tomorrow");
    }
    // Without a Redis each is a world of its own.
    let [mut first, mut second] = [0, 1].map(|_| House::with(&super::Settings::new(), &[]));
    assert_ne!(hash_at(&mut first), hash_at(&mut second));
}

#[test]
fn a_gateway_that_starts_without_redis_agrees_with_the_others_when_it_is_back() {
    let mut stage = Backend::Redis.stage();
    let mut first = House::with(&stage.settings, &[]);
    let settings = stage.settings.elsewhere();
    let mut second = first.beside(&settings);
    second.gateway.stop();
    fs::remove_dir_all(second.gateway.data_dir().join("salts")).unwrap();
    stage.server().pause();
    second.gateway.start_again();
    second.client = second.gateway.client();
    until_true("the store to be open", || second.get("/api/v1/events").status == 200);
    let known = hash_at(&mut first);
    assert_ne!(hash_at(&mut second), known, "it has a salt of its own");
    assert_eq!(second.gateway.said("salts cannot be agreed on"), 1);
    stage.server().resume();
    until_true("the salt of the others", || hash_at(&mut second) == known);
}

#[test]
fn what_is_no_salt_is_told_of_and_the_gateway_goes_on_with_its_own() {
    let mut stage = Backend::Redis.stage();
    for day in [day(), day() + 1] {
        stage
            .server()
            .cli(&["HSET", "ff:dir:salts", &day.to_string(), "pepper"]);
    }
    let mut house = House::with(&stage.settings, &[]);
    assert_eq!(hash_at(&mut house), hash_at(&mut house));
    assert_eq!(house.gateway.said("is not a salt of 32 hexadecimal digits"), 1);
    stage.server().cli(&["DEL", "ff:dir:salts"]);
    until_true("a salt to be agreed on", || {
        stage.server().cli(&["HLEN", "ff:dir:salts"]) == "2"
    });
}
