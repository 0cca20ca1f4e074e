//! What became of visits and events: for each, `received` equals the sum of all outcomes.

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeLabelSet, EncodeMetric};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::registry::Registry;

use crate::outcome::{REASONS, Reason};

/// Things received, by their outcome.
#[derive(Debug, Default)]
pub struct Outcomes {
    /// How many clients wanted to have counted.
    pub received: Counter,
    /// Kept.
    pub kept: Counter,
    /// Duplicates of a kept one.
    pub duplicates: Counter,
    refused: Refused,
}

/// What the figures of one kind mean.
pub(super) struct Texts {
    received: &'static str,
    kept: &'static str,
    duplicates: &'static str,
    refused: &'static str,
}

pub(super) const VISITS: Texts = Texts {
    received: "Calls that wanted to count a visit",
    kept: "Visits kept",
    duplicates: "Visits that were duplicates of a kept one",
    refused: "Visits not kept, by reason",
};

pub(super) const EVENTS: Texts = Texts {
    received: "Events received; a request that is refused before its events are read counts as one",
    kept: "Events kept",
    duplicates: "Events that were duplicates of a kept one",
    refused: "Events not kept, by reason",
};

/// A counter a reason, made at start so that counting needs no look-up by label.
#[derive(Debug, Clone)]
pub(super) struct Refused([Counter; REASONS.len()]);

/// The label of a refusal.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ReasonLabel {
    reason: &'static str,
}

impl Outcomes {
    /// Notes some that were not kept.
    pub fn count_refused(&self, reason: Reason, number: u64) {
        self.refused.count(reason, number);
    }

    pub(super) fn register(&self, registry: &mut Registry, texts: &Texts) {
        registry.register("received", texts.received, self.received.clone());
        registry.register("kept", texts.kept, self.kept.clone());
        registry.register("duplicates", texts.duplicates, self.duplicates.clone());
        self.refused.register(registry, texts.refused);
    }
}

impl Default for Refused {
    fn default() -> Self {
        Self(REASONS.each_ref().map(|_| Counter::default()))
    }
}

impl Refused {
    pub(super) fn count(&self, reason: Reason, number: u64) {
        if let Some(counter) = self.0.get(reason as usize) {
            counter.inc_by(number);
        }
    }

    pub(super) fn register(&self, registry: &mut Registry, help: &'static str) {
        let refused = self.clone();
        registry.register_collector(Box::new(RefusedCollector { help, refused }));
    }
}

/// Renders the counters of all reasons as one family.
#[derive(Debug)]
struct RefusedCollector {
    help: &'static str,
    refused: Refused,
}

impl Collector for RefusedCollector {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), std::fmt::Error> {
        let mut family = encoder.encode_descriptor("refused", self.help, None, MetricType::Counter)?;
        for (row, counter) in REASONS.iter().zip(&self.refused.0) {
            let label = ReasonLabel { reason: row.code };
            counter.encode(family.encode_family(&label)?)?;
        }
        Ok(())
    }
}
