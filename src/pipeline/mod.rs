//! The pipeline: where the stage rooms meet.
//!
//! ```text
//!  worker:   Intake ─ join ─► Gather ─ fold, frames ─► Log ─ write (os) ───────────────┐
//!                               ▲                       │                             │
//!                               └── kept ◄── sync thread: write, fdatasync (disk) ◄───┘
//!                                                       │ synced frames only
//!  applier:                    Core ◄── Reader ◄────────┘
//!                               ├─ Apply: duplicates, tally ─► Answers (visits with an Idempotency-Key)
//!                               ├─► Ledger: this directory's contribution (SQLite); embedded, the counters
//!                               └─► Backlog ─ Link ─► Redis: guarded commits;  foreign totals ─► Totals
//! ```
//!
//! A visit is answered when its group is in the log as far as the mode asks; the total in the answer counts
//! what other gateways have told, too ([`Totals`]). Everything behind the log can be made again from it.
//!
//! Must not know: HTTP, wire formats.
//!
//! Bounded: what waits for the disk and for the counters (by the journal's limits), one batch on its way to Redis, one
//! more that gathers (its size is that of the counters, not of the traffic).
//!
//! On failure: a refused write refuses its whole group; Redis away changes nothing for the log; a failed sync seals
//! the log, and the process must end ([`Pipeline::sealed`]).

mod answers;
mod applier;
mod backlog;
mod core;
#[cfg(test)]
mod core_tests;
mod gather;
mod group;
mod intake;
mod link;
pub mod parts;
mod rebuild;
mod shared;
mod status;
mod taking_up;
mod totals;
mod verify;

use std::sync::Arc;
use std::thread::JoinHandle;

pub use group::Place;
pub use intake::{Intake, Receipt};
pub use rebuild::{RebuildError, rebuild};
pub use shared::Shared;
pub use status::Status;
pub use totals::Totals;
pub use verify::{VerifyError, verify};

use self::applier::Applier;
use self::parts::Parts;
use crate::clock::{self, Machine};
use crate::config::Config;
use crate::counters::{CountersError, Ledger, LedgerError, RedisAddress, RedisCounters, RedisReader, Remote};
use crate::journal::{Home, Journal, JournalError, RealDisk, Space};
use crate::metrics::Metrics;

/// Why a pipeline could not be started.
#[derive(Debug, thiserror::Error)]
pub enum PipelineError {
    /// The data directory or the journal.
    #[error(transparent)]
    Journal(#[from] JournalError),
    /// The embedded counters.
    #[error(transparent)]
    Ledger(#[from] LedgerError),
    /// The setting of Redis.
    #[error(transparent)]
    Counters(#[from] CountersError),
}

/// A pipeline in service.
pub struct Pipeline {
    shared: Arc<Shared>,
    journal: Journal,
    applier: JoinHandle<()>,
    space: Space,
    /// Held until the end: one gateway a directory.
    home: Home,
}

impl Pipeline {
    /// Opens the data directory, recovers, brings the counters up to date, and starts.
    ///
    /// # Errors
    /// When the directory is in use or cannot be read or written, or a setting does not fit.
    pub fn start(config: &Config, metrics: Arc<Metrics>) -> Result<Self, PipelineError> {
        let home = Home::open(&config.journal.data_dir)?;
        let identity = home.identity();
        let space = Space::new(home.folder(), &config.journal);
        space.make_room().map_err(JournalError::Io)?;
        let ledger = Ledger::open(home.counters_file(), identity.0)?;
        let redis = redis_clients(config, ledger.standing().guard)?;
        let disk = RealDisk::new(&home.journal_folder()).map_err(JournalError::Io)?;
        let parts = Parts::open(
            (config, metrics),
            (ledger, redis.as_ref().map(Remote::writer)),
            (Arc::new(disk), identity),
            Arc::new(Machine),
        )?;
        let Parts { shared, core, commits } = parts;
        let journal = commits.start()?;
        judge(&space, &shared);
        let applier = Applier::new(shared.clone(), core, redis)
            .start()
            .map_err(JournalError::Io)?;
        Ok(Self {
            shared,
            journal,
            applier,
            space,
            home,
        })
    }

    /// The parts that workers and health answers share.
    pub const fn shared(&self) -> &Arc<Shared> {
        &self.shared
    }

    /// Looks whether there is room on the disk; visits are refused while there is not.
    pub fn look_for_space(&self) {
        look_for_space(&self.space, &self.shared);
    }

    /// Waits for the first word of Redis, as long as one call may take; at once when the counters are embedded. Says
    /// whether it came; by then everything that Redis lacked has been sent.
    pub async fn first_contact(&self) -> bool {
        let mut contacted = self.shared.contacted.subscribe();
        let patience = clock::ms(self.shared.config.counters.redis_timeout_ms);
        let met = tokio::time::timeout(patience, contacted.wait_for(|met| *met)).await;
        matches!(met, Ok(Ok(_)))
    }

    /// Resolves when a failed sync has sealed the log: the process must end and recover.
    pub async fn sealed(&self) {
        let mut synced = self.shared.log.follow_synced();
        while !self.shared.log.is_sealed() {
            if synced.changed().await.is_err() {
                return;
            }
        }
    }

    /// Syncs and applies everything that was taken in; the workers must have ended.
    pub fn stop(self) {
        let Self {
            shared,
            journal,
            applier,
            home,
            ..
        } = self;
        journal.stop();
        shared.stop();
        if applier.join().is_err() {
            tracing::error!("the applier panicked; the next start applies what it left");
        }
        drop(home);
    }
}

fn redis_clients(config: &Config, guard: [u8; 16]) -> Result<Option<(RedisCounters, RedisReader)>, CountersError> {
    let Some(url) = &config.counters.redis_url else {
        return Ok(None);
    };
    let address = RedisAddress::parse(url)?;
    let counters = RedisCounters::new(&address, &config.counters, guard)?;
    let reader = RedisReader::new(&address, &config.counters, guard)?;
    Ok(Some((counters, reader)))
}

/// Whether the data directory is fit to keep what it is given.
fn judge(space: &Space, shared: &Shared) {
    match space.ephemeral() {
        Ok(Some(file_system)) if !shared.config.journal.allow_ephemeral => {
            tracing::error!(%file_system, "nothing on the data directory's file system lasts: not ready");
            shared.status.set_ephemeral(file_system);
        }
        Ok(_) => {}
        Err(error) => tracing::warn!(%error, "the data directory's file system tells no type"),
    }
    look_for_space(space, shared);
}

fn look_for_space(space: &Space, shared: &Shared) {
    match space.is_short() {
        Ok(short) => shared.log.set_short(short),
        Err(error) => tracing::warn!(%error, "the data directory's file system tells not what is free"),
    }
    if let Err(error) = space.keep_reserve() {
        tracing::warn!(%error, "no reserve could be set aside");
    }
}
