//! A deterministic simulation: the real journal, applier, ledger, link and walk of the storer, over a disk, a Redis, a
//! row store and a clock that are simulated, in one thread, all by one seed.
//!
//! Outside of the gateways a history is kept of what every client was told. In the end everything is mended and comes
//! to rest, and then: what was answered `ok` is counted exactly once, what was refused not at all, what nobody knows at
//! most once, and exactly once after it was sent again with its key and answered. The same holds for the rows of events in
//! the store, but for what was erased since.
//!
//! `FOOTFALL_SIMULATION_SEEDS` says how many seeds are run (5,000), `FOOTFALL_SIMULATION_FIRST` which is the first (0);
//! `FOOTFALL_SIMULATION_SEED` runs one of them and tells what happened in it.

mod check;
mod disk;
mod history;
mod lanes;
mod mutant;
mod plan;
mod process;
mod random;
mod remote;
mod rot;
mod rows;
mod server;
mod stored;
mod sweeps;
mod time;
mod twin;
mod world;

#[path = "../../tests/support/redis.rs"]
mod real;

use std::fs;
use std::path::Path;
use std::time::Instant;

use mutant::Mutant;

/// Seeds within which every planted mistake must be noticed.
const SEEDS_A_MUTANT: u64 = 2_000;

fn number(variable: &str) -> Option<u64> {
    let text = std::env::var(variable).ok()?;
    Some(
        text.parse()
            .unwrap_or_else(|_| panic!("{variable} is not a number: {text}")),
    )
}

/// Runs a seed again and tells what happened in it.
fn tell(seed: u64, mutant: Option<Mutant>) -> String {
    let (verdict, trace) = check::run(seed, mutant, true);
    format!("{trace}\nseed {seed}: {verdict:?}\nrun it again with FOOTFALL_SIMULATION_SEED={seed}")
}

/// Leaves figures for the fault report.
fn leave_figures(figures: &serde_json::Value) {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).with_file_name("faults");
    fs::create_dir_all(&folder).unwrap();
    fs::write(folder.join("simulation.json"), format!("{figures}\n")).unwrap();
}

#[test]
fn every_answered_visit_is_counted_once_in_every_world() {
    if let Some(seed) = number("FOOTFALL_SIMULATION_SEED") {
        let told = tell(seed, None);
        println!("{told}");
        assert!(told.contains("Ok(())"), "seed {seed}");
        return;
    }
    let first = number("FOOTFALL_SIMULATION_FIRST").unwrap_or(0);
    let asked = number("FOOTFALL_SIMULATION_SEEDS");
    let (began, end) = (Instant::now(), first + asked.unwrap_or(5_000));
    println!("seeds {first} to {}", end - 1);
    let violated: Vec<u64> = (first..end)
        .filter(|seed| check::run(*seed, None, false).0.is_err())
        .collect();
    if asked.is_some() {
        let seeds = format!("{first} to {}", end - 1);
        leave_figures(&serde_json::json!({
            "name": "simulation", "seeds": seeds, "violations": violated.len(), "seconds": began.elapsed().as_secs(),
        }));
    }
    if let Some(first) = violated.first() {
        panic!("{}\nseeds with violations: {violated:?}", tell(*first, None));
    }
}

/// Seeds that showed a mistake once, whether of the gateway or of the world.
#[test]
fn what_once_did_not_add_up_does() {
    for seed in [
        2_922, 6_306, 30_642, 37_513, 44_861, 49_158, 52_148, 93_214, 205_395, 229_345, 16_476, 57_572,
    ] {
        // They did so in worlds without a store.
        assert_eq!(check::run_without_store(seed), Ok(()), "seed {seed}, no store");
        assert_eq!(check::run(seed, None, false).0, Ok(()), "{}", tell(seed, None));
    }
}

#[test]
fn a_seed_always_tells_the_same_story() {
    for seed in [3, 14, 159] {
        assert_eq!(
            check::run(seed, None, true),
            check::run(seed, None, true),
            "seed {seed}"
        );
    }
}

#[test]
fn every_planted_mistake_is_noticed() {
    let caught = |mutant| (0..SEEDS_A_MUTANT).find(|seed| check::run(*seed, Some(mutant), false).0.is_err());
    let missed: Vec<_> = Mutant::ALL
        .into_iter()
        .filter(|mutant| {
            let seed = caught(*mutant);
            println!("{mutant:?}: seed {seed:?}");
            seed.is_none()
        })
        .collect();
    assert!(missed.is_empty(), "not noticed: {missed:?}");
}
