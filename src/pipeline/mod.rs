//! The pipeline: where the stage rooms meet.
//!
//! ```text
//!  worker:   Reception: sites, time, place, visitor ─► Intake  (events)
//!            Intake ─ join ─► Gather ─ fold, frames ─► Log ─ write (os) ───────────────┐
//!                               ▲                       │                             │
//!                               └── kept ◄── sync thread: write, fdatasync (disk) ◄───┘
//!                                                       │ synced frames only
//!  applier:                    Core ◄── Reader ◄────────┘
//!                               ├─ Apply: duplicates, tally ─► Answers (whatever has an id of the client's)
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
//! All this is one lane of the data directory. A second one rests beside it (`lanes`): what was kept there before the
//! last restart without a pause, still answering for its part of the totals.
//!
//! On failure: a refused write refuses its whole group; Redis away changes nothing for the log; a failed sync seals
//! the log, and the process must end ([`Pipeline::sealed`]).

mod answers;
mod applier;
mod backlog;
mod batch;
mod beside;
mod core;
#[cfg(test)]
mod core_tests;
mod decided;
mod frames;
mod gather;
mod group;
mod intake;
mod known_sessions;
mod lane;
mod lanes;
mod link;
mod names;
mod open_sessions;
mod own_ids;
mod pace;
pub mod parts;
mod rebuild;
mod reception;
mod retention;
mod room;
mod shared;
mod singles;
mod status;
mod store_check;
mod storer;
mod stores;
mod storing;
mod taking_up;
mod totals;
mod verify;
mod verify_sessions;
mod verify_store;
mod walk;
#[cfg(test)]
mod walk_tests;

pub use answers::{SessionWord, Word};
pub use batch::EventBatch;
pub use group::Place;
pub use intake::{Erased, EventsReceipt, Intake, Receipt, SessionReceipt};
pub use lanes::Pipeline;
pub use own_ids::OwnIds;
pub use rebuild::{RebuildError, rebuild};
pub use reception::{Judged, Named, Origin, Received, Reception, Rejected, Sender};
pub use shared::Shared;
pub use status::Status;
pub use totals::{Told, Totals};
pub use verify::{VerifyError, verify};

use crate::config::Config;
use crate::counters::{CountersError, LedgerError, RedisCounters, RedisReader};
use crate::journal::JournalError;
use crate::redis_address::RedisAddress;

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

fn redis_clients(config: &Config, guard: [u8; 16]) -> Result<Option<(RedisCounters, RedisReader)>, CountersError> {
    let Some(url) = &config.counters.redis_url else {
        return Ok(None);
    };
    let address = RedisAddress::parse(url)?;
    let counters = RedisCounters::new(&address, &config.counters, guard)?;
    let reader = RedisReader::new(&address, &config.counters, guard)?;
    Ok(Some((counters, reader)))
}
