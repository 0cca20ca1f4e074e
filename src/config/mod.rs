//! Configuration: one documented sub-struct a room, read once at start.
//!
//! Defaults stand in the structs, bounds at their fields. [`Config::load`] lays file, `.env`, environment and flags
//! over the defaults (each value keeps its origin), then checks everything once, so that no room checks again. This
//! room knows no other room: what a key does there is not its business. Whatever is wrong is told at once, with the
//! key, its value, its origin and what would be right; secrets are shown as `***` everywhere.

mod check;
mod directory;
mod doors;
mod edge;
mod environment;
mod events;
mod file;
mod ignored;
mod keeping;
pub mod keys;
mod load;
mod open;
mod operations;
mod problem;
mod query;
mod redis_url;
mod report;
mod setting;
mod sources;
mod store;
mod variables;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use directory::DirectoryConfig;
pub use doors::{GeoConfig, HttpConfig, LimitConfig};
pub use edge::EdgeConfig;
pub use environment::names;
pub use events::{AddressKeeping, EventsConfig};
pub use ignored::Ignored;
pub use keeping::{ApplyConfig, CountersConfig, Durability, JournalConfig, Secret};
pub use load::{Changed, Loaded};
pub use open::OpenConfig;
pub use operations::{AdminConfig, LogConfig, LogFormat, LogLevel};
pub use problem::{ConfigError, Problem};
pub use query::QueryConfig;
pub use sources::{Flag, Sources};
pub use store::StoreConfig;

/// Everything an operator can set; each room gets its own part.
#[derive(Debug, Clone, Default, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// Listeners, connections, deadlines.
    pub edge: EdgeConfig,
    /// Bodies, origins, reports.
    pub http: HttpConfig,
    /// What events may cost, and what is kept of who sent them.
    pub events: EventsConfig,
    /// Calls that need no credentials.
    pub open: OpenConfig,
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
    /// Events for questions about them.
    pub store: StoreConfig,
    /// Sites and keys.
    pub directory: DirectoryConfig,
    /// Questions about events.
    pub query: QueryConfig,
    /// Metrics and health.
    pub admin: AdminConfig,
    /// The gateway's own log.
    pub log: LogConfig,
}
