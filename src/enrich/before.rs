//! The page before, as its address tells it.

use std::borrow::Cow;

/// The page before, as far as its address tells.
#[derive(Debug)]
pub(super) struct Before<'a> {
    /// Its host in lower case, without `www.`.
    pub(super) host: Cow<'a, str>,
    /// From the slash on, without query.
    pub(super) path: &'a str,
    /// Whether the host is the name of an app.
    pub(super) is_app: bool,
}

impl<'a> Before<'a> {
    /// Reads a referrer; `None` if it is no address.
    pub(super) fn of(referrer: &'a str) -> Option<Self> {
        let (scheme, rest) = referrer.split_once("://")?;
        let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
        let (authority, rest) = rest.split_at_checked(end)?;
        let host = authority.rsplit('@').next().unwrap_or_default();
        let host = host.split(':').next().unwrap_or_default().trim_end_matches('.');
        let is_app = scheme.ends_with("-app");
        let path = rest.split(['?', '#']).next().unwrap_or_default();
        let host = if host.bytes().any(|byte| byte.is_ascii_uppercase()) && !is_app {
            Cow::from(bare(&host.to_ascii_lowercase()).to_owned())
        } else {
            Cow::from(bare(host))
        };
        (!host.is_empty()).then_some(Self { host, path, is_app })
    }

    /// The part of the host that somebody registered; of apps and addresses without names all of it.
    pub(super) fn domain(&self) -> Cow<'a, str> {
        if self.is_app {
            return self.host.clone();
        }
        match &self.host {
            Cow::Borrowed(host) => registered(host).into(),
            Cow::Owned(host) => registered(host).to_owned().into(),
        }
    }

    /// Whether it is a page of the same owner as a host's.
    pub(super) fn is_of(&self, host: &str) -> bool {
        !self.is_app && !host.is_empty() && registered(&self.host).eq_ignore_ascii_case(registered(bare(host)))
    }
}

/// A host without `www.`.
pub(super) fn bare(host: &str) -> &str {
    host.strip_prefix("www.").unwrap_or(host)
}

/// The part of a host that somebody registered: one label before the public suffix.
pub(super) fn registered(host: &str) -> &str {
    if host.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.') || host.starts_with('[') {
        return host;
    }
    psl::domain_str(host).unwrap_or(host)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_of_the_same_owner_is_one_of_ours() {
        for (page, host, ours) in [
            ("https://shop.example.co.uk/a", "www.example.co.uk", true),
            ("https://WWW.Example.com/", "example.com", true),
            ("https://a.github.io/", "b.github.io", false),
            ("https://example.org/", "example.com", false),
            ("http://10.0.0.1:80/", "10.0.0.1", true),
            ("http://10.0.0.1/", "10.9.0.1", false),
            ("http://localhost:1/", "localhost", true),
            ("https://example.com/", "", false),
            ("android-app://com.example/", "com.example", false),
        ] {
            assert_eq!(Before::of(page).unwrap().is_of(host), ours, "{page} {host}");
        }
        let domain = |page| Before::of(page).unwrap().domain().into_owned();
        assert_eq!(domain("https://blog.some.example.co.uk/"), "example.co.uk");
        assert_eq!(domain("https://somebody.github.io/"), "somebody.github.io");
        assert_eq!(domain("https://user@Search.Example:8080"), "search.example");
        assert_eq!(domain("android-app://com.example.app/"), "com.example.app");
    }
}
