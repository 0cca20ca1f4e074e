//! One fault at every place in turn: each sync, each write, each length of a torn tail, and bits anywhere.

use std::collections::BTreeMap;

use footfall::config::{Config, Durability, JournalConfig};
use footfall::event::{CounterHash, Country, Family, Sequence, SiteId};
use footfall::journal::{Draft, HEADER_BYTES, Identity, Reader, Recovered, Recovery, SEGMENT_HEADER_BYTES, survey};

use crate::disk::Directory;
use crate::history::{History, Outcome, Ticket};
use crate::process::Process;
use crate::random::Random;
use crate::time::SimClock;

const IDENTITY: [u8; 16] = [7; 16];
/// Calls at which a fault is made.
const PLACES: u64 = 200;
const TAIL_BYTES: usize = 64 << 10;
const FLIPS: usize = 10_000;

/// A gateway with embedded counters, one visit at a time.
struct Gateway {
    directory: Directory,
    clock: SimClock,
    config: Config,
    process: Option<Process>,
    history: History,
}

impl Gateway {
    fn new(durability: Durability, seed: u64) -> Self {
        let mut config = Config::default();
        config.store.enabled = false;
        (config.journal.durability, config.journal.segment_bytes) = (durability, 400);
        Self {
            directory: Directory::new(IDENTITY, Random::new(seed), None),
            clock: SimClock::new(),
            config,
            process: None,
            history: History::default(),
        }
    }

    fn start(&mut self) {
        let directory = (&self.directory, IDENTITY);
        self.process = Process::start(&self.config, directory, &self.clock, None).ok();
    }

    fn visit(&mut self) -> Outcome {
        self.clock.pass(1_000);
        let request = self.history.begin(0, None);
        let ticket = self.history.attempt(request);
        let country = self.history.requests[request].country;
        let answered = self.process.as_mut().map(|process| {
            process.visit(ticket, country, None);
            answer(process).pop().map_or(Outcome::Unknown, |(_, outcome)| outcome)
        });
        // Where nobody listens nothing is kept.
        let outcome = answered.unwrap_or(Outcome::Fail);
        self.history.settle(ticket, outcome, (0, true));
        outcome
    }

    fn is_sealed(&self) -> bool {
        let sealed = |process: &Process| process.shared.log.is_sealed();
        self.process.as_ref().is_none_or(sealed)
    }

    /// Starts again, and counts what was answered, no less and no more.
    fn restart_exactly(&mut self, told: &str) {
        self.process = None;
        self.directory.revive();
        self.start();
        let hash = CounterHash {
            site: SiteId::DEFAULT,
            family: Family::Visits,
        };
        let process = self.process.as_ref().expect("a start without faults");
        let counted = process.core.borrow().ledger.totals(&hash);
        for (country, (least, most)) in self.history.bounds() {
            let total = counted.get(country.as_str()).copied().unwrap_or(0);
            assert!(
                (least..=most).contains(&total),
                "{told}: {country} is counted {total} times, not {least} to {most}"
            );
        }
        assert_eq!(self.visit(), Outcome::Ok, "{told}");
    }
}

/// Lets what gathered be written, synced, applied and answered.
fn answer(process: &mut Process) -> Vec<(Ticket, Outcome)> {
    // A sync waits a few turns for more to join.
    (0..6).for_each(|_| process.gather());
    process.sync();
    process.gather();
    process.apply();
    process.answers()
}

#[test]
fn after_a_failed_sync_at_any_call_nothing_in_doubt_is_answered_and_a_restart_is_exact() {
    for durability in [Durability::Disk, Durability::Os] {
        for place in 0..PLACES {
            let told = format!("{durability:?}, sync {place}");
            let mut gateway = Gateway::new(durability, place);
            gateway
                .directory
                .set_faults(|faults| faults.sync_fails_in = Some(place));
            gateway.start();
            let mut visits = 0;
            while gateway.directory.faults().sync_fails_in.is_some() {
                gateway.visit();
                visits += 1;
                assert!(visits <= 2 * PLACES, "{told}: the sync never failed");
            }
            assert!(gateway.is_sealed(), "{told}: the service goes on");
            for _ in 0..3 {
                assert_eq!(gateway.visit(), Outcome::Fail, "{told}");
            }
            if durability == Durability::Disk {
                gateway.process = None;
                gateway.directory.cut_power();
            }
            gateway.restart_exactly(&told);
        }
    }
}

#[test]
fn without_room_from_any_write_on_nothing_is_answered_and_the_rest_goes_on_by_itself() {
    for durability in [Durability::Disk, Durability::Os] {
        for place in 0..PLACES {
            let told = format!("{durability:?}, write {place}");
            let mut gateway = Gateway::new(durability, place);
            gateway.directory.set_faults(|faults| faults.fills_in = Some(place));
            gateway.start();
            let mut visits = 0;
            while gateway.process.is_some() && gateway.visit() == Outcome::Ok {
                visits += 1;
                assert!(visits <= 2 * PLACES, "{told}: the disk never filled");
            }
            for _ in 0..3 {
                assert_eq!(gateway.visit(), Outcome::Fail, "{told}");
            }
            gateway.directory.set_faults(|faults| faults.full = false);
            if gateway.process.is_some() {
                assert_eq!(gateway.visit(), Outcome::Ok, "{told}");
            }
            gateway.process = None;
            if durability == Durability::Disk {
                gateway.directory.cut_power();
            }
            gateway.restart_exactly(&told);
        }
    }
}

#[test]
fn a_refused_visit_does_not_come_back_after_a_power_cut() {
    for seed in 0..2_000 {
        let mut gateway = Gateway::new(Durability::Disk, seed);
        gateway.start();
        assert_eq!(gateway.visit(), Outcome::Ok);
        gateway.directory.set_faults(|faults| faults.write_fails_in = Some(0));
        // Two frames in one write, so that the part that got there may hold a whole one.
        let process = gateway.process.as_mut().unwrap();
        let country = Country::UNKNOWN;
        process.visit((0, 0), country, None);
        process.visit((0, 0), country, Some(b"key"));
        let answers: Vec<Outcome> = answer(process).into_iter().map(|(_, outcome)| outcome).collect();
        assert_eq!(answers, [Outcome::Fail, Outcome::Fail], "seed {seed}");
        gateway.process = None;
        gateway.directory.cut_power();
        gateway.restart_exactly(&format!("seed {seed}"));
        let hash = CounterHash {
            site: SiteId::DEFAULT,
            family: Family::Visits,
        };
        let counted = gateway.process.unwrap().core.borrow().ledger.totals(&hash);
        assert_eq!(counted.get("xx"), None, "seed {seed}");
    }
}

/// Frames by sequence.
type Frames = BTreeMap<u64, Vec<u8>>;

/// A stopped journal in segments of about so many bytes, and what it holds.
fn journal(segment_bytes: u64, payloads: impl Iterator<Item = Vec<u8>>) -> (Directory, Frames) {
    let directory = Directory::new(IDENTITY, Random::new(1), None);
    let recovered = Recovered::open(directory.disk(), Identity(IDENTITY)).unwrap();
    let config = JournalConfig {
        segment_bytes,
        durability: Durability::Os,
        ..JournalConfig::default()
    };
    let clock = std::sync::Arc::new(SimClock::new());
    let mut commits = recovered
        .begin(Sequence(1), config, std::sync::Arc::default(), clock)
        .unwrap();
    let mut frames = Frames::new();
    for payload in payloads {
        let draft = Draft {
            kind: 9,
            payload: &payload,
        };
        let submitted = commits.log().submit(&[draft], |_| {}).unwrap();
        commits.turn();
        frames.insert(submitted.first.0, payload);
    }
    commits.finish();
    (directory, frames)
}

/// What a start finds: its report, the frames, and damage that readers meet.
fn recover(directory: &Directory) -> (Recovery, Frames, u64) {
    let recovered = Recovered::open(directory.disk(), Identity(IDENTITY)).unwrap();
    let mut reader = Reader::new(recovered.segments().clone(), Sequence::ZERO);
    let mut frames = Frames::new();
    let read = reader.read(Sequence(u64::MAX - 1), |frame, _| {
        frames.insert(frame.sequence.0, frame.payload.to_vec());
        true
    });
    read.unwrap();
    (recovered.recovery(), frames, reader.take_damages())
}

#[test]
fn a_tail_cut_at_any_byte_loses_what_was_cut_and_says_so() {
    let mut random = Random::new(5);
    let payloads = (0..500).map(|_| vec![random.number().to_le_bytes()[0]; random.place(300)]);
    let (directory, frames) = journal(2_000, payloads);
    let mut cuts = 0;
    // Each segment in turn is the last one.
    for name in directory.names() {
        let whole = directory.bytes(&name);
        let first: u64 = name.trim_end_matches(".segment").parse().unwrap();
        for length in SEGMENT_HEADER_BYTES..whole.len() {
            let cut = Directory::new(IDENTITY, Random::new(1), None);
            cut.put(&name, &whole[..length]);
            let (recovery, found, _) = recover(&cut);
            let mut end = SEGMENT_HEADER_BYTES;
            let lasting = frames.range(first..).take_while(|(_, payload)| {
                let next = end + HEADER_BYTES + payload.len();
                let fits = next <= length;
                end = if fits { next } else { end };
                fits
            });
            assert!(lasting.eq(&found), "{name} cut at {length}: {} frames", found.len());
            let torn = (length - end) as u64;
            assert_eq!(
                (recovery.torn_bytes, recovery.quarantined),
                (torn, 0),
                "{name} cut at {length}"
            );
            cuts += 1;
        }
    }
    assert!(cuts >= TAIL_BYTES, "{cuts} cuts");
}

#[test]
fn a_flipped_bit_anywhere_invents_nothing_loses_its_frame_at_most_and_is_told() {
    let mut random = Random::new(6);
    let payloads = (0..60).map(|number| vec![number; 20 + random.place(60)]);
    let (directory, frames) = journal(1_000, payloads);
    let files: Vec<(String, Vec<u8>)> = directory
        .names()
        .into_iter()
        .map(|name| (name.clone(), directory.bytes(&name)))
        .collect();
    assert!(files.len() >= 4);
    let mut random = Random::new(7);
    for flip in 0..FLIPS {
        let damaged = Directory::new(IDENTITY, Random::new(1), None);
        for (name, bytes) in &files {
            damaged.put(name, bytes);
        }
        let (name, bytes) = &files[random.place(files.len())];
        let bit = random.place(bytes.len() * 8);
        damaged.flip(name, bit);
        let told = format!("flip {flip}: bit {bit} of {name}");
        let before = survey(damaged.disk(), Identity(IDENTITY)).unwrap().1;
        let (recovery, found, damages) = recover(&damaged);
        assert!(
            found
                .iter()
                .all(|(sequence, payload)| frames.get(sequence) == Some(payload)),
            "{told}"
        );
        let lost = frames.len() - found.len();
        let in_header = bit / 8 < SEGMENT_HEADER_BYTES;
        assert!(lost <= usize::from(!in_header), "{told}: {lost} frames are lost");
        let said = recovery.torn_bytes + recovery.quarantined + damages;
        assert!(
            said > 0 && before.damages + before.torn_bytes > 0,
            "{told}: nobody says so"
        );
    }
}
