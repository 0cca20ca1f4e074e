//! The call: what it takes, and what it refuses.

use serde_json::json;

use crate::support::backend::Backend;
use crate::support::client::Request;
use crate::support::wait::until_true;
use crate::{House, event, events, run};

const NDJSON: &str = "application/x-ndjson";

#[track_caller]
fn problem(answer: &crate::Answer, status: u16, code: &str) -> String {
    let body = answer.json();
    assert_eq!((answer.status, body["code"].as_str()), (status, Some(code)), "{body}");
    assert_eq!(answer.header("content-type"), Some("application/problem+json"));
    body["field"].as_str().unwrap_or_default().to_owned()
}

fn lines_are_taken_once(backend: Backend) {
    let mut house = House::with(backend, |settings| settings.set("FOOTFALL_DURABILITY", "disk"));
    assert_eq!(house.taken("a"), 0);
    let answer = house.lines("a", 0, &events(0..3));
    let report = json!({"taken": 3, "accepted": 3, "repeated": 0, "rejected": 0, "errors": []});
    assert_eq!((answer.status, answer.json()), (202, report));
    assert_eq!(answer.header("x-durability"), Some("disk"));
    // All of it again; a part of it again; and what would leave a line out.
    let again = house.lines("a", 0, &events(0..3));
    assert_eq!(
        (again.status, &again.json()["repeated"], &again.json()["taken"]),
        (200, &json!(3), &json!(3))
    );
    assert_eq!(again.header("x-durability"), None);
    let more = house.lines("a", 1, &events(1..5));
    let report = json!({"taken": 5, "accepted": 2, "repeated": 2, "rejected": 0, "errors": []});
    assert_eq!((more.status, more.json()), (202, report));
    problem(&house.lines("a", 6, &events(6..7)), 409, "import_gap");
    assert_eq!(house.taken("a"), 5);
    // Another name is another import, also one that is written with an escape.
    assert_eq!(house.lines("b%20c", 0, &events(0..1)).status, 202);
    assert_eq!((house.taken("b%20c"), house.taken("b")), (1, 0));
    house.until_counted(&[("signup", 6)]);
    let (received, outcomes) = house.outcomes();
    assert_eq!((received, outcomes), (3 + 3 + 4 + 1 + 1, 12));
    house.verify();
}

#[test]
fn lines_are_taken_once_embedded() {
    lines_are_taken_once(Backend::Embedded);
}

#[test]
fn lines_are_taken_once_with_redis() {
    lines_are_taken_once(Backend::Redis);
}

#[test]
fn blank_lines_count_and_bad_ones_are_told_by_their_numbers_also_when_they_come_again() {
    let mut house = House::new(Backend::Embedded);
    let body = format!(
        "\n{}\n{{\"name\":\n  \n{}\n{{\"name\":\"signup\"}}\n{{\"name\":\"x\",\"time\":1}}\n\u{0}\n[{}]\n",
        event(1),
        event(2),
        event(3)
    );
    let answer = house.lines("a", 0, &body);
    assert_eq!(answer.status, 202, "{}", answer.text());
    let report = answer.json();
    let wrong = |report: &serde_json::Value| -> Vec<(u64, String)> {
        let errors = report["errors"].as_array().unwrap().iter();
        let told = errors.map(|error| {
            (
                error["line"].as_u64().unwrap(),
                error["code"].as_str().unwrap().to_owned(),
            )
        });
        told.collect()
    };
    let expected = [
        (3, "json_invalid"),
        (6, "field_missing"),
        (7, "number_out_of_range"),
        (8, "json_invalid"),
        (9, "field_invalid"),
    ]
    .map(|(line, code)| (line, code.to_owned()));
    assert_eq!(wrong(&report), expected);
    assert_eq!((&report["accepted"], &report["taken"]), (&json!(2), &json!(9)));
    let again = house.lines("a", 0, &body);
    assert_eq!((again.status, wrong(&again.json())), (200, expected.to_vec()));
    // A request of nothing but blank lines goes on, too.
    assert_eq!(house.lines("a", 9, "\n\n").json()["taken"], 11);
    assert_eq!(house.taken("a"), 11);
    let (received, outcomes) = house.outcomes();
    assert_eq!((received, outcomes), (14, 14));
}

#[test]
fn only_keys_that_may_manage_import_and_only_for_their_site() {
    let mut house = House::new(Backend::Embedded);
    let target = "/api/v1/imports/a?from=0";
    let post = |key: Option<&str>| {
        let request = Request::new("POST", target)
            .header("Content-Type", NDJSON)
            .body(events(0..1));
        key.map_or(request.clone(), |key| request.header("X-API-Key", key))
    };
    problem(&house.client.send(&post(None)), 401, "key_missing");
    problem(&house.client.send(&post(Some("ff_live_nonsense"))), 401, "key_invalid");
    let keys = ["write", "read"].map(|rights| run(&house.stage.settings, &["key", "add", "shop", "--rights", rights]));
    let other = run(&house.stage.settings, &["key", "add", "default", "--rights", "manage"]);
    until_true("the keys to be known", || {
        house.client.send(&post(Some(&other))).status != 401
    });
    for key in keys {
        problem(&house.client.send(&post(Some(&key))), 403, "rights_missing");
    }
    // The same name of another site is another import.
    assert_eq!(house.taken("a"), 0);
    house.until_counted(&[]);
}

#[test]
fn what_makes_no_sense_is_refused_and_takes_nothing() {
    let mut house = House::with(Backend::Embedded, |settings| {
        settings
            .set("FOOTFALL_IMPORTS_LINES_MAX", 3)
            .set("FOOTFALL_IMPORTS_BODY_BYTES_MAX", 2_000)
    });
    let line = events(0..1);
    let post = |target: &str, content_type: &'static str, body: &[u8]| {
        let target = format!("/api/v1/imports/{target}");
        (target, content_type, body.to_vec())
    };
    for ((target, content_type, body), status, code, field) in [
        (post("a", NDJSON, line.as_bytes()), 422, "field_missing", "from"),
        (post("a?from=", NDJSON, line.as_bytes()), 422, "field_invalid", "from"),
        (post("a?from=-1", NDJSON, line.as_bytes()), 422, "field_invalid", "from"),
        (
            post("a?from=18446744073709551616", NDJSON, line.as_bytes()),
            422,
            "field_invalid",
            "from",
        ),
        (
            post("a?from=0&digest=xyz", NDJSON, line.as_bytes()),
            422,
            "field_invalid",
            "digest",
        ),
        (
            post("a?from=18446744073709551615", NDJSON, line.as_bytes()),
            409,
            "import_gap",
            "",
        ),
        (post("a?from=0", NDJSON, b""), 400, "body_empty", ""),
        (post("a?from=0", NDJSON, b"\n\n\n\n"), 413, "too_many_events", ""),
        (post("a?from=0", NDJSON, &[b' '; 2_001]), 413, "body_too_large", ""),
        (post("a?from=0", "text/csv", b"a,b"), 415, "media_type_unsupported", ""),
        (post("a%00b?from=0", NDJSON, line.as_bytes()), 422, "field_invalid", ""),
        (post("a%ff?from=0", NDJSON, line.as_bytes()), 400, "utf8_invalid", ""),
        (
            post(&format!("{}?from=0", "x".repeat(129)), NDJSON, line.as_bytes()),
            422,
            "field_invalid",
            "",
        ),
        (
            post("a", "application/json", br#"{"visits":{"gb":1}}"#),
            403,
            "rights_missing",
            "visits",
        ),
    ] {
        let answer = house.call("POST", &target, Some((content_type, &body)));
        assert_eq!(problem(&answer, status, code), field, "{target}");
    }
    assert_eq!(house.taken("a"), 0);
    let nested = format!("{}{}\n", "[".repeat(500), "]".repeat(500));
    assert_eq!(
        house.lines("a", 0, &nested).json()["errors"][0]["code"],
        "json_too_deep"
    );
}

#[test]
fn there_are_at_most_so_many_imports_also_after_a_restart_and_known_ones_go_on() {
    let mut house = House::with(Backend::Embedded, |settings| {
        settings.set("FOOTFALL_IMPORTS_IMPORTS_MAX", 2)
    });
    let line = events(0..1);
    for name in ["a", "b"] {
        assert_eq!(house.lines(name, 0, &line).status, 202);
    }
    problem(&house.lines("c", 0, &line), 409, "imports_full");
    assert_eq!(house.lines("b", 1, &line).status, 202);
    house.gateway.stop();
    house.gateway.start_again();
    house.client = house.gateway.client();
    problem(&house.lines("c", 0, &line), 409, "imports_full");
    assert_eq!(house.lines("b", 2, &line).status, 202);
    house.until_counted(&[("signup", 4)]);
}

#[test]
fn other_methods_other_paths_and_preflights_are_answered_as_everywhere() {
    let mut house = House::new(Backend::Embedded);
    for method in ["PUT", "DELETE", "PATCH"] {
        let answer = house.call(method, "/api/v1/imports/a", None);
        problem(&answer, 405, "method_not_allowed");
        assert_eq!(answer.header("allow"), Some("GET, HEAD, POST, OPTIONS"));
    }
    for path in ["/api/v1/imports", "/api/v1/imports/", "/api/v1/imports/a/b"] {
        problem(&house.call("GET", path, None), 404, "not_found");
    }
    let head = house.call("HEAD", "/api/v1//imports/a/", None);
    assert_eq!((head.status, head.body.len()), (200, 0));
    let asked = Request::new("OPTIONS", "/api/v1/imports/a").header("Origin", "https://app.example");
    let preflight = house.client.send(&asked);
    assert_eq!(preflight.status, 204);
    assert_eq!(
        preflight.header("access-control-allow-methods"),
        Some("GET, HEAD, POST, OPTIONS")
    );
    let answer = house.call("GET", "/api/v1/imports/a", None);
    assert_eq!(answer.header("x-content-type-options"), Some("nosniff"));
    assert_eq!(answer.json()["digest"], "0000000000000000");
}

#[test]
fn what_a_client_made_of_its_lines_is_told_again_after_a_restart() {
    let mut house = House::new(Backend::Embedded);
    let target = "/api/v1/imports/a?from=0&digest=0123456789abcdef";
    let answer = house.call("POST", target, Some((NDJSON, events(0..3).as_bytes())));
    assert_eq!(answer.status, 202);
    for _ in 0..2 {
        let told = house.call("GET", "/api/v1/imports/a", None).json();
        assert_eq!(
            (&told["checked"], &told["digest"]),
            (&json!(3), &json!("0123456789abcdef"))
        );
        house.gateway.stop();
        house.gateway.start_again();
        house.client = house.gateway.client();
    }
}
