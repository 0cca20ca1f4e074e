//! `[events]`: what an event may cost, and what is kept of who sent it.

use std::path::PathBuf;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// How much of a client's address is kept with an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum AddressKeeping {
    /// All of it.
    Keep,
    /// The network it is in: IPv4 to /24, IPv6 to /64.
    Cut,
    /// Nothing.
    Drop,
}

/// Events: sizes, times, and who may send them.
#[derive(Debug, Clone, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct EventsConfig {
    /// Take events without a key whose domain belongs to no site; they are kept for the default site.
    pub open: bool,
    /// Largest body as it is sent, in bytes; more is answered `413 body_too_large`.
    #[schemars(range(min = 1, max = 67_108_864))]
    pub body_bytes_max: usize,
    /// Most bytes of bodies that may be on their way at once; beyond, requests are refused with `503 overloaded`.
    #[schemars(range(min = 65_536))]
    pub bodies_bytes_max: usize,
    /// Largest body when it is decompressed, in bytes; more is answered `413 decompressed_too_large`.
    #[schemars(range(min = 1, max = 268_435_456))]
    pub decompressed_bytes_max: usize,
    /// How many times larger than sent a body of more than 64 KiB may become when it is decompressed.
    #[schemars(range(min = 1, max = 10_000))]
    pub decompressed_ratio_max: usize,
    /// Most events of a request; more are answered `413 too_many_events`.
    #[schemars(range(min = 1, max = 100_000))]
    pub batch_max: usize,
    /// Largest event as it is kept, in bytes; a larger one is rejected.
    #[schemars(range(min = 1_024, max = 1_048_576))]
    pub event_bytes_max: usize,
    /// Largest `properties` and largest `items` of an event, in bytes.
    #[schemars(range(min = 2, max = 1_048_576))]
    pub properties_bytes_max: usize,
    /// Most keys of an event's `properties`, and of its `items`, those of nested objects included.
    #[schemars(range(min = 1, max = 10_000))]
    pub properties_keys_max: usize,
    /// How deep `properties` and `items` may nest; a flat object is 1.
    #[schemars(range(min = 1, max = 28))]
    pub properties_depth_max: usize,
    /// Names of events that a site has counters for; events with later names count as `__other__`. Senders without a
    /// key can bring in names up to half of it.
    #[schemars(range(min = 1, max = 1_000_000))]
    pub names_max: usize,
    /// How long before it is received an event may have happened, in milliseconds; older ones are moved there.
    #[schemars(range(max = 31_536_000_000_u64))]
    pub late_ms_max: u64,
    /// How long after it is received an event may claim to have happened, in milliseconds; later ones are moved there.
    #[schemars(range(max = 86_400_000))]
    pub early_ms_max: u64,
    /// What is kept of a client's address: `keep` all, `cut` to /24 or /64, or `drop`.
    pub address: AddressKeeping,
    /// What is kept of a `User-Agent`, in bytes; longer ones are cut.
    #[schemars(range(min = 64, max = 2_048))]
    pub user_agent_bytes_max: usize,
    /// A file of networks in which no people are, such as those of data centres: a network a line, and behind a space the
    /// name of its list. Their events are kept as those of bots. Read at the start.
    #[schemars(extend("format" = "path"))]
    pub bot_networks: Option<PathBuf>,
    /// Honour `DNT: 1` (Do Not Track): events of such a request are kept and counted in nobody's name, without visitor,
    /// user, session and address.
    pub honour_dnt: bool,
    /// Honour `Sec-GPC: 1` (Global Privacy Control) in the same way.
    pub honour_gpc: bool,
}

impl Default for EventsConfig {
    fn default() -> Self {
        Self {
            open: true,
            body_bytes_max: 1 << 20,
            bodies_bytes_max: 256 << 20,
            decompressed_bytes_max: 8 << 20,
            decompressed_ratio_max: 100,
            batch_max: 1_000,
            event_bytes_max: 64 << 10,
            properties_bytes_max: 32 << 10,
            properties_keys_max: 256,
            properties_depth_max: 6,
            names_max: 10_000,
            late_ms_max: 7 * 24 * 3_600_000,
            early_ms_max: 60_000,
            address: AddressKeeping::Cut,
            user_agent_bytes_max: 512,
            bot_networks: None,
            honour_dnt: false,
            honour_gpc: false,
        }
    }
}
