//! Views and pings, and what they are answered with.

use serde_json::{Value, json};

use crate::support::backend::Backend;
use crate::support::client::Request;
use crate::support::gateway::Settings;
use crate::{CHROME, FIRST, House, LATER, told, view, visitor};

#[test]
fn views_and_pings_of_a_visitor_are_told_their_session() {
    for backend in Backend::KINDS {
        let mut house = House::new(backend);
        let (anna, bert) = (visitor(1), visitor(2));
        assert_eq!(house.ping("/ping", &anna), ("No active session found".into(), 0));
        let (message, session) = house.view("https://shop.example/a", &anna);
        assert_eq!(message, FIRST, "{backend:?}");
        assert!((1..1 << 53).contains(&session), "{session}");
        assert_eq!(house.view("http://localhost/x", &anna), (LATER.into(), session));
        assert_eq!(
            house.view("shop.example/b", &anna.to_uppercase()),
            (LATER.into(), session)
        );
        for path in ["/ping", "/tracking/ping", "//tracking//ping/"] {
            assert_eq!(house.ping(path, &anna), ("Session updated".into(), session), "{path}");
        }
        let (message, other) = house.view("https://shop.example/a", &bert);
        assert_eq!(message, FIRST);
        assert_ne!(other, session);
        // A ping makes none.
        assert_eq!(house.ping("/ping", &visitor(3)).0, "No active session found");
        assert_eq!(house.view("https://shop.example/a", &visitor(3)).0, FIRST);
    }
}

#[test]
fn answers_have_exactly_the_members_that_clients_know() {
    let mut house = House::new(Backend::Embedded);
    let viewed = house.post("/tracking", &view("a.example", &visitor(1), &json!("")), CHROME);
    let session = viewed.json()["sessionId"].as_u64().unwrap();
    assert_eq!(
        viewed.text(),
        format!(r#"{{"message":"New session created","sessionId":{session}}}"#)
    );
    let ping = json!({"pageUrl": "a.example", "visitorId": visitor(1)});
    let pinged = house.post("/ping", &ping, CHROME);
    assert_eq!(
        pinged.text(),
        format!(r#"{{"message":"Session updated","sessionId":{session}}}"#)
    );
    let ping = json!({"pageUrl": "a.example", "visitorId": visitor(2)});
    let nobody = house.post("/ping", &ping, CHROME);
    assert_eq!(nobody.text(), r#"{"message":"No active session found"}"#);
    for answer in [&viewed, &pinged, &nobody] {
        assert_eq!(answer.header("content-type"), Some("application/json"));
        assert_eq!(answer.header("x-content-type-options"), Some("nosniff"));
        assert_eq!(answer.header("x-durability"), Some("os"));
        assert_eq!(answer.header("cache-control"), None);
    }
}

#[test]
fn a_view_is_counted_like_any_other_event_and_a_ping_is_none() {
    use crate::support::report::metric;
    let mut house = House::new(Backend::Embedded);
    for url in ["a.example", "b.example"] {
        house.view(url, &visitor(1));
    }
    house.ping("/ping", &visitor(1));
    house.post("/tracking", &json!({}), CHROME);
    house.client.send(&Request::new("POST", "/tracking").body("{"));
    house.wait_for(2, 1);
    let outcome = |name: &str| metric(&house.gateway, &format!("footfall_events_{name}"));
    assert_eq!((outcome("received_total"), outcome("kept_total")), (4, 2));
    assert_eq!(outcome("refused_total{reason=\"field_invalid\"}"), 1);
    assert_eq!(outcome("refused_total{reason=\"json_invalid\"}"), 1);
}

#[test]
fn each_mode_is_named_as_it_was_kept() {
    for mode in ["os", "disk", "applied"] {
        let gateway = Settings::new().set("FOOTFALL_DURABILITY", mode).start();
        let body = view("a.example", &visitor(1), &Value::Null).to_string();
        let answer = gateway.client().send(&Request::new("POST", "/tracking").body(body));
        assert_eq!((answer.status, answer.header("x-durability")), (201, Some(mode)));
    }
}

#[test]
fn views_are_told_their_session_while_redis_is_away() {
    let mut house = House::new(Backend::Redis);
    let (_, session) = house.view("a.example", &visitor(1));
    house.stage.server().kill();
    assert_eq!(house.view("b.example", &visitor(1)), (LATER.into(), session));
    assert_eq!(house.ping("/ping", &visitor(1)).1, session);
}

#[test]
fn who_asks_to_be_nobody_is_in_no_session_where_that_is_honoured() {
    let gateway = Settings::new().set("FOOTFALL_EVENTS_HONOUR_GPC", true).start();
    let body = view("a.example", &visitor(1), &Value::Null).to_string();
    let asks = Request::new("POST", "/tracking")
        .header("Sec-GPC", "1")
        .body(body.clone());
    for _ in 0..2 {
        assert_eq!(told(&gateway.client().send(&asks)), (FIRST.into(), 0));
    }
    let (message, session) = told(
        &gateway
            .client()
            .send(&Request::new("POST", "/tracking").body(body.clone())),
    );
    assert_eq!((message.as_str(), session > 0), (FIRST, true));
    let ping = Request::new("POST", "/ping").header("Sec-GPC", "1").body(body);
    assert_eq!(told(&gateway.client().send(&ping)).0, "No active session found");
}
