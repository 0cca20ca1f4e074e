//! `GET /api/analytics/timeseries`.

use serde_json::{Value, json};

use crate::support::backend::Backend;
use crate::{House, ago, day, noon, refusal};

const SERIES: &str = "/api/analytics/timeseries";

/// The points that have events, as `[time, events, users]`, and how many points there are.
fn points(told: &Value) -> (Vec<Value>, usize) {
    let all = told["points"].as_array().unwrap();
    let some = all.iter().filter(|point| point["events"] != 0);
    (
        some.map(|point| json!([point["time"], point["events"], point["users"]]))
            .collect(),
        all.len(),
    )
}

#[test]
fn every_interval_has_all_its_points() {
    for backend in Backend::KINDS {
        let mut house = House::on(backend);
        let at = |user: Option<&str>, time: String| json!({"eventName": "view", "userId": user, "timestamp": time});
        house.keep(&json!([
            at(Some("anna"), noon(2)),
            at(Some("anna"), format!("{}T12:00:59.999Z", day(2))),
            at(Some("bert"), format!("{}T12:01:00Z", day(2))),
            at(None, noon(1)),
        ]));
        let two = format!("startDate={}&endDate={}", day(2), day(1));
        let mut told = |query: &str| house.told(&format!("{SERIES}?{query}"));
        let days = told(&format!("interval=day&{two}"));
        assert_eq!(
            days,
            json!({"interval": "day", "points": [
            {"time": day(2), "events": 3, "users": 2}, {"time": day(1), "events": 1, "users": 0}]}),
            "{}",
            backend.name()
        );
        let hours = told(&format!("interval=hour&{two}"));
        assert_eq!(
            points(&hours),
            (vec![json!([noon(2), 3, 2]), json!([noon(1), 1, 0])], 48)
        );
        assert_eq!(
            hours["points"][0],
            json!({"time": format!("{}T00:00:00Z", day(2)), "events": 0, "users": 0})
        );
        let minutes = told(&format!("interval=minute&{two}"));
        let second = format!("{}T12:01:00Z", day(2));
        assert_eq!(
            points(&minutes),
            (
                vec![json!([noon(2), 2, 1]), json!([second, 1, 1]), json!([noon(1), 1, 0])],
                2_880
            )
        );
        // Weeks begin on Monday; the last 30 days, today among them, if none are named.
        let weeks = told("interval=week");
        assert!((5..=6).contains(&points(&weeks).1), "{weeks}");
        for point in weeks["points"].as_array().unwrap() {
            let date: jiff::civil::Date = point["time"].as_str().unwrap().parse().unwrap();
            assert_eq!(date.weekday(), jiff::civil::Weekday::Monday);
        }
        assert_eq!(
            points(&told("interval=month&startDate=2025-01-15&endDate=2025-12-02")),
            (vec![], 12)
        );
        assert_eq!(points(&told("")).1, 30);
        assert_eq!(
            points(&told(&format!("interval=minute&startDate={}", day(29)))).1,
            30 * 1_440
        );
    }
}

#[test]
fn a_name_and_a_zone_are_minded() {
    for backend in Backend::KINDS {
        let mut house = House::on(backend);
        house.keep(&json!([
            {"eventName": "late view", "timestamp": format!("{}T20:15:00Z", day(2))},
            {"eventName": "buy", "timestamp": format!("{}T20:15:00Z", day(2))},
        ]));
        let two = format!("startDate={}&endDate={}", day(2), day(1));
        let mut told = |query: &str| house.told(&format!("{SERIES}?{two}&{query}"));
        assert_eq!(points(&told("eventName=late+view")).0, [json!([day(2), 1, 0])]);
        assert_eq!(points(&told("eventName=nothing")), (vec![], 2));
        // There it was the next day already, at a quarter to two.
        let kolkata = told("timezone=Asia%2FKolkata&interval=hour&eventName=buy");
        assert_eq!(
            points(&kolkata),
            (vec![json!([format!("{}T01:00:00+05:30", day(1)), 1, 0])], 48)
        );
        assert_eq!(points(&told("timezone=Asia/Kolkata")).0, [json!([day(1), 2, 0])]);
    }
}

#[test]
fn a_day_that_is_longer_has_more_hours() {
    let mut house = House::on(Backend::Embedded);
    let mut hours = |day: &str| {
        let target = format!("{SERIES}?interval=hour&timezone=Europe/Berlin&startDate={day}&endDate={day}");
        points(&house.told(&target)).1
    };
    assert_eq!(
        [hours("2025-10-26"), hours("2025-03-30"), hours("2025-06-01")],
        [25, 23, 24]
    );
}

#[test]
fn what_cannot_be_drawn_is_refused() {
    let mut house = House::on(Backend::Embedded);
    for (query, field) in [
        ("interval=second", "interval"),
        ("interval=15min", "interval"),
        ("interval=DAY", "interval"),
        ("timezone=Mars%2FBase", "timezone"),
        ("timezone=%2B01:00", "timezone"),
        ("interval=minute&startDate=2025-01-01", "interval"),
        ("interval=hour&startDate=1970-01-01", "interval"),
        ("interval=day&startDate=1600-01-01&endDate=9998-01-01", "interval"),
        ("interval=day&interval=day", "interval"),
    ] {
        assert_eq!(
            refusal(&house.ask(&format!("{SERIES}?{query}")), 400, "FIELD_INVALID"),
            field,
            "{query}"
        );
    }
    let long = house.ask(&format!("{SERIES}?eventName={}", "x".repeat(5_000)));
    assert_eq!(long.status, 200, "{}", long.text());
    let exact = house.told(&format!(
        "{SERIES}?interval=minute&startDate={}&endDate={}",
        ago(10),
        ago(5)
    ));
    assert!((5..=6).contains(&points(&exact).1), "{exact}");
}
