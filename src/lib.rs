//! Footfall: a high-throughput, lossless ingestion gateway for web and e-commerce events.

// Lints of the product alone; what holds for tests too stands in Cargo.toml.
#![warn(
    // A panic in a worker ends every connection it serves: errors are values.
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    // The gateway speaks through its log, and verbs write to what they are given.
    clippy::print_stderr,
    clippy::print_stdout,
    // One clock, and a bound on every queue: clippy.toml.
    clippy::disallowed_methods
)]

pub mod clock;
pub mod config;
pub mod currency;
pub mod event;
pub mod fold;
pub mod memory;
pub mod metrics;
pub mod outcome;
pub mod redis_address;

pub mod admit;
pub mod apply;
pub mod counters;
pub mod decode;
pub mod directory;
pub mod enrich;
pub mod journal;
pub mod points;
pub mod store;

pub mod pipeline;

pub mod query;

pub mod dialects;
pub mod edge;
pub mod http;

pub mod command_line;
pub mod generate;
pub mod import;
pub mod log;
pub mod reference;
