//! The apps dialect, spoken by the real binary: keys, collected events, summaries; alone and with Redis.

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

mod collecting;
mod doors;
mod keys;
mod series;
mod summaries;

use serde_json::{Value, json};

use support::answer::Answer;
use support::backend::{Backend, Stage};
use support::client::{Client, Request};
use support::gateway::{Gateway, Settings};
use support::report::metric;
use support::wait::until_true;

/// A gateway at which an app has registered.
struct House {
    gateway: Gateway,
    client: Client,
    /// The app's key.
    key: String,
    /// Events that were kept.
    sent: u64,
    /// Behind the gateway, since it ends last.
    stage: Stage,
}

impl House {
    fn on(backend: Backend) -> Self {
        Self::with(backend.stage())
    }

    fn embedded(settings: Settings) -> Self {
        Self::with(Stage { settings, server: None })
    }

    fn with(stage: Stage) -> Self {
        let gateway = stage.settings.start();
        let mut house = Self {
            client: gateway.client(),
            gateway,
            key: String::new(),
            sent: 0,
            stage,
        };
        house.key = house.register("Blog", "blog.example");
        // The store is opened beside the start.
        until_true("the store to be open", || {
            house.ask("/api/analytics/event-summary").status == 200
        });
        house
    }

    /// Registers another app, and gives its key.
    #[track_caller]
    fn register(&mut self, name: &str, domain: &str) -> String {
        let answer = self.post("/api/auth/register", &json!({"name": name, "domain": domain}));
        assert_eq!(answer.status, 201, "{}", answer.text());
        answer.json()["apiKey"].as_str().unwrap().to_owned()
    }

    fn post(&mut self, path: &str, body: &Value) -> Answer {
        self.client.send(&posted(path, body))
    }

    /// Sends events with the app's key.
    fn collect(&mut self, body: &Value) -> Answer {
        self.client.send(&posted(COLLECT, body).header("X-API-Key", &self.key))
    }

    /// Sends events, all of which are accepted, and waits until they can be asked for.
    #[track_caller]
    fn keep(&mut self, events: &Value) {
        let count = events.as_array().map_or(1, Vec::len) as u64;
        let body = if events.is_array() {
            json!({ "events": events })
        } else {
            events.clone()
        };
        let answer = self.collect(&body);
        let expected = json!({"accepted": count, "rejected": 0, "errors": []});
        assert_eq!((answer.status, answer.json()), (202, expected));
        self.sent += count;
        let (gateway, sent) = (&self.gateway, self.sent);
        until_true(&format!("{sent} events in the store"), || {
            metric(gateway, "footfall_store_events") == sent
        });
    }

    /// Asks with the app's key.
    fn ask(&mut self, target: &str) -> Answer {
        self.client
            .send(&Request::new("GET", target).header("X-API-Key", &self.key))
    }

    /// An answer that must be one.
    #[track_caller]
    fn told(&mut self, target: &str) -> Value {
        let answer = self.ask(target);
        assert_eq!(answer.status, 200, "{target}: {}", answer.text());
        assert_eq!(answer.header("content-type"), Some("application/json"));
        answer.json()
    }
}

const COLLECT: &str = "/api/analytics/collect";

fn posted(path: &str, body: &Value) -> Request {
    let request = Request::new("POST", path).header("Content-Type", "application/json");
    request.body(body.to_string())
}

/// A refusal in this dialect's shape; gives its field.
#[track_caller]
fn refusal(answer: &Answer, status: u16, code: &str) -> String {
    let body = answer.json();
    assert_eq!((answer.status, body["code"].as_str()), (status, Some(code)), "{body}");
    assert_eq!(answer.header("content-type"), Some("application/json"));
    assert!(body["error"].as_str().is_some_and(|text| !text.is_empty()), "{body}");
    let known = body
        .as_object()
        .unwrap()
        .keys()
        .all(|key| ["error", "code", "field"].contains(&key.as_str()));
    assert!(known, "{body}");
    body["field"].as_str().unwrap_or_default().to_owned()
}

/// What is said of every key that is not good.
#[track_caller]
fn is_bad_key(answer: &Answer) {
    let expected = json!({"error": "Invalid API key", "code": "INVALID_API_KEY"});
    assert_eq!((answer.status, answer.json()), (401, expected));
}

/// A moment so many minutes ago.
fn ago(minutes: i64) -> jiff::Timestamp {
    let now = jiff::Timestamp::now();
    now.checked_sub(jiff::SignedDuration::from_mins(minutes)).unwrap()
}

/// The day (UTC) so many days ago.
fn day(ago: i64) -> String {
    let today = jiff::Timestamp::now().to_zoned(jiff::tz::TimeZone::UTC).date();
    today.checked_sub(jiff::Span::new().days(ago)).unwrap().to_string()
}

/// Noon (UTC) so many days ago.
fn noon(ago: i64) -> String {
    format!("{}T12:00:00Z", day(ago))
}
