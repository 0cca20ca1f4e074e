//! `[directory]`: sites and keys.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Sites and keys: in the data directory, or in Redis where there is one.
#[derive(Debug, Clone, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct DirectoryConfig {
    /// Time between two looks at what other processes changed, in milliseconds: so late a revoked key is refused.
    #[schemars(range(min = 1, max = 5_000))]
    pub refresh_ms: u64,
    /// Most sites.
    #[schemars(range(min = 1, max = 100_000))]
    pub sites_max: usize,
    /// Most sites that were registered over HTTP: beyond, only operators add some.
    #[schemars(range(min = 1, max = 100_000))]
    pub registered_max: usize,
    /// Most keys of all sites together.
    #[schemars(range(min = 1, max = 200_000))]
    pub keys_max: usize,
    /// Most domains of a site.
    #[schemars(range(min = 1, max = 1_000))]
    pub domains_max: usize,
    /// What new keys begin with: letters, digits, `-` and `_`. Keys made before stay good.
    pub key_prefix: String,
}

impl Default for DirectoryConfig {
    fn default() -> Self {
        Self {
            refresh_ms: 500,
            sites_max: 10_000,
            registered_max: 5_000,
            keys_max: 20_000,
            domains_max: 100,
            key_prefix: "ak_live".into(),
        }
    }
}
