//! Sessions, page by page: `GET /stats/sessions`.

use serde_json::{Value, json};

use crate::support::backend::Backend;
use crate::support::client::Request;
use crate::support::report::metric;
use crate::support::wait::until_true;
use crate::{CHROME, FIREFOX, House, told, view, visitor};

#[test]
fn a_session_is_listed_with_all_that_is_known_of_it() {
    for backend in Backend::KINDS {
        let mut house = House::new(backend);
        let before = jiff::Timestamp::now();
        let google = json!("https://www.google.com/?q=1");
        let (_, first) = told(&house.post("/tracking", &view("a.example", &visitor(1), &google), FIREFOX));
        // The referrer is the first one, and so is the browser.
        house.post(
            "/tracking",
            &view("b.example", &visitor(1), &json!("https://c.example/")),
            CHROME,
        );
        let (_, second) = told(&house.post("/tracking", &view("a.example", &visitor(2), &Value::Null), ""));
        house.wait_for(3, 2);
        let list = house.get("/stats/sessions?dateRange=24h&page=1");
        let mut sessions = list["sessions"].as_array().unwrap().clone();
        assert_eq!((sessions.len(), &list["total"]), (2, &json!(2)), "{list}");
        for session in &mut sessions {
            let mut time = |name: &str| {
                let text = session[name].take();
                let text = text.as_str().unwrap();
                assert!(text.len() == 24 && text.ends_with('Z'), "{text}");
                text.parse::<jiff::Timestamp>().unwrap()
            };
            let (start, end) = (time("startTime"), time("endTime"));
            assert!(start.as_millisecond() >= before.as_millisecond() && start <= end && end <= jiff::Timestamp::now());
        }
        assert_eq!(
            sessions,
            [
                json!({"id": second, "ip": "127.0.0.0", "browser": null, "os": null, "startTime": null, "endTime": null,
                    "referrer": null, "userAgent": "Unknown"}),
                json!({"id": first, "ip": "127.0.0.0", "browser": "Firefox 139.0", "os": "macOS 10.15", "startTime": null,
                    "endTime": null, "referrer": "https://www.google.com/?q=1", "userAgent": FIREFOX}),
            ],
            "{backend:?}"
        );
    }
}

#[test]
fn ten_a_page_the_newest_first() {
    let mut house = House::new(Backend::Embedded);
    let ids: Vec<u64> = (0..23).map(|who| house.view("a.example", &visitor(who)).1).collect();
    house.wait_for(23, 23);
    let mut listed = Vec::new();
    for (page, expected) in [(1, 10), (2, 10), (3, 3), (4, 0), (1_000, 0)] {
        let list = house.get(&format!("/stats/sessions?dateRange=7d&page={page}"));
        let sessions = list["sessions"].as_array().unwrap();
        assert_eq!((sessions.len(), &list["total"]), (expected, &json!(23)), "{page}");
        listed.extend(sessions.iter().map(|session| session["id"].as_u64().unwrap()));
    }
    let newest_first: Vec<u64> = ids.into_iter().rev().collect();
    assert_eq!(listed, newest_first);
}

#[test]
fn a_url_means_sessions_with_a_view_of_exactly_that_page() {
    let mut house = House::new(Backend::Embedded);
    let (_, first) = house.view("https://shop.example/a?x=1#top", &visitor(1));
    house.view("https://shop.example/b", &visitor(1));
    let (_, second) = house.view("https://shop.example/b", &visitor(2));
    let (_, third) = house.view("shop.example", &visitor(3));
    house.wait_for(4, 3);
    for (url, expected) in [
        ("https://shop.example/a?x=1%23top", &[first][..]),
        ("https://shop.example/b", &[second, first]),
        ("shop.example", &[third]),
        ("https://shop.example/B", &[]),
        ("https://shop.example/", &[]),
        ("/b", &[]),
        ("", &[third, second, first]),
    ] {
        let list = house.get(&format!("/stats/sessions?dateRange=24h&page=1&url={url}"));
        let sessions = list["sessions"].as_array().unwrap().iter();
        let ids: Vec<u64> = sessions.map(|session| session["id"].as_u64().unwrap()).collect();
        assert_eq!((&*ids, &list["total"]), (expected, &json!(expected.len())), "{url}");
    }
}

/// Sends a view as a shop's own server does, some minutes ago, by somebody with a browser of that name.
fn native(house: &mut House, page: &str, minutes: i64, agent: &str) {
    let time = jiff::Timestamp::now()
        .checked_sub(jiff::SignedDuration::from_mins(minutes))
        .unwrap();
    let event = json!({"name": "page_view", "time": time.to_string(), "url": page, "properties": {"pageUrl": page}});
    let sent = Request::new("POST", "/api/v1/events").header("User-Agent", agent);
    assert_eq!(house.client.send(&sent.body(event.to_string())).status, 202);
}

#[test]
fn sessions_that_are_over_and_those_that_go_on_stand_in_one_list() {
    for backend in Backend::KINDS {
        let mut house = House::new(backend);
        // Each comes half an hour and more after the one before, whose session is over then.
        for (place, minutes) in [300, 250, 200, 150, 100].into_iter().enumerate() {
            native(
                &mut house,
                &format!("https://shop.example/{place}"),
                minutes,
                &format!("Agent/{place}"),
            );
        }
        let (_, open) = house.view("https://shop.example/now", &visitor(1));
        until_true("the sessions to be over", || {
            metric(&house.gateway, "footfall_store_open_sessions") == 1
        });
        house.wait_for(6, 6);
        let list = house.get("/stats/sessions?dateRange=24h&page=1");
        let sessions = list["sessions"].as_array().unwrap();
        let agents: Vec<&str> = sessions
            .iter()
            .map(|session| session["userAgent"].as_str().unwrap())
            .collect();
        assert_eq!(
            agents,
            [CHROME, "Agent/4", "Agent/3", "Agent/2", "Agent/1", "Agent/0"],
            "{backend:?}"
        );
        assert_eq!((&list["total"], &sessions[0]["id"]), (&json!(6), &json!(open)));
        let of = |target: &str, house: &mut House| house.get(target)["total"].as_u64().unwrap();
        assert_eq!(
            of(
                "/stats/sessions?dateRange=24h&page=1&url=https://shop.example/2",
                &mut house
            ),
            1
        );
        let hour_ago = jiff::Timestamp::now()
            .checked_sub(jiff::SignedDuration::from_mins(175))
            .unwrap();
        let now = jiff::Timestamp::now();
        let custom = format!("/stats/sessions?dateRange=custom&page=1&startDate={hour_ago:.3}&endDate={now:.3}");
        assert_eq!(of(&custom, &mut house), 3);
    }
}
