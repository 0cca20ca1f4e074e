//! Ever new names, pages, properties, ids and sites: memory stays within bounds, and totals stay exact.
//!
//! `FOOTFALL_CROWD` says how many of each are sent (12,000); a million is what the gateway is made for.

use std::thread;

use serde_json::{Value, json};

use crate::support::backend::Backend;
use crate::support::client::Request;
use crate::support::gateway::Gateway;
use crate::support::wait::until_true;
use crate::{Counts, DEFAULT_SITE, PATH, assert_problem, counts_at, counts_in, outcomes, post, run};

/// Events of a request.
const BATCH: u64 = 1_000;
const SENDERS: u64 = 4;
/// The most memory that the gateway may ever have had, in bytes.
const MEMORY_MAX: u64 = 512 << 20;
/// Names that get a counter of their own: half of the room, since nobody here has a key.
const NAMES: u64 = 5_000;

fn crowd() -> u64 {
    let asked = std::env::var("FOOTFALL_CROWD").map(|text| text.parse().expect("FOOTFALL_CROWD is a number"));
    asked.unwrap_or(12_000)
}

/// The most memory that a process has had.
fn peak(gateway: &Gateway) -> u64 {
    let told = std::fs::read_to_string(format!("/proc/{}/status", gateway.pid())).unwrap();
    let line = told.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    line.trim().trim_end_matches(" kB").parse::<u64>().unwrap() << 10
}

/// Sends as many events as the crowd has, and gives the sums of what answers tell.
fn send_all(gateway: &Gateway, event: fn(u64) -> Value) -> [u64; 3] {
    let (address, crowd) = (gateway.address(), crowd());
    let sender = |place: u64| {
        let batches = (0..crowd / BATCH).filter(move |batch| batch % SENDERS == place);
        move || {
            let mut client = crate::support::client::Client::new(address);
            let mut sums = [0; 3];
            for batch in batches {
                let events: Vec<Value> = (batch * BATCH..(batch + 1) * BATCH).map(event).collect();
                let body = client.send(&post(Value::from(events).to_string())).json();
                for (sum, told) in sums.iter_mut().zip(["accepted", "duplicates", "rejected"]) {
                    *sum += body[told].as_u64().unwrap_or_else(|| panic!("{body}"));
                }
            }
            sums
        }
    };
    let senders: Vec<_> = (0..SENDERS).map(|place| thread::spawn(sender(place))).collect();
    let sums = senders.into_iter().map(|sender| sender.join().unwrap());
    sums.fold([0; 3], |all, sums| [0, 1, 2].map(|place| all[place] + sums[place]))
}

/// An event of which nothing was seen before.
fn stranger(number: u64) -> Value {
    json!({
        "name": format!("name-{number}"), "id": format!("id-{number}"),
        "url": format!("https://shop.example/page-{number}?q={number}"), "referrer": format!("https://r{number}.example/"),
        "visitor": format!("v-{number}"), "user": format!("u-{number}"), "session": format!("s-{number}"),
        "properties": {format!("key-{number}"): format!("value-{number}")},
    })
}

#[test]
fn a_crowd_of_strangers_costs_bounded_memory_and_is_counted_exactly() {
    for backend in Backend::KINDS {
        let stage = backend.stage();
        run(&stage.settings, &["site", "add", "shop", "--domain", "shop.example"]);
        let mut gateway = stage.settings.start();
        let crowd = crowd() / BATCH * BATCH;
        assert_eq!(send_all(&gateway, stranger), [crowd, 0, 0]);
        // Sites that nobody knows are asked for, and leave nothing behind.
        let asks = |number| json!({"name": "a", "domain": format!("shop-{number}.example")});
        assert_eq!(send_all(&gateway, asks), [0, 0, crowd]);
        let mut client = gateway.client();
        for number in 0..crowd / 100 {
            let unknown = Request::new("POST", &format!("{PATH}?key=ak_live_{number:016x}_{number:064x}"));
            assert_problem(&client.send(&unknown.body("{}")), 401, "key_invalid");
        }
        let received = crowd * 2 + crowd / 100;
        until_true("all to have an outcome", || outcomes(&gateway) == (received, received));
        let counted = || match &stage.server {
            None => counts_in(&stage.settings, DEFAULT_SITE),
            Some(_) => counts_at(&stage, DEFAULT_SITE),
        };
        until_true("all to be counted", || counted().values().sum::<u64>() == crowd);
        assert_exact(&counted(), crowd);
        let memory = peak(&gateway);
        eprintln!("{backend:?}: {crowd} strangers, at most {} MiB", memory >> 20);
        assert!(memory < MEMORY_MAX, "{memory} bytes");
        // A start has no more of it, and comes to the same.
        gateway.kill();
        gateway.start_again();
        let again = gateway
            .client()
            .send(&post(json!([stranger(crowd - 1)]).to_string()))
            .json();
        assert_eq!(again["duplicates"], 1, "{again}");
        assert_exact(&counted(), crowd);
        let memory = peak(&gateway);
        eprintln!("{backend:?}: at most {} MiB after a restart", memory >> 20);
        assert!(memory < MEMORY_MAX, "{memory} bytes after a restart");
        gateway.stop();
        run(&stage.settings, &["verify"]);
    }
}

/// Every name that has a counter was counted once, and all others together.
fn assert_exact(counts: &Counts, crowd: u64) {
    let named = counts.iter().filter(|(name, _)| name.starts_with("name-"));
    assert!(named.clone().all(|(_, count)| *count == 1));
    assert_eq!(named.count() as u64, crowd.min(NAMES));
    let others = counts.get("__other__").copied().unwrap_or_default();
    assert_eq!(others, crowd.saturating_sub(NAMES));
}
