//! How answers to questions sound.

use hyper::StatusCode;
use hyper::header::{
    ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS, ACCESS_CONTROL_EXPOSE_HEADERS, ACCESS_CONTROL_MAX_AGE,
    ALLOW, HeaderMap, HeaderValue, WWW_AUTHENTICATE,
};

use super::answer::{Answer, JSON, X_DURABILITY, document, empty};
use super::cors::Origins;
use super::erasures::Wish;
use super::gate::Gate;
use super::problem::problem_about;
use super::request_id::RequestId;
use super::routes::Endpoint;
use super::voice::Call;
use crate::config::Durability;
use crate::outcome::Reason;
use crate::query::QueryError;

/// Dresses answers to questions. Pages of allowed origins may ask and read.
pub struct QuestionsVoice {
    /// The limit of those who show no good key.
    pub gate: Gate,
    /// Who may read.
    pub origins: Origins,
}

/// Why a question was not answered.
#[derive(Debug)]
pub struct Trouble {
    /// Why.
    pub reason: Reason,
    /// The field that is wrong, and what is wrong with it.
    about: Option<(Box<str>, Box<str>)>,
}

/// An answer, before it is dressed.
#[derive(Debug)]
pub struct Made {
    status: StatusCode,
    text: Vec<u8>,
    /// Whether it was there already.
    pub cached: bool,
    kept: Option<Durability>,
}

impl Made {
    /// The answer to a question.
    pub const fn answer(text: Vec<u8>, cached: bool) -> Self {
        Self {
            status: StatusCode::OK,
            text,
            cached,
            kept: None,
        }
    }

    /// The answer to a batch of an import: kept so far, or all of it was taken before.
    pub const fn taken(text: Vec<u8>, kept: Option<Durability>) -> Self {
        let status = if kept.is_some() {
            StatusCode::ACCEPTED
        } else {
            StatusCode::OK
        };
        Self {
            status,
            text,
            cached: false,
            kept,
        }
    }

    /// The answer to a deletion that is kept, and will be carried out soon.
    pub fn erasing(wish: &Wish, kept: Durability) -> Self {
        Self {
            status: StatusCode::ACCEPTED,
            text: format!(r#"{{"erasing":"{}"}}"#, wish.name()).into_bytes(),
            cached: false,
            kept: Some(kept),
        }
    }
}

impl Trouble {
    /// A field, and what is wrong with it.
    pub fn about(reason: Reason, field: &str, detail: &str) -> Self {
        Self {
            reason,
            about: Some((field.into(), detail.into())),
        }
    }
}

impl From<Reason> for Trouble {
    fn from(reason: Reason) -> Self {
        Self { reason, about: None }
    }
}

impl From<QueryError> for Trouble {
    fn from(error: QueryError) -> Self {
        let reason = error.reason();
        if reason == Reason::StoreUnavailable {
            tracing::error!(%error, "the event store cannot be read");
        }
        let about = match error {
            QueryError::Invalid { field, reason } => Some((field, reason)),
            QueryError::Missing(field) => Some((field.into(), "is missing".into())),
            QueryError::NotRead(why) => Some(("".into(), why)),
            QueryError::Store(_) | QueryError::Overloaded => None,
        };
        Self { reason, about }
    }
}

impl QuestionsVoice {
    /// The answer to a question.
    pub fn answer(&self, made: Result<Made, Trouble>, call: &Call) -> Answer {
        const EXPOSED: HeaderValue = HeaderValue::from_static("Retry-After, X-Durability, X-Request-Id");
        let mut response = match made {
            Ok(made) => {
                let mut response = document(made.status, JSON, made.text);
                if let Some(kept) = made.kept {
                    let headers = response.headers_mut();
                    headers.insert(X_DURABILITY, HeaderValue::from_static(kept.name()));
                }
                response
            }
            Err(trouble) => refused(&trouble, call),
        };
        let headers = response.headers_mut();
        self.origins.add(&call.headers, headers);
        headers.insert(ACCESS_CONTROL_EXPOSE_HEADERS, EXPOSED);
        if call.passage.is_some() {
            self.gate.add_policy(headers);
        }
        self.gate.tell(call.passage, headers);
        response
    }

    /// The answer to a preflight.
    pub fn preflight(&self, endpoint: Endpoint, asked: &HeaderMap) -> Answer {
        const HEADERS: HeaderValue = HeaderValue::from_static("Authorization, Content-Type, X-API-Key, X-Request-Id");
        let mut response = empty(StatusCode::NO_CONTENT);
        let headers = response.headers_mut();
        self.origins.add(asked, headers);
        headers.insert(ALLOW, endpoint.allow_value());
        headers.insert(ACCESS_CONTROL_ALLOW_METHODS, endpoint.allow_value());
        headers.insert(ACCESS_CONTROL_ALLOW_HEADERS, HEADERS);
        headers.insert(ACCESS_CONTROL_MAX_AGE, HeaderValue::from_static("86400"));
        response
    }
}

fn refused(trouble: &Trouble, call: &Call) -> Answer {
    let id = RequestId::of(&call.headers, call.client.via_proxy);
    let reason = trouble.reason;
    tracing::debug!(request_id = id.as_str(), code = reason.code(), "refused");
    let about = trouble.about.as_ref().map(|(field, detail)| (&**field, &**detail));
    let mut response = problem_about(reason, &id, about);
    if response.status() == StatusCode::UNAUTHORIZED {
        let headers = response.headers_mut();
        headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
    }
    response
}
