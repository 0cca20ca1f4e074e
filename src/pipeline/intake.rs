//! A worker's way into the pipeline.

use std::rc::Rc;
use std::sync::Arc;

use tokio::sync::oneshot;
use tokio::time::timeout;

use super::Shared;
use super::gather::{Gather, Keyed};
use super::group::Place;
use crate::clock;
use crate::config::Durability;
use crate::event::Country;
use crate::outcome::Reason;

/// What a kept visit is answered with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Receipt {
    /// The country it is counted for.
    pub country: Country,
    /// The country's total after it.
    pub total: u64,
    /// How far it is kept.
    pub kept: Durability,
    /// Whether the total includes what the other gateways have counted up to now.
    pub current: bool,
}

/// Takes visits of one worker; belongs to the worker's thread.
#[derive(Clone)]
pub struct Intake {
    shared: Arc<Shared>,
    gather: Rc<Gather>,
}

impl Intake {
    /// The intake of a worker; must be called on its runtime, where the gathering task is started.
    pub fn new(shared: Arc<Shared>) -> Self {
        let gather = Gather::new(shared.clone());
        tokio::task::spawn_local(gather.clone().run());
        Self { shared, gather }
    }

    /// Keeps a visit.
    ///
    /// # Errors
    /// The reason why it is not kept, or not known to be.
    pub async fn visit(&self, country: Country) -> Result<Receipt, Reason> {
        let (total, kept) = self.join(country).await?;
        Ok(self.receipt(country, total, kept))
    }

    /// Hands a visit over; the place resolves to its total and how far it is kept, for [`Intake::receipt`].
    pub fn join(&self, country: Country) -> Place {
        self.gather.join(country)
    }

    /// Keeps a visit unless one with the same id was kept before; both get the same answer.
    ///
    /// # Errors
    /// The reason why it is not kept, or not known to be.
    pub async fn visit_once(&self, country: Country, id: &[u8]) -> Result<Receipt, Reason> {
        let (waiter, written) = oneshot::channel();
        self.gather.join_keyed(Keyed {
            country,
            id: id.into(),
            waiter,
        });
        let (sequence, answer) = written.await.map_err(|_| Reason::DurabilityUnknown)??;
        let patience = clock::ms(self.shared.config.apply.answer_ms_max);
        let Ok(Ok(answer)) = timeout(patience, answer).await else {
            // It is in the log, but nobody can say whether it counts.
            self.shared.answers.forget(sequence, sequence);
            return Err(Reason::DurabilityUnknown);
        };
        let kept = self.shared.settle(sequence).await;
        Ok(self.receipt(answer.country, answer.total, kept))
    }

    /// The receipt of a visit that raised its country's total to `total`.
    pub fn receipt(&self, country: Country, total: u64, kept: Durability) -> Receipt {
        Receipt {
            country,
            total,
            kept,
            current: self.shared.totals.is_current(),
        }
    }
}
