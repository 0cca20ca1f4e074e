//! Responses: bodies and the headers that all of them share.

use bytes::Bytes;
use http_body_util::Full;
use hyper::header::{CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue, RETRY_AFTER, X_CONTENT_TYPE_OPTIONS};
use hyper::{Response, StatusCode};

use crate::outcome::Reason;

/// The body of every response: bytes that are at hand.
pub type Body = Full<Bytes>;
/// A response of the gateway.
pub type Answer = Response<Body>;

/// Room for the headers of an ingest answer.
const HEADERS: usize = 8;
/// `X-Durability`: how far a visit is kept.
pub const X_DURABILITY: HeaderName = HeaderName::from_static("x-durability");
/// `X-Request-Id`: names an error in the gateway's log.
pub const X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
const CROSS_ORIGIN_RESOURCE_POLICY: HeaderName = HeaderName::from_static("cross-origin-resource-policy");

/// JSON.
pub const JSON: HeaderValue = HeaderValue::from_static("application/json");
/// Plain text.
pub const TEXT: HeaderValue = HeaderValue::from_static("text/plain; charset=utf-8");
/// A problem document (RFC 9457).
pub const PROBLEM: HeaderValue = HeaderValue::from_static("application/problem+json");
/// Browsers shall not guess.
pub const NOSNIFF: HeaderValue = HeaderValue::from_static("nosniff");

/// A response with a body.
pub fn answer(status: StatusCode, content_type: HeaderValue, body: impl Into<Bytes>) -> Answer {
    let mut headers = HeaderMap::with_capacity(HEADERS);
    headers.insert(CONTENT_TYPE, content_type);
    headers.insert(X_CONTENT_TYPE_OPTIONS, NOSNIFF);
    let mut response = Response::new(Full::new(body.into()));
    *response.status_mut() = status;
    *response.headers_mut() = headers;
    response
}

/// A document that only its own origin should load.
pub fn document(status: StatusCode, content_type: HeaderValue, body: impl Into<Bytes>) -> Answer {
    let mut response = answer(status, content_type, body);
    let headers = response.headers_mut();
    headers.insert(CROSS_ORIGIN_RESOURCE_POLICY, HeaderValue::from_static("same-origin"));
    headers.insert(hyper::header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

/// A response without a body.
pub fn empty(status: StatusCode) -> Answer {
    let mut response = Response::new(Body::default());
    *response.status_mut() = status;
    response
}

/// The status of a reason.
pub fn status(reason: Reason) -> StatusCode {
    StatusCode::from_u16(reason.row().status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
}

/// Adds `Retry-After` where the reason's row has one.
pub fn add_retry(response: &mut Answer, reason: Reason) {
    if let Some(seconds) = reason.row().retry_after {
        response.headers_mut().insert(RETRY_AFTER, HeaderValue::from(seconds));
    }
}
