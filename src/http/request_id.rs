//! The name by which an error answer is found again in the gateway's log.

use std::sync::LazyLock;
use std::sync::atomic::{AtomicU64, Ordering};

use hyper::header::{HeaderMap, HeaderValue};

use super::answer::X_REQUEST_ID;

const GIVEN_BYTES_MAX: usize = 64;

/// A request's id: the trusted proxy's, or one of our own.
#[derive(Debug, Clone)]
pub struct RequestId(String);

impl RequestId {
    /// Takes the proxy's `X-Request-Id` if the request came through one we trust, else makes one.
    pub fn of(headers: &HeaderMap, via_proxy: bool) -> Self {
        let given = headers
            .get(X_REQUEST_ID)
            .filter(|_| via_proxy)
            .and_then(|value| value.to_str().ok());
        match given.filter(|id| is_plain(id)) {
            Some(id) => Self(id.to_owned()),
            None => Self::fresh(),
        }
    }

    /// The id.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The id as a header's value.
    pub fn value(&self) -> HeaderValue {
        HeaderValue::from_str(&self.0).unwrap_or(HeaderValue::from_static("-"))
    }

    /// Random for the process, then counted: unique without asking for randomness each time.
    fn fresh() -> Self {
        static PROCESS: LazyLock<u32> = LazyLock::new(|| getrandom::u32().unwrap_or(std::process::id()));
        static NEXT: AtomicU64 = AtomicU64::new(0);
        Self(format!("{:08x}-{:08x}", *PROCESS, NEXT.fetch_add(1, Ordering::Relaxed)))
    }
}

fn is_plain(id: &str) -> bool {
    (1..=GIVEN_BYTES_MAX).contains(&id.len())
        && id
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"-_.:".contains(&byte))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_plain_id_of_a_trusted_proxy_is_taken_over() {
        let mut headers = HeaderMap::new();
        headers.insert(X_REQUEST_ID, HeaderValue::from_static("abc-1"));
        assert_eq!(RequestId::of(&headers, true).as_str(), "abc-1");
        assert_ne!(RequestId::of(&headers, false).as_str(), "abc-1");
        headers.insert(X_REQUEST_ID, HeaderValue::from_static("a b"));
        assert_ne!(RequestId::of(&headers, true).as_str(), "a b");
    }

    #[test]
    fn fresh_ids_differ() {
        let headers = HeaderMap::new();
        assert_ne!(
            RequestId::of(&headers, true).as_str(),
            RequestId::of(&headers, true).as_str()
        );
    }
}
