//! A new process takes over (`SIGUSR2`): connections, listeners, keys and counts, and what happens when it goes wrong.

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

mod connections;
mod counts;
mod trouble;
