//! A session outlives the process that began it, and ends with half an hour of silence.

use serde_json::{Value, json};

use crate::support::backend::Backend;
use crate::support::client::Request;
use crate::support::gateway::run;
use crate::support::wait::until_true;
use crate::{FIRST, House, LATER, visitor};

/// What the log says when the process before has ended.
const TAKEN_OVER: &str = "what it left is taken over";

#[test]
fn a_session_goes_on_after_the_gateway_was_killed() {
    for backend in Backend::KINDS {
        let mut house = House::new(backend);
        let (_, anna) = house.view("a.example", &visitor(1));
        house.wait_for(1, 1);
        // One that the store knows, and one that only the log has.
        let (_, bert) = house.view("a.example", &visitor(2));
        for _ in 0..2 {
            house.gateway.kill();
            house.gateway.start_again();
            house.client = house.gateway.client();
            assert_eq!(
                house.ping("/ping", &visitor(2)),
                ("Session updated".into(), bert),
                "{backend:?}"
            );
            assert_eq!(house.view("b.example", &visitor(1)), (LATER.into(), anna));
            assert_eq!(house.view("b.example", &visitor(2)), (LATER.into(), bert));
        }
        assert_eq!(house.view("b.example", &visitor(3)).0, FIRST);
        until_true("the store to be open", || {
            house.client.get("/stats?dateRange=24h").status == 200
        });
        house.wait_for(7, 3);
    }
}

#[test]
fn who_is_erased_begins_anew() {
    let mut house = House::new(Backend::Embedded);
    let key = run(
        house.gateway.settings(),
        &["key", "add", "default", "--rights", "manage"],
    );
    let (_, anna) = house.view("a.example", &visitor(1));
    let (_, bert) = house.view("a.example", &visitor(2));
    house.wait_for(2, 2);
    let target = format!("/api/v1/visitors/{}", visitor(1));
    let erase = Request::new("DELETE", &target).header("X-API-Key", &key);
    until_true("the key to be known", || house.client.send(&erase).status == 202);
    house.wait_for(1, 1);
    let (message, again) = house.view("b.example", &visitor(1));
    assert_eq!(message, FIRST);
    assert_ne!(again, anna);
    assert_eq!(house.view("b.example", &visitor(2)), (LATER.into(), bert));
    house.wait_for(3, 2);
    let listed = house.get("/stats/sessions?dateRange=24h&page=1");
    let ids: Vec<u64> = (0..2)
        .map(|place| listed["sessions"][place]["id"].as_u64().unwrap())
        .collect();
    assert_eq!(ids, [again, bert]);
}

#[test]
fn a_session_goes_on_in_the_process_that_takes_over() {
    for backend in Backend::KINDS {
        let mut house = House::new(backend);
        let (_, anna) = house.view("a.example", &visitor(1));
        for round in 0..3 {
            let taken_over = house.gateway.said(TAKEN_OVER);
            house.gateway.begin_hand_over();
            // At once: whoever takes over waits for what the other one has kept.
            assert_eq!(
                house.view("b.example", &visitor(1)),
                (LATER.into(), anna),
                "{backend:?} {round}"
            );
            assert_eq!(house.ping("/ping", &visitor(1)), ("Session updated".into(), anna));
            assert_eq!(house.view("a.example", &visitor(10 + round)).0, FIRST);
            house.gateway.wait_for_word(TAKEN_OVER, taken_over + 1);
        }
        until_true("the store to be open", || {
            house.client.get("/stats?dateRange=24h").status == 200
        });
        house.wait_for(7, 4);
    }
}

#[test]
fn visits_of_a_site_are_told_apart_by_half_an_hour_of_event_time() {
    for backend in Backend::KINDS {
        let mut house = House::new(backend);
        run(&house.stage.settings, &["site", "add", "shop", "--visitors", "stable"]);
        let [write, read] =
            ["write", "read"].map(|rights| run(&house.stage.settings, &["key", "add", "shop", "--rights", rights]));
        let now = jiff::Timestamp::now();
        let event = |visitor: &str, minutes: i64, page: &str| {
            let time = now
                .checked_sub(jiff::SignedDuration::from_mins(minutes))
                .unwrap()
                .to_string();
            json!({"name": "page_view", "visitor": visitor, "time": time, "url": format!("https://shop.example/{page}")})
        };
        let send = |house: &mut House, events: Value| {
            let request = Request::new("POST", "/api/v1/events").header("X-API-Key", &write);
            let answer = house.client.send(&request.body(events.to_string()));
            assert_eq!(answer.status, 202, "{}", answer.text());
        };
        until_true("the key to be known", || {
            let request = Request::new("POST", "/api/v1/events").header("X-API-Key", &write);
            house.client.send(&request.body("[]")).status != 401
        });
        // Two visits of anna's, half an hour apart; one of bert's, that goes on over a kill.
        send(
            &mut house,
            json!([event("anna", 100, "a"), event("anna", 80, "b"), event("bert", 75, "x")]),
        );
        house.gateway.kill();
        house.gateway.start_again();
        house.client = house.gateway.client();
        send(&mut house, json!([event("anna", 49, "c"), event("bert", 46, "y")]));
        house.gateway.hand_over();
        send(&mut house, json!([event("bert", 17, "z"), event("carl", 1, "only")]));
        let query = json!({"metrics": ["visits", "pageviews", "bounce_rate", "short_visit_rate"],
            "dimensions": ["entry_page", "exit_page"], "date_range": "7d", "order_by": [["entry_page", "asc"]]});
        let mut rows = Value::Null;
        until_true("all visits to be told", || {
            let request = Request::new("POST", "/api/v1/query").header("X-API-Key", &read);
            let answer = house.client.send(&request.body(query.to_string()));
            if answer.status == 200 {
                let answer = answer.json();
                let results = answer["results"].as_array().unwrap().iter();
                rows = results.map(|row| json!([row["dimensions"], row["metrics"]])).collect();
            }
            rows.as_array().is_some_and(|rows| {
                let views = rows.iter().map(|row| row[1][1].as_u64().unwrap());
                views.sum::<u64>() == 7
            })
        });
        let expected = json!([
            [["/a", "/b"], [1, 2, 0.0, 0.0]],
            [["/c", "/c"], [1, 1, 100.0, 100.0]],
            [["/only", "/only"], [1, 1, 100.0, 100.0]],
            [["/x", "/z"], [1, 3, 0.0, 0.0]],
        ]);
        assert_eq!(rows, expected, "{backend:?}");
    }
}
