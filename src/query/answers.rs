//! Who answers questions: each once for everyone who asks it at the same time, and again from memory for a while.

use std::collections::HashMap;
use std::fmt::Write as _;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use quick_cache::Weighter;
use quick_cache::sync::Cache;
use tokio::sync::{oneshot, watch};

use super::QueryError;
use super::answer::{Answer, answer};
use super::desk::{Desk, Rest};
use super::listing::Listing;
use super::model::Query;
use super::rendered::Rendered;
use super::report::Report;
use super::site_view::{SiteOwned, SiteView};
use crate::clock::{self, Clock};
use crate::config::QueryConfig;
use crate::store::{Library, Snapshot};

/// About how many answers are kept; what they take is bounded by bytes.
const ANSWERS_MAX: usize = 1_000;
/// What an answer takes beside its text.
const ANSWER_BYTES: u64 = 256;

/// Answers questions on threads of its own.
pub struct Answers<C> {
    clock: C,
    times: Times,
    desk: Desk,
    kept: Arc<KeptAnswers>,
    /// What is being answered.
    under_way: Mutex<HashMap<Box<str>, UnderWay>>,
}

type KeptAnswers = Cache<Box<str>, Kept, ByBytes>;

/// How long what lasts.
#[derive(Debug, Clone, Copy)]
struct Times {
    past: Duration,
    present: Duration,
    longest: Duration,
}

/// A question that is being answered from an edition of the store.
#[derive(Clone)]
struct UnderWay {
    outcome: watch::Receiver<Outcome>,
    edition: u64,
}

type Outcome = Option<Result<Arc<Rendered>, QueryError>>;

#[derive(Clone)]
struct Kept {
    answer: Arc<Rendered>,
    until: Instant,
    /// The edition of the store that it was made from.
    edition: u64,
}

#[derive(Debug, Clone)]
struct ByBytes;

impl Weighter<Box<str>, Kept> for ByBytes {
    fn weight(&self, key: &Box<str>, kept: &Kept) -> u64 {
        ANSWER_BYTES + (key.len() + kept.answer.bytes()) as u64
    }
}

impl<C: Clock> Answers<C> {
    /// Starts the threads; `forget` lets go of what the store keeps for questions, when none came for a while.
    ///
    /// # Errors
    /// The system gives no threads.
    pub fn open(config: &QueryConfig, clock: C, forget: impl Fn() + Send + Sync + 'static) -> io::Result<Self>
    where
        C: Clone,
    {
        let past = Duration::from_secs(config.cache_ttl_seconds);
        let kept = Arc::new(KeptAnswers::with_weighter(ANSWERS_MAX, config.cache_bytes_max, ByBytes));
        let (answers, now) = (kept.clone(), clock.clone());
        let rest = Rest {
            after: clock::ms(config.rest_ms),
            begin: Box::new(move || {
                let now = now.now();
                answers.retain(|_, kept| kept.until > now);
                forget();
            }),
        };
        Ok(Self {
            clock,
            times: Times {
                past,
                present: clock::ms(config.cache_now_ms).min(past),
                longest: clock::ms(config.time_ms_max),
            },
            desk: Desk::open(config.threads, config.waiting_max, rest)?,
            kept,
            under_way: Mutex::default(),
        })
    }

    /// The clock by which ranges of dates are meant.
    pub const fn clock(&self) -> &C {
        &self.clock
    }

    /// The answer, and whether it is one that was there or under way.
    ///
    /// # Errors
    /// It cannot be answered, or too much waits, or it takes too long.
    pub async fn ask(
        self: &Arc<Self>,
        library: &Library,
        query: Query,
        site: &SiteView<'_>,
    ) -> Result<(Arc<Rendered>, bool), QueryError> {
        self.report(library, Report::of(query), site).await
    }

    /// The same of a report. What it is made of comes from one look at the store.
    ///
    /// # Errors
    /// As of [`Answers::ask`].
    pub async fn report(
        self: &Arc<Self>,
        library: &Library,
        report: Report,
        site: &SiteView<'_>,
    ) -> Result<(Arc<Rendered>, bool), QueryError> {
        let now_ms = self.clock.unix_ms();
        let lasts = self.lasts(&report, now_ms)?;
        if lasts.is_zero() {
            let (library, site) = (library.clone(), SiteOwned::from(site));
            let made = self
                .run(move |until| make(&library, report, &site, (now_ms, until)))
                .await;
            return made.map(|answer| (Arc::new(answer), false));
        }
        let key = key(&report, site, now_ms);
        let edition = library.edition();
        if let Some(answer) = self.again(&key, edition) {
            return Ok((answer, true));
        }
        let (mut outcome, joined) = {
            let mut under_way = self.under_way();
            let same = under_way.get(&key).filter(|known| known.edition == edition);
            if let Some(known) = same {
                (known.outcome.clone(), true)
            } else if let Some(answer) = self.again(&key, edition) {
                // It arrived between the two looks.
                return Ok((answer, true));
            } else {
                let (told, outcome) = watch::channel(None);
                let known = UnderWay {
                    outcome: outcome.clone(),
                    edition,
                };
                under_way.insert(key.clone(), known);
                drop(under_way);
                let flight = Flight {
                    answers: Arc::clone(self),
                    key,
                    edition,
                    told,
                };
                let (library, site) = (library.clone(), SiteOwned::from(site));
                let until = self.clock.now() + self.times.longest;
                let work = move || {
                    let made = make(&library, report, &site, (now_ms, until)).map(Arc::new);
                    flight.land(made, lasts);
                };
                self.desk.submit(work).map_err(|_| QueryError::Overloaded)?;
                (outcome, false)
            }
        };
        // The word comes, or nobody is there any more to give it.
        let told = outcome.wait_for(Option::is_some).await;
        let told = told.ok().and_then(|told| (*told).clone());
        told.unwrap_or(Err(QueryError::Overloaded))
            .map(|answer| (answer, joined))
    }

    /// A page of a list of events, as JSON.
    ///
    /// # Errors
    /// As of [`Answers::ask`].
    pub async fn list(
        self: &Arc<Self>,
        library: &Library,
        listing: Listing,
        site: &SiteView<'_>,
    ) -> Result<Vec<u8>, QueryError> {
        let page = move |snapshot: &Snapshot, site: &SiteView<'_>, _| listing.page(snapshot, site);
        self.look(library, site, page).await
    }

    /// Whatever a look at the store comes to, made anew each time; it gets the time, too.
    ///
    /// # Errors
    /// As of [`Answers::ask`].
    pub async fn look<T: Send + 'static>(
        self: &Arc<Self>,
        library: &Library,
        site: &SiteView<'_>,
        look: impl FnOnce(&Snapshot, &SiteView<'_>, u64) -> Result<T, QueryError> + Send + 'static,
    ) -> Result<T, QueryError> {
        let (library, site, now_ms) = (library.clone(), SiteOwned::from(site), self.clock.unix_ms());
        let looked = self.run(move |until| {
            let snapshot = library.snapshot().until(until);
            look(&snapshot, &site.view(), now_ms)
        });
        looked.await
    }

    /// Has something done by the desk.
    async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce(Instant) -> Result<T, QueryError> + Send + 'static,
    ) -> Result<T, QueryError> {
        let until = self.clock.now() + self.times.longest;
        let (done, result) = oneshot::channel();
        // Nobody may wait for it any more.
        let work = move || drop(done.send(work(until)));
        self.desk.submit(work).map_err(|_| QueryError::Overloaded)?;
        result.await.unwrap_or(Err(QueryError::Overloaded))
    }

    fn again(&self, key: &str, edition: u64) -> Option<Arc<Rendered>> {
        let now = self.clock.now();
        let is_stale = |kept: &Kept| kept.until <= now || kept.edition != edition;
        // Looked at again where it lies: a new one may have come in its place.
        self.kept.remove_if(key, is_stale);
        self.kept
            .get(key)
            .filter(|kept| !is_stale(kept))
            .map(|kept| kept.answer)
    }

    fn under_way(&self) -> MutexGuard<'_, HashMap<Box<str>, UnderWay>> {
        self.under_way.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn lasts(&self, report: &Report, now_ms: u64) -> Result<Duration, QueryError> {
        let mut lasts = self.times.past;
        for query in &report.queries {
            if query.range.times(&query.zone, now_ms)?.end > now_ms {
                lasts = self.times.present;
            }
        }
        Ok(lasts)
    }
}

/// A question that is being answered; however that ends, it is not under way any more.
struct Flight<C: Clock> {
    answers: Arc<Answers<C>>,
    key: Box<str>,
    edition: u64,
    told: watch::Sender<Outcome>,
}

impl<C: Clock> Flight<C> {
    fn land(self, made: Result<Arc<Rendered>, QueryError>, lasts: Duration) {
        if let Ok(answer) = &made {
            let kept = Kept {
                answer: Arc::clone(answer),
                until: self.answers.clock.now() + lasts,
                edition: self.edition,
            };
            self.answers.kept.insert(self.key.clone(), kept);
        }
        // Before anyone hears of it: who asks after that asks anew.
        self.leave();
        self.told.send_replace(Some(made));
    }

    /// Takes it off the list, unless another edition of the store is asked by now.
    fn leave(&self) {
        let mut under_way = self.answers.under_way();
        let told = self.told.subscribe();
        let ours = |known: &UnderWay| known.outcome.same_channel(&told);
        if under_way.get(&self.key).is_some_and(ours) {
            under_way.remove(&self.key);
        }
    }
}

impl<C: Clock> Drop for Flight<C> {
    fn drop(&mut self) {
        self.leave();
    }
}

fn make(
    library: &Library,
    report: Report,
    site: &SiteOwned,
    (now_ms, until): (u64, Instant),
) -> Result<Rendered, QueryError> {
    let snapshot = library.snapshot().until(until);
    let site = site.view();
    let answers = report
        .queries
        .iter()
        .map(|query| answer(&snapshot, query, &site, now_ms));
    let answers: Vec<Answer> = answers.collect::<Result<_, _>>()?;
    Ok(Rendered::new((report.write)(&answers), report.stamp, now_ms))
}

/// One text for all ways to ask the same on the same day about the same site.
fn key(report: &Report, site: &SiteView<'_>, now_ms: u64) -> Box<str> {
    let mut key = format!("{} {} {} {}", report.name, site.id, site.counting.name(), site.currency);
    for query in &report.queries {
        let today = query.zone.date(now_ms);
        // Writing to memory cannot fail.
        let _ = write!(key, " {today} {}", query.to_json());
    }
    key.into()
}
