//! Domains: as an operator writes them, and as clients name the host of their page.

use std::borrow::Cow;

use idna::{AsciiDenyList, domain_to_ascii_cow, domain_to_ascii_strict};

/// The domain that an operator means, as it is kept: lower case, ASCII (`xn--…`), without `www.`.
pub(super) fn read(text: &str) -> Result<Box<str>, String> {
    let wrong = |why: &str| Err(format!("{text:?} {why}"));
    if text.contains("://") {
        return wrong("has a scheme; give the host alone, such as shop.example");
    }
    if text.contains('*') {
        return wrong("has a wildcard; name each host");
    }
    if text.contains(['/', '?', '#', '@', ':']) {
        return wrong("is more than a host; leave out port, path and user");
    }
    let name = text.strip_suffix('.').unwrap_or(text);
    let Ok(ascii) = domain_to_ascii_strict(name) else {
        return wrong("is not a domain, such as shop.example");
    };
    let last = ascii.rsplit('.').next().unwrap_or_default();
    if last.bytes().all(|byte| byte.is_ascii_digit()) {
        return wrong("is an address; give a name, such as shop.example");
    }
    Ok(without_www(&ascii).into())
}

/// The host of a client's page as domains are kept; without the port, which may be there. `None` if no domain looks
/// like that.
pub(super) fn bare(host: &str) -> Option<Cow<'_, str>> {
    let name = match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => name,
        _ => host,
    };
    let name = name.strip_suffix('.').unwrap_or(name);
    Some(match domain_to_ascii_cow(name.as_bytes(), AsciiDenyList::URL).ok()? {
        Cow::Borrowed(name) => Cow::Borrowed(without_www(name)),
        Cow::Owned(name) => Cow::Owned(without_www(&name).to_owned()),
    })
}

/// The same site answers with `www.` and without; a name of `www` and one part more (`www.com`) is another matter.
fn without_www(name: &str) -> &str {
    name.strip_prefix("www.")
        .filter(|rest| rest.contains('.'))
        .unwrap_or(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn domains_are_kept_in_one_form() {
        let rows = [
            ("shop.example", "shop.example"),
            ("Shop.Example.", "shop.example"),
            ("www.shop.example", "shop.example"),
            ("www.com", "www.com"),
            ("localhost", "localhost"),
            ("bücher.example", "xn--bcher-kva.example"),
            ("XN--BCHER-KVA.example", "xn--bcher-kva.example"),
        ];
        for (text, kept) in rows {
            assert_eq!(read(text).as_deref(), Ok(kept), "{text}");
        }
    }

    #[test]
    fn what_is_no_domain_is_refused_with_the_reason() {
        let long = "a".repeat(64);
        let rows = [
            ("https://shop.example", "scheme"),
            ("*.shop.example", "wildcard"),
            ("shop.example/cart", "more than a host"),
            ("shop.example:8080", "more than a host"),
            ("me@shop.example", "more than a host"),
            ("203.0.113.7", "address"),
            ("[::1]", "more than a host"),
            ("", "not a domain"),
            (".", "not a domain"),
            ("shop..example", "not a domain"),
            ("sh op.example", "not a domain"),
            ("sh_op.example", "not a domain"),
            ("shop.example\n", "not a domain"),
            (long.as_str(), "not a domain"),
        ];
        for (text, why) in rows {
            let said = read(text).unwrap_err();
            assert!(said.contains(why), "{text:?}: {said}");
        }
    }

    #[test]
    fn hosts_of_pages_find_the_domain_whatever_their_port_case_and_www() {
        for host in [
            "shop.example",
            "WWW.Shop.example",
            "shop.example:8080",
            "www.shop.example.:443",
        ] {
            assert_eq!(bare(host).as_deref(), Some("shop.example"), "{host}");
        }
        assert_eq!(bare("bücher.example").as_deref(), Some("xn--bcher-kva.example"));
        assert_eq!(bare("[::1]:80"), None);
        assert_eq!(bare("my.shop.example").as_deref(), Some("my.shop.example"));
    }
}
