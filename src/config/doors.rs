//! `[http]`, `[limit]` and `[geo]`: what is asked of a request before it is kept.

use std::path::PathBuf;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Request bodies and cross-origin answers.
#[derive(Debug, Clone, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct HttpConfig {
    /// Largest body of a visits call, in bytes; more is answered `413`.
    #[schemars(range(min = 1, max = 67_108_864))]
    pub body_bytes_max: usize,
    /// Origins that may read answers; `*` allows every origin.
    pub allowed_origins: Vec<String>,
    /// Smallest report, in bytes, that is compressed for clients that ask for it.
    pub compress_bytes_min: usize,
    /// Greatest age of the counters in a report, in milliseconds; the gateway's own visits are always in it.
    #[schemars(range(max = 86_400_000))]
    pub report_age_ms_max: u64,
}

impl Default for HttpConfig {
    fn default() -> Self {
        Self {
            body_bytes_max: 10_240,
            allowed_origins: vec!["*".into()],
            compress_bytes_min: 1_024,
            report_age_ms_max: 500,
        }
    }
}

/// Requests a client address may make.
#[derive(Debug, Clone, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct LimitConfig {
    /// Requests an address may make within a window; `0` switches the limit off.
    pub max: u32,
    /// The window, in milliseconds; a used-up allowance refills evenly over it.
    #[schemars(range(min = 1, max = 86_400_000))]
    pub window_ms: u64,
    /// Requests with events but without a key that an address may make within the window; `0` switches that limit
    /// off. Many customers of a shop may share an address.
    pub keyless_max: u32,
    /// Requests to register, and to revoke or replace keys, that an address may make within the window; `0` switches
    /// that limit off.
    pub accounts_max: u32,
    /// Addresses remembered apart; beyond, new ones share the allowance of their /24 or /48.
    #[schemars(range(min = 1, max = 100_000_000))]
    pub addresses_max: usize,
    /// Time between two sweeps of addresses that have their whole allowance again, in milliseconds.
    #[schemars(range(min = 1, max = 86_400_000))]
    pub sweep_ms: u64,
    /// Send `RateLimit-Limit`, `-Remaining`, `-Reset` and their `X-RateLimit-` twins on every limited answer.
    pub legacy_headers: bool,
}

impl Default for LimitConfig {
    fn default() -> Self {
        Self {
            max: 100,
            window_ms: 60_000,
            keyless_max: 3_000,
            accounts_max: 60,
            addresses_max: 1_000_000,
            sweep_ms: 30_000,
            legacy_headers: false,
        }
    }
}

/// Where countries of client addresses come from.
#[derive(Debug, Clone, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct GeoConfig {
    /// A MaxMind database (`.mmdb`) with countries; see GeoLite2-README.md. Without one every country is unknown.
    #[schemars(extend("format" = "path"))]
    pub database: Option<PathBuf>,
    /// Keep region and city of an event, too, if the database has them.
    pub region_and_city: bool,
    /// Time between two looks at whether the database file changed, in milliseconds.
    #[schemars(range(min = 1, max = 86_400_000))]
    pub reload_ms: u64,
    /// A header in which a trusted proxy names the client's country, such as `CF-IPCountry`.
    pub country_header: Option<String>,
}

impl Default for GeoConfig {
    fn default() -> Self {
        Self {
            database: None,
            region_and_city: true,
            reload_ms: 10_000,
            country_header: None,
        }
    }
}
