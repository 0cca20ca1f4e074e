//! What is answered, and counted: once, by name.

use std::hash::Hasher as _;

use serde_json::json;
use siphasher::sip128::{Hasher128 as _, SipHasher13};

use crate::support::backend::Backend;
use crate::support::client::Request;
use crate::support::gateway::{Gateway, Settings};
use crate::support::report::metric;
use crate::support::wait::until_true;
use crate::{DEFAULT_SITE, assert_accepted, assert_problem, counts_in, outcomes, post, run, send, until_counted};

#[test]
fn events_are_counted_by_name_on_every_kind_of_counters() {
    for backend in [Backend::Embedded, Backend::Redis, Backend::Valkey] {
        let stage = backend.stage();
        let mut gateway = stage.settings.start();
        let mut client = gateway.client();
        assert_accepted(&send(&mut client, &json!({"name": "signup"})), 1);
        assert_accepted(&send(&mut client, &json!([{"name": "signup"}, {"name": "αγορά"}])), 2);
        assert_accepted(
            &send(&mut client, &json!({"events": [{"name": "signup"}, {"name": "a b"}]})),
            2,
        );
        assert_accepted(&send(&mut client, &json!([])), 0);
        client.visit("GB");
        let expected = [("signup", 3), ("αγορά", 1), ("a b", 1), ("visit", 1)];
        until_counted(&stage, DEFAULT_SITE, &expected);
        gateway.stop();
        gateway.start_again();
        until_counted(&stage, DEFAULT_SITE, &expected);
        assert_eq!(gateway.report().sum(), 1, "events are no visits");
        gateway.stop();
        let verified = stage.settings.run(&["verify"]);
        assert!(
            verified.status.success(),
            "{}",
            String::from_utf8_lossy(&verified.stdout)
        );
    }
}

#[test]
fn the_answer_names_the_durability_that_was_kept() {
    for mode in ["os", "disk", "applied"] {
        for backend in Backend::KINDS {
            let stage = backend.stage();
            let gateway = stage.settings.clone().set("FOOTFALL_DURABILITY", mode).start();
            let answer = send(&mut gateway.client(), &json!([{"name": "a"}, {"name": "b", "id": "1"}]));
            assert_accepted(&answer, 2);
            assert_eq!(answer.header("x-durability"), Some(mode), "{backend:?}");
            assert_eq!(answer.header("content-type"), Some("application/json"));
            assert_eq!(answer.header("x-content-type-options"), Some("nosniff"));
        }
    }
}

#[test]
fn an_id_counts_once_also_after_a_restart_and_a_hand_over() {
    for backend in Backend::KINDS {
        let stage = backend.stage();
        let mut gateway = stage.settings.start();
        let batch = json!([{"name": "buy", "id": "o-1"}, {"name": "buy", "id": "o-2"}, {"name": "buy", "id": "o-1"}]);
        let answer = send(&mut gateway.client(), &batch);
        let error = json!({
            "index": 2, "id": "o-1", "field": "id", "code": "duplicate",
            "message": "an event with this id was kept before",
        });
        let expected = json!({"accepted": 2, "duplicates": 1, "rejected": 0, "errors": [error]});
        assert_eq!((answer.status, answer.json()), (202, expected));
        let again = |gateway: &Gateway, when: &str| {
            let answer = send(&mut gateway.client(), &batch);
            let body = answer.json();
            assert_eq!(
                (answer.status, &body["accepted"], &body["duplicates"]),
                (202, &json!(0), &json!(3)),
                "{when}"
            );
        };
        again(&gateway, "at once");
        gateway.stop();
        gateway.start_again();
        again(&gateway, "after a restart");
        gateway.kill();
        gateway.start_again();
        again(&gateway, "after a kill");
        gateway.hand_over();
        again(&gateway, "after a hand-over");
        gateway.hand_over();
        again(&gateway, "after another");
        until_counted(&stage, DEFAULT_SITE, &[("buy", 2)]);
    }
}

#[test]
fn an_idempotency_key_gives_the_same_answer_and_counts_nothing_again() {
    let stage = Backend::Embedded.stage();
    let mut gateway = stage.settings.start();
    let keyed = |key: &str, body: &str| post(body).header("Idempotency-Key", key);
    let body = r#"[{"name":"a"},{"name":"b","id":"1"},{"name":""},{"name":"b","id":"1"},{"name":"a"}]"#;
    let first = gateway.client().send(&keyed("batch-1", body));
    let told = |name: &str| first.json()[name].as_u64().unwrap();
    assert_eq!((told("accepted"), told("duplicates"), told("rejected")), (3, 1, 1));
    for round in 0..3 {
        assert_eq!(
            gateway.client().send(&keyed("batch-1", body)).json(),
            first.json(),
            "{round}"
        );
        if round == 1 {
            gateway.hand_over();
        } else {
            gateway.kill();
            gateway.start_again();
        }
    }
    until_counted(&stage, DEFAULT_SITE, &[("a", 2), ("b", 1)]);
    // Another body under the same key: what was kept is not claimed to be what is sent now.
    let other = gateway
        .client()
        .send(&keyed("batch-1", r#"[{"name":"c"},{"name":"d","id":"2"}]"#))
        .json();
    assert_eq!((&other["accepted"], &other["duplicates"]), (&json!(1), &json!(1)));
    let other_key = gateway.client().send(&keyed("batch-2", r#"{"name":"a"}"#));
    assert_accepted(&other_key, 1);
    let bad = gateway.client().send(&keyed("\"\"", "[]"));
    assert_problem(&bad, 400, "idempotency_key_invalid");
}

#[test]
fn nobody_can_take_the_ids_that_an_idempotency_key_gives() {
    let stage = Backend::Embedded.stage();
    run(&stage.settings, &["site", "add", "shop", "--domain", "shop.example"]);
    let key = run(&stage.settings, &["key", "add", "shop", "--rights", "write"]);
    let gateway = stage.settings.start();
    let mut client = gateway.client();
    let keyed = |name: &str| post(r#"{"name":"a"}"#).header("Idempotency-Key", name);
    let from_page = |request: Request| request.header("Origin", "https://shop.example");
    // The id without the directory's own secret.
    let mut hasher = SipHasher13::new();
    hasher.write(b"batch-1");
    let forged = format!("{:032x}-0", hasher.finish128().as_u128());
    let taken = from_page(post(json!({"name": "x", "id": forged}).to_string()));
    assert_accepted(&client.send(&taken), 1);
    assert_accepted(&client.send(&from_page(keyed("batch-1"))), 1);
    // And who has no write key does not know better by its name.
    assert_accepted(&client.send(&keyed("batch-1").header("X-API-Key", &key)), 1);
    let again = client.send(&keyed("batch-1").header("X-API-Key", &key));
    assert_accepted(&again, 1);
    assert_eq!(metric(&gateway, "footfall_events_duplicates_total"), 1);
}

#[test]
fn names_with_a_meaning_of_their_own_mix_with_nothing() {
    for backend in Backend::KINDS {
        let stage = backend.stage();
        let mut gateway = stage.settings.start();
        let mut client = gateway.client();
        client.visit("GB");
        let batch = json!([
            {"name": "visit"}, {"name": "visit"}, {"name": "__visit__"}, {"name": "__other__"}, {"name": "Visit"},
        ]);
        assert_accepted(&send(&mut client, &batch), 5);
        let expected = [("visit", 1), ("__visit__", 2), ("__other__", 2), ("Visit", 1)];
        until_counted(&stage, DEFAULT_SITE, &expected);
        gateway.kill();
        gateway.start_again();
        until_counted(&stage, DEFAULT_SITE, &expected);
        gateway.stop();
        run(&stage.settings, &["verify"]);
    }
}

#[test]
fn what_is_refused_takes_no_name() {
    let settings = Settings::new()
        .set("FOOTFALL_EVENTS_NAMES_MAX", 1)
        .set("FOOTFALL_EVENTS_BATCH_MAX", 2)
        .set("FOOTFALL_EVENTS_EVENT_BYTES_MAX", 1_024);
    let mut gateway = settings.start();
    let mut client = gateway.client();
    let large = json!({"name": "large", "properties": {"x": "y".repeat(2_000)}});
    assert_eq!(send(&mut client, &large).status, 413);
    let lines = "{\"name\":\"first\"}\n{\"name\":\"second\"}\n{\"name\":\"third\"}";
    let lines = Request::new("POST", crate::PATH)
        .header("Content-Type", "application/x-ndjson")
        .body(lines);
    assert_problem(&client.send(&lines), 413, "too_many_events");
    assert_accepted(&send(&mut client, &json!({"name": "good"})), 1);
    assert_accepted(&send(&mut client, &json!({"name": "late"})), 1);
    gateway.stop();
    let expected = [("__other__", 1), ("good", 1)].map(|(name, count)| (name.to_owned(), count));
    assert_eq!(counts_in(&settings, DEFAULT_SITE), expected.into());
}

#[test]
fn received_is_the_sum_of_all_outcomes() {
    let gateway = Gateway::start();
    let mut client = gateway.client();
    send(
        &mut client,
        &json!([{"name": "a"}, {"name": "b", "id": "1"}, {"name": "b", "id": "1"}, {"x": 1}, 7]),
    );
    client.send(&post("no json"));
    client.send(
        &Request::new("POST", crate::PATH)
            .header("Content-Type", "image/png")
            .body("x"),
    );
    client.send(
        &Request::new("POST", crate::PATH)
            .header("X-API-Key", "wrong")
            .body("{}"),
    );
    client.get("/api/v1/pixel.gif?name=p");
    until_true("all nine to have an outcome", || outcomes(&gateway) == (9, 9));
    assert_eq!(metric(&gateway, "footfall_events_kept_total"), 3);
    assert_eq!(metric(&gateway, "footfall_events_duplicates_total"), 1);
    for reason in [
        "field_missing",
        "field_invalid",
        "json_invalid",
        "media_type_unsupported",
        "key_invalid",
    ] {
        let name = format!("footfall_events_refused_total{{reason=\"{reason}\"}}");
        assert_eq!(metric(&gateway, &name), 1, "{reason}");
    }
    assert_eq!(metric(&gateway, "footfall_visits_received_total"), 0);
}

#[test]
fn names_beyond_a_sites_room_count_as_others_and_go_on_so_after_a_restart() {
    // Half of the room is for those who have a key.
    let settings = Settings::new().set("FOOTFALL_EVENTS_NAMES_MAX", 6);
    let key = run(&settings, &["key", "add", "default", "--rights", "write"]);
    let mut gateway = settings.start();
    let names = |from: usize, to: usize| (from..to).map(|number| json!({"name": format!("n{number}")}));
    let batch = |from, to| json!(names(from, to).collect::<Vec<_>>());
    assert_accepted(&send(&mut gateway.client(), &batch(0, 5)), 5);
    gateway.stop();
    gateway.start_again();
    assert_accepted(&send(&mut gateway.client(), &batch(0, 8)), 8);
    let keyed = post(batch(7, 11).to_string()).header("X-API-Key", key.trim());
    assert_accepted(&gateway.client().send(&keyed), 4);
    gateway.stop();
    let expected = [
        ("__other__", 8),
        ("n0", 2),
        ("n1", 2),
        ("n2", 2),
        ("n7", 1),
        ("n8", 1),
        ("n9", 1),
    ];
    let expected = expected.map(|(name, count)| (name.to_owned(), count)).into();
    assert_eq!(counts_in(&settings, DEFAULT_SITE), expected);
}

#[test]
fn a_redis_that_is_away_or_loses_its_data_holds_up_and_costs_nothing() {
    let mut stage = Backend::Redis.stage();
    let gateway = stage.settings.start();
    let mut client = gateway.client();
    assert_accepted(&send(&mut client, &json!([{"name": "a", "id": "1"}, {"name": "b"}])), 2);
    until_counted(&stage, DEFAULT_SITE, &[("a", 1), ("b", 1)]);
    stage.server().kill();
    assert_accepted(&send(&mut client, &json!([{"name": "a", "id": "2"}, {"name": "b"}])), 2);
    let again = send(
        &mut client,
        &json!([{"name": "a", "id": "1"}, {"name": "a", "id": "2"}]),
    );
    assert_eq!(again.json()["duplicates"], 2);
    stage.server().start_again();
    until_counted(&stage, DEFAULT_SITE, &[("a", 2), ("b", 2)]);
    stage.server().cli(&["FLUSHALL"]);
    until_counted(&stage, DEFAULT_SITE, &[("a", 2), ("b", 2)]);
}
