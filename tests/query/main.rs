//! Questions about events, asked of the real binary: what it answers, to whom, and what it refuses.

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

mod cached;
mod doors;
mod enriched;
mod erasures;
mod figures;
mod fleet;
mod fleet_visits;
mod lists;
mod refusals;

use serde_json::{Value, json};

use support::answer::Answer;
use support::client::{Client, Request};
use support::gateway::{Gateway, Settings, run};
use support::report::metric;
use support::wait::until_true;

/// A gateway with a site of which we have a key to send and one to ask.
struct House {
    gateway: Gateway,
    client: Client,
    site: String,
    write: String,
    read: String,
    /// A key that may also delete, made when it is needed.
    manage: Option<String>,
    sent: u64,
}

impl House {
    fn new() -> Self {
        Self::with(&Settings::new(), &["--visitors", "stable"])
    }

    fn with(settings: &Settings, site: &[&str]) -> Self {
        let mut house = Self::closed(settings, site);
        // The store is opened beside the start.
        until_true("the store to be open", || house.get("/api/v1/events").status == 200);
        house
    }

    /// The same, whether or not there is a store.
    fn closed(settings: &Settings, site: &[&str]) -> Self {
        let add = ["site", "add", "shop", "--currency", "EUR", "--json"];
        let site: Value = serde_json::from_str(&run(settings, &[&add, site].concat())).unwrap();
        let key = |rights| run(settings, &["key", "add", "shop", "--rights", rights]);
        let (write, read) = (key("write"), key("read"));
        let gateway = settings.start();
        Self {
            client: gateway.client(),
            gateway,
            site: site["id"].as_str().unwrap().to_owned(),
            write,
            read,
            manage: None,
            sent: 0,
        }
    }

    /// Another gateway that counts together with this one, with the same keys.
    fn beside(&self, settings: &Settings) -> Self {
        let gateway = settings.start();
        let mut house = Self {
            client: gateway.client(),
            gateway,
            site: self.site.clone(),
            write: self.write.clone(),
            read: self.read.clone(),
            manage: None,
            sent: 0,
        };
        until_true("the store to be open", || house.get("/api/v1/events").status == 200);
        house
    }

    /// Sends events, all of which are accepted, and waits until they can be asked for.
    #[track_caller]
    fn keep(&mut self, events: &Value) {
        let request = Request::new("POST", "/api/v1/events").header("X-API-Key", &self.write);
        let answer = self.client.send(&request.body(events.to_string()));
        let count = events.as_array().map_or(1, |events| events.len() as u64);
        assert_eq!(
            (answer.status, &answer.json()["accepted"]),
            (202, &json!(count)),
            "{}",
            answer.text()
        );
        self.sent += count;
        let (gateway, sent) = (&self.gateway, self.sent);
        until_true(&format!("{sent} events in the store"), || {
            metric(gateway, "footfall_store_events") == sent
        });
    }

    /// Asks a question with the read key.
    fn ask(&mut self, query: &Value) -> Answer {
        let request = Request::new("POST", "/api/v1/query")
            .header("Authorization", &format!("Bearer {}", self.read))
            .header("Content-Type", "application/json");
        self.client.send(&request.body(query.to_string()))
    }

    /// The rows of an answer, as `[dimensions, metrics]`.
    #[track_caller]
    fn rows(&mut self, query: &Value) -> Value {
        let answer = self.ask(query);
        assert_eq!(answer.status, 200, "{}", answer.text());
        let answer = answer.json();
        let rows = answer["results"].as_array().unwrap().iter();
        rows.map(|row| json!([row["dimensions"], row["metrics"]])).collect()
    }

    /// Gets a page of events with the read key.
    fn get(&mut self, target: &str) -> Answer {
        self.client
            .send(&Request::new("GET", target).header("X-API-Key", &self.read))
    }

    /// The events of a page, which must be one.
    #[track_caller]
    fn events(&mut self, target: &str) -> Vec<Value> {
        let answer = self.get(target);
        assert_eq!(answer.status, 200, "{}", answer.text());
        answer.json()["events"].as_array().unwrap().clone()
    }

    /// A field of each event of a page.
    #[track_caller]
    fn listed(&mut self, target: &str, field: &str) -> Vec<String> {
        let events = self.events(target);
        events
            .iter()
            .map(|event| event[field].as_str().unwrap().to_owned())
            .collect()
    }
}

/// A moment so many minutes ago, as text.
fn ago(minutes: i64) -> String {
    let now = jiff::Timestamp::now();
    now.checked_sub(jiff::SignedDuration::from_mins(minutes))
        .unwrap()
        .to_string()
}

/// A refusal as a problem document; gives its field and detail.
#[track_caller]
fn problem(answer: &Answer, status: u16, code: &str) -> (String, String) {
    let body = answer.json();
    assert_eq!((answer.status, body["code"].as_str()), (status, Some(code)), "{body}");
    assert_eq!(answer.header("content-type"), Some("application/problem+json"));
    assert_eq!(body["status"], status);
    assert_eq!(answer.header("x-request-id"), body["request_id"].as_str());
    let text = |name: &str| body[name].as_str().unwrap_or_default().to_owned();
    (text("field"), text("detail"))
}
