//! What is not taken, and how that is told.

use serde_json::{Value, json};

use crate::support::backend::Backend;
use crate::support::client::{Request, raw};
use crate::support::gateway::{Gateway, Settings};
use crate::{CHROME, House, view, visitor};

const URL: &str = "pageUrl must be a URL address";
const VISITOR: &str = "visitorId must be a UUID";
const METADATA: &str = "metadata must be an object";
const REFERRER: &str = "metadata.referrer must be a string";
const RANGE: &str = "dateRange must be one of the following values: 24h, 7d, 30d, custom";
const START: &str = "startDate must be a valid ISO 8601 date string";
const END: &str = "endDate must be a valid ISO 8601 date string";
const PAGE: &str = "page must not be less than 1";

fn bad(messages: &[&str]) -> Value {
    json!({"message": messages, "error": "Bad Request", "statusCode": 400})
}

#[test]
fn all_failing_fields_are_told_in_the_order_of_the_fields() {
    for backend in Backend::KINDS {
        let mut house = House::new(backend);
        let id = visitor(1);
        let rows = [
            (json!({}), &[URL, VISITOR, METADATA][..]),
            (json!([]), &[URL, VISITOR, METADATA]),
            (view("//example", &id, &Value::Null), &[URL]),
            (view("https://a b.example/", &id, &Value::Null), &[URL]),
            (view("https://a_b.example/", &id, &Value::Null), &[URL]),
            (view("gopher://a.example/", &id, &Value::Null), &[URL]),
            (
                view(&format!("a.example/{}", "x".repeat(2_074)), &id, &Value::Null),
                &[URL],
            ),
            (view("a.example", "7", &Value::Null), &[VISITOR]),
            (view("a.example", &id[1..], &Value::Null), &[VISITOR]),
            (
                json!({"pageUrl": 1, "visitorId": {}, "metadata": []}),
                &[URL, VISITOR, METADATA],
            ),
            (json!({"pageUrl": "a.example", "visitorId": id}), &[METADATA]),
            (
                json!({"pageUrl": "a.example", "visitorId": id, "metadata": null}),
                &[METADATA],
            ),
            (
                json!({"pageUrl": "a.example", "visitorId": id, "metadata": "x"}),
                &[METADATA],
            ),
            (view("a.example", &id, &json!(7)), &[REFERRER]),
            (view("a\u{0}.example", "x", &json!([])), &[URL, VISITOR, REFERRER]),
        ];
        for (body, messages) in rows {
            let answer = house.post("/tracking", &body, CHROME);
            assert_eq!(
                (answer.status, answer.json()),
                (400, bad(messages)),
                "{backend:?} {body}"
            );
            assert!(answer.header("x-request-id").is_some());
        }
        for path in ["/ping", "/tracking/ping"] {
            let answer = house.post(path, &json!({"metadata": 1}), CHROME);
            assert_eq!((answer.status, answer.json()), (400, bad(&[URL, VISITOR])), "{path}");
        }
        // The longest there may be, and members that nobody knows.
        let long = format!("a.example/{}", "x".repeat(2_073));
        let mut body = view(&long, &id, &Value::Null);
        body["other"] = json!({"deep": [1]});
        assert_eq!(house.post("/tracking", &body, CHROME).status, 201);
    }
}

#[test]
fn all_wrong_parameters_are_told() {
    let mut house = House::new(Backend::Embedded);
    for (target, messages) in [
        ("/stats", &[RANGE][..]),
        ("/stats?dateRange=1d", &[RANGE]),
        ("/stats?dateRange=24H", &[RANGE]),
        ("/stats?dateRange=custom", &[START, END]),
        ("/stats?dateRange=custom&startDate=2025-08-01", &[END]),
        (
            "/stats?dateRange=custom&startDate=tomorrow&endDate=2025-08-01T00:00:00.000Z",
            &[START],
        ),
        ("/stats/sessions", &[RANGE, PAGE]),
        ("/stats/sessions?dateRange=7d", &[PAGE]),
        ("/stats/sessions?dateRange=7d&page=0", &[PAGE]),
        ("/stats/sessions?dateRange=7d&page=-3", &[PAGE]),
        ("/stats/sessions?dateRange=7d&page=x", &[PAGE]),
        (
            "/stats/sessions?dateRange=custom&startDate=x&endDate=y&page=0",
            &[START, END, PAGE],
        ),
        (
            "/stats/sessions?dateRange=7d&page=1001",
            &["page must not be greater than 1000"],
        ),
    ] {
        let answer = house.client.get(target);
        assert_eq!((answer.status, answer.json()), (400, bad(messages)), "{target}");
    }
    // Dates count for one range only.
    for target in [
        "/stats?dateRange=24h&startDate=x",
        "/stats/sessions?dateRange=30d&endDate=&page=1",
    ] {
        assert_eq!(house.client.get(target).status, 200, "{target}");
    }
}

#[test]
fn bodies_that_are_none_are_refused_in_the_same_shape() {
    let gateway = Settings::new().set("FOOTFALL_EVENTS_BODY_BYTES_MAX", 20_000).start();
    let deep = "[".repeat(9_000);
    let good = view("a.example", &visitor(1), &Value::Null).to_string();
    let twice = good.replacen('{', r#"{"pageUrl":"//nothing","#, 1);
    let large = format!("{good}{}", " ".repeat(20_000));
    for (headers, body, status, phrase) in [
        (&[][..], b"{".to_vec(), 400, "Bad Request"),
        (&[], b"7".to_vec(), 400, "Bad Request"),
        (&[], deep.into_bytes(), 400, "Bad Request"),
        (&[], b"{\"pageUrl\":\"\xff\"}".to_vec(), 400, "Bad Request"),
        (&[], br#"{"pageUrl":"\ud800"}"#.to_vec(), 400, "Bad Request"),
        (&[], [good.as_bytes(), b"{}"].concat(), 400, "Bad Request"),
        (&[], br#"{"pageUrl":1e999}"#.to_vec(), 400, "Bad Request"),
        (&[], large.into_bytes(), 413, "Payload Too Large"),
        (
            &[("Content-Type", "application/xml")],
            good.clone().into_bytes(),
            415,
            "Unsupported Media Type",
        ),
        (
            &[("Content-Encoding", "gzip, br")],
            good.clone().into_bytes(),
            415,
            "Unsupported Media Type",
        ),
        (
            &[("Content-Encoding", "gzip")],
            good.clone().into_bytes(),
            400,
            "Bad Request",
        ),
    ] {
        for path in ["/tracking", "/ping"] {
            let request = headers
                .iter()
                .fold(Request::new("POST", path), |request, (name, value)| {
                    request.header(name, value)
                });
            let answer = gateway.client().send(&request.body(body.clone()));
            let told = answer.json();
            assert_eq!(
                (answer.status, told["statusCode"].as_u64(), told["error"].as_str()),
                (status, Some(status.into()), Some(phrase)),
                "{path} {headers:?} {}",
                String::from_utf8_lossy(&body).chars().take(80).collect::<String>()
            );
            assert!(told["message"].as_str().is_some_and(|text| !text.is_empty()));
        }
    }
    // Of a key that comes twice the last one counts; beacons may be plain text.
    for content_type in ["application/json", "text/plain;charset=UTF-8"] {
        let request = Request::new("POST", "/tracking").header("Content-Type", content_type);
        assert_eq!(gateway.client().send(&request.body(twice.clone())).status, 201);
    }
    assert_eq!(gateway.log().matches("panic").count(), 0);
}

#[test]
fn other_methods_are_refused_with_those_that_there_are() {
    let gateway = Gateway::start();
    let mut client = gateway.client();
    for (path, methods, allow) in [
        ("/tracking", ["GET", "PUT"], "POST, OPTIONS"),
        ("/tracking/ping", ["GET", "DELETE"], "POST, OPTIONS"),
        ("/ping", ["HEAD", "PATCH"], "POST, OPTIONS"),
        ("/stats", ["POST", "DELETE"], "GET, HEAD, OPTIONS"),
        ("/stats/sessions", ["POST", "PUT"], "GET, HEAD, OPTIONS"),
    ] {
        for method in methods {
            let answer = client.send(&Request::new(method, path).body(""));
            assert_eq!(
                (answer.status, answer.header("allow")),
                (405, Some(allow)),
                "{method} {path}"
            );
        }
    }
    for path in ["/stats/other", "/tracking/ping/x", "/Stats"] {
        assert_eq!(client.get(path).status, 404, "{path}");
    }
    let head = client.send(&Request::new("HEAD", "/stats?dateRange=custom"));
    assert_eq!((head.status, head.body.len()), (400, 0));
}

#[test]
fn views_without_end_are_limited_and_figures_are_not() {
    let settings = Settings::new()
        .set("FOOTFALL_LIMIT_KEYLESS_MAX", 3)
        .set("RATE_LIMIT_MAX", 1);
    let gateway = settings.set("RATE_LIMIT_WINDOW", 3_600_000).start();
    let mut client = gateway.client();
    let body = view("a.example", &visitor(1), &Value::Null).to_string();
    let post = |path: &str, body: &str| Request::new("POST", path).body(body);
    assert_eq!(
        client.send(&post("/tracking", &body)).parameter("ratelimit", "r"),
        Some(2)
    );
    // What is refused counts, too.
    assert_eq!(client.send(&post("/tracking", "{}")).status, 400);
    assert_eq!(client.send(&post("/ping", &body)).status, 201);
    for path in ["/tracking", "/tracking/ping", "/ping"] {
        let answer = client.send(&post(path, &body));
        let told = json!({"message": "Too many requests. Please try again later.", "error": "Too Many Requests",
            "statusCode": 429});
        assert_eq!((answer.status, answer.json()), (429, told), "{path}");
        assert!(answer.header("retry-after").is_some() && answer.parameter("ratelimit-policy", "q") == Some(3));
    }
    for _ in 0..5 {
        let answer = client.get("/stats?dateRange=nothing");
        assert_eq!((answer.status, answer.header("ratelimit")), (400, None));
    }
}

#[test]
fn an_operator_can_close_the_calls() {
    let gateway = Settings::new().set("FOOTFALL_OPEN_SESSIONS", false).start();
    let mut client = gateway.client();
    let body = view("a.example", &visitor(1), &Value::Null).to_string();
    for request in [
        Request::new("POST", "/tracking").body(body.clone()),
        Request::new("POST", "/ping").body(body),
        Request::new("GET", "/stats?dateRange=24h"),
        Request::new("GET", "/stats/sessions?dateRange=24h&page=1"),
    ] {
        let answer = client.send(&request);
        assert_eq!(
            (answer.status, answer.json()["statusCode"].as_u64()),
            (404, Some(404)),
            "{request:?}"
        );
    }
}

#[test]
fn a_store_that_is_not_there_is_told_as_such() {
    let gateway = Settings::new().set("FOOTFALL_STORE_ENABLED", false).start();
    for target in ["/stats?dateRange=24h", "/stats/sessions?dateRange=24h&page=1"] {
        let answer = gateway.client().get(target);
        let body = answer.json();
        assert_eq!(
            (answer.status, body["error"].as_str()),
            (503, Some("Service Unavailable")),
            "{body}"
        );
        assert!(answer.header("retry-after").is_some());
    }
    // Views are kept all the same.
    let body = view("a.example", &visitor(1), &Value::Null).to_string();
    assert_eq!(
        gateway
            .client()
            .send(&Request::new("POST", "/tracking").body(body))
            .status,
        201
    );
}

#[test]
fn strange_bytes_in_a_query_make_no_other_answer() {
    let gateway = Gateway::start();
    for target in [
        "/stats?dateRange=24h&url=%00%ff%fe",
        "/stats?dateRange=24h&url=(%5B%7B*%2B%3F%5C",
        "/stats?dateRange=24h&url=x[]y:z",
        "/stats?&&&=&dateRange=24h",
        "/stats/sessions?dateRange=24h&page=1&url=%00",
        "/stats/sessions?dateRange=24h&page=1&url=//nothing",
    ] {
        let wait = || gateway.client().get(target);
        crate::support::wait::until_true("the store to be open", || wait().status != 503);
        let answer = wait();
        assert_eq!(answer.status, 200, "{target}: {}", answer.text());
    }
    let long = format!(
        "GET /stats?dateRange=24h&url={} HTTP/1.1\r\nHost: x\r\n\r\n",
        "%C3%A9".repeat(2_000)
    );
    assert_eq!(raw(gateway.address(), long.as_bytes()).status, 200);
}
