//! What an address is limited by, in eight bytes.

use std::net::IpAddr;

/// An IPv4 address, or the /64 of an IPv6 address, whose 2^64 addresses belong to one customer.
///
/// Both share one number: an IPv4 address is a number below 2^32, and so would be a /64 of `::/32`. That block is
/// reserved and never routed, so what comes from it shares one key, that of `0.0.0.0`. Eight bytes a key instead of
/// sixteen is a third of the memory that a million addresses take.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct AddressKey(u64);

impl AddressKey {
    /// The key of an address; IPv4-mapped IPv6 is IPv4.
    pub(super) fn of(address: IpAddr) -> Self {
        match address.to_canonical() {
            IpAddr::V4(v4) => Self(u64::from(v4.to_bits())),
            IpAddr::V6(v6) => {
                let prefix = (v6.to_bits() >> 64) as u64;
                Self(if is_v4(prefix) { 0 } else { prefix })
            }
        }
    }

    /// The key that these are the bits of.
    pub(super) const fn from_bits(bits: u64) -> Self {
        Self(bits)
    }

    /// The key as a number.
    pub(super) const fn bits(self) -> u64 {
        self.0
    }

    /// The neighbourhood that the address shares when there is no room for a key of its own: its /24 or /48.
    pub(super) const fn neighbourhood(self) -> Self {
        let host_bits = if is_v4(self.0) { 0xff } else { 0xffff };
        Self(self.0 & !host_bits)
    }
}

const fn is_v4(key: u64) -> bool {
    key >> 32 == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(address: &str) -> AddressKey {
        AddressKey::of(address.parse().unwrap())
    }

    #[test]
    fn ipv4_addresses_are_apart_and_mapped_ones_are_the_same() {
        assert_ne!(key("203.0.113.7"), key("203.0.113.8"));
        assert_eq!(key("203.0.113.7"), key("::ffff:203.0.113.7"));
    }

    #[test]
    fn ipv6_addresses_of_one_64_are_one_key() {
        assert_eq!(key("2001:db8:1:2::1"), key("2001:db8:1:2:ffff:ffff:ffff:ffff"));
        assert_ne!(key("2001:db8:1:2::1"), key("2001:db8:1:3::1"));
    }

    #[test]
    fn neighbourhoods_are_24_and_48() {
        assert_eq!(key("203.0.113.7").neighbourhood(), key("203.0.113.255").neighbourhood());
        assert_ne!(key("203.0.113.7").neighbourhood(), key("203.0.112.7").neighbourhood());
        assert_eq!(
            key("2001:db8:1:2::1").neighbourhood(),
            key("2001:db8:1:ffff::").neighbourhood()
        );
        assert_ne!(
            key("2001:db8:1:2::1").neighbourhood(),
            key("2001:db8:2:2::1").neighbourhood()
        );
    }

    #[test]
    fn no_ipv6_address_takes_an_ipv4_key() {
        assert_eq!(key("0:0:cb00:7107::1"), key("0.0.0.0"));
        assert_eq!(key("::1"), key("0.0.0.0"));
        assert_ne!(key("64:ff9b::203.0.113.7"), key("203.0.113.7"));
    }
}
