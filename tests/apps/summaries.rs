//! `event-summary`, `user-stats` and `active-users`.

use serde_json::{Value, json};

use crate::support::backend::Backend;
use crate::support::client::Request;
use crate::support::report::metric;
use crate::support::wait::until_true;
use crate::{COLLECT, House, Settings, ago, day, is_bad_key, noon, posted, refusal};

const SUMMARY: &str = "/api/analytics/event-summary";
const USER: &str = "/api/analytics/user-stats";
const ACTIVE: &str = "/api/analytics/active-users";

const DESK: &str = "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) \
                    Chrome/139.0.0.0 Safari/537.36";
const PHONE: &str = "Mozilla/5.0 (iPhone; CPU iPhone OS 18_7 like Mac OS X) AppleWebKit/605.1.15 \
                     (KHTML, like Gecko) Version/26.6.1 Mobile/15E148 Safari/604.1";
const CRAWLER: &str = "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)";

/// Sends events as a browser does.
fn keep_from(house: &mut House, agent: &str, events: &Value) {
    let request = posted(COLLECT, &json!({ "events": events })).header("User-Agent", agent);
    let answer = house.client.send(&request.header("X-API-Key", &house.key));
    assert_eq!(answer.status, 202, "{}", answer.text());
    house.sent += events.as_array().unwrap().len() as u64;
    let (gateway, sent) = (&house.gateway, house.sent);
    until_true("the events in the store", || {
        metric(gateway, "footfall_store_events") == sent
    });
}

#[test]
fn a_summary_has_all_figures_of_days_in_full_and_leaves_bots_out() {
    for backend in Backend::KINDS {
        let mut house = House::on(backend);
        let (first, last) = (day(5), day(3));
        let at = |name: &str, user: Option<&str>, time: String| json!({"eventName": name, "userId": user, "timestamp": time});
        keep_from(
            &mut house,
            DESK,
            &json!([
                at("view", Some("anna"), format!("{first}T00:00:00Z")),
                at("view", Some("anna"), noon(4)),
                at("buy", Some("bert"), format!("{last}T23:59:59.999Z")),
                // On either side of it.
                at("view", Some("carl"), format!("{}T23:59:59.999Z", day(6))),
                at("view", Some("dora"), format!("{}T00:00:00Z", day(2))),
            ]),
        );
        keep_from(&mut house, PHONE, &json!([at("view", None, noon(4))]));
        keep_from(&mut house, "", &json!([at("cron", None, noon(4))]));
        keep_from(&mut house, CRAWLER, &json!([at("view", Some("bot"), noon(4))]));
        // Another app's events are its own.
        let other = house.register("Other", "other.example");
        let mine = std::mem::replace(&mut house.key, other);
        keep_from(&mut house, DESK, &json!([at("secret", Some("anna"), noon(4))]));
        house.key = mine;

        let target = format!("{SUMMARY}?startDate={first}&endDate={last}");
        let mut told = house.told(&target);
        let made: jiff::Timestamp = told["generatedAt"].as_str().unwrap().parse().unwrap();
        assert!(made <= jiff::Timestamp::now() && told["generatedAt"].as_str().unwrap().ends_with('Z'));
        let shape = told.as_object_mut().unwrap();
        shape.remove("generatedAt");
        let expected = json!({
            "totalEvents": 5, "uniqueUsers": 2,
            "eventBreakdown": {"view": 3, "buy": 1, "cron": 1},
            "deviceBreakdown": {"desktop": 3, "mobile": 1, "tablet": 0, "unknown": 1},
            "browserBreakdown": {"Chrome": 3, "Safari": 1, "Unknown": 1},
            "osBreakdown": {"Windows": 3, "iOS": 1, "Unknown": 1},
            "cached": false,
        });
        assert_eq!(told, expected, "{}", backend.name());
        let all = house.told(SUMMARY);
        assert_eq!((&all["totalEvents"], &all["uniqueUsers"]), (&json!(7), &json!(4)));
        let exact = format!("{SUMMARY}?startDate={first}T00:00:00.000Z&endDate={}", noon(4));
        assert_eq!(house.told(&exact)["totalEvents"], 1, "a time ends before itself");
    }
}

#[test]
fn nothing_is_zeros_and_the_three_devices() {
    for backend in Backend::KINDS {
        let mut house = House::on(backend);
        let mut told = house.told(&format!("{SUMMARY}?startDate={0}&endDate={0}", day(9)));
        told.as_object_mut().unwrap().remove("generatedAt");
        assert_eq!(
            told,
            json!({
                "totalEvents": 0, "uniqueUsers": 0, "eventBreakdown": {},
                "deviceBreakdown": {"desktop": 0, "mobile": 0, "tablet": 0},
                "browserBreakdown": {}, "osBreakdown": {}, "cached": false,
            })
        );
    }
}

#[test]
fn a_summary_of_the_past_is_given_again_and_one_of_today_soon_made_anew() {
    for backend in Backend::KINDS {
        let mut house = House::on(backend);
        house.keep(&json!([{"eventName": "view", "timestamp": noon(2)}, {"eventName": "view"}]));
        let past = format!("{SUMMARY}?startDate={0}&endDate={0}", day(2));
        let first = house.told(&past);
        assert_eq!((&first["totalEvents"], &first["cached"]), (&json!(1), &json!(false)));
        let again = house.told(&past);
        assert_eq!(
            (&again["cached"], &again["generatedAt"]),
            (&json!(true), &first["generatedAt"])
        );
        // Another app has not asked yet.
        let other = house.register("Other", "other.example");
        let mine = std::mem::replace(&mut house.key, other);
        let theirs = house.told(&past);
        assert_eq!((&theirs["totalEvents"], &theirs["cached"]), (&json!(0), &json!(false)));
        house.key = mine;
        house.keep(&json!([{"eventName": "view", "timestamp": noon(2)}, {"eventName": "view"}]));
        assert_eq!(house.told(&past)["totalEvents"], 1, "kept for a minute");
        until_true("the summary of today", || house.told(SUMMARY)["totalEvents"] == 4);
    }
    // While nothing comes, one of today lasts as long; every event ends that.
    let mut house = House::embedded(Settings::new().set("FOOTFALL_QUERY_CACHE_NOW_MS", 1));
    house.keep(&json!({"eventName": "view"}));
    until_true("the event in the summary", || house.told(SUMMARY)["totalEvents"] == 1);
    let made = house.told(SUMMARY)["generatedAt"].clone();
    for _ in 0..20 {
        let told = house.told(SUMMARY);
        assert_eq!((&told["cached"], &told["generatedAt"]), (&json!(true), &made));
    }
    house.keep(&json!({"eventName": "view"}));
    assert_eq!(house.told(SUMMARY)["totalEvents"], 2);
    let mut house = House::embedded(Settings::new().set("CACHE_TTL", 0));
    let past = format!("{SUMMARY}?startDate={0}&endDate={0}", day(2));
    for count in 1..3 {
        house.keep(&json!({"eventName": "view", "timestamp": noon(2)}));
        let told = house.told(&past);
        assert_eq!((&told["totalEvents"], &told["cached"]), (&json!(count), &json!(false)));
    }
}

#[test]
fn many_names_share_a_line_and_the_sum_is_that_of_all_events() {
    let mut house = House::on(Backend::Embedded);
    let mut events: Vec<Value> = (0..999).map(|n| json!({"eventName": format!("name{n}")})).collect();
    events.push(json!({"eventName": "often"}));
    house.keep(&json!(events));
    let more: Vec<Value> = (0..50)
        .flat_map(|n| [json!({"eventName": "often"}), json!({"eventName": format!("late{n}")})])
        .collect();
    house.keep(&json!(more));
    let told = house.told(SUMMARY);
    let names = told["eventBreakdown"].as_object().unwrap();
    let sum: u64 = names.values().map(|count| count.as_u64().unwrap()).sum();
    assert_eq!((&told["totalEvents"], sum, names.len()), (&json!(1_100), 1_100, 1_001));
    assert_eq!((&names["often"], &names["__other__"]), (&json!(51), &json!(50)));
}

#[test]
fn a_user_is_told_with_the_first_the_last_and_the_newest_fifty() {
    for backend in Backend::KINDS {
        let mut house = House::on(backend);
        let times: Vec<String> = (0..60).map(|n| format!("{:.3}", ago(600 - n))).collect();
        let events: Vec<Value> = times
            .iter()
            .enumerate()
            .map(|(n, time)| {
                json!({
                    "eventName": format!("step{n}"), "userId": "anna b&c", "timestamp": time,
                    "url": if n == 59 { json!("https://blog.example/a?b=c#d") } else { Value::Null },
                    "metadata": if n == 59 { json!({"n": 59}) } else { Value::Null },
                })
            })
            .collect();
        house.keep(&json!(events));
        house.keep(&json!({"eventName": "else", "userId": "bert"}));
        let told = house.told(&format!("{USER}?userId=anna+b%26c"));
        let recent = told["recentEvents"].as_array().unwrap();
        assert_eq!(told.as_object().unwrap().len(), 5);
        assert_eq!(
            (&told["userId"], &told["totalEvents"]),
            (&json!("anna b&c"), &json!(60))
        );
        assert_eq!(
            (&told["firstSeen"], &told["lastSeen"]),
            (&json!(times[0]), &json!(times[59]))
        );
        assert_eq!(recent.len(), 50, "{}", backend.name());
        let newest = json!({"eventName": "step59", "url": "https://blog.example/a?b=c", "timestamp": times[59], "metadata": {"n": 59}});
        assert_eq!(recent[0], newest);
        assert_eq!(
            recent[49],
            json!({"eventName": "step10", "url": null, "timestamp": times[10], "metadata": {}})
        );
    }
}

#[test]
fn a_user_nobody_knows_is_not_found_and_one_must_be_named() {
    for backend in Backend::KINDS {
        let mut house = House::on(backend);
        house.keep(&json!({"eventName": "view", "userId": "anna"}));
        for unknown in ["bert", "%00", "%ff%fe", "Anna", "anna%20", &"x".repeat(2_000)] {
            let answer = house.ask(&format!("{USER}?userId={unknown}"));
            refusal(&answer, 404, "USER_NOT_FOUND");
        }
        for target in [USER, "/api/analytics/user-stats?userId="] {
            assert_eq!(refusal(&house.ask(target), 400, "FIELD_MISSING"), "userId");
        }
        assert_eq!(
            refusal(&house.ask(&format!("{USER}?userId=a&userId=b")), 400, "FIELD_INVALID"),
            "userId"
        );
        // Another app's user is nobody here.
        house.key = house.register("Other", "other.example");
        refusal(&house.ask(&format!("{USER}?userId=anna")), 404, "USER_NOT_FOUND");
    }
}

#[test]
fn active_users_are_counted_by_day_and_by_the_thirty_days_up_to_it() {
    // Events of the past are as old as may be: what is older comes by other ways.
    const WEEK_MS: u64 = 60 * 24 * 3_600_000;
    for backend in Backend::KINDS {
        let mut stage = backend.stage();
        stage.settings = stage.settings.set("FOOTFALL_EVENTS_LATE_MS_MAX", WEEK_MS);
        let mut house = House::with(stage);
        let at = |user: &str, ago: i64| json!({"eventName": "view", "userId": user, "timestamp": noon(ago)});
        house.keep(&json!([
            at("anna", 1), at("anna", 1), at("bert", 1),
            at("bert", 2),
            // In the thirty days before yesterday, and just not.
            at("carl", 30), at("dora", 31),
            {"eventName": "view", "timestamp": noon(1)},
        ]));
        let told = house.told(&format!("{ACTIVE}?startDate={}&endDate={}", day(3), day(1)));
        let row = |ago, dau: u64, mau: u64| json!({"date": day(ago), "dau": dau, "mau": mau});
        assert_eq!(
            told["daily"],
            json!([row(3, 0, 2), row(2, 1, 3), row(1, 2, 3)]),
            "{}",
            backend.name()
        );
        assert_eq!((&told["dau"], &told["mau"]), (&json!(2), &json!(3)));
        assert_eq!((&told["startDate"], &told["endDate"]), (&json!(day(3)), &json!(day(1))));
        let all = house.told(ACTIVE);
        assert_eq!(all["daily"].as_array().unwrap().len(), 30);
        assert_eq!((&all["daily"][29]["date"], &all["dau"]), (&json!(day(0)), &json!(0)));
        assert_eq!(all["cached"], false);
        assert_eq!(
            house.told(&format!("{ACTIVE}?startDate={0}&endDate={0}", day(30)))["daily"],
            json!([row(30, 1, 2)])
        );
    }
}

#[test]
fn dates_that_are_none_are_refused_with_their_name() {
    let mut house = House::on(Backend::Embedded);
    for path in [SUMMARY, ACTIVE, "/api/analytics/timeseries"] {
        for (query, field) in [
            ("startDate=yesterday", "startDate"),
            ("endDate=2025-02-30", "endDate"),
            ("startDate=2025-11-02&endDate=2025-11-01", "endDate"),
            ("startDate=2999-01-01", "endDate"),
            ("startDate=2025-11-01&startDate=2025-11-02", "startDate"),
            ("startDate=2025-11-01%00", "startDate"),
            ("endDate=2025-11-01T25:00:00Z", "endDate"),
        ] {
            assert_eq!(
                refusal(&house.ask(&format!("{path}?{query}")), 400, "FIELD_INVALID"),
                field,
                "{path}?{query}"
            );
        }
        assert_eq!(
            house.ask(&format!("{path}?startDate=&endDate=&other=1&other=2")).status,
            200
        );
        assert_eq!(
            house.ask(&format!("{path}/?startDate=2025-08-01T00:00:00.000Z")).status,
            200
        );
        is_bad_key(&house.client.send(&Request::new("GET", path)));
    }
}

#[test]
fn what_became_of_summaries_is_counted_with_all_questions() {
    let mut house = House::on(Backend::Embedded);
    let of = |house: &House, name: &str| metric(&house.gateway, &format!("footfall_query_{name}"));
    let before = ["received_total", "answered_total", "cached_total"].map(|name| of(&house, name));
    let past = format!("{SUMMARY}?endDate={}", day(2));
    house.told(&past);
    house.told(&past);
    house.ask(USER);
    house.ask(&format!("{USER}?userId=nobody"));
    house.client.get(SUMMARY);
    let after = ["received_total", "answered_total", "cached_total"].map(|name| of(&house, name));
    let new: Vec<u64> = after.iter().zip(before).map(|(after, before)| after - before).collect();
    assert_eq!(new, [5, 1, 1]);
    let refused = ["field_missing", "user_unknown", "key_missing"];
    assert_eq!(
        refused.map(|reason| of(&house, &format!("refused_total{{reason=\"{reason}\"}}"))),
        [1, 1, 1]
    );
}
