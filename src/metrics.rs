//! What the gateway measures about itself: one struct a room, one registry.
//!
//! Names are `footfall_<room>_<noun>_<unit>_total`; `docs/metrics.md` is drawn from the help texts given here.

mod outcomes;
mod query;
mod store;

use std::sync::atomic::AtomicU64;

use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::{Registry, Unit};

pub use outcomes::Outcomes;
pub use query::QueryMetrics;
pub use store::StoreMetrics;

/// Every figure of one gateway.
#[derive(Debug)]
pub struct Metrics {
    registry: Registry,
    /// Connections.
    pub edge: EdgeMetrics,
    /// Visits and what became of them.
    pub visits: Outcomes,
    /// Events and what became of them.
    pub events: Outcomes,
    /// The log.
    pub journal: JournalMetrics,
    /// Totals.
    pub counters: CountersMetrics,
    /// Events for questions.
    pub store: StoreMetrics,
    /// The limiter.
    pub limit: LimitMetrics,
    /// Sites and keys.
    pub directory: DirectoryMetrics,
    /// Questions about events.
    pub query: QueryMetrics,
}

/// Connections of the main listeners.
#[derive(Debug, Default)]
pub struct EdgeMetrics {
    /// Open connections.
    pub connections: Gauge,
    /// Accepted connections.
    pub accepted: Counter,
    /// Connections closed at once because a cap was reached.
    pub refused: Counter,
    /// Connections closed because a deadline passed.
    pub expired: Counter,
    /// Connections closed because a PROXY header was missing or broken.
    pub unproxied: Counter,
}

/// The log.
#[derive(Debug)]
pub struct JournalMetrics {
    /// Frames written.
    pub frames: Counter,
    /// Bytes written.
    pub bytes: Counter,
    /// Time of each sync, in seconds.
    pub sync_seconds: Histogram,
    /// Bytes of segments on disk.
    pub disk_bytes: Gauge,
    /// Bytes of frames not yet applied to the counters.
    pub spool_bytes: Gauge,
    /// Damaged stretches found while reading.
    pub damages: Counter,
}

/// Totals.
#[derive(Debug, Default)]
pub struct CountersMetrics {
    /// Commits sent to the counters.
    pub commits: Counter,
    /// Commits that Redis had already applied.
    pub duplicates: Counter,
    /// Times Redis was found to have gone back in time.
    pub gaps: Counter,
    /// Times Redis was found empty.
    pub losses: Counter,
    /// Times this gateway went on under a new name, since another process had claimed its own.
    pub renames: Counter,
    /// Times this gateway let the counters in Redis begin anew.
    pub renewals: Counter,
    /// Failed calls to Redis.
    pub failures: Counter,
    /// 1 while Redis answers (always 1 when embedded).
    pub up: Gauge,
    /// The last sequence applied to the counters.
    pub applied_sequence: Gauge<u64, AtomicU64>,
}

/// The limiter.
#[derive(Debug, Default)]
pub struct LimitMetrics {
    /// Requests refused.
    pub refused: Counter,
    /// Addresses remembered.
    pub addresses: Gauge,
}

/// Sites and keys.
#[derive(Debug, Default)]
pub struct DirectoryMetrics {
    /// Sites known, the default one among them.
    pub sites: Gauge,
    /// Keys known, expired ones among them.
    pub keys: Gauge,
    /// 1 while changes that other processes make can be seen.
    pub up: Gauge,
    /// Looks at the directory that failed.
    pub failures: Counter,
}

impl Default for JournalMetrics {
    fn default() -> Self {
        let bounds = [
            0.000_05, 0.000_1, 0.000_2, 0.000_5, 0.001, 0.002, 0.005, 0.01, 0.05, 0.2, 1.0,
        ];
        Self {
            frames: Counter::default(),
            bytes: Counter::default(),
            sync_seconds: Histogram::new(bounds),
            disk_bytes: Gauge::default(),
            spool_bytes: Gauge::default(),
            damages: Counter::default(),
        }
    }
}

impl Default for Metrics {
    fn default() -> Self {
        let mut metrics = Self {
            registry: Registry::with_prefix("footfall"),
            edge: EdgeMetrics::default(),
            visits: Outcomes::default(),
            events: Outcomes::default(),
            journal: JournalMetrics::default(),
            counters: CountersMetrics::default(),
            store: StoreMetrics::default(),
            limit: LimitMetrics::default(),
            directory: DirectoryMetrics::default(),
            query: QueryMetrics::default(),
        };
        metrics.register();
        metrics
    }
}

impl Metrics {
    /// All figures in the OpenMetrics text format.
    pub fn render(&self) -> String {
        let mut text = String::new();
        // Writing to a string cannot fail.
        let _ = encode(&mut text, &self.registry);
        text
    }

    fn register(&mut self) {
        let registry = &mut self.registry;
        self.edge.register(registry.sub_registry_with_prefix("edge"));
        self.visits
            .register(registry.sub_registry_with_prefix("visits"), &outcomes::VISITS);
        self.events
            .register(registry.sub_registry_with_prefix("events"), &outcomes::EVENTS);
        self.journal.register(registry.sub_registry_with_prefix("journal"));
        self.counters.register(registry.sub_registry_with_prefix("counters"));
        self.store.register(registry.sub_registry_with_prefix("store"));
        self.limit.register(registry.sub_registry_with_prefix("limit"));
        self.directory.register(registry.sub_registry_with_prefix("directory"));
        self.query.register(registry.sub_registry_with_prefix("query"));
    }
}

impl EdgeMetrics {
    fn register(&self, registry: &mut Registry) {
        registry.register("connections", "Open connections", self.connections.clone());
        registry.register("accepted_connections", "Accepted connections", self.accepted.clone());
        registry.register(
            "refused_connections",
            "Connections closed at once because a cap was reached",
            self.refused.clone(),
        );
        registry.register(
            "expired_connections",
            "Connections closed because a deadline passed",
            self.expired.clone(),
        );
        registry.register(
            "unproxied_connections",
            "Connections closed because a PROXY header was missing or broken",
            self.unproxied.clone(),
        );
    }
}

impl JournalMetrics {
    fn register(&self, registry: &mut Registry) {
        registry.register("frames", "Frames written", self.frames.clone());
        registry.register_with_unit("written", "Bytes written", Unit::Bytes, self.bytes.clone());
        registry.register_with_unit("sync", "Time of each sync", Unit::Seconds, self.sync_seconds.clone());
        registry.register_with_unit(
            "disk",
            "Size of the segments on disk",
            Unit::Bytes,
            self.disk_bytes.clone(),
        );
        registry.register_with_unit(
            "spool",
            "Frames not yet applied to the counters",
            Unit::Bytes,
            self.spool_bytes.clone(),
        );
        registry.register("damages", "Damaged stretches found while reading", self.damages.clone());
    }
}

impl CountersMetrics {
    fn register(&self, registry: &mut Registry) {
        registry.register("commits", "Commits sent to the counters", self.commits.clone());
        registry.register(
            "duplicate_commits",
            "Commits that Redis had already applied",
            self.duplicates.clone(),
        );
        registry.register(
            "gaps",
            "Times Redis was found to have gone back in time",
            self.gaps.clone(),
        );
        registry.register("losses", "Times Redis was found empty", self.losses.clone());
        registry.register(
            "renames",
            "Times this gateway went on under a new name, since another process had claimed its own",
            self.renames.clone(),
        );
        registry.register(
            "renewals",
            "Times this gateway let the counters in Redis begin anew",
            self.renewals.clone(),
        );
        registry.register("failures", "Failed calls to Redis", self.failures.clone());
        registry.register("up", "1 while the counters answer", self.up.clone());
        registry.register(
            "applied_sequence",
            "The last sequence applied to the counters",
            self.applied_sequence.clone(),
        );
    }
}

impl LimitMetrics {
    fn register(&self, registry: &mut Registry) {
        registry.register(
            "refused_requests",
            "Requests refused by the limit",
            self.refused.clone(),
        );
        registry.register("addresses", "Addresses remembered", self.addresses.clone());
    }
}

impl DirectoryMetrics {
    fn register(&self, registry: &mut Registry) {
        registry.register("sites", "Sites known, the default one among them", self.sites.clone());
        registry.register("keys", "Keys known, expired ones among them", self.keys.clone());
        registry.register(
            "up",
            "1 while changes of sites and keys that other processes make can be seen",
            self.up.clone(),
        );
        registry.register("failures", "Looks at sites and keys that failed", self.failures.clone());
    }
}
