//! The `Idempotency-Key` header (draft-ietf-httpapi-idempotency-key-header-07).

use std::borrow::Cow;

use hyper::header::{HeaderMap, HeaderName};
use sfv::{BareItem, Item, Parser};

use crate::outcome::Reason;

const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");
const KEY_BYTES_MAX: usize = 128;

/// The key of a request, if it has one. The draft asks for a quoted string; a bare one, as many clients send it, is
/// taken as it is.
///
/// # Errors
/// [`Reason::IdempotencyKeyInvalid`] when it is empty, too long, not printable or given twice.
pub fn idempotency_key(headers: &HeaderMap) -> Result<Option<Cow<'_, [u8]>>, Reason> {
    let mut values = headers.get_all(IDEMPOTENCY_KEY).into_iter();
    let Some(value) = values.next() else { return Ok(None) };
    if values.next().is_some() {
        return Err(Reason::IdempotencyKeyInvalid);
    }
    let key = unquoted(value.as_bytes()).ok_or(Reason::IdempotencyKeyInvalid)?;
    let good = (1..=KEY_BYTES_MAX).contains(&key.len()) && key.iter().all(|byte| (b' '..=b'~').contains(byte));
    if good {
        Ok(Some(key))
    } else {
        Err(Reason::IdempotencyKeyInvalid)
    }
}

fn unquoted(value: &[u8]) -> Option<Cow<'_, [u8]>> {
    if !value.starts_with(b"\"") {
        return Some(value.into());
    }
    let item: Item = Parser::new(value).parse().ok()?;
    match item.bare_item {
        BareItem::String(text) => Some(text.as_str().as_bytes().to_vec().into()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use hyper::header::HeaderValue;

    use super::*;

    fn key(value: &[u8]) -> Result<Option<Vec<u8>>, Reason> {
        let headers = HeaderMap::from_iter([(IDEMPOTENCY_KEY, HeaderValue::from_bytes(value).unwrap())]);
        idempotency_key(&headers).map(|key| key.map(Cow::into_owned))
    }

    #[test]
    fn quoted_and_bare_keys_are_the_same() {
        assert_eq!(key(b"\"order-1\""), Ok(Some(b"order-1".to_vec())));
        assert_eq!(key(b"order-1"), Ok(Some(b"order-1".to_vec())));
        assert_eq!(idempotency_key(&HeaderMap::new()), Ok(None));
    }

    #[test]
    fn bad_keys_are_refused() {
        for bad in [&b""[..], b"\"\"", b"\"open", &[b'a'; 129], "ключ".as_bytes(), b"a\tb"] {
            assert_eq!(key(bad), Err(Reason::IdempotencyKeyInvalid), "{bad:?}");
        }
    }

    #[test]
    fn two_keys_are_refused() {
        let mut headers = HeaderMap::new();
        headers.append(IDEMPOTENCY_KEY, HeaderValue::from_static("a"));
        headers.append(IDEMPOTENCY_KEY, HeaderValue::from_static("a"));
        assert_eq!(idempotency_key(&headers), Err(Reason::IdempotencyKeyInvalid));
    }
}
