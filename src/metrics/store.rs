//! The figures of the event store.

use std::sync::atomic::AtomicU64;

use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::{Registry, Unit};

/// Events for questions.
#[derive(Debug, Default)]
pub struct StoreMetrics {
    /// Events written since the start.
    pub written: Counter,
    /// Events kept.
    pub events: Gauge,
    /// Events that were older than what is kept.
    pub dropped: Counter,
    /// Erasures carried out.
    pub erasures: Counter,
    /// Sessions that were open at the last commit.
    pub sessions: Gauge,
    /// Sessions that ended only because too many were open.
    pub sessions_cut: Counter,
    /// Commits.
    pub commits: Counter,
    /// Times the store failed and was opened again.
    pub failures: Counter,
    /// Parts found damaged or gone.
    pub damages: Counter,
    /// The last sequence committed.
    pub cursor: Gauge<u64, AtomicU64>,
    /// Frames between the last committed one and the log's head.
    pub lag: Gauge,
    /// Size on disk.
    pub disk_bytes: Gauge,
    /// 1 while the store takes events.
    pub up: Gauge,
}

impl StoreMetrics {
    pub(super) fn register(&self, registry: &mut Registry) {
        registry.register(
            "written_events",
            "Events written to the store since the start",
            self.written.clone(),
        );
        registry.register("events", "Events in the store", self.events.clone());
        registry.register(
            "dropped_events",
            "Events not stored because they are older than what is kept",
            self.dropped.clone(),
        );
        registry.register("erasures", "Erasures carried out", self.erasures.clone());
        registry.register("open_sessions", "Sessions that may go on", self.sessions.clone());
        registry.register(
            "cut_sessions",
            "Sessions ended only because too many were open (store.sessions_max)",
            self.sessions_cut.clone(),
        );
        registry.register("commits", "Commits of the store", self.commits.clone());
        registry.register(
            "failures",
            "Times the store failed and was opened again",
            self.failures.clone(),
        );
        registry.register(
            "damages",
            "Parts of the store found damaged or gone, which are made again from the journal",
            self.damages.clone(),
        );
        registry.register(
            "cursor",
            "The last sequence whose event can be asked about",
            self.cursor.clone(),
        );
        registry.register(
            "lag_frames",
            "Frames in the journal that the store has yet to take",
            self.lag.clone(),
        );
        registry.register_with_unit(
            "disk",
            "Size of the store on disk",
            Unit::Bytes,
            self.disk_bytes.clone(),
        );
        registry.register("up", "1 while the store takes events", self.up.clone());
    }
}
