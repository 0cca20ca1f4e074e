//! The hops of one line of `X-Forwarded-For` or `Forwarded` (RFC 7239), read from the right.
//!
//! From the right, because the right end was written by our own proxy: whatever a client put before it, such as a quote
//! that never closes, must not swallow it. Nothing here allocates.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// What one element of the list says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Hop {
    /// An empty element, which lists may have.
    Absent,
    /// Hidden (`unknown`, `_name`) or unreadable.
    Unknown,
    /// Someone's address.
    Address(IpAddr),
}

/// The hops of a line of `X-Forwarded-For`, last first.
pub(super) fn x_forwarded_for_hops(line: &[u8]) -> impl Iterator<Item = Hop> {
    line.rsplit(|byte| *byte == b',')
        .map(|element| match element.trim_ascii() {
            [] => Hop::Absent,
            node => hop(node),
        })
}

/// The hops of a line of `Forwarded`, last first.
pub(super) fn forwarded_hops(line: &[u8]) -> impl Iterator<Item = Hop> {
    RightSplit::new(line, b',').map(forwarded_element)
}

fn forwarded_element(element: &[u8]) -> Hop {
    if element.trim_ascii().is_empty() {
        return Hop::Absent;
    }
    let mut nodes = RightSplit::new(element, b';').filter_map(for_value);
    match (nodes.next(), nodes.next()) {
        (Some(node), None) => hop(unquoted(node)),
        // None, or two that may differ: nothing to rely on.
        _ => Hop::Unknown,
    }
}

/// The value of a `for=` pair, quotes and all.
fn for_value(pair: &[u8]) -> Option<&[u8]> {
    let (name, value) = pair.trim_ascii().split_at_checked(4)?;
    name.eq_ignore_ascii_case(b"for=").then_some(value)
}

/// Escapes stay as they are: no address needs one, so such a value is refused with everything else that is no address.
fn unquoted(value: &[u8]) -> &[u8] {
    match value {
        [b'"', inner @ .., b'"'] => inner,
        _ => value,
    }
}

fn hop(node: &[u8]) -> Hop {
    std::str::from_utf8(node)
        .ok()
        .and_then(address)
        .map_or(Hop::Unknown, Hop::Address)
}

/// `1.2.3.4`, `1.2.3.4:5`, `2001:db8::1`, `[2001:db8::1]` or `[2001:db8::1]:5`.
fn address(node: &str) -> Option<IpAddr> {
    if let Some(rest) = node.strip_prefix('[') {
        let (v6, port) = rest.split_once(']')?;
        let good = port.is_empty() || port.strip_prefix(':').is_some_and(is_port);
        return good.then(|| v6.parse::<Ipv6Addr>().ok()).flatten().map(IpAddr::V6);
    }
    match node.split_once(':') {
        Some((v4, port)) if is_port(port) => v4.parse::<Ipv4Addr>().ok().map(IpAddr::V4),
        _ => node.parse().ok(),
    }
}

/// A number, or a name that hides it.
fn is_port(port: &str) -> bool {
    match port.strip_prefix('_') {
        Some(name) => !name.is_empty() && !name.contains(':'),
        None => port.parse::<u16>().is_ok(),
    }
}

/// Splits at a separator outside quoted strings, from the right.
struct RightSplit<'a> {
    rest: Option<&'a [u8]>,
    separator: u8,
}

impl<'a> RightSplit<'a> {
    fn new(bytes: &'a [u8], separator: u8) -> Self {
        Self {
            rest: Some(bytes),
            separator,
        }
    }
}

impl<'a> Iterator for RightSplit<'a> {
    type Item = &'a [u8];

    fn next(&mut self) -> Option<&'a [u8]> {
        let rest = self.rest?;
        let mut quoted = false;
        let mut end = rest.len();
        while let Some((before, &[byte])) = rest.get(..end).and_then(split_last) {
            if byte == b'"' && !is_escaped(before) {
                quoted = !quoted;
            } else if byte == self.separator && !quoted {
                self.rest = Some(before);
                return rest.get(end..);
            }
            end = before.len();
        }
        self.rest = None;
        Some(rest)
    }
}

fn split_last(bytes: &[u8]) -> Option<(&[u8], &[u8; 1])> {
    bytes.split_last_chunk::<1>()
}

fn is_escaped(before: &[u8]) -> bool {
    before.iter().rev().take_while(|byte| **byte == b'\\').count() % 2 == 1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_may_have_brackets_and_a_port_and_nothing_else() {
        let good = [
            ("1.2.3.4", "1.2.3.4"),
            ("1.2.3.4:0", "1.2.3.4"),
            ("1.2.3.4:_x", "1.2.3.4"),
            ("::1", "::1"),
            ("::1:2", "::1:2"),
            ("[::1]", "::1"),
            ("[::1]:65535", "::1"),
        ];
        for (node, expected) in good {
            assert_eq!(address(node), Some(expected.parse().unwrap()), "{node}");
        }
        let bad = [
            "",
            "1.2.3",
            "1.2.3.4:",
            "1.2.3.4:x",
            "1.2.3.4:65536",
            "[1.2.3.4]",
            "[::1",
            "[::1]5",
            "[::1]:",
            "[::1]:_",
            "fe80::1%eth0",
            "01.2.3.4",
            "unknown",
            "_hidden",
            "example.com",
            "1.2.3.4 5",
        ];
        for node in bad {
            assert_eq!(address(node), None, "{node}");
        }
    }

    #[test]
    fn separators_inside_quotes_do_not_split() {
        let split = |text: &'static str| -> Vec<&str> {
            RightSplit::new(text.as_bytes(), b',')
                .map(|part| std::str::from_utf8(part).unwrap())
                .collect()
        };
        assert_eq!(split("a,b,c"), ["c", "b", "a"]);
        assert_eq!(split("a,\"b,\\\",c\",d"), ["d", "\"b,\\\",c\"", "a"]);
        assert_eq!(split("\"open,a"), ["a", "\"open"]);
        assert_eq!(split(","), ["", ""]);
        assert_eq!(split(""), [""]);
    }

    #[test]
    fn an_element_of_forwarded_names_one_node_or_none() {
        let rows = [
            ("", Hop::Absent),
            ("for=1.2.3.4", Hop::Address("1.2.3.4".parse().unwrap())),
            ("FOR=\"1.2.3.4\"", Hop::Address("1.2.3.4".parse().unwrap())),
            ("for=1.2.3.4;for=5.6.7.8", Hop::Unknown),
            ("proto=https", Hop::Unknown),
            ("for", Hop::Unknown),
            ("for=\"1.2\\.3.4\"", Hop::Unknown),
        ];
        for (element, expected) in rows {
            assert_eq!(forwarded_element(element.as_bytes()), expected, "{element}");
        }
    }
}
