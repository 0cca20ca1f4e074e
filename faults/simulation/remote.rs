//! One gateway's way to the simulated Redis: claims and commits as `RedisCounters` does, over a wire that loses,
//! delays and breaks.

use std::cell::RefCell;
use std::future::poll_fn;
use std::rc::Rc;
use std::task::Poll;

use footfall::counters::{Commit, CountersError, Fence, Fields, Inherited, RedisServer, Remote, Totals, Verdict};
use footfall::event::{CounterHash, Deltas, Sequence};

use crate::mutant::Mutant;
use crate::random::SharedRandom;
use crate::server::{Apply, Call, Reply, SharedServer, id_of};

/// Percentages of calls that something happens to.
#[derive(Debug, Clone, Copy, Default)]
pub struct WireFaults {
    /// Never gets there.
    pub lost: u64,
    /// Gets there, but the reply is lost.
    pub unanswered: u64,
    /// Is given up, and gets there later.
    pub late: u64,
}

/// Shared with the world, which changes it as time goes by.
pub type SharedWireFaults = Rc<RefCell<WireFaults>>;

pub struct SimRemote {
    server: SharedServer,
    faults: SharedWireFaults,
    random: SharedRandom,
    id: String,
    nonce: [u8; 16],
    epoch: u64,
    /// In which life of Redis the connection was made.
    connected: Option<u64>,
    fenced: Option<Fence>,
    inherited: Vec<Inherited>,
    before: Vec<Inherited>,
    mutant: Option<Mutant>,
    /// What a mutant told the link instead of what Redis holds.
    told: Option<(Sequence, Sequence)>,
}

impl SimRemote {
    pub fn new(
        (server, faults): (SharedServer, SharedWireFaults),
        identity: [u8; 16],
        random: SharedRandom,
        mutant: Option<Mutant>,
    ) -> Self {
        let nonce = fresh(&random);
        Self {
            server,
            faults,
            random,
            id: id_of(identity),
            nonce,
            epoch: 0,
            connected: None,
            fenced: None,
            inherited: Vec::new(),
            before: Vec::new(),
            mutant,
            told: None,
        }
    }

    /// Sends a call and waits for its reply, which may never come.
    async fn call(&self, call: Call) -> Result<Reply, CountersError> {
        let number = self.server.borrow_mut().send(call);
        // A future that is dropped leaves its call on the wire.
        let mut waiting = Waiting(&self.server, number);
        self.wait().await;
        let faults = *self.faults.borrow();
        let fate = self.random.below(100);
        if fate < faults.late {
            return unavailable("no reply in time");
        }
        waiting.1 = 0;
        if fate < faults.late + faults.lost {
            self.server.borrow_mut().lose(number);
            return unavailable("connection reset");
        }
        let reply = self.server.borrow_mut().run(number);
        self.wait().await;
        if self.random.chance(faults.unanswered) {
            return unavailable("the reply was lost");
        }
        match reply {
            Reply::Refused => unavailable("refused"),
            reply => Ok(reply),
        }
    }

    /// A call over the connection for commits, which any failure breaks.
    async fn call_connected(&mut self, call: Call) -> Result<Reply, CountersError> {
        let life = self.server.borrow().life;
        match self.connected.take() {
            Some(connected) if connected == life => {}
            _ => match self.fenced.clone() {
                Some(fence) => return Err(CountersError::Fenced(fence)),
                None => return unavailable("not connected"),
            },
        }
        let reply = self.call(call).await?;
        self.connected = Some(life);
        Ok(reply)
    }

    async fn wait(&self) {
        for _ in 0..self.random.below(3) {
            pause().await;
        }
    }

    async fn claim(&mut self) -> Result<Option<Sequence>, CountersError> {
        let call = Call::Claim {
            id: self.id.clone(),
            nonce: id_of(self.nonce),
            epoch: self.epoch,
            inherited: written(&self.inherited),
        };
        match self.call_connected(call).await? {
            Reply::Claimed(epoch, cursor, before) => {
                self.epoch = epoch;
                self.before = before.split_whitespace().map(part).collect();
                Ok(cursor.map(Sequence))
            }
            Reply::Fenced(ousted, at, inherited) => {
                let fence = self.fence((ousted, at), inherited);
                Err(CountersError::Fenced(fence))
            }
            other => panic!("a claim is not answered with {other:?}"),
        }
    }

    async fn apply(&mut self, commit: Commit<'_>, whole: bool) -> Result<Verdict, CountersError> {
        let call = Call::Apply(Apply {
            id: self.id.clone(),
            epoch: self.epoch,
            nonce: id_of(self.nonce),
            from: commit.from.0,
            to: commit.to.0,
            whole,
            deltas: commit.deltas.clone(),
        });
        let verdict = match self.call_connected(call).await? {
            Reply::Totals(totals) => Verdict::Applied(totals.into_iter().collect::<Totals>()),
            Reply::Duplicate(held) => Verdict::Duplicate(Sequence(held)),
            Reply::Gap(held) => Verdict::Gap(Sequence(held)),
            Reply::Lost => Verdict::Lost,
            Reply::Bad(reason) => Verdict::Bad(reason),
            Reply::Stale => {
                self.connected = None;
                Verdict::Stale
            }
            other => panic!("a commit is not answered with {other:?}"),
        };
        Ok(verdict)
    }

    fn fence(&mut self, (ousted, at): (Option<String>, Option<u64>), inherited: Option<String>) -> Fence {
        let fence = Fence {
            held: at.map(Sequence),
            ours: ousted == Some(id_of(self.nonce)),
            inherited: inherited.unwrap_or_default().split_whitespace().map(part).collect(),
        };
        self.connected = None;
        self.fenced = Some(fence.clone());
        fence
    }

    /// What a mutant makes of what Redis holds.
    fn tell(&mut self, held: Option<Sequence>) -> Option<Sequence> {
        let held = held?;
        let told = match self.mutant {
            Some(Mutant::RefoldOneTooEarly) => Sequence(held.0.saturating_sub(1)),
            Some(Mutant::RefoldOneTooLate) => held.next(),
            _ => return Some(held),
        };
        self.told = Some((told, held));
        Some(told)
    }

    async fn mistaken_commit(&mut self, commit: Commit<'_>) -> Result<Verdict, CountersError> {
        let mut commit = commit;
        if let Some((_, held)) = self.told.filter(|(told, _)| *told == commit.from) {
            commit.from = held;
        }
        let first = self.apply(commit, false).await;
        match (self.mutant, first) {
            (Some(Mutant::LostTakenForZero), Ok(Verdict::Lost)) => {
                self.claim().await?;
                commit.from = Sequence::ZERO;
                self.apply(commit, false).await
            }
            (Some(Mutant::GapIgnored), Ok(Verdict::Gap(held))) => {
                commit.from = held;
                self.apply(commit, false).await
            }
            (Some(Mutant::ResentAsNew), Err(CountersError::Unavailable(_))) => {
                let held = self.connect(&self.inherited.clone()).await?.unwrap_or_default();
                (commit.from, commit.to) = (held, commit.to.max(held.next()));
                self.apply(commit, false).await
            }
            (_, Ok(Verdict::Applied(totals))) => {
                self.told = None;
                Ok(Verdict::Applied(totals))
            }
            (_, Ok(Verdict::Gap(held))) => Ok(Verdict::Gap(self.tell(Some(held)).unwrap_or(held))),
            (_, other) => other,
        }
    }
}

impl Remote for SimRemote {
    async fn connect(&mut self, inherited: &[Inherited]) -> Result<Option<Sequence>, CountersError> {
        inherited.clone_into(&mut self.inherited);
        self.connected = None;
        if let Some(fence) = self.fenced.clone() {
            return Err(CountersError::Fenced(fence));
        }
        self.connected = Some(self.server.borrow().life);
        let held = self.claim().await?;
        Ok(self.tell(held))
    }

    fn before(&self) -> &[Inherited] {
        &self.before
    }

    async fn commit(&mut self, commit: Commit<'_>) -> Result<Verdict, CountersError> {
        if self.mutant.is_some() {
            return self.mistaken_commit(commit).await;
        }
        self.apply(commit, false).await
    }

    async fn contribute(&mut self, to: Sequence, whole: &Deltas) -> Result<Verdict, CountersError> {
        self.claim().await?;
        let commit = Commit {
            from: Sequence::ZERO,
            to,
            deltas: whole,
        };
        self.apply(commit, true).await
    }

    async fn read_totals(&self, hash: &CounterHash) -> Result<(Option<Sequence>, Fields), CountersError> {
        let call = Call::Read {
            id: self.id.clone(),
            hash: *hash,
        };
        match self.call(call).await? {
            Reply::Read(held, fields) => {
                let told = self.told.filter(|(_, real)| Some(*real) == held);
                Ok((told.map(|(told, _)| told).or(held), fields))
            }
            other => panic!("a read is not answered with {other:?}"),
        }
    }

    fn rename(&mut self, guard: [u8; 16]) -> Result<(), CountersError> {
        self.nonce = fresh(&self.random);
        (self.id, self.epoch) = (id_of(guard), 0);
        self.before.clear();
        (self.connected, self.fenced, self.told) = (None, None, None);
        Ok(())
    }

    fn writer(&self) -> [u8; 16] {
        self.nonce
    }

    async fn generation(&self) -> Result<u64, CountersError> {
        match self.call(Call::Generation).await? {
            Reply::Generation(generation) => Ok(generation),
            other => panic!("a question for the generation is not answered with {other:?}"),
        }
    }

    async fn renew(&self, ending: u64) -> Result<(bool, u64), CountersError> {
        match self.call(Call::Renew(ending)).await? {
            Reply::Renewed(ours, generation) => Ok((ours, generation)),
            other => panic!("a renewal is not answered with {other:?}"),
        }
    }

    async fn server(&self) -> Result<RedisServer, CountersError> {
        if self.server.borrow().down {
            return unavailable("down");
        }
        Ok(RedisServer {
            product: "redis".into(),
            version: "7.0.0".into(),
            eviction_policy: "noeviction".into(),
        })
    }
}

/// A call that someone waits for; its number is zero when it is no longer on the wire.
struct Waiting<'a>(&'a SharedServer, u64);

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.borrow_mut().give_up(self.1);
    }
}

/// What a gateway inherited, as it stands in the guard.
fn written(inherited: &[Inherited]) -> String {
    let parts = inherited
        .iter()
        .map(|part| format!("{}:{}", id_of(part.writer), part.last));
    parts.collect::<Vec<_>>().join(" ")
}

fn part(written: &str) -> Inherited {
    let (writer, last) = written.split_once(':').unwrap();
    Inherited {
        writer: u128::from_str_radix(writer, 16).unwrap().to_be_bytes(),
        last: Sequence(last.parse().unwrap()),
    }
}

fn fresh(random: &SharedRandom) -> [u8; 16] {
    u128::from(random.below(u64::MAX)).to_be_bytes()
}

fn unavailable<T>(why: &str) -> Result<T, CountersError> {
    Err(CountersError::Unavailable(why.into()))
}

/// Lets others go first, once.
pub async fn pause() {
    let mut paused = false;
    poll_fn(|_| {
        if paused {
            return Poll::Ready(());
        }
        paused = true;
        Poll::Pending
    })
    .await;
}
