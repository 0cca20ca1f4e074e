//! What the fuzzers run: each takes any bytes and panics when a promise is broken.

mod bodies;
mod disk;
mod journal;
mod questions;
mod tree;

pub use bodies::{assert_same, compressed, json, lines};
pub use journal::{payload, recovery};
pub use questions::query;
pub use tree::Tree;
