//! `[open]`: calls that need no credentials, since clients that exist have none.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Calls that anyone may make.
#[derive(Debug, Clone, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct OpenConfig {
    /// Take page views and pings of the sessions calls (`/tracking`, `/ping`), and answer `/stats` and
    /// `/stats/sessions`.
    pub sessions: bool,
}

impl Default for OpenConfig {
    fn default() -> Self {
        Self { sessions: true }
    }
}
