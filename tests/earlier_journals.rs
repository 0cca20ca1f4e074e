//! Data directories that earlier builds left: today's counts on, exactly, and takes events into them.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stderr,
    clippy::disallowed_methods,
    reason = "a test fails by panicking, says why, and looks at the clock itself"
)]

mod support;

use std::fs;
use std::path::Path;
use std::process::Command;

use serde_json::json;

use support::backend::{Backend, DEFAULT_SITE, events_in, visits_in};
use support::client::Request;
use support::gateway::{Gateway, Settings, fixture};
use support::report::{Report, metric};
use support::wait::until_true;

/// All that was sent to either build, each key once.
const TOTALS: [(&str, u64); 7] = [
    ("br", 2),
    ("cy", 9),
    ("de", 2),
    ("fr", 6),
    ("gb", 29),
    ("jp", 3),
    ("us", 7),
];
const VISITS: u64 = 58;

/// Puts the directory of a build where a gateway will look for it.
fn put(name: &str, folder: &Path) {
    fs::create_dir_all(folder.parent().unwrap()).unwrap();
    let from = fixture("journals").join(name);
    let copied = Command::new("cp").arg("-r").args([&from, folder]).status();
    assert!(copied.unwrap().success());
}

fn totals(more: u64) -> Report {
    let mut totals = TOTALS.map(|(country, count)| (country.to_owned(), count));
    totals[4].1 += more;
    Report(totals.into())
}

#[track_caller]
fn verified(settings: &Settings) -> String {
    let output = settings.run(&["verify"]);
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{said}");
    said
}

/// Counts what is there, then a visit and events beside it, also after one more restart.
#[track_caller]
fn goes_on(settings: &Settings) -> Gateway {
    let mut gateway = settings.start();
    assert_eq!(gateway.report(), totals(0));
    assert_eq!(gateway.client().visit("GB").status, 201);
    let events = json!([{"name": "view", "id": "1"}, {"name": "view"}, {"name": "view", "id": "1"}, {"name": "buy"}]);
    let request = Request::new("POST", "/api/v1/events").header("Content-Type", "application/json");
    let answer = gateway.client().send(&request.body(events.to_string()));
    assert_eq!(
        (answer.status, &answer.json()["accepted"]),
        (202, &json!(3)),
        "{}",
        answer.text()
    );
    until_true("the events in the store", || {
        metric(&gateway, "footfall_store_events") == 3
    });
    gateway.stop();
    gateway.start_again();
    assert_eq!(gateway.report(), totals(1));
    gateway
}

#[track_caller]
fn ends_well(mut gateway: Gateway) {
    gateway.stop();
    let said = verified(gateway.settings());
    assert!(
        said.contains("store: 0 differences") && !said.contains("may have less"),
        "{said}"
    );
    let (events, _) = events_in(&gateway.data_dir(), DEFAULT_SITE);
    let expected = [("buy", 1), ("view", 2), ("visit", VISITS + 1)];
    assert_eq!(
        events,
        Report(expected.map(|(name, count)| (name.to_owned(), count)).into())
    );
}

#[test]
fn two_lanes_from_before_there_were_events_are_counted_and_take_events() {
    let settings = Settings::new();
    put("before-events", &settings.data_dir());
    assert!(verified(&settings).contains("none yet"));
    ends_well(goes_on(&settings));
}

#[test]
fn two_lanes_from_before_there_were_events_are_handed_over_and_count_in_redis() {
    let mut stage = Backend::Redis.stage();
    put("before-events", &stage.settings.data_dir());
    let mut gateway = goes_on(&stage.settings);
    gateway.hand_over();
    assert_eq!(gateway.report(), totals(1));
    until_true("Redis to have it all", || visits_in(stage.server()) == totals(1));
    ends_well(gateway);
}

#[test]
fn a_directory_from_before_there_were_lanes_is_counted_where_the_refusal_says_to_move_it() {
    let settings = Settings::new();
    let old = settings.data_dir();
    put("before-lanes", &old);
    let refused = settings.run(&["serve"]);
    let said = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(!refused.status.success() && said.contains("`lane-0`"), "{said}");
    fs::remove_dir_all(&old).unwrap();
    fs::create_dir_all(&old).unwrap();
    put("before-lanes", &old.join("lane-0"));
    ends_well(goes_on(&settings));
}

#[test]
fn a_directory_from_before_there_were_lanes_counts_on_in_redis() {
    let mut stage = Backend::Redis.stage();
    fs::create_dir_all(stage.settings.data_dir()).unwrap();
    put("before-lanes", &stage.settings.data_dir().join("lane-0"));
    let gateway = goes_on(&stage.settings);
    until_true("Redis to have it all", || visits_in(stage.server()) == totals(1));
    ends_well(gateway);
}

/// The control: without the journal nobody can know of the visits that were not yet in the counters.
#[test]
fn without_its_journal_an_earlier_directory_lacks_what_was_not_written_down() {
    let settings = Settings::new();
    put("before-events", &settings.data_dir());
    for lane in ["lane-0", "lane-1"] {
        fs::remove_dir_all(settings.data_dir().join(lane).join("journal")).unwrap();
    }
    let report = settings.start().report();
    assert_eq!(report.sum(), VISITS - 8, "{report:?}");
}
