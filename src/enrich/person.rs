//! What is told of a person: by which hash a visitor is known for a day, and how much of an address is kept.

use std::hash::Hasher;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use siphasher::sip::SipHasher24;

use crate::config::AddressKeeping;
use crate::event::SiteId;

/// A salt of a day.
pub type Salt = [u8; 16];

/// The hash by which a visitor of a site is known as long as the salt is used. Without the salt nobody can tell from it
/// who that was, and with the salt of another day it is another hash.
pub fn visitor_hash(salt: &Salt, site: SiteId, address: IpAddr, user_agent: &str) -> u64 {
    let mut hasher = SipHasher24::new_with_key(salt);
    hasher.write(&site.0);
    match address {
        IpAddr::V4(address) => hasher.write(&address.to_ipv6_mapped().octets()),
        IpAddr::V6(address) => hasher.write(&address.octets()),
    }
    hasher.write(user_agent.as_bytes());
    hasher.finish()
}

/// What is kept of an address.
pub fn kept_address(address: IpAddr, keeping: AddressKeeping) -> Option<IpAddr> {
    match (keeping, address) {
        (AddressKeeping::Keep, address) => Some(address),
        (AddressKeeping::Cut, IpAddr::V4(address)) => Some(Ipv4Addr::from_bits(address.to_bits() & !0xff).into()),
        (AddressKeeping::Cut, IpAddr::V6(address)) => {
            Some(Ipv6Addr::from_bits(address.to_bits() & !u128::from(u64::MAX)).into())
        }
        (AddressKeeping::Drop, _) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn a_visitor_is_the_same_only_with_the_same_salt_site_address_and_agent() {
        let hash = |salt, site, address, agent| visitor_hash(&[salt; 16], SiteId([site; 16]), ip(address), agent);
        let one = hash(1, 1, "203.0.113.7", "A");
        assert_eq!(one, hash(1, 1, "203.0.113.7", "A"));
        let others = [
            hash(2, 1, "203.0.113.7", "A"),
            hash(1, 2, "203.0.113.7", "A"),
            hash(1, 1, "203.0.113.8", "A"),
            hash(1, 1, "203.0.113.7", "B"),
        ];
        assert!(others.iter().all(|other| *other != one));
    }

    #[test]
    fn addresses_are_kept_cut_or_dropped() {
        let (v4, v6) = (ip("203.0.113.77"), ip("2001:db8:1:2:3:4:5:6"));
        assert_eq!(kept_address(v4, AddressKeeping::Keep), Some(v4));
        assert_eq!(kept_address(v4, AddressKeeping::Cut), Some(ip("203.0.113.0")));
        assert_eq!(kept_address(v6, AddressKeeping::Cut), Some(ip("2001:db8:1:2::")));
        assert_eq!(kept_address(v6, AddressKeeping::Drop), None);
    }
}
