//! Lists of events, histories, pages.

use serde_json::{Value, json};

use crate::{House, Settings, ago};

#[test]
fn an_event_is_listed_with_all_that_is_kept_of_it() {
    let mut house = House::new();
    let event = json!({
        "name": "purchase", "id": "order-1", "time": ago(5), "url": "https://shop.example/done?utm_medium=mail",
        "referrer": "https://search.example/", "title": "Thanks", "visitor": "anna", "user": "u 1", "session": "s1",
        "screen": "390x844", "language": "de-DE", "country": "DE", "ip": "203.0.113.77",
        "revenue": {"minor": 4_990, "currency": "EUR"},
        "properties": {"coupon": "SPRING", "deep": {"list": [1, 2.5, "ü"]}}, "items": [{"sku": "hat", "count": 2}],
    });
    house.keep(&event);
    let listed = house.events("/api/v1/events").remove(0);
    for field in [
        "name",
        "id",
        "referrer",
        "title",
        "visitor",
        "user",
        "session",
        "screen",
        "language",
        "revenue",
        "properties",
        "items",
    ] {
        assert_eq!(listed[field], event[field], "{field}");
    }
    let expected = json!({"host": "shop.example", "path": "/done", "query": "utm_medium=mail", "utm_medium": "mail",
        "country": "de", "address": "203.0.113.0"});
    for (field, value) in expected.as_object().unwrap() {
        assert_eq!(&listed[field], value, "{field}");
    }
    let time = |value: &Value| {
        value
            .as_str()
            .unwrap()
            .parse::<jiff::Timestamp>()
            .unwrap()
            .as_millisecond()
    };
    assert_eq!(time(&listed["time"]), time(&event["time"]));
    assert!(time(&listed["received_at"]) >= time(&listed["time"]));
}

#[test]
fn pages_follow_each_other_whatever_comes_in_meanwhile() {
    let mut house = House::new();
    let events: Vec<Value> = (0..25)
        .map(|n| json!({"name": "view", "id": format!("e{n:02}"), "time": ago(n)}))
        .collect();
    house.keep(&json!(events));
    let mut ids: Vec<String> = Vec::new();
    let mut target = "/api/v1/events?limit=10".to_owned();
    let mut pages = 0;
    loop {
        let answer = house.get(&target);
        let page = answer.json();
        let shown = page["events"].as_array().unwrap().iter();
        ids.extend(shown.map(|event| event["id"].as_str().unwrap().to_owned()));
        pages += 1;
        // Newer ones change no later page.
        house.keep(&json!({"name": "view", "id": format!("new{pages}")}));
        let Some(next) = page["next"].as_str() else { break };
        target = format!("/api/v1/events?limit=10&cursor={next}");
    }
    let expected: Vec<String> = (0..25).map(|n| format!("e{n:02}")).collect();
    assert_eq!((ids, pages), (expected, 3));
    // Exactly as many as fit: there is no next page.
    assert_eq!(house.get("/api/v1/events?limit=28").json()["next"], Value::Null);
    assert_ne!(house.get("/api/v1/events?limit=27").json()["next"], Value::Null);
}

#[test]
fn lists_are_narrowed_by_parameters_filters_and_times() {
    let mut house = House::new();
    house.keep(&json!([
        {"name": "a", "time": ago(30), "country": "DE", "properties": {"plan": "pro"}},
        {"name": "b", "time": ago(20), "country": "GB", "user": "anna"},
        {"name": "c", "time": ago(10), "country": "DE", "user": "anna"},
    ]));
    let mut names = |parameters: &str| house.listed(&format!("/api/v1/events?{parameters}"), "name").concat();
    assert_eq!(names(""), "cba");
    assert_eq!(names("country=DE"), "ca");
    assert_eq!(names("country=de&user=anna"), "c");
    assert_eq!(names("name=a&name=b"), "ba");
    assert_eq!(names("property:plan=pro"), "a");
    assert_eq!(
        names("filters=%5B%5B%22is_not%22%2C%22name%22%2C%5B%22b%22%5D%5D%5D"),
        "ca"
    );
    assert_eq!(names(&format!("from={}", ago(15))), "c");
    assert_eq!(names(&format!("to={}", ago(15))), "ba");
    assert_eq!(names(&format!("from={}&to={}", ago(25), ago(15))), "b");
    assert_eq!(names("date_range=1h&limit=2"), "cb");
    assert_eq!(names("date_range=2020-01-01"), "");
}

#[test]
fn a_users_and_a_visitors_history_have_what_they_did() {
    let mut house = House::new();
    house.keep(&json!([
        {"name": "first", "time": ago(9), "user": "anna/ü", "visitor": "v1"},
        {"name": "second", "time": ago(8), "user": "anna/ü", "visitor": "v2"},
        {"name": "other", "time": ago(7), "user": "bert", "visitor": "v1"},
    ]));
    assert_eq!(
        house.listed("/api/v1/users/anna%2F%C3%BC/events", "name"),
        ["second", "first"]
    );
    assert_eq!(
        house.listed("/api/v1/users/anna%2F%C3%BC/events?limit=1", "name"),
        ["second"]
    );
    assert_eq!(house.listed("/api/v1/visitors/v1/events", "name"), ["other", "first"]);
    assert_eq!(house.listed("/api/v1/visitors/v1/events?name=first", "name"), ["first"]);
    assert_eq!(house.listed("/api/v1/users/nobody/events", "name"), [""; 0]);
}

#[test]
fn a_site_that_counts_by_the_day_knows_visitors_by_the_days_hash() {
    let mut house = House::with(&Settings::new(), &[]);
    house.keep(&json!([{"name": "a", "ip": "203.0.113.7", "user_agent": "one"},
        {"name": "b", "ip": "203.0.113.7", "user_agent": "two"}]));
    let events = house.events("/api/v1/events?name=a");
    let visitor = events[0]["visitor"].as_str().unwrap().to_owned();
    assert_eq!(visitor.len(), 16);
    assert_eq!(
        house.listed(&format!("/api/v1/visitors/{visitor}/events"), "name"),
        ["a"]
    );
    assert_eq!(
        house.listed(&format!("/api/v1/events?visitor={visitor}"), "name"),
        ["a"]
    );
}
