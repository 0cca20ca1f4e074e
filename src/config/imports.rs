//! `[imports]`: what importing may cost.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Imports: how many, and how much at once.
#[derive(Debug, Clone, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct ImportsConfig {
    /// Imports that can be begun, of all sites together; each is remembered for good. One more is refused with
    /// `409 imports_full`.
    #[schemars(range(min = 1, max = 1_000_000))]
    pub imports_max: usize,
    /// Most lines of a request; more are answered `413 too_many_events`.
    #[schemars(range(min = 1, max = 100_000))]
    pub lines_max: usize,
    /// Largest body of a request, in bytes; more is answered `413 body_too_large`.
    #[schemars(range(min = 1_024, max = 67_108_864))]
    pub body_bytes_max: usize,
}

impl Default for ImportsConfig {
    fn default() -> Self {
        Self {
            imports_max: 10_000,
            lines_max: 5_000,
            body_bytes_max: 1 << 20,
        }
    }
}
