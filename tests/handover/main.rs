//! A new process takes over (`SIGUSR2`): connections, listeners, keys and counts, and what happens when it goes wrong.

#[path = "../support/mod.rs"]
mod support;

mod connections;
mod counts;
mod trouble;
