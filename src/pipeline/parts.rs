//! A pipeline's parts, before threads and timers drive them.
//!
//! [`Pipeline`](super::Pipeline) drives them in service; the simulator under `faults/` drives the same parts step by
//! step, over a disk, a Redis and a clock of its own. Nothing in here starts a thread, sleeps, or asks the machine for
//! the time.

use std::sync::Arc;

pub use super::answers::{Answer, Word};
pub use super::applier::{advance, persist};
pub use super::backlog::{Backlog, Batch};
pub use super::beside::LEAP;
pub use super::core::{Core, RefoldError};
pub use super::gather::Gather;
pub use super::link::{Interruption, Link};
pub use super::open_sessions::OpenSessions;
pub use super::singles::{Heard, Keyed, Submission};
pub use super::storing::{Filling, Rows, Storing, StoringError};
pub use super::taking_up::TakeUpError;
pub use super::walk::{Told, Tracks, Walk};

use super::{PipelineError, Shared};
use crate::clock::Clock;
use crate::config::Config;
use crate::counters::Ledger;
use crate::event::{CounterHash, Country, Family, Sequence, SiteId};
use crate::journal::{Disk, GroupCommit, Identity, JournalError, Recovered, Segments};
use crate::metrics::Metrics;

/// A lane's journal and ledger, recovered, before anything is begun.
pub struct Found {
    ledger: Ledger,
    writer: Option<[u8; 16]>,
    recovered: Recovered,
    identity: Identity,
}

/// What a lane is served for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Duty {
    /// It takes visits, whose sequences begin above this one.
    Write {
        /// Whatever the other lane has come to, or may come to.
        above: Sequence,
    },
    /// It takes none; what it has is answered for.
    Rest,
}

/// What a recovered lane is served with.
pub struct Parts {
    /// What workers, applier and link share.
    pub shared: Arc<Shared>,
    /// The log's consumer, up to its head.
    pub core: Core,
    /// Syncs the log.
    pub commits: GroupCommit,
}

impl Found {
    /// Recovers the journal on a disk, which the process `writer` goes on with (its nonce with Redis).
    ///
    /// # Errors
    /// When the disk cannot be read or written.
    pub fn open(
        (ledger, writer): (Ledger, Option<[u8; 16]>),
        (disk, identity): (Arc<dyn Disk>, Identity),
    ) -> Result<Self, PipelineError> {
        Ok(Self {
            ledger,
            writer,
            recovered: Recovered::open(disk, identity)?,
            identity,
        })
    }

    /// The last sequence that was given to a frame here.
    pub fn head(&self) -> Sequence {
        self.recovered.recovery().head.max(self.ledger.cursor())
    }

    /// Its segments, for the other lane.
    pub const fn segments(&self) -> &Arc<Segments> {
        self.recovered.segments()
    }

    /// Brings the counters up to date and begins a segment; `others` are the other lane's segments.
    ///
    /// # Errors
    /// When the disk cannot be read or written.
    pub fn begin(
        self,
        (config, metrics): (&Config, Arc<Metrics>),
        clock: Arc<dyn Clock>,
        duty: Duty,
        others: Option<Arc<Segments>>,
    ) -> Result<Parts, PipelineError> {
        let head = self.head();
        let core = Core::new(
            self.ledger,
            self.recovered.segments().clone(),
            &config.apply,
            self.identity.0,
        );
        let mut core = core.with_beside(others);
        if duty == Duty::Rest && core.ledger.cursor() >= head {
            core.rest();
        } else {
            let frames = core.replay(head).map_err(JournalError::Io)?;
            tracing::info!(%head, replayed = frames, "the journal is recovered");
        }
        let boot = head.next();
        let mut standing = core.ledger.standing().clone();
        standing.begin(self.writer, head);
        core.ledger.stand(standing)?;
        let commits = self
            .recovered
            .begin(boot, config.journal.clone(), metrics.clone(), clock)?;
        if let Duty::Write { above } = duty {
            commits.log().skip_past(above);
        }
        let shared = Arc::new(Shared::new(config.clone(), metrics, commits.log().clone()));
        take_over_totals(&shared, &core.ledger);
        if !shared.is_embedded() {
            core.count_waiting(&shared).map_err(JournalError::Io)?;
        }
        Ok(Parts { shared, core, commits })
    }
}

/// At start the ledger's totals are what this gateway has kept.
fn take_over_totals(shared: &Shared, ledger: &Ledger) {
    for (hash, fields) in ledger.contribution().iter() {
        if hash.family == Family::Events {
            shared.names.know(hash.site, fields.keys());
        }
    }
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
