//! Registering, revoking, replacing.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::support::backend::Backend;
use crate::support::client::Request;
use crate::support::gateway::run;
use crate::support::report::metric;
use crate::support::wait::until_true;
use crate::{COLLECT, House, Settings, is_bad_key, posted, refusal};

const REGISTER: &str = "/api/auth/register";
const REVOKE: &str = "/api/auth/revoke";
const REGENERATE: &str = "/api/auth/regenerate";

fn is_uuid(text: &str) -> bool {
    let parts: Vec<usize> = text.split('-').map(str::len).collect();
    parts == [8, 4, 4, 4, 12] && text.bytes().all(|byte| byte == b'-' || byte.is_ascii_hexdigit())
}

fn days_until(text: &Value) -> i64 {
    let text = text.as_str().unwrap();
    assert!(text.ends_with('Z'), "{text}");
    let end: jiff::Timestamp = text.parse().unwrap();
    (end.as_second() - jiff::Timestamp::now().as_second()) / 86_400
}

#[test]
fn an_app_registers_and_its_key_sends_and_asks() {
    for backend in Backend::KINDS {
        let mut house = House::on(backend);
        let answer = house.post(REGISTER, &json!({"name": "Shop", "domain": "https://shop.example/"}));
        let body = answer.json();
        assert_eq!((answer.status, body.as_object().unwrap().len()), (201, 3), "{body}");
        assert_eq!(answer.header("cache-control"), Some("no-store"));
        assert!(is_uuid(body["appId"].as_str().unwrap()), "{body}");
        assert!((364..=366).contains(&days_until(&body["expiresAt"])), "{body}");
        let key = body["apiKey"].as_str().unwrap();
        assert!(key.starts_with("ak_live_"), "{key}");
        house.key = key.to_owned();
        house.keep(&json!({"eventName": "view"}));
        assert_eq!(
            house.told("/api/analytics/event-summary")["totalEvents"],
            1,
            "{}",
            backend.name()
        );
        // And the native calls know it, too.
        let native = Request::new("GET", "/api/v1/events").header("Authorization", &format!("Bearer {key}"));
        assert_eq!(house.client.send(&native).json()["events"][0]["name"], "view");
    }
}

#[test]
fn the_prefix_of_keys_and_their_end_are_as_wished() {
    let mut house = House::embedded(Settings::new().set("API_KEY_PREFIX", "demo"));
    assert!(house.key.starts_with("demo_"));
    let with = |end: &str| json!({"name": "Shop", "domain": "shop.example", "expiresAt": end});
    let answer = house.post(REGISTER, &with("2999-12-31"));
    assert_eq!(answer.json()["expiresAt"], "2999-12-31T00:00:00.000Z");
    let soon = jiff::Timestamp::now()
        .checked_add(jiff::SignedDuration::from_secs(2))
        .unwrap();
    let answer = house.post(REGISTER, &with(&soon.to_string()));
    house.key = answer.json()["apiKey"].as_str().unwrap().to_owned();
    assert_eq!(house.ask("/api/analytics/event-summary").status, 200);
    until_true("the key to end", || {
        house.ask("/api/analytics/event-summary").status == 401
    });
    is_bad_key(&house.ask("/api/analytics/event-summary"));
    is_bad_key(&house.collect(&json!({"eventName": "late"})));
    let key = json!({"apiKey": house.key});
    is_bad_key(&house.post(REVOKE, &key));
    is_bad_key(&house.post(REGENERATE, &key));
}

#[test]
fn what_is_wrong_with_a_registration_is_named() {
    let mut house = House::on(Backend::Embedded);
    let good = json!({"name": "Shop", "domain": "shop.example"});
    let with = |field: &str, value: Value| {
        let mut body = good.clone();
        body[field] = value;
        body
    };
    for (body, code, field) in [
        (json!({}), "FIELD_MISSING", "name"),
        (json!({"name": "Shop"}), "FIELD_MISSING", "domain"),
        (with("name", json!("")), "FIELD_MISSING", "name"),
        (with("name", json!(7)), "FIELD_INVALID", "name"),
        (with("name", json!("a\u{0}b")), "FIELD_INVALID", "name"),
        (with("name", json!("a\u{202e}b")), "FIELD_INVALID", "name"),
        (with("name", json!("x".repeat(129))), "FIELD_INVALID", "name"),
        (with("domain", json!(["shop.example"])), "FIELD_INVALID", "domain"),
        (with("domain", json!("not a domain")), "FIELD_INVALID", "domain"),
        (with("domain", json!("203.0.113.7")), "FIELD_INVALID", "domain"),
        (with("expiresAt", json!("2020-01-01")), "FIELD_INVALID", "expiresAt"),
        (
            with("expiresAt", json!(1_999_999_999_999_u64)),
            "FIELD_INVALID",
            "expiresAt",
        ),
        (json!([1]), "FIELD_INVALID", ""),
    ] {
        assert_eq!(refusal(&house.post(REGISTER, &body), 400, code), field, "{body}");
    }
    for path in [REGISTER, REVOKE, REGENERATE] {
        let send = |body: &[u8]| house.gateway.client().send(&Request::new("POST", path).body(body));
        refusal(&send(b""), 400, "BODY_EMPTY");
        refusal(&send(b"{"), 400, "JSON_INVALID");
        for (name, value, code) in [
            (
                "Content-Type",
                "application/x-www-form-urlencoded",
                "MEDIA_TYPE_UNSUPPORTED",
            ),
            ("Content-Type", "application/x-ndjson", "MEDIA_TYPE_UNSUPPORTED"),
            ("Content-Encoding", "gzip", "ENCODING_UNSUPPORTED"),
        ] {
            let request = Request::new("POST", path).header(name, value).body("{}");
            refusal(&house.gateway.client().send(&request), 415, code);
        }
        refusal(&send(b"\xff"), 400, "JSON_INVALID");
        refusal(
            &send(br#"{"apiKey":"a","apiKey":"b","name":"a","name":"b"}"#),
            400,
            "KEY_DUPLICATE",
        );
        refusal(&send("[".repeat(9_000).as_bytes()), 400, "JSON_INVALID");
        refusal(&send(&vec![b' '; 20_000]), 413, "BODY_TOO_LARGE");
    }
    for path in [REVOKE, REGENERATE] {
        assert_eq!(refusal(&house.post(path, &json!({})), 400, "FIELD_MISSING"), "apiKey");
        assert_eq!(
            refusal(&house.post(path, &json!({"apiKey": 7})), 400, "FIELD_INVALID"),
            "apiKey"
        );
        is_bad_key(&house.post(path, &json!({"apiKey": "ak_live_0011_2233"})));
    }
    // Whatever failed has left nothing.
    assert_eq!(metric(&house.gateway, "footfall_directory_keys"), 1);
}

#[test]
fn a_key_is_revoked_or_replaced_by_who_shows_it() {
    for backend in Backend::KINDS {
        let mut house = House::on(backend);
        house.keep(&json!({"eventName": "view"}));
        let old = house.key.clone();
        let answer = house.post(REGENERATE, &json!({"apiKey": old}));
        let body = answer.json();
        assert_eq!((answer.status, body.as_object().unwrap().len()), (200, 3), "{body}");
        assert!((364..=366).contains(&days_until(&body["expiresAt"])), "{body}");
        is_bad_key(&house.ask("/api/analytics/event-summary"));
        house.key = body["apiKey"].as_str().unwrap().to_owned();
        assert_ne!(house.key, old);
        // The same app: its events are there.
        until_true("the event", || {
            house.told("/api/analytics/event-summary")["totalEvents"] == 1
        });
        is_bad_key(&house.post(REGENERATE, &json!({"apiKey": old})));
        let key = json!({"apiKey": house.key});
        assert_eq!(house.post(REVOKE, &key).status, 200, "{}", backend.name());
        is_bad_key(&house.ask("/api/analytics/event-summary"));
        is_bad_key(&house.collect(&json!({"eventName": "view"})));
        is_bad_key(&house.post(REVOKE, &key));
    }
}

#[test]
fn keys_that_an_operator_made_for_one_thing_are_ended_by_operators_alone() {
    let settings = Settings::new();
    let run = |arguments: &[&str]| run(&settings, arguments);
    run(&["site", "add", "shop"]);
    let keys = ["write", "read", "manage", "both"].map(|rights| run(&["key", "add", "shop", "--rights", rights]));
    let mut house = House::embedded(settings.clone());
    for key in &keys[..3] {
        for path in [REVOKE, REGENERATE] {
            is_bad_key(&house.post(path, &json!({ "apiKey": key })));
        }
    }
    let [write, read, _, both] = &keys;
    let mut send = |key: &str, method: &str, path: &str| {
        let request = Request::new(method, path).header("X-API-Key", key);
        house.client.send(&if method == "POST" {
            request.body("{\"eventName\":\"a\"}")
        } else {
            request
        })
    };
    assert_eq!(send(write, "POST", COLLECT).status, 202);
    assert_eq!(send(read, "GET", "/api/analytics/event-summary").status, 200);
    refusal(&send(read, "POST", COLLECT), 403, "RIGHTS_MISSING");
    refusal(
        &send(write, "GET", "/api/analytics/event-summary"),
        403,
        "RIGHTS_MISSING",
    );
    assert_eq!(send(both, "POST", COLLECT).status, 202);
    let answer = house.post(REGENERATE, &json!({ "apiKey": both }));
    assert_eq!((answer.status, &answer.json()["expiresAt"]), (200, &Value::Null));
}

#[test]
fn a_revoked_key_is_refused_by_every_gateway_within_a_second() {
    const ROUNDS: usize = 3;
    for backend in [Backend::Redis, Backend::Valkey] {
        let mut house = House::on(backend);
        let other = house.stage.settings.elsewhere().start();
        let mut beside = other.client();
        let status = |client: &mut crate::Client, key: &str| {
            let event = posted(COLLECT, &json!({"eventName": "view"})).header("X-API-Key", key);
            client.send(&event).status
        };
        let mut quickest = Duration::MAX;
        for _ in 0..ROUNDS {
            let key = house.register("Shop", "shop.example");
            until_true("the other gateway to know it", || status(&mut beside, &key) == 202);
            assert_eq!(house.post(REVOKE, &json!({ "apiKey": key })).status, 200);
            let revoked = Instant::now();
            assert_eq!(status(&mut house.client, &key), 401);
            until_true("the other gateway to refuse it", || status(&mut beside, &key) == 401);
            quickest = quickest.min(revoked.elapsed());
        }
        // The machine may be busy with other things, though not every time.
        assert!(quickest < Duration::from_secs(1), "{quickest:?}");
    }
}

#[test]
fn an_app_takes_over_nobodys_domain() {
    for backend in Backend::KINDS {
        let stage = backend.stage();
        let add = ["site", "add", "shop", "--domain", "shop.example"];
        assert_eq!(stage.settings.run(&add).status.code(), Some(0));
        let mut house = House::with(stage);
        for domain in ["shop.example", "new.example", "new.example"] {
            house.key = house.register("Thief", domain);
        }
        // Events without a key are routed by what operators say.
        for domain in ["shop.example", "new.example"] {
            let page = Request::new("POST", "/api/v1/events").header("Origin", &format!("https://{domain}"));
            assert_eq!(house.client.send(&page.body("{\"name\":\"view\"}")).status, 202);
        }
        until_true("the events in the store", || {
            metric(&house.gateway, "footfall_store_events") == 2
        });
        assert_eq!(
            house.told("/api/analytics/event-summary")["totalEvents"],
            0,
            "{}",
            backend.name()
        );
        let listed = house.stage.settings.run(&["site", "list", "--json"]);
        let listed: Value = serde_json::from_slice(&listed.stdout).unwrap();
        let sites: Vec<(&str, &Value)> = listed
            .as_array()
            .unwrap()
            .iter()
            .map(|site| {
                (
                    site["name"].as_str().unwrap().split(' ').next().unwrap(),
                    &site["registered"],
                )
            })
            .collect();
        let thieves = sites.iter().filter(|(name, _)| *name == "Thief").count();
        assert!(
            thieves == 3 && sites.contains(&("Thief", &json!("new.example"))),
            "{sites:?}"
        );
        assert!(sites.contains(&("shop", &Value::Null)), "{sites:?}");
    }
}

#[test]
fn registering_is_bounded_and_can_be_closed() {
    let settings = Settings::new()
        .set("FOOTFALL_LIMIT_ACCOUNTS_MAX", 5)
        .set("FOOTFALL_DIRECTORY_REGISTERED_MAX", 2);
    let mut house = House::embedded(settings);
    let wish = json!({"name": "Shop", "domain": "shop.example"});
    let answer = house.post(REGISTER, &wish);
    assert_eq!(answer.status, 201);
    assert!(answer.header("ratelimit").is_some() && answer.header("ratelimit-policy").is_some());
    let full = house.post(REGISTER, &wish);
    refusal(&full, 503, "DIRECTORY_FULL");
    assert!(full.header("retry-after").is_some());
    // Operators still have room.
    assert_eq!(
        house.stage.settings.run(&["site", "add", "ours"]).status.code(),
        Some(0)
    );
    // What is refused counts as well: of five, three are used up.
    for path in [REVOKE, REGENERATE] {
        is_bad_key(&house.post(path, &json!({"apiKey": "x_y_z"})));
    }
    for path in [REGISTER, REVOKE, REGENERATE] {
        let limited = house.post(path, &wish);
        refusal(&limited, 429, "RATE_LIMITED");
        assert_eq!(limited.json()["error"], "Too many requests. Please try again later.");
        assert!(limited.header("retry-after").is_some());
    }
    assert_eq!(
        house.ask("/api/analytics/event-summary").status,
        200,
        "a good key is not limited"
    );

    let settings = Settings::new()
        .set("FOOTFALL_OPEN_REGISTER", false)
        .set("FOOTFALL_OPEN_REVOKE", false);
    let gateway = settings.start();
    let mut client = gateway.client();
    for path in [REGISTER, REVOKE, REGENERATE] {
        refusal(&client.send(&posted(path, &wish)), 403, "CLOSED");
    }
}

#[test]
fn while_redis_is_away_nothing_is_registered_and_known_keys_go_on() {
    let mut house = House::on(Backend::Redis);
    house.stage.server().pause();
    let answer = house.post(REGISTER, &json!({"name": "Shop", "domain": "shop.example"}));
    assert!([500, 503].contains(&answer.status), "{}", answer.text());
    assert_eq!(house.collect(&json!({"eventName": "view"})).status, 202);
    house.stage.server().resume();
    until_true("registering to work again", || {
        house
            .post(REGISTER, &json!({"name": "Shop", "domain": "shop.example"}))
            .status
            == 201
    });
}
