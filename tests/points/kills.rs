//! Clients that send the same users and timestamps again and again, to gateways that are killed, and a history of what
//! they were told, written outside: who was told that an event is recorded, or was before, finds it counted exactly once.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use crate::support::backend::{Backend, Stage};
use crate::support::client::Client;
use crate::support::dice::Dice;
use crate::support::gateway::Gateway;
use crate::support::redis::{Engine, RedisServer};
use crate::support::wait::{SOON, until, until_true};
use crate::{Points, event, points, send, try_points};

const USERS: u64 = 7;
const CLIENTS: u64 = 6;
/// How long a client rests before it tries again.
const REST: Duration = Duration::from_millis(5);

/// A user and a timestamp; what happened follows from both.
type Pair = (u64, u64);

fn kind_of((user, timestamp): Pair) -> (&'static str, u64) {
    [("LOGIN", 1), ("PURCHASE", 10), ("REFERRAL", 20)][usize::try_from((user + timestamp) % 3).unwrap()]
}

/// What the clients of a test were told.
#[derive(Debug, Default)]
pub struct Told {
    /// How often it was recorded.
    recorded: BTreeMap<Pair, usize>,
    /// It was there.
    existed: BTreeSet<Pair>,
    /// Nobody said, at least once.
    unknown: BTreeSet<Pair>,
}

impl Told {
    fn note(&mut self, pair: Pair, status: Option<u16>) {
        match status {
            Some(201) => *self.recorded.entry(pair).or_default() += 1,
            Some(409) => drop(self.existed.insert(pair)),
            Some(503) | None => drop(self.unknown.insert(pair)),
            Some(other) => panic!("{pair:?} was answered {other}"),
        }
    }

    fn is_certain(&self, pair: Pair) -> bool {
        self.recorded.contains_key(&pair) || self.existed.contains(&pair)
    }

    fn count(&self) -> usize {
        self.recorded.values().sum::<usize>() + self.existed.len()
    }

    /// The points that everybody has if each pair counts once.
    fn points(&self) -> Points {
        let pairs: BTreeSet<Pair> = self.recorded.keys().chain(&self.existed).copied().collect();
        let mut points = Points::new();
        for pair in pairs {
            *points.entry(format!("user {}", pair.0)).or_default() += kind_of(pair).1;
        }
        points
    }

    /// Sends what nobody knows the fate of until somebody says it.
    fn clear_up(&mut self, gateway: &Gateway) {
        let unclear: Vec<Pair> = self
            .unknown
            .iter()
            .copied()
            .filter(|pair| !self.is_certain(*pair))
            .collect();
        for pair in unclear {
            let told = until("a certain answer", SOON, || {
                try_send(&mut gateway.client(), pair).filter(|status| *status != 503)
            });
            self.note(pair, Some(told));
        }
    }
}

fn try_send(client: &mut Client, pair: Pair) -> Option<u16> {
    let (user, timestamp) = pair;
    let event = event(&format!("user {user}"), kind_of(pair).0, timestamp);
    client.try_send(&event).ok().map(|answer| answer.status)
}

/// Clients that send until they are stopped.
struct Crowd {
    addresses: Arc<Mutex<Vec<SocketAddr>>>,
    stopped: Arc<AtomicBool>,
    told: Arc<Mutex<Told>>,
    threads: Vec<JoinHandle<()>>,
}

impl Crowd {
    fn start(gateways: &[&Gateway], seed: u64) -> Self {
        println!("seed {seed}");
        let mut crowd = Self {
            addresses: Arc::new(Mutex::new(gateways.iter().map(|gateway| gateway.address()).collect())),
            stopped: Arc::default(),
            told: Arc::default(),
            threads: Vec::new(),
        };
        // All draw from the same few pairs, of which new ones come up as they go on.
        let turn = Arc::new(Mutex::new(0));
        for number in 0..CLIENTS {
            let (addresses, stopped, told) = (crowd.addresses.clone(), crowd.stopped.clone(), crowd.told.clone());
            let (turn, mut dice) = (turn.clone(), Dice::new(seed * 100 + number));
            crowd.threads.push(thread::spawn(move || {
                let mut clients: BTreeMap<SocketAddr, Client> = BTreeMap::new();
                while !stopped.load(Ordering::Acquire) {
                    let address = {
                        let addresses = addresses.lock().unwrap();
                        addresses[usize::try_from(dice.below(addresses.len() as u64)).unwrap()]
                    };
                    let client = clients.entry(address).or_insert_with(|| Client::new(address));
                    if client.connect().is_err() {
                        // Nothing was sent, and it may be a while until the gateway is back.
                        thread::sleep(REST);
                        continue;
                    }
                    let newest = {
                        let mut turn = turn.lock().unwrap();
                        *turn += 1;
                        *turn / 3
                    };
                    let pair = (dice.below(USERS), newest + dice.below(4));
                    let status = try_send(client, pair);
                    told.lock().unwrap().note(pair, status);
                }
            }));
        }
        crowd
    }

    /// A gateway has come back at another address.
    fn moved(&self, place: usize, gateway: &Gateway) {
        self.addresses.lock().unwrap()[place] = gateway.address();
    }

    fn wait_for_more(&self, more: usize) {
        let before = self.told.lock().unwrap().count();
        until_true("more answers", || self.told.lock().unwrap().count() >= before + more);
    }

    fn finish(self) -> Told {
        self.stopped.store(true, Ordering::Release);
        for thread in self.threads {
            thread.join().unwrap();
        }
        Arc::into_inner(self.told).unwrap().into_inner().unwrap()
    }
}

/// The points of every gateway come to what the history says.
fn check(told: &Told, gateways: &[&Gateway]) {
    let expected = told.points();
    for gateway in gateways {
        until_true(&format!("{expected:?} at {}", gateway.address()), || {
            try_points(gateway).is_ok_and(|points| points.as_ref() == Some(&expected))
        });
    }
}

/// Nobody was told of a second first.
fn check_firsts(told: &Told) {
    let doubled: Vec<_> = told.recorded.iter().filter(|(_, times)| **times > 1).collect();
    assert!(doubled.is_empty(), "recorded more than once: {doubled:?}");
    assert!(
        told.existed.len() > 20,
        "too few were sent twice: {}",
        told.existed.len()
    );
}

#[test]
fn a_gateway_alone_that_is_killed_counts_each_pair_once() {
    for seed in 0..3 {
        let mut gateway = Gateway::start();
        let crowd = Crowd::start(&[&gateway], seed);
        for _ in 0..3 {
            crowd.wait_for_more(60);
            gateway.kill();
            gateway.start_again();
            crowd.moved(0, &gateway);
        }
        crowd.wait_for_more(60);
        let mut told = crowd.finish();
        check_firsts(&told);
        told.clear_up(&gateway);
        check(&told, &[&gateway]);
        gateway.stop();
        let verified = gateway.settings().run(&["verify"]);
        assert!(
            verified.status.success(),
            "{}",
            String::from_utf8_lossy(&verified.stdout)
        );
    }
}

#[test]
fn a_restart_without_a_pause_forgets_no_pair() {
    for backend in Backend::KINDS {
        let stage = backend.stage();
        let mut gateway = stage.settings.start();
        let crowd = Crowd::start(&[&gateway], 7);
        for _ in 0..2 {
            crowd.wait_for_more(100);
            gateway.hand_over();
        }
        crowd.wait_for_more(100);
        let mut told = crowd.finish();
        check_firsts(&told);
        told.clear_up(&gateway);
        check(&told, &[&gateway]);
    }
}

/// A Redis that loses nothing that it said.
fn careful() -> Stage {
    Backend::Redis.stage_with(&["--appendonly", "yes", "--appendfsync", "always"])
}

#[test]
fn two_gateways_and_a_redis_that_are_killed_count_each_pair_once() {
    for seed in 10..13 {
        let mut stage = careful();
        let mut gateways = [stage.settings.start(), stage.settings.elsewhere().start()];
        let crowd = Crowd::start(&[&gateways[0], &gateways[1]], seed);
        for round in 0..4 {
            crowd.wait_for_more(60);
            let place = round % 2;
            gateways[place].kill();
            if round >= 2 {
                stage.server().kill();
                stage.server().start_again();
            }
            gateways[place].start_again();
            crowd.moved(place, &gateways[place]);
        }
        crowd.wait_for_more(60);
        let mut told = crowd.finish();
        check_firsts(&told);
        told.clear_up(&gateways[1]);
        check(&told, &[&gateways[0], &gateways[1]]);
    }
}

#[test]
fn a_redis_that_comes_back_empty_or_older_is_told_everything_again() {
    for (seed, arguments) in [
        (20, &["--appendonly", "no"][..]),
        (21, &["--appendonly", "no", "--save", "1 1"]),
    ] {
        let mut stage = Backend::Redis.stage_with(arguments);
        let mut gateways = [stage.settings.start(), stage.settings.elsewhere().start()];
        let crowd = Crowd::start(&[&gateways[0], &gateways[1]], seed);
        for round in 0..3 {
            crowd.wait_for_more(80);
            if seed == 21 {
                stage.server().cli(&["SAVE"]);
                crowd.wait_for_more(40);
            }
            stage.server().kill();
            if round == 1 {
                gateways[0].kill();
            }
            stage.server().start_again();
            if round == 1 {
                gateways[0].start_again();
                crowd.moved(0, &gateways[0]);
            }
        }
        crowd.wait_for_more(80);
        let mut told = crowd.finish();
        told.clear_up(&gateways[1]);
        check(&told, &[&gateways[0], &gateways[1]]);
    }
}

#[test]
fn a_pair_that_is_sent_to_two_gateways_at_once_is_recorded_by_one() {
    let stage = careful();
    let gateways = [stage.settings.start(), stage.settings.elsewhere().start()];
    let mut clients = [gateways[0].client(), gateways[1].client()];
    let mut told = Told::default();
    for timestamp in 0..200 {
        let pair = (timestamp % USERS, timestamp);
        let barrier = Arc::new(std::sync::Barrier::new(2));
        let sent = clients.map(|mut client| {
            let barrier = barrier.clone();
            thread::spawn(move || {
                barrier.wait();
                (try_send(&mut client, pair), client)
            })
        });
        let answered = sent.map(|thread| thread.join().unwrap());
        let mut statuses = [answered[0].0, answered[1].0];
        statuses.sort_unstable();
        assert_eq!(statuses, [Some(201), Some(409)], "{pair:?}");
        for status in statuses {
            told.note(pair, status);
        }
        clients = answered.map(|(_, client)| client);
    }
    check(&told, &[&gateways[0], &gateways[1]]);
}

#[test]
fn a_redis_that_forgets_a_claim_and_not_its_sum_is_noticed_by_this_check() {
    let mut stage = careful();
    let gateways = [stage.settings.start(), stage.settings.elsewhere().start()];
    let mut told = Told::default();
    let pair = (1, 5);
    told.note(pair, try_send(&mut gateways[0].client(), pair));
    check(&told, &[&gateways[0], &gateways[1]]);
    // What keeps it from being counted twice is taken away.
    assert_eq!(stage.server().cli(&["HDEL", "ff:{0}:points:claims", "5:user 1"]), "1");
    told.note(pair, try_send(&mut gateways[1].client(), pair));
    assert!(std::panic::catch_unwind(|| check_firsts(&told)).is_err());
    assert_ne!(points(&gateways[0]), told.points());
}

#[test]
fn claims_that_were_made_alone_are_told_to_a_redis_that_is_met_later() {
    let mut gateway = Gateway::start();
    let mut client = gateway.client();
    for timestamp in 0..20 {
        assert_eq!(send(&mut client, "a", "LOGIN", timestamp), 201);
    }
    gateway.stop();
    let server = RedisServer::start(Engine::Redis);
    let shared = gateway.settings().clone().set("REDIS_URL", server.url());
    let (gateway, other) = (shared.start(), shared.elsewhere().start());
    until_true("the points at the other gateway", || {
        points(&other) == Points::from([("a".into(), 20)])
    });
    assert_eq!(send(&mut other.client(), "a", "LOGIN", 7), 409);
    assert_eq!(send(&mut other.client(), "a", "LOGIN", 20), 201);
    assert_eq!(send(&mut gateway.client(), "a", "LOGIN", 20), 409);
}
