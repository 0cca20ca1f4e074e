//! `[points]`: events that earn their user points.

use std::path::PathBuf;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Points: what events are worth, and whether everybody may send them.
#[derive(Debug, Clone, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct PointsConfig {
    /// Take events of users at `/v1/users/events`, and tell their points there, without a key.
    pub open: bool,
    /// A YAML file with the points of each event type, such as the `points.yaml` that is shipped, which is in use without
    /// one.
    #[schemars(extend("format" = "path"))]
    pub path: Option<PathBuf>,
    /// Time between two looks at whether the file changed, in milliseconds.
    #[schemars(range(min = 1, max = 86_400_000))]
    pub reload_ms: u64,
}

impl Default for PointsConfig {
    fn default() -> Self {
        Self {
            open: true,
            path: None,
            reload_ms: 2_000,
        }
    }
}
