//! Group commit in a worker: visits gather while the last write is in flight, and go into the log together.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::sync::Arc;

use tokio::sync::{Notify, oneshot};

use super::Shared;
use super::answers::Answer;
use super::group::{End, Group, Place};
use crate::clock;
use crate::config::Durability;
use crate::event::{Country, Sequence, SiteId};
use crate::fold::Fold;
use crate::journal::{Draft, Refusal, payload};
use crate::outcome::Reason;

/// Turns of the worker's loop for which a sync may be put off while each brings more visits.
const TURNS_BEFORE_SYNC: usize = 4;

/// A visit with an idempotency key, on its way into the log.
pub struct Keyed {
    /// Where from.
    pub country: Country,
    /// The client's key.
    pub id: Box<[u8]>,
    /// Who waits: first for the write, then for apply.
    pub waiter: oneshot::Sender<Result<(Sequence, oneshot::Receiver<Answer>), Reason>>,
}

/// The gathering place of one worker.
pub struct Gather {
    shared: Arc<Shared>,
    open: RefCell<Rc<Group>>,
    keyed: RefCell<Vec<Keyed>>,
    filled: Notify,
    fold: RefCell<Fold>,
    usual: Cell<usize>,
}

impl Gather {
    /// An empty one; [`Gather::run`] must be running for visits to get on.
    pub fn new(shared: Arc<Shared>) -> Rc<Self> {
        Rc::new(Self {
            shared,
            open: RefCell::default(),
            keyed: RefCell::default(),
            filled: Notify::new(),
            fold: RefCell::default(),
            usual: Cell::new(0),
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
        self.keyed.borrow_mut().push(keyed);
        self.filled.notify_one();
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
        self.open.borrow().len() + self.keyed.borrow().len()
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

    /// Writes one group and the keyed visits beside it, and ends them when they are kept.
    async fn write(&self) {
        let group = self.open.replace(Rc::new(Group::with_capacity(self.usual.get())));
        let keyed = self.keyed.take();
        let countries = group.countries();
        self.usual.set(countries.len());
        let frames = self.frames(&countries, &keyed);
        let (waiters, receivers): (Vec<_>, Vec<_>) = keyed.iter().map(|_| oneshot::channel()).unzip();
        let folded = u64::from(!countries.is_empty());
        let expect = |first: Sequence| {
            self.shared
                .answers
                .expect(Sequence(first.0 + folded), waiters.into_iter());
        };
        let written = self.submit(&frames, expect).await;
        let first = match written {
            Ok(first) => first,
            Err(reason) => return self.refuse((&group, countries.len()), keyed, reason),
        };
        self.hand_on(keyed, receivers, Sequence(first.0 + folded));
        if !countries.is_empty() {
            self.end(group, countries, first);
        }
    }

    /// The payloads: the fold first, if there is one, then the keyed visits.
    fn frames(&self, countries: &[Country], keyed: &[Keyed]) -> Vec<(u8, Vec<u8>)> {
        let now_ms = self.shared.log.clock().unix_ms();
        let mut frames = Vec::with_capacity(keyed.len() + 1);
        if !countries.is_empty() {
            let mut fold = self.fold.borrow_mut();
            for &country in countries {
                fold.add(country, 1);
            }
            let mut bytes = Vec::new();
            payload::put_visits(&mut bytes, SiteId::DEFAULT, clock::bucket_of(now_ms), fold.iter());
            fold.clear();
            frames.push((payload::VISITS, bytes));
        }
        for Keyed { country, id, .. } in keyed {
            let mut bytes = Vec::new();
            let visit = payload::Visit {
                site: SiteId::DEFAULT,
                time_ms: now_ms,
                country: *country,
                id,
            };
            payload::put_visit(&mut bytes, visit);
            frames.push((payload::VISIT, bytes));
        }
        frames
    }

    /// Hands frames to the log and waits until they are kept; the first one's sequence.
    async fn submit(&self, frames: &[(u8, Vec<u8>)], expect: impl FnOnce(Sequence)) -> Result<Sequence, Reason> {
        let drafts: Vec<_> = frames
            .iter()
            .map(|(kind, payload)| Draft { kind: *kind, payload })
            .collect();
        let shared = &self.shared;
        shared.refuse_if_closed()?;
        let submitted = shared
            .log
            .submit(&drafts, expect)
            .map_err(|refusal| shared.reason(refusal))?;
        if let Some(kept) = submitted.kept {
            let result = kept.await.unwrap_or(Err(Refusal::DurabilityUnknown));
            if let Err(refusal) = result {
                let last = Sequence(submitted.first.0 + drafts.len() as u64 - 1);
                shared.answers.forget(submitted.first, last);
                return Err(shared.reason(refusal));
            }
        }
        Ok(submitted.first)
    }

    fn refuse(&self, (group, visits): (&Group, usize), keyed: Vec<Keyed>, reason: Reason) {
        self.shared
            .metrics
            .visits
            .count_refused(reason, (visits + keyed.len()) as u64);
        group.end(Err(reason));
        for Keyed { waiter, .. } in keyed {
            // A client that hung up needs no answer.
            let _ = waiter.send(Err(reason));
        }
    }

    fn hand_on(&self, keyed: Vec<Keyed>, receivers: Vec<oneshot::Receiver<Answer>>, first: Sequence) {
        if keyed.is_empty() {
            return;
        }
        let mut sequence = first;
        for (Keyed { waiter, .. }, receiver) in keyed.into_iter().zip(receivers) {
            let _ = waiter.send(Ok((sequence, receiver)));
            sequence = sequence.next();
        }
        self.shared.hurry.notify_one();
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
    let counts = countries.iter().map(|&country| fold.next(country)).collect();
    fold.clear();
    shared.metrics.visits.kept.inc_by(countries.len() as u64);
    group.end(Ok(End { counts, kept }));
}
