//! What cannot be answered as asked is refused, and the field is named.

use serde_json::{Value, json};

use crate::support::client::Request;
use crate::{House, Settings, problem};

#[test]
fn a_wrong_question_is_told_its_field() {
    let mut house = House::new();
    let whole = json!({"metrics": ["events"], "date_range": "7d"});
    assert_eq!(house.ask(&whole).status, 200);
    let wrong = [
        ("metrics", json!(["hits"]), "field_invalid", "metrics[0]"),
        ("metrics", Value::Null, "field_missing", "metrics"),
        ("date_range", json!("soon"), "field_invalid", "date_range"),
        (
            "date_range",
            json!(["2026-02-01", "2026-01-01"]),
            "field_invalid",
            "date_range",
        ),
        (
            "dimensions",
            json!(["path", "colour"]),
            "field_invalid",
            "dimensions[1]",
        ),
        ("dimensions", json!(["time:second"]), "field_invalid", "dimensions[0]"),
        ("filters", json!([["is", "path"]]), "field_invalid", "filters[0]"),
        (
            "filters",
            json!([["not", ["is", "shape", [""]]]]),
            "field_invalid",
            "filters[0][1][1]",
        ),
        (
            "filters",
            json!([["matches", "path", ["(("]]]),
            "field_invalid",
            "filters[0][2]",
        ),
        (
            "filters",
            json!([["matches", "path", ["(((a{100}){100}){100}){100}"]]]),
            "field_invalid",
            "filters",
        ),
        ("timezone", json!("Mars/Base"), "field_invalid", "timezone"),
        (
            "order_by",
            json!([["visitors", "desc"]]),
            "field_invalid",
            "order_by[0][0]",
        ),
        ("limit", json!(1_000_000), "field_invalid", "limit"),
        ("offset", json!(-1), "field_invalid", "offset"),
        ("compare", json!("never"), "field_invalid", "compare"),
        ("site", json!("shop"), "field_invalid", "site"),
    ];
    for (field, value, code, place) in wrong {
        let mut query = whole.clone();
        query[field] = value;
        let (named, detail) = problem(&house.ask(&query), 400 + 22, code);
        assert_eq!(named, place, "{query}");
        assert!(detail.starts_with(place) && detail.len() > place.len() + 5, "{detail}");
    }
}

#[test]
fn a_wrong_parameter_is_told_its_name() {
    let mut house = House::new();
    for (parameters, named) in [
        ("colour=red", "colour"),
        ("limit=0", "limit"),
        ("limit=1001", "limit"),
        ("limit=1&limit=2", "limit"),
        ("cursor=zzz", "cursor"),
        ("from=yesterday", "from"),
        ("from=2026-02-01&to=2026-01-01", "to"),
        ("date_range=7d&from=2026-01-01", "date_range"),
        ("date_range=never", "date_range"),
        ("timezone=Mars", "timezone"),
        ("time:day=2026-01-01", "time:day"),
        ("filters=no", "filters"),
        ("filters=%5B%5B%22is%22%5D%5D", "filters[0]"),
    ] {
        let answer = house.get(&format!("/api/v1/events?{parameters}"));
        assert_eq!(problem(&answer, 422, "field_invalid").0, named, "{parameters}");
    }
    problem(&house.get("/api/v1/users/%ff/events"), 400, "utf8_invalid");
    problem(
        &house.get(&format!("/api/v1/users/{}/events", "x".repeat(129))),
        422,
        "field_invalid",
    );
}

#[test]
fn what_is_no_question_at_all_is_refused() {
    let settings = Settings::new().set("FOOTFALL_QUERY_BODY_BYTES_MAX", 20_000);
    let mut house = House::with(&settings, &[]);
    let read = house.read.clone();
    let ask = |body: &[u8], headers: &[(&str, &str)]| {
        let request = Request::new("POST", "/api/v1/query").header("X-API-Key", &read);
        let request = headers
            .iter()
            .fold(request, |request, (name, value)| request.header(name, value));
        request.body(body)
    };
    let mut refused = |request: &Request, status, code| problem(&house.client.send(request), status, code);
    refused(&ask(b"", &[]), 400, "body_empty");
    refused(&ask(b"{", &[]), 400, "json_invalid");
    refused(&ask(b"[1]", &[]), 400, "json_invalid");
    refused(&ask(b"\xff", &[]), 400, "json_invalid");
    refused(&ask("[".repeat(10_000).as_bytes(), &[]), 400, "json_invalid");
    refused(&ask(&vec![b' '; 20_001], &[]), 413, "body_too_large");
    refused(
        &ask(b"{}", &[("Content-Type", "text/csv")]),
        415,
        "media_type_unsupported",
    );
    refused(
        &ask(b"{}", &[("Content-Type", "application/x-ndjson")]),
        415,
        "media_type_unsupported",
    );
    refused(
        &ask(b"{}", &[("Content-Encoding", "gzip")]),
        415,
        "encoding_unsupported",
    );
    refused(&ask(b"{}", &[]), 422, "field_missing");
}
