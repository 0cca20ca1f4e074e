//! What Redis has not got yet.

use std::sync::Arc;

use crate::event::{CounterHash, Deltas, Sequence};

/// Changes up to a sequence.
#[derive(Debug, Clone, Default)]
pub struct Batch {
    /// The last frame they come from.
    pub to: Sequence,
    /// The changes.
    pub deltas: Deltas,
    /// Bytes of their frames.
    pub bytes: u64,
}

/// Changes after the sequence Redis holds: one batch on its way, one gathering.
#[derive(Debug)]
pub struct Backlog {
    held: Sequence,
    sent: Option<Arc<Batch>>,
    waiting: Batch,
}

impl Backlog {
    /// For a Redis that holds everything up to `held` and lacks `waiting`.
    pub fn new(held: Sequence, waiting: Batch) -> Self {
        Self {
            held,
            sent: None,
            waiting,
        }
    }

    /// The sequence Redis holds.
    pub const fn held(&self) -> Sequence {
        self.held
    }

    /// Adds changes of frames after those in here.
    pub fn add(&mut self, to: Sequence, deltas: &Deltas, bytes: u64) {
        self.waiting.to = to;
        self.waiting.deltas.merge(deltas);
        self.waiting.bytes += bytes;
    }

    /// Takes what gathered as the batch to send; `None` if there is nothing or one is on its way.
    pub fn send(&mut self) -> Option<Arc<Batch>> {
        if self.sent.is_some() || self.waiting.to <= self.held {
            return None;
        }
        let batch = Arc::new(std::mem::take(&mut self.waiting));
        self.waiting.to = batch.to;
        self.sent = Some(batch.clone());
        Some(batch)
    }

    /// The sequence of the batch on its way.
    pub fn sent_to(&self) -> Option<Sequence> {
        self.sent.as_ref().map(|batch| batch.to)
    }

    /// Redis has the batch that was on its way; the bytes that no longer wait.
    pub fn arrived(&mut self) -> u64 {
        self.sent.take().map_or(0, |batch| {
            self.held = batch.to;
            batch.bytes
        })
    }

    /// Redis does not have the batch that was on its way: it gathers again.
    pub fn take_back(&mut self) {
        if let Some(batch) = self.sent.take() {
            self.waiting.deltas.merge(&batch.deltas);
            self.waiting.bytes += batch.bytes;
        }
    }

    /// Everything Redis lacks while no batch is on its way.
    pub const fn lacks(&self) -> &Deltas {
        &self.waiting.deltas
    }

    /// How much of a counter Redis lacks.
    pub fn lacking(&self, hash: &CounterHash, field: &str) -> u64 {
        let sent = self.sent.as_ref().map_or(0, |batch| batch.deltas.get(hash, field));
        sent + self.waiting.deltas.get(hash, field)
    }

    /// Bytes of all frames in here.
    pub fn bytes(&self) -> u64 {
        self.waiting.bytes + self.sent.as_ref().map_or(0, |batch| batch.bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::{Family, SiteId};

    const VISITS: CounterHash = CounterHash {
        site: SiteId::DEFAULT,
        family: Family::Visits,
    };

    fn one(field: &str) -> Deltas {
        let mut deltas = Deltas::default();
        deltas.add(VISITS, field, 1);
        deltas
    }

    #[test]
    fn what_gathers_while_a_batch_is_on_its_way_is_the_next_batch() {
        let mut backlog = Backlog::new(
            Sequence(4),
            Batch {
                to: Sequence(4),
                ..Batch::default()
            },
        );
        assert!(backlog.send().is_none());
        backlog.add(Sequence(6), &one("gb"), 10);
        assert_eq!(backlog.send().unwrap().to, Sequence(6));
        backlog.add(Sequence(7), &one("gb"), 5);
        assert!(backlog.send().is_none());
        assert_eq!((backlog.lacking(&VISITS, "gb"), backlog.bytes()), (2, 15));
        assert_eq!((backlog.arrived(), backlog.held()), (10, Sequence(6)));
        assert_eq!(backlog.send().unwrap().deltas, one("gb"));
    }

    #[test]
    fn a_batch_that_did_not_arrive_goes_with_the_next() {
        let mut backlog = Backlog::new(Sequence(4), Batch::default());
        backlog.add(Sequence(6), &one("gb"), 10);
        backlog.send();
        backlog.add(Sequence(7), &one("cy"), 5);
        backlog.take_back();
        let batch = backlog.send().unwrap();
        assert_eq!(
            (batch.to, batch.bytes, batch.deltas.get(&VISITS, "gb")),
            (Sequence(7), 15, 1)
        );
    }
}
