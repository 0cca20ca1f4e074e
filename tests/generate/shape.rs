//! What the traffic looks like.

use std::collections::{BTreeMap, BTreeSet};

use footfall::config::EventsConfig;
use footfall::decode::{Decoder, Form, Sent};
use footfall::event::{EventId, SiteId, Visitor};
use footfall::generate::{Happening, Pace, Traffic};
use serde_json::Value;

use crate::support::gateway::Settings;
use crate::{DAY_MS, UNTIL, UNTIL_MS, lines, week};

const EVENTS: u64 = 20_000;

fn parsed(seed: u64, events: u64) -> Vec<Value> {
    let text = lines(week(seed, events), events);
    let lines = text.split(|byte| *byte == b'\n').filter(|line| !line.is_empty());
    lines.map(|line| serde_json::from_slice(line).unwrap()).collect()
}

#[test]
fn the_same_seed_makes_the_same_bytes() {
    let made = lines(week(7, 50), 50);
    assert_eq!(lines(week(7, 50), 50), made);
    assert_ne!(lines(week(8, 50), 50), made);
    let settings = Settings::new();
    let arguments = ["generate", "--seed", "7", "--events", "50", "--until", UNTIL];
    let output = settings.run(&arguments);
    assert_eq!(
        output.status.code(),
        Some(0),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    assert_eq!(output.stdout, made);
}

#[test]
fn what_is_written_is_what_happened() {
    let mut traffic = week(3, EVENTS);
    let mut decoder = Decoder::new(&EventsConfig::default());
    for _ in 0..EVENTS {
        let happening = traffic.advance();
        let mut body = Vec::new();
        happening.write(&mut body);
        let mut seen = 0;
        decoder
            .decode(&mut body, Form::Json, &mut |event| {
                let sent = event.unwrap_or_else(|flaw| panic!("{flaw:?}"));
                assert_same(&sent, happening);
                seen += 1;
            })
            .unwrap();
        assert_eq!(seen, 1);
    }
}

fn json(bytes: &[u8]) -> Option<Value> {
    (!bytes.is_empty()).then(|| serde_json::from_slice(bytes).unwrap())
}

fn assert_same(sent: &Sent<'_>, happening: &Happening) {
    let event = happening.event(SiteId::DEFAULT);
    let texts = [
        (sent.name, event.name),
        (sent.host, event.host),
        (sent.path, event.path),
        (sent.query, event.query),
        (sent.referrer, event.referrer),
        (sent.title, event.title),
        (sent.user, event.user),
        (sent.session, event.session),
        (sent.language, event.language),
        (sent.user_agent, event.user_agent),
    ];
    assert!(texts.iter().all(|(sent, kept)| sent == kept), "{texts:?}");
    assert_eq!(event.visitor, Visitor::Stable(sent.visitor));
    assert_eq!(event.id, EventId::Client(sent.id.as_bytes()));
    assert_eq!((sent.time_ms, sent.screen), (Some(event.time_ms), event.screen));
    assert_eq!((sent.country, sent.address), (Some(event.country), event.address));
    // Numbers are kept as they are shortest.
    for (sent, kept) in [(sent.properties, event.properties), (sent.items, event.items)] {
        assert_eq!(json(sent), json(kept));
    }
    let revenue = event.revenue.map(|revenue| (revenue.minor, Some(revenue.currency)));
    assert_eq!(sent.revenue.map(|revenue| (revenue.minor, revenue.currency)), revenue);
}

#[test]
fn the_funnel_narrows_and_only_what_is_bought_brings_money() {
    let events = parsed(1, EVENTS);
    let count = |name: &str| events.iter().filter(|event| event["name"] == name).count();
    let steps = ["product_view", "add_to_cart", "begin_checkout", "purchase"].map(count);
    assert!(steps.is_sorted_by(|wide, narrow| wide > narrow), "{steps:?}");
    assert!(steps[3] * 50 > steps[0] && count("page_view") > steps[1], "{steps:?}");
    for event in &events {
        let is_purchase = event["name"] == "purchase";
        assert_eq!(event.get("revenue").is_some(), is_purchase, "{event}");
        if is_purchase {
            let sum: f64 = event["items"].as_array().unwrap().iter().map(price).sum();
            let minor = event["revenue"]["minor"].as_f64().unwrap();
            assert!((minor / 100.0 - sum).abs() < 0.001 && minor > 0.0, "{event}");
        }
    }
}

fn price(item: &Value) -> f64 {
    item["price"].as_f64().unwrap() * item["quantity"].as_f64().unwrap()
}

#[test]
fn visitors_come_back_and_stay_who_they_are() {
    let events = parsed(1, EVENTS);
    let text = |event: &Value, key: &str| event[key].as_str().unwrap_or_default().to_owned();
    let (mut sessions, mut machines, mut users) = (BTreeMap::new(), BTreeMap::new(), BTreeMap::new());
    for event in &events {
        let visitor = text(event, "visitor");
        let of_visitor: &mut BTreeSet<_> = sessions.entry(visitor.clone()).or_default();
        of_visitor.insert(text(event, "session"));
        let machine = ["country", "user_agent", "screen", "language", "ip"].map(|key| text(event, key));
        let known = machines.entry(visitor.clone()).or_insert_with(|| machine.clone());
        assert_eq!(*known, machine);
        if !text(event, "user").is_empty() {
            let user = users.entry(text(event, "user")).or_insert_with(|| visitor.clone());
            assert_eq!(*user, visitor);
        }
    }
    let returning = sessions.values().filter(|sessions| sessions.len() > 1).count();
    assert!(returning * 10 > sessions.len(), "{returning} of {}", sessions.len());
    assert!(users.len() > 50, "{}", users.len());
    let ids: BTreeSet<_> = events.iter().map(|event| text(event, "id")).collect();
    assert_eq!(ids.len(), events.len());
}

#[test]
fn countries_devices_sources_and_columns_are_many() {
    let events = parsed(1, EVENTS);
    let different = |key: &str| {
        let values = events.iter().filter_map(|event| event[key].as_str());
        values.collect::<BTreeSet<_>>().len()
    };
    assert!(different("country") >= 16 && different("user_agent") >= 10);
    assert!(different("url") > 1_000 && different("referrer") > 500 && different("language") > 20);
    let tagged = events
        .iter()
        .filter(|event| event["url"].as_str().unwrap().contains("utm_source="));
    assert!(tagged.count() > 500);
    let keys: BTreeSet<_> = events
        .iter()
        .flat_map(|event| event.as_object().unwrap().keys())
        .collect();
    // A URL is host, path and query; screens have two sides, revenue is amount and currency.
    assert!(keys.len() + 4 >= 20, "{keys:?}");
}

#[test]
fn what_happens_now_says_no_time_and_ids_can_be_left_out() {
    let pace = Pace::Now {
        now_ms: UNTIL_MS,
        rate: 100,
    };
    let mut traffic = Traffic::new(1, pace).without_ids();
    traffic.set_now(UNTIL_MS + DAY_MS);
    let happening = traffic.advance();
    let mut out = Vec::new();
    happening.write(&mut out);
    let event: Value = serde_json::from_slice(&out).unwrap();
    assert!(event.get("time").is_none() && event.get("id").is_none(), "{event}");
    assert_eq!(happening.event(SiteId::DEFAULT).time_ms, UNTIL_MS + DAY_MS);
}
