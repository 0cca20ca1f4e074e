//! Which origins may read answers.

use hyper::StatusCode;
use hyper::header::{
    ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS, ACCESS_CONTROL_ALLOW_ORIGIN, HeaderMap, HeaderValue,
    ORIGIN, VARY,
};

use super::answer::{Answer, empty};

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
