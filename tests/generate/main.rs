//! `footfall generate`: traffic that looks like a shop's, the same for the same seed, and taken by the real gateway.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stderr,
    clippy::disallowed_methods,
    reason = "a test fails by panicking, says why, and looks at the clock itself"
)]

#[path = "../support/mod.rs"]
mod support;

mod sent;
mod shape;

use footfall::generate::{Pace, Traffic};

/// 2026-11-01T00:00:00Z.
const UNTIL_MS: u64 = 1_793_491_200_000;
const UNTIL: &str = "2026-11-01T00:00:00Z";
const DAY_MS: u64 = 86_400_000;

/// Traffic of the week before, as the command makes it.
fn week(seed: u64, events: u64) -> Traffic {
    Traffic::new(seed, Pace::spread(events, 7 * DAY_MS, UNTIL_MS))
}

/// The events as lines.
fn lines(mut traffic: Traffic, events: u64) -> Vec<u8> {
    let mut out = Vec::new();
    for _ in 0..events {
        traffic.advance().write(&mut out);
        out.push(b'\n');
    }
    out
}
