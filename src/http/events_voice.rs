//! How answers to events sound.

use bytes::Bytes;
use hyper::StatusCode;
use hyper::header::{
    ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS, ACCESS_CONTROL_ALLOW_ORIGIN,
    ACCESS_CONTROL_EXPOSE_HEADERS, ACCESS_CONTROL_MAX_AGE, ALLOW, CACHE_CONTROL, HeaderMap, HeaderName, HeaderValue,
    WWW_AUTHENTICATE,
};
use serde::Serialize;

use super::answer::{Answer, JSON, X_DURABILITY, add_retry, answer, empty, status};
use super::gate::Gate;
use super::problem::problem;
use super::request_id::RequestId;
use super::routes::Endpoint;
use super::voice::Call;
use crate::config::Durability;
use crate::dialects::apps;
use crate::outcome::Reason;
use crate::pipeline::{EventsReceipt, Judged, Named, Rejected, Word};

const GIF: HeaderValue = HeaderValue::from_static("image/gif");
const CROSS_ORIGIN_RESOURCE_POLICY: HeaderName = HeaderName::from_static("cross-origin-resource-policy");
/// A transparent picture of one pixel.
const PIXEL: &[u8; 43] = b"GIF89a\x01\x00\x01\x00\x80\x00\x00\x00\x00\x00\x00\x00\x00\x21\xf9\x04\x01\x00\x00\x00\x00\x2c\x00\x00\x00\x00\x01\x00\x01\x00\x00\x02\x02\x44\x01\x00\x3b";
const DUPLICATE: &str = "duplicate";
/// What most hear who send one event.
const ONE: &[u8] = br#"{"accepted":1,"duplicates":0,"rejected":0,"errors":[]}"#;

/// Dresses answers to events. Any page may send events, without credentials, and read what became of them.
pub struct EventsVoice {
    /// The limit of those who have no key.
    pub gate: Gate,
    /// The headers of the usual answer: to events that were kept as far as the configuration asks.
    usual: (Durability, HeaderMap),
}

/// What became of the events of a request.
pub struct Verdict {
    report: Report,
    status: StatusCode,
    kept: Option<Durability>,
}

#[derive(Serialize)]
struct Report {
    accepted: usize,
    duplicates: usize,
    rejected: usize,
    errors: Vec<Flawed>,
}

/// An event that was not accepted, and why.
#[derive(Serialize)]
struct Flawed {
    index: usize,
    #[serde(skip_serializing_if = "str::is_empty")]
    id: Box<str>,
    #[serde(skip_serializing_if = "str::is_empty")]
    field: &'static str,
    code: &'static str,
    message: &'static str,
}

impl Verdict {
    /// How far it is kept, if anything was.
    pub const fn kept(&self) -> Option<Durability> {
        self.kept
    }

    /// The same for the apps dialect, which knows no duplicates: what was kept before is not taken again.
    pub fn into_receipt(self) -> apps::Receipt {
        let error = |flawed: Flawed| apps::ItemError {
            index: flawed.index,
            field: Some(flawed.field).filter(|field| !field.is_empty() && flawed.code != DUPLICATE),
            message: flawed.message,
        };
        apps::Receipt {
            accepted: self.report.accepted,
            rejected: self.report.rejected + self.report.duplicates,
            errors: self.report.errors.into_iter().map(error).collect(),
        }
    }

    /// Puts together what reception and apply have said.
    pub fn new(judged: Judged, receipt: Option<EventsReceipt>) -> Self {
        let Judged {
            accepted,
            named,
            rejected,
        } = judged;
        let first = rejected.first().map(|first| status(first.reason));
        let mut report = Report {
            accepted,
            duplicates: 0,
            rejected: rejected.len(),
            errors: rejected.into_iter().map(Flawed::rejected).collect(),
        };
        let (words, kept) = match receipt {
            Some(EventsReceipt { words, kept }) => (words.unwrap_or_default(), Some(kept)),
            None => (Vec::new(), None),
        };
        let is_duplicate = |event: &Named| words.get(event.place) == Some(&Word::Duplicate);
        for event in named.into_iter().filter(is_duplicate) {
            report.accepted -= 1;
            report.duplicates += 1;
            report.errors.push(Flawed::duplicate(event));
        }
        report.errors.sort_by_key(|flawed| flawed.index);
        // Where nothing was, or had been, kept, the status must not look as if something were.
        let status = first.filter(|_| kept.is_none()).unwrap_or(StatusCode::ACCEPTED);
        Self { report, status, kept }
    }
}

impl Report {
    fn body(&self) -> Bytes {
        if self.accepted == 1 && self.duplicates == 0 && self.errors.is_empty() {
            return Bytes::from_static(ONE);
        }
        // Numbers and texts always serialise.
        serde_json::to_vec(self).unwrap_or_default().into()
    }
}

impl Flawed {
    fn rejected(event: Rejected) -> Self {
        let row = event.reason.row();
        Self {
            index: event.index,
            id: event.id,
            field: event.field,
            code: row.code,
            message: if event.rule.is_empty() { row.text } else { event.rule },
        }
    }

    fn duplicate(event: Named) -> Self {
        Self {
            index: event.index,
            id: event.id,
            field: "id",
            code: DUPLICATE,
            message: "an event with this id was kept before",
        }
    }
}

impl EventsVoice {
    /// Makes the usual answer's headers ready.
    pub fn new(gate: Gate, usual: Durability) -> Self {
        let mut response = reported(Bytes::new(), StatusCode::ACCEPTED, Some(usual));
        allow_any_to_read(response.headers_mut());
        let headers = std::mem::take(response.headers_mut());
        Self {
            gate,
            usual: (usual, headers),
        }
    }

    /// The answer to a body.
    pub fn answer(&self, taken: Result<Verdict, Reason>, call: &Call) -> Answer {
        let mut response = match taken {
            Ok(Verdict { report, status, kept }) if kept == Some(self.usual.0) => {
                let mut response = empty(status);
                *response.body_mut() = report.body().into();
                *response.headers_mut() = self.usual.1.clone();
                response
            }
            Ok(Verdict { report, status, kept }) => reported(report.body(), status, kept),
            Err(reason) => refused(reason, call),
        };
        self.dress(call, response.headers_mut());
        response
    }

    /// The answer to a pixel: always the picture, since a page shows what comes; the status tells.
    pub fn pixel(&self, taken: &Result<Verdict, Reason>, call: &Call) -> Answer {
        let status = match taken {
            Ok(verdict) if verdict.status.is_success() => StatusCode::OK,
            Ok(verdict) => verdict.status,
            Err(reason) => status(*reason),
        };
        let mut response = picture(status);
        if let Err(reason) = taken {
            add_retry(&mut response, *reason);
        }
        self.dress(call, response.headers_mut());
        response
    }

    fn dress(&self, call: &Call, headers: &mut HeaderMap) {
        // An insert into a full map grows it, even where it only replaces.
        if !headers.contains_key(ACCESS_CONTROL_EXPOSE_HEADERS) {
            allow_any_to_read(headers);
        }
        if call.passage.is_some() {
            self.gate.add_policy(headers);
        }
        self.gate.tell(call.passage, headers);
    }
}

/// The picture, for those who only look.
pub fn empty_pixel() -> Answer {
    picture(StatusCode::OK)
}

/// The answer to a preflight.
pub fn preflight(endpoint: Endpoint) -> Answer {
    const METHODS: HeaderValue = HeaderValue::from_static("GET, POST, DELETE");
    const HEADERS: HeaderValue = HeaderValue::from_static(
        "Authorization, Content-Encoding, Content-Type, Idempotency-Key, X-API-Key, X-Request-Id",
    );
    let mut response = empty(StatusCode::NO_CONTENT);
    let headers = response.headers_mut();
    headers.insert(ALLOW, endpoint.allow_value());
    headers.insert(ACCESS_CONTROL_ALLOW_METHODS, METHODS);
    headers.insert(ACCESS_CONTROL_ALLOW_HEADERS, HEADERS);
    headers.insert(ACCESS_CONTROL_MAX_AGE, HeaderValue::from_static("86400"));
    allow_any(headers);
    response
}

/// Lets any page read an answer and its headers.
fn allow_any_to_read(headers: &mut HeaderMap) {
    const EXPOSED: HeaderValue = HeaderValue::from_static("Retry-After, X-Durability, X-Request-Id");
    allow_any(headers);
    headers.insert(ACCESS_CONTROL_EXPOSE_HEADERS, EXPOSED);
}

/// Lets any page read an answer.
fn allow_any(headers: &mut HeaderMap) {
    headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*"));
}

fn reported(report: Bytes, status: StatusCode, kept: Option<Durability>) -> Answer {
    let mut response = answer(status, JSON, report);
    if let Some(kept) = kept {
        let headers = response.headers_mut();
        headers.insert(X_DURABILITY, HeaderValue::from_static(kept.name()));
    }
    response
}

fn refused(reason: Reason, call: &Call) -> Answer {
    let id = RequestId::of(&call.headers, call.client.via_proxy);
    tracing::debug!(request_id = id.as_str(), code = reason.code(), "refused");
    let mut response = problem(reason, &id);
    if response.status() == StatusCode::UNAUTHORIZED {
        let headers = response.headers_mut();
        headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
    }
    response
}

fn picture(status: StatusCode) -> Answer {
    let mut response = answer(status, GIF, Bytes::from_static(PIXEL));
    let headers = response.headers_mut();
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(CROSS_ORIGIN_RESOURCE_POLICY, HeaderValue::from_static("cross-origin"));
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_usual_report_is_what_a_written_one_would_be() {
        let report = Report {
            accepted: 1,
            duplicates: 0,
            rejected: 0,
            errors: Vec::new(),
        };
        assert_eq!(report.body(), serde_json::to_vec(&report).unwrap());
    }
}
