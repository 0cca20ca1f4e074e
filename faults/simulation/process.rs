//! A gateway's process: the real parts, driven by hand.

use std::cell::{Cell, RefCell};
use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use footfall::config::Config;
use footfall::counters::Remote as _;
use footfall::event::{Country, Event, EventId, Sequence, SiteId};
use footfall::journal::payload::Manner;
use footfall::journal::{GroupCommit, Identity};
use footfall::outcome::Reason;
use footfall::pipeline::parts::{Answer, Backlog, Core, Gather, Keyed, Link, Parts, Submission, advance, persist};
use footfall::pipeline::{EventBatch, PipelineError, Place, Shared, Word};
use tokio::sync::oneshot::{self, error::TryRecvError};

use crate::disk::Directory;
use crate::history::{Outcome, Ticket};
use crate::random::SharedRandom;
use crate::remote::{SimRemote, pause};
use crate::time::SimClock;

type Task = Pin<Box<dyn Future<Output = ()>>>;
type Written = oneshot::Receiver<Result<(Sequence, oneshot::Receiver<Answer>), Reason>>;

type Words = oneshot::Receiver<Vec<Word>>;
type EventsWritten = oneshot::Receiver<Result<(Sequence, Option<Words>), Reason>>;

/// What a client waits for.
enum Waiting {
    Place(Place),
    Written(Written),
    Answer(oneshot::Receiver<Answer>),
    EventsWritten(EventsWritten, Marked),
    Words(Words, Marked),
}

/// Whether the events came with an `Idempotency-Key`, so that their first answer is theirs for ever.
type Marked = bool;

/// How the link to Redis does.
#[derive(Default)]
pub struct Bond {
    pub up: Cell<bool>,
    /// Whether it was ever up.
    pub met: Cell<bool>,
    pub fenced: Cell<bool>,
}

pub struct Process {
    pub shared: Arc<Shared>,
    pub core: Rc<RefCell<Core>>,
    pub bond: Rc<Bond>,
    commits: GroupCommit,
    gather: Rc<Gather>,
    gathering: Task,
    link: Option<Task>,
    waiting: Vec<(Ticket, Waiting)>,
    /// Frames may be missing that were synced: somebody damages files here.
    pub damaged: bool,
}

impl Process {
    /// Starts over a directory; with a remote if the counters are in Redis.
    pub fn start(
        config: &Config,
        (directory, identity): (&Directory, [u8; 16]),
        clock: &SimClock,
        redis: Option<(SimRemote, SharedRandom)>,
    ) -> Result<Self, PipelineError> {
        let Parts { shared, core, commits } = Parts::open(
            (config, Arc::default()),
            (directory.ledger(), redis.as_ref().map(|(remote, _)| remote.writer())),
            (directory.disk(), Identity(identity)),
            Arc::new(clock.clone()),
        )?;
        let core = Rc::new(RefCell::new(core));
        let bond = Rc::new(Bond::default());
        let link = redis.map(|(remote, random)| {
            let link = Link::new((shared.clone(), core.clone()), remote);
            let task: Task = Box::pin(attend(link, bond.clone(), random));
            task
        });
        let gather = Gather::new(shared.clone());
        Ok(Self {
            gathering: Box::pin(gather.clone().run()),
            shared,
            core,
            bond,
            commits,
            gather,
            link,
            waiting: Vec::new(),
            damaged: false,
        })
    }

    pub fn visit(&mut self, ticket: Ticket, country: Country, key: Option<&[u8]>) {
        let waiting = match key {
            None => Waiting::Place(self.gather.join(country)),
            Some(id) => {
                let (waiter, written) = oneshot::channel();
                self.gather.join_keyed(Keyed {
                    country,
                    id: id.into(),
                    waiter,
                });
                Waiting::Written(written)
            }
        };
        self.waiting.push((ticket, waiting));
    }

    /// An event with the name of a country; with a key as its id, it comes twice in its batch, and every other of such
    /// batches has an `Idempotency-Key`.
    pub fn event(&mut self, ticket: Ticket, country: Country, key: Option<&[u8]>) {
        let (name, now_ms) = (country.to_string(), self.shared.log.clock().unix_ms());
        let id = key.map_or(EventId::Own([7; 16]), EventId::Client);
        let event = Event::new(SiteId::DEFAULT, &name, id, now_ms);
        let mut batch = EventBatch::default();
        let is_marked = key.is_some() && ticket.0.is_multiple_of(2);
        for index in 0..=u64::from(key.is_some()) {
            let request = if is_marked { ticket.0 as u64 * 4 + index + 1 } else { 0 };
            let manner = Manner {
                request,
                ..Manner::default()
            };
            assert!(batch.push(&event, manner, usize::MAX));
        }
        let (waiter, written) = oneshot::channel();
        let joined = self.gather.join_events(Submission { batch, waiter });
        joined.expect("little waits here");
        self.waiting.push((ticket, Waiting::EventsWritten(written, is_marked)));
    }

    pub fn gather(&mut self) {
        poll(&mut self.gathering);
    }

    /// One turn of group commit; whether it did anything.
    pub fn sync(&mut self) -> bool {
        self.commits.turn()
    }

    pub fn apply(&mut self) {
        advance(&self.shared, &mut self.core.borrow_mut());
    }

    pub fn persist(&mut self) {
        persist(&self.shared, &mut self.core.borrow_mut());
    }

    /// Lets the link go on by one step.
    pub fn attend(&mut self) {
        if self.link.as_mut().is_some_and(poll) {
            self.link = None;
        }
    }

    /// Who was answered, and how.
    pub fn answers(&mut self) -> Vec<(Ticket, Outcome)> {
        let mut answers = Vec::new();
        let mut still = Vec::new();
        for (ticket, waiting) in self.waiting.drain(..) {
            match ask(waiting) {
                Ok(outcome) => answers.push((ticket, outcome)),
                Err(waiting) => still.push((ticket, waiting)),
            }
        }
        self.waiting = still;
        answers
    }

    /// The sequence that Redis holds, as far as the link knows.
    pub fn held(&self) -> Option<Sequence> {
        self.core.borrow().backlog.as_ref().map(Backlog::held)
    }

    /// The name it commits under.
    pub fn guard(&self) -> [u8; 16] {
        self.core.borrow().ledger.standing().guard
    }

    /// How far it is from rest: who waits, and the sequences that are synced, applied, persisted and held by Redis.
    pub fn unrest(&self) -> (usize, [Sequence; 3], Option<Sequence>) {
        let core = self.core.borrow();
        let sequences = [self.shared.log.synced(), core.head(), core.ledger.durable_cursor()];
        drop(core);
        (self.waiting.len(), sequences, self.held())
    }

    /// Whether everything that was taken in is counted.
    pub fn is_drained(&self) -> bool {
        let core = self.core.borrow();
        let applied = self.waiting.is_empty() && (self.damaged || core.head() >= self.shared.log.synced());
        if self.shared.is_embedded() {
            return applied && core.ledger.durable_cursor() == core.ledger.cursor();
        }
        // A gateway that Redis was ahead of has nothing to send until a frame of its own is above that.
        // That is also so where the last frame it sent is damaged since.
        let sent = |backlog: &Backlog| {
            let lost = self.damaged && backlog.held() > core.head();
            (lost || backlog.held() == core.head()) && backlog.bytes() == 0
        };
        applied && self.bond.up.get() && core.backlog.as_ref().is_some_and(sent)
    }

    /// The end as a signal asks for it; who was answered meanwhile.
    pub fn stop(self) -> Vec<(Ticket, Outcome)> {
        let Self {
            shared,
            core,
            commits,
            mut gathering,
            mut link,
            waiting,
            ..
        } = self;
        poll(&mut gathering);
        commits.finish();
        poll(&mut gathering);
        advance(&shared, &mut core.borrow_mut());
        for _ in 0..8 {
            if link.as_mut().is_some_and(poll) {
                link = None;
            }
        }
        persist(&shared, &mut core.borrow_mut());
        let mut answers = Vec::new();
        for (ticket, waiting) in waiting {
            let outcome = ask(waiting).or_else(ask).unwrap_or(Outcome::Unknown);
            answers.push((ticket, outcome));
        }
        answers
    }
}

/// The link, step by step: meets Redis whenever it must, and sends and asks in between.
async fn attend(mut link: Link<SimRemote>, bond: Rc<Bond>, random: SharedRandom) {
    loop {
        pause().await;
        let step = if !bond.up.get() {
            link.meet().await
        } else if random.chance(95) {
            link.send().await
        } else {
            link.ask().await
        };
        match step {
            Ok(()) => {
                bond.up.set(true);
                bond.met.set(true);
            }
            Err(interruption) => {
                bond.up.set(false);
                if !link.interrupted(interruption).await {
                    return bond.fenced.set(true);
                }
            }
        }
    }
}

fn ask(waiting: Waiting) -> Result<Outcome, Waiting> {
    match waiting {
        Waiting::Place(mut place) => match Pin::new(&mut place).poll(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(end) => Ok(end.map_or_else(refused, |_| Outcome::Ok)),
            Poll::Pending => Err(Waiting::Place(place)),
        },
        Waiting::Written(mut written) => match written.try_recv() {
            Ok(Ok((_, answer))) => ask(Waiting::Answer(answer)),
            Ok(Err(reason)) => Ok(refused(reason)),
            Err(TryRecvError::Closed) => Ok(Outcome::Unknown),
            Err(TryRecvError::Empty) => Err(Waiting::Written(written)),
        },
        Waiting::Answer(mut answer) => match answer.try_recv() {
            Ok(_) => Ok(Outcome::Ok),
            Err(TryRecvError::Closed) => Ok(Outcome::Unknown),
            Err(TryRecvError::Empty) => Err(Waiting::Answer(answer)),
        },
        Waiting::EventsWritten(mut written, marked) => match written.try_recv() {
            Ok(Ok((_, Some(words)))) => ask(Waiting::Words(words, marked)),
            Ok(Ok((_, None))) => Ok(Outcome::Ok),
            Ok(Err(reason)) => Ok(refused(reason)),
            Err(TryRecvError::Closed) => Ok(Outcome::Unknown),
            Err(TryRecvError::Empty) => Err(Waiting::EventsWritten(written, marked)),
        },
        Waiting::Words(mut words, marked) => match words.try_recv() {
            Ok(words) => {
                // Of a request that broke off, the second frame may be kept without the first.
                let one = words.iter().filter(|word| **word != Word::Duplicate).count() == 1;
                let good = if marked { one } else { words[1] == Word::Duplicate };
                assert!(words.len() == 2 && good, "{words:?}");
                Ok(Outcome::Ok)
            }
            Err(TryRecvError::Closed) => Ok(Outcome::Unknown),
            Err(TryRecvError::Empty) => Err(Waiting::Words(words, marked)),
        },
    }
}

/// The only answer that does not mean "not kept".
fn refused(reason: Reason) -> Outcome {
    if reason == Reason::DurabilityUnknown {
        Outcome::Unknown
    } else {
        Outcome::Fail
    }
}

/// Whether the task ended.
fn poll(task: &mut Task) -> bool {
    task.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_ready()
}
