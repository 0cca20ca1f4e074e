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
use super::totals::CURRENT_MS;
use crate::clock;
use crate::config::CountersConfig;
use crate::counters::{Backoff, Commit, CountersError, Remote, Totals, Verdict};
use crate::event::{CounterHash, Country, Family, Sequence, SiteId};
use crate::journal::payload;

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
    Refold(#[from] RefoldError),
    /// A counter is not fit to be raised.
    #[error("Redis refused a batch: {0}")]
    Bad(String),
}

/// One gateway's link. [`Link::run`] drives it by timers; its steps can be taken one by one as well.
pub struct Link<R> {
    shared: Arc<Shared>,
    core: Rc<RefCell<Core>>,
    redis: R,
    config: CountersConfig,
    /// The first sequence of this start; what Redis holds at the first contact cannot be from it.
    boot: Sequence,
    met: bool,
}

impl<R: Remote> Link<R> {
    /// A link that is not up yet; frames from `boot` on are of this start.
    pub fn new((shared, core): (Arc<Shared>, Rc<RefCell<Core>>), redis: R, boot: Sequence) -> Self {
        let config = shared.config.counters.clone();
        Self {
            shared,
            core,
            redis,
            config,
            boot,
            met: false,
        }
    }

    /// Serves until the gateway is fenced or stops.
    pub async fn run(mut self) {
        let mut backoff = Backoff::new(self.config.reconnect_ms_max);
        loop {
            let Err(interruption) = self.serve(&mut backoff).await else {
                return;
            };
            if !self.interrupted(interruption) {
                return;
            }
            sleep(backoff.pause()).await;
        }
    }

    /// Notes why a spell of service ended; whether another may begin.
    pub fn interrupted(&self, interruption: Interruption) -> bool {
        let Shared { status, metrics, .. } = self.shared.as_ref();
        status.set_counters_up(false, metrics);
        metrics.counters.failures.inc();
        tracing::warn!(%interruption, "the link to Redis is down; visits are kept in the journal");
        match interruption {
            Interruption::Redis(CountersError::Fenced) => {
                status.set_fenced();
                return false;
            }
            Interruption::Redis(CountersError::Unsuitable(reason)) => status.set_halted(Some(reason.into())),
            Interruption::Bad(reason) => status.set_halted(Some(reason)),
            Interruption::Refold(error) => status.set_halted(Some(error.to_string())),
            Interruption::Redis(CountersError::Unavailable(_)) => {}
        }
        true
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
        let held = self.redis.connect().await?;
        self.reconcile(held)?;
        self.met = true;
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
            Verdict::Duplicate(held) | Verdict::Gap(held) => self.reconcile(Some(held))?,
            Verdict::Lost => self.reconcile(None)?,
            Verdict::Fenced => return Err(CountersError::Fenced.into()),
            Verdict::Bad(reason) => return Err(Interruption::Bad(reason.to_string())),
        }
        Ok(())
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

    /// Takes up from what Redis says it holds of us; `None`: nothing.
    fn reconcile(&mut self, held: Option<Sequence>) -> Result<(), RefoldError> {
        let metrics = &self.shared.metrics.counters;
        let mut core = self.core.borrow_mut();
        let Some(held) = held else {
            if core.head() > Sequence::ZERO {
                metrics.losses.inc();
                tracing::warn!("Redis holds nothing of this gateway: its whole contribution is sent");
            }
            let whole = core.whole();
            core.place(Sequence::ZERO, whole, &self.shared);
            return Ok(());
        };
        if let Some(backlog) = core.backlog.as_mut() {
            if backlog.sent_to() == Some(held) {
                metrics.duplicates.inc();
                let bytes = backlog.arrived();
                self.shared.log.shrink_spool(bytes);
                self.shared.applied.send_replace(held);
                return Ok(());
            }
            if backlog.held() == held {
                backlog.take_back();
                return Ok(());
            }
            metrics.gaps.inc();
            tracing::warn!(%held, expected = %backlog.held(), "Redis went back in time: the journal is folded anew");
        }
        if held >= self.boot && !self.met {
            return self.take_up_ahead(&mut core, held);
        }
        let lacking = core.refold(held)?;
        core.place(held, lacking, &self.shared);
        Ok(())
    }

    /// Redis holds more of this directory than its journal: the directory was restored from an older copy. All that
    /// the copy has is in Redis; what was kept since this start is not, and goes on above what Redis holds.
    fn take_up_ahead(&self, core: &mut Core, held: Sequence) -> Result<(), RefoldError> {
        tracing::warn!(%held, "Redis is ahead of this journal: was the data directory restored? Counting goes on above");
        let kept_since = core.refold(Sequence(self.boot.0 - 1))?;
        self.shared.log.skip_past(held);
        core.place(held, kept_since, &self.shared);
        if let Err(refusal) = self.shared.log.advance(payload::ADVANCE) {
            tracing::warn!(%refusal, "the journal took no advance; the next visit brings it");
        }
        Ok(())
    }
}
