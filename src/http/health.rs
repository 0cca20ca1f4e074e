//! Health answers: alive, ready, and the apps dialect's check.

use std::sync::Arc;

use hyper::StatusCode;

use super::answer::{Answer, JSON, TEXT, document};
use crate::clock;
use crate::enrich::Countries;
use crate::pipeline::Shared;

/// What readiness depends on.
#[derive(Clone)]
pub struct Health {
    shared: Arc<Shared>,
    countries: Arc<Countries>,
    accepting: Arc<dyn Fn() -> bool + Send + Sync>,
}

impl Health {
    /// `accepting` tells whether the listeners are open for new traffic.
    pub fn new(shared: Arc<Shared>, countries: Arc<Countries>, accepting: Arc<dyn Fn() -> bool + Send + Sync>) -> Self {
        Self {
            shared,
            countries,
            accepting,
        }
    }

    /// The process runs and its workers answer.
    pub fn live() -> Answer {
        document(StatusCode::OK, TEXT, "OK")
    }

    /// Whether traffic should come here, and how each part stands.
    pub fn ready(&self) -> Answer {
        let obstacles = self.obstacles();
        let status = if obstacles.is_empty() {
            StatusCode::OK
        } else {
            StatusCode::SERVICE_UNAVAILABLE
        };
        let body = serde_json::json!({
            "status": if obstacles.is_empty() { "ready" } else { "not_ready" },
            "obstacles": obstacles,
            "durability": self.shared.config.journal.durability.name(),
            "counters": self.counters(),
            "store": self.store(),
            "geo": self.countries.geo().status().to_string(),
        });
        document(status, JSON, body.to_string())
    }

    /// The apps dialect's check: `{"status":"ok","timestamp":"…Z"}`.
    pub fn check() -> Answer {
        let now = jiff::Timestamp::from_millisecond(i64::try_from(clock::unix_ms()).unwrap_or_default());
        let timestamp = now.map(|now| format!("{now:.3}")).unwrap_or_default();
        let body = serde_json::json!({ "status": "ok", "timestamp": timestamp });
        document(StatusCode::OK, JSON, body.to_string())
    }

    /// How the counters stand; while Redis is away visits are still kept, so that alone is no obstacle.
    fn counters(&self) -> &'static str {
        let status = &self.shared.status;
        match (self.shared.is_embedded(), status.is_counters_up(), status.halted()) {
            (true, ..) => "embedded",
            (false, true, _) => "redis answers",
            (false, false, Some(_)) => "redis answers, but counting is halted",
            (false, false, None) => "redis is away; visits are kept in the journal",
        }
    }

    /// How the event store stands; what it lacks is kept in the journal, so it is no obstacle either.
    fn store(&self) -> String {
        let shared = &self.shared;
        match (
            shared.config.store.enabled,
            shared.status.store_trouble(),
            &*shared.stored.load(),
        ) {
            (false, ..) => "off".into(),
            (true, Some(trouble), _) => format!("takes nothing; events wait in the journal: {trouble}"),
            (true, None, Some(_)) => "stores events".into(),
            (true, None, None) => "waits for the process before".into(),
        }
    }

    fn obstacles(&self) -> Vec<String> {
        let status = &self.shared.status;
        let simple = [
            (!(self.accepting)(), "the gateway is stopping"),
            (self.shared.log.is_sealed(), "a sync of the journal failed"),
            (self.shared.log.is_failing(), "the journal takes no writes"),
            (status.is_unreadable(), "the journal cannot be read"),
            (
                self.shared.log.is_spool_full(),
                "too much waits for the counters or the store",
            ),
            (
                self.shared.log.is_short(),
                "the disk is nearly full: visits are refused",
            ),
            (status.is_fenced(), "another gateway took over this data directory"),
            (
                status.is_evicting(),
                "Redis may evict counters: set maxmemory-policy to noeviction",
            ),
        ];
        let mut obstacles: Vec<_> = simple
            .into_iter()
            .filter(|(stands, _)| *stands)
            .map(|(_, text)| text.to_owned())
            .collect();
        obstacles.extend(status.halted());
        obstacles.extend(status.ephemeral().map(|file_system| {
            format!("the data directory is on {file_system}, where nothing lasts: see journal.allow_ephemeral")
        }));
        obstacles.extend(self.shared.beside().into_iter().flat_map(|resting| {
            let status = &resting.status;
            let fenced = status.is_fenced().then(|| "another gateway took it over".to_owned());
            let unreadable = status.is_unreadable().then(|| "its journal cannot be read".to_owned());
            let told = fenced.into_iter().chain(unreadable).chain(status.halted());
            told.map(|what| format!("the lane that rests: {what}"))
                .collect::<Vec<_>>()
        }));
        obstacles
    }
}
