//! The teller's thread: claims on points → Redis, and Redis' word on them → those who wait; sums from Redis → those who
//! ask.
//!
//! It reads the claims from the directory's file, where they stay, so there is nothing to hand over, and it has its own
//! connection: however much it has to tell, the counters do not wait. What it has told it may tell again.

use std::cell::RefCell;
use std::io;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::thread::{self, JoinHandle};
use std::time::Duration;

use tokio::sync::{Semaphore, mpsc, watch};
use tokio::task::LocalSet;
use tokio::time::{sleep, timeout};

use super::answers::Word;
use super::points::{Asked, Phase, PointsDesk};
use super::{PipelineError, Shared};
use crate::clock;
use crate::counters::{Backoff, CountersError};
use crate::points::{PointsError, RemotePoints, Reply, Row, TOLD_AT_ONCE};
use crate::redis_address::RedisAddress;

/// Time between two looks at whether Redis still has what it was told.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// Most questions that Redis is asked at once.
const QUESTIONS_AT_ONCE: usize = 4;

/// The thread that tells Redis of claims.
pub struct TellerThread {
    thread: JoinHandle<()>,
    desk: Arc<PointsDesk>,
}

/// Tells Redis of one directory's claims.
struct Teller {
    shared: Arc<Shared>,
    desk: Arc<PointsDesk>,
    remote: RemotePoints,
    /// This process's name among claims.
    token: String,
    /// The number up to which Redis has the claims; `None` before it was asked.
    told: Option<u64>,
    /// The number up to which claims are noted in the figures.
    noted: u64,
}

impl TellerThread {
    /// Starts it, if gateways share a Redis. It tells nothing before [`PointsDesk::begin`].
    ///
    /// # Errors
    /// When the setting of Redis does not fit, or the thread cannot be made.
    pub fn start(shared: &Arc<Shared>, desk: &Arc<PointsDesk>) -> Result<Option<Self>, PipelineError> {
        let Some((url, asked)) = shared.config.counters.redis_url.as_ref().zip(desk.take_asked()) else {
            return Ok(None);
        };
        let unsuitable = |error: String| PipelineError::Counters(CountersError::Unsuitable(error.into()));
        let address = RedisAddress::parse(url).map_err(CountersError::from)?;
        let remote = RemotePoints::new(&address, &shared.config.counters);
        let remote = remote.map_err(|error| unsuitable(error.to_string()))?;
        let mut random = [0; 8];
        getrandom::fill(&mut random).map_err(|error| unsuitable(format!("no random numbers: {error}")))?;
        let teller = Teller {
            shared: shared.clone(),
            desk: desk.clone(),
            remote: remote.clone(),
            token: format!("{:016x}", u64::from_be_bytes(random)),
            told: None,
            noted: 0,
        };
        let made = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let thread = made.and_then(|runtime| {
            thread::Builder::new().name("points".into()).spawn(move || {
                let tasks = LocalSet::new();
                tasks.spawn_local(answer_questions(asked, remote));
                tasks.block_on(&runtime, teller.run());
            })
        });
        let thread = thread.map_err(|error: io::Error| unsuitable(format!("no thread for points: {error}")))?;
        Ok(Some(Self {
            thread,
            desk: desk.clone(),
        }))
    }

    /// Ends it when everything is told, or Redis has had the time that one call may take.
    pub fn stop(self) {
        self.desk.phase.send_replace(Phase::Stopping);
        if self.thread.join().is_err() {
            tracing::error!("the thread that tells Redis of points panicked; the next start tells what it left");
        }
    }
}

impl Teller {
    async fn run(mut self) {
        let mut phase = self.desk.phase.subscribe();
        // The sender lives in the desk, so waiting cannot fail.
        if !matches!(phase.wait_for(|phase| *phase != Phase::Waiting).await, Ok(phase) if *phase == Phase::Telling) {
            return;
        }
        self.noted = self.desk.before.load(Ordering::Acquire);
        let config = self.shared.config.counters.clone();
        let (mut backoff, mut is_well) = (Backoff::new(config.reconnect_ms_max), true);
        loop {
            let stopping = *phase.borrow_and_update() == Phase::Stopping;
            let told = if stopping {
                let last = timeout(clock::ms(config.redis_timeout_ms), self.tell_all()).await;
                last.unwrap_or_else(|_| Err(PointsError::Redis("there was no time to tell everything".into())))
            } else {
                tokio::select! {
                    told = self.tell_all() => told,
                    _ = phase.wait_for(|phase| *phase == Phase::Stopping) => continue,
                }
            };
            let pause = match &told {
                Ok(()) => {
                    backoff.reset();
                    LOOK_EVERY
                }
                Err(_) => backoff.pause(),
            };
            if let Err(error) = &told
                && is_well
            {
                tracing::warn!(%error, "Redis is not told of points; they are kept, and told when it answers");
            }
            is_well = told.is_ok();
            if stopping {
                return;
            }
            wait(&self.desk, &mut phase, pause, is_well).await;
        }
    }

    /// Tells everything that Redis lacks, and notices if that is more than it was.
    async fn tell_all(&mut self) -> Result<(), PointsError> {
        if self.desk.book.last()? == 0 {
            return Ok(());
        }
        let mut told = match self.told {
            Some(told) => told,
            None => self.adopt().await?,
        };
        loop {
            let rows = self.desk.book.after(told, TOLD_AT_ONCE)?;
            match self.remote.tell(&self.token, told, &rows).await? {
                Reply::Gap(at) => {
                    tracing::warn!(%told, has = %at, "Redis has lost claims on points: they are told again");
                    self.shared.metrics.counters.gaps.inc();
                    told = at;
                }
                Reply::Told(_, winners) => {
                    told = rows.last().map_or(told, |row| row.number);
                    let is_all = rows.len() < TOLD_AT_ONCE;
                    self.heard(&rows, winners, told);
                    self.told = Some(told);
                    if is_all {
                        return Ok(());
                    }
                }
            }
            self.told = Some(told);
        }
    }

    /// Goes on where the process before had told.
    async fn adopt(&mut self) -> Result<u64, PointsError> {
        let before = self.desk.book.told_upto()?;
        let (before, upto) = before.as_ref().map_or(("", 0), |(token, upto)| (token.as_str(), *upto));
        let told = self.remote.adopt(&self.token, (before, upto)).await?;
        self.desk.book.set_told((&self.token, told), &[])?;
        self.told = Some(told);
        Ok(told)
    }

    /// Redis has these, and for some an earlier claim of somebody else.
    fn heard(&mut self, rows: &[Row], winners: Vec<Option<Box<str>>>, told: u64) {
        if rows.is_empty() {
            return;
        }
        // Who hears that somebody else was first may rely on it that we know what the first was.
        let is_other =
            |(row, winner): &(&Row, &Option<Box<str>>)| winner.as_ref().is_some_and(|kind| *kind != row.kind);
        let corrected = rows.iter().zip(&winners).filter(is_other);
        let corrected = corrected.filter_map(|(row, winner)| Some((row.clone(), winner.clone()?)));
        let corrected: Vec<_> = corrected.collect();
        if let Err(error) = self.desk.book.set_told((&self.token, told), &corrected) {
            tracing::warn!(%error, "what Redis was told of points cannot be noted; it may be told again");
        }
        let figures = &self.shared.metrics.events;
        for (row, winner) in rows.iter().zip(winners) {
            let word = if winner.is_none() {
                Word::Counted
            } else {
                Word::Duplicate
            };
            if row.number > self.noted {
                self.noted = row.number;
                match word {
                    Word::Duplicate => figures.duplicates.inc(),
                    _ => figures.kept.inc(),
                };
            }
            self.shared.answers.tell_deferred(row.sequence, word);
        }
    }
}

/// Waits for something new to tell, or until it is time to look again.
async fn wait(desk: &PointsDesk, phase: &mut watch::Receiver<Phase>, pause: Duration, is_well: bool) {
    tokio::select! {
        () = desk.news.notified(), if is_well => {}
        _ = phase.changed() => {}
        () = sleep(pause) => {}
    }
}

/// Asks Redis what others ask, a few at once.
async fn answer_questions(mut asked: mpsc::Receiver<Asked>, remote: RemotePoints) {
    let home = Rc::new(RefCell::new(remote));
    let at_once = Arc::new(Semaphore::new(QUESTIONS_AT_ONCE));
    while let Some(asked) = asked.recv().await {
        let Ok(permit) = at_once.clone().acquire_owned().await else {
            return;
        };
        let home = home.clone();
        tokio::task::spawn_local(async move {
            let mut remote = home.borrow().clone();
            let found = remote.standings(&asked.question, &asked.rates).await;
            // With the connection that it has by now, or without one that failed.
            home.replace(remote);
            // Who hung up needs no answer.
            let _ = asked.asker.send(found);
            drop(permit);
        });
    }
}
