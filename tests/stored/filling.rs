//! What comes in is stored once.

use footfall::store::Column;
use serde_json::json;

use crate::support::gateway::{Gateway, Settings};
use crate::{accept, counts, stored, stored_names, until_stored};

#[test]
fn an_accepted_event_is_stored_with_what_it_says_and_what_follows_from_it() {
    let mut gateway = Gateway::start();
    let event = json!({
        "name": "purchase", "id": "o-1", "url": "https://shop.example/basket?utm_source=letter&utm_campaign=may",
        "referrer": "https://search.example/", "user": "u-1", "session": "s-1", "screen": "390x844",
        "revenue": {"minor": 1999, "currency": "EUR"}, "properties": {"plan": "pro"}, "items": [{"sku": "x"}],
    });
    accept(
        &gateway,
        &json!([event, {"name": "view", "referrer": "https://www.search.example/?q=1"}]),
    );
    until_stored(&gateway, 2);
    gateway.stop();
    let events = stored(gateway.settings());
    let of = |name: &str| {
        let mut events = events.iter();
        events.find(|event| event.columns[&Column::Name] == name).unwrap()
    };
    let purchase = of("purchase");
    for (column, value) in [
        (Column::Host, "shop.example"),
        (Column::Path, "/basket"),
        (Column::Source, "letter"),
        (Column::UtmCampaign, "may"),
        (Column::User, "u-1"),
        (Column::Screen, "390x844"),
        (Column::Revenue, "1999"),
        (Column::Currency, "EUR"),
    ] {
        assert_eq!(purchase.columns[&column], value, "{column:?}");
    }
    assert_eq!(
        (&*purchase.id, &*purchase.properties),
        ("o-1", &br#"{"plan":"pro"}"#[..])
    );
    assert_eq!(purchase.items, br#"[{"sku":"x"}]"#);
    assert_eq!(of("view").columns[&Column::Source], "search.example");
}

#[test]
fn visits_are_counted_and_not_stored() {
    let mut gateway = Gateway::start();
    gateway.client().visit("GB");
    accept(&gateway, &json!({"name": "view"}));
    gateway.stop();
    assert_eq!(stored_names(gateway.settings()), counts([("view", 1)]));
}

#[test]
fn an_event_that_comes_again_is_stored_once_also_after_a_restart_and_a_hand_over() {
    let mut gateway = Gateway::start();
    let events = json!([{"name": "order", "id": "a"}, {"name": "order", "id": "b"}, {"name": "order", "id": "a"}]);
    accept(&gateway, &events);
    accept(&gateway, &events);
    gateway.hand_over();
    accept(&gateway, &events);
    gateway.kill();
    gateway.start_again();
    accept(&gateway, &events);
    accept(&gateway, &json!({"name": "order", "id": "c"}));
    until_stored(&gateway, 3);
    gateway.stop();
    gateway.start_again();
    accept(&gateway, &events);
    gateway.stop();
    assert_eq!(stored_names(gateway.settings()), counts([("order", 3)]));
}

#[test]
fn both_processes_of_hand_overs_store_what_they_take() {
    let mut gateway = Gateway::start();
    for round in 0..4 {
        accept(&gateway, &json!([{"name": "before"}, {"name": "before"}]));
        gateway.hand_over();
        accept(&gateway, &json!({"name": "after"}));
        until_stored(&gateway, 3 * (round + 1));
    }
    gateway.stop();
    assert_eq!(stored_names(gateway.settings()), counts([("after", 4), ("before", 8)]));
}

#[test]
fn without_a_store_events_are_counted_and_a_store_that_is_switched_on_has_what_the_journal_kept() {
    let off = Settings::new().set("FOOTFALL_STORE_ENABLED", false);
    let mut gateway = off.start();
    accept(&gateway, &json!([{"name": "view"}, {"name": "view"}]));
    gateway.stop();
    assert!(!crate::store_folder(gateway.settings()).exists());
    let mut gateway = off.unset("FOOTFALL_STORE_ENABLED").start();
    until_stored(&gateway, 2);
    gateway.stop();
}
