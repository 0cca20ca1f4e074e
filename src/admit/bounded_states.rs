//! Limiter states by key, never more than a bound.

use std::hash::RandomState;
use std::sync::atomic::{AtomicUsize, Ordering};

use dashmap::{DashMap, Entry};
use governor::nanos::Nanos;
use governor::state::{InMemoryState, NotKeyed, StateStore};

use super::address_key::AddressKey;

/// Fewest shards: with so many, two workers rarely want the same one.
const SHARDS_MIN: usize = 1_024;
/// Most shards, 128 bytes each.
const SHARDS_MAX: usize = 65_536;
/// Keys that a shard holds when the map is full; so many are swept in about 20 µs, during which a worker may wait.
const SHARD_KEYS: usize = 1_024;
/// How many times more room than keys there must be before a sweep gives memory back.
const SPARE_ROOM: usize = 4;

/// States by key, with a bound that is never passed, not even by racing threads.
///
/// The hasher is seeded at random (`SipHash`), so that nobody can choose addresses that fall into one shard.
#[derive(Debug)]
pub(super) struct BoundedStates {
    states: DashMap<AddressKey, InMemoryState, RandomState>,
    /// Keys in the map or about to be: never less than the map holds.
    count: AtomicUsize,
    max: usize,
}

impl BoundedStates {
    /// A map that takes at most `max` keys.
    pub(super) fn new(max: usize) -> Self {
        let shards = (max / SHARD_KEYS).next_power_of_two().clamp(SHARDS_MIN, SHARDS_MAX);
        Self {
            states: DashMap::with_capacity_and_hasher_and_shard_amount(0, RandomState::new(), shards),
            count: AtomicUsize::new(0),
            max,
        }
    }

    /// Measures a key's state, a new one if there is room; `None` if the key is new and there is none.
    pub(super) fn measure<T, F, E>(&self, key: AddressKey, decide: F) -> Option<Result<T, E>>
    where
        F: Fn(Option<Nanos>) -> Result<(T, Nanos), E>,
    {
        if let Some(state) = self.states.get(&key) {
            return Some(state.measure_and_replace(&NotKeyed::NonKey, decide));
        }
        if !self.reserve() {
            return None;
        }
        let state = match self.states.entry(key) {
            Entry::Vacant(place) => place.insert(InMemoryState::default()),
            Entry::Occupied(known) => {
                // Another thread was quicker; the place reserved is not needed.
                self.count.fetch_sub(1, Ordering::Relaxed);
                known.into_ref()
            }
        };
        Some(state.measure_and_replace(&NotKeyed::NonKey, decide))
    }

    /// Drops keys whose state is not newer than a time. One shard is locked at a time.
    pub(super) fn retain_newer(&self, time: Nanos) {
        let mut dropped = 0;
        self.states.retain(|_, state| {
            let keep = reading(state) > time;
            dropped += usize::from(!keep);
            keep
        });
        // Only now that they are gone may others take their places.
        self.count.fetch_sub(dropped, Ordering::Relaxed);
    }

    /// Gives memory back if much more is held than needed. One shard is locked at a time.
    pub(super) fn shrink(&self) {
        if self.states.capacity() / SPARE_ROOM > self.len() {
            self.states.shrink_to_fit();
        }
    }

    /// Keys remembered.
    pub(super) fn len(&self) -> usize {
        self.count.load(Ordering::Relaxed)
    }

    fn reserve(&self) -> bool {
        self.count
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |count| {
                (count < self.max).then_some(count + 1)
            })
            .is_ok()
    }
}

/// A state's time, read by a measurement that refuses to change it.
fn reading(state: &InMemoryState) -> Nanos {
    let read = state.measure_and_replace(&NotKeyed::NonKey, Err::<((), Nanos), _>);
    read.err().flatten().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicBool;
    use std::thread;

    use super::*;

    const MAX: usize = 500;

    fn touch(states: &BoundedStates, address: u32, time: u64) -> bool {
        let key = AddressKey::of(std::net::Ipv4Addr::from_bits(address).into());
        states.measure(key, |_| Ok::<_, ()>(((), time.into()))).is_some()
    }

    #[test]
    fn a_full_map_takes_no_new_key_and_keeps_the_known_ones() {
        let states = BoundedStates::new(2);
        assert!(touch(&states, 1, 10));
        assert!(touch(&states, 2, 10));
        assert!(!touch(&states, 3, 10));
        assert!(touch(&states, 1, 10));
        assert_eq!(states.len(), 2);
    }

    #[test]
    fn a_sweep_drops_the_old_and_makes_room() {
        let states = BoundedStates::new(2);
        touch(&states, 1, 10);
        touch(&states, 2, 11);
        states.retain_newer(10.into());
        assert_eq!(states.len(), 1);
        assert!(touch(&states, 3, 12));
        assert!(!touch(&states, 1, 12), "2 and 3 are there");
    }

    #[test]
    fn memory_comes_back_when_much_has_gone() {
        let states = BoundedStates::new(100_000);
        for address in 0..100_000 {
            touch(&states, address, 10);
        }
        let held = states.states.capacity();
        states.shrink();
        assert_eq!(states.states.capacity(), held, "nothing has gone yet");
        states.retain_newer(10.into());
        states.shrink();
        assert_eq!(states.states.capacity(), 0);
    }

    #[test]
    fn the_count_is_exact_and_never_above_the_bound_while_threads_race() {
        let states = BoundedStates::new(MAX);
        let done = AtomicBool::new(false);
        thread::scope(|scope| {
            let writers: Vec<_> = (0..4_u32)
                .map(|writer| {
                    let states = &states;
                    scope.spawn(move || {
                        for step in 0..50_000_u32 {
                            // Threads meet on the same keys, and there are more keys than room.
                            touch(
                                states,
                                step.wrapping_mul(2_654_435_761) % 1_000,
                                u64::from(step / 1_000 + writer),
                            );
                        }
                    })
                })
                .collect();
            scope.spawn(|| {
                let mut time = 0_u64;
                while !done.load(Ordering::Relaxed) {
                    states.retain_newer(time.into());
                    states.shrink();
                    assert!(states.states.len() <= MAX);
                    time = (time + 1) % 50;
                }
            });
            for writer in writers {
                writer.join().unwrap();
            }
            done.store(true, Ordering::Relaxed);
        });
        assert_eq!(states.len(), states.states.len());
        assert!(states.len() <= MAX);
    }
}
