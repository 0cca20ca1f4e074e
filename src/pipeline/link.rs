//! The link to Redis: claims this directory's part, finds out what Redis holds, sends what it lacks, asks what the
//! other gateways have counted.
//!
//! Whatever happens to a call, the sequence that Redis names next decides whether it was applied.

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::{Instant, sleep, sleep_until};

use super::Shared;
use super::backlog::{Backlog, Batch};
use super::core::{Core, RefoldError};
use super::taking_up::{TakeUpError, catch_up, ousted, take_up};
use super::totals::CURRENT_MS;
use crate::clock;
use crate::config::CountersConfig;
use crate::counters::{Backoff, BadReason, Commit, CountersError, Fault, Fence, Remote, Totals, Verdict};
use crate::event::{CounterHash, Country, Family, Sequence, SiteId};

const VISITS: CounterHash = CounterHash {
    site: SiteId::DEFAULT,
    family: Family::Visits,
};

/// Time between two looks at the settings of Redis.
const LOOK_EVERY: Duration = Duration::from_secs(10);

/// Why a spell of service ended.
#[derive(Debug, thiserror::Error)]
pub enum Interruption {
    /// Redis cannot be asked, or must not be.
    #[error(transparent)]
    Redis(#[from] CountersError),
    /// What Redis lacks cannot be made again.
    #[error(transparent)]
    TakeUp(#[from] TakeUpError),
    /// A counter is not fit to be raised.
    #[error("Redis refused a batch: {0}")]
    Bad(BadReason),
}

/// One gateway's link. [`Link::run`] drives it by timers; its steps can be taken one by one as well.
pub struct Link<R> {
    shared: Arc<Shared>,
    core: Rc<RefCell<Core>>,
    redis: R,
    config: CountersConfig,
    /// The generation of counters that it last took up.
    generation: u64,
}

impl<R: Remote> Link<R> {
    /// A link that is not up yet.
    pub fn new((shared, core): (Arc<Shared>, Rc<RefCell<Core>>), redis: R) -> Self {
        let config = shared.config.counters.clone();
        Self {
            shared,
            core,
            redis,
            config,
            generation: 0,
        }
    }

    /// Serves until the gateway is fenced or stops.
    pub async fn run(mut self) {
        let mut backoff = Backoff::new(self.config.reconnect_ms_max);
        loop {
            let Err(interruption) = self.serve(&mut backoff).await else {
                return;
            };
            if !self.interrupted(interruption).await {
                return;
            }
            sleep(backoff.pause()).await;
        }
    }

    /// Notes why a spell of service ended, and mends what can be mended; whether another may begin.
    pub async fn interrupted(&mut self, interruption: Interruption) -> bool {
        let Shared { status, metrics, .. } = self.shared.as_ref();
        status.set_counters_up(false, metrics);
        metrics.counters.failures.inc();
        tracing::warn!(%interruption, "the link to Redis is down; visits are kept in the journal");
        match interruption {
            Interruption::Redis(CountersError::Unavailable(_)) => {}
            Interruption::Redis(CountersError::Fenced(fence)) => return self.go_on_renamed(&fence),
            Interruption::Redis(CountersError::Unsuitable(reason)) => status.set_halted(Some(reason.into())),
            Interruption::TakeUp(TakeUpError::Refold(
                RefoldError::TooOld { .. } | RefoldError::KeysForgotten { .. },
            ))
            | Interruption::Bad(BadReason {
                fault: Fault::Orphan | Fault::Torn,
                ..
            }) => self.begin_anew().await,
            Interruption::Bad(reason) => status.set_halted(Some(reason.to_string())),
            Interruption::TakeUp(error) => status.set_halted(Some(error.to_string())),
        }
        true
    }

    /// Another process has claimed this gateway's name. Whatever it counts there, what this one has kept and Redis has
    /// not got is counted under a new name.
    fn go_on_renamed(&mut self, fence: &Fence) -> bool {
        if !catch_up(&mut self.core.borrow_mut(), &self.shared, fence) {
            // The next claim is told the same, a moment later.
            return true;
        }
        let guard = self.redis.writer();
        let renamed = self
            .redis
            .rename(guard)
            .map_err(|error| error.to_string())
            .and_then(|()| {
                let names = [guard, self.redis.writer()];
                ousted(&mut self.core.borrow_mut(), &self.shared, fence, names).map_err(|error| error.to_string())
            });
        if let Err(error) = &renamed {
            tracing::error!(%error, "no new name could be taken: visits are refused, and those kept wait in the journal");
            self.shared.status.set_fenced();
        }
        renamed.is_ok()
    }

    /// What is in Redis can neither be gone on from nor be told apart: the counters begin anew, and every gateway
    /// contributes all it has counted.
    async fn begin_anew(&self) {
        tracing::error!(
            "the counters in Redis begin anew from what the gateways have counted; the old ones step aside"
        );
        match self.redis.renew(self.generation).await {
            Ok((ours, generation)) => {
                self.shared.metrics.counters.renewals.inc_by(u64::from(ours));
                tracing::info!(generation, "a new generation of counters has begun");
            }
            Err(error) => tracing::warn!(%error, "no new generation of counters has begun"),
        }
    }

    /// One spell of service; ends well only when the gateway stops.
    async fn serve(&mut self, backoff: &mut Backoff) -> Result<(), Interruption> {
        self.meet().await?;
        backoff.reset();
        self.attend().await
    }

    /// The beginning of a spell: claims, finds out what Redis holds, sends what it lacks, and asks for all totals.
    ///
    /// # Errors
    /// Why it does not come to a spell of service.
    pub async fn meet(&mut self) -> Result<(), Interruption> {
        self.generation = self.redis.generation().await?;
        let inherited = self.core.borrow().ledger.standing().inherited.clone();
        let held = self.redis.connect(&inherited).await?;
        self.take_up(held)?;
        // Only a batch that Redis takes shows that counting goes on.
        self.send().await?;
        self.ask().await?;
        self.look_over().await?;
        self.shared.contacted.send_replace(true);
        self.shared.status.set_counters_up(true, &self.shared.metrics);
        self.shared.status.set_halted(None);
        tracing::info!(held = %held.unwrap_or_default(), "Redis answers");
        Ok(())
    }

    /// Sends and asks, each in its time.
    async fn attend(&mut self) -> Result<(), Interruption> {
        // Often enough for reports, and for totals to stay current.
        let ask_every = clock::ms((self.shared.config.http.report_age_ms_max / 2).clamp(1, CURRENT_MS / 2));
        let flush_every = clock::ms(self.config.flush_ms.max(1));
        let (mut ask_at, mut look_at) = (Instant::now() + ask_every, Instant::now() + LOOK_EVERY);
        loop {
            let stopping = self.shared.is_stopping();
            self.send().await?;
            if stopping
                && self
                    .core
                    .borrow()
                    .backlog
                    .as_ref()
                    .is_none_or(|backlog| backlog.bytes() == 0)
            {
                return Ok(());
            }
            if Instant::now() >= ask_at {
                self.ask().await?;
                ask_at = Instant::now() + ask_every;
            }
            if Instant::now() >= look_at {
                self.look_over().await?;
                look_at = Instant::now() + LOOK_EVERY;
            }
            tokio::select! {
                () = sleep(flush_every) => {}
                () = sleep_until(ask_at) => {}
                () = self.shared.send_now.notified() => {}
            }
        }
    }

    /// Whether this Redis is fit to keep counters.
    async fn look_over(&self) -> Result<(), CountersError> {
        let server = self.redis.server().await?;
        if !server.is_supported() {
            let told = format!(
                "{} {} is too old: Redis 7 or Valkey 8 is needed",
                server.product, server.version
            );
            return Err(CountersError::Unsuitable(told.into()));
        }
        let evicting = server.may_evict() && !self.config.allow_eviction;
        if evicting && !self.shared.status.is_evicting() {
            tracing::error!("Redis may evict counters: set its maxmemory-policy to noeviction");
        }
        self.shared.status.set_evicting(evicting);
        Ok(())
    }

    /// Sends what gathered, if anything did.
    ///
    /// # Errors
    /// Why the spell is over.
    pub async fn send(&mut self) -> Result<(), Interruption> {
        let Some((from, batch)) = self.next_batch() else {
            return Ok(());
        };
        let verdict = if from == Sequence::ZERO {
            self.redis.contribute(batch.to, &batch.deltas).await?
        } else {
            self.redis
                .commit(Commit {
                    from,
                    to: batch.to,
                    deltas: &batch.deltas,
                })
                .await?
        };
        self.shared.metrics.counters.commits.inc();
        match verdict {
            Verdict::Applied(totals) => self.arrived(batch.to, &totals),
            Verdict::Duplicate(held) | Verdict::Gap(held) => self.take_up(Some(held))?,
            Verdict::Lost => self.take_up(None)?,
            Verdict::Stale => {
                self.take_back();
                return Err(CountersError::Unavailable("Redis knows another claim; claiming again".into()).into());
            }
            Verdict::Bad(reason) => return Err(Interruption::Bad(reason)),
        }
        Ok(())
    }

    fn take_up(&self, held: Option<Sequence>) -> Result<(), TakeUpError> {
        take_up(&mut self.core.borrow_mut(), &self.shared, (held, self.redis.before()))
    }

    fn take_back(&self) {
        if let Some(backlog) = self.core.borrow_mut().backlog.as_mut() {
            backlog.take_back();
        }
    }

    fn next_batch(&self) -> Option<(Sequence, Arc<Batch>)> {
        let mut core = self.core.borrow_mut();
        let backlog = core.backlog.as_mut()?;
        Some((backlog.held(), backlog.send()?))
    }

    fn arrived(&self, to: Sequence, totals: &Totals) {
        let mut core = self.core.borrow_mut();
        if let Some(backlog) = core.backlog.as_mut() {
            self.shared.log.shrink_spool(backlog.arrived());
        }
        core.ledger.set_held(to);
        self.shared.applied.send_replace(to);
        self.shared.metrics.counters.applied_sequence.set(to.0);
        for (hash, fields) in totals.iter() {
            if *hash == VISITS {
                self.observe(&core, fields.iter().map(|(field, total)| (field.as_ref(), *total)));
            }
        }
        self.shared.totals.told();
    }

    /// Asks for all totals, in one reply with the sequence Redis holds of us.
    ///
    /// # Errors
    /// Why the spell is over.
    pub async fn ask(&mut self) -> Result<(), Interruption> {
        let (held, fields) = self.redis.read_totals(&VISITS).await?;
        let core = self.core.borrow();
        let placed = core.backlog.as_ref().map(Backlog::held).unwrap_or_default();
        if held.unwrap_or_default() != placed {
            let told = format!("Redis holds {} of this gateway, not {placed}", held.unwrap_or_default());
            return Err(CountersError::Unavailable(told.into()).into());
        }
        // A Redis that lost our sequence may still have what we counted. As long as it has not taken everything anew,
        // nobody can tell how much of a total is ours.
        if held.is_none() && core.head() > Sequence::ZERO {
            return Ok(());
        }
        self.observe(&core, fields.iter().map(|(field, total)| (field.as_ref(), *total)));
        self.shared.totals.told();
        Ok(())
    }

    /// What others have counted is what Redis says, less what it holds of us.
    fn observe<'a>(&self, core: &Core, fields: impl Iterator<Item = (&'a str, u64)>) {
        let own = core.ledger.totals(&VISITS);
        for (field, total) in fields {
            let Some(country) = Country::parse(field.as_bytes()) else {
                continue;
            };
            let lacking = core
                .backlog
                .as_ref()
                .map_or(0, |backlog| backlog.lacking(&VISITS, field));
            let contributed = own.get(field).copied().unwrap_or_default().saturating_sub(lacking);
            self.shared
                .totals
                .raise_foreign(country, total.saturating_sub(contributed));
        }
    }
}
