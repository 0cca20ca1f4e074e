//! What the workers, the applier and the health answers of one gateway share.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use arc_swap::{ArcSwap, ArcSwapOption};
use tokio::sync::{Notify, watch};
use tokio::time::timeout;

use super::answers::Answers;
use super::decided::Decided;
use super::imports::Imports;
use super::names::Names;
use super::points::PointsDesk;
use super::status::Status;
use super::totals::Totals;
use crate::clock;
use crate::config::{Config, Durability};
use crate::event::Sequence;
use crate::journal::{Log, Refusal};
use crate::metrics::Metrics;
use crate::outcome::Reason;
use crate::store::Library;

/// The shared parts of one gateway's pipeline.
pub struct Shared {
    /// The configuration.
    pub config: Config,
    /// The figures.
    pub metrics: Arc<Metrics>,
    /// The log.
    pub log: Arc<Log>,
    /// What answers name.
    pub totals: Totals,
    /// The counters' side.
    pub status: Status,
    /// The names of events that have a counter.
    pub names: Arc<Names>,
    /// How far imports are.
    pub imports: Arc<Imports>,
    /// The event store; `None` while another process looks after it, or nobody does.
    pub stored: ArcSwapOption<Library>,
    /// Someone met damage in the event store.
    store_doubted: AtomicBool,
    /// How far the event store durably is, as far as segments are kept for it.
    stored_upto: ArcSwap<AtomicU64>,
    /// Users' points; `None` where nobody keeps them.
    pub points: Option<Arc<PointsDesk>>,
    /// What the applier has decided that the store has yet to take.
    pub(super) decided: Arc<Decided>,
    pub(super) answers: Answers,
    /// The last sequence that the counters hold.
    pub(super) applied: watch::Sender<Sequence>,
    /// Someone waits for apply.
    pub(super) hurry: Notify,
    /// Someone waits for the counters.
    pub(super) send_now: Notify,
    /// Whether the counters have answered since the start.
    pub(super) contacted: watch::Sender<bool>,
    stopping: AtomicBool,
    /// A new process reads the segments.
    handing_over: AtomicBool,
    /// The lane that rests beside this one.
    beside: Mutex<Option<Arc<Self>>>,
}

impl Shared {
    pub(super) fn new(config: Config, metrics: Arc<Metrics>, log: Arc<Log>) -> Self {
        let embedded = config.counters.redis_url.is_none();
        // Until the store says how far it is, it may need everything.
        let stored_upto = if config.store.enabled { 0 } else { u64::MAX };
        Self {
            totals: if embedded { Totals::alone() } else { Totals::shared() },
            names: Arc::new(Names::new(config.events.names_max)),
            imports: Arc::new(Imports::new(config.imports.imports_max)),
            config,
            metrics,
            log,
            status: Status::default(),
            stored: ArcSwapOption::empty(),
            store_doubted: AtomicBool::new(false),
            stored_upto: ArcSwap::from_pointee(AtomicU64::new(stored_upto)),
            points: None,
            decided: Arc::default(),
            answers: Answers::default(),
            applied: watch::Sender::new(Sequence::ZERO),
            hurry: Notify::new(),
            send_now: Notify::new(),
            contacted: watch::Sender::new(embedded),
            stopping: AtomicBool::new(false),
            handing_over: AtomicBool::new(false),
            beside: Mutex::default(),
        }
    }

    /// Returns when the counters have answered since the start.
    pub(super) async fn is_contacted(&self) {
        // The sender lives in `self`, so waiting cannot fail.
        let _ = self.contacted.subscribe().wait_for(|met| *met).await;
    }

    /// The lane that rests beside this one, if there is one.
    pub fn beside(&self) -> Option<Arc<Self>> {
        self.beside.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Another lane rests beside this one from now on, or none.
    pub fn set_beside(&self, resting: Option<Arc<Self>>) {
        if let Some(resting) = &resting {
            self.share_store_with(resting);
        }
        *self.beside.lock().unwrap_or_else(PoisonError::into_inner) = resting;
    }

    /// Has the event store opened anew after a look at every byte: what was read of it made no sense.
    pub fn doubt_store(&self) {
        self.store_doubted.store(true, Ordering::Release);
    }

    /// Whether someone doubts it; to be asked once.
    pub(super) fn take_store_doubt(&self) -> bool {
        self.store_doubted.swap(false, Ordering::AcqRel)
    }

    /// How far the event store durably is; segments behind it stay.
    pub(super) fn stored_upto(&self) -> Sequence {
        Sequence(self.stored_upto.load().load(Ordering::Acquire))
    }

    pub(super) fn set_stored_upto(&self, upto: Sequence) {
        self.stored_upto.load().store(upto.0, Ordering::Release);
    }

    /// One store has the events of both lanes.
    pub(super) fn share_store_with(&self, resting: &Self) {
        resting.stored_upto.store(self.stored_upto.load_full());
    }

    /// Whether a new process is about to take over, and reads the segments.
    pub(super) fn is_handing_over(&self) -> bool {
        self.handing_over.load(Ordering::Acquire)
    }

    /// A new process is about to take over, or is not any more: no segment is removed meanwhile.
    pub fn set_handing_over(&self, handing_over: bool) {
        self.handing_over.store(handing_over, Ordering::Release);
    }

    /// Whether the counters are those in the data directory.
    pub fn is_embedded(&self) -> bool {
        self.config.counters.redis_url.is_none()
    }

    /// Whether the pipeline is being stopped.
    pub fn is_stopping(&self) -> bool {
        self.stopping.load(Ordering::Acquire)
    }

    pub(super) fn stop(&self) {
        self.stopping.store(true, Ordering::Release);
        self.hurry.notify_one();
        self.send_now.notify_one();
    }

    /// Refuses what a fenced gateway must not take.
    pub(super) fn refuse_if_closed(&self) -> Result<(), Reason> {
        if self.status.is_fenced() {
            Err(Reason::Fenced)
        } else {
            Ok(())
        }
    }

    /// The public reason of a refusal of the log.
    pub(super) fn reason(&self, refusal: Refusal) -> Reason {
        match refusal {
            Refusal::Overloaded => Reason::Overloaded,
            Refusal::SpoolFull => Reason::SpoolFull,
            Refusal::DiskFull => Reason::DiskFull,
            Refusal::Failing => Reason::JournalFailing,
            Refusal::DurabilityUnknown => Reason::DurabilityUnknown,
            Refusal::Sealed if self.log.is_sealed() => Reason::JournalFailing,
            Refusal::Sealed => Reason::Draining,
        }
    }

    /// Whether answers wait until the counters have the visit.
    pub(super) fn waits_for_counters(&self) -> bool {
        self.config.journal.durability == Durability::Applied
    }

    /// How far the log alone keeps a visit.
    pub(super) fn kept_by_log(&self) -> Durability {
        match self.config.journal.durability {
            Durability::Os => Durability::Os,
            Durability::Disk | Durability::Applied => Durability::Disk,
        }
    }

    /// Waits until the counters hold a frame, as long as the configuration allows; says how far the frame is kept.
    pub(super) async fn settle(&self, sequence: Sequence) -> Durability {
        if !self.waits_for_counters() || !self.status.is_counters_up() {
            return self.kept_by_log();
        }
        Box::pin(self.wait_for_counters(sequence)).await
    }

    async fn wait_for_counters(&self, sequence: Sequence) -> Durability {
        self.hurry.notify_one();
        let mut applied = self.applied.subscribe();
        let wait = clock::ms(self.config.journal.applied_wait_ms);
        match timeout(wait, applied.wait_for(|held| *held >= sequence)).await {
            Ok(Ok(_)) => Durability::Applied,
            Ok(Err(_)) | Err(_) => self.kept_by_log(),
        }
    }
}
