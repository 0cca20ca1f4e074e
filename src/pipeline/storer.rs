//! The storer's thread: log → event store.
//!
//! It reads the log for itself, behind the applier, so a slow store, or one that fails, holds neither the counters nor
//! any answer: what it lacks waits in segments, which stay until it has them.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;
use std::{io, panic};

use super::Shared;
use super::pace::{Pace, Turn};
use super::store_check::StoreCheck;
use super::stores::Stores;
use super::storing::{Filling, Rows, Storing, StoringError};
use super::walk::Tracks;
use crate::counters::Backoff;
use crate::event::Sequence;
use crate::store::{Month, StoreError};
use crate::{clock, memory};

/// Pause between two looks at the log: rows gather meanwhile.
const PAUSE: Duration = Duration::from_millis(50);

/// How much the thread, and those that the store starts for it, step back where the machine has more to do than cores:
/// as far as they can. Requests are answered first; the store catches up when there are fewer.
const NICE: i32 = 19;

/// The thread that fills the event store.
pub struct Storer {
    thread: JoinHandle<()>,
    stopping: Arc<AtomicBool>,
}

impl Storer {
    /// Starts it, if events are to be stored.
    ///
    /// # Errors
    /// When the thread cannot be made.
    pub fn start(shared: Arc<Shared>, tracks: Tracks) -> io::Result<Option<Self>> {
        if !shared.config.store.enabled {
            return Ok(None);
        }
        let stopping = Arc::new(AtomicBool::new(false));
        let keeper = Keeper {
            shared,
            tracks,
            stopping: stopping.clone(),
        };
        let thread = thread::Builder::new()
            .name("storer".into())
            .spawn(move || keeper.run())?;
        Ok(Some(Self { thread, stopping }))
    }

    /// Ends it when everything that is applied is stored, or the configured time has gone by.
    pub fn stop(self) {
        self.stopping.store(true, Ordering::Release);
        self.thread.thread().unpark();
        if self.thread.join().is_err() {
            tracing::error!("the storer panicked; the next start stores what it left");
        }
    }
}

struct Keeper {
    shared: Arc<Shared>,
    tracks: Tracks,
    stopping: Arc<AtomicBool>,
}

impl Keeper {
    fn run(self) {
        // For the calling thread alone, whatever the name says.
        if let Err(error) = rustix::process::setpriority_process(None, NICE) {
            tracing::debug!(%error, "the storer runs with the priority of all others");
        }
        let mut backoff = Backoff::new(self.shared.config.store.retry_ms_max);
        let mut in_doubt = false;
        loop {
            // Damage may show as a panic of who reads or merges.
            let served = panic::catch_unwind(panic::AssertUnwindSafe(|| self.serve(in_doubt, &mut backoff)));
            self.shared.metrics.store.up.set(0);
            in_doubt = matches!(served, Err(_) | Ok(Err(StoringError::Damaged)));
            let trouble = match served {
                Ok(Ok(())) => break,
                Ok(Err(error)) => error.to_string(),
                Err(_) => "a part of it panicked".into(),
            };
            if self.shared.status.store_trouble().as_ref() != Some(&trouble) {
                tracing::error!(%trouble, "the event store takes nothing; events wait in the journal until it does");
            }
            self.shared.metrics.store.failures.inc();
            self.shared.status.set_store_trouble(Some(trouble));
            self.tracks.tell_waiting(&self.shared);
            if self.is_stopping() {
                break;
            }
            self.pause(backoff.pause());
        }
        self.shared.stored.store(None);
    }

    /// Fills the store until the stop.
    fn serve(&self, in_doubt: bool, backoff: &mut Backoff) -> Result<(), StoringError> {
        let Shared { config, log, .. } = &*self.shared;
        let (mut storing, findings) = Storing::open(config, &self.tracks, in_doubt)?;
        self.shared.metrics.store.damages.inc_by(findings.len() as u64);
        let store = storing.store();
        self.tracks.tell_opened(&self.shared, (store.seen(), store.cursor()));
        let mut pace = Pace::new(&config.store);
        self.publish(storing.store(), Sequence::ZERO);
        let check = StoreCheck::start(storing.store().libraries())?;
        loop {
            let stopping = self.is_stopping();
            if stopping {
                pace.stop_within(clock::ms(config.store.stop_ms_max));
            }
            self.drop_old(storing.store(), &mut pace)?;
            let upto = self.tracks.synced(log.synced());
            let done = storing.advance(upto, &mut |filling| {
                let turn = pace.turn();
                if turn == Turn::Commit {
                    self.commit(filling, upto, &mut pace)?;
                }
                Ok(turn != Turn::Stop)
            })?;
            self.note(&mut storing, &mut pace);
            if stopping || pace.is_due(storing.store()) {
                self.commit(storing.filling(), upto, &mut pace)?;
                backoff.reset();
            }
            if stopping {
                if !done {
                    tracing::warn!("stopped before all events were stored; the next start stores them");
                }
                return Ok(());
            }
            if pace.may_rest() {
                storing.store().rest()?;
                storing.rest();
                if pace.gives_back() {
                    memory::give_back();
                }
            }
            if check.found_damage() || self.shared.take_store_doubt() {
                return Err(StoringError::Damaged);
            }
            self.pause(PAUSE);
        }
    }

    fn is_stopping(&self) -> bool {
        self.stopping.load(Ordering::Acquire)
    }

    fn pause(&self, pause: Duration) {
        if !self.is_stopping() {
            thread::park_timeout(pause);
        }
    }

    fn note(&self, storing: &mut Storing, pace: &mut Pace) {
        if pace.looks_at_size() {
            let bytes = storing.store().disk_bytes();
            self.shared
                .metrics
                .store
                .disk_bytes
                .set(i64::try_from(bytes).unwrap_or(i64::MAX));
        }
        let (tally, metrics) = (storing.take_tally(), &self.shared.metrics.store);
        metrics.written.inc_by(tally.events);
        metrics.erasures.inc_by(tally.erasures);
        if tally.events + tally.erasures > 0 {
            pace.wrote();
        }
    }

    fn commit(&self, filling: &mut Filling<Stores>, upto: Sequence, pace: &mut Pace) -> Result<(), StoreError> {
        pace.committed();
        if filling.store().is_behind() {
            filling.commit()?;
            self.shared.metrics.store.commits.inc();
            let (open, cut_short) = filling.take_counts();
            self.shared
                .metrics
                .store
                .sessions
                .set(i64::try_from(open).unwrap_or(i64::MAX));
            self.shared.metrics.store.sessions_cut.inc_by(cut_short);
        }
        self.publish(filling.store(), upto);
        Ok(())
    }

    /// Tells everyone how far the store is.
    fn publish(&self, store: &mut Stores, upto: Sequence) {
        let (library, cursor) = (store.library(), store.cursor());
        let metrics = &self.shared.metrics.store;
        let snapshot = library.snapshot();
        metrics.events.set(i64::try_from(snapshot.events()).unwrap_or(i64::MAX));
        metrics.cursor.set(cursor.0);
        metrics.dropped.inc_by(store.take_dropped());
        let lag = upto.0.saturating_sub(cursor.0);
        metrics.lag.set(i64::try_from(lag).unwrap_or(i64::MAX));
        metrics.up.set(1);
        self.tracks.tell_stored(&self.shared, cursor);
        self.shared.status.set_store_trouble(None);
        self.shared.stored.store(Some(Arc::new(library)));
    }

    /// Drops the months that are too old by the gateway's clock.
    fn drop_old(&self, store: &mut Stores, pace: &mut Pace) -> Result<(), StoreError> {
        let days = self.shared.config.store.retention_days;
        if days == 0 || !pace.looks_at_age() {
            return Ok(());
        }
        let first = Month::oldest_kept(self.shared.log.clock().unix_ms(), days);
        for month in store.drop_before(first)? {
            tracing::info!(%month, "the events of this month are older than they are kept, and were dropped");
        }
        Ok(())
    }
}
