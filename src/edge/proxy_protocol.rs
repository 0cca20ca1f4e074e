//! The header that a proxy sends before the first byte of its client's connection (PROXY protocol v1 and v2).

use std::net::IpAddr;

use ppp::{v1, v2};

/// Longest v1 header, its line end included, as the protocol sets it.
const V1_BYTES_MAX: usize = 107;
/// What comes before the length of a v2 header, and the length.
const V2_FIXED_BYTES: usize = 16;
/// Longest v2 header taken, its extensions included.
const V2_BYTES_MAX: usize = 4_096;

/// What the bytes read so far amount to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Preamble {
    /// Not complete yet.
    Partial,
    /// No header, or a broken one.
    Broken,
    /// A header of `length` bytes; `client` is `None` if the proxy speaks for itself or does not know.
    Complete { length: usize, client: Option<IpAddr> },
}

/// Reads the header at the front of `bytes`; never asks for more than the longest header allowed.
pub(super) fn parse(bytes: &[u8]) -> Preamble {
    let signature = v2::PROTOCOL_PREFIX;
    if starts_alike(bytes, signature) {
        parse_v2(bytes)
    } else if starts_alike(bytes, v1::PROTOCOL_PREFIX.as_bytes()) {
        parse_v1(bytes)
    } else {
        Preamble::Broken
    }
}

/// Whether `bytes` begin with `prefix`, as far as they have come.
fn starts_alike(bytes: &[u8], prefix: &[u8]) -> bool {
    bytes.iter().zip(prefix).all(|(byte, expected)| byte == expected)
}

fn parse_v1(bytes: &[u8]) -> Preamble {
    let reach = bytes.get(..V1_BYTES_MAX).unwrap_or(bytes);
    let Some(end) = reach.windows(2).position(|pair| pair == b"\r\n") else {
        return if reach.len() < V1_BYTES_MAX {
            Preamble::Partial
        } else {
            Preamble::Broken
        };
    };
    let length = end + 2;
    // Only the line itself is shown to the parser: what follows is the client's and need not be text.
    match reach.get(..length).map(v1::Header::try_from) {
        Some(Ok(header)) => Preamble::Complete {
            length,
            client: match header.addresses {
                v1::Addresses::Tcp4(pair) => Some(pair.source_address.into()),
                v1::Addresses::Tcp6(pair) => Some(pair.source_address.into()),
                v1::Addresses::Unknown => None,
            },
        },
        _ => Preamble::Broken,
    }
}

fn parse_v2(bytes: &[u8]) -> Preamble {
    if let Some(&[.., high, low]) = bytes.first_chunk::<V2_FIXED_BYTES>()
        && V2_FIXED_BYTES + usize::from(u16::from_be_bytes([high, low])) > V2_BYTES_MAX
    {
        return Preamble::Broken;
    }
    match v2::Header::try_from(bytes) {
        Ok(header) => Preamble::Complete {
            length: header.len(),
            client: v2_client(&header),
        },
        Err(v2::ParseError::Incomplete(_) | v2::ParseError::Partial(..)) => Preamble::Partial,
        Err(_) => Preamble::Broken,
    }
}

fn v2_client(header: &v2::Header<'_>) -> Option<IpAddr> {
    match (header.command, &header.addresses) {
        (v2::Command::Proxy, v2::Addresses::IPv4(pair)) => Some(pair.source_address.into()),
        (v2::Command::Proxy, v2::Addresses::IPv6(pair)) => Some(pair.source_address.into()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn v2_header(command: u8, family: u8, payload: &[u8]) -> Vec<u8> {
        let length = u16::try_from(payload.len()).unwrap().to_be_bytes();
        [v2::PROTOCOL_PREFIX, &[command, family], &length, payload].concat()
    }

    const V4_PAIR: [u8; 12] = [203, 0, 113, 7, 10, 0, 0, 1, 0, 80, 1, 187];

    fn complete(length: usize, client: Option<&str>) -> Preamble {
        let client = client.map(|text| text.parse().unwrap());
        Preamble::Complete { length, client }
    }

    #[test]
    fn headers_of_both_versions_name_the_client() {
        let v6_pair = [&[0x20, 1, 0xd, 0xb8][..], &[0; 11], &[1], &[0; 16], &[0, 80, 1, 187]].concat();
        let mut extended = V4_PAIR.to_vec();
        extended.extend([0x04, 0, 2, 0, 0]);
        let rows = [
            (
                b"PROXY TCP4 203.0.113.7 10.0.0.1 80 443\r\n".to_vec(),
                Some("203.0.113.7"),
            ),
            (b"PROXY TCP6 2001:db8::1 ::1 80 443\r\n".to_vec(), Some("2001:db8::1")),
            (b"PROXY UNKNOWN\r\n".to_vec(), None),
            (v2_header(0x21, 0x11, &V4_PAIR), Some("203.0.113.7")),
            (v2_header(0x21, 0x21, &v6_pair), Some("2001:db8::1")),
            (v2_header(0x21, 0x11, &extended), Some("203.0.113.7")),
            (v2_header(0x20, 0x11, &V4_PAIR), None),
            (v2_header(0x20, 0x00, &[]), None),
            (v2_header(0x21, 0x31, &[b'/'; 216]), None),
        ];
        for (header, client) in rows {
            assert_eq!(parse(&header), complete(header.len(), client), "{header:?}");
            let followed = [&header[..], b"\xff\x00GET / HTTP/1.1\r\n"].concat();
            assert_eq!(parse(&followed), complete(header.len(), client), "{header:?}");
            for end in 0..header.len() {
                assert_eq!(parse(&header[..end]), Preamble::Partial, "{header:?} cut at {end}");
            }
        }
    }

    #[test]
    fn anything_else_is_broken_and_nothing_is_waited_for_without_bound() {
        let broken = [
            b"GET / HTTP/1.1\r\n".to_vec(),
            b"PROXY TCP4 203.0.113.7\r\n".to_vec(),
            b"PROXY TCP4 2001:db8::1 ::1 80 443\r\n".to_vec(),
            [&b"PROXY TCP4 "[..], &[b'1'; 107]].concat(),
            v2_header(0x11, 0x11, &V4_PAIR),
            v2_header(0x21, 0x11, &V4_PAIR[..8]),
            v2_header(0x21, 0x11, &vec![0; V2_BYTES_MAX]),
        ];
        for bytes in broken {
            assert_eq!(parse(&bytes), Preamble::Broken, "{bytes:?}");
        }
    }

    proptest! {
        #[test]
        fn any_bytes_are_survived(
            start in prop::sample::select(vec![&b""[..], b"PROXY ", v2::PROTOCOL_PREFIX]),
            rest in proptest::collection::vec(any::<u8>(), 0..300),
        ) {
            let bytes = [start, &rest].concat();
            if let Preamble::Complete { length, .. } = parse(&bytes) {
                prop_assert!(length <= bytes.len());
            }
        }
    }
}
