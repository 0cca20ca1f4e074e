//! Points, where the log meets the claims: the applier claims, in the order of the frames; whoever reads the same frames
//! later looks what came of it.
//!
//! Alone, a claim that is in the directory's file is the first for good. Where gateways share a Redis, another one may
//! have it: then [the teller](super::points_teller) has the word.

use std::io;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::{Notify, Semaphore, mpsc, oneshot, watch};
use tokio::time::timeout;

use super::Shared;
use super::answers::Word;
use crate::clock;
use crate::config::Config;
use crate::event::{Event, Sequence};
use crate::journal::payload::Manner;
use crate::outcome::Reason;
use crate::points::{Claim, Points, PointsError, Question, Rates, Standings};

/// Most questions that wait.
const QUESTIONS_MAX: usize = 64;
/// Most questions that are answered at once.
const QUESTIONS_AT_ONCE: usize = 4;

/// A question about points, and who asks.
pub struct Asked {
    /// What is asked.
    pub question: Question,
    /// What events are worth.
    pub rates: Arc<Rates>,
    /// Who asks.
    pub asker: oneshot::Sender<Result<Standings, PointsError>>,
}

/// How far the teller may go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// Another process still claims.
    Waiting,
    /// It is this one that claims.
    Telling,
    /// It ends.
    Stopping,
}

/// The points of a data directory, for all lanes and workers of a process.
pub struct PointsDesk {
    /// The claims.
    pub book: Points,
    /// Whose are the sums: the file's, or where these questions go.
    shared_by: Option<mpsc::Sender<Asked>>,
    pub(super) asked: Mutex<Option<mpsc::Receiver<Asked>>>,
    /// New claims wait to be told.
    pub(super) news: Notify,
    pub(super) phase: watch::Sender<Phase>,
    /// Claims after this number are of frames that this process applied for the first time.
    pub(super) before: AtomicU64,
    at_once: Semaphore,
    patience_ms: u64,
}

impl PointsDesk {
    /// The points of a data directory.
    pub fn new(config: &Config) -> Arc<Self> {
        let (sender, asked) = mpsc::channel(QUESTIONS_MAX);
        let is_shared = config.counters.redis_url.is_some();
        Arc::new(Self {
            book: Points::new(config.journal.data_dir.join("points.sqlite")),
            shared_by: is_shared.then_some(sender),
            asked: Mutex::new(is_shared.then_some(asked)),
            news: Notify::new(),
            phase: watch::Sender::new(Phase::Waiting),
            before: AtomicU64::new(0),
            at_once: Semaphore::new(QUESTIONS_AT_ONCE),
            patience_ms: config.query.time_ms_max,
        })
    }

    /// From now on this process claims, after everything that was applied before.
    ///
    /// # Errors
    /// The file cannot be read.
    pub fn begin(&self) -> Result<(), PointsError> {
        self.before.store(self.book.last()?, Ordering::Release);
        self.phase.send_replace(Phase::Telling);
        Ok(())
    }

    /// Users with their points.
    ///
    /// # Errors
    /// [`Reason::TotalsUnknown`], [`Reason::QueryOverloaded`] or [`Reason::QueryTimeout`].
    pub async fn standings(self: Arc<Self>, question: Question, rates: Arc<Rates>) -> Result<Standings, Reason> {
        let patience = clock::ms(self.patience_ms);
        match timeout(patience, self.find(question, rates)).await {
            Ok(found) => found,
            Err(_) => Err(Reason::QueryTimeout),
        }
    }

    async fn find(self: Arc<Self>, question: Question, rates: Arc<Rates>) -> Result<Standings, Reason> {
        let found = if let Some(shared_by) = &self.shared_by {
            let (asker, answer) = oneshot::channel();
            let asked = Asked { question, rates, asker };
            shared_by.try_send(asked).map_err(|_| Reason::QueryOverloaded)?;
            answer.await.map_err(|_| Reason::TotalsUnknown)?
        } else {
            let _permit = self.at_once.acquire().await.map_err(|_| Reason::Draining)?;
            let desk = self.clone();
            let looking = tokio::task::spawn_blocking(move || desk.book.standings(&question, &rates));
            looking.await.map_err(|_| Reason::TotalsUnknown)?
        };
        found.map_err(|error| {
            tracing::warn!(%error, "points cannot be told");
            Reason::TotalsUnknown
        })
    }

    pub(super) fn take_asked(&self) -> Option<mpsc::Receiver<Asked>> {
        self.asked.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    /// Claims for a frame that nobody waits for, or that was applied before; whether it counts.
    ///
    /// # Errors
    /// The file takes no writes, and nothing is decided.
    pub(super) fn claim_again(&self, event: &Event<'_>, manner: Manner, sequence: Sequence) -> io::Result<bool> {
        let Some(claim) = claim(event, manner, sequence) else {
            return Ok(true);
        };
        self.book.claim(claim).map_err(io::Error::other)
    }

    /// Whether a frame that was applied counts.
    ///
    /// # Errors
    /// The file cannot be read.
    pub(super) fn counts(&self, event: &Event<'_>, manner: Manner, sequence: Sequence) -> io::Result<bool> {
        let Some(claim) = claim(event, manner, sequence) else {
            return Ok(true);
        };
        self.book.is_first(claim).map_err(io::Error::other)
    }
}

fn claim<'a>(event: &Event<'a>, manner: Manner, sequence: Sequence) -> Option<Claim<'a>> {
    Some(Claim {
        user: event.user,
        timestamp: manner.points?,
        kind: event.name,
        sequence,
    })
}

/// The applier's side: what it has decided, and not told yet.
pub struct Claiming {
    pub(super) desk: Arc<PointsDesk>,
    /// Told when the file has what they rest on.
    words: Vec<(Sequence, Word)>,
    is_news: bool,
}

impl Claiming {
    /// Begins with nothing.
    pub const fn new(desk: Arc<PointsDesk>) -> Self {
        Self {
            desk,
            words: Vec::new(),
            is_news: false,
        }
    }

    /// Claims for a frame that is applied for the first time; whether it counts.
    ///
    /// # Errors
    /// The file takes no writes, and nothing is decided.
    pub fn claim(
        &mut self,
        event: &Event<'_>,
        manner: Manner,
        sequence: Sequence,
        shared: &Shared,
    ) -> io::Result<bool> {
        let is_first = self.desk.claim_again(event, manner, sequence)?;
        shared.answers.defer(sequence);
        let figures = &shared.metrics.events;
        match (is_first, shared.is_embedded()) {
            (false, _) => {
                figures.duplicates.inc();
                self.words.push((sequence, Word::Duplicate));
            }
            (true, true) => {
                figures.kept.inc();
                self.words.push((sequence, Word::Counted));
            }
            (true, false) => self.is_news = true,
        }
        Ok(is_first)
    }

    /// Puts into the file what was claimed, and tells those who wait what is known for sure.
    ///
    /// # Errors
    /// The file takes no writes; the next call tries again.
    pub fn settle(&mut self, shared: &Shared) -> io::Result<()> {
        self.desk.book.commit().map_err(io::Error::other)?;
        for (sequence, word) in self.words.drain(..) {
            shared.answers.tell_deferred(sequence, word);
        }
        if std::mem::take(&mut self.is_news) {
            self.desk.news.notify_one();
        }
        Ok(())
    }
}
