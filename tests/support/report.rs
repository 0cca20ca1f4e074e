//! Counts by country, from a report or from Redis, and figures of the metrics.

use std::collections::BTreeMap;

use super::gateway::Gateway;

/// Counts by country (or event name).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Report(pub BTreeMap<String, u64>);

impl Report {
    /// Reads the JSON object of `GET /api/v1/stats`.
    #[track_caller]
    pub fn parse(body: &[u8]) -> Self {
        Self(serde_json::from_slice(body).unwrap_or_else(|error| panic!("{error}: {}", String::from_utf8_lossy(body))))
    }

    /// Reads what `redis-cli HGETALL` prints: a field and its value in turn, a line each.
    #[track_caller]
    pub fn parse_hash(printed: &str) -> Self {
        let lines: Vec<&str> = printed.split_whitespace().collect();
        Self(
            lines
                .chunks(2)
                .map(|pair| (pair[0].to_owned(), pair[1].parse().unwrap()))
                .collect(),
        )
    }

    /// A country's count; zero when it has none.
    pub fn of(&self, country: &str) -> u64 {
        self.0.get(country).copied().unwrap_or(0)
    }

    /// All counts together.
    pub fn sum(&self) -> u64 {
        self.0.values().sum()
    }
}

/// A figure of the admin listener's metrics, by its full name with labels.
#[track_caller]
pub fn metric(gateway: &Gateway, name: &str) -> u64 {
    let text = gateway.admin_client().get("/metrics").text();
    let value = text
        .lines()
        .find_map(|line| line.strip_prefix(name)?.strip_prefix(' ')?.parse().ok());
    value.unwrap_or_else(|| panic!("no {name} in\n{text}"))
}
