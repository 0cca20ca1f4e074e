//! Every input of the fuzz corpora goes through its target, as the fuzzers of fuzz/ send it there.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stderr,
    clippy::disallowed_methods,
    reason = "a test fails by panicking, says why, and looks at the clock itself"
)]

#[allow(dead_code, reason = "shared with tests that need more of it")]
#[path = "../support/dice.rs"]
mod dice;
mod targets;

use std::path::Path;

use dice::Dice;
use footfall::event::SiteId;
use footfall::generate::{Pace, Traffic};
use footfall::journal::payload::{EVENT, Manner, put_event};

/// Changed copies of each input, unless `FOOTFALL_FUZZ_COPIES` says another number.
const COPIES: u64 = 50;

fn copies() -> u64 {
    std::env::var("FOOTFALL_FUZZ_COPIES").map_or(COPIES, |copies| copies.parse().unwrap())
}

/// Runs a target over the inputs of its folder, of which there must be some, and over copies of them with changes.
fn run(name: &str, target: fn(&[u8])) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/seeds").join(name);
    let mut count = 0;
    for entry in std::fs::read_dir(&folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display())) {
        let path = entry.unwrap().path();
        eprintln!("{}", path.display());
        let input = std::fs::read(&path).unwrap();
        target(&input);
        for seed in 0..copies() {
            let copy = changed(&input, seed);
            if let Err(panic) = std::panic::catch_unwind(|| target(&copy)) {
                eprintln!("copy {seed}: {:?}", String::from_utf8_lossy(&copy));
                std::panic::resume_unwind(panic);
            }
        }
        count += 1;
    }
    assert!(count >= 5, "{count} inputs in {}", folder.display());
}

/// The input with a few bytes changed, cut out, doubled or put in.
#[allow(clippy::cast_possible_truncation, reason = "bounds are small")]
fn changed(input: &[u8], seed: u64) -> Vec<u8> {
    let (mut bytes, mut dice) = (input.to_vec(), Dice::new(seed));
    for _ in 0..=dice.below(4) {
        let at = dice.below(bytes.len() as u64 + 1) as usize;
        let end = (at + 1 + dice.below(16) as usize).min(bytes.len());
        match dice.below(6) {
            0 => drop(bytes.drain(at..end)),
            1 => {
                let part = bytes[at..end].to_vec();
                bytes.splice(at..at, part);
            }
            2 => bytes.insert(at, b"{}[]\",:\\0e-"[dice.below(11) as usize]),
            3 => bytes.truncate(at),
            _ if at < bytes.len() => bytes[at] ^= 1 << dice.below(8),
            _ => bytes.push(dice.below(256) as u8),
        }
    }
    bytes
}

#[test]
fn json_is_read_as_serde_reads_it() {
    run("json", targets::json);
}

#[test]
fn lines_are_read_as_documents_of_their_own() {
    run("lines", targets::lines);
}

#[test]
fn compressed_bodies_come_back_whole_or_are_refused() {
    run("compressed", targets::compressed);
}

#[test]
fn questions_mean_the_same_in_their_one_form() {
    run("query", targets::query);
}

#[test]
fn payloads_survive_being_written_again() {
    run("payload", targets::payload);
}

#[test]
fn payloads_of_events_survive_changes() {
    let pace = Pace::spread(1_000, 86_400_000, 1_793_491_200_000);
    let mut traffic = Traffic::new(1, pace);
    for seed in 0..copies() * 20 {
        let mut input = vec![EVENT];
        put_event(&mut input, &traffic.advance().event(SiteId([1; 16])), Manner::default());
        targets::payload(&input);
        targets::payload(&changed(&input, seed));
    }
}

#[test]
fn journals_recover_whatever_they_hold() {
    run("recovery", targets::recovery);
}

/// The comparison is worth nothing if it would let a difference pass.
#[test]
fn a_difference_would_be_noticed() {
    let event = targets::Tree::read(br#"{"name":"a","title":"b","properties":{"n":1}}"#).unwrap();
    let sent = footfall::decode::Sent {
        name: "a",
        title: "b",
        properties: br#"{"n":1}"#,
        ..Default::default()
    };
    targets::assert_same(&event, &sent);
    for wrong in [
        footfall::decode::Sent { name: "b", ..sent },
        footfall::decode::Sent { title: "", ..sent },
        footfall::decode::Sent {
            properties: br#"{"n":2}"#,
            ..sent
        },
        footfall::decode::Sent {
            properties: b"",
            ..sent
        },
        footfall::decode::Sent {
            screen: Some((1, 1)),
            ..sent
        },
    ] {
        let event = &event;
        let noticed = std::panic::catch_unwind(move || targets::assert_same(event, &wrong));
        assert!(noticed.is_err(), "{wrong:?}");
    }
}
