//! What counts as the URL of a page: a host is needed, a scheme and a top-level domain are not.

use std::net::{Ipv4Addr, Ipv6Addr};

use crate::decode::Page;

/// Longest URL, in units of UTF-16, as its clients count.
pub const UNITS_MAX: usize = 2_083;
/// Longest part of a host between its dots.
const LABEL_MAX: usize = 63;
const SCHEMES: [&str; 3] = ["http", "https", "ftp"];

/// Takes a URL apart; `None` if it is none.
pub fn page_of(url: &str) -> Option<Page<'_>> {
    let is_bad = |character: char| {
        character.is_whitespace() || character.is_control() || matches!(character, '<' | '>' | '\u{feff}')
    };
    if url.contains(is_bad) || url.encode_utf16().count() > UNITS_MAX {
        return None;
    }
    let rest = url.split('#').next().unwrap_or_default();
    let (address, query) = rest.split_once('?').unwrap_or((rest, ""));
    let address = match address.split_once("://") {
        Some((scheme, rest)) => {
            let is_known = SCHEMES.iter().any(|known| scheme.eq_ignore_ascii_case(known));
            is_known.then_some(rest)?
        }
        // It would look like a user and a host.
        None if address.starts_with("mailto:") => return None,
        None => address,
    };
    // A second scheme is part of no host.
    let slash = address.find('/').unwrap_or(address.len());
    let (authority, path) = address.split_at_checked(slash)?;
    let host = host(authority)?;
    Some(Page { host, path, query })
}

/// The host of `user:password@host:port`.
fn host(authority: &str) -> Option<&str> {
    let (user, place) = match authority.rsplit_once('@') {
        None => (None, authority),
        Some((user, place)) => (Some(user), place),
    };
    if let Some(user) = user {
        let parts = user.matches(':').count();
        if user.is_empty() || user == ":" || parts > 1 || user.contains('@') {
            return None;
        }
    }
    if let Some(rest) = place.strip_prefix('[') {
        let (address, port) = rest.split_once(']')?;
        let port = port.strip_prefix(':').map_or(port.is_empty(), is_port);
        let good = port && address.parse::<Ipv6Addr>().is_ok();
        return place.get(..address.len() + 2).filter(|_| good);
    }
    let (host, port) = place.split_once(':').unwrap_or((place, ""));
    let good = (port.is_empty() || is_port(port)) && (host.parse::<Ipv4Addr>().is_ok() || is_name(host));
    good.then_some(host)
}

fn is_port(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_digit()) && text.parse().is_ok_and(|port: u16| port > 0)
}

/// Whether a text is the name of a host, in one part or several.
fn is_name(host: &str) -> bool {
    let is_of_name = |character: char| {
        character.is_ascii_alphanumeric()
            || character == '-'
            || (character >= '\u{a1}' && !('\u{ff01}'..='\u{ff5e}').contains(&character))
    };
    let is_label = |label: &str| {
        !label.is_empty()
            && label.encode_utf16().count() <= LABEL_MAX
            && label.chars().all(is_of_name)
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    let last = host.rsplit('.').next().unwrap_or_default();
    host.split('.').all(is_label) && !last.bytes().all(|byte| byte.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_fall_into_host_path_and_query() {
        for (url, host, path, query) in [
            ("http://localhost/x", "localhost", "/x", ""),
            ("http://localhost:3000", "localhost", "", ""),
            ("example.com/p", "example.com", "/p", ""),
            ("example.com", "example.com", "", ""),
            ("HTTPS://Shop.example/a?b=1#c", "Shop.example", "/a", "b=1"),
            ("ftp://files.example/x", "files.example", "/x", ""),
            ("http://u:p@shop.example:8080/a", "shop.example", "/a", ""),
            ("http://u@shop.example/", "shop.example", "/", ""),
            ("http://203.0.113.7:80/x", "203.0.113.7", "/x", ""),
            ("http://[2001:db8::1]:80/x", "[2001:db8::1]", "/x", ""),
            ("https://bücher.example/ü", "bücher.example", "/ü", ""),
            ("a.example?u=http://b.example/", "a.example", "", "u=http://b.example/"),
            ("http://a.example:/x", "a.example", "/x", ""),
            ("http://a.example/%%%\"'", "a.example", "/%%%\"'", ""),
        ] {
            assert_eq!(page_of(url), Some(Page { host, path, query }), "{url}");
        }
    }

    #[test]
    fn what_is_no_url_is_none() {
        let long = format!("a.example/{}", "x".repeat(UNITS_MAX - 9));
        assert!(page_of(&long[1..]).is_none(), "it begins with a dot");
        for url in [
            "",
            "//example",
            "//example.com/a",
            "/path",
            "http://",
            "http:///a",
            "https://a b.example/",
            "https://a.example/<script>",
            "https://a.example/a b",
            "https://a_b.example/",
            "https://a.example./",
            "https://.example/",
            "https://a..example/",
            "https://-a.example/",
            "https://a-.example/",
            "gopher://a.example/",
            "javascript:alert(1)",
            "javascript://a.example/%0aalert(1)",
            "mailto:a@b.example",
            "data:text/html,hello",
            "http://a.example:0/",
            "http://a.example:65536/",
            "http://a.example:80x/",
            "http://@a.example/",
            "http://:@a.example/",
            "http://u:p:q@a.example/",
            "http://[2001:db8::1/",
            "http://[shop]/",
            "http://1.2.3/",
            "http://300.1.1.1/",
            "12345",
            "http://a.example/\n",
            "http://a.example/\0",
            "http://ｆｕｌｌ.example/",
            "?a",
            "#a",
            &long,
        ] {
            assert_eq!(page_of(url), None, "{url}");
        }
        assert!(page_of(&long[..UNITS_MAX]).is_some());
    }
}
