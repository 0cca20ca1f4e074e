//! The writing end of the log: takes frames from the workers, gives them sequences, writes them in that order.

use std::io;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use tokio::sync::{oneshot, watch};

use super::Refusal;
use super::disk::DiskFile;
use super::frame::{Frame, encode};
use super::segment::{Identity, SegmentHeader};
use super::segments::Segments;
use crate::clock::Clock;
use crate::config::{Durability, JournalConfig};
use crate::event::Sequence;
use crate::metrics::Metrics;

/// A frame that has no sequence yet.
#[derive(Debug, Clone, Copy)]
pub struct Draft<'a> {
    /// What the payload says.
    pub kind: u8,
    /// Numbered fields.
    pub payload: &'a [u8],
}

/// Frames that were handed over.
pub struct Submitted {
    /// The sequence of the first frame; the others follow it.
    pub first: Sequence,
    /// Says when they are as safe as the mode asks; `None` when they already are.
    pub kept: Option<oneshot::Receiver<Result<(), Refusal>>>,
}

/// The log of one data directory, shared by its workers and the sync thread.
pub struct Log {
    pub(super) segments: Arc<Segments>,
    pub(super) identity: Identity,
    pub(super) config: JournalConfig,
    pub(super) metrics: Arc<Metrics>,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) wake: Condvar,
    pub(super) sealed: AtomicBool,
    failing: AtomicBool,
    short: AtomicBool,
    pub(super) synced: watch::Sender<Sequence>,
    pub(super) spool_bytes: AtomicU64,
    unstored_bytes: AtomicU64,
    writer: Mutex<Writer>,
}

/// What the lock guards.
pub(super) struct Writer {
    /// The sequence of the next frame.
    pub next: Sequence,
    pub file: Arc<dyn DiskFile>,
    /// Where the next write goes.
    pub offset: u64,
    /// Up to where the file holds frames or zeros.
    pub filled: u64,
    /// The last frame that was handed to the operating system.
    pub written: Sequence,
    /// Frames that wait for the sync thread (`disk` and `applied`), or an emptied buffer.
    pub pending: Vec<u8>,
    /// The last of them.
    pub pending_last: Sequence,
    /// Who waits for them.
    pub waiters: Vec<oneshot::Sender<Result<(), Refusal>>>,
    /// Whether the sync thread sleeps and must be woken.
    pub idle: bool,
    /// Set while no new segment can be begun: when to try again.
    pub turn_after: Option<Instant>,
    pub stopping: bool,
}

impl Log {
    pub(super) fn new(
        segments: Arc<Segments>,
        identity: Identity,
        first: Sequence,
        (config, metrics): (JournalConfig, Arc<Metrics>),
        clock: Arc<dyn Clock>,
    ) -> io::Result<Self> {
        let file = segments.begin(SegmentHeader {
            identity,
            first,
            created_ms: clock.unix_ms(),
        })?;
        let before = Sequence(first.0 - 1);
        let writer = Writer {
            next: first,
            offset: file.length()?,
            filled: file.length()?,
            file,
            written: before,
            pending: Vec::new(),
            pending_last: before,
            waiters: Vec::new(),
            idle: true,
            turn_after: None,
            stopping: false,
        };
        Ok(Self {
            segments,
            identity,
            config,
            metrics,
            clock,
            wake: Condvar::new(),
            sealed: AtomicBool::new(false),
            failing: AtomicBool::new(false),
            short: AtomicBool::new(false),
            synced: watch::Sender::new(before),
            spool_bytes: AtomicU64::new(0),
            unstored_bytes: AtomicU64::new(0),
            writer: Mutex::new(writer),
        })
    }

    /// Takes frames into the log; `on_first` learns the sequence of the first before any consumer can see it.
    ///
    /// In `os` mode they are written before this returns; otherwise `kept` tells when the sync thread has synced them.
    ///
    /// # Errors
    /// When they are refused; then nothing of them is in the log.
    pub fn submit(&self, drafts: &[Draft<'_>], on_first: impl FnOnce(Sequence)) -> Result<Submitted, Refusal> {
        self.refuse_if_full()?;
        self.take(drafts, on_first)
    }

    /// Takes a frame that says nothing, also when too much waits to be counted: it lets what waits go on.
    ///
    /// # Errors
    /// When it is refused all the same.
    pub fn advance(&self, kind: u8) -> Result<Submitted, Refusal> {
        self.take(&[Draft { kind, payload: &[] }], |_| {})
    }

    fn take(&self, drafts: &[Draft<'_>], on_first: impl FnOnce(Sequence)) -> Result<Submitted, Refusal> {
        let mut writer = self.lock();
        if writer.stopping || self.sealed.load(Ordering::Acquire) {
            return Err(Refusal::Sealed);
        }
        let first = writer.next;
        let submitted = if self.config.durability == Durability::Os {
            self.write_now(&mut writer, drafts)?;
            Submitted { first, kept: None }
        } else {
            Submitted {
                first,
                kept: Some(self.enqueue(&mut writer, drafts)?),
            }
        };
        on_first(first);
        if std::mem::take(&mut writer.idle) {
            self.wake.notify_one();
        }
        drop(writer);
        self.metrics.journal.frames.inc_by(drafts.len() as u64);
        Ok(submitted)
    }

    /// Where its times come from.
    pub fn clock(&self) -> &dyn Clock {
        self.clock.as_ref()
    }

    /// The last synced frame: consumers read up to it.
    pub fn synced(&self) -> Sequence {
        *self.synced.borrow()
    }

    /// Follows [`Log::synced`].
    pub fn follow_synced(&self) -> watch::Receiver<Sequence> {
        self.synced.subscribe()
    }

    /// Lets the next frame have a sequence above `taken`, which some store has already seen from this directory.
    pub fn skip_past(&self, taken: Sequence) {
        let mut writer = self.lock();
        writer.next = writer.next.max(taken.next());
    }

    /// Adds bytes of frames that wait to be counted; the log itself adds what it writes.
    pub fn add_spool(&self, bytes: u64) {
        let waiting = self.spool_bytes.fetch_add(bytes, Ordering::Relaxed) + bytes;
        self.metrics
            .journal
            .spool_bytes
            .set(i64::try_from(waiting).unwrap_or(i64::MAX));
    }

    /// Takes off bytes of frames that have been counted.
    pub fn shrink_spool(&self, bytes: u64) {
        let waiting = self
            .spool_bytes
            .fetch_sub(bytes, Ordering::Relaxed)
            .saturating_sub(bytes);
        self.metrics
            .journal
            .spool_bytes
            .set(i64::try_from(waiting).unwrap_or(i64::MAX));
    }

    /// Notes how many bytes wait to be stored.
    pub fn set_unstored(&self, bytes: u64) {
        self.unstored_bytes.store(bytes, Ordering::Relaxed);
    }

    /// Whether more waits to be counted or stored than may.
    pub fn is_spool_full(&self) -> bool {
        let waiting = self.spool_bytes.load(Ordering::Relaxed);
        waiting.max(self.unstored_bytes.load(Ordering::Relaxed)) >= self.config.spool_bytes_max
    }

    /// Notes whether the file system has too little room left; visits are refused until it has.
    pub fn set_short(&self, short: bool) {
        if self.short.swap(short, Ordering::AcqRel) != short {
            if short {
                tracing::error!("the file system is nearly full: visits are refused until there is room");
            } else {
                tracing::info!("there is room again");
            }
        }
    }

    /// Whether the file system has too little room left.
    pub fn is_short(&self) -> bool {
        self.short.load(Ordering::Acquire)
    }

    /// Whether the last write failed.
    pub fn is_failing(&self) -> bool {
        self.failing.load(Ordering::Acquire)
    }

    /// Whether a failed sync has ended this log's service.
    pub fn is_sealed(&self) -> bool {
        self.sealed.load(Ordering::Acquire)
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, Writer> {
        self.writer.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn refuse_if_full(&self) -> Result<(), Refusal> {
        if self.is_spool_full() {
            Err(Refusal::SpoolFull)
        } else if self.is_short() {
            Err(Refusal::DiskFull)
        } else {
            Ok(())
        }
    }

    /// Writes frames inline; sequences are taken only if that succeeds.
    fn write_now(&self, writer: &mut Writer, drafts: &[Draft<'_>]) -> Result<(), Refusal> {
        let mut bytes = std::mem::take(&mut writer.pending);
        bytes.clear();
        let next = encode_all(&mut bytes, writer.next, drafts);
        let result = self.write(writer, &bytes);
        let written = bytes.len() as u64;
        writer.pending = bytes;
        writer.pending.clear();
        result?;
        self.add_spool(written);
        writer.next = next;
        writer.written = Sequence(next.0 - 1);
        Ok(())
    }

    /// Leaves frames for the sync thread.
    fn enqueue(
        &self,
        writer: &mut Writer,
        drafts: &[Draft<'_>],
    ) -> Result<oneshot::Receiver<Result<(), Refusal>>, Refusal> {
        let before = writer.pending.len();
        if before >= self.config.pending_bytes_max {
            return Err(Refusal::Overloaded);
        }
        writer.next = encode_all(&mut writer.pending, writer.next, drafts);
        writer.pending_last = Sequence(writer.next.0 - 1);
        self.add_spool((writer.pending.len() - before) as u64);
        let (sender, receiver) = oneshot::channel();
        writer.waiters.push(sender);
        Ok(receiver)
    }

    /// Writes bytes at the end of the segment; a part that got there is cut off again.
    pub(super) fn write(&self, writer: &mut Writer, bytes: &[u8]) -> Result<(), Refusal> {
        match writer.file.write_at(writer.offset, bytes) {
            Ok(()) => {
                self.failing.store(false, Ordering::Release);
                writer.offset += bytes.len() as u64;
                self.metrics.journal.bytes.inc_by(bytes.len() as u64);
                Ok(())
            }
            Err(error) => {
                self.failing.store(true, Ordering::Release);
                tracing::error!(%error, "the journal takes no writes");
                writer.filled = writer.offset;
                // Without the sync a power cut could bring back frames that were refused.
                let cut = writer.file.truncate(writer.offset).and_then(|()| writer.file.sync());
                if let Err(error) = cut {
                    self.seal(&error);
                    return Err(Refusal::DurabilityUnknown);
                }
                Err(Refusal::Failing)
            }
        }
    }

    /// Ends the log's service for good: what is on disk is no longer known.
    pub(super) fn seal(&self, error: &io::Error) {
        tracing::error!(%error, "a sync of the journal failed: nothing more is accepted");
        self.sealed.store(true, Ordering::Release);
        // Followers see the change and look at `is_sealed`.
        self.synced.send_modify(|_| {});
    }
}

fn encode_all(into: &mut Vec<u8>, first: Sequence, drafts: &[Draft<'_>]) -> Sequence {
    drafts.iter().fold(first, |sequence, draft| {
        encode(
            into,
            Frame {
                sequence,
                kind: draft.kind,
                payload: draft.payload,
            },
        );
        sequence.next()
    })
}
