//! How the calls of the apps dialect sound.

use hyper::StatusCode;
use hyper::header::{
    ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_EXPOSE_HEADERS, ALLOW, HeaderMap, HeaderValue, WWW_AUTHENTICATE,
};

use super::answer::{Answer, JSON, X_DURABILITY, X_REQUEST_ID, add_retry, answer, document};
use super::cors::Origins;
use super::events_voice::Verdict;
use super::gate::Gate;
use super::request_id::RequestId;
use super::routes::Endpoint;
use super::voice::Call;
use crate::dialects::apps::Wrong;
use crate::outcome::Reason;

/// Dresses answers.
pub struct AppsVoice {
    /// The limit of those who show no good key.
    pub gate: Gate,
    /// The limit of registering, and of revoking and replacing keys.
    pub accounts: Gate,
    /// Who may read.
    pub origins: Origins,
}

/// Which limit a call is under.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Under {
    /// That of all who show no good key.
    Gate,
    /// That of registering.
    Accounts,
}

impl AppsVoice {
    /// An answer with what was asked for, or why there is none.
    pub fn answer(&self, made: Result<(StatusCode, Vec<u8>), Wrong>, under: Under, call: &Call) -> Answer {
        let response = match made {
            Ok((status, text)) => document(status, JSON, text),
            Err(wrong) => refused(&wrong, call),
        };
        self.dress(response, under, call)
    }

    /// What became of collected events.
    pub fn collected(&self, taken: Result<Verdict, Reason>, call: &Call) -> Answer {
        let response = match taken {
            Ok(verdict) => {
                let kept = verdict.kept();
                let receipt = verdict.into_receipt();
                let status = if kept.is_none() && receipt.is_refusal() {
                    StatusCode::BAD_REQUEST
                } else {
                    StatusCode::ACCEPTED
                };
                let mut response = answer(status, JSON, receipt.body());
                if let Some(kept) = kept {
                    let headers = response.headers_mut();
                    headers.insert(X_DURABILITY, HeaderValue::from_static(kept.name()));
                }
                response
            }
            Err(reason) => refused(&reason.into(), call),
        };
        self.dress(response, Under::Gate, call)
    }

    /// The answer to a preflight.
    pub fn preflight(&self, endpoint: Endpoint, asked: &HeaderMap) -> Answer {
        const HEADERS: HeaderValue = HeaderValue::from_static("Content-Type, X-API-Key");
        let mut response = self.origins.preflight(asked);
        let headers = response.headers_mut();
        headers.insert(ACCESS_CONTROL_ALLOW_HEADERS, HEADERS);
        headers.insert(ALLOW, endpoint.allow_value());
        response
    }

    fn dress(&self, mut response: Answer, under: Under, call: &Call) -> Answer {
        const EXPOSED: HeaderValue = HeaderValue::from_static("Retry-After, X-Durability, X-Request-Id");
        let headers = response.headers_mut();
        self.origins.add(&call.headers, headers);
        headers.insert(ACCESS_CONTROL_EXPOSE_HEADERS, EXPOSED);
        let gate = match under {
            Under::Gate => &self.gate,
            Under::Accounts => &self.accounts,
        };
        if call.passage.is_some() {
            gate.add_policy(headers);
        }
        gate.tell(call.passage, headers);
        response
    }
}

fn refused(wrong: &Wrong, call: &Call) -> Answer {
    let id = RequestId::of(&call.headers, call.client.via_proxy);
    tracing::debug!(request_id = id.as_str(), code = wrong.reason.code(), "refused");
    let status = StatusCode::from_u16(wrong.status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let mut response = answer(status, JSON, wrong.body());
    add_retry(&mut response, wrong.reason);
    let headers = response.headers_mut();
    headers.insert(X_REQUEST_ID, id.value());
    if status == StatusCode::UNAUTHORIZED {
        headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static("X-API-Key"));
    }
    response
}
