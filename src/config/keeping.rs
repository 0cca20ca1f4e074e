//! `[journal]`, `[apply]` and `[counters]`: how visits are kept and counted.

use std::fmt;
use std::path::PathBuf;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What a `2xx` promises: how far a visit has come when it is answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Durability {
    /// Handed to the operating system: survives the death of the gateway, not a power cut.
    Os,
    /// On disk (`fdatasync`): survives a power cut too.
    Disk,
    /// On disk, and visible in the counters.
    Applied,
}

impl Durability {
    /// The mode's name as the configuration and `X-Durability` spell it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Os => "os",
            Self::Disk => "disk",
            Self::Applied => "applied",
        }
    }
}

/// The log that every visit is written to before it is answered.
#[derive(Debug, Clone, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct JournalConfig {
    /// The data directory: two lanes, each with journal, counters and identity. One gateway a directory.
    #[schemars(extend("format" = "path"))]
    pub data_dir: PathBuf,
    /// What a `2xx` promises: `os`, `disk` or `applied`.
    pub durability: Durability,
    /// Size at which a segment file is closed and the next begun, in bytes.
    #[schemars(range(min = 1_048_576, max = 4_294_967_295_u64))]
    pub segment_bytes: u64,
    /// Bytes of visits that may wait to be counted; beyond, visits are refused with `503 spool_full`.
    #[schemars(range(min = 4_096))]
    pub spool_bytes_max: u64,
    /// Bytes of counted segments kept for a Redis that goes back in time.
    pub keep_bytes: u64,
    /// Age up to which counted segments are kept for a Redis that goes back in time, in milliseconds, within
    /// `keep_bytes`.
    #[schemars(range(max = 31_536_000_000_u64))]
    pub keep_ms: u64,
    /// Time between two syncs in `os` mode, in milliseconds.
    #[schemars(range(min = 1, max = 86_400_000))]
    pub os_sync_ms: u64,
    /// Longest wait for the counters in `applied` mode, in milliseconds; then the answer is that of `disk`.
    #[schemars(range(min = 1, max = 86_400_000))]
    pub applied_wait_ms: u64,
    /// Most bytes that may wait for one sync; beyond, visits are refused with `503 overloaded`.
    #[schemars(range(min = 4_096))]
    pub pending_bytes_max: usize,
    /// Bytes that must be free on the data directory's file system; below, visits are refused with `503 disk_full`.
    pub free_bytes_min: u64,
    /// Size of a file set aside so that a start finds room on a full disk: best that of a segment; 0: none.
    #[schemars(range(max = 4_294_967_295_u64))]
    pub reserve_bytes: u64,
    /// Time between two looks at the room left, in milliseconds.
    #[schemars(range(min = 1, max = 86_400_000))]
    pub space_look_ms: u64,
    /// Be ready even when nothing on the data directory's file system lasts (tmpfs, ramfs, a container's overlay).
    pub allow_ephemeral: bool,
}

impl Default for JournalConfig {
    fn default() -> Self {
        Self {
            data_dir: PathBuf::from("./data"),
            durability: Durability::Disk,
            segment_bytes: 64 << 20,
            spool_bytes_max: 4 << 30,
            keep_bytes: 1 << 30,
            keep_ms: 24 * 3_600_000,
            os_sync_ms: 5,
            applied_wait_ms: 1_000,
            pending_bytes_max: 64 << 20,
            free_bytes_min: 64 << 20,
            reserve_bytes: 64 << 20,
            space_look_ms: 250,
            allow_ephemeral: false,
        }
    }
}

/// The one ordered consumer of the log.
#[derive(Debug, Clone, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct ApplyConfig {
    /// Time for which an `Idempotency-Key` is remembered, in milliseconds: until the gateway's clock has run on by so much
    /// since it came, also from a time to which it was set back.
    #[schemars(range(min = 1, max = 3_600_000))]
    pub window_ms: u64,
    /// Bytes of counted segments kept, beyond those of `journal.keep_bytes`, so that a restart finds the keys of
    /// `window_ms` again, and a Redis that goes back in time is told the same.
    pub window_bytes_max: u64,
    /// Most idempotency keys remembered.
    #[schemars(range(min = 1, max = 10_000_000))]
    pub window_ids_max: usize,
    /// Longest wait of a visit with an `Idempotency-Key` for the word whether it counts, in milliseconds; then it is
    /// answered `500 durability_unknown`.
    #[schemars(range(min = 1, max = 86_400_000))]
    pub answer_ms_max: u64,
}

impl Default for ApplyConfig {
    fn default() -> Self {
        Self {
            window_ms: 3_600_000,
            window_bytes_max: 1 << 30,
            window_ids_max: 1_000_000,
            answer_ms_max: 10_000,
        }
    }
}

/// Where totals live: embedded (SQLite in the data directory) or Redis.
#[derive(Debug, Clone, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct CountersConfig {
    /// `redis://` or `rediss://` URL of a Redis 7+ or Valkey; without one the embedded counters serve.
    pub redis_url: Option<Secret>,
    /// Longest time visits wait before they are sent to the counters, in milliseconds.
    #[schemars(range(min = 1, max = 86_400_000))]
    pub flush_ms: u64,
    /// Longest wait for a reply of Redis, in milliseconds; then the connection is dropped.
    #[schemars(range(min = 1, max = 86_400_000))]
    pub redis_timeout_ms: u64,
    /// Longest pause between two attempts to reach Redis, in milliseconds.
    #[schemars(range(min = 1, max = 86_400_000))]
    pub reconnect_ms_max: u64,
    /// Connections of the pool for reads.
    #[schemars(range(min = 1, max = 1_024))]
    pub pool_size: usize,
    /// Time between two durable writes of the embedded counters, in milliseconds.
    #[schemars(range(min = 1, max = 86_400_000))]
    pub persist_ms: u64,
    /// Be ready even when Redis may evict keys (`maxmemory-policy` other than `noeviction`).
    pub allow_eviction: bool,
}

impl Default for CountersConfig {
    fn default() -> Self {
        Self {
            redis_url: None,
            flush_ms: 50,
            redis_timeout_ms: 2_000,
            reconnect_ms_max: 1_000,
            pool_size: 4,
            persist_ms: 1_000,
            allow_eviction: false,
        }
    }
}

/// A text that no log, error or report shows: it prints and serialises as `***`.
#[derive(Clone, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(transparent)]
#[schemars(extend("writeOnly" = true))]
pub struct Secret(String);

impl Secret {
    /// Wraps a text that must not be shown.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The text itself, for the one place that needs it.
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

impl Serialize for Secret {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str("***")
    }
}
