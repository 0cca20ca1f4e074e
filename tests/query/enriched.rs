//! What nobody sent: place, device, source, and that figures are people's.

use serde_json::{Value, json};

use crate::support::client::Request;
use crate::support::gateway::{Settings, fixture};
use crate::support::wait::until_true;
use crate::{House, metric};

const PHONE: &str = "Mozilla/5.0 (iPhone; CPU iPhone OS 18_7 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/26.6.1 Mobile/15E148 Safari/604.1";
const DESK: &str =
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/153.0.0.0 Safari/537.36";
const GOOGLE: &str = "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)";

fn house() -> House {
    let settings = Settings::new().set("FOOTFALL_GEO_DATABASE", fixture("geo/GeoIP2-City-Test.mmdb").display());
    House::with(&settings, &["--visitors", "stable"])
}

fn shop() -> Value {
    json!([
        {"name": "page_view", "visitor": "a", "url": "https://shop.example/", "user_agent": PHONE, "ip": "81.2.69.160",
            "referrer": "https://www.google.com/"},
        {"name": "page_view", "visitor": "a", "url": "https://shop.example/hats", "user_agent": PHONE,
            "ip": "81.2.69.160", "referrer": "https://shop.example/"},
        {"name": "page_view", "visitor": "b", "url": "https://shop.example/?gclid=x", "user_agent": DESK,
            "ip": "89.160.20.128"},
        {"name": "page_view", "visitor": "c", "url": "https://shop.example/", "user_agent": GOOGLE, "ip": "2001:218::1"},
        {"name": "page_view", "visitor": "d", "url": "https://shop.example/", "user_agent": "GPTBot/1.2",
            "ip": "2001:218::1"},
    ])
}

fn question(more: &Value) -> Value {
    let mut query = json!({"metrics": ["events", "visitors"], "date_range": "24h"});
    query.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    query
}

#[test]
fn events_tell_where_they_came_from_and_on_what_they_were_seen() {
    let mut house = house();
    house.keep(&shop());
    for (dimensions, rows) in [
        (
            json!(["country", "region", "city"]),
            json!([
                [["gb", "England", "London"], [2, 1]],
                [["se", "Östergötland County", "Linköping"], [1, 1]]
            ]),
        ),
        (
            json!(["browser", "browser_version", "os", "device"]),
            json!([
                [["Safari", "26", "iOS", "mobile"], [2, 1]],
                [["Chrome", "153", "Windows", "desktop"], [1, 1]]
            ]),
        ),
        (
            json!(["channel", "source", "referrer_group", "click_id"]),
            json!([
                [[null, null, null, null], [1, 1]],
                [["Organic Search", "Google", "search", null], [1, 1]],
                [["Paid Search", "Google", "search", "gclid"], [1, 1]]
            ]),
        ),
    ] {
        assert_eq!(
            house.rows(&question(&json!({ "dimensions": dimensions }))),
            rows,
            "{dimensions}"
        );
    }
    let first = &house.events("/api/v1/events?city=London&channel=Organic%20Search")[0];
    assert_eq!(
        (&first["browser"], &first["bot"], &first["region"]),
        (&json!("Safari"), &json!(false), &json!("England"))
    );
}

#[test]
fn figures_are_people_s_unless_a_question_names_bots_and_say_how_many_events_of_bots_are_not_in_them() {
    let mut house = house();
    house.keep(&shop());
    let mut told = |more: Value| {
        let answer = house.ask(&question(&more)).json();
        let rows: Vec<Value> = answer["results"]
            .as_array()
            .unwrap()
            .iter()
            .map(|row| json!([row["dimensions"], row["metrics"]]))
            .collect();
        (json!(rows), answer["meta"]["bots_left_out"].as_u64().unwrap())
    };
    assert_eq!(told(json!({})), (json!([[[], [3, 2]]]), 2));
    // Nor where nothing else is left, or grouped by anything else.
    assert_eq!(
        told(json!({"filters": [["is", "visitor", ["c"]]]})),
        (json!([[[], [0, 0]]]), 1)
    );
    assert_eq!(told(json!({"dimensions": ["device"]})).1, 2);
    let everybody = json!([["is", "bot", [true, false]]]);
    assert_eq!(told(json!({ "filters": everybody })), (json!([[[], [5, 4]]]), 0));
    assert_eq!(
        told(json!({"dimensions": ["bot"]})),
        (json!([[["false"], [3, 2]], [["true"], [2, 2]]]), 0)
    );
    assert_eq!(
        told(json!({"dimensions": ["bot_rule"], "filters": [["is", "device", ["bot"]]]})),
        (
            json!([[["ai-crawler:GPTBot"], [1, 1]], [["search-engine:Googlebot"], [1, 1]]]),
            0
        )
    );
    assert_eq!(
        told(json!({"filters": [["not", ["contains", "bot_rule", ["ai-crawler:"]]]]})),
        (json!([[[], [4, 3]]]), 0)
    );
    // Lists show everybody.
    assert_eq!(house.events("/api/v1/events").len(), 5);
    assert_eq!(house.events("/api/v1/events?bot=true").len(), 2);
    assert_eq!(
        house.listed("/api/v1/events?visitor=d", "bot_rule"),
        ["ai-crawler:GPTBot"]
    );
}

#[test]
fn a_library_is_a_bot_without_a_key_and_the_site_s_own_server_with_one() {
    let mut house = House::with(&Settings::new(), &["--domain", "shop.example"]);
    let sent = |key: Option<&str>| {
        let request = Request::new("POST", "/api/v1/events").header("User-Agent", "python-requests/2.32.0");
        let request = request.body(r#"{"name":"a","domain":"shop.example"}"#);
        key.map_or_else(|| request.clone(), |key| request.clone().header("X-API-Key", key))
    };
    let requests = [sent(None), sent(Some(&house.write))];
    for request in requests {
        assert_eq!(house.client.send(&request).status, 202);
    }
    until_true("both to be stored", || {
        metric(&house.gateway, "footfall_store_events") == 2
    });
    let rows = house.rows(&question(&json!({"dimensions": ["bot_rule"], "metrics": ["events"]})));
    assert_eq!(rows, json!([[[null], [1]], [["http-library:python-requests"], [1]]]));
}

#[test]
fn addresses_in_networks_of_machines_are_those_of_bots_however_they_are_cut() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("networks.txt");
    std::fs::write(&file, "# ours\n203.0.113.64/26 cloud\n").unwrap();
    let settings = Settings::new().set("FOOTFALL_EVENTS_BOT_NETWORKS", file.display());
    let mut house = House::with(&settings, &[]);
    house.keep(&json!([
        {"name": "a", "ip": "203.0.113.70", "user_agent": DESK}, {"name": "b", "ip": "203.0.113.7", "user_agent": DESK},
        {"name": "c", "user_agent": DESK}, {"name": "d", "ip": "203.0.113.70", "user_agent": GOOGLE},
    ]));
    let rows = house.rows(&question(
        &json!({"dimensions": ["name", "bot_rule", "address"], "metrics": ["events"]}),
    ));
    assert_eq!(
        rows,
        json!([
            [["a", "network:cloud", "203.0.113.0"], [1]],
            [["b", null, "203.0.113.0"], [1]],
            [["c", null, "127.0.0.0"], [1]],
            [["d", "search-engine:Googlebot", "203.0.113.0"], [1]],
        ])
    );
    std::fs::write(&file, "203.0.113.64/26\ncloud 203.0.113.0/24\n").unwrap();
    let refused = settings.elsewhere().run(&["serve"]);
    let said = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert_ne!(refused.status.code(), Some(0));
    assert!(
        said.contains("networks.txt, line 2: must be a network such as 192.0.2.0/24"),
        "{said}"
    );
}
