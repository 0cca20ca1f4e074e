//! A pipeline's parts, before threads and timers drive them.
//!
//! [`Pipeline`](super::Pipeline) drives them in service; the simulator under `faults/` drives the same parts step by
//! step, over a disk, a Redis and a clock of its own. Nothing in here starts a thread, sleeps, or asks the machine for
//! the time.

use std::sync::Arc;

pub use super::answers::Answer;
pub use super::applier::{advance, persist};
pub use super::backlog::{Backlog, Batch};
pub use super::core::{Core, RefoldError};
pub use super::gather::{Gather, Keyed};
pub use super::link::{Interruption, Link};
pub use super::taking_up::TakeUpError;

use super::{PipelineError, Shared};
use crate::clock::Clock;
use crate::config::Config;
use crate::counters::Ledger;
use crate::event::{CounterHash, Country, Family, SiteId};
use crate::journal::{Disk, GroupCommit, Identity, JournalError, Recovered};
use crate::metrics::Metrics;

/// What a recovered data directory is served with.
pub struct Parts {
    /// What workers, applier and link share.
    pub shared: Arc<Shared>,
    /// The log's consumer, up to its head.
    pub core: Core,
    /// Syncs the log.
    pub commits: GroupCommit,
}

impl Parts {
    /// Recovers the journal on a disk, which the process `writer` goes on with (its nonce with Redis), brings the counters up to date, and begins a segment.
    ///
    /// # Errors
    /// When the disk cannot be read or written.
    pub fn open(
        (config, metrics): (&Config, Arc<Metrics>),
        (ledger, writer): (Ledger, Option<[u8; 16]>),
        (disk, identity): (Arc<dyn Disk>, Identity),
        clock: Arc<dyn Clock>,
    ) -> Result<Self, PipelineError> {
        let recovered = Recovered::open(disk, identity)?;
        let head = recovered.recovery().head.max(ledger.cursor());
        let mut core = Core::new(ledger, recovered.segments().clone(), &config.apply, identity.0);
        let frames = core.replay(head).map_err(JournalError::Io)?;
        tracing::info!(%head, replayed = frames, "the journal is recovered");
        let boot = head.next();
        let mut standing = core.ledger.standing().clone();
        standing.begin(writer, head);
        core.ledger.stand(standing)?;
        let commits = recovered.begin(boot, config.journal.clone(), metrics.clone(), clock)?;
        let shared = Arc::new(Shared::new(config.clone(), metrics, commits.log().clone()));
        take_over_totals(&shared, &core.ledger);
        if !shared.is_embedded() {
            core.count_waiting(&shared).map_err(JournalError::Io)?;
        }
        Ok(Self { shared, core, commits })
    }
}

/// At start the ledger's totals are what this gateway has kept.
fn take_over_totals(shared: &Shared, ledger: &Ledger) {
    let visits = CounterHash {
        site: SiteId::DEFAULT,
        family: Family::Visits,
    };
    for (field, total) in ledger.totals(&visits) {
        if let Some(country) = Country::parse(field.as_bytes()) {
            shared.totals.raise(country, total);
        }
    }
    if shared.is_embedded() {
        shared.status.set_counters_up(true, &shared.metrics);
        shared.applied.send_replace(ledger.cursor());
    }
    shared.metrics.counters.applied_sequence.set(ledger.cursor().0);
}
