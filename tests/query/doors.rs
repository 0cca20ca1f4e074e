//! Who may ask, from where, and how often; how many questions are taken.

use serde_json::json;

use crate::support::client::Request;
use crate::support::report::metric;
use crate::{House, Settings, problem, until_true};

const TARGETS: [(&str, &str); 4] = [
    ("POST", "/api/v1/query"),
    ("GET", "/api/v1/events"),
    ("GET", "/api/v1/users/anna/events"),
    ("GET", "/api/v1/visitors/anna/events"),
];

#[test]
fn only_a_key_that_may_read_may_ask() {
    let mut house = House::new();
    let (write, read) = (house.write.clone(), house.read.clone());
    let manage = crate::run(house.gateway.settings(), &["key", "add", "shop", "--rights", "manage"]);
    let query = json!({"metrics": ["events"], "date_range": "1d"}).to_string();
    let mut send = |method: &str, target: &str, key: Option<&str>| {
        let mut request = Request::new(method, target);
        if let Some(key) = key {
            request = request.header("Authorization", &format!("Bearer {key}"));
        }
        if method == "POST" {
            request = request.body(query.as_bytes());
        }
        house.client.send(&request)
    };
    until_true("the new key to be known", || {
        send("GET", "/api/v1/events", Some(&manage)).status == 200
    });
    for (method, target) in TARGETS {
        let none = send(method, target, None);
        problem(&none, 401, "key_missing");
        assert_eq!(none.header("www-authenticate"), Some("Bearer"));
        problem(&send(method, target, Some("ak_live_x_y")), 401, "key_invalid");
        problem(&send(method, target, Some(&write)), 403, "rights_missing");
        assert_eq!(send(method, target, Some(&read)).status, 200);
        assert_eq!(send(method, target, Some(&manage)).status, 200);
        assert_eq!(send(method, &format!("{target}?key={read}"), None).status, 200);
    }
    // And who may read may not send.
    for key in [&read, &manage] {
        let request = Request::new("POST", "/api/v1/events").header("X-API-Key", key);
        problem(
            &house.client.send(&request.body("{\"name\":\"x\"}")),
            401,
            "key_invalid",
        );
    }
}

#[test]
fn a_revoked_key_asks_no_more() {
    let mut house = House::new();
    assert_eq!(house.get("/api/v1/events").status, 200);
    crate::run(house.gateway.settings(), &["key", "revoke", &house.read]);
    until_true("the key to be refused", || house.get("/api/v1/events").status == 401);
}

#[test]
fn who_shows_no_good_key_is_limited_by_address_and_who_does_is_not() {
    let settings = Settings::new().set("RATE_LIMIT_MAX", 3);
    let mut house = House::with(&settings, &[]);
    for _ in 0..10 {
        let answer = house.get("/api/v1/events");
        assert_eq!((answer.status, answer.header("ratelimit")), (200, None));
    }
    for _ in 0..3 {
        let answer = house.client.get("/api/v1/events?key=wrong");
        problem(&answer, 401, "key_invalid");
        assert!(answer.header("ratelimit").is_some());
    }
    let refused = house.client.get("/api/v1/events?key=wrong");
    problem(&refused, 429, "rate_limited");
    assert!(refused.header("retry-after").is_some());
    assert_eq!(house.get("/api/v1/events").status, 200);
}

#[test]
fn pages_of_allowed_origins_may_ask_and_read() {
    let settings = Settings::new().set("ALLOWED_ORIGINS", "https://board.example");
    let mut house = House::with(&settings, &[]);
    let read = house.read.clone();
    for (method, target) in TARGETS {
        for (origin, allowed) in [("https://board.example", true), ("https://evil.example", false)] {
            let expected = allowed.then_some(origin);
            if target != "/api/v1/events" {
                let preflight = house
                    .client
                    .send(&Request::new("OPTIONS", target).header("Origin", origin));
                assert_eq!(
                    (preflight.status, preflight.header("access-control-allow-origin")),
                    (204, expected)
                );
                assert!(
                    preflight
                        .header("access-control-allow-methods")
                        .unwrap()
                        .contains(method)
                );
                let headers = preflight.header("access-control-allow-headers").unwrap();
                assert!(headers.contains("Authorization") && headers.contains("X-API-Key"));
            }
            let request = Request::new(method, target)
                .header("Origin", origin)
                .header("X-API-Key", &read);
            let answer = house
                .client
                .send(&if method == "POST" { request.body("{}") } else { request });
            assert_eq!(
                answer.header("access-control-allow-origin"),
                expected,
                "{method} {target}"
            );
            assert_eq!(answer.header("vary"), Some("Origin"));
        }
    }
    for (method, target) in TARGETS {
        let other = house.client.send(&Request::new("PUT", target));
        problem(&other, 405, "method_not_allowed");
        assert!(other.header("allow").unwrap().contains(method));
    }
    let head = house
        .client
        .send(&Request::new("HEAD", "/api/v1/events").header("X-API-Key", &read));
    assert_eq!((head.status, head.body.len()), (200, 0));
}

#[test]
fn what_became_of_questions_is_counted() {
    let mut house = House::new();
    let of = |house: &House, name: &str| metric(&house.gateway, &format!("footfall_query_{name}"));
    let before = ["received_total", "answered_total", "answer_seconds_count"].map(|name| of(&house, name));
    let query = json!({"metrics": ["events"], "date_range": "yesterday"});
    for status in [200, 200, 200] {
        assert_eq!(house.ask(&query).status, status);
    }
    house.get("/api/v1/events");
    house.get("/api/v1/events?colour=red");
    house.client.get("/api/v1/events");
    let after = ["received_total", "answered_total", "answer_seconds_count"].map(|name| of(&house, name));
    let new: Vec<u64> = after.iter().zip(before).map(|(after, before)| after - before).collect();
    assert_eq!((new, of(&house, "cached_total")), (vec![6, 2, 6], 2));
    assert_eq!(of(&house, "refused_total{reason=\"field_invalid\"}"), 1);
    assert_eq!(of(&house, "refused_total{reason=\"key_missing\"}"), 1);
}

#[test]
fn without_a_store_questions_are_told_to_come_back() {
    let mut house = House::closed(&Settings::new().set("FOOTFALL_STORE_ENABLED", false), &[]);
    let answer = house.ask(&json!({"metrics": ["events"], "date_range": "1d"}));
    problem(&answer, 503, "store_unavailable");
    assert!(answer.header("retry-after").is_some());
    problem(&house.get("/api/v1/events"), 503, "store_unavailable");
}
