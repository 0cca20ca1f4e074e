//! How answers to the calls of the sessions dialect sound. Pages of allowed origins may read them, also where the browser
//! sends along what it keeps for us.

use hyper::header::{ALLOW, HeaderMap, HeaderValue};

use super::answer::{Answer, JSON, X_DURABILITY, X_REQUEST_ID, add_retry, answer, document, status};
use super::cors::Origins;
use super::gate::Gate;
use super::request_id::RequestId;
use super::routes::Endpoint;
use super::voice::Call;
use crate::config::Durability;
use crate::dialects::sessions::Wrong;

/// Dresses answers.
pub struct SessionsVoice {
    /// The limit of what comes without a key.
    pub gate: Gate,
    /// Who may read.
    pub origins: Origins,
}

/// An answer before it is dressed.
#[derive(Debug)]
pub struct Made {
    text: Vec<u8>,
    /// Whether it was there already.
    pub cached: bool,
    kept: Option<Durability>,
}

impl Made {
    /// The answer to a view or a ping that is kept.
    pub const fn kept(text: Vec<u8>, kept: Durability) -> Self {
        Self {
            text,
            cached: false,
            kept: Some(kept),
        }
    }

    /// The answer to a question.
    pub const fn answer(text: Vec<u8>, cached: bool) -> Self {
        Self {
            text,
            cached,
            kept: None,
        }
    }
}

impl SessionsVoice {
    /// The answer to a call.
    pub fn answer(&self, made: Result<Made, Wrong>, call: &Call) -> Answer {
        let mut response = match made {
            Ok(Made {
                text, kept: Some(kept), ..
            }) => {
                let mut response = answer(hyper::StatusCode::CREATED, JSON, text);
                let headers = response.headers_mut();
                headers.insert(X_DURABILITY, HeaderValue::from_static(kept.name()));
                response
            }
            Ok(made) => document(hyper::StatusCode::OK, JSON, made.text),
            Err(wrong) => refused(&wrong, call),
        };
        let headers = response.headers_mut();
        self.origins.add_with_credentials(&call.headers, headers);
        if call.passage.is_some() {
            self.gate.add_policy(headers);
        }
        self.gate.tell(call.passage, headers);
        response
    }

    /// The answer to a preflight.
    pub fn preflight(&self, endpoint: Endpoint, asked: &HeaderMap) -> Answer {
        let mut response = self.origins.preflight_with_credentials(asked);
        response.headers_mut().insert(ALLOW, endpoint.allow_value());
        response
    }
}

fn refused(wrong: &Wrong, call: &Call) -> Answer {
    let (id, reason) = (RequestId::of(&call.headers, call.client.via_proxy), wrong.reason());
    tracing::debug!(request_id = id.as_str(), code = reason.code(), "refused");
    let status = match wrong {
        Wrong::Fields(_) => hyper::StatusCode::BAD_REQUEST,
        Wrong::Reason(reason) => status(*reason),
    };
    let phrase = status.canonical_reason().unwrap_or_default();
    let mut response = answer(status, JSON, wrong.body((status.as_u16(), phrase)));
    add_retry(&mut response, reason);
    response.headers_mut().insert(X_REQUEST_ID, id.value());
    response
}
