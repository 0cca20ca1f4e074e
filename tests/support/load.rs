//! Bounded load: some connections, each sending one visit after another, all of it remembered.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU16, AtomicU64, Ordering};
use std::thread::JoinHandle;

use super::answer::Answer;
use super::client::{Client, Request};
use super::history::{Fate, History, Sent};
use super::wait::until_true;

/// Countries the load sends in turn.
const COUNTRIES: [&str; 7] = ["GB", "us", "Cy", "DE", "fr", "JP", "br"];

/// Load to be started.
#[derive(Debug, Clone)]
pub struct Load {
    address: SocketAddr,
    connections: usize,
    requests: usize,
    countries: Vec<String>,
    keys: Option<String>,
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

    /// Starts to send.
    pub fn start(self) -> Running {
        let stop = Arc::new(AtomicBool::new(false));
        let progress = Arc::new(Progress::default());
        let sender = |place| {
            let (load, stop, progress) = (self.clone(), Arc::clone(&stop), Arc::clone(&progress));
            std::thread::spawn(move || load.send(place, &stop, &progress))
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

    /// One connection's visits; it ends early when it is told to, or when an answer fails to come.
    fn send(&self, place: usize, stop: &AtomicBool, progress: &Progress) -> History {
        let mut client = Client::new(self.address);
        let mut history = History::default();
        for turn in 0..self.requests {
            if stop.load(Ordering::Relaxed) {
                break;
            }
            let country = &self.countries[(place + turn) % self.countries.len()];
            let key = self.keys.as_ref().map(|prefix| format!("{prefix}-{place}-{turn}"));
            let fate = send_visit(&mut client, country, key.as_deref());
            history.0.push(Sent {
                country: country.clone(),
                key,
                fate,
            });
            match fate {
                Fate::Unknown => break,
                Fate::Kept { status, .. } | Fate::Refused(status) => progress.note(status),
            }
        }
        history
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
    if !(200..300).contains(&answer.status) {
        return Fate::Refused(answer.status);
    }
    let total = answer.json()[country.to_ascii_lowercase()].as_u64();
    Fate::Kept {
        status: answer.status,
        total: total.unwrap_or_else(|| panic!("no total of {country} in {}", answer.text())),
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
    last_status: AtomicU16,
}

impl Progress {
    fn note(&self, status: u16) {
        self.answered.fetch_add(1, Ordering::Relaxed);
        self.last_status.store(status, Ordering::Relaxed);
    }
}

impl Running {
    /// Answers so far.
    pub fn answered(&self) -> u64 {
        self.progress.answered.load(Ordering::Relaxed)
    }

    /// Waits until this many more answers have come.
    #[track_caller]
    pub fn wait_for_answers(&self, more: u64) {
        let goal = self.answered() + more;
        until_true("answers to the load", || {
            self.answered() >= goal || self.senders.iter().all(JoinHandle::is_finished)
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
