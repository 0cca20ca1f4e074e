//! The applier's thread: journal → apply → ledger and Redis.

use std::cell::RefCell;
use std::io;
use std::rc::Rc;
use std::sync::Arc;
use std::thread::{self, JoinHandle};

use tokio::task::LocalSet;
use tokio::time::{Instant, sleep};

use super::Shared;
use super::backlog::Backlog;
use super::core::Core;
use super::link::Link;
use super::retention::first_needed;
use crate::clock;
use crate::counters::{RedisCounters, RedisReader};
use crate::event::Sequence;
use crate::journal::Segment;

/// The applier of one gateway.
pub struct Applier {
    shared: Arc<Shared>,
    core: Core,
    redis: Option<(RedisCounters, RedisReader)>,
}

impl Applier {
    /// An applier whose ledger has been brought up to the log's head.
    pub const fn new(shared: Arc<Shared>, core: Core, redis: Option<(RedisCounters, RedisReader)>) -> Self {
        Self { shared, core, redis }
    }

    /// Its state, as long as it has not started.
    pub const fn core_mut(&mut self) -> &mut Core {
        &mut self.core
    }

    /// Starts its thread; it ends after [`Shared::stop`], when everything synced is in the ledger.
    ///
    /// # Errors
    /// When the thread or its runtime cannot be made.
    pub fn start(self) -> io::Result<JoinHandle<()>> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        thread::Builder::new().name("applier".into()).spawn(move || {
            LocalSet::new().block_on(&runtime, self.run());
        })
    }

    async fn run(self) {
        let Self { shared, core, redis } = self;
        let core = Rc::new(RefCell::new(core));
        let link = redis.map(|clients| {
            let link = Link::new((shared.clone(), core.clone()), clients);
            tokio::task::spawn_local(link.run())
        });
        apply_until_stopped(&shared, &core).await;
        if let Some(link) = link {
            let patience = clock::ms(shared.config.counters.redis_timeout_ms);
            if tokio::time::timeout(patience, link).await.is_err() {
                tracing::warn!("Redis did not take everything before the stop; the next start sends it");
            }
        }
        persist(&shared, &mut core.borrow_mut());
    }
}

async fn apply_until_stopped(shared: &Shared, core: &RefCell<Core>) {
    let flush_every = clock::ms(shared.config.counters.flush_ms.max(1));
    let persist_every = clock::ms(shared.config.counters.persist_ms.max(1));
    let mut synced = shared.log.follow_synced();
    let mut persist_at = Instant::now() + persist_every;
    loop {
        let stopping = shared.is_stopping();
        advance(shared, &mut core.borrow_mut());
        if stopping {
            return;
        }
        if Instant::now() >= persist_at {
            persist(shared, &mut core.borrow_mut());
            persist_at = Instant::now() + persist_every;
        }
        let hurried = shared.answers.is_awaited();
        tokio::select! {
            () = sleep(flush_every) => {}
            () = shared.hurry.notified() => {}
            _ = synced.changed(), if hurried => {}
        }
    }
}

/// Applies what has been synced since the last time.
pub fn advance(shared: &Shared, core: &mut Core) {
    let synced = shared.log.synced();
    if synced <= core.head() {
        return;
    }
    let read = core.advance(synced, shared);
    if let Err(error) = &read {
        tracing::error!(%error, "the journal cannot be applied; trying again");
    }
    shared.status.set_unreadable(read.is_err());
    if shared.is_embedded() {
        shared.applied.send_replace(core.head());
        shared.metrics.counters.applied_sequence.set(core.head().0);
    } else if shared.waits_for_counters() || shared.is_stopping() {
        shared.send_now.notify_one();
    }
}

/// Writes the ledger durably, and lets go of segments that nobody needs any more.
pub fn persist(shared: &Shared, core: &mut Core) {
    if let Err(error) = core.sync_points(shared) {
        tracing::error!(%error, "the points' database takes no writes; the journal keeps everything until it does");
        return;
    }
    if let Err(error) = core.ledger.persist() {
        tracing::error!(%error, "the counters' database takes no writes; the journal keeps everything until it does");
        return;
    }
    let durable = core.ledger.durable_cursor();
    let done = if shared.is_embedded() {
        durable
    } else {
        // What Redis calls a sequence may have been another frame, before the directory was restored.
        let place = |backlog: &Backlog| core.ledger.standing().place(backlog.held()).min(durable);
        core.backlog.as_ref().map_or(Sequence::ZERO, place)
    };
    if shared.is_handing_over() {
        return;
    }
    let done = done.min(shared.stored_upto());
    let list = core.segments().list();
    let needed = list.get(first_needed(&list, done, &shared.config, shared.log.clock().unix_ms()));
    let expendable = |segment: &Segment| needed.is_some_and(|needed| segment.first < needed.first);
    if let Err(error) = core.segments().remove_done(done, expendable) {
        tracing::warn!(%error, "an old segment cannot be removed");
    }
    let bytes = core.segments().closed_bytes();
    shared
        .metrics
        .journal
        .disk_bytes
        .set(i64::try_from(bytes).unwrap_or(i64::MAX));
}
