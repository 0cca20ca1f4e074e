//! The sync thread: group commit.
//!
//! `disk` and `applied`: it writes and syncs whatever gathered while it did so the last time, then tells those who wait.
//! `os`: the workers write, and it syncs after them every few milliseconds; nobody waits for it.
//! It alone turns segments.

use std::sync::{Arc, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use tokio::sync::oneshot;

use super::log::{Log, Writer};
use super::segment::{SEGMENT_HEADER_BYTES, SegmentHeader};
use super::segments::BeginError;
use super::{Journal, JournalError, Refusal};
use crate::clock;
use crate::config::Durability;

/// Time between two attempts to begin a segment.
const TURN_RETRY: Duration = Duration::from_secs(1);

/// Zeros kept ahead of the frames.
static ZEROS: [u8; 256 << 10] = [0; 256 << 10];

type Waiters = Vec<oneshot::Sender<Result<(), Refusal>>>;

/// Syncs a log, turn by turn.
pub struct GroupCommit {
    log: Arc<Log>,
    /// What is written in a turn.
    buffer: Vec<u8>,
}

impl GroupCommit {
    pub(super) const fn new(log: Arc<Log>) -> Self {
        Self {
            log,
            buffer: Vec::new(),
        }
    }

    /// The log that it syncs.
    pub const fn log(&self) -> &Arc<Log> {
        &self.log
    }

    /// Gives it a thread, which takes turns whenever there is work.
    ///
    /// # Errors
    /// When the thread cannot be started.
    pub fn start(self) -> Result<Journal, JournalError> {
        let log = self.log.clone();
        let builder = thread::Builder::new().name("journal-sync".into());
        let thread = builder.spawn(move || self.run())?;
        Ok(Journal { log, thread })
    }

    /// One turn: writes and syncs whatever gathered, and tells those who wait; `false` if there is nothing to do, or
    /// the log is sealed.
    pub fn turn(&mut self) -> bool {
        let mut writer = self.log.lock();
        let goes_on = !self.log.is_sealed() && has_work(&self.log, &writer);
        if goes_on {
            writer.idle = false;
            commit(&self.log, writer, &mut self.buffer);
        }
        goes_on
    }

    /// Ends the log's service: takes turns until everything that was taken in is synced or its waiters are told.
    pub fn finish(mut self) {
        stop(&self.log);
        while self.turn() {}
        cut_zeros(&mut self.log.lock());
    }

    /// Runs until the log is stopped or sealed; all that was taken in is then synced or its waiters are told.
    fn run(mut self) {
        loop {
            let (writer, stopping) = wait_for_work(&self.log);
            if self.log.is_sealed() || stopping && !has_work(&self.log, &writer) {
                drop(writer);
                return self.finish();
            }
            commit(&self.log, writer, &mut self.buffer);
            if !stopping && self.log.config.durability == Durability::Os {
                pause(&self.log);
            }
        }
    }
}

fn has_work(log: &Log, writer: &Writer) -> bool {
    !writer.waiters.is_empty() || writer.written > log.synced()
}

fn wait_for_work(log: &Log) -> (MutexGuard<'_, Writer>, bool) {
    let mut writer = log.lock();
    while !has_work(log, &writer) && !writer.stopping {
        writer.idle = true;
        writer = log.wake.wait(writer).unwrap_or_else(PoisonError::into_inner);
    }
    writer.idle = false;
    let stopping = writer.stopping;
    (writer, stopping)
}

/// Lets frames gather in `os` mode; ends early when the log stops.
fn pause(log: &Log) {
    let span = clock::ms(log.config.os_sync_ms);
    let writer = log.lock();
    let _ = log.wake.wait_timeout_while(writer, span, |writer| !writer.stopping);
}

/// Writes what waits, syncs, publishes, tells the waiters.
fn commit(log: &Log, mut writer: MutexGuard<'_, Writer>, buffer: &mut Vec<u8>) {
    turn_if_full(log, &mut writer);
    fill_ahead(&mut writer);
    let waiters = std::mem::take(&mut writer.waiters);
    if log.is_sealed() {
        return tell(waiters, Err(Refusal::Sealed));
    }
    if !waiters.is_empty() {
        std::mem::swap(&mut writer.pending, buffer);
        let upto = writer.pending_last;
        let result = log.write(&mut writer, buffer);
        let bytes = buffer.len() as u64;
        buffer.clear();
        if let Err(error) = result {
            drop(writer);
            log.shrink_spool(bytes);
            return tell(waiters, Err(error));
        }
        writer.written = upto;
    }
    let (file, written) = (writer.file.clone(), writer.written);
    drop(writer);
    let began = log.clock.now();
    let result = file.sync();
    log.metrics.journal.sync_seconds.observe(began.elapsed().as_secs_f64());
    match result {
        Ok(()) => {
            log.synced.send_replace(written);
            tell(waiters, Ok(()));
        }
        Err(error) => {
            log.seal(&error);
            let late = std::mem::take(&mut log.lock().waiters);
            tell(waiters, Err(Refusal::DurabilityUnknown));
            tell(late, Err(Refusal::Sealed));
        }
    }
}

fn tell(waiters: Waiters, result: Result<(), Refusal>) {
    for waiter in waiters {
        // Whoever gave up waiting needs no word.
        let _ = waiter.send(result);
    }
}

/// Begins the next segment when the open one has reached its size; if it cannot be made the old one goes on.
fn turn_if_full(log: &Log, writer: &mut Writer) {
    let too_soon = writer.turn_after.is_some_and(|after| log.clock.now() < after);
    if writer.offset < log.config.segment_bytes || too_soon {
        return;
    }
    writer.turn_after = Some(log.clock.now() + TURN_RETRY);
    // What is pending has its sequences already and goes into the new segment.
    let first = writer.written.next();
    let header = SegmentHeader {
        identity: log.identity,
        first,
        created_ms: log.clock.unix_ms(),
    };
    cut_zeros(writer);
    if let Err(error) = writer.file.sync() {
        return log.seal(&error);
    }
    log.segments.close_last(writer.offset);
    match log.segments.begin(header) {
        Ok(file) => {
            let begun = SEGMENT_HEADER_BYTES as u64;
            (writer.offset, writer.filled, writer.file) = (begun, begun, file);
            writer.turn_after = None;
        }
        Err(BeginError::NotMade(error)) => tracing::warn!(%error, "no new segment could be begun; the old one goes on"),
        Err(BeginError::InDoubt(error)) => return log.seal(&error),
    }
    log.metrics
        .journal
        .disk_bytes
        .set(i64::try_from(log.segments.closed_bytes()).unwrap_or(i64::MAX));
}

/// Keeps zeros ahead of the frames. A write into them changes neither the file's length nor its extents, so syncing it
/// needs no commit of the file system's own journal, and no worker waits for one.
fn fill_ahead(writer: &mut Writer) {
    let length = ZEROS.len() as u64;
    if writer.offset + length / 2 < writer.filled {
        return;
    }
    let from = writer.filled.max(writer.offset);
    // Without room there are simply no zeros, or fewer: a sync then costs what it costs.
    let _ = writer.file.write_at(from, &ZEROS);
    writer.filled = from + length;
}

/// Cuts the zeros behind the last frame.
fn cut_zeros(writer: &mut Writer) {
    if writer.filled > writer.offset {
        if let Err(error) = writer.file.truncate(writer.offset) {
            tracing::warn!(%error, "the zeros behind the last frame could not be cut; readers step over them");
        }
        writer.filled = writer.offset;
    }
}

/// Lets the log take nothing more, and the sync thread end after it has synced everything.
pub fn stop(log: &Log) {
    log.lock().stopping = true;
    log.wake.notify_one();
}
