//! Answers that are given again, and questions that cost too much.

use std::thread;

use serde_json::{Value, json};

use crate::support::client::Request;
use crate::support::report::metric;
use crate::{House, Settings, ago, problem, until_true};

fn cached(house: &mut House, query: &Value) -> (Value, bool) {
    let answer = house.ask(query);
    assert_eq!(answer.status, 200, "{}", answer.text());
    let answer = answer.json();
    (
        answer["results"][0]["metrics"][0].clone(),
        answer["cached"].as_bool().unwrap(),
    )
}

#[test]
fn an_answer_about_a_time_that_is_over_is_given_again_and_one_that_reaches_now_soon_made_anew() {
    let mut house = House::new();
    let over = json!({"metrics": ["events"], "date_range": [ago(60 * 24 * 3), ago(10)]});
    let now = json!({"metrics": ["events"], "date_range": "7d"});
    house.keep(&json!({"name": "view", "time": ago(20)}));
    assert_eq!(cached(&mut house, &over), (json!(1), false));
    // The same, said in another way.
    let mut other = over.clone();
    other["filters"] = json!([["and", []]]);
    other["limit"] = json!(100);
    assert_eq!(cached(&mut house, &over), (json!(1), true));
    assert_eq!(cached(&mut house, &now).0, json!(1));
    house.keep(&json!({"name": "view", "time": ago(20)}));
    assert_eq!(cached(&mut house, &over), (json!(1), true));
    until_true("the answer to be made anew", || cached(&mut house, &now).0 == 2);
}

#[test]
fn an_answer_about_hours_up_to_now_is_made_anew_also_when_nothing_comes() {
    let mut house = House::with(&Settings::new().set("FOOTFALL_QUERY_CACHE_NOW_MS", 1), &[]);
    for (range, again) in [("24h", false), ("all", false), ("7d", true)] {
        let query = json!({"metrics": ["events"], "date_range": range});
        cached(&mut house, &query);
        until_true("the word", || cached(&mut house, &query).1 == again);
    }
}

#[test]
fn cache_ttl_zero_switches_it_off() {
    let mut house = House::with(&Settings::new().set("CACHE_TTL", 0), &[]);
    let over = json!({"metrics": ["events"], "date_range": [ago(60 * 24), ago(10)]});
    for count in 1..4 {
        house.keep(&json!({"name": "view", "time": ago(20)}));
        assert_eq!(cached(&mut house, &over), (json!(count), false));
    }
}

#[test]
fn who_asks_the_same_at_the_same_time_shares_one_answer() {
    let mut house = House::new();
    let events: Vec<Value> = (0..500)
        .map(|n| json!({"name": "view", "properties": {"n": n}}))
        .collect();
    house.keep(&json!(events));
    let (address, read) = (house.gateway.address(), house.read.clone());
    for round in 0..5 {
        let query =
            json!({"metrics": ["events"], "dimensions": ["property:n"], "date_range": [ago(300 + round), ago(-5)]});
        let before = metric(&house.gateway, "footfall_query_answered_total");
        let askers: Vec<_> = (0..8)
            .map(|_| {
                let request = Request::new("POST", "/api/v1/query")
                    .header("X-API-Key", &read)
                    .body(query.to_string());
                thread::spawn(move || crate::Client::new(address).send(&request).json()["results"].clone())
            })
            .collect();
        let answers: Vec<Value> = askers.into_iter().map(|asker| asker.join().unwrap()).collect();
        assert!(answers.iter().all(|answer| *answer == answers[0]) && answers[0].as_array().unwrap().len() == 100);
        assert_eq!(metric(&house.gateway, "footfall_query_answered_total"), before + 1);
    }
}

#[test]
fn more_questions_than_may_wait_are_told_to_come_back() {
    let settings = Settings::new()
        .set("FOOTFALL_QUERY_THREADS", 1)
        .set("FOOTFALL_QUERY_WAITING_MAX", 1)
        .set("CACHE_TTL", 0);
    let mut house = House::with(&settings, &[]);
    let events: Vec<Value> = (0..1_000)
        .map(|n| json!({"name": "view", "properties": {"n": n}}))
        .collect();
    house.keep(&json!(events));
    let (address, read) = (house.gateway.address(), house.read.clone());
    let query = json!({"metrics": ["events"], "dimensions": ["property:n"], "date_range": "7d", "limit": 10_000});
    let refused = || {
        let askers: Vec<_> = (0..16)
            .map(|_| {
                let request = Request::new("POST", "/api/v1/query")
                    .header("X-API-Key", &read)
                    .body(query.to_string());
                thread::spawn(move || crate::Client::new(address).send(&request))
            })
            .collect();
        let answers: Vec<_> = askers.into_iter().map(|asker| asker.join().unwrap()).collect();
        assert!(answers.iter().any(|answer| answer.status == 200));
        let refused: Vec<_> = answers.into_iter().filter(|answer| answer.status != 200).collect();
        for answer in &refused {
            problem(answer, 503, "query_overloaded");
            assert_eq!(answer.header("retry-after"), Some("1"));
        }
        !refused.is_empty()
    };
    until_true("one to be refused", refused);
    // Afterwards all is as before.
    assert_eq!(house.ask(&query).status, 200);
}

#[test]
fn an_answer_of_too_many_groups_is_refused() {
    let mut house = House::with(&Settings::new().set("FOOTFALL_STORE_GROUPS_MAX", 5), &[]);
    let events: Vec<Value> = (0..6).map(|n| json!({"name": format!("view{n}")})).collect();
    house.keep(&json!(events));
    let mut query = json!({"metrics": ["events"], "dimensions": ["name"], "date_range": "7d"});
    problem(&house.ask(&query), 422, "query_too_large");
    query["filters"] = json!([["is_not", "name", ["view3"]]]);
    assert_eq!(house.ask(&query).status, 200);
}

#[test]
fn an_answer_that_takes_too_long_is_given_up() {
    let settings = Settings::new().set("FOOTFALL_QUERY_TIME_MS_MAX", 1).set("CACHE_TTL", 0);
    let mut house = House::closed(&settings, &[]);
    let events: Vec<Value> = (0..1_000)
        .map(|n| json!({"name": "view", "properties": {"n": n}}))
        .collect();
    for _ in 0..5 {
        house.keep(&json!(events));
    }
    let words: Vec<String> = (0..20).map(|n| format!("^(a|b)*{n}(c|d)*e$")).collect();
    let query = json!({"metrics": ["events"], "dimensions": ["property:n"], "date_range": "7d",
        "filters": [["not", ["matches", "property:n", words]]]});
    until_true("it to take too long", || {
        let answer = house.ask(&query);
        if answer.status == 200 {
            return false;
        }
        problem(&answer, 503, "query_timeout");
        assert_eq!(answer.header("retry-after"), Some("5"));
        true
    });
}
