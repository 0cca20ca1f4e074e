//! Errors of the native API: problem documents (RFC 9457) with `code` and `request_id`.

use super::answer::{Answer, PROBLEM, X_REQUEST_ID, add_retry, answer, status};
use super::request_id::RequestId;
use crate::outcome::Reason;

/// The problem document of a reason.
pub fn problem(reason: Reason, id: &RequestId) -> Answer {
    problem_about(reason, id, None)
}

/// The problem document of a reason; it may be about a field, whose name may be empty, and say what is wrong with it.
pub fn problem_about(reason: Reason, id: &RequestId, about: Option<(&str, &str)>) -> Answer {
    let (row, status) = (reason.row(), status(reason));
    let (field, detail) = about.unwrap_or(("", row.text));
    let mut body = serde_json::json!({
        "type": "about:blank",
        "title": status.canonical_reason().unwrap_or_default(),
        "status": row.status,
        "detail": detail,
        "code": row.code,
        "request_id": id.as_str(),
    });
    if let Some(body) = body.as_object_mut().filter(|_| !field.is_empty()) {
        body.insert("field".into(), field.into());
        body.insert("detail".into(), format!("{field} {detail}").into());
    }
    let mut response = answer(status, PROBLEM, body.to_string());
    add_retry(&mut response, reason);
    response.headers_mut().insert(X_REQUEST_ID, id.value());
    response
}
