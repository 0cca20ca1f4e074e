//! `POST /api/v1/events` and the pixel: what they take, from whom, what they answer, and that it is counted once.

#[path = "../support/mod.rs"]
mod support;

mod bodies;
mod counts;
mod crowds;
mod kept;
mod kills;
mod nobody;
mod pages;
mod pixel;
mod rebuilt;
mod senders;

use std::collections::BTreeMap;

use serde_json::{Value, json};

use support::answer::Answer;
use support::backend::{DEFAULT_SITE, Stage, events_in};
use support::client::{Client, Request};
use support::gateway::{Gateway, Settings, run};
use support::report::metric;
use support::wait::until_true;

const PATH: &str = "/api/v1/events";

/// Counts by name.
type Counts = BTreeMap<String, u64>;

fn post(body: impl Into<Vec<u8>>) -> Request {
    Request::new("POST", PATH)
        .header("Content-Type", "application/json")
        .body(body)
}

#[track_caller]
fn send(client: &mut Client, body: &Value) -> Answer {
    client.send(&post(body.to_string()))
}

/// An answer that took all of so many events.
#[track_caller]
fn assert_accepted(answer: &Answer, events: usize) {
    let whole = json!({"accepted": events, "duplicates": 0, "rejected": 0, "errors": []});
    assert_eq!((answer.status, answer.json()), (202, whole));
}

/// A refusal of a whole request.
#[track_caller]
fn assert_problem(answer: &Answer, status: u16, code: &str) {
    assert_eq!(
        (answer.status, answer.json()["code"].as_str()),
        (status, Some(code)),
        "{}",
        answer.text()
    );
    assert_eq!(answer.header("content-type"), Some("application/problem+json"));
    assert_eq!(answer.header("access-control-allow-origin"), Some("*"));
}

/// What the only event of a request was rejected for: code and field.
#[track_caller]
fn rejection(answer: &Answer) -> (String, String) {
    let body = answer.json();
    assert_eq!((&body["accepted"], &body["rejected"]), (&json!(0), &json!(1)), "{body}");
    let error = &body["errors"][0];
    let text = |name: &str| error[name].as_str().unwrap_or_default().to_owned();
    (text("code"), text("field"))
}

/// Counts in the data directory; the hexadecimal id names the site.
fn counts_in(settings: &Settings, site: &str) -> Counts {
    events_in(&settings.data_dir(), site).0.0
}

/// Counts in Redis.
fn counts_at(stage: &Stage, site: &str) -> Counts {
    let server = stage.server.as_ref().unwrap();
    let key = if site == DEFAULT_SITE {
        "ff:{0}:events".into()
    } else {
        format!("ff:{{0}}:{site}:events")
    };
    let printed = server.cli(&["HGETALL", &key]);
    let lines: Vec<&str> = printed.lines().filter(|line| !line.is_empty()).collect();
    let pair = |pair: &[&str]| (pair[0].to_owned(), pair[1].parse().unwrap());
    lines.chunks(2).map(pair).collect()
}

/// Waits until the counters show exactly these, wherever they live.
#[track_caller]
fn until_counted(stage: &Stage, site: &str, expected: &[(&str, u64)]) {
    let expected: Counts = expected
        .iter()
        .map(|(name, count)| ((*name).to_owned(), *count))
        .collect();
    let counts = || match &stage.server {
        None => counts_in(&stage.settings, site),
        Some(_) => counts_at(stage, site),
    };
    until_true(&format!("{expected:?} to be counted"), || counts() == expected);
}

/// The figures that say what became of events: received, and the sum of all outcomes.
fn outcomes(gateway: &Gateway) -> (u64, u64) {
    let text = gateway.admin_client().get("/metrics").text();
    let refused = text
        .lines()
        .filter(|line| line.starts_with("footfall_events_refused_total"))
        .map(|line| line.rsplit(' ').next().unwrap().parse::<u64>().unwrap());
    let kept = metric(gateway, "footfall_events_kept_total");
    let duplicates = metric(gateway, "footfall_events_duplicates_total");
    let received = metric(gateway, "footfall_events_received_total");
    (received, kept + duplicates + refused.sum::<u64>())
}
