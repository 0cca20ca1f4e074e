//! Which origins may read answers.

use hyper::StatusCode;
use hyper::header::{
    ACCESS_CONTROL_ALLOW_CREDENTIALS, ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS,
    ACCESS_CONTROL_ALLOW_ORIGIN, ACCESS_CONTROL_MAX_AGE, ACCESS_CONTROL_REQUEST_HEADERS, HeaderMap, HeaderValue,
    ORIGIN, VARY,
};

use super::answer::{Answer, empty};

/// Longest list of headers that is allowed as it was asked for.
const REQUESTED_BYTES_MAX: usize = 512;
const ANY: HeaderValue = HeaderValue::from_static("*");

/// The allowed origins of calls without credentials.
#[derive(Debug, Clone)]
pub enum Origins {
    /// Every origin.
    Any,
    /// These, as browsers send them.
    Listed(Vec<String>),
}

impl Origins {
    /// Reads the configured list; `*` in it allows every origin.
    pub fn new(allowed: &[String]) -> Self {
        if allowed.iter().any(|origin| origin == "*") {
            return Self::Any;
        }
        Self::Listed(
            allowed
                .iter()
                .map(|origin| origin.trim_end_matches('/').to_ascii_lowercase())
                .collect(),
        )
    }

    /// Lets the asking origin read a response, if it may.
    pub fn add(&self, asked: &HeaderMap, response: &mut HeaderMap) {
        self.add_if_any(response);
        self.add_if_listed(asked, response);
    }

    /// The part of [`Origins::add`] that does not depend on who asks.
    pub fn add_if_any(&self, response: &mut HeaderMap) {
        if matches!(self, Self::Any) {
            response.insert(ACCESS_CONTROL_ALLOW_ORIGIN, ANY);
        }
    }

    /// The part of [`Origins::add`] that depends on who asks.
    pub fn add_if_listed(&self, asked: &HeaderMap, response: &mut HeaderMap) {
        if let Self::Listed(origins) = self {
            response.append(VARY, HeaderValue::from_static("Origin"));
            if let Some(origin) = asked.get(ORIGIN).filter(|origin| is_listed(origins, origin)) {
                response.insert(ACCESS_CONTROL_ALLOW_ORIGIN, origin.clone());
            }
        }
    }

    /// Lets the asking origin read a response to a request that came with what the browser keeps for us, if it may: a
    /// page that sends a beacon of JSON sends it so.
    pub fn add_with_credentials(&self, asked: &HeaderMap, response: &mut HeaderMap) {
        response.append(VARY, HeaderValue::from_static("Origin"));
        let may = |origin: &&HeaderValue| match self {
            Self::Any => true,
            Self::Listed(origins) => is_listed(origins, origin),
        };
        if let Some(origin) = asked.get(ORIGIN).filter(may) {
            response.insert(ACCESS_CONTROL_ALLOW_ORIGIN, origin.clone());
            response.insert(ACCESS_CONTROL_ALLOW_CREDENTIALS, HeaderValue::from_static("true"));
        }
    }

    /// The answer to a preflight of such a request: what is asked for is allowed.
    pub fn preflight_with_credentials(&self, asked: &HeaderMap) -> Answer {
        const USUAL: HeaderValue = HeaderValue::from_static("content-type, x-domain, authorization");
        let mut response = empty(StatusCode::NO_CONTENT);
        let headers = response.headers_mut();
        self.add_with_credentials(asked, headers);
        headers.append(VARY, HeaderValue::from_static("Access-Control-Request-Headers"));
        let wanted = asked.get(ACCESS_CONTROL_REQUEST_HEADERS).filter(|list| are_names(list));
        headers.insert(ACCESS_CONTROL_ALLOW_HEADERS, wanted.cloned().unwrap_or(USUAL));
        headers.insert(
            ACCESS_CONTROL_ALLOW_METHODS,
            HeaderValue::from_static("GET, POST, PATCH"),
        );
        headers.insert(ACCESS_CONTROL_MAX_AGE, HeaderValue::from_static("86400"));
        response
    }

    /// The answer to a preflight.
    pub fn preflight(&self, asked: &HeaderMap) -> Answer {
        let mut response = empty(StatusCode::NO_CONTENT);
        let headers = response.headers_mut();
        self.add(asked, headers);
        headers.insert(ACCESS_CONTROL_ALLOW_METHODS, HeaderValue::from_static("GET, POST"));
        headers.insert(ACCESS_CONTROL_ALLOW_HEADERS, HeaderValue::from_static("Content-Type"));
        response
    }
}

/// Whether a value is a list of headers' names, and no longer than browsers make it.
fn are_names(list: &HeaderValue) -> bool {
    let of_name = |byte: &u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~, ".contains(byte);
    (1..=REQUESTED_BYTES_MAX).contains(&list.len()) && list.as_bytes().iter().all(of_name)
}

fn is_listed(origins: &[String], origin: &HeaderValue) -> bool {
    origins
        .iter()
        .any(|listed| listed.as_bytes().eq_ignore_ascii_case(origin.as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn allowed(origins: &Origins, origin: &'static str) -> Option<HeaderValue> {
        let mut asked = HeaderMap::new();
        asked.insert(ORIGIN, HeaderValue::from_static(origin));
        let mut response = HeaderMap::new();
        origins.add(&asked, &mut response);
        response.remove(ACCESS_CONTROL_ALLOW_ORIGIN)
    }

    #[test]
    fn a_star_allows_every_origin() {
        let origins = Origins::new(&["https://a.example".into(), "*".into()]);
        assert_eq!(allowed(&origins, "https://b.example"), Some(ANY));
    }

    #[test]
    fn a_list_allows_its_origins_only() {
        let origins = Origins::new(&["https://Shop.example/".into()]);
        assert!(allowed(&origins, "https://shop.example").is_some());
        for other in ["http://shop.example", "https://shop.example.evil.example", "null"] {
            assert_eq!(allowed(&origins, other), None, "{other}");
        }
    }
}
