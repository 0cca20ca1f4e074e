//! Errors of the native API: problem documents (RFC 9457) with `code` and `request_id`.

use super::answer::{Answer, PROBLEM, X_REQUEST_ID, add_retry, answer, status};
use super::request_id::RequestId;
use crate::outcome::Reason;

/// The problem document of a reason.
pub fn problem(reason: Reason, id: &RequestId) -> Answer {
    let (row, status) = (reason.row(), status(reason));
    let body = serde_json::json!({
        "type": "about:blank",
        "title": status.canonical_reason().unwrap_or_default(),
        "status": row.status,
        "detail": row.text,
        "code": row.code,
        "request_id": id.as_str(),
    });
    let mut response = answer(status, PROBLEM, body.to_string());
    add_retry(&mut response, reason);
    response.headers_mut().insert(X_REQUEST_ID, id.value());
    response
}
