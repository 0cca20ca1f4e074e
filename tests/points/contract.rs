//! Each row of the contract, embedded and with Redis.

use serde_json::json;

use crate::support::answer::Answer;
use crate::support::backend::Backend;
use crate::support::client::{Client, Request};
use crate::support::gateway::{Gateway, Settings};
use crate::support::report::metric;
use crate::{PATH, event, given, points, points_of, post, send};

const OPTION: &str = r#"Invalid option: expected one of "LOGIN"|"PURCHASE"|"REFERRAL""#;

#[track_caller]
fn assert_json(answer: &Answer, status: u16, message: &str) {
    assert_eq!((answer.status, answer.json()), (status, json!({ "message": message })));
    let content_type = answer.header("content-type").unwrap_or_default();
    assert!(content_type.starts_with("application/json"), "{content_type}");
    assert_eq!(answer.header("x-content-type-options"), Some("nosniff"));
    assert_eq!(answer.header("access-control-allow-origin"), Some("*"));
}

/// Runs a test embedded and with Redis.
fn on_each(test: impl Fn(&Gateway, &mut Client)) {
    for backend in Backend::KINDS {
        let stage = backend.stage();
        let gateway = stage.settings.start();
        test(&gateway, &mut gateway.client());
    }
}

#[test]
fn the_version_is_a_text() {
    on_each(|_, client| {
        let answer = client.get("/version");
        assert_eq!((answer.status, answer.text().as_str()), (200, "v1"));
        assert!(answer.header("content-type").unwrap().starts_with("text/plain"));
    });
}

#[test]
fn an_event_is_recorded_once_and_told_with_its_points() {
    on_each(|gateway, client| {
        assert_eq!(points(gateway), given(&[]));
        let answer = client.send(&event("13", "PURCHASE", 14_223_343));
        assert_eq!(answer.status, 201);
        let body = answer.json();
        assert_eq!(body["message"], "User events recorded Successfully");
        assert_eq!(body["id"].as_str().unwrap().len(), 36, "a UUID: {body}");
        assert_eq!(answer.header("x-durability"), Some("os"));
        let again = client.send(&event("13", "PURCHASE", 14_223_343));
        assert_json(&again, 409, "User event already exists");
        assert_json(
            &client.send(&event("13", "LOGIN", 14_223_343)),
            409,
            "User event already exists",
        );
        assert_eq!(points(gateway), given(&[("13", 10)]));
        assert_eq!(send(client, "13", "REFERRAL", 14_223_344), 201);
        assert_eq!(send(client, "7", "LOGIN", 14_223_343), 201);
        assert_eq!(points(gateway), given(&[("13", 30), ("7", 1)]));
    });
}

#[test]
fn points_are_told_by_user_and_by_type() {
    on_each(|_, client| {
        for (user, kind, timestamp) in [
            ("13", "PURCHASE", 1),
            ("13", "PURCHASE", 2),
            ("13", "LOGIN", 3),
            ("a b/+&", "LOGIN", 0),
            ("LOGIN:13", "REFERRAL", 9_007_199_254_740_991),
        ] {
            assert_eq!(send(client, user, kind, timestamp), 201, "{user}");
        }
        let mut told = |query: &str| points_of(&client.get(&format!("{PATH}{query}")));
        assert_eq!(told("?user_id=13"), given(&[("13", 21)]));
        assert_eq!(told("/?user_id=13&event_type=PURCHASE"), given(&[("13", 20)]));
        assert_eq!(told("?event_type=LOGIN"), given(&[("13", 1), ("a b/+&", 1)]));
        assert_eq!(told("?user_id=a+b%2F%2B%26"), given(&[("a b/+&", 1)]));
        assert_eq!(told("?user_id=LOGIN:13"), given(&[("LOGIN:13", 20)]));
        assert_eq!(told("/"), given(&[("13", 21), ("a b/+&", 1), ("LOGIN:13", 20)]));
        for nothing in [
            "?user_id=14",
            "?event_type=OTHER",
            "?user_id=13&event_type=REFERRAL",
            "?user_id=",
            "?user_id=%ff%00",
        ] {
            assert_eq!(told(nothing), given(&[]), "{nothing}");
        }
        let answer = client.get(&format!("{PATH}?user_id=14"));
        assert_eq!(
            answer.text(),
            r#"{"message":"User events queried Successfully","data":[]}"#
        );
        let twice = client.get(&format!("{PATH}?user_id=1&user_id=2"));
        assert_json(
            &twice,
            400,
            "(/user_id): Invalid input: expected string, received array",
        );
    });
}

#[test]
fn bad_fields_are_listed_in_their_order() {
    on_each(|gateway, client| {
        let all = format!(
            "(/user_id): Invalid input: expected string, received number, (/event_type): {OPTION}, \
             (/timestamp): Invalid input: expected number, received undefined"
        );
        let long = "u".repeat(129);
        for (body, message) in [
            (r#"{"user_id":13,"event_type":"login"}"#, all.as_str()),
            (
                r#"{"user_id":"13","event_type":"OTHER","timestamp":1}"#,
                &format!("(/event_type): {OPTION}"),
            ),
            (
                r#"{"user_id":"","event_type":"LOGIN","timestamp":1}"#,
                "(/user_id): Too small: expected string to have >=1 characters",
            ),
            (
                &format!(r#"{{"user_id":"{long}","event_type":"LOGIN","timestamp":1}}"#),
                "(/user_id): Too big: expected string to have <=128 bytes",
            ),
            (
                r#"{"user_id":"\u0000","event_type":"LOGIN","timestamp":1}"#,
                r"(/user_id): Invalid string: must match pattern /^\P{Cc}+$/u",
            ),
            (
                r#"{"user_id":"1","event_type":"LOGIN","timestamp":-1}"#,
                "(/timestamp): Too small: expected number to be >=0",
            ),
            (
                r#"{"user_id":"1","event_type":"LOGIN","timestamp":0.5}"#,
                "(/timestamp): Invalid input: expected int, received number",
            ),
            (
                r#"{"user_id":"1","event_type":"LOGIN","timestamp":9007199254740992}"#,
                "(/timestamp): Too big: expected int to be <=9007199254740991",
            ),
            ("[]", "(/): Invalid input: expected object, received array"),
        ] {
            assert_json(&client.send(&post(body)), 400, message);
        }
        assert_eq!(points(gateway), given(&[]));
        let unknown_fields = r#"{"a":{"b":[1]},"user_id":"1","event_type":"LOGIN","timestamp":5,"id":"x"}"#;
        assert_eq!(client.send(&post(unknown_fields)).status, 201);
        let twice = r#"{"user_id":"0","event_type":"LOGIN","timestamp":5,"user_id":"2"}"#;
        assert_eq!(
            client.send(&post(twice)).status,
            201,
            "of a field given twice the last counts"
        );
        assert_eq!(points(gateway), given(&[("1", 1), ("2", 1)]));
    });
}

#[test]
fn what_is_no_json_is_refused_in_words_that_clients_know() {
    on_each(|gateway, client| {
        let not_json = "Body is not valid JSON but content-type is set to 'application/json'";
        let deep = "[".repeat(500_000);
        for body in [
            &b"{"[..],
            b"nothing",
            b"{}{}",
            b"\xff\xfe",
            b"{\"user_id\":\"\\ud800\"}",
            b"\0",
            deep.as_bytes(),
        ] {
            let request = Request::new("POST", PATH)
                .header("Content-Type", "application/json")
                .body(body);
            assert_json(&client.send(&request), 400, not_json);
        }
        let empty = Request::new("POST", PATH).header("Content-Type", "application/json");
        assert_json(
            &client.send(&empty),
            400,
            "Body cannot be empty when content-type is set to 'application/json'",
        );
        let good = r#"{"user_id":"1","event_type":"LOGIN","timestamp":5}"#;
        for media in [
            "text/plain",
            "application/xml; charset=utf-8",
            "json",
            "application/jsonx",
        ] {
            let request = Request::new("POST", PATH).header("Content-Type", media).body(good);
            assert_json(&client.send(&request), 415, &format!("Unsupported Media Type: {media}"));
        }
        let request = Request::new("POST", PATH).body(good);
        assert_json(&client.send(&request), 415, "Unsupported Media Type: undefined");
        let request = Request::new("POST", PATH)
            .header("Content-Type", "Application/JSON; charset=UTF-8")
            .body(good);
        assert_eq!(client.send(&request).status, 201);
        assert_eq!(points(gateway), given(&[("1", 1)]));
    });
}

#[test]
fn a_body_may_have_a_mebibyte_and_no_more() {
    let gateway = Gateway::start();
    let of_size = |bytes: usize| {
        let body = r#"{"user_id":"1","event_type":"LOGIN","timestamp":5}"#;
        post(&format!("{body}{}", " ".repeat(bytes - body.len())))
    };
    assert_eq!(gateway.client().send(&of_size(1 << 20)).status, 201);
    assert_json(
        &gateway.client().send(&of_size((1 << 20) + 1)),
        413,
        "Request body is too large",
    );
}

#[test]
fn an_unknown_route_and_an_unknown_method_are_named() {
    on_each(|_, client| {
        assert_json(&client.get("/v1/x?y"), 404, "GET /v1/x?y - Not Found");
        assert_json(&client.post("/v1"), 404, "POST /v1 - Not Found");
        let delete = client.send(&Request::new("DELETE", "/v1/users/events?a=%22"));
        assert_json(&delete, 405, "DELETE /v1/users/events?a=%22 - Method Not Allowed");
        assert_eq!(delete.header("allow"), Some("GET, HEAD, POST, OPTIONS"));
        let head = client.send(&Request::new("HEAD", PATH));
        assert_eq!((head.status, head.body.len()), (200, 0));
        let preflight = Request::new("OPTIONS", PATH)
            .header("Origin", "https://shop.example")
            .header("Access-Control-Request-Method", "POST")
            .header("Access-Control-Request-Headers", "content-type");
        let preflight = client.send(&preflight);
        assert_eq!(preflight.status, 204);
        assert_eq!(preflight.header("access-control-allow-origin"), Some("*"));
        assert_eq!(preflight.header("access-control-allow-methods"), Some("GET, POST"));
        assert_eq!(preflight.header("access-control-allow-headers"), Some("Content-Type"));
        assert_eq!(preflight.header("access-control-allow-credentials"), None);
    });
}

#[test]
fn repeated_and_trailing_slashes_lead_to_the_same_calls() {
    let gateway = Gateway::start();
    let mut client = gateway.client();
    let slashed = Request::new("POST", "//v1///users/events/")
        .header("Content-Type", "application/json")
        .body(r#"{"user_id":"1","event_type":"LOGIN","timestamp":5}"#);
    assert_eq!(client.send(&slashed).status, 201);
    assert_eq!(
        points_of(&client.get("/v1//users/events//?user_id=1")),
        given(&[("1", 1)])
    );
}

#[test]
fn who_sends_too_often_is_told_when_to_come_back() {
    let gateway = Settings::new().set("FOOTFALL_LIMIT_KEYLESS_MAX", 2).start();
    let mut client = gateway.client();
    assert_eq!(send(&mut client, "1", "LOGIN", 1), 201);
    let second = client.send(&event("1", "LOGIN", 1));
    assert_eq!(second.status, 409, "refusals count as well");
    assert!(second.header("ratelimit").is_some() && second.header("ratelimit-policy").is_some());
    let refused = client.send(&event("1", "LOGIN", 2));
    assert_eq!(refused.status, 429);
    assert!(refused.json()["message"].is_string());
    assert!(refused.header("retry-after").is_some() && refused.header("ratelimit-limit").is_some());
    assert_eq!(client.get(PATH).status, 429);
}

#[test]
fn an_operator_can_close_the_calls() {
    let gateway = Settings::new().set("FOOTFALL_POINTS_OPEN", false).start();
    let mut client = gateway.client();
    assert_json(
        &client.send(&event("1", "LOGIN", 1)),
        404,
        "POST /v1/users/events - Not Found",
    );
    assert_json(&client.get(PATH), 404, "GET /v1/users/events - Not Found");
}

#[test]
fn every_event_has_one_outcome() {
    on_each(|gateway, client| {
        for timestamp in [1, 2, 3, 2, 1] {
            send(client, "1", "LOGIN", timestamp);
        }
        client.send(&post("{"));
        client.send(&post("{}"));
        let figure = |name: &str| metric(gateway, &format!("footfall_events_{name}_total"));
        assert_eq!((figure("received"), figure("kept"), figure("duplicates")), (7, 3, 2));
        let refused: u64 = ["json_invalid", "field_invalid"]
            .map(|reason| {
                metric(
                    gateway,
                    &format!("footfall_events_refused_total{{reason=\"{reason}\"}}"),
                )
            })
            .iter()
            .sum();
        assert_eq!(refused, 2);
    });
}
