//! Where the limiter keeps what each address has used.

use governor::nanos::Nanos;
use governor::state::keyed::ShrinkableKeyedStateStore;
use governor::state::{InMemoryState, NotKeyed, StateStore};

use super::address_key::AddressKey;
use super::bounded_states::BoundedStates;

/// For how many addresses there is one neighbourhood.
const ADDRESSES_PER_NEIGHBOURHOOD: usize = 4;

/// Three tiers: addresses; neighbourhoods, for addresses that came when the first was full; and one state for who
/// comes when both are full. Whoever has a state keeps it, so a flood of addresses only crowds out newcomers.
#[derive(Debug)]
pub(super) struct States {
    addresses: BoundedStates,
    neighbourhoods: BoundedStates,
    rest: InMemoryState,
}

impl States {
    /// Room for so many addresses, and for a fourth as many neighbourhoods.
    pub(super) fn new(addresses_max: usize) -> Self {
        Self {
            addresses: BoundedStates::new(addresses_max),
            neighbourhoods: BoundedStates::new(addresses_max.div_ceil(ADDRESSES_PER_NEIGHBOURHOOD)),
            rest: InMemoryState::default(),
        }
    }
}

impl StateStore for States {
    type Key = AddressKey;

    fn measure_and_replace<T, F, E>(&self, key: &AddressKey, decide: F) -> Result<T, E>
    where
        F: Fn(Option<Nanos>) -> Result<(T, Nanos), E>,
    {
        self.addresses
            .measure(*key, &decide)
            .or_else(|| self.neighbourhoods.measure(key.neighbourhood(), &decide))
            .unwrap_or_else(|| self.rest.measure_and_replace(&NotKeyed::NonKey, &decide))
    }
}

impl ShrinkableKeyedStateStore<AddressKey> for States {
    fn retain_recent(&self, drop_below: Nanos) {
        self.addresses.retain_newer(drop_below);
        self.neighbourhoods.retain_newer(drop_below);
    }

    /// Nothing: memory that came with addresses is bounded, and waits for the next ones.
    fn shrink_to_fit(&self) {}

    fn len(&self) -> usize {
        self.addresses.len() + self.neighbourhoods.len()
    }

    fn is_empty(&self) -> bool {
        self.len() == 0
    }
}
