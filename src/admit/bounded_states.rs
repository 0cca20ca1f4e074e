//! Limiter states by key, never more than a bound.

use std::hash::{BuildHasher, RandomState};
use std::sync::atomic::{AtomicUsize, Ordering};

use governor::nanos::Nanos;

use super::address_key::AddressKey;
use super::region::{Added, Region};

/// Slots for each key that may be there: a line is rarely full then, and a region never.
const SLOTS_PER_KEY: usize = 2;

/// States by key, with a bound that is never passed, not even by racing threads.
///
/// Memory is taken a page at a time as keys come, at most 32 to 64 bytes for each key of the bound, and kept.
///
/// The hasher is seeded at random (`SipHash`), so that nobody can choose addresses that fall into one region.
#[derive(Debug)]
pub(super) struct BoundedStates {
    regions: Box<[Region]>,
    hasher: RandomState,
    /// Keys in the regions or about to be: never less than they hold.
    count: AtomicUsize,
    max: usize,
}

impl BoundedStates {
    /// Room for at most `max` keys.
    pub(super) fn new(max: usize) -> Self {
        let regions = (max * SLOTS_PER_KEY).div_ceil(Region::KEYS_MAX).next_power_of_two();
        Self {
            regions: (0..regions).map(|_| Region::default()).collect(),
            hasher: RandomState::new(),
            count: AtomicUsize::new(0),
            max,
        }
    }

    /// Measures a key's state, a new one if there is room; `None` if the key is new and there is none.
    pub(super) fn measure<T, F, E>(&self, key: AddressKey, decide: F) -> Option<Result<T, E>>
    where
        F: Fn(Option<Nanos>) -> Result<(T, Nanos), E>,
    {
        let (region, home) = self.place_of(key)?;
        loop {
            if let Some(measured) = region.measure((key, home), &decide) {
                return Some(measured);
            }
            if !self.reserve() {
                return None;
            }
            let added = decide(None).map(|(told, state)| (told, region.add((key, home), state)));
            match added {
                Ok((told, Added::Yes)) => return Some(Ok(told)),
                // The place reserved is not needed.
                Ok((_, Added::Known)) => self.release(1),
                Ok((_, Added::Full)) => {
                    self.release(1);
                    return None;
                }
                Err(refusal) => {
                    self.release(1);
                    return Some(Err(refusal));
                }
            }
        }
    }

    /// Drops keys whose state is not newer than a time. One region is locked at a time, and only against new keys.
    pub(super) fn retain_newer(&self, time: Nanos) {
        for region in &self.regions {
            let dropped = region.retain_newer(time, |key| low_half(self.hash(key)));
            // Only now that they are gone may others take their places.
            self.release(dropped);
        }
    }

    /// Keys remembered.
    pub(super) fn len(&self) -> usize {
        self.count.load(Ordering::Relaxed)
    }

    /// The region of a key, and the key's home in it.
    fn place_of(&self, key: AddressKey) -> Option<(&Region, usize)> {
        let hash = self.hash(key);
        let region = self.regions.get(low_half(hash >> 32) & (self.regions.len() - 1))?;
        Some((region, low_half(hash)))
    }

    fn hash(&self, key: AddressKey) -> u64 {
        self.hasher.hash_one(key)
    }

    fn reserve(&self) -> bool {
        self.count
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |count| {
                (count < self.max).then_some(count + 1)
            })
            .is_ok()
    }

    fn release(&self, places: usize) {
        self.count.fetch_sub(places, Ordering::Relaxed);
    }
}

/// One half of a hash tells the home, the other the region.
fn low_half(hash: u64) -> usize {
    usize::try_from(hash & u64::from(u32::MAX)).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicBool;
    use std::thread;

    use super::*;

    const MAX: usize = 500;

    impl BoundedStates {
        /// Keys that are there, counted one by one.
        fn held(&self) -> usize {
            self.regions.iter().map(Region::len).sum()
        }
    }

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
    fn many_keys_are_found_again_each_with_its_own_state_and_all_go_in_a_sweep() {
        const MANY: u32 = 300_000;
        let states = BoundedStates::new(MANY as usize);
        let measure = |address: u32, expected: Option<u64>| {
            let key = AddressKey::of(std::net::Ipv4Addr::from_bits(address).into());
            let is_expected = |held: Option<Nanos>| {
                let as_expected = held.map(u64::from) == expected;
                Ok::<_, ()>((as_expected, u64::from(address).into()))
            };
            states.measure(key, is_expected)
        };
        assert!((0..MANY).all(|address| measure(address, None) == Some(Ok(true))));
        assert!((0..MANY).all(|address| measure(address, Some(u64::from(address))) == Some(Ok(true))));
        assert_eq!(measure(MANY, None), None, "there is no room");
        states.retain_newer(u64::from(MANY / 2).into());
        assert_eq!(states.len(), (MANY / 2 - 1) as usize);
        assert!((MANY / 2 + 1..MANY).all(|address| measure(address, Some(u64::from(address))) == Some(Ok(true))));
        states.retain_newer(u64::from(MANY).into());
        assert_eq!((states.len(), states.held()), (0, 0));
    }

    #[test]
    fn a_refused_new_key_takes_no_place() {
        let states = BoundedStates::new(2);
        let key = AddressKey::of(std::net::Ipv4Addr::LOCALHOST.into());
        assert_eq!(states.measure(key, |_| Err::<((), Nanos), _>(())), Some(Err(())));
        assert_eq!((states.len(), states.held()), (0, 0));
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
                    assert!(states.held() <= MAX);
                    time = (time + 1) % 50;
                }
            });
            for writer in writers {
                writer.join().unwrap();
            }
            done.store(true, Ordering::Relaxed);
        });
        assert_eq!(states.len(), states.held());
        assert!(states.len() <= MAX);
    }
}
