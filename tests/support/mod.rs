//! What the tests share: the real gateway as a child process, a raw HTTP client, bounded load, real neighbours.
//!
//! Nothing here knows the gateway's code; everything speaks to it over sockets, signals and its standard streams.

#![allow(dead_code, reason = "each test file uses its own part of the support code")]

pub mod answer;
pub mod backend;
pub mod batches;
pub mod client;
pub mod dice;
pub mod gateway;
pub mod history;
pub mod load;
pub mod nginx;
pub mod process;
pub mod redis;
pub mod report;
pub mod wait;
