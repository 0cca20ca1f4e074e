//! How the visits calls sound: the headers that every answer of theirs carries, made ready once a worker.

use bytes::Bytes;
use hyper::header::{CONTENT_TYPE, HeaderMap, HeaderValue, X_CONTENT_TYPE_OPTIONS};
use hyper::{Response, StatusCode};

use super::answer::{Answer, JSON, NOSNIFF, X_DURABILITY, X_REQUEST_ID, add_retry, status};
use super::cors::Origins;
use super::gate::{Gate, Passage};
use super::request_id::RequestId;
use crate::admit::Client;
use crate::config::Durability;
use crate::dialects::visits;
use crate::outcome::Reason;
use crate::pipeline::Receipt;

/// Room for the longest answer to a visit, `{"gb":18446744073709551615}`.
const ANSWER_BYTES: usize = 32;

/// A call, as far as its answer depends on it.
pub struct Call {
    /// What it asks with.
    pub headers: HeaderMap,
    /// Who calls.
    pub client: Client,
    /// What the limit says.
    pub passage: Passage,
}

impl Call {
    /// Whether the limit lets it pass.
    ///
    /// # Errors
    /// [`Reason::RateLimited`] when it does not.
    pub fn admitted(&self) -> Result<(), Reason> {
        match self.passage {
            Some(verdict) if !verdict.is_admitted() => Err(Reason::RateLimited),
            _ => Ok(()),
        }
    }
}

/// Dresses answers.
pub struct Voice {
    /// The limit.
    pub gate: Gate,
    /// Who may read.
    pub origins: Origins,
    /// Headers of every JSON answer that are the same each time.
    json: HeaderMap,
    /// The same of an answer to a visit that was kept as far as the configuration asks.
    kept: (Durability, HeaderMap),
}

impl Voice {
    /// Makes the headers ready; visits are usually `kept` so far.
    pub fn new(gate: Gate, origins: Origins, kept: Durability) -> Self {
        let mut json = HeaderMap::new();
        json.insert(CONTENT_TYPE, JSON);
        json.insert(X_CONTENT_TYPE_OPTIONS, NOSNIFF);
        origins.add_if_any(&mut json);
        gate.add_policy(&mut json);
        let kept = (kept, with_durability(json.clone(), kept));
        Self {
            gate,
            origins,
            json,
            kept,
        }
    }

    /// A JSON answer to a call.
    pub fn json(&self, status: StatusCode, body: impl Into<Bytes>, call: &Call) -> Answer {
        self.dress(status, body.into(), self.json.clone(), call)
    }

    /// An answer without a body.
    pub fn bare(&self, status: StatusCode, call: &Call) -> Answer {
        let mut headers = HeaderMap::new();
        self.origins.add_if_any(&mut headers);
        self.gate.add_policy(&mut headers);
        self.dress(status, Bytes::new(), headers, call)
    }

    /// The answer to a visit: `201` while the total is current, `202` while it may lack others' visits.
    pub fn counted(&self, receipt: Result<Receipt, Reason>, call: &Call) -> Answer {
        let receipt = match receipt {
            Ok(receipt) => receipt,
            Err(reason) => return self.refused(reason, call),
        };
        let status = if receipt.current {
            StatusCode::CREATED
        } else {
            StatusCode::ACCEPTED
        };
        let mut body = Vec::with_capacity(ANSWER_BYTES);
        visits::total(receipt.country, receipt.total, &mut body);
        let headers = match &self.kept {
            (usual, headers) if *usual == receipt.kept => headers.clone(),
            _ => with_durability(self.json.clone(), receipt.kept),
        };
        self.dress(status, Bytes::copy_from_slice(&body), headers, call)
    }

    /// The answer to a call that is refused.
    pub fn refused(&self, reason: Reason, call: &Call) -> Answer {
        let id = RequestId::of(&call.headers, call.client.via_proxy);
        tracing::debug!(request_id = id.as_str(), code = reason.code(), "refused");
        let mut response = self.json(status(reason), visits::error(reason), call);
        add_retry(&mut response, reason);
        response.headers_mut().insert(X_REQUEST_ID, id.value());
        response
    }

    /// Adds what differs from call to call.
    fn dress(&self, status: StatusCode, body: Bytes, mut headers: HeaderMap, call: &Call) -> Answer {
        self.origins.add_if_listed(&call.headers, &mut headers);
        self.gate.tell(call.passage, &mut headers);
        let mut response = Response::new(body.into());
        *response.status_mut() = status;
        *response.headers_mut() = headers;
        response
    }
}

fn with_durability(mut headers: HeaderMap, kept: Durability) -> HeaderMap {
    headers.insert(X_DURABILITY, HeaderValue::from_static(kept.name()));
    headers
}
