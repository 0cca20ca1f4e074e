//! The event store of the real binary: what was accepted is in it once, whatever happens to the gateway or to its files.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stderr,
    clippy::disallowed_methods,
    reason = "a test fails by panicking, says why, and looks at the clock itself"
)]

#[path = "../support/mod.rs"]
mod support;

mod ageing;
mod erasure;
mod filling;
mod hand_overs;
mod kills;
mod trouble;
mod visits;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use footfall::event::SiteId;
use footfall::store::search::{Condition, List, StoredEvent};
use footfall::store::{Column, Store, StoreLimits};
use serde_json::Value;

use support::answer::Answer;
use support::client::{Client, Request};
use support::gateway::{Gateway, Settings};
use support::report::metric;
use support::wait::until_true;

const PATH: &str = "/api/v1/events";
/// More events than a test sends.
const MANY: usize = 1_000_000;

#[track_caller]
fn send(client: &mut Client, body: &Value) -> Answer {
    let request = Request::new("POST", PATH).header("Content-Type", "application/json");
    client.send(&request.body(body.to_string()))
}

/// Sends events of which all are accepted.
#[track_caller]
fn accept(gateway: &Gateway, events: &Value) {
    let answer = send(&mut gateway.client(), events);
    assert_eq!(answer.status, 202, "{}", answer.text());
    assert_eq!(answer.json()["rejected"], 0, "{}", answer.text());
}

fn store_folder(settings: &Settings) -> PathBuf {
    settings.data_dir().join("events")
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy(&entry.path(), &target);
        } else {
            fs::copy(entry.path(), target).unwrap();
        }
    }
}

/// All events of the default site in the store of a gateway that has ended; nothing of it is touched.
#[track_caller]
fn stored(settings: &Settings) -> Vec<StoredEvent> {
    let folder = tempfile::tempdir().unwrap();
    copy(&store_folder(settings), folder.path());
    let (store, findings) = Store::open(folder.path(), StoreLimits::default()).unwrap();
    assert_eq!(findings, []);
    let all = List {
        site: SiteId::DEFAULT,
        times: 0..u64::MAX,
        condition: Condition::All,
        after: None,
        limit: MANY,
    };
    let events = store.library().snapshot().list(&all).unwrap();
    assert!(events.len() < MANY);
    events
}

/// How many events of each name the store of a gateway that has ended holds.
#[track_caller]
fn stored_names(settings: &Settings) -> BTreeMap<String, u64> {
    let mut names = BTreeMap::new();
    for event in stored(settings) {
        *names.entry(event.columns[&Column::Name].clone()).or_default() += 1;
    }
    names
}

fn counts<const N: usize>(counts: [(&str, u64); N]) -> BTreeMap<String, u64> {
    counts.map(|(name, count)| (name.to_owned(), count)).into()
}

/// Waits until so many events can be asked about.
#[track_caller]
fn until_stored(gateway: &Gateway, events: u64) {
    until_true(&format!("{events} events in the store"), || {
        metric(gateway, "footfall_store_events") == events
    });
}

/// Runs `verify` on the data directory of a gateway that has ended; whether all is well, and what it said.
fn verify(settings: &Settings) -> (bool, String) {
    let output = settings.run(&["verify"]);
    let said = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    (output.status.success(), said)
}
