//! The journal: the only record of truth between an answer and the stores.
//!
//! One ordered log a lane, two lanes a data directory: frames with checksum and sequence, in segment files. A `2xx` means that a visit's
//! frame is in the log as far as the configured mode asks; everything behind the log (counters, stores) can be made
//! again from it. The format is described in `docs/journal-format.md`.
//!
//! Must not know: what frames mean beyond their fields, HTTP, counters.
//!
//! Bounded: bytes waiting for a sync (`pending_bytes_max`), bytes waiting to be counted (`spool_bytes_max`), kept
//! segments (`keep_bytes`, `keep_ms`), the room that must be left (`free_bytes_min`).
//!
//! On failure: a write that fails is cut off again and refused, and the next one is tried afresh. A sync that fails
//! seals the log for good, since nobody knows what is on disk; the process must end and recover.

mod disk;
mod erasure_payload;
mod event_payload;
mod fields;
mod frame;
mod heading;
mod home;
mod import_payload;
#[cfg(test)]
mod journal_tests;
mod log;
pub mod payload;
mod reader;
mod recover;
#[cfg(test)]
mod recover_tests;
mod scan;
mod segment;
mod segments;
mod space;
mod survey;
mod sync;

use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::thread::JoinHandle;

pub use disk::{Disk, DiskFile, RealDisk};
pub use frame::{Frame, HEADER_BYTES, encode};
pub use home::{Home, Lane, LaneLock, identity_of};
pub use log::{Draft, Log, Submitted};
pub use reader::Reader;
pub use recover::Recovery;
pub use segment::{Identity, SEGMENT_HEADER_BYTES, SegmentHeader};
pub use segments::{BeginError, Segment, Segments, ended_before};
pub use space::Space;
pub use survey::{Survey, look, survey};
pub use sync::GroupCommit;

use crate::clock::{Clock, Machine};
use crate::config::JournalConfig;
use crate::event::Sequence;
use crate::metrics::Metrics;

/// Why a journal could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum JournalError {
    /// Another process holds the data directory.
    #[error("data directory {folder} is in use by process {holder}; a gateway needs a directory of its own")]
    Locked {
        /// The directory.
        folder: PathBuf,
        /// The process that holds it, as far as it said.
        holder: String,
    },
    /// The data directory cannot be used.
    #[error("data directory {folder}: {source}")]
    Folder {
        /// The directory.
        folder: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The segments cannot be read or written.
    #[error("journal: {0}")]
    Io(#[from] io::Error),
}

/// Why frames were not taken, or may be lost.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// Too much waits for the disk.
    #[error("too much waits for the disk")]
    Overloaded,
    /// Too much waits to be counted.
    #[error("too much waits to be counted")]
    SpoolFull,
    /// The file system has less room left than must be.
    #[error("the file system is nearly full")]
    DiskFull,
    /// The disk takes no writes.
    #[error("the disk takes no writes")]
    Failing,
    /// A sync failed: the frames may or may not be on disk.
    #[error("a sync failed")]
    DurabilityUnknown,
    /// The log is stopping, or a sync failed earlier.
    #[error("the log takes nothing more")]
    Sealed,
}

/// A recovered journal that does not yet take frames: consumers say first which sequences they have seen.
pub struct Recovered {
    segments: Arc<Segments>,
    identity: Identity,
    recovery: Recovery,
}

impl Recovered {
    /// Repairs and lists what is on a disk.
    ///
    /// # Errors
    /// When the disk cannot be read or written.
    pub fn open(disk: Arc<dyn Disk>, identity: Identity) -> Result<Self, JournalError> {
        let (segments, recovery) = recover::recover(disk, identity)?;
        Ok(Self {
            segments: Arc::new(segments),
            identity,
            recovery,
        })
    }

    /// What was found.
    pub const fn recovery(&self) -> Recovery {
        self.recovery
    }

    /// The segments, for readers.
    pub const fn segments(&self) -> &Arc<Segments> {
        &self.segments
    }

    /// Begins a new segment whose first frame has the sequence `first`; frames are synced when the group commit that
    /// is returned takes its turns.
    ///
    /// # Errors
    /// When the segment cannot be made.
    pub fn begin(
        self,
        first: Sequence,
        config: JournalConfig,
        metrics: Arc<Metrics>,
        clock: Arc<dyn Clock>,
    ) -> Result<GroupCommit, JournalError> {
        let log = Log::new(self.segments, self.identity, first, (config, metrics), clock)?;
        Ok(GroupCommit::new(Arc::new(log)))
    }

    /// The same by the machine's clock, with a thread that takes the turns.
    ///
    /// # Errors
    /// When the segment cannot be made or the thread not started.
    pub fn start(self, first: Sequence, config: JournalConfig, metrics: Arc<Metrics>) -> Result<Journal, JournalError> {
        self.begin(first, config, metrics, Arc::new(Machine))?.start()
    }
}

/// A journal in service.
pub struct Journal {
    log: Arc<Log>,
    thread: JoinHandle<()>,
}

impl Journal {
    /// The writing end, for workers and consumers.
    pub const fn log(&self) -> &Arc<Log> {
        &self.log
    }

    /// Takes no more frames, syncs what was taken, and ends the sync thread.
    pub fn stop(self) {
        sync::stop(&self.log);
        if self.thread.join().is_err() {
            tracing::error!("the sync thread panicked");
        }
    }
}
