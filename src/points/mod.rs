//! Points: events of which a user has each once, for good, and what they add up to.
//!
//! What makes such an event one of its own is its user and the time that the client gave: a *claim*. Claims have no
//! window, so they live in a file of the data directory, and, where gateways share a Redis, there as well. A set of
//! claims can be added to another as often as one likes: whatever is told again is there already. So telling Redis
//! needs no exact place in the log, only to be done at least once; and a Redis that was emptied, or went back in time, is
//! told everything again that it lacks, by whoever has it, from files that have it all.
//!
//! - [`Points`]: the claims of a data directory, numbered in the order in which they were made, and their sums.
//! - [`RemotePoints`]: those of all gateways, in Redis. A claim that is told there is the first or is not, and only the
//!   first raises a sum, in the same script.
//! - [`Rates`]: how many points an event is worth. Only counts are kept, so other rates hold for what was before, too.
//!
//! Must not know: frames, requests, answers.
//!
//! Bounded: claims that are not in the file yet ([`PENDING_MAX`]), claims told at once ([`TOLD_AT_ONCE`]), the file with
//! rates. What an answer about all users takes grows with their number.
//!
//! On failure: a file that takes no writes leaves the claims undecided, and whoever asked waits; a Redis that is away
//! leaves them untold.

mod book;
mod file;
mod rates;
mod redis;
mod redis_audit;

use crate::event::Sequence;

pub use book::Points;
pub use file::{PointsError, Row};
pub use rates::{Rates, RatesError, RatesWatch};
pub use redis::{RemotePoints, Reply};

/// Most claims that are not in the file yet.
pub const PENDING_MAX: usize = 4_096;
/// Most claims that Redis is told of by one call, which nobody else can interrupt.
pub const TOLD_AT_ONCE: usize = 500;

/// An event that earns points, as far as that is concerned.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Claim<'a> {
    /// Whose points.
    pub user: &'a str,
    /// The client's time, in whatever unit; below 2^53.
    pub timestamp: u64,
    /// What happened.
    pub kind: &'a str,
    /// The frame that says so.
    pub sequence: Sequence,
}

/// Whose points, and for what.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Question {
    /// Of one user only.
    pub user: Option<String>,
    /// For one kind of events only.
    pub kind: Option<String>,
}

/// Users with their points, by their ids.
pub type Standings = Vec<(Box<str>, f64)>;
