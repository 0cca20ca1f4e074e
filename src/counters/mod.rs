//! The counters: totals of every counter hash, each commit applied once or not at all.
//!
//! A [`Commit`] carries everything the journal says in `(from, to]`, and counters keep the sequence they have come
//! to, their cursor, together with the totals. So a commit that is sent twice is a [`Verdict::Duplicate`], one that
//! comes too early is a [`Verdict::Gap`], and nothing is counted twice or skipped, whoever crashed in between.
//!
//! Two implementations give the same verdicts:
//! - [`Ledger`]: memory, persisted to one SQLite file. It serves alone, and beside Redis it keeps what this data
//!   directory has contributed to every counter, so that a Redis that lost its data can be filled again.
//! - [`RedisCounters`]: hashes in Redis or Valkey, shared by several gateways, written by one guarded script a
//!   commit. [`RedisReader`] reads them back.
//!
//! The room knows nothing of frames, requests or answers, starts no task and retries nothing by itself: the caller
//! drives it, with [`Backoff`] between two attempts. Bounded: one commit in flight, one connection for commits, a
//! pool of configured size for reads, every wait by `redis_timeout_ms`. Memory grows with the number of counters.
//! On failure nothing is half-written: Redis validates before it writes, SQLite has its transaction, and an error
//! means "not known", after which the cursor tells.

use std::collections::BTreeMap;

use crate::event::{CounterHash, Deltas, Sequence};
use crate::redis_address::AddressError;

mod backoff;
mod ledger;
mod ledger_file;
mod redis;
mod remote;
mod standing;
mod tally;

pub use self::backoff::Backoff;
pub use self::ledger::{Ledger, LedgerFile, LedgerPage};
pub use self::ledger_file::LedgerError;
pub use self::redis::{RedisCounters, RedisReader, RedisServer};
pub use self::remote::Remote;
pub use self::standing::{Fork, Inherited, Standing};

/// Totals stay below this (2^53), where Redis' scripts still count exactly.
pub const TOTAL_LIMIT: u64 = 1 << 53;

/// The totals of one counter hash by field.
pub type Fields = BTreeMap<Box<str>, u64>;

/// Everything the journal says in `(from, to]`.
#[derive(Debug, Clone, Copy)]
pub struct Commit<'a> {
    /// The sequence that the counters must have come to.
    pub from: Sequence,
    /// The sequence that they have come to afterwards.
    pub to: Sequence,
    /// By how much the counters grow; may be empty, which only moves the cursor.
    pub deltas: &'a Deltas,
}

/// What became of a [`Commit`].
#[derive(Debug, Clone, PartialEq, Eq)]
#[must_use]
pub enum Verdict {
    /// Applied; the new totals of the touched fields.
    Applied(Totals),
    /// Applied before: the counters are at this sequence, at or past the commit's end.
    Duplicate(Sequence),
    /// Not applied: the counters are at this sequence, which is not the commit's start. Older than the start means
    /// that they went back in time: fold again from there.
    Gap(Sequence),
    /// Not applied: Redis has lost this gateway's counts; see [`RedisCounters::contribute`].
    Lost,
    /// Not applied: the last claim is not the one that this commit was made under. Claiming again tells whether it was
    /// another process'.
    Stale,
    /// Not applied, and will not be until someone repairs the counter.
    Bad(BadReason),
}

/// What a process is told whose identity another one has claimed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fence {
    /// The sequence that its commits had come to when it was ousted; `None` if there was none. Tells the fate of a
    /// commit that had no reply.
    pub held: Option<Sequence>,
    /// Whether it was this process that the last claim ousted; if not, `held` says nothing about it.
    pub ours: bool,
    /// What the journal of the process that claimed has of earlier ones.
    pub inherited: Vec<Inherited>,
}

/// New totals of the fields that a commit touched.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Totals {
    hashes: BTreeMap<CounterHash, Fields>,
}

impl Totals {
    /// The touched hashes with the new totals of their touched fields, in key order.
    pub fn iter(&self) -> impl Iterator<Item = (&CounterHash, &Fields)> {
        self.hashes.iter()
    }

    /// A field's new total; `None` if the commit did not touch it.
    #[must_use]
    pub fn get(&self, hash: &CounterHash, field: &str) -> Option<u64> {
        self.hashes.get(hash)?.get(field).copied()
    }

    fn insert(&mut self, hash: CounterHash, fields: Fields) {
        self.hashes.insert(hash, fields);
    }
}

impl FromIterator<(CounterHash, Fields)> for Totals {
    fn from_iter<I: IntoIterator<Item = (CounterHash, Fields)>>(totals: I) -> Self {
        Self {
            hashes: totals.into_iter().collect(),
        }
    }
}

/// Why a commit cannot be applied: which key, which of its fields, and what is wrong with it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("counter {key} field {field:?}: {fault}")]
pub struct BadReason {
    /// The key in Redis, or what it would be called there.
    pub key: Box<str>,
    /// The field; empty when the key as a whole is wrong.
    pub field: Box<str>,
    /// What is wrong.
    pub fault: Fault,
}

/// What can be wrong with a counter.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// The total would reach 2^53.
    #[error("the total would reach 2^53")]
    Limit,
    /// The field's value is not a whole number from 0.
    #[error("the value is not a whole number from 0")]
    Number,
    /// The key holds something other than a hash.
    #[error("the key does not hold a hash")]
    Type,
    /// Redis has this hash, but no gateway's sequence: contributing again would count twice.
    #[error("the hash outlived the guard of every gateway, so a contribution would count twice; remove the hash")]
    Orphan,
    /// Redis has been started twice since a power cut, and has a part of a transaction that it had given up at first.
    #[error("Redis has a part of a transaction only, of which it had lost the rest")]
    Torn,
}

/// Why the counters could not be asked.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CountersError {
    /// Not now; try again later. Whether a commit was applied is not known: the cursor tells.
    #[error("counters unavailable: {0}")]
    Unavailable(Box<str>),
    /// Another process has claimed this identity, for good.
    #[error("another process has claimed this gateway's identity in Redis")]
    Fenced(Fence),
    /// The setting or the Redis behind it does not fit; trying again does not help until someone changes it.
    #[error("{0}")]
    Unsuitable(Box<str>),
}

impl From<AddressError> for CountersError {
    fn from(error: AddressError) -> Self {
        Self::Unsuitable(error.to_string().into())
    }
}

/// The key of a counter hash in Redis, of the one partition there is: `ff:{0}:visits` for the default site,
/// `ff:{0}:<site>:visits` for any other.
fn key_of(hash: &CounterHash) -> String {
    let family = hash.family.name();
    if hash.site.is_default() {
        format!("ff:{{0}}:{family}")
    } else {
        format!("ff:{{0}}:{}:{family}", hash.site)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::{Family, SiteId};

    #[test]
    fn the_default_site_has_keys_that_a_person_can_read_and_others_carry_their_id() {
        let mut hash = CounterHash {
            site: SiteId::DEFAULT,
            family: Family::Visits,
        };
        assert_eq!(key_of(&hash), "ff:{0}:visits");
        hash.site.0[15] = 0xa5;
        hash.family = Family::Events;
        assert_eq!(key_of(&hash), "ff:{0}:000000000000000000000000000000a5:events");
    }
}
