//! Footfall: a high-throughput, lossless ingestion gateway for web and e-commerce events.

pub mod clock;
pub mod config;
pub mod event;
pub mod fold;
pub mod metrics;
pub mod outcome;

pub mod admit;
pub mod apply;
pub mod counters;
pub mod enrich;
pub mod journal;
pub mod pipeline;

pub mod dialects;
pub mod edge;
pub mod http;

pub mod command_line;
pub mod log;
pub mod reference;
