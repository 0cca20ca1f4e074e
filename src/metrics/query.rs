//! Questions about events, and how long their answers took.

use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::{Registry, Unit};

use super::outcomes::Refused;
use crate::outcome::Reason;

/// Questions about events: `received` equals the sum of what became of them.
#[derive(Debug)]
pub struct QueryMetrics {
    /// Questions received.
    pub received: Counter,
    /// Those that were answered by a look at the store.
    pub answered: Counter,
    /// Those that were answered with an answer that was there or under way.
    pub cached: Counter,
    /// Time from a question to its answer, in seconds.
    pub seconds: Histogram,
    refused: Refused,
}

impl Default for QueryMetrics {
    fn default() -> Self {
        let bounds = [0.001, 0.002, 0.005, 0.01, 0.02, 0.06, 0.15, 0.5, 1.0, 2.0, 5.0, 10.0];
        Self {
            received: Counter::default(),
            answered: Counter::default(),
            cached: Counter::default(),
            seconds: Histogram::new(bounds),
            refused: Refused::default(),
        }
    }
}

impl QueryMetrics {
    /// Notes a question that was not answered.
    pub fn count_refused(&self, reason: Reason) {
        self.refused.count(reason, 1);
    }

    pub(super) fn register(&self, registry: &mut Registry) {
        registry.register(
            "received",
            "Questions about events received, lists of events and deletions among them",
            self.received.clone(),
        );
        registry.register(
            "answered",
            "Questions answered by a look at the event store, and deletions kept",
            self.answered.clone(),
        );
        registry.register(
            "cached",
            "Questions answered with an answer that was there or under way",
            self.cached.clone(),
        );
        registry.register_with_unit(
            "answer",
            "Time from a question to its answer",
            Unit::Seconds,
            self.seconds.clone(),
        );
        self.refused.register(registry, "Questions not answered, by reason");
    }
}
