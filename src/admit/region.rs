//! A small part of the limiter's table: who is in it, and what each has used.
//!
//! Open addressing in lines of four slots, so that a known key costs one miss of the processor's caches, whose price at a
//! million keys is most of what a lookup takes. A slot is key and state in one 128-bit atomic: a state can never be
//! charged for a key that has left it. Lookups take no lock; who adds or removes keys does.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};

use governor::nanos::Nanos;
use portable_atomic::AtomicU128;

use super::address_key::AddressKey;

/// Lines of a region: one bit each in `passed`, and a page of memory together.
const LINES: usize = 64;
/// Slots of a line: 64 bytes, what a processor fetches at once.
const SLOTS: usize = 4;
/// Nobody's slot.
const EMPTY: u128 = 0;
/// Order of all reads and writes of slots: each is whole in itself, and nothing else hangs on them.
const ORDER: Ordering = Ordering::Relaxed;

/// Keys with their states.
#[derive(Debug, Default)]
pub(super) struct Region {
    /// Made when the first key comes.
    lines: OnceLock<Box<[Line; LINES]>>,
    /// A bit for each line that was full when a key came that belongs there or before: that key is further on.
    passed: AtomicU64,
    /// Held by who adds or removes keys.
    changing: Mutex<()>,
}

#[derive(Debug, Default)]
#[repr(align(64))]
struct Line([AtomicU128; SLOTS]);

/// What became of a key that was to be added.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Added {
    /// It is in.
    Yes,
    /// Another thread was quicker: it can be measured.
    Known,
    /// There is no slot left.
    Full,
}

impl Region {
    /// Keys that it has room for.
    pub(super) const KEYS_MAX: usize = LINES * SLOTS;

    /// Measures a key's state and replaces it; `None` if the key is not here. `home` is the line where the key belongs,
    /// modulo their number.
    pub(super) fn measure<T, F, E>(&self, (key, home): (AddressKey, usize), decide: &F) -> Option<Result<T, E>>
    where
        F: Fn(Option<Nanos>) -> Result<(T, Nanos), E>,
    {
        loop {
            // A sweep may take the key away in between, and it may be back in another slot at once.
            let measured = replace(self.slot_of(key, home)?, key, decide);
            if measured.is_some() {
                return measured;
            }
        }
    }

    /// Adds a key with its first state.
    pub(super) fn add(&self, (key, home): (AddressKey, usize), state: Nanos) -> Added {
        let _changing = self.lock();
        if self.slot_of(key, home).is_some() {
            return Added::Known;
        }
        let lines = self
            .lines
            .get_or_init(|| Box::new(std::array::from_fn(|_| Line::default())));
        for step in 0..LINES {
            let at = (home + step) % LINES;
            let free = lines
                .get(at)
                .and_then(|line| line.0.iter().find(|slot| slot.load(ORDER) == EMPTY));
            if let Some(slot) = free {
                slot.store(pack(key, state), ORDER);
                return Added::Yes;
            }
            self.passed.fetch_or(1 << at, ORDER);
        }
        Added::Full
    }

    /// Removes keys whose state is not newer than a time; how many.
    pub(super) fn retain_newer(&self, time: Nanos, home_of: impl Fn(AddressKey) -> usize) -> usize {
        let _changing = self.lock();
        let Some(lines) = self.lines.get() else {
            return 0;
        };
        let (mut removed, mut passed) = (0, 0);
        for (at, line) in lines.iter().enumerate() {
            for slot in &line.0 {
                match keep_newer(slot, time) {
                    None => {}
                    Some((_, true)) => removed += 1,
                    Some((key, false)) => passed |= lines_passed(home_of(key) % LINES, at),
                }
            }
        }
        self.passed.store(passed, ORDER);
        removed
    }

    /// Keys that are here, counted one by one.
    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        let slots = self
            .lines
            .get()
            .into_iter()
            .flat_map(|lines| lines.iter().flat_map(|line| &line.0));
        slots.filter(|slot| slot.load(ORDER) != EMPTY).count()
    }

    /// The slot of a key, if it is here.
    fn slot_of(&self, key: AddressKey, home: usize) -> Option<&AtomicU128> {
        let lines = self.lines.get()?;
        for step in 0..LINES {
            let at = (home + step) % LINES;
            let slot = lines
                .get(at)?
                .0
                .iter()
                .find(|slot| holder(slot.load(ORDER)) == Some(key));
            if slot.is_some() {
                return slot;
            }
            if self.passed.load(ORDER) & (1 << at) == 0 {
                return None;
            }
        }
        None
    }

    fn lock(&self) -> MutexGuard<'_, ()> {
        self.changing.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Replaces the state of a slot as long as the key has it; `None` if it has not.
fn replace<T, F, E>(slot: &AtomicU128, key: AddressKey, decide: &F) -> Option<Result<T, E>>
where
    F: Fn(Option<Nanos>) -> Result<(T, Nanos), E>,
{
    let mut held = slot.load(ORDER);
    loop {
        if holder(held) != Some(key) {
            return None;
        }
        let (told, state) = match decide(Some(state_of(held))) {
            Ok(decided) => decided,
            Err(refusal) => return Some(Err(refusal)),
        };
        match slot.compare_exchange_weak(held, pack(key, state), ORDER, ORDER) {
            Ok(_) => return Some(Ok(told)),
            Err(now) => held = now,
        }
    }
}

/// Empties a slot unless its state is newer than a time: who held it, and whether it is gone.
fn keep_newer(slot: &AtomicU128, time: Nanos) -> Option<(AddressKey, bool)> {
    let mut held = slot.load(ORDER);
    loop {
        let key = holder(held)?;
        if state_of(held) > time {
            return Some((key, false));
        }
        match slot.compare_exchange_weak(held, EMPTY, ORDER, ORDER) {
            Ok(_) => return Some((key, true)),
            Err(now) => held = now,
        }
    }
}

/// The bits of the lines from a key's home to the one before the line that holds it.
fn lines_passed(home: usize, at: usize) -> u64 {
    let steps = (at + LINES - home) % LINES;
    (0..steps).fold(0, |bits, step| bits | 1 << ((home + step) % LINES))
}

/// The key is stored inverted, so that a slot of zeros is nobody's: the only key that could be taken for it is that of
/// the multicast block `ffff:ffff:ffff:ffff::/64`, from which nothing is sent.
fn pack(key: AddressKey, state: Nanos) -> u128 {
    u128::from(!key.bits()) << 64 | u128::from(state.as_u64())
}

fn holder(slot: u128) -> Option<AddressKey> {
    (slot != EMPTY).then(|| AddressKey::from_bits(!((slot >> 64) as u64)))
}

fn state_of(slot: u128) -> Nanos {
    Nanos::from(u64::try_from(slot & u128::from(u64::MAX)).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Adds a key at a home; its state is its number.
    fn add(region: &Region, key: u64, home: usize) -> Added {
        region.add((AddressKey::from_bits(key), home), key.into())
    }

    /// The state that a key has.
    fn state(region: &Region, key: u64, home: usize) -> Option<u64> {
        let read = region.measure((AddressKey::from_bits(key), home), &|held| Err::<((), Nanos), _>(held));
        read.map(|held| held.unwrap_err().unwrap().as_u64())
    }

    #[test]
    fn keys_of_a_full_line_go_on_to_the_next_round_the_end_and_are_found() {
        let region = Region::default();
        let home = LINES - 2;
        let keys = 1..=(3 * SLOTS) as u64;
        assert!(keys.clone().all(|key| add(&region, key, home) == Added::Yes));
        assert!(keys.clone().all(|key| state(&region, key, home) == Some(key)));
        assert_eq!(add(&region, 1, home), Added::Known);
        assert_eq!(state(&region, 99, home), None);
        assert_eq!(region.passed.load(ORDER), 0b11 << home);
    }

    #[test]
    fn what_is_further_on_stays_found_when_what_stood_before_it_goes() {
        let region = Region::default();
        let keys = 1..=(2 * SLOTS + 1) as u64;
        for key in keys.clone() {
            add(&region, key, LINES - 1);
        }
        let middle = SLOTS as u64 + 2;
        assert_eq!(
            region.retain_newer(middle.into(), |_| LINES - 1),
            usize::try_from(middle).unwrap()
        );
        for key in keys {
            assert_eq!(state(&region, key, LINES - 1), (key > middle).then_some(key));
        }
        region.retain_newer(u64::MAX.into(), |_| LINES - 1);
        assert_eq!((region.len(), region.passed.load(ORDER)), (0, 0));
    }

    #[test]
    fn a_full_region_says_so_and_still_finds_everybody() {
        let region = Region::default();
        let keys = 1..=Region::KEYS_MAX as u64;
        assert!(
            keys.clone()
                .all(|key| add(&region, key, usize::try_from(key).unwrap()) == Added::Yes)
        );
        assert_eq!(add(&region, 999, 0), Added::Full);
        assert!(
            keys.clone()
                .all(|key| state(&region, key, usize::try_from(key).unwrap()) == Some(key))
        );
        assert_eq!(state(&region, 999, 0), None);
    }

    #[test]
    fn the_keys_of_no_address_and_of_every_bit_are_keys_like_others() {
        let region = Region::default();
        for key in [0, u64::MAX] {
            assert_eq!(region.add((AddressKey::from_bits(key), 0), 7.into()), Added::Yes);
            assert_eq!(state(&region, key, 0), Some(7));
        }
    }
}
