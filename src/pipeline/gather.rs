//! Group commit in a worker: what comes gathers while the last write is in flight, and goes into the log together.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::sync::Arc;

use tokio::sync::Notify;

use super::Shared;
use super::group::{End, Group, Place};
use super::singles::{Expected, Keyed, Singles, Submission};
use crate::clock;
use crate::config::Durability;
use crate::event::{Country, Sequence, SiteId};
use crate::fold::Fold;
use crate::journal::{Draft, Refusal, payload};
use crate::outcome::Reason;

/// Turns of the worker's loop for which a sync may be put off while each brings more visits.
const TURNS_BEFORE_SYNC: usize = 4;

/// The gathering place of one worker.
pub struct Gather {
    shared: Arc<Shared>,
    open: RefCell<Rc<Group>>,
    singles: RefCell<Singles>,
    filled: Notify,
    fold: RefCell<Fold>,
    /// How many visits, and how many requests with events, the last write had.
    usual: Cell<(usize, usize)>,
}

impl Gather {
    /// An empty one; [`Gather::run`] must be running for visits to get on.
    pub fn new(shared: Arc<Shared>) -> Rc<Self> {
        Rc::new(Self {
            shared,
            open: RefCell::default(),
            singles: RefCell::default(),
            filled: Notify::new(),
            fold: RefCell::default(),
            usual: Cell::default(),
        })
    }

    /// Adds a visit to those that wait for the next write.
    pub fn join(&self, country: Country) -> Place {
        let place = self.open.borrow().join(country);
        self.filled.notify_one();
        place
    }

    /// Adds a visit that apply will answer.
    pub fn join_keyed(&self, keyed: Keyed) {
        self.singles.borrow_mut().add_visit(keyed);
        self.filled.notify_one();
    }

    /// Adds the events of a request.
    ///
    /// # Errors
    /// When more waits in this worker than may wait for the disk.
    pub fn join_events(&self, submission: Submission) -> Result<(), Reason> {
        let mut singles = self.singles.borrow_mut();
        if singles.bytes() >= self.shared.config.journal.pending_bytes_max {
            return Err(Reason::Overloaded);
        }
        singles.add_events(submission);
        self.filled.notify_one();
        Ok(())
    }

    /// Writes what gathers, for ever.
    pub async fn run(self: Rc<Self>) {
        loop {
            self.filled.notified().await;
            while self.has_work() {
                self.let_join().await;
                self.write().await;
            }
        }
    }

    fn has_work(&self) -> bool {
        self.size() > 0
    }

    fn size(&self) -> usize {
        self.open.borrow().len() + self.singles.borrow().len()
    }

    /// Lets requests that are ready now join the next write; before a sync, also those that become ready meanwhile.
    async fn let_join(&self) {
        let turns = if self.shared.config.journal.durability == Durability::Os {
            1
        } else {
            TURNS_BEFORE_SYNC
        };
        for _ in 0..turns {
            let before = self.size();
            tokio::task::yield_now().await;
            if self.size() == before {
                return;
            }
        }
    }

    /// Writes one group and what is journaled singly beside it, and ends them when they are kept.
    async fn write(&self) {
        let (visits, submissions) = self.usual.get();
        let group = self.open.replace(Rc::new(Group::with_capacity(visits)));
        let mut singles = self.singles.replace(Singles::with_capacity(submissions));
        let now_ms = self.shared.log.clock().unix_ms();
        singles.cap_times(now_ms);
        let countries = group.countries();
        self.usual.set((countries.len(), singles.len()));
        let folded = u64::from(!countries.is_empty());
        let mut expected = Expected::default();
        let expect = |first: Sequence| {
            expected = singles.expect(Sequence(first.0 + folded), &self.shared.answers);
        };
        let written = self.submit((&countries, &singles), now_ms, expect).await;
        let first = match written {
            Ok(first) => first,
            Err(reason) => return self.refuse((&group, countries.len()), singles, reason),
        };
        if singles.hand_on(expected, Sequence(first.0 + folded), &self.shared) {
            self.shared.hurry.notify_one();
        }
        if !countries.is_empty() {
            self.end(group, countries, first);
        }
    }

    /// Hands frames to the log and waits until they are kept; the first one's sequence.
    async fn submit(
        &self,
        (countries, singles): (&[Country], &Singles),
        now_ms: u64,
        expect: impl FnOnce(Sequence),
    ) -> Result<Sequence, Reason> {
        let shared = &self.shared;
        shared.refuse_if_closed()?;
        let (submitted, frames) = {
            let folded = self.fold(countries, now_ms);
            let visits = singles.visit_payloads(now_ms);
            let draft = |kind| move |payload| Draft { kind, payload };
            let drafts: Vec<Draft<'_>> = (folded.iter().map(Vec::as_slice).map(draft(payload::VISITS)))
                .chain(visits.iter().map(Vec::as_slice).map(draft(payload::VISIT)))
                .chain(singles.event_drafts())
                .collect();
            let submitted = shared.log.submit(&drafts, expect);
            (submitted.map_err(|refusal| shared.reason(refusal))?, drafts.len())
        };
        if let Some(kept) = submitted.kept {
            let result = kept.await.unwrap_or(Err(Refusal::DurabilityUnknown));
            if let Err(refusal) = result {
                let last = Sequence(submitted.first.0 + frames as u64 - 1);
                shared.answers.forget(submitted.first, last);
                return Err(shared.reason(refusal));
            }
        }
        Ok(submitted.first)
    }

    /// The payload of the folded visits, if there are any.
    fn fold(&self, countries: &[Country], now_ms: u64) -> Option<Vec<u8>> {
        if countries.is_empty() {
            return None;
        }
        let mut fold = self.fold.borrow_mut();
        for &country in countries {
            fold.add(country, 1);
        }
        let mut bytes = Vec::new();
        payload::put_visits(&mut bytes, SiteId::DEFAULT, clock::bucket_of(now_ms), fold.iter());
        fold.clear();
        Some(bytes)
    }

    fn refuse(&self, (group, visits): (&Group, usize), singles: Singles, reason: Reason) {
        let shared = &self.shared;
        shared.metrics.visits.count_refused(reason, visits as u64);
        group.end(Err(reason));
        singles.refuse(reason, shared);
    }

    /// Ends a group that is in the log; in `applied` mode when the counters have it, without holding up the next.
    fn end(&self, group: Rc<Group>, countries: Vec<Country>, sequence: Sequence) {
        let shared = self.shared.clone();
        if shared.waits_for_counters() {
            tokio::task::spawn_local(async move {
                let kept = shared.settle(sequence).await;
                end_group(&shared, &mut Fold::default(), (&group, &countries), kept);
            });
        } else {
            end_group(
                &shared,
                &mut self.fold.borrow_mut(),
                (&group, &countries),
                shared.kept_by_log(),
            );
        }
    }
}

/// Raises the totals and tells every visit the number it got.
fn end_group(shared: &Shared, fold: &mut Fold, (group, countries): (&Group, &[Country]), kept: Durability) {
    for &country in countries {
        fold.add(country, 1);
    }
    fold.replace(|country, visits| shared.totals.raise(country, visits));
    let totals = countries.iter().map(|&country| fold.next(country)).collect();
    fold.clear();
    shared.metrics.visits.kept.inc_by(countries.len() as u64);
    group.end(Ok(End {
        totals,
        kept,
        current: shared.totals.is_current(),
    }));
}
