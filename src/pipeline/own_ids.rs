//! Ids for events whose clients gave none.

use std::sync::atomic::{AtomicU64, Ordering};

use uuid::Builder;

/// Gives `UUIDv7`s. The system is asked for random bits once: asking it for each request costs a system call, and
/// counting on from there gives no id twice either.
pub struct OwnIds {
    random: [u8; 10],
    given: AtomicU64,
}

impl OwnIds {
    /// Ids that no other process gives.
    pub fn new() -> Self {
        let mut random = [0; 10];
        // Ids may then meet those of another gateway of the same millisecond; nothing looks them up.
        if let Err(error) = getrandom::fill(&mut random) {
            tracing::warn!(%error, "the system gives no random bytes");
        }
        Self {
            random,
            given: AtomicU64::new(0),
        }
    }

    /// The next id, of an event that was received at a time in milliseconds since 1970.
    pub fn next(&self, received_ms: u64) -> [u8; 16] {
        let mut random = self.random;
        if let Some(tail) = random.last_chunk_mut() {
            let given = self.given.fetch_add(1, Ordering::Relaxed);
            *tail = u64::from_be_bytes(*tail).wrapping_add(given).to_be_bytes();
        }
        Builder::from_unix_timestamp_millis(received_ms, &random)
            .into_uuid()
            .into_bytes()
    }
}

impl Default for OwnIds {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn no_id_is_given_twice_and_each_says_when() {
        let (ids, others) = (OwnIds::new(), OwnIds::new());
        let mut seen = HashSet::new();
        for _ in 0..10_000 {
            for id in [ids.next(1_795_000_000_123), others.next(1_795_000_000_123)] {
                assert_eq!(id[..6], 1_795_000_000_123_u64.to_be_bytes()[2..]);
                assert_eq!((id[6] >> 4, id[8] >> 6), (7, 2));
                assert!(seen.insert(id));
            }
        }
    }
}
