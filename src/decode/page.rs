//! The URL of a page, in its parts.

use super::text::has_control;

/// The parts of a URL that are kept; borrowed from it as they stand.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Page<'a> {
    /// Without port and user; empty in a URL that begins with its path.
    pub host: &'a str,
    /// With a slash at the front; empty means `/`.
    pub path: &'a str,
    /// Without the question mark.
    pub query: &'a str,
}

impl<'a> Page<'a> {
    /// Takes an `http` or `https` URL apart, or one that begins with its path; `None` if it is neither.
    pub fn parse(url: &'a str) -> Option<Self> {
        if has_control(url) || url.as_bytes().contains(&b' ') {
            return None;
        }
        let url = url.split('#').next().unwrap_or_default();
        let (address, query) = url.split_once('?').unwrap_or((url, ""));
        let (host, path) = if address.starts_with('/') && !address.starts_with("//") {
            ("", address)
        } else {
            let (scheme, rest) = address.split_once(':')?;
            let rest = rest.strip_prefix("//")?;
            if !["http", "https"].iter().any(|known| scheme.eq_ignore_ascii_case(known)) {
                return None;
            }
            let slash = rest.find('/').unwrap_or(rest.len());
            let (authority, path) = rest.split_at_checked(slash)?;
            (host_of(authority)?, path)
        };
        Some(Self { host, path, query })
    }
}

/// Whether a text is the URL of a page, as events may name it.
pub fn is_page(url: &str) -> bool {
    Page::parse(url).is_some()
}

/// The host of an authority such as `user@shop.example:8443`, or of an origin's.
pub fn host_of(authority: &str) -> Option<&str> {
    let host = authority.rsplit('@').next()?;
    let host = if host.starts_with('[') {
        host.split_inclusive(']').next()?
    } else {
        host.split(':').next()?
    };
    let good = !host.is_empty() && host.len() <= 253 && !host.contains(['\\', '%', '<', '>', '"', '\'']);
    good.then_some(host)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_fall_into_host_path_and_query() {
        for (url, host, path, query) in [
            (
                "https://Shop.example/a/b?x=1&y=2#top",
                "Shop.example",
                "/a/b",
                "x=1&y=2",
            ),
            ("HTTP://u:p@shop.example:8080", "shop.example", "", ""),
            (
                "https://shop.example?x=https://other.example/",
                "shop.example",
                "",
                "x=https://other.example/",
            ),
            ("http://[2001:db8::1]:80/x", "[2001:db8::1]", "/x", ""),
            ("/cart?step=2", "", "/cart", "step=2"),
            ("https://bücher.example/ü", "bücher.example", "/ü", ""),
        ] {
            assert_eq!(Page::parse(url), Some(Page { host, path, query }), "{url}");
        }
    }

    #[test]
    fn what_is_no_page_is_refused() {
        for url in [
            "",
            "shop.example/a",
            "javascript:alert(1)",
            "javascript://shop.example/%0aalert(1)",
            "//shop.example/a",
            "https://",
            "https:///a",
            "https://:80/",
            "https://a b.example/",
            "https://shop.example/a\nb",
            "https://a<b>.example/",
        ] {
            assert_eq!(Page::parse(url), None, "{url}");
        }
    }
}
