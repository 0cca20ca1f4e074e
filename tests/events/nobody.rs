//! What is kept of people who ask not to be told by it.

use serde_json::{Value, json};

use crate::kept::events;
use crate::support::client::{Client, Request};
use crate::support::gateway::Settings;
use crate::{PATH, assert_accepted, post, run};

/// What would tell who it was.
const NAMES: [&str; 4] = ["visitor", "user", "session", "address"];

fn kept(settings: &Settings, sending: impl FnOnce(&mut Client)) -> Vec<Value> {
    let mut gateway = settings.start();
    sending(&mut gateway.client());
    gateway.stop();
    events(settings)
}

fn is_of_nobody(event: &Value) -> bool {
    let said = |name: &&str| !event[*name].is_null() && event[*name] != json!("");
    assert_eq!((&event["name"], &event["user_agent"]), (&json!("a"), &json!("Agent/1")));
    let said: Vec<_> = NAMES.iter().filter(|name| said(name)).collect();
    assert!(said.is_empty() || said.len() == NAMES.len(), "{event}");
    said.is_empty()
}

fn asked(header: &str, value: &str) -> Request {
    let event = json!({"name": "a", "user": "u", "session": "s", "visitor": "v"});
    post(event.to_string())
        .header("User-Agent", "Agent/1")
        .header(header, value)
}

#[test]
fn events_of_who_asks_for_privacy_are_kept_in_nobodys_name_if_that_is_honoured() {
    for (setting, header, other) in [
        ("FOOTFALL_EVENTS_HONOUR_DNT", "DNT", "Sec-GPC"),
        ("FOOTFALL_EVENTS_HONOUR_GPC", "Sec-GPC", "DNT"),
    ] {
        let sending = |client: &mut Client| {
            for request in [asked(header, "1"), asked(header, "0"), asked(other, "1")] {
                assert_accepted(&client.send(&request), 1);
            }
            let pixel = format!("{}?name=a&user=u&session=s", PATH.replace("events", "pixel.gif"));
            let pixel = Request::new("GET", &pixel).header("User-Agent", "Agent/1");
            assert_eq!(client.send(&pixel.header(header, "1")).status, 200);
        };
        let honoured = kept(&Settings::new().set(setting, true), sending);
        let nobodys: Vec<bool> = honoured.iter().map(is_of_nobody).collect();
        assert_eq!(nobodys, [true, false, false, true], "{setting}");
        let by_default = kept(&Settings::new(), sending);
        assert!(!by_default.iter().any(is_of_nobody), "{setting}");
    }
}

#[test]
fn a_site_that_knows_visitors_by_their_own_ids_keeps_none_either() {
    let settings = Settings::new().set("FOOTFALL_EVENTS_HONOUR_GPC", true);
    run(
        &settings,
        &[
            "site",
            "add",
            "shop",
            "--domain",
            "shop.example",
            "--visitors",
            "stable",
        ],
    );
    let kept = kept(&settings, |client| {
        for value in ["1", "0"] {
            let request = asked("Sec-GPC", value).header("Origin", "https://shop.example");
            assert_accepted(&client.send(&request), 1);
        }
    });
    let visitors: Vec<_> = kept.iter().map(|event| &event["visitor"]).collect();
    assert_eq!(visitors, [&Value::Null, &json!("v")]);
}

#[test]
fn a_user_agent_is_cut_at_a_character_and_left_out_when_there_is_none() {
    let settings = Settings::new().set("FOOTFALL_EVENTS_USER_AGENT_BYTES_MAX", 65);
    let kept = kept(&settings, |client| {
        let long = "é".repeat(40);
        assert_accepted(&client.send(&post(r#"{"name":"a"}"#).header("User-Agent", &long)), 1);
        assert_accepted(&client.send(&post(r#"{"name":"a"}"#)), 1);
    });
    assert_eq!(kept[0]["user_agent"], json!("é".repeat(32)));
    assert_eq!(kept[1]["user_agent"], json!(""));
}
