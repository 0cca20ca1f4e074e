//! `[query]`: questions about events, and what answering them may cost.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Questions about events: threads, waiting, caching.
#[derive(Debug, Clone, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct QueryConfig {
    /// Threads that answer questions, apart from those that take events.
    #[schemars(range(min = 1, max = 64))]
    pub threads: usize,
    /// Questions that may wait for a thread; beyond, they are refused with `503 query_overloaded`.
    #[schemars(range(min = 1, max = 100_000))]
    pub waiting_max: usize,
    /// Longest time from a question to its answer, in milliseconds; then it is given up with `503 query_timeout`.
    #[schemars(range(min = 1, max = 600_000))]
    pub time_ms_max: u64,
    /// Largest question, in bytes; more is answered `413 body_too_large`.
    #[schemars(range(min = 256, max = 1_048_576))]
    pub body_bytes_max: usize,
    /// How long an answer about a time that is over is given again, in seconds; `0` switches all keeping of answers off.
    #[schemars(range(max = 86_400))]
    pub cache_ttl_seconds: u64,
    /// How long an answer about a time that reaches now is given again whatever comes, in milliseconds; one about days is
    /// given again for `cache_ttl_seconds` while no event is stored.
    #[schemars(range(max = 3_600_000))]
    pub cache_now_ms: u64,
    /// Memory of all answers that are kept to be given again, in bytes.
    #[schemars(range(max = 1_073_741_824))]
    pub cache_bytes_max: u64,
    /// Time without questions after which the memory for the next ones is let go, in milliseconds: what was counted of parts
    /// of the store, and answers that are too old to be given again. The first question after that takes longer.
    #[schemars(range(min = 100, max = 86_400_000))]
    pub rest_ms: u64,
    /// Most events of one page of a list.
    #[schemars(range(min = 1, max = 10_000))]
    pub list_max: usize,
}

impl Default for QueryConfig {
    fn default() -> Self {
        Self {
            threads: 2,
            waiting_max: 64,
            time_ms_max: 10_000,
            body_bytes_max: 64 << 10,
            cache_ttl_seconds: 60,
            cache_now_ms: 1_000,
            cache_bytes_max: 16 << 20,
            rest_ms: 30_000,
            list_max: 1_000,
        }
    }
}
