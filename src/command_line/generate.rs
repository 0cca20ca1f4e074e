//! What `footfall generate` takes.

use clap::Args;
use jiff::Timestamp;

/// How much traffic, when, and where to.
#[derive(Debug, Clone, PartialEq, Eq, Args)]
pub struct GenerateOptions {
    /// The gateway to send to, such as `http://localhost:3030`; without it events are written to standard output, a line each.
    #[arg(long, value_name = "URL")]
    pub to: Option<String>,
    /// A write key; without one gateways leave countries, addresses and user agents of events alone.
    #[arg(long, requires = "to", env = "FOOTFALL_GENERATE_KEY", hide_env_values = true)]
    pub key: Option<String>,
    /// The same seed makes the same traffic.
    #[arg(long, default_value_t = 1)]
    pub seed: u64,
    /// How many events; 1,000 if neither this nor `--seconds` is given.
    #[arg(long, value_parser = clap::value_parser!(u64).range(1..))]
    pub events: Option<u64>,
    /// For how long to send.
    #[arg(long, requires = "to", conflicts_with_all = ["events", "days"], value_parser = clap::value_parser!(u64).range(1..=86_400))]
    pub seconds: Option<u64>,
    /// Events to send a second, such as `500` or `500/s`; without it as fast as the gateway takes them.
    #[arg(long, requires = "to", value_name = "N/s", value_parser = rate)]
    pub rate: Option<u64>,
    /// Spread the events over so many days, up to `--until`; without it they happen when they are sent, or in the last 7 days.
    #[arg(long, value_parser = clap::value_parser!(u64).range(1..=3_650))]
    pub days: Option<u64>,
    /// When the days end, such as `2026-11-01T00:00:00Z`; now if it is not given.
    #[arg(long, value_name = "TIME")]
    pub until: Option<Timestamp>,
    /// Events of a request.
    #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u64).range(1..=100_000))]
    pub batch: u64,
    /// Requests on their way at once.
    #[arg(long, default_value_t = 4, value_parser = clap::value_parser!(u16).range(1..=4_096))]
    pub connections: u16,
    /// Give the events no ids; a batch whose answer is lost is then not sent again.
    #[arg(long)]
    pub without_ids: bool,
    /// Print what became of the events as JSON.
    #[arg(long, requires = "to")]
    pub json: bool,
}

/// Events a second.
fn rate(text: &str) -> Result<u64, String> {
    let number = text.strip_suffix("/s").unwrap_or(text);
    let rate = number.parse().ok().filter(|rate| (1..=10_000_000).contains(rate));
    rate.ok_or_else(|| "it is a number of events a second, from 1 to 10000000".into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates_may_say_that_they_are_by_the_second() {
        assert_eq!(rate("500/s"), Ok(500));
        assert_eq!(rate("500"), Ok(500));
        for wrong in ["", "0", "-1", "500/m", "1e3"] {
            assert!(rate(wrong).is_err(), "{wrong}");
        }
    }
}
