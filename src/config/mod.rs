//! Configuration: one documented sub-struct a room, read once at start.

mod doors;
mod edge;
mod keeping;
mod operations;

use schemars::JsonSchema;
use serde::Deserialize;

pub use doors::{GeoConfig, HttpConfig, LimitConfig};
pub use edge::EdgeConfig;
pub use keeping::{ApplyConfig, CountersConfig, Durability, JournalConfig, Secret};
pub use operations::{AdminConfig, LogConfig, LogFormat, LogLevel};

/// Everything an operator can set; each room gets its own part.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// Listeners, connections, deadlines.
    pub edge: EdgeConfig,
    /// Bodies, origins, reports.
    pub http: HttpConfig,
    /// Requests an address may make.
    pub limit: LimitConfig,
    /// Countries of addresses.
    pub geo: GeoConfig,
    /// The log of visits.
    pub journal: JournalConfig,
    /// Duplicates.
    pub apply: ApplyConfig,
    /// Totals.
    pub counters: CountersConfig,
    /// Metrics and health.
    pub admin: AdminConfig,
    /// The gateway's own log.
    pub log: LogConfig,
}
