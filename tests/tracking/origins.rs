//! Pages of other origins: who may read, and what a browser asks before it sends.

use serde_json::Value;

use crate::support::client::Request;
use crate::support::gateway::{Gateway, Settings};
use crate::{view, visitor};

const PATHS: [&str; 5] = ["/tracking", "/tracking/ping", "/ping", "/stats", "/stats/sessions"];

#[test]
fn a_preflight_is_answered_with_what_was_asked_for() {
    let gateway = Gateway::start();
    for path in PATHS {
        let asks = Request::new("OPTIONS", path)
            .header("Origin", "https://shop.example")
            .header("Access-Control-Request-Method", "POST")
            .header("Access-Control-Request-Headers", "content-type,x-domain,authorization");
        let answer = gateway.client().send(&asks);
        assert_eq!((answer.status, answer.body.len()), (204, 0), "{path}");
        for (name, value) in [
            ("access-control-allow-origin", "https://shop.example"),
            ("access-control-allow-credentials", "true"),
            ("access-control-allow-headers", "content-type,x-domain,authorization"),
        ] {
            assert_eq!(answer.header(name), Some(value), "{path} {name}");
        }
        assert!(answer.header_lists("access-control-allow-methods", "POST"));
        assert!(answer.header_lists("access-control-allow-methods", "PATCH"));
        assert!(answer.header_lists("vary", "Origin"));
    }
}

#[test]
fn the_origin_that_asks_may_read_with_credentials() {
    let gateway = Gateway::start();
    let body = view("a.example", &visitor(1), &Value::Null).to_string();
    for (request, status) in [
        (Request::new("POST", "/tracking").body(body.clone()), 201),
        (Request::new("POST", "/tracking").body("{}"), 400),
        (Request::new("POST", "/ping").body(body), 201),
        (Request::new("GET", "/stats"), 400),
        (Request::new("GET", "/stats/sessions"), 400),
    ] {
        for origin in ["https://shop.example", "http://localhost:5173", "null"] {
            let answer = gateway.client().send(&request.clone().header("Origin", origin));
            assert_eq!(answer.status, status, "{}", answer.text());
            assert_eq!(answer.header("access-control-allow-origin"), Some(origin));
            assert_eq!(answer.header("access-control-allow-credentials"), Some("true"));
            assert!(answer.header_lists("vary", "Origin"));
        }
        let answer = gateway.client().send(&request);
        assert_eq!(answer.header("access-control-allow-origin"), None);
        assert!(answer.header_lists("vary", "Origin"));
    }
}

#[test]
fn only_listed_origins_may_where_there_is_a_list() {
    let gateway = Settings::new().set("ALLOWED_ORIGINS", "https://shop.example").start();
    let body = view("a.example", &visitor(1), &Value::Null).to_string();
    for (origin, may) in [("https://shop.example", true), ("https://evil.example", false)] {
        let view = Request::new("POST", "/tracking")
            .body(body.clone())
            .header("Origin", origin);
        let asks = Request::new("OPTIONS", "/tracking").header("Origin", origin);
        for (request, status) in [(view, 201), (asks, 204)] {
            let answer = gateway.client().send(&request);
            assert_eq!(answer.status, status);
            assert_eq!(answer.header("access-control-allow-origin"), may.then_some(origin));
            assert_eq!(answer.header("access-control-allow-credentials"), may.then_some("true"));
        }
    }
}

#[test]
fn headers_that_are_no_names_are_not_given_back() {
    let gateway = Gateway::start();
    for list in ["a\"b", "x/y", &"x".repeat(600)] {
        let asks = Request::new("OPTIONS", "/tracking")
            .header("Origin", "https://shop.example")
            .header("Access-Control-Request-Headers", list);
        let answer = gateway.client().send(&asks);
        assert_eq!(
            answer.header("access-control-allow-headers"),
            Some("content-type, x-domain, authorization"),
            "{list}"
        );
    }
}
