//! The paths of the visits calls: spellings, methods, other origins, bodies, and what is not there.

mod support;

use support::answer::Answer;
use support::client::{Connection, Request, raw};
use support::gateway::{Gateway, Settings};

#[test]
fn ping_answers_json_and_healthcheck_text() {
    let gateway = Gateway::start();
    let mut client = gateway.client();
    let ping = client.get("/api/v1/ping");
    assert_eq!((ping.status, ping.text().as_str()), (200, r#""OK""#));
    assert!(ping.header("content-type").unwrap().starts_with("application/json"));
    let health = client.get("/api/v1/healthcheck");
    assert_eq!((health.status, health.text().as_str()), (200, "OK"));
    assert!(health.header("content-type").unwrap().starts_with("text/plain"));
}

#[test]
fn a_trailing_slash_and_doubled_slashes_lead_to_the_same_call() {
    let gateway = Gateway::start();
    let mut client = gateway.client();
    for path in [
        "/api/v1/stats/",
        "/api/v1//stats",
        "//api///v1/stats//",
        "/api/v1/stats",
    ] {
        assert_eq!(client.post(&format!("{path}?countryCode=GB")).status, 201, "{path}");
    }
    for path in ["/api/v1/stats/", "//api/v1//stats"] {
        assert_eq!(client.get(path).text(), r#"{"gb":4}"#, "{path}");
    }
    for path in [
        "/api/v1/ping/",
        "/api//v1/ping",
        "/api/v1/healthcheck/",
        "/livez/",
        "//readyz",
    ] {
        assert_eq!(client.get(path).status, 200, "{path}");
    }
}

#[test]
fn an_unknown_path_is_a_404_problem_with_a_request_id() {
    let gateway = Gateway::start();
    let mut client = gateway.client();
    for path in [
        "/",
        "/api/v1",
        "/api/v1/statsx",
        "/api/v1/stats/x",
        "/API/V1/STATS",
        "/api/v2/stats",
        "/metrics",
    ] {
        let answer = client.get(path);
        assert_eq!(answer.status, 404, "{path}");
        assert_eq!(
            answer.header("content-type"),
            Some("application/problem+json"),
            "{path}"
        );
        assert_eq!(answer.json()["code"], "not_found", "{path}");
        assert!(
            answer.json()["request_id"].as_str().is_some_and(|id| !id.is_empty()),
            "{path}"
        );
    }
    let ids: Vec<_> = (0..2)
        .map(|_| client.get("/nowhere").json()["request_id"].clone())
        .collect();
    assert_ne!(ids[0], ids[1]);
}

#[test]
fn no_path_leads_out_of_the_route_table() {
    let gateway = Gateway::start();
    for path in [
        "/../../etc/passwd",
        "/..%2f..%2fetc/passwd",
        "/%2e%2e/%2e%2e/etc/passwd",
        "/api/v1/../v1/stats",
        "/.env",
    ] {
        let answer = raw(
            gateway.address(),
            format!("GET {path} HTTP/1.1\r\nHost: x\r\n\r\n").as_bytes(),
        );
        assert_eq!(answer.status, 404, "{path}");
        assert!(!answer.text().contains("etc"), "the input is echoed: {}", answer.text());
    }
}

#[test]
fn another_method_on_a_known_path_is_405_and_says_which_are_allowed() {
    let gateway = Gateway::start();
    let mut client = gateway.client();
    let rows: [(&str, &str, &[&str]); 7] = [
        ("DELETE", "/api/v1/stats?countryCode=GB", &["GET", "POST"]),
        ("PUT", "/api/v1/stats?countryCode=GB", &["GET", "POST"]),
        ("PATCH", "/api/v1/stats", &["GET", "POST"]),
        ("GET", "/api/v1/visits", &["POST"]),
        ("POST", "/api/v1/ping", &["GET"]),
        ("POST", "/api/v1/healthcheck", &["GET"]),
        ("BREW", "/api/v1/stats", &["GET", "POST"]),
    ];
    for (method, path, allowed) in rows {
        let answer = client.send(&Request::new(method, path));
        assert_eq!(answer.status, 405, "{method} {path}");
        for allowed in allowed {
            assert!(
                answer.header_lists("allow", allowed),
                "{method} {path}: {:?}",
                answer.header("allow")
            );
        }
        assert!(
            !answer.header_lists("allow", method),
            "{method} {path}: {:?}",
            answer.header("allow")
        );
        assert!(answer.json()["code"].is_string(), "{}", answer.text());
    }
    assert_eq!(client.send(&Request::new("HEAD", "/api/v1/visits")).status, 405);
    assert_eq!(gateway.report().sum(), 0);
}

fn preflight(gateway: &Gateway, origin: &str) -> Answer {
    let request = Request::new("OPTIONS", "/api/v1/stats?countryCode=GB")
        .header("Origin", origin)
        .header("Access-Control-Request-Method", "POST")
        .header("Access-Control-Request-Headers", "content-type");
    gateway.client().send(&request)
}

#[test]
fn every_origin_may_read_by_default_without_credentials() {
    let gateway = Gateway::start();
    let answer = preflight(&gateway, "https://shop.example");
    assert_eq!((answer.status, answer.text().as_str()), (204, ""));
    assert_eq!(answer.header("access-control-allow-origin"), Some("*"));
    assert!(answer.header_lists("access-control-allow-methods", "GET"));
    assert!(answer.header_lists("access-control-allow-methods", "POST"));
    assert!(answer.header_lists("access-control-allow-headers", "Content-Type"));
    assert_eq!(answer.header("access-control-allow-credentials"), None);

    let visit = Request::new("POST", "/api/v1/stats?countryCode=GB").header("Origin", "https://shop.example");
    for request in [
        visit,
        Request::new("GET", "/api/v1/stats").header("Origin", "https://shop.example"),
    ] {
        let answer = gateway.client().send(&request);
        assert_eq!(answer.header("access-control-allow-origin"), Some("*"));
        assert_eq!(answer.header("access-control-allow-credentials"), None);
    }
    assert_eq!(gateway.report().of("gb"), 1, "a preflight counts nothing");
}

#[test]
fn refusals_too_may_be_read_by_other_origins() {
    let gateway = Settings::new()
        .set("RATE_LIMIT_MAX", 1)
        .set("RATE_LIMIT_WINDOW", 3_600_000)
        .start();
    for status in [403, 429] {
        let bad = Request::new("POST", "/api/v1/stats?countryCode=nowhere").header("Origin", "https://shop.example");
        let answer = gateway.client().send(&bad);
        assert_eq!(answer.status, status);
        assert_eq!(answer.header("access-control-allow-origin"), Some("*"), "{status}");
    }
}

#[test]
fn with_a_list_only_its_origins_are_named_and_caches_are_told() {
    let origins = "https://shop.example, https://app.example";
    let gateway = Settings::new().set("ALLOWED_ORIGINS", origins).start();
    for origin in ["https://shop.example", "https://app.example"] {
        let answer = preflight(&gateway, origin);
        assert_eq!(answer.status, 204);
        assert_eq!(answer.header("access-control-allow-origin"), Some(origin));
        assert!(answer.header_lists("vary", "Origin"), "{:?}", answer.headers);
    }
    for origin in [
        "https://evil.example",
        "http://shop.example",
        "https://shop.example.evil",
        "null",
    ] {
        let answer = preflight(&gateway, origin);
        assert_eq!(answer.header("access-control-allow-origin"), None, "{origin}");
        assert!(answer.header_lists("vary", "Origin"), "{:?}", answer.headers);
    }
    let visit = Request::new("POST", "/api/v1/stats?countryCode=GB");
    let answer = gateway
        .client()
        .send(&visit.clone().header("Origin", "https://app.example"));
    assert_eq!(
        answer.header("access-control-allow-origin"),
        Some("https://app.example")
    );
    let answer = gateway.client().send(&visit);
    assert_eq!(
        (answer.status, answer.header("access-control-allow-origin")),
        (201, None)
    );
}

fn chunked_visit(size: usize, ended: bool) -> Vec<u8> {
    let mut bytes =
        b"POST /api/v1/stats?countryCode=GB HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n".to_vec();
    bytes.extend(format!("{size:x}\r\n").bytes());
    bytes.extend(std::iter::repeat_n(b'x', size));
    bytes.extend(if ended { b"\r\n0\r\n\r\n".as_slice() } else { b"\r\n" });
    bytes
}

#[test]
fn a_body_up_to_ten_kilobytes_is_ignored_whatever_it_holds() {
    let gateway = Gateway::start();
    let visit = Request::new("POST", "/api/v1/stats?countryCode=GB");
    let mut client = gateway.client();
    for body in [
        b"".to_vec(),
        b"{\"countryCode\":\"US\"}".to_vec(),
        b"\0\xff".to_vec(),
        vec![b'x'; 10_240],
    ] {
        assert_eq!(client.send(&visit.clone().body(body)).status, 201);
    }
    let mut connection = Connection::open(gateway.address()).unwrap();
    for size in [1, 10_240] {
        connection.write(&chunked_visit(size, true)).unwrap();
        assert_eq!(connection.read_answer().unwrap().status, 201, "{size} bytes in a chunk");
    }
    assert_eq!(gateway.report().0, [("gb".to_owned(), 6)].into());
}

#[test]
fn a_larger_body_is_413_and_counts_nothing() {
    let gateway = Gateway::start();
    let announced = "POST /api/v1/stats?countryCode=GB HTTP/1.1\r\nHost: x\r\nContent-Length: 10241\r\n\r\n";
    let huge = "POST /api/v1/stats?countryCode=GB HTTP/1.1\r\nHost: x\r\nContent-Length: 9223372036854775807\r\n\r\n";
    let whole = Request::new("POST", "/api/v1/stats?countryCode=GB").body(vec![b'x'; 10_241]);
    let rows = [
        announced.into(),
        huge.into(),
        whole.bytes(),
        chunked_visit(10_241, false),
    ];
    for bytes in rows {
        let answer = raw(gateway.address(), &bytes);
        assert_eq!(answer.status, 413);
        assert_eq!(answer.json()["code"], "BODY_TOO_LARGE");
        assert!(answer.json()["error"].is_string());
    }
    assert_eq!(gateway.report().sum(), 0);
}

#[test]
fn answers_of_the_ingest_path_carry_no_header_without_a_use() {
    let gateway = Settings::new().set("RATE_LIMIT_MAX", 1_000_000).start();
    let answer = gateway.client().visit("GB");
    let known = [
        "content-type",
        "content-length",
        "date",
        "x-content-type-options",
        "x-durability",
        "access-control-allow-origin",
        "cross-origin-resource-policy",
        "ratelimit",
        "ratelimit-policy",
        "vary",
    ];
    for (name, _) in &answer.headers {
        assert!(known.contains(&name.to_ascii_lowercase().as_str()), "{name}");
    }
}
