//! A gateway's process: the real parts, driven by hand.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll, Waker};

use footfall::config::{ApplyConfig, Config};
use footfall::counters::Remote as _;
use footfall::enrich::Facts;
use footfall::event::{CounterHash, Country, Erasure, Event, EventId, Family, Sequence, SiteId};
use footfall::journal::payload::Manner;
use footfall::journal::{GroupCommit, Identity};
use footfall::outcome::Reason;
use footfall::pipeline::parts::{
    Answer, Backlog, Core, Duty, Found, Gather, Heard, Keyed, Link, Parts, Rows as _, Storing, StoringError,
    Submission, Tracks, advance, persist,
};
use footfall::pipeline::{EventBatch, PipelineError, Place, Shared, Word};
use tokio::sync::oneshot::{self, error::TryRecvError};

use crate::disk::Directory;
use crate::history::{Outcome, Ticket};
use crate::mutant::Mutant;
use crate::random::{Random, SharedRandom};
use crate::remote::{SimRemote, pause};
use crate::rows::{SimRows, own_id};
use crate::time::SimClock;

/// More sessions than a world has visitors.
const SESSIONS_MAX: usize = 1_000;

type Task = Pin<Box<dyn Future<Output = ()>>>;
type Written = oneshot::Receiver<Result<(Sequence, oneshot::Receiver<Answer>), Reason>>;

type Words = oneshot::Receiver<Vec<Word>>;
type EventsWritten = oneshot::Receiver<Result<(Sequence, Heard), Reason>>;

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

/// Who fills the event store.
pub struct Storer {
    directory: Directory,
    tracks: Tracks,
    config: ApplyConfig,
    /// `None` until it is opened, and after it has failed.
    storing: Option<Storing<SimRows>>,
    /// The last synced frame and the last applied one when everything was stored.
    rested: Option<[Sequence; 2]>,
    mutant: Option<Mutant>,
}

/// An event as a client sends it.
pub struct Fact<'a> {
    pub country: Country,
    pub key: Option<&'a [u8]>,
    /// Where there is a store, an event has a user, and a time before now.
    pub of: Option<(usize, u64)>,
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
    storer: Option<Storer>,
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
        let found = Found::open(
            (directory.ledger(), redis.as_ref().map(|(remote, _)| remote.writer())),
            (directory.disk(), Identity(identity)),
        )?;
        let above = found.head().max(directory.table().seen());
        let clock = Arc::new(clock.clone());
        let Parts { shared, core, commits } =
            found.begin((config, Arc::default()), clock, Duty::Write { above }, None)?;
        let tracks = config.store.enabled.then(|| {
            let lane = (core.segments().clone(), core.head());
            Tracks::begin(&shared, lane, None, identity)
        });
        let storer = tracks.map(|tracks| Storer::new((directory.clone(), tracks), config));
        Ok(Self::of(Parts { shared, core, commits }, storer, redis))
    }

    /// One of parts that have begun.
    pub fn of(parts: Parts, storer: Option<Storer>, redis: Option<(SimRemote, SharedRandom)>) -> Self {
        let Parts { shared, core, commits } = parts;
        let core = Rc::new(RefCell::new(core));
        let bond = Rc::new(Bond::default());
        let link = redis.map(|(remote, random)| {
            let link = Link::new((shared.clone(), core.clone()), remote);
            let task: Task = Box::pin(attend(link, bond.clone(), random));
            task
        });
        let gather = Gather::new(shared.clone());
        Self {
            gathering: Box::pin(gather.clone().run()),
            shared,
            core,
            bond,
            commits,
            gather,
            link,
            waiting: Vec::new(),
            storer,
            damaged: false,
        }
    }

    /// From now on it fills the event store.
    pub fn take_store(&mut self, storer: Storer) {
        self.storer = Some(storer);
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
    pub fn event(&mut self, ticket: Ticket, fact: &Fact<'_>) {
        let (name, now_ms) = (fact.country.to_string(), self.shared.log.clock().unix_ms());
        let key = fact.key;
        let id = key.map_or(own_id(ticket.0), EventId::Client);
        let user = fact.of.map(|(user, _)| user.to_string()).unwrap_or_default();
        let event = Event {
            user: &user,
            time_ms: now_ms - fact.of.map_or(0, |(_, age_ms)| age_ms),
            ..Event::new(SiteId::DEFAULT, &name, id, now_ms)
        };
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

    /// All events of a user are to go.
    pub fn wipe(&mut self, ticket: Ticket, user: usize) {
        let now_ms = self.shared.log.clock().unix_ms();
        let batch = EventBatch::erasure(&Erasure::User(SiteId::DEFAULT, &user.to_string()), now_ms);
        let (waiter, written) = oneshot::channel();
        let joined = self.gather.join_events(Submission { batch, waiter });
        joined.expect("little waits here");
        self.waiting.push((ticket, Waiting::EventsWritten(written, false)));
    }

    /// Lets the storer go on; it commits when chance says so, or at the end if it is `eager`.
    pub fn store(&mut self, random: &mut Random, eager: bool) {
        let head = self.core.borrow().head();
        if let Some(storer) = &mut self.storer {
            storer.turn(&self.shared, head, (random, eager));
        }
    }

    /// Drops months of the store that are older than some time.
    pub fn drop_before(&mut self, time_ms: u64) {
        let storing = self.storer.as_mut().and_then(|storer| storer.storing.as_mut());
        if let Some(storing) = storing {
            // An error means that it must be opened again, which the next commit says, too.
            let _ = storing.store().drop_before(footfall::store::Month::of(time_ms));
        }
    }

    /// Events by name, as the ledger has them; visits are among them.
    pub fn counted_events(&self) -> BTreeMap<String, u64> {
        let hash = CounterHash {
            site: SiteId::DEFAULT,
            family: Family::Events,
        };
        let totals = self.core.borrow().ledger.totals(&hash);
        totals.into_iter().map(|(name, total)| (name.into(), total)).collect()
    }

    /// Whether everything that counts is stored.
    pub fn is_stored(&self) -> bool {
        let now = [self.shared.log.synced(), self.core.borrow().head()];
        self.storer.as_ref().is_none_or(|storer| storer.rested == Some(now))
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
    pub fn stop(self, random: &mut Random) -> Vec<(Ticket, Outcome)> {
        let Self {
            shared,
            core,
            commits,
            mut gathering,
            mut link,
            waiting,
            mut storer,
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
        let head = core.borrow().head();
        if let Some(storer) = &mut storer {
            storer.turn(&shared, head, (random, true));
        }
        let mut answers = Vec::new();
        for (ticket, waiting) in waiting {
            let outcome = ask(waiting).or_else(ask).unwrap_or(Outcome::Unknown);
            answers.push((ticket, outcome));
        }
        answers
    }
}

impl Storer {
    pub fn new((directory, tracks): (Directory, Tracks), config: &Config) -> Self {
        let mutant = directory.mutant();
        let (mut tracks, mut config) = (tracks, config.apply.clone());
        if mutant == Some(Mutant::StoreWindowForgotten) {
            (tracks.decided, config.window_ms) = (None, 1);
        }
        Self {
            directory,
            tracks,
            config,
            storing: None,
            rested: None,
            mutant,
        }
    }

    /// As the storer's thread does it: opens the store if need be, hands over what is decided, commits, tells.
    fn turn(&mut self, shared: &Shared, head: Sequence, (random, eager): (&mut Random, bool)) {
        self.rested = None;
        if self.serve(shared, head, (random, eager)).is_err() {
            self.storing = None;
            self.tracks.tell_waiting(shared);
        }
    }

    fn serve(
        &mut self,
        shared: &Shared,
        head: Sequence,
        (random, eager): (&mut Random, bool),
    ) -> Result<(), StoringError> {
        let Self { tracks, storing, .. } = self;
        let storing = if let Some(storing) = storing {
            storing
        } else {
            let rows = SimRows::open(&self.directory, self.mutant)?;
            tracks.tell_opened(shared, (rows.seen(), rows.cursor()));
            storing.insert(Storing::over(rows, tracks, (&self.config, SESSIONS_MAX), facts()))
        };
        let synced = shared.log.synced();
        let done = storing.advance(tracks.synced(synced), &mut |filling| {
            if random.chance(15) {
                filling.commit()?;
                tracks.tell_stored(shared, filling.store().cursor());
            }
            Ok(eager || !random.chance(3))
        })?;
        if self.mutant == Some(Mutant::StoreToldEarly) {
            tracks.tell_stored(shared, storing.head());
        }
        if (eager || random.chance(50)) && storing.store().is_behind() {
            storing.filling().commit()?;
            tracks.tell_stored(shared, storing.store().cursor());
        }
        if !done {
            // Whoever breaks off must begin a new walk.
            self.storing = None;
        } else if !storing.store().is_behind() {
            self.rested = Some([synced, head]);
        }
        Ok(())
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
            Ok(Ok((_, Heard { words: Some(words), .. }))) => ask(Waiting::Words(words, marked)),
            Ok(Ok((_, Heard { words: None, .. }))) => Ok(Outcome::Ok),
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
/// The lists are read once for all worlds.
fn facts() -> Arc<Facts> {
    static FACTS: OnceLock<Arc<Facts>> = OnceLock::new();
    Arc::clone(FACTS.get_or_init(|| Arc::new(Facts::new(100))))
}

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
