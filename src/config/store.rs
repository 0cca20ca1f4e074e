//! `[store]`: the events with all their columns, for questions about them.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Where events are kept so that they can be asked about: indexes of their own in the data directory.
#[derive(Debug, Clone, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct StoreConfig {
    /// Keep events for questions. Without it they are counted and nothing else; what the journal still has is stored when
    /// it is switched on again.
    pub enabled: bool,
    /// Days for which events are kept, by the time they happened; they go by whole months. 0: for ever.
    #[schemars(range(max = 36_500))]
    pub retention_days: u32,
    /// Time between two commits while few events come, in milliseconds: so late an event is seen by questions.
    #[schemars(range(min = 1, max = 60_000))]
    pub commit_ms: u64,
    /// Time between two commits while more than 5,000 events a second come, in milliseconds.
    #[schemars(range(min = 1, max = 600_000))]
    pub commit_busy_ms: u64,
    /// Time without events after which the memory for writing is let go, in milliseconds.
    #[schemars(range(min = 100, max = 86_400_000))]
    pub rest_ms: u64,
    /// Longest pause between two attempts to open a store that failed, in milliseconds.
    #[schemars(range(min = 1, max = 86_400_000))]
    pub retry_ms_max: u64,
    /// How long a stop waits for what is not stored yet, in milliseconds; the next start stores the rest.
    #[schemars(range(max = 600_000))]
    pub stop_ms_max: u64,
    /// Most months that are written to at once.
    #[schemars(range(min = 1, max = 24))]
    pub writers_max: usize,
    /// Memory for events of a month that are not committed yet, in bytes.
    #[schemars(range(min = 15_000_000, max = 4_000_000_000_u64))]
    pub writer_bytes: usize,
    /// Most different properties that can be asked about, a month; the values of others are kept and returned only.
    #[schemars(range(max = 100_000))]
    pub property_paths_max: usize,
    /// User agents whose meaning is remembered: browser, operating system, device, and whether that is a machine.
    #[schemars(range(min = 1, max = 10_000_000))]
    pub user_agents_max: usize,
    /// Most sessions that may go on at a time; with one more, the one whose visitor was away for longest ends. Each takes
    /// some 400 bytes of memory, and some 100 more for the sites of the sessions dialect.
    #[schemars(range(min = 1, max = 100_000_000))]
    pub sessions_max: usize,
    /// Threads that answer one question.
    #[schemars(range(min = 1, max = 64))]
    pub search_threads: usize,
    /// Most groups that one answer may be made of; more are refused.
    #[schemars(range(min = 1, max = 100_000_000))]
    pub groups_max: usize,
    /// Memory for what was counted of parts of the store that do not change any more, so that a question that comes again
    /// looks at new events only, in bytes.
    #[schemars(range(max = 4_000_000_000_u64))]
    pub partials_bytes_max: u64,
}

impl Default for StoreConfig {
    fn default() -> Self {
        Self {
            enabled: true,
            retention_days: 0,
            commit_ms: 700,
            commit_busy_ms: 4_000,
            rest_ms: 30_000,
            retry_ms_max: 5_000,
            stop_ms_max: 20_000,
            writers_max: 3,
            writer_bytes: 64_000_000,
            property_paths_max: 2_000,
            user_agents_max: 10_000,
            sessions_max: 300_000,
            search_threads: 2,
            groups_max: 1_000_000,
            partials_bytes_max: 48_000_000,
        }
    }
}
