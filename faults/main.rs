//! What was answered `2xx` is counted exactly once, whatever breaks: each series breaks one thing again and again
//! around the real binary, and holds what clients were told, of visits and of events, against what was counted.
//!
//! `make test` runs a short cut of each series, `make faults` (`FOOTFALL_FAULTS=full`) all of it. Seeds are printed;
//! `FOOTFALL_FAULTS_SEED` takes one. Each series leaves a line of figures in `faults/` of the target directory.
//! Beside each series stands a control: the same with a protection taken away, in which the checker must find visits
//! that were lost or counted twice.

#[path = "../tests/support/mod.rs"]
mod support;

mod checker;
mod clones;
mod disk;
mod event_store;
mod full_disk;
mod gateway_kills;
mod hand_overs;
mod network;
mod power_cuts;
mod proxy;
mod redis_kills;
mod redis_stale;
mod redis_trouble;
mod rows;
mod scale;
mod series;
mod store_faults;
mod storm;
mod sync_errors;
mod weakened;
