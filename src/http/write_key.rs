//! The key that a client shows, and the page that it sends from.

use std::borrow::Cow;

use hyper::header::{AUTHORIZATION, HeaderMap, HeaderName, ORIGIN, REFERER};

use crate::decode::host_of;

const X_API_KEY: HeaderName = HeaderName::from_static("x-api-key");
const BEARER: &str = "bearer ";
/// The parameter for those who can set no header.
const PARAMETER: &str = "key";

/// The key of a request, if it shows one: `Authorization: Bearer`, then `X-API-Key`, then `?key=`.
pub fn shown_key<'a>(headers: &'a HeaderMap, query: Option<&'a str>) -> Option<Cow<'a, str>> {
    let text = |name: HeaderName| headers.get(name).map(|value| value.to_str().unwrap_or_default());
    let bearer = text(AUTHORIZATION).and_then(|value| {
        let (scheme, key) = value.split_at_checked(BEARER.len())?;
        scheme.eq_ignore_ascii_case(BEARER).then(|| key.trim())
    });
    let header = bearer.or_else(|| text(X_API_KEY));
    header.map(Cow::Borrowed).or_else(|| {
        let mut parameters = form_urlencoded::parse(query?.as_bytes());
        parameters.find(|(name, _)| name == PARAMETER).map(|(_, key)| key)
    })
}

/// The host of the page that sends a request, as far as the browser says.
pub fn page_host(headers: &HeaderMap) -> Option<&str> {
    let host = |name: HeaderName| {
        let url = headers.get(name)?.to_str().ok()?;
        let rest = url.split_once(':')?.1.strip_prefix("//")?;
        host_of(rest.split(['/', '?', '#']).next()?)
    };
    host(ORIGIN).or_else(|| host(REFERER))
}

#[cfg(test)]
mod tests {
    use hyper::header::HeaderValue;

    use super::*;

    fn headers(list: &[(HeaderName, &'static str)]) -> HeaderMap {
        let pair = |(name, value): &(HeaderName, &'static str)| (name.clone(), HeaderValue::from_static(value));
        list.iter().map(pair).collect()
    }

    #[test]
    fn a_key_is_shown_in_a_header_or_in_the_query() {
        let shown = |list: &[_], query| shown_key(&headers(list), query).map(Cow::into_owned);
        assert_eq!(
            shown(&[(AUTHORIZATION, "Bearer k1"), (X_API_KEY, "k2")], None).as_deref(),
            Some("k1")
        );
        assert_eq!(
            shown(&[(AUTHORIZATION, "bearer  k1 ")], Some("key=k3")).as_deref(),
            Some("k1")
        );
        assert_eq!(
            shown(&[(AUTHORIZATION, "Basic eDp5"), (X_API_KEY, "k2")], None).as_deref(),
            Some("k2")
        );
        assert_eq!(shown(&[], Some("a=b&key=k%33")).as_deref(), Some("k3"));
        assert_eq!(shown(&[(AUTHORIZATION, "Basic eDp5")], Some("a=b")), None);
        assert_eq!(shown(&[(X_API_KEY, "")], None).as_deref(), Some(""));
    }

    #[test]
    fn a_page_is_named_by_its_origin_or_else_by_its_url() {
        let page = |list: &[_]| page_host(&headers(list)).map(str::to_owned);
        let referer = (REFERER, "https://blog.example:8443/a?b=https://c.example/");
        assert_eq!(
            page(&[(ORIGIN, "https://shop.example"), referer.clone()]).as_deref(),
            Some("shop.example")
        );
        assert_eq!(page(&[(ORIGIN, "null"), referer]).as_deref(), Some("blog.example"));
        assert_eq!(page(&[(ORIGIN, "null")]), None);
        assert_eq!(page(&[]), None);
    }
}
