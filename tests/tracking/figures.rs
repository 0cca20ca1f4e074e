//! What the dashboard shows: `GET /stats`.

use serde_json::{Value, json};

use crate::support::backend::Backend;
use crate::support::client::Request;
use crate::support::wait::until_true;
use crate::{CHROME, FIREFOX, House, told, view, visitor};

/// Three visitors, two of them with a browser: four views of three pages.
fn shop(backend: Backend) -> House {
    let mut house = House::new(backend);
    let google = json!("https://www.google.com/");
    for (url, who, referrer, user_agent) in [
        ("https://shop.example/A", 1, &google, CHROME),
        (
            "https://shop.example/B?x=1",
            1,
            &json!("https://shop.example/A"),
            CHROME,
        ),
        ("https://shop.example/A", 2, &Value::Null, FIREFOX),
        ("shop.example/A", 3, &google, ""),
    ] {
        told(&house.post("/tracking", &view(url, &visitor(who), referrer), user_agent));
    }
    house.wait_for(4, 3);
    house
}

/// The figures but for the length of sessions, which is some milliseconds.
fn but_length(mut figures: Value) -> Value {
    let length = figures["sessionStats"]["avgSessionDuration"].take();
    assert!(length.as_f64().is_some_and(|seconds| seconds < 20.0), "{length}");
    figures
}

#[test]
fn views_visitors_pages_and_sessions_of_a_time_are_told() {
    for backend in Backend::KINDS {
        let mut house = shop(backend);
        let before = jiff::Timestamp::now().to_string();
        for (range, hourly) in [("24h", true), ("7d", false), ("30d", false)] {
            let figures = but_length(house.get(&format!("/stats?dateRange={range}")));
            let mut rows = figures["statsPerDay"].as_array().unwrap().iter();
            let total = json!({"bucket": null, "total_visits": 4, "total_unique": 3});
            assert_eq!(rows.next(), Some(&total), "{backend:?} {range}");
            let mut views = 0;
            let mut last = String::new();
            for row in rows {
                let bucket = row["bucket"].as_str().unwrap().to_owned();
                assert!(last < bucket, "{figures}");
                // An hour or a day that may just have passed.
                if hourly {
                    assert_eq!((bucket.len(), &bucket[13..]), (20, ":00:00Z"), "{bucket}");
                } else {
                    assert_eq!(bucket.len(), 10, "{bucket}");
                }
                assert!(bucket[..10] <= before[..10]);
                views += row["total_visits"].as_u64().unwrap();
                last = bucket;
            }
            assert_eq!(views, 4);
            assert_eq!(
                figures["statsPerPage"],
                json!([
                    {"pageUrl": "https://shop.example/A", "total_visits": 2, "unique_visits": 2},
                    {"pageUrl": "https://shop.example/B?x=1", "total_visits": 1, "unique_visits": 1},
                    {"pageUrl": "shop.example/A", "total_visits": 1, "unique_visits": 1},
                ])
            );
            assert_eq!(
                figures["sessionStats"],
                json!({"avgSessionDuration": null, "shortVisitPercentage": 100,
                    "topBrowser": {"name": "Chrome 139.0.0.0", "percentage": 33.33},
                    "topOS": {"name": "Windows 10", "percentage": 33.33},
                    "topReferrer": {"name": "https://www.google.com/", "percentage": 66.67}}),
                "{backend:?}"
            );
            assert_eq!(figures["hourly"], hourly);
        }
    }
}

#[test]
fn a_part_of_a_url_filters_every_figure_in_any_letter_case() {
    let mut house = shop(Backend::Embedded);
    for (part, views, visitors, browser) in [
        ("SHOP.EXAMPLE/b", 1, 1, "Chrome 139.0.0.0"),
        ("https://shop.example/a", 2, 2, "Chrome 139.0.0.0"),
        ("%2Fa", 3, 3, "Chrome 139.0.0.0"),
        ("b?x=1", 1, 1, "Chrome 139.0.0.0"),
        ("x%3D1", 1, 1, "Chrome 139.0.0.0"),
        ("s.op", 0, 0, "N/A"),
        (".*", 0, 0, "N/A"),
        ("shop+example", 0, 0, "N/A"),
    ] {
        let figures = house.get(&format!("/stats?dateRange=24h&url={part}"));
        assert_eq!(
            figures["statsPerDay"][0],
            json!({"bucket": null, "total_visits": views, "total_unique": visitors}),
            "{part}"
        );
        let pages = figures["statsPerPage"].as_array().unwrap();
        assert_eq!(
            pages
                .iter()
                .map(|page| page["total_visits"].as_u64().unwrap())
                .sum::<u64>(),
            views
        );
        assert_eq!(figures["sessionStats"]["topBrowser"]["name"], browser, "{part}");
        let share = figures["sessionStats"]["topReferrer"]["percentage"].as_f64().unwrap();
        let expected = [0.0, 100.0, 50.0, 66.67][visitors];
        assert!((share - expected).abs() < 0.001, "{part}: {share}");
    }
}

#[test]
fn a_custom_range_means_its_moments_and_a_day_that_is_given_twice_all_of_it() {
    let mut house = shop(Backend::Embedded);
    let now = jiff::Timestamp::now();
    let ago = |hours: i64| now.checked_sub(jiff::SignedDuration::from_hours(hours)).unwrap();
    let mut views = |start: &str, end: &str| {
        let figures = house.get(&format!("/stats?dateRange=custom&startDate={start}&endDate={end}"));
        (
            figures["statsPerDay"][0]["total_visits"].as_u64().unwrap(),
            figures["hourly"] == true,
        )
    };
    let shown = |time: jiff::Timestamp| format!("{time:.3}");
    let (soon, hour_ago, days_ago) = (ago(-1), ago(1), ago(60));
    assert_eq!(views(&shown(hour_ago), &shown(soon)), (4, true));
    assert_eq!(views(&shown(days_ago), &shown(soon)), (4, false));
    assert_eq!(views(&shown(days_ago), &shown(hour_ago)), (0, false));
    assert_eq!(views(&shown(soon), &shown(hour_ago)), (0, true));
    assert_eq!(views("2025-08-01T00:00:00.000Z", "2025-08-01T00:00:00.000Z"), (0, true));
    // Around midnight the views may be of the day before.
    let [today, yesterday] = [now, ago(24)].map(|time| time.to_string()[..10].to_owned());
    let (of_today, hourly) = views(&today, &today);
    let (of_yesterday, _) = views(
        &format!("{yesterday}T00:00:00.000Z"),
        &format!("{yesterday}T00:00:00.000Z"),
    );
    assert_eq!((of_today + of_yesterday, hourly), (4, true));
    assert_eq!(views(&yesterday, &today), (4, true));
}

#[test]
fn figures_of_nothing_have_every_field() {
    let mut house = House::new(Backend::Embedded);
    let none = json!({"name": "N/A", "percentage": 0});
    for (target, hourly) in [
        ("/stats?dateRange=24h", true),
        ("/stats?dateRange=30d", false),
        ("/stats?dateRange=custom&startDate=2025-08-02&endDate=2025-08-01", true),
    ] {
        let expected = json!({"statsPerDay": [{"bucket": null, "total_visits": 0, "total_unique": 0}],
            "statsPerPage": [], "hourly": hourly,
            "sessionStats": {"avgSessionDuration": 0, "shortVisitPercentage": 0, "topBrowser": none, "topOS": none,
                "topReferrer": none}});
        assert_eq!(house.get(target), expected, "{target}");
    }
}

#[test]
fn ten_pages_are_told_those_with_most_visitors_first() {
    let mut house = House::new(Backend::Embedded);
    for page in 0..12_u32 {
        for who in 0..=page {
            house.view(&format!("https://shop.example/{page:02}"), &visitor(who));
        }
    }
    house.wait_for(78, 12);
    let figures = house.get("/stats?dateRange=24h");
    let pages = figures["statsPerPage"].as_array().unwrap();
    let named: Vec<(u64, String)> = pages
        .iter()
        .map(|page| {
            (
                page["unique_visits"].as_u64().unwrap(),
                page["pageUrl"].as_str().unwrap().to_owned(),
            )
        })
        .collect();
    let expected: Vec<(u64, String)> = (2..12)
        .rev()
        .map(|page: u64| (page + 1, format!("https://shop.example/{page:02}")))
        .collect();
    assert_eq!(named, expected);
}

#[test]
fn long_urls_are_told_whole() {
    let mut house = House::new(Backend::Embedded);
    let url = format!("https://shop.example/{}", "é".repeat(2_062));
    house.view(&url, &visitor(1));
    house.wait_for(1, 1);
    assert_eq!(house.get("/stats?dateRange=24h")["statsPerPage"][0]["pageUrl"], url);
}

#[test]
fn buckets_are_days_and_hours_of_utc_in_the_order_of_time() {
    let mut house = House::new(Backend::Embedded);
    let now = jiff::Timestamp::now();
    let ago = |hours: i64| {
        now.checked_sub(jiff::SignedDuration::from_hours(hours))
            .unwrap()
            .to_string()
    };
    // A shop's own server tells of views of some days ago.
    let times = [2, 3, 30, 54, 55, 150].map(ago);
    let events: Vec<Value> = times
        .iter()
        .map(|time| json!({"name": "page_view", "time": time, "url": "https://shop.example/", "visitor": "v"}))
        .collect();
    let sent = Request::new("POST", "/api/v1/events").body(json!(events).to_string());
    assert_eq!(house.client.send(&sent).status, 202);
    until_true("the events to be in the store", || {
        house.get("/stats?dateRange=7d")["statsPerDay"][0]["total_visits"] == 6
    });
    for (range, length, within_hours) in [("7d", 10, 168), ("30d", 10, 720), ("24h", 13, 24)] {
        let mut expected = std::collections::BTreeMap::new();
        for (time, _) in times
            .iter()
            .zip([2, 3, 30, 54, 55, 150])
            .filter(|(_, hours)| *hours < within_hours)
        {
            *expected.entry(time[..length].to_owned()).or_insert(0) += 1;
        }
        let expected: Vec<(String, u64)> = expected.into_iter().collect();
        let figures = house.get(&format!("/stats?dateRange={range}"));
        let rows = figures["statsPerDay"].as_array().unwrap().iter().skip(1);
        let told: Vec<(String, u64)> = rows
            .map(|row| {
                (
                    row["bucket"].as_str().unwrap()[..length].to_owned(),
                    row["total_visits"].as_u64().unwrap(),
                )
            })
            .collect();
        assert_eq!(told, expected, "{range}");
    }
}

#[test]
fn an_answer_is_given_again_for_a_moment_to_whoever_asks_the_same() {
    use crate::support::report::metric;
    let stage = Backend::Embedded.stage();
    let gateway = stage.settings.set("FOOTFALL_QUERY_CACHE_NOW_MS", 60_000).start();
    let mut client = gateway.client();
    let target = "/stats?dateRange=24h&url=a";
    until_true("the store to be open", || client.get(target).status == 200);
    assert_eq!(client.get(target).status, 200);
    assert_eq!(metric(&gateway, "footfall_query_cached_total"), 1);
    for other in ["/stats?dateRange=24h&url=b", "/stats?dateRange=7d&url=a"] {
        assert_eq!(client.get(other).status, 200);
    }
    assert_eq!(metric(&gateway, "footfall_query_cached_total"), 1);
}
