//! The sessions dialect on the real binary: pages that track their visitors, and the dashboard that asks for it.

#[path = "../support/mod.rs"]
mod support;

mod browser;
mod figures;
mod life;
mod lists;
mod origins;
mod refusals;
mod views;

use serde_json::{Value, json};

use support::answer::Answer;
use support::backend::{Backend, Stage};
use support::client::{Client, Request};
use support::gateway::Gateway;
use support::wait::until_true;

const CHROME: &str =
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/139.0.0.0 Safari/537.36";
const FIREFOX: &str = "Mozilla/5.0 (Macintosh; Intel Mac OS X 10.15; rv:139.0) Gecko/20100101 Firefox/139.0";
const FIRST: &str = "New session created";
const LATER: &str = "Page view added to existing session";

/// A gateway, and what it counts in.
struct House {
    gateway: Gateway,
    client: Client,
    /// Ends after the gateway.
    stage: Stage,
}

/// The id of a visitor, by a number.
fn visitor(number: u32) -> String {
    format!("8f6b1a52-3c4d-4e5f-8a9b-{number:012x}")
}

/// The body of a view.
fn view(url: &str, visitor: &str, referrer: &Value) -> Value {
    json!({"pageUrl": url, "visitorId": visitor, "metadata": {"referrer": referrer}})
}

impl House {
    fn new(backend: Backend) -> Self {
        let mut stage = backend.stage();
        stage.settings = stage.settings.set("CACHE_TTL", 0);
        Self::on(stage)
    }

    fn on(stage: Stage) -> Self {
        let gateway = stage.settings.start();
        let mut house = Self {
            client: gateway.client(),
            gateway,
            stage,
        };
        // The store is opened beside the start.
        until_true("the store to be open", || {
            house.client.get("/stats?dateRange=24h").status == 200
        });
        house
    }

    fn post(&mut self, path: &str, body: &Value, user_agent: &str) -> Answer {
        let request = Request::new("POST", path).header("Content-Type", "application/json");
        let request = if user_agent.is_empty() {
            request
        } else {
            request.header("User-Agent", user_agent)
        };
        self.client.send(&request.body(body.to_string()))
    }

    /// A page is viewed; what is answered, and the session.
    #[track_caller]
    fn view(&mut self, url: &str, visitor: &str) -> (String, u64) {
        told(&self.post("/tracking", &view(url, visitor, &Value::Null), CHROME))
    }

    /// A visitor is still there.
    #[track_caller]
    fn ping(&mut self, path: &str, visitor: &str) -> (String, u64) {
        let body = json!({"pageUrl": "https://shop.example/", "visitorId": visitor});
        told(&self.post(path, &body, CHROME))
    }

    #[track_caller]
    fn get(&mut self, target: &str) -> Value {
        let answer = self.client.get(target);
        assert_eq!(answer.status, 200, "{target}: {}", answer.text());
        answer.json()
    }

    /// Waits until so many views of the last day, and so many sessions, can be asked for.
    #[track_caller]
    fn wait_for(&mut self, views: u64, sessions: u64) {
        until_true(&format!("{views} views in {sessions} sessions in the store"), || {
            let seen = self.get("/stats?dateRange=24h");
            let listed = self.get("/stats/sessions?dateRange=24h&page=1");
            seen["statsPerDay"][0]["total_visits"] == views && listed["total"] == sessions
        });
    }
}

/// What a view or a ping was answered with: the message, and the session or zero.
#[track_caller]
fn told(answer: &Answer) -> (String, u64) {
    let body = answer.json();
    assert_eq!(answer.status, 201, "{body}");
    let message = body["message"].as_str().unwrap().to_owned();
    (message, body["sessionId"].as_u64().unwrap_or(0))
}
