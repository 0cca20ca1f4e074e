//! Bounded load: some connections, each sending one visit after another, all of it remembered.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU16, AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use super::answer::Answer;
use super::batches::{Batch, Told};
use super::client::{Client, Request};
use super::history::{Fate, History, Sent};
use super::wait::until_true;

/// Countries the load sends in turn.
const COUNTRIES: [&str; 7] = ["GB", "us", "Cy", "DE", "fr", "JP", "br"];
/// How long a steadfast connection rests before it tries again.
const REST: Duration = Duration::from_millis(2);

/// Load to be started.
#[derive(Debug, Clone)]
pub struct Load {
    address: SocketAddr,
    connections: usize,
    requests: usize,
    countries: Vec<String>,
    keys: Option<String>,
    /// One connection of so many gives keys.
    keyed_of: usize,
    steadfast: bool,
    pace: Option<Duration>,
    /// What the ids of events begin with.
    batches: Option<String>,
    /// Further bytes of each event.
    padding: usize,
}

impl Load {
    /// Up to 100,000 visits of some countries over each of this many connections, until told to stop.
    pub fn new(address: SocketAddr, connections: usize) -> Self {
        Self {
            address,
            connections,
            requests: 100_000,
            countries: COUNTRIES.map(str::to_owned).to_vec(),
            keys: None,
            keyed_of: 1,
            steadfast: false,
            pace: None,
            batches: None,
            padding: 0,
        }
    }

    /// Sends this many visits over each connection.
    pub fn requests(mut self, requests: usize) -> Self {
        self.requests = requests;
        self
    }

    /// Sends visits of one country only.
    pub fn country(mut self, country: &str) -> Self {
        self.countries = vec![country.to_owned()];
        self
    }

    /// Gives every visit an `Idempotency-Key` of its own that begins with this text.
    pub fn keyed(mut self, prefix: &str) -> Self {
        self.keys = Some(prefix.to_owned());
        self
    }

    /// Gives the visits of every second connection such a key.
    pub fn half_keyed(mut self, prefix: &str) -> Self {
        self.keyed_of = 2;
        self.keyed(prefix)
    }

    /// Goes on through lost connections and refusals: connects again, and sends a visit with a key again as long as it
    /// is unknown what became of it.
    pub fn steadfast(mut self) -> Self {
        self.steadfast = true;
        self
    }

    /// Sends this many visits a second over all connections together, on a schedule that waits for no answer but the
    /// connection's own.
    pub fn per_second(mut self, visits: u32) -> Self {
        self.pace = Some(Duration::from_secs(1) * u32::try_from(self.connections).unwrap() / visits);
        self
    }

    /// One connection of 16 sends batches of events instead, whose ids begin with this text.
    pub fn with_batches(mut self, prefix: &str) -> Self {
        self.batches = Some(prefix.to_owned());
        self
    }

    /// Gives each of these events so many bytes more.
    pub fn padded(mut self, padding: usize) -> Self {
        self.padding = padding;
        self
    }

    /// Starts to send.
    pub fn start(self) -> Running {
        let stop = Arc::new(AtomicBool::new(false));
        let progress = Arc::new(Progress::default());
        let sender = |place| {
            let connection = Sending {
                load: self.clone(),
                place,
                client: Client::new(self.address),
                stop: Arc::clone(&stop),
                progress: Arc::clone(&progress),
            };
            std::thread::spawn(move || match connection.prefix_of_batches() {
                Some(prefix) => connection.send_batches(&prefix),
                None => connection.send(),
            })
        };
        Running {
            senders: (0..self.connections).map(sender).collect(),
            stop,
            progress,
        }
    }

    /// Sends everything and gives what was answered.
    pub fn run(self) -> History {
        let running = self.start();
        running.join()
    }
}

/// One connection of a load.
struct Sending {
    load: Load,
    place: usize,
    client: Client,
    stop: Arc<AtomicBool>,
    progress: Arc<Progress>,
}

impl Sending {
    /// The connection's visits; it ends early when it is told to, or when an answer fails to come and it is not
    /// steadfast.
    fn send(mut self) -> History {
        let mut history = History::default();
        let begin = Instant::now();
        for turn in 0..self.load.requests {
            self.wait_for_turn(begin, turn);
            if !self.may_send() {
                break;
            }
            let country = &self.load.countries[(self.place + turn) % self.load.countries.len()];
            let mut sent = Sent {
                country: country.clone(),
                key: self.key(turn),
                tries: 0,
                fate: Fate::Unknown,
            };
            self.send_until_known(&mut sent);
            let lost = sent.fate == Fate::Unknown && !self.load.steadfast;
            history.visits.push(sent);
            if lost {
                break;
            }
        }
        history
    }

    fn prefix_of_batches(&self) -> Option<String> {
        let prefix = self.load.batches.as_ref().filter(|_| self.place % 16 == 5);
        prefix.map(|prefix| format!("{prefix}-{}", self.place))
    }

    /// The connection's batches, as [`Self::send`].
    fn send_batches(mut self, prefix: &str) -> History {
        let (mut batches, mut last) = (Vec::new(), None);
        let begin = Instant::now();
        for turn in 0..self.load.requests {
            self.wait_for_turn(begin, turn);
            if !self.may_send() {
                break;
            }
            let mut batch = Batch::new(turn, format!("{prefix}-{turn}"), last.as_ref()).padded(self.load.padding);
            loop {
                let answered = batch.send(&mut self.client);
                if self.load.steadfast && matches!(answered, Told::Refused(_)) {
                    std::thread::sleep(REST);
                }
                let again = batch.told == Told::Unknown && batch.can_be_repeated();
                if !again || !self.load.steadfast || !self.may_send() {
                    break;
                }
            }
            let lost = batch.told == Told::Unknown && !self.load.steadfast;
            batches.push(batch.clone());
            last = Some((batch, Instant::now()));
            if lost {
                break;
            }
        }
        History {
            batches,
            ..History::default()
        }
    }

    fn wait_for_turn(&self, begin: Instant, turn: usize) {
        if let Some(pace) = self.load.pace {
            let due = begin + pace * u32::try_from(turn).unwrap() + self.lag(pace);
            std::thread::sleep(due.saturating_duration_since(Instant::now()));
        }
    }

    /// Connections take their turns one after the other within a step.
    fn lag(&self, pace: Duration) -> Duration {
        pace * u32::try_from(self.place).unwrap() / u32::try_from(self.load.connections).unwrap()
    }

    fn key(&self, turn: usize) -> Option<String> {
        let prefix = self
            .load
            .keys
            .as_ref()
            .filter(|_| self.place.is_multiple_of(self.load.keyed_of));
        prefix.map(|prefix| format!("{prefix}-{}-{turn}", self.place))
    }

    fn is_told_to_stop(&self) -> bool {
        self.stop.load(Ordering::Relaxed)
    }

    /// Whether there is a reason to send; what was never sent needs no place in the history.
    fn may_send(&mut self) -> bool {
        loop {
            if self.is_told_to_stop() {
                return false;
            }
            if !self.load.steadfast || self.client.connect().is_ok() {
                return true;
            }
            std::thread::sleep(REST);
        }
    }

    fn send_until_known(&mut self, sent: &mut Sent) {
        loop {
            let fate = send_visit(&mut self.client, &sent.country, sent.key.as_deref());
            sent.tries += 1;
            if let Fate::Kept { status, .. } | Fate::Refused(status) = fate {
                self.progress.note(status);
            }
            if self.load.steadfast && matches!(fate, Fate::Refused(_)) {
                std::thread::sleep(REST);
            }
            // A refusal says nothing of what an earlier try has become.
            if matches!(fate, Fate::Kept { .. }) || fate != Fate::Unknown && sent.tries == 1 {
                sent.fate = fate;
                return;
            }
            if !self.load.steadfast || sent.key.is_none() || !self.may_send() {
                return;
            }
        }
    }
}

/// Sends one visit and says what is known of it.
pub fn send_visit(client: &mut Client, country: &str, key: Option<&str>) -> Fate {
    let mut request = Request::new("POST", &format!("/api/v1/stats?countryCode={country}"));
    if let Some(key) = key {
        request = request.header("Idempotency-Key", key);
    }
    fate(country, client.try_send(&request))
}

fn fate(country: &str, answer: io::Result<Answer>) -> Fate {
    let Ok(answer) = answer else { return Fate::Unknown };
    match answer.status {
        200..300 => {
            let total = answer.json()[country.to_ascii_lowercase()].as_u64();
            Fate::Kept {
                status: answer.status,
                total: total.unwrap_or_else(|| panic!("no total of {country} in {}", answer.text())),
            }
        }
        // "A sync failed: this may or may not be kept."
        500 => Fate::Unknown,
        status => Fate::Refused(status),
    }
}

/// Load that is being sent.
#[derive(Debug)]
pub struct Running {
    senders: Vec<JoinHandle<History>>,
    stop: Arc<AtomicBool>,
    progress: Arc<Progress>,
}

/// What the connections have had so far.
#[derive(Debug, Default)]
struct Progress {
    answered: AtomicU64,
    kept: AtomicU64,
    last_status: AtomicU16,
}

impl Progress {
    fn note(&self, status: u16) {
        self.answered.fetch_add(1, Ordering::Relaxed);
        self.kept
            .fetch_add(u64::from((200..300).contains(&status)), Ordering::Relaxed);
        self.last_status.store(status, Ordering::Relaxed);
    }
}

impl Running {
    /// Answers so far.
    pub fn answered(&self) -> u64 {
        self.progress.answered.load(Ordering::Relaxed)
    }

    /// Answers of `2xx` so far.
    pub fn kept(&self) -> u64 {
        self.progress.kept.load(Ordering::Relaxed)
    }

    /// Waits until this many more answers have come.
    #[track_caller]
    pub fn wait_for_answers(&self, more: u64) {
        let goal = self.answered() + more;
        until_true("answers to the load", || {
            self.answered() >= goal || self.senders.iter().all(JoinHandle::is_finished)
        });
    }

    /// Waits until this many more answers of `2xx` have come; fails the test when the load ends before.
    #[track_caller]
    pub fn wait_for_kept(&self, more: u64) {
        let goal = self.kept() + more;
        until_true("2xx to the load", || {
            assert!(
                !self.senders.iter().all(JoinHandle::is_finished),
                "the load has ended with {} of {goal} kept",
                self.kept()
            );
            self.kept() >= goal
        });
    }

    /// Waits until the last answer has this status.
    #[track_caller]
    pub fn wait_for_status(&self, status: u16) {
        until_true(&format!("an answer of {status}"), || {
            self.progress.last_status.load(Ordering::Relaxed) == status
        });
    }

    /// Tells all connections to stop after the answer they wait for.
    pub fn finish(self) -> History {
        self.stop.store(true, Ordering::Relaxed);
        self.join()
    }

    /// Waits until all connections have ended by themselves.
    pub fn join(self) -> History {
        let mut history = History::default();
        for sender in self.senders {
            history.merge(sender.join().unwrap());
        }
        history
    }
}
