//! What is kept of an event: the journal's frames, read back.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use footfall::event::{Event, EventId, Sequence, Visitor};
use footfall::journal::payload::Payload;
use footfall::journal::{Lane, Reader, RealDisk, look};
use serde_json::{Value, json};

use crate::support::client::{Client, Request};
use crate::support::gateway::{Gateway, Settings, fixture};
use crate::{PATH, assert_accepted, post, run, send};

/// All events in the journal of a gateway that has ended, in their order.
pub fn events(settings: &Settings) -> Vec<Value> {
    let mut events = Vec::new();
    for lane in Lane::BOTH {
        let Some(identity) = lane.identity(&settings.data_dir()).unwrap() else {
            continue;
        };
        let disk = RealDisk::new(&lane.journal_folder(&settings.data_dir())).unwrap();
        let mut reader = Reader::new(look(Arc::new(disk), identity).unwrap(), Sequence::ZERO);
        let read = reader.read(Sequence(u64::MAX), |frame, _| {
            if let Some(Payload::Event(event, _)) = Payload::read(frame.kind, frame.payload) {
                events.push(described(&event));
            }
            true
        });
        read.unwrap();
    }
    events
}

fn described(event: &Event<'_>) -> Value {
    let parsed = |bytes: &[u8]| serde_json::from_slice(bytes).unwrap_or(Value::Null);
    json!({
        "site": event.site.to_string(),
        "name": event.name,
        "id": match event.id {
            EventId::Client(id) => String::from_utf8_lossy(id).into_owned(),
            EventId::Own(id) => format!("{:032x}", u128::from_be_bytes(id)),
        },
        "time": event.time_ms, "received": event.received_ms, "country": event.country.to_string(),
        "host": event.host, "path": event.path, "query": event.query, "referrer": event.referrer,
        "title": event.title,
        "visitor": match event.visitor {
            Visitor::Stable(id) => json!(id),
            Visitor::Daily(hash) => json!(hash),
            Visitor::None => Value::Null,
        },
        "user": event.user, "session": event.session, "screen": event.screen, "language": event.language,
        "user_agent": event.user_agent, "address": event.address,
        "properties": parsed(event.properties), "items": parsed(event.items),
        "revenue": event.revenue.map(|sum| (sum.minor, String::from_utf8_lossy(&sum.currency).into_owned())),
    })
}

fn now_ms() -> u64 {
    u64::try_from(SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis()).unwrap()
}

/// Sends events and gives what was kept of them.
fn kept(settings: &Settings, sending: impl FnOnce(&mut Client)) -> Vec<Value> {
    let mut gateway: Gateway = settings.start();
    sending(&mut gateway.client());
    gateway.stop();
    events(settings)
}

#[test]
fn every_field_is_kept() {
    let event = json!({
        "name": "purchase", "id": "o-1", "url": "https://Shop.Example/basket?step=2#x", "referrer": "https://r.example/",
        "title": "Basket", "user": "u-1", "session": "s-1", "screen": "390x844", "language": "el-CY",
        "revenue": {"minor": 1999, "currency": "eur"}, "properties": {"b": {"c": [1, 2.5, null, "é"]}, "a": true},
        "items": [{"sku": "x", "price": 19.99}], "unknown": {"a": 1},
    });
    let sent = |client: &mut Client| {
        let request = post(event.to_string()).header("User-Agent", "Agent/1");
        assert_accepted(&client.send(&request), 1);
    };
    let kept = kept(&Settings::new(), sent);
    let kept = &kept[0];
    let expected = json!({
        "name": "purchase", "id": "o-1", "host": "shop.example", "path": "/basket", "query": "step=2",
        "referrer": "https://r.example/", "title": "Basket", "user": "u-1", "session": "s-1", "screen": [390, 844],
        "language": "el-CY", "user_agent": "Agent/1", "address": "127.0.0.0", "country": "xx",
        "revenue": [1999, "EUR"], "properties": {"b": {"c": [1, 2.5, null, "é"]}, "a": true},
        "items": [{"sku": "x", "price": 19.99}],
    });
    for (name, value) in expected.as_object().unwrap() {
        assert_eq!(&kept[name], value, "{name}");
    }
    assert_eq!(kept["time"], kept["received"]);
    assert!(kept["received"].as_u64().unwrap().abs_diff(now_ms()) < 60_000);
}

#[test]
fn events_without_an_id_get_different_ones_that_rise_with_time() {
    let sent = |client: &mut Client| {
        for _ in 0..3 {
            assert_accepted(&send(client, &json!(vec![json!({"name": "a"}); 300])), 300);
        }
    };
    let ids: Vec<_> = kept(&Settings::new(), sent)
        .iter()
        .map(|event| event["id"].as_str().unwrap().to_owned())
        .collect();
    assert_eq!(ids.iter().collect::<BTreeSet<_>>().len(), 900);
    assert!(
        ids.iter()
            .all(|id| id.as_bytes()[12] == b'7' && b"89ab".contains(&id.as_bytes()[16])),
        "{ids:?}"
    );
    let times: Vec<_> = ids.iter().map(|id| &id[..12]).collect();
    assert!(times.is_sorted());
}

#[test]
fn a_clients_clock_is_set_right_and_its_times_are_clamped() {
    const DAY: u64 = 86_400_000;
    let now = now_ms();
    let wrong = now - 400 * DAY;
    let batch = json!({"sent_at": wrong, "events": [
        {"name": "a", "time": wrong - 5_000},
        {"name": "b", "time": wrong - 8 * DAY},
        {"name": "c", "time": now + DAY, "sent_at": now},
    ]});
    let sent = |client: &mut Client| assert_accepted(&send(client, &batch), 3);
    let kept = kept(&Settings::new(), sent);
    let before = |event: &Value| event["received"].as_i64().unwrap() - event["time"].as_i64().unwrap();
    let told: Vec<_> = kept.iter().map(before).collect();
    assert_eq!(told, [5_000, 7 * 24 * 3_600_000, -60_000]);
}

#[test]
fn addresses_are_kept_as_configured_and_countries_come_from_the_whole_one() {
    for (keeping, address) in [
        ("keep", json!("81.2.69.160")),
        ("cut", json!("81.2.69.0")),
        ("drop", json!(null)),
    ] {
        let settings = Settings::new()
            .set("FOOTFALL_EVENTS_ADDRESS", keeping)
            .set("FOOTFALL_EDGE_TRUSTED_PROXIES", "127.0.0.1/32")
            .set(
                "FOOTFALL_GEO_DATABASE",
                fixture("geo/GeoIP2-Country-Test.mmdb").display(),
            );
        let sent = |client: &mut Client| {
            let request = post(r#"{"name":"a"}"#).header("X-Forwarded-For", "81.2.69.160");
            assert_accepted(&client.send(&request), 1);
        };
        let kept = kept(&settings, sent);
        assert_eq!(
            (&kept[0]["address"], &kept[0]["country"]),
            (&address, &json!("gb")),
            "{keeping}"
        );
    }
}

#[test]
fn only_who_has_a_key_may_speak_for_somebody_else() {
    let settings = Settings::new().set("FOOTFALL_EVENTS_ADDRESS", "keep").set(
        "FOOTFALL_GEO_DATABASE",
        fixture("geo/GeoIP2-Country-Test.mmdb").display(),
    );
    run(&settings, &["site", "add", "shop"]);
    let key = run(&settings, &["key", "add", "shop", "--rights", "write"]);
    let event = r#"{"name":"a","ip":"81.2.69.160","user_agent":"Visitor/1"}"#;
    let sent = |client: &mut Client| {
        let request = || post(event).header("User-Agent", "Server/1");
        assert_accepted(&client.send(&request().header("X-API-Key", &key)), 1);
        assert_accepted(&client.send(&request()), 1);
        let abroad = r#"{"name":"a","ip":"81.2.69.160","country":"CY"}"#;
        assert_accepted(&client.send(&post(abroad).header("X-API-Key", &key)), 1);
        let mapped = r#"{"name":"a","ip":"::ffff:81.2.69.160"}"#;
        assert_accepted(&client.send(&post(mapped).header("X-API-Key", &key)), 1);
    };
    let kept = kept(&settings, sent);
    let told =
        |place: usize| ["address", "country", "user_agent"].map(|name| kept[place][name].as_str().unwrap().to_owned());
    assert_eq!(told(0), ["81.2.69.160", "gb", "Visitor/1"]);
    assert_eq!(told(1), ["127.0.0.1", "xx", "Server/1"]);
    assert_eq!(kept[2]["country"], "cy");
    assert_eq!(
        (&kept[3]["address"], &kept[3]["country"]),
        (&json!("81.2.69.160"), &json!("gb"))
    );
}

#[test]
fn a_visitor_is_known_for_a_day_by_a_hash_or_for_good_by_its_id_as_the_site_counts() {
    let settings = Settings::new();
    run(
        &settings,
        &[
            "site",
            "add",
            "shop",
            "--visitors",
            "stable",
            "--domain",
            "shop.example",
        ],
    );
    let mut gateway = settings.start();
    let from = |gateway: &Gateway, agent: &str, site: &str, visitor: &str| {
        let body = json!({"name": "a", "visitor": visitor});
        let request = Request::new("POST", PATH)
            .header("User-Agent", agent)
            .header("Origin", site);
        assert_accepted(&gateway.client().send(&request.body(body.to_string())), 1);
    };
    from(&gateway, "One", "null", "v-1");
    from(&gateway, "Two", "null", "v-1");
    from(&gateway, "One", "https://shop.example", "v-1");
    from(&gateway, "One", "https://shop.example", "");
    gateway.stop();
    gateway.start_again();
    from(&gateway, "One", "null", "");
    gateway.hand_over();
    from(&gateway, "One", "null", "");
    gateway.stop();
    let visitors: Vec<_> = events(&settings).iter().map(|event| event["visitor"].clone()).collect();
    assert!(
        visitors[0].is_u64() && visitors[1].is_u64() && visitors[0] != visitors[1],
        "{visitors:?}"
    );
    assert_eq!(visitors[2..4], [json!("v-1"), json!(null)]);
    assert!(
        visitors[4..].iter().all(|visitor| *visitor == visitors[0]),
        "the salt lasts: {visitors:?}"
    );
    let salts = std::fs::read_dir(settings.data_dir().join("salts")).unwrap();
    assert!((1..=2).contains(&salts.count()));
}
