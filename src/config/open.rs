//! `[open]`: calls that need no credentials, since clients that exist have none.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Calls that anyone may make.
#[derive(Debug, Clone, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct OpenConfig {
    /// Anyone may register an app (`POST /api/auth/register`): a site with a key of its own.
    pub register: bool,
    /// Who shows a key in a body may revoke it or have it replaced (`POST /api/auth/revoke`, `…/regenerate`).
    pub revoke: bool,
    /// Take page views and pings of the sessions calls (`/tracking`, `/ping`), and answer `/stats` and
    /// `/stats/sessions`.
    pub sessions: bool,
}

impl Default for OpenConfig {
    fn default() -> Self {
        Self {
            register: true,
            revoke: true,
            sessions: true,
        }
    }
}
