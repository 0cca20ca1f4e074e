//! Fifty times `kill -9` while batches come in.

use std::fs;
use std::thread;

use footfall::event::{Event, EventId, Row, Sequence, SiteId};
use footfall::store::{Store, StoreLimits};
use serde_json::{Value, json};

use crate::support::client::{Client, Request};
use crate::support::dice::Dice;
use crate::support::gateway::{Gateway, Settings};
use crate::support::wait::until_true;
use crate::{PATH, accept, copy, store_folder, stored_names, verify};

const KILLS: u64 = 50;
const SENDERS: usize = 3;
const BATCH: u64 = 20;

/// The events of a batch, some with an id and some without, of three names and several months.
fn batch(name: &str) -> Value {
    let event = |number: u64| {
        let id = (number.is_multiple_of(2)).then(|| format!("{name}-{number}"));
        json!({"name": format!("event-{}", number % 3), "id": id, "visitor": format!("v{}", number % 7),
            "properties": {"number": number}})
    };
    json!((0..BATCH).map(event).collect::<Vec<_>>())
}

fn send(client: &mut Client, name: &str) -> Option<u16> {
    let request = Request::new("POST", PATH)
        .header("Content-Type", "application/json")
        .header("Idempotency-Key", name);
    let answer = client.try_send(&request.body(batch(name).to_string()));
    answer.ok().map(|answer| answer.status)
}

/// Sends batches until the gateway is gone; the names of all, the last of which nobody answered.
fn load(gateway: &Gateway, round: u64) -> Vec<thread::JoinHandle<Vec<String>>> {
    let address = gateway.address();
    let sender = |sender: usize| {
        thread::spawn(move || {
            let (mut client, mut sent) = (Client::new(address), Vec::new());
            loop {
                let name = format!("{round}-{sender}-{}", sent.len());
                let status = send(&mut client, &name);
                sent.push(name);
                match status {
                    Some(202) => {}
                    None => return sent,
                    odd => panic!("{odd:?}"),
                }
            }
        })
    };
    (0..SENDERS).map(sender).collect()
}

/// A gateway that was killed so often, and the batches that it was sent. Each of them is counted in the end.
fn killed(kills: u64, seed: u64) -> (Gateway, u64) {
    eprintln!("seed {seed}");
    let mut dice = Dice::new(seed);
    // Small steps, so that kills meet commits.
    let settings = Settings::new().set("FOOTFALL_STORE_COMMIT_MS", 20);
    let (mut gateway, mut sent) = (settings.start(), Vec::new());
    for round in 0..kills {
        let senders = load(&gateway, round);
        thread::sleep(std::time::Duration::from_millis(dice.below(250)));
        gateway.kill();
        sent.extend(senders.into_iter().flat_map(|sender| sender.join().unwrap()));
        gateway.start_again();
    }
    let mut client = gateway.client();
    for name in &sent {
        assert_eq!(send(&mut client, name), Some(202), "{name}");
    }
    gateway.stop();
    (gateway, sent.len() as u64)
}

#[test]
fn after_fifty_kills_every_event_is_in_the_store_once_and_verify_says_so() {
    let (gateway, batches) = killed(KILLS, 51);
    let names = stored_names(gateway.settings());
    let each = |number: u64| batches * (0..BATCH).filter(|event| event % 3 == number).count() as u64;
    let expected = [0, 1, 2].map(|number| (format!("event-{number}"), each(number)));
    assert_eq!(names, expected.into());
    let (good, said) = verify(gateway.settings());
    assert!(good && said.contains("store: 0 differences"), "{said}");
    assert!(said.contains("sessions: 0 differences"), "{said}");
}

/// A row that no frame of the log stands for.
fn add_row(settings: &Settings) {
    let (mut store, findings) = Store::open(&store_folder(settings), StoreLimits::default()).unwrap();
    assert_eq!(findings, []);
    let next = store.cursor().next();
    let event = Event::new(SiteId::DEFAULT, "event-0", EventId::Own([1; 16]), 1_795_000_000_000);
    store.append(&Row::new(next, event)).unwrap();
    store.commit().unwrap();
}

#[test]
fn verify_notices_an_event_too_many_and_one_too_few() {
    let mut gateway = Gateway::start();
    accept(&gateway, &batch("a"));
    gateway.stop();
    let before = tempfile::tempdir().unwrap();
    copy(&store_folder(gateway.settings()), before.path());
    gateway.start_again();
    accept(&gateway, &batch("b"));
    gateway.stop();
    let (good, said) = verify(gateway.settings());
    assert!(good, "{said}");
    let after = tempfile::tempdir().unwrap();
    copy(&store_folder(gateway.settings()), after.path());

    add_row(gateway.settings());
    let (good, said) = verify(gateway.settings());
    assert!(!good && said.contains("15 of event-0, but 14 were counted"), "{said}");

    // The store of before, made to believe that it has what came since.
    let cursor = Store::open(after.path(), StoreLimits::default()).unwrap().0.cursor();
    let folder = store_folder(gateway.settings());
    fs::remove_dir_all(&folder).unwrap();
    copy(before.path(), &folder);
    let (mut store, _) = Store::open(&folder, StoreLimits::default()).unwrap();
    assert!(store.cursor() < cursor && store.cursor() > Sequence::ZERO);
    store.advance(cursor);
    store.commit().unwrap();
    drop(store);
    let (good, said) = verify(gateway.settings());
    assert!(!good && said.contains("7 of event-0, but 14 were counted"), "{said}");

    // Without that belief it is only behind, and verify knows what waits in the journal.
    fs::remove_dir_all(&folder).unwrap();
    copy(before.path(), &folder);
    let (good, said) = verify(gateway.settings());
    assert!(good, "{said}");
    gateway.start_again();
    until_true("everything to be stored again", || {
        crate::metric(&gateway, "footfall_store_events") == 2 * BATCH
    });
}
