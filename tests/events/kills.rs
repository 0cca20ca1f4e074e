//! Batches under `kill -9`: what was accepted is counted once, and what is sent again is counted once.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::{self, JoinHandle};

use serde_json::{Value, json};

use crate::support::backend::Backend;
use crate::support::client::Client;
use crate::support::dice::Dice;
use crate::support::gateway::Gateway;
use crate::support::wait::until_true;
use crate::{DEFAULT_SITE, counts_at, counts_in, kept, post};

const ROUNDS: u64 = 6;
const CONNECTIONS: usize = 8;
const BATCH: u64 = 20;

/// What one connection knows: of each batch its name, and whether it was answered.
type Sent = Vec<(String, Option<u16>)>;

struct Load {
    stop: Arc<AtomicBool>,
    answers: Arc<AtomicU64>,
    senders: Vec<JoinHandle<Sent>>,
}

/// The events of a batch; those with an id and those without, to which the key gives one.
fn batch(name: &str) -> Value {
    let event = |number| match number % 2 {
        0 => json!({"name": "with_id", "id": format!("{name}-{number}")}),
        _ => json!({"name": "without_id", "properties": {"batch": name}}),
    };
    json!((0..BATCH).map(event).collect::<Vec<_>>())
}

fn send(client: &mut Client, name: &str) -> Option<u16> {
    let request = post(batch(name).to_string()).header("Idempotency-Key", name);
    client.try_send(&request).ok().map(|answer| answer.status)
}

impl Load {
    fn start(address: SocketAddr, round: u64) -> Self {
        let (stop, answers) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
        let senders = (0..CONNECTIONS).map(|connection| {
            let (stop, answers) = (stop.clone(), answers.clone());
            thread::spawn(move || {
                let (mut client, mut sent) = (Client::new(address), Sent::new());
                while !stop.load(Ordering::Relaxed) {
                    let name = format!("{round}-{connection}-{}", sent.len());
                    let status = send(&mut client, &name);
                    answers.fetch_add(u64::from(status.is_some()), Ordering::Relaxed);
                    sent.push((name, status));
                    if status.is_none() {
                        break;
                    }
                }
                sent
            })
        });
        Self {
            senders: senders.collect(),
            stop,
            answers,
        }
    }

    fn wait_for_answers(&self, answers: u64) {
        until_true("answers", || self.answers.load(Ordering::Relaxed) >= answers);
    }

    fn finish(self) -> Sent {
        self.stop.store(true, Ordering::Relaxed);
        self.senders
            .into_iter()
            .flat_map(|sender| sender.join().unwrap())
            .collect()
    }
}

fn kill_under_load(gateway: &mut Gateway, dice: &mut Dice) -> Sent {
    let mut sent = Sent::new();
    for round in 0..ROUNDS {
        let load = Load::start(gateway.address(), round);
        load.wait_for_answers(dice.below(60));
        gateway.kill();
        sent.extend(load.finish());
        gateway.start_again();
    }
    sent
}

/// Every event that apply counted, by the journal: ids that came once or more.
fn journaled_ids(gateway: &Gateway) -> BTreeSet<String> {
    let events = kept::events(gateway.settings());
    events
        .iter()
        .map(|event| event["id"].as_str().unwrap().to_owned())
        .collect()
}

fn survive(backend: Backend, mode: &str, seed: u64) {
    eprintln!("seed {seed}");
    let stage = backend.stage();
    let mut gateway = stage.settings.clone().set("FOOTFALL_DURABILITY", mode).start();
    let sent = kill_under_load(&mut gateway, &mut Dice::new(seed));
    let answered = sent.iter().filter(|(_, status)| *status == Some(202)).count() as u64;
    let odd: Vec<_> = sent
        .iter()
        .filter(|(_, status)| !matches!(status, Some(202) | None))
        .collect();
    assert!(odd.is_empty(), "{odd:?}");
    assert!(answered > 20, "the load was too thin: {answered}");

    // Every batch whose fate is unknown is sent again, and so is every one that was answered.
    let mut client = gateway.client();
    for (name, _) in &sent {
        let status = send(&mut client, name);
        assert_eq!(status, Some(202), "{name}");
    }
    let each = sent.len() as u64 * BATCH / 2;
    let expected = [("with_id", each), ("without_id", each)]
        .map(|(name, count)| (name.to_owned(), count))
        .into();
    let counts = || match &stage.server {
        None => counts_in(gateway.settings(), DEFAULT_SITE),
        Some(_) => counts_at(&stage, DEFAULT_SITE),
    };
    until_true("every event to be counted once", || counts() == expected);
    gateway.stop();
    assert_eq!(journaled_ids(&gateway).len() as u64, sent.len() as u64 * BATCH);
    let verified = gateway.settings().run(&["verify"]);
    assert!(
        verified.status.success(),
        "{}",
        String::from_utf8_lossy(&verified.stdout)
    );
}

#[test]
fn batches_survive_kills_and_count_once_when_sent_again_embedded() {
    survive(Backend::Embedded, "disk", 11);
}

#[test]
fn batches_survive_kills_and_count_once_when_sent_again_with_redis() {
    survive(Backend::Redis, "os", 12);
}

#[test]
fn accepted_events_without_ids_are_there_after_a_kill_and_no_more_than_were_sent() {
    let stage = Backend::Embedded.stage();
    let mut gateway = stage.settings.start();
    let (mut accepted, mut sent) = (0, 0);
    for round in 0..4 {
        let mut client = gateway.client();
        for _ in 0..=round * 7 {
            sent += BATCH;
            let answer = client.send(&post(json!(vec![json!({"name": "plain"}); 20]).to_string()));
            accepted += answer.json()["accepted"].as_u64().unwrap();
        }
        gateway.kill();
        gateway.start_again();
    }
    assert_eq!(accepted, sent);
    until_true("all to be counted", || {
        counts_in(&stage.settings, DEFAULT_SITE).get("plain") == Some(&accepted)
    });
}
