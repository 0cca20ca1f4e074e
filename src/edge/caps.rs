//! How many connections may be open: in all, and of one address.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Arc, Mutex, PoisonError};

use prometheus_client::metrics::gauge::Gauge;

/// Counts open connections over all workers; touched at accept and close only.
///
/// The map of addresses never holds more entries than there are open connections.
#[derive(Debug)]
pub(super) struct Caps {
    /// The figure that the metrics show is the one that the cap is held against.
    open: Gauge,
    open_max: i64,
    by_address: Mutex<HashMap<IpAddr, usize>>,
    by_address_max: usize,
}

/// A place among the open connections; free again when dropped.
#[derive(Debug)]
pub(super) struct Place {
    caps: Arc<Caps>,
    network: Option<IpAddr>,
}

impl Caps {
    /// `by_address_max` of 0 means no cap for an address.
    pub(super) fn new(open: Gauge, open_max: usize, by_address_max: usize) -> Self {
        Self {
            open,
            open_max: i64::try_from(open_max).unwrap_or(i64::MAX),
            by_address: Mutex::default(),
            by_address_max,
        }
    }

    /// A place for one more connection, or `None` at the cap.
    pub(super) fn take(self: &Arc<Self>) -> Option<Place> {
        if self.open.inc() >= self.open_max {
            self.open.dec();
            return None;
        }
        Some(Place {
            caps: Arc::clone(self),
            network: None,
        })
    }
}

impl Place {
    /// Counts the connection as one of `address`, for once; false at the cap of that address.
    pub(super) fn count_for(&mut self, address: IpAddr) -> bool {
        if self.caps.by_address_max == 0 || self.network.is_some() {
            return true;
        }
        let network = network(address);
        let mut open = self.caps.by_address.lock().unwrap_or_else(PoisonError::into_inner);
        let count = open.entry(network).or_insert(0);
        if *count >= self.caps.by_address_max {
            return false;
        }
        *count += 1;
        self.network = Some(network);
        true
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.caps.open.dec();
        let Some(network) = self.network else { return };
        let mut open = self.caps.by_address.lock().unwrap_or_else(PoisonError::into_inner);
        if let Entry::Occupied(mut entry) = open.entry(network) {
            *entry.get_mut() -= 1;
            if *entry.get() == 0 {
                entry.remove();
            }
        }
    }
}

/// One client is one IPv4 address or one IPv6 /64: whoever has one IPv6 address has a whole /64 of them.
fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(v6) => IpAddr::V6(Ipv6Addr::from_bits(v6.to_bits() & (u128::MAX << 64))),
        v4 @ IpAddr::V4(_) => v4,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    fn caps(open_max: usize, by_address_max: usize) -> Arc<Caps> {
        Arc::new(Caps::new(Gauge::default(), open_max, by_address_max))
    }

    #[test]
    fn the_cap_over_all_frees_with_its_places() {
        let caps = caps(2, 0);
        let first = caps.take().unwrap();
        let _second = caps.take().unwrap();
        assert!(caps.take().is_none());
        assert_eq!(caps.open.get(), 2);
        drop(first);
        assert!(caps.take().is_some());
    }

    #[test]
    fn the_cap_of_an_address_counts_networks_and_forgets_them_at_zero() {
        let caps = caps(10, 1);
        let place = |text: &str| {
            let mut place = caps.take().unwrap();
            place.count_for(address(text)).then_some(place)
        };
        let v4 = place("192.0.2.1").unwrap();
        assert!(place("::ffff:192.0.2.1").is_none());
        let v6 = place("2001:db8::1").unwrap();
        assert!(place("2001:db8::ffff:1").is_none());
        let other = place("2001:db8:0:1::1").unwrap();
        drop((v4, v6, other));
        assert!(caps.by_address.lock().unwrap().is_empty());
        assert!(place("2001:db8::1").is_some());
        assert_eq!(caps.open.get(), 0);
    }

    #[test]
    fn zero_means_no_cap_of_an_address() {
        let caps = caps(200, 0);
        let mut places: Vec<_> = (0..100).map(|_| caps.take().unwrap()).collect();
        assert!(places.iter_mut().all(|place| place.count_for(address("192.0.2.1"))));
        assert!(caps.by_address.lock().unwrap().is_empty());
    }
}
