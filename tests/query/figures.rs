//! Metrics, dimensions, filters, comparison, order and pages.

use serde_json::{Value, json};

use crate::{House, ago};

/// A small day at the shop: everything within the last hour.
fn day() -> Value {
    let event = |name: &str, minutes: i64, visitor: &str, more: Value| {
        let mut event = json!({"name": name, "time": ago(minutes), "visitor": visitor});
        event.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        event
    };
    json!([
        event(
            "page_view",
            50,
            "anna",
            json!({"url": "https://shop.example/", "country": "DE", "user": "u1"})
        ),
        event(
            "page_view",
            49,
            "anna",
            json!({"url": "https://shop.example/hats?utm_source=letter", "country": "DE"})
        ),
        event(
            "purchase",
            48,
            "anna",
            json!({"url": "https://shop.example/done", "country": "DE", "user": "u1",
            "revenue": {"minor": 4_990, "currency": "EUR"}, "properties": {"coupon": "SPRING", "items": 2}})
        ),
        event(
            "page_view",
            30,
            "bert",
            json!({"url": "https://shop.example/hats", "country": "GB"})
        ),
        event(
            "purchase",
            29,
            "bert",
            json!({"url": "https://shop.example/done", "country": "GB",
            "revenue": {"minor": 1_010, "currency": "EUR"}, "properties": {"items": 1.5}})
        ),
        event(
            "purchase",
            28,
            "carl",
            json!({"url": "https://shop.example/done", "country": "US",
            "revenue": {"minor": 700, "currency": "USD"}})
        ),
    ])
}

fn over_the_last_hours(more: &Value) -> Value {
    let mut query = json!({"date_range": "3h"});
    query.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    query
}

#[test]
fn every_metric_counts_what_it_says() {
    let mut house = House::new();
    house.keep(&day());
    let metrics = json!([
        "events",
        "pageviews",
        "visitors",
        "users",
        "sessions",
        "revenue",
        "average_revenue",
        "count:items",
        "sum:items",
        "average:items"
    ]);
    let rows = house.rows(&over_the_last_hours(&json!({"metrics": metrics})));
    assert_eq!(rows, json!([[[], [6, 3, 3, 1, 0, 6_000, 3_000.0, 2, 3.5, 1.75]]]));
}

#[test]
fn first_and_last_events_are_told_and_a_range_that_is_named_has_all_its_days() {
    let mut house = House::new();
    house.keep(&day());
    let seen = json!({"metrics": ["first_seen", "last_seen"], "dimensions": ["user"], "order_by": [["user", "desc"]]});
    let rows = house.rows(&over_the_last_hours(&seen));
    let (user, seen) = (&rows[0][0], &rows[0][1]);
    let time = |place: usize| seen[place].as_str().unwrap().parse::<jiff::Timestamp>().unwrap();
    assert_eq!((user, time(1).duration_since(time(0)).as_mins()), (&json!(["u1"]), 2));
    let nothing = json!({"metrics": ["first_seen"], "date_range": "2025-01-01"});
    assert_eq!(house.rows(&nothing), json!([[[], [null]]]));
    // Older than the store, and empty.
    let days = json!({"metrics": ["events", "active_users"], "dimensions": ["time:day"], "date_range": "400d"});
    let days = house.rows(&days);
    let days = days.as_array().unwrap();
    assert_eq!((days.len(), &days[0][1]), (400, &json!([0, 0])));
    assert_eq!(days.iter().map(|day| day[1][0].as_u64().unwrap()).sum::<u64>(), 6);
    assert_eq!(days[399][1][1], 1);
}

#[test]
fn events_are_grouped_by_columns_properties_and_time() {
    let mut house = House::new();
    house.keep(&day());
    let mut rows = |dimensions: Value| {
        house.rows(&over_the_last_hours(
            &json!({"metrics": ["events"], "dimensions": dimensions}),
        ))
    };
    assert_eq!(
        rows(json!(["country"])),
        json!([[["de"], [3]], [["gb"], [2]], [["us"], [1]]])
    );
    assert_eq!(
        rows(json!(["name", "property:coupon"])),
        json!([
            [["page_view", null], [3]],
            [["purchase", null], [2]],
            [["purchase", "SPRING"], [1]]
        ])
    );
    assert_eq!(rows(json!(["utm_source"])), json!([[[null], [5]], [["letter"], [1]]]));
    assert_eq!(
        rows(json!(["visitor"])),
        json!([[["anna"], [3]], [["bert"], [2]], [["carl"], [1]]])
    );
    // A series has every bucket, and together they have everything.
    let hours = rows(json!(["time:hour"]));
    let counts: Vec<u64> = hours
        .as_array()
        .unwrap()
        .iter()
        .map(|row| row[1][0].as_u64().unwrap())
        .collect();
    assert!((4..=5).contains(&counts.len()), "{hours}");
    assert_eq!(counts.iter().sum::<u64>(), 6);
}

#[test]
fn filters_choose_and_combine() {
    let mut house = House::new();
    house.keep(&day());
    let mut count = |filters: Value| {
        let rows = house.rows(&over_the_last_hours(
            &json!({"metrics": ["events"], "filters": filters}),
        ));
        rows[0][1][0].as_u64().unwrap()
    };
    assert_eq!(count(json!([["is", "name", ["purchase"]]])), 3);
    assert_eq!(count(json!([["is_not", "country", ["DE", "us"]]])), 2);
    assert_eq!(count(json!([["contains", "path", ["at"]]])), 2);
    assert_eq!(
        count(json!([
            ["matches", "path", ["^/(hats|done)$"]],
            ["is", "name", ["page_view"]]
        ])),
        2
    );
    assert_eq!(count(json!([["is", "property:items", [2]]])), 1);
    assert_eq!(count(json!([["is", "user", [null]]])), 4);
    let either = json!(["or", [["is", "property:coupon", ["SPRING"]], ["is", "country", ["us"]]]]);
    assert_eq!(count(json!([either])), 2);
    assert_eq!(count(json!([["not", either]])), 4);
}

#[test]
fn rows_come_in_order_and_in_pages_and_with_the_figures_of_another_time() {
    let mut house = House::new();
    house.keep(&day());
    let by_country = json!({"metrics": ["events", "visitors"], "dimensions": ["country"],
        "order_by": [["events", "asc"]], "limit": 1, "offset": 1});
    let answer = house.ask(&over_the_last_hours(&by_country)).json();
    assert_eq!(answer["results"], json!([{"dimensions": ["gb"], "metrics": [2, 1]}]));
    assert_eq!(answer["meta"]["total_rows"], 3);
    assert_eq!(
        (&answer["meta"]["source"], &answer["meta"]["estimated"]),
        (&json!("store"), &json!({}))
    );
    assert_eq!(
        (&answer["meta"]["counting"], &answer["meta"]["currency"]),
        (&json!("stable"), &json!("EUR"))
    );
    assert_eq!(answer["query"]["order_by"], json!([["events", "asc"]]));

    let (middle, now) = (ago(40), ago(0));
    let compared = json!({"metrics": ["events"], "dimensions": ["name"], "date_range": [middle, now],
        "compare": "previous_period"});
    let answer = house.ask(&compared).json();
    let purchases = json!({"dimensions": ["purchase"], "metrics": [2], "compare": [1]});
    let views = json!({"dimensions": ["page_view"], "metrics": [1], "compare": [2]});
    assert_eq!(answer["results"], json!([purchases, views]));
    assert_eq!(answer["meta"]["compare_range"][1], answer["meta"]["range"][0]);
}

#[test]
fn days_are_those_of_the_sites_zone_unless_another_is_named() {
    let mut house = House::with(&crate::Settings::new(), &["--time-zone", "Pacific/Kiritimati"]);
    house.keep(&json!({"name": "view"}));
    let mut day = |zone: Value| {
        let query = json!({"metrics": ["events"], "dimensions": ["time:day"], "date_range": "24h", "timezone": zone});
        let rows = house.rows(&query);
        let rows = rows.as_array().unwrap().clone();
        let there = rows.into_iter().find(|row| row[1][0] == 1).unwrap();
        there[0][0].as_str().unwrap().parse::<jiff::civil::Date>().unwrap()
    };
    // 14 hours ahead and 11 behind: never the same date.
    assert!(day(Value::Null) > day(json!("Pacific/Pago_Pago")));
}

#[test]
fn a_site_sees_its_own_events_only() {
    let mut house = House::new();
    house.keep(&day());
    let query = over_the_last_hours(&json!({"metrics": ["events"]}));
    let key = crate::run(house.gateway.settings(), &["key", "add", "default", "--rights", "read"]);
    let own = std::mem::replace(&mut house.read, key);
    // The gateway sees a new key within `directory.refresh_ms`.
    crate::until_true("the key to be known", || house.ask(&query).status != 401);
    assert_eq!(house.rows(&query), json!([[[], [0]]]));
    assert_eq!(house.listed("/api/v1/events", "name"), [""; 0]);
    house.read = own;
    assert_eq!(house.rows(&query), json!([[[], [6]]]));
}
