//! Answers that are kept for a while, and made once for everyone who asks at the same time.

use std::sync::Arc;
use std::time::{Duration, Instant};

use quick_cache::sync::{Cache, GuardResult};

use super::QueryError;
use super::answer::{Answer, answer};
use super::model::{Query, SiteView};
use crate::clock::Clock;
use crate::store::Library;

/// How long answers are kept, and how many.
#[derive(Debug, Clone, Copy)]
pub struct CacheTimes {
    /// Answers about times that are over; zero keeps none.
    pub past: Duration,
    /// Answers about times that reach now; zero keeps none.
    pub present: Duration,
    /// How long to wait for another who asks the same.
    pub wait: Duration,
    /// How many answers are kept.
    pub answers_max: usize,
}

impl Default for CacheTimes {
    fn default() -> Self {
        Self {
            past: Duration::from_mins(1),
            present: Duration::from_secs(1),
            wait: Duration::from_secs(30),
            answers_max: 1_000,
        }
    }
}

/// Answers questions, each once for everyone who asks it at the same time. Blocks: not for workers.
pub struct Answers<C> {
    library: Library,
    clock: C,
    times: CacheTimes,
    kept: Cache<String, Kept>,
}

#[derive(Clone)]
struct Kept {
    answer: Arc<Answer>,
    until: Instant,
}

impl<C: Clock> Answers<C> {
    /// Answers from a store.
    pub fn new(library: Library, clock: C, times: CacheTimes) -> Self {
        Self {
            library,
            clock,
            times,
            kept: Cache::new(times.answers_max.max(1)),
        }
    }

    /// The answer, and whether it was kept from before.
    ///
    /// # Errors
    /// As of [`answer`]; or another who asks the same takes too long.
    pub fn answer(&self, query: &Query, site: &SiteView<'_>) -> Result<(Arc<Answer>, bool), QueryError> {
        let now_ms = self.clock.unix_ms();
        let lasts = self.lasts(query, now_ms)?;
        if lasts.is_zero() {
            return Ok((Arc::new(answer(&self.library.snapshot(), query, site, now_ms)?), false));
        }
        let key = key(query, site, now_ms);
        let now = self.clock.now();
        self.kept.remove_if(key.as_str(), |kept| kept.until <= now);
        match self.kept.get_value_or_guard(key.as_str(), Some(self.times.wait)) {
            GuardResult::Value(kept) => Ok((kept.answer, true)),
            GuardResult::Timeout => Err(QueryError::Busy),
            GuardResult::Guard(guard) => {
                let made = Arc::new(answer(&self.library.snapshot(), query, site, now_ms)?);
                let kept = Kept {
                    answer: Arc::clone(&made),
                    until: self.clock.now() + lasts,
                };
                // Cleared in the meantime: then it is not kept.
                let _ = guard.insert(kept);
                Ok((made, false))
            }
        }
    }

    /// Forgets all answers: something was deleted.
    pub fn clear(&self) {
        self.kept.clear();
    }

    fn lasts(&self, query: &Query, now_ms: u64) -> Result<Duration, QueryError> {
        let times = query.range.times(&query.zone, now_ms)?;
        Ok(if times.end <= now_ms {
            self.times.past
        } else {
            self.times.present
        })
    }
}

/// One text for all ways to ask the same on the same day about the same site.
fn key(query: &Query, site: &SiteView<'_>, now_ms: u64) -> String {
    let today = query.zone.date(now_ms);
    let counting = site.counting.name();
    format!("{} {counting} {} {today} {}", site.id, site.currency, query.to_json())
}
