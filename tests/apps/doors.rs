//! Who may call, from where and how often, and what of HTTP is minded.

use serde_json::json;

use crate::support::backend::Backend;
use crate::support::client::Request;
use crate::support::gateway::Settings;
use crate::{COLLECT, House, is_bad_key, posted, refusal};

const POSTED: [&str; 4] = [
    "/api/auth/register",
    "/api/auth/revoke",
    "/api/auth/regenerate",
    COLLECT,
];
const ASKED: [&str; 4] = [
    "/api/analytics/event-summary",
    "/api/analytics/user-stats?userId=anna",
    "/api/analytics/active-users",
    "/api/analytics/timeseries?interval=day",
];

#[test]
fn every_key_that_is_not_good_gets_one_answer() {
    for backend in Backend::KINDS {
        let mut house = House::on(backend);
        let wrong_secret = format!("{}{}", &house.key[..house.key.len() - 8], "00000000");
        let (upper, long) = (house.key.to_uppercase(), "x".repeat(4_000));
        let bearer = format!("Bearer {}", house.key);
        for path in [&[COLLECT][..], &ASKED].concat() {
            let method = if path == COLLECT { "POST" } else { "GET" };
            let request =
                || Request::new(method, path).body(if method == "POST" { "{\"eventName\":\"a\"}" } else { "" });
            for shown in ["", "x", "ak_live_0_0", &wrong_secret, &upper, &long] {
                let answer = house.client.send(&request().header("X-API-Key", shown));
                is_bad_key(&answer);
                assert!(answer.header("www-authenticate").is_some() && answer.header("x-request-id").is_some());
            }
            is_bad_key(&house.client.send(&request()));
            // The key stands in its own header: a token of somebody else's may be in the usual one.
            is_bad_key(&house.client.send(&request().header("Authorization", &bearer)));
            let both = request()
                .header("Authorization", "Bearer a.b.c")
                .header("X-API-Key", &house.key);
            assert!([200, 202, 404].contains(&house.client.send(&both).status), "{path}");
        }
    }
}

#[test]
fn who_shows_no_good_key_is_limited_by_address() {
    let mut house = House::embedded(Settings::new().set("RATE_LIMIT_MAX", 4));
    for _ in 0..10 {
        let answer = house.ask(ASKED[0]);
        assert_eq!((answer.status, answer.header("ratelimit")), (200, None));
    }
    for path in [ASKED[0], ASKED[3], COLLECT, "/api/v1/stats"] {
        let request = if path == COLLECT {
            posted(path, &json!({}))
        } else {
            Request::new("GET", path)
        };
        let answer = house.client.send(&request);
        assert!(
            answer.status < 429 && answer.header("ratelimit-policy").is_some(),
            "{path}"
        );
    }
    let refused = house.client.get(ASKED[0]);
    refusal(&refused, 429, "RATE_LIMITED");
    for name in [
        "retry-after",
        "ratelimit-limit",
        "ratelimit-remaining",
        "ratelimit-reset",
    ] {
        assert!(refused.header(name).is_some(), "{name}");
    }
    assert_eq!(house.collect(&json!({"eventName": "view"})).status, 202);
}

#[test]
fn pages_of_allowed_origins_may_call_with_their_key_and_without_credentials() {
    let any = House::embedded(Settings::new());
    let listed = Settings::new().set("ALLOWED_ORIGINS", "https://blog.example");
    let one = House::embedded(listed);
    let (good, evil) = ("https://blog.example", "https://evil.example");
    for path in [&POSTED[..], &ASKED].concat() {
        let method = if POSTED.contains(&path) { "POST" } else { "GET" };
        for (house, origin, expected) in [(&any, evil, Some("*")), (&one, good, Some(good)), (&one, evil, None)] {
            let asked = Request::new("OPTIONS", path)
                .header("Origin", origin)
                .header("Access-Control-Request-Method", method)
                .header("Access-Control-Request-Headers", "content-type,x-api-key");
            let mut client = house.gateway.client();
            let preflight = client.send(&asked);
            assert_eq!(
                (preflight.status, preflight.header("access-control-allow-origin")),
                (204, expected),
                "{path}"
            );
            assert_eq!(preflight.header("access-control-allow-methods"), Some("GET, POST"));
            assert_eq!(
                preflight.header("access-control-allow-headers"),
                Some("Content-Type, X-API-Key")
            );
            let call = Request::new(method, path)
                .header("Origin", origin)
                .header("X-API-Key", "x_y_z");
            let answer = client.send(&if method == "POST" { call.body("{}") } else { call });
            assert_eq!(answer.header("access-control-allow-origin"), expected, "{path}");
            assert_eq!(answer.header("vary"), (expected != Some("*")).then_some("Origin"));
            assert_eq!(answer.header("access-control-allow-credentials"), None);
            assert_eq!(answer.header("x-content-type-options"), Some("nosniff"));
        }
    }
}

#[test]
fn other_methods_and_paths_are_told_in_the_same_shape() {
    for backend in Backend::KINDS {
        let mut house = House::on(backend);
        for path in [&POSTED[..], &ASKED].concat() {
            let (allow, others) = if POSTED.contains(&path) {
                ("POST, OPTIONS", ["GET", "HEAD", "PUT", "DELETE"])
            } else {
                ("GET, HEAD, OPTIONS", ["POST", "PUT", "DELETE", "PATCH"])
            };
            for method in others {
                let answer = house.client.send(&Request::new(method, path));
                assert_eq!(
                    (answer.status, answer.header("allow")),
                    (405, Some(allow)),
                    "{method} {path}"
                );
                if method != "HEAD" {
                    refusal(&answer, 405, "METHOD_NOT_ALLOWED");
                }
            }
        }
        for path in [
            "/api/analytics/nothing",
            "/api/auth/nothing",
            "/api/analytics/collect/x",
        ] {
            refusal(&house.client.get(path), 404, "NOT_FOUND");
        }
        let key = house.key.clone();
        let head = Request::new("HEAD", ASKED[0]).header("X-API-Key", &key);
        let head = house.client.send(&head);
        assert_eq!((head.status, head.body.len()), (200, 0));
        assert_eq!(house.ask("//api//analytics///event-summary/").status, 200);
        // Documents of another kind are those of all.
        let health = house.client.get("/health").json();
        assert_eq!(health["status"], "ok");
        assert!(house.client.get("/api/docs").text().contains("swagger"));
    }
}

#[test]
fn without_a_store_summaries_are_told_to_come_back_and_events_are_kept() {
    let settings = Settings::new().set("FOOTFALL_STORE_ENABLED", false);
    let gateway = settings.start();
    let mut client = gateway.client();
    let registered = client.send(&posted(
        "/api/auth/register",
        &json!({"name": "Blog", "domain": "blog.example"}),
    ));
    let key = registered.json()["apiKey"].as_str().unwrap().to_owned();
    let collected = client.send(&posted(COLLECT, &json!({"eventName": "view"})).header("X-API-Key", &key));
    assert_eq!(collected.status, 202);
    for path in ASKED {
        let answer = client.send(&Request::new("GET", path).header("X-API-Key", &key));
        refusal(&answer, 503, "STORE_UNAVAILABLE");
        assert!(answer.header("retry-after").is_some());
    }
}
