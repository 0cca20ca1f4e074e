//! Who is calling: the right-most hop that is not one of our own proxies.
//!
//! `X-Forwarded-For` is asked before `Forwarded`: nginx and most other proxies extend the former and pass the latter on
//! untouched, so that beside an `X-Forwarded-For` a `Forwarded` may be the client's own invention. A proxy that writes
//! `Forwarded` must therefore remove `X-Forwarded-For`.

use std::net::IpAddr;

use http::header::{FORWARDED, HeaderMap, HeaderName, HeaderValue};
use ipnet::{IpNet, Ipv4Net};

use super::hops::{Hop, forwarded_hops, x_forwarded_for_hops};
use crate::admit::Client;

static X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");

/// Hops looked at in one request; a chain of more trusted proxies than this does not exist.
const HOPS_MAX: usize = 32;

/// The networks whose forwarding headers are believed.
#[derive(Debug, Clone, Default)]
pub struct TrustedProxies {
    networks: Vec<IpNet>,
}

impl TrustedProxies {
    /// Networks written as IPv4-mapped IPv6 mean the IPv4 network.
    pub fn new(networks: &[IpNet]) -> Self {
        Self {
            networks: networks.iter().copied().map(canonical_network).collect(),
        }
    }

    /// Whether `address` belongs to a proxy of ours.
    pub fn contains(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        self.networks.iter().any(|network| network.contains(&address))
    }
}

/// The client behind a connection from `peer`.
///
/// A peer that is not trusted is the client, whatever headers it sends. Behind a trusted one the hops are walked from
/// the right, trusted ones skipped; a hop that is hidden or cannot be read ends the walk at the last good one.
pub fn client_address(peer: IpAddr, trusted: &TrustedProxies, headers: &HeaderMap) -> Client {
    let peer = peer.to_canonical();
    if trusted.contains(peer) {
        behind_proxy(peer, trusted, headers)
    } else {
        direct(peer)
    }
}

/// A client that is connected to us directly.
pub(super) const fn direct(peer: IpAddr) -> Client {
    Client {
        address: peer,
        via_proxy: false,
    }
}

/// The client behind `proxy`, which is known to be trusted.
pub(super) fn behind_proxy(proxy: IpAddr, trusted: &TrustedProxies, headers: &HeaderMap) -> Client {
    let mut forwarded_for = lines(headers, &X_FORWARDED_FOR).peekable();
    let address = if forwarded_for.peek().is_some() {
        walk(proxy, trusted, forwarded_for.flat_map(x_forwarded_for_hops))
    } else {
        walk(proxy, trusted, lines(headers, &FORWARDED).flat_map(forwarded_hops))
    };
    Client {
        address,
        via_proxy: true,
    }
}

/// The values of all lines of a header, last line first: together they are one list.
fn lines<'a>(headers: &'a HeaderMap, name: &HeaderName) -> impl Iterator<Item = &'a [u8]> + use<'a> {
    headers.get_all(name).iter().rev().map(HeaderValue::as_bytes)
}

fn walk(proxy: IpAddr, trusted: &TrustedProxies, hops: impl Iterator<Item = Hop>) -> IpAddr {
    let mut last = proxy;
    for hop in hops.take(HOPS_MAX) {
        match hop {
            Hop::Absent => {}
            Hop::Unknown => break,
            Hop::Address(address) => {
                last = address.to_canonical();
                if !trusted.contains(last) {
                    break;
                }
            }
        }
    }
    last
}

fn canonical_network(network: IpNet) -> IpNet {
    let IpNet::V6(v6) = network else { return network };
    match (v6.addr().to_ipv4_mapped(), v6.prefix_len().checked_sub(96)) {
        (Some(v4), Some(bits)) => Ipv4Net::new(v4, bits).map_or(network, IpNet::V4),
        _ => network,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn trusted() -> TrustedProxies {
        let networks = ["127.0.0.0/8", "10.0.0.0/8", "2001:db8:ff::/48", "::ffff:172.16.0.0/108"];
        TrustedProxies::new(&networks.map(|network| network.parse().unwrap()))
    }

    /// A header line: its name, its value.
    type Line<'a> = (&'static str, &'a str);

    fn client(peer: &str, lines: &[Line<'_>]) -> Client {
        let mut headers = HeaderMap::new();
        for (name, value) in lines {
            headers.append(*name, value.parse().unwrap());
        }
        client_address(peer.parse().unwrap(), &trusted(), &headers)
    }

    const XFF: &str = "x-forwarded-for";
    const FWD: &str = "forwarded";

    #[test]
    fn the_client_is_the_right_most_untrusted_hop() {
        let rows: &[(&str, &[Line<'_>], &str)] = &[
            ("127.0.0.1", &[], "127.0.0.1"),
            ("127.0.0.1", &[(XFF, "203.0.113.7")], "203.0.113.7"),
            ("127.0.0.1", &[(XFF, "6.6.6.6, 203.0.113.7")], "203.0.113.7"),
            (
                "127.0.0.1",
                &[(XFF, "6.6.6.6, 203.0.113.7, 10.0.0.9,10.1.1.1")],
                "203.0.113.7",
            ),
            (
                "127.0.0.1",
                &[(XFF, "6.6.6.6"), (XFF, "203.0.113.7"), (XFF, "10.0.0.9")],
                "203.0.113.7",
            ),
            ("127.0.0.1", &[(XFF, "203.0.113.7:4711")], "203.0.113.7"),
            ("127.0.0.1", &[(XFF, "[2001:db8::1]:4711")], "2001:db8::1"),
            ("127.0.0.1", &[(XFF, "[2001:db8::1]")], "2001:db8::1"),
            ("127.0.0.1", &[(XFF, " 2001:db8::1 ")], "2001:db8::1"),
            ("127.0.0.1", &[(XFF, "::ffff:203.0.113.7")], "203.0.113.7"),
            ("127.0.0.1", &[(XFF, "203.0.113.7, ::ffff:10.0.0.1")], "203.0.113.7"),
            ("127.0.0.1", &[(XFF, "203.0.113.7, 172.16.5.5")], "203.0.113.7"),
            ("127.0.0.1", &[(XFF, "203.0.113.7, 2001:db8:ff::2")], "203.0.113.7"),
            ("::ffff:127.0.0.1", &[(XFF, "203.0.113.7")], "203.0.113.7"),
            ("::ffff:10.0.0.1", &[(XFF, "10.0.0.3, 10.0.0.2")], "10.0.0.3"),
            ("127.0.0.1", &[(XFF, "203.0.113.7, ,")], "203.0.113.7"),
            ("127.0.0.1", &[(XFF, "203.0.113.7, nonsense, 10.0.0.1")], "10.0.0.1"),
            ("127.0.0.1", &[(XFF, "203.0.113.7, unknown")], "127.0.0.1"),
            ("127.0.0.1", &[(XFF, "")], "127.0.0.1"),
            ("127.0.0.1", &[(FWD, "for=203.0.113.7")], "203.0.113.7"),
            (
                "127.0.0.1",
                &[(FWD, "for=6.6.6.6, For=\"203.0.113.7:80\";proto=https;by=10.0.0.2")],
                "203.0.113.7",
            ),
            (
                "127.0.0.1",
                &[(FWD, "proto=http ; for=\"[2001:db8::1]:4711\"")],
                "2001:db8::1",
            ),
            (
                "127.0.0.1",
                &[(FWD, "for=203.0.113.7"), (FWD, "for=10.0.0.3, for=10.0.0.2")],
                "203.0.113.7",
            ),
            (
                "127.0.0.1",
                &[(FWD, "for=203.0.113.7, for=_hidden, for=10.0.0.2")],
                "10.0.0.2",
            ),
            ("127.0.0.1", &[(FWD, "for=203.0.113.7, for=unknown")], "127.0.0.1"),
            ("127.0.0.1", &[(FWD, "for=203.0.113.7, proto=https")], "127.0.0.1"),
            (
                "127.0.0.1",
                &[(FWD, "host=\"a,b;for=6.6.6.6\";for=203.0.113.7")],
                "203.0.113.7",
            ),
            ("127.0.0.1", &[(FWD, "host=\"open, for=203.0.113.7")], "203.0.113.7"),
            (
                "127.0.0.1",
                &[(FWD, "for=6.6.6.6"), (XFF, "203.0.113.7")],
                "203.0.113.7",
            ),
        ];
        for (peer, lines, expected) in rows {
            let found = client(peer, lines);
            assert_eq!(found.address.to_string(), *expected, "{peer} {lines:?}");
            assert!(found.via_proxy, "{peer} {lines:?}");
        }
    }

    #[test]
    fn headers_of_an_untrusted_peer_are_ignored() {
        for lines in [&[][..], &[(XFF, "10.0.0.1")], &[(FWD, "for=10.0.0.1")]] {
            let expected = direct("198.51.100.1".parse().unwrap());
            assert_eq!(client("198.51.100.1", lines), expected);
            assert_eq!(client("::ffff:198.51.100.1", lines), expected);
        }
    }

    #[test]
    fn the_walk_is_bounded() {
        let chain = format!("203.0.113.7{}", ", 10.0.0.1".repeat(HOPS_MAX));
        assert_eq!(client("127.0.0.1", &[(XFF, &chain)]).address.to_string(), "10.0.0.1");
    }

    proptest! {
        #[test]
        fn any_bytes_are_survived(value in proptest::collection::vec(any::<u8>(), 0..200)) {
            for name in [XFF, FWD] {
                let Ok(value) = HeaderValue::from_bytes(&value) else { continue };
                let headers = HeaderMap::from_iter([(HeaderName::from_static(name), value)]);
                client_address(IpAddr::from([127, 0, 0, 1]), &trusted(), &headers);
            }
        }

        #[test]
        fn what_a_client_writes_never_hides_the_hop_our_proxy_adds(forged in "[ -~]{0,60}") {
            for (name, hop) in [(XFF, "203.0.113.7"), (FWD, "for=203.0.113.7")] {
                let found = client("127.0.0.1", &[(name, &format!("{forged}, {hop}"))]);
                prop_assert_eq!(found.address.to_string(), "203.0.113.7");
            }
        }
    }
}
