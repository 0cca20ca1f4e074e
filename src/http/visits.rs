//! The calls that count visits and report them.

use std::sync::Arc;

use hyper::body::Incoming;
use hyper::header::{HeaderMap, HeaderName, HeaderValue};
use hyper::{Method, Request, StatusCode};

use super::answer::{Answer, JSON, X_DURABILITY, X_REQUEST_ID, add_retry, answer, status};
use super::cors::Origins;
use super::gate::{Gate, Passage};
use super::idempotency::idempotency_key;
use super::report::Report;
use super::request_body::BodyLimits;
use super::request_id::RequestId;
use super::routes::Endpoint;
use crate::admit::Client;
use crate::dialects::visits;
use crate::enrich::Countries;
use crate::event::Country;
use crate::outcome::Reason;
use crate::pipeline::{Intake, Receipt, Shared};

/// Longest answer to a visit, `{"gb":18446744073709551615}`.
const ANSWER_BYTES: usize = 32;

/// Serves the visits calls of one worker.
pub struct Visits {
    /// The limit.
    pub gate: Gate,
    /// Who may read.
    pub origins: Origins,
    /// The way into the log.
    pub intake: Intake,
    /// The totals, rendered.
    pub report: Report,
    /// What a body may cost.
    pub body_limits: BodyLimits,
    /// Countries of addresses.
    pub countries: Arc<Countries>,
    /// The pipeline.
    pub shared: Arc<Shared>,
}

impl Visits {
    /// Answers a call whose endpoint takes its method.
    pub async fn answer(&self, request: Request<Incoming>, client: Client, endpoint: Endpoint) -> Answer {
        let (head, body) = request.into_parts();
        let counts = head.method == Method::POST;
        if counts {
            self.shared.metrics.visits.received.inc();
        }
        let passage = self.gate.pass(client);
        let result = if passage.is_some_and(|verdict| !verdict.is_admitted()) {
            Err(Reason::RateLimited)
        } else if counts {
            let country = match endpoint {
                Endpoint::Stats => visits::country(head.uri.query()),
                _ => Ok(self.country_of(&head.headers, client)),
            };
            self.count(country, &head.headers, body).await
        } else {
            self.read(&head.headers)
        };
        self.finish(result, counts, (&head.headers, client, passage))
    }

    /// Counts a visit; a refusal that comes from here is noted here, one of the pipeline's there.
    async fn count(
        &self,
        country: Result<Country, Reason>,
        asked: &HeaderMap,
        body: Incoming,
    ) -> Result<Answer, Reason> {
        let (country, key) = self.noted(country.and_then(|country| Ok((country, idempotency_key(asked)?))))?;
        self.noted(self.body_limits.discard(body).await)?;
        let receipt = match key {
            None => self.intake.visit(country).await?,
            Some(key) => self.intake.visit_once(country, &key).await?,
        };
        Ok(counted(receipt))
    }

    fn noted<T>(&self, result: Result<T, Reason>) -> Result<T, Reason> {
        result.inspect_err(|&reason| self.shared.metrics.visits.count_refused(reason, 1))
    }

    fn read(&self, asked: &HeaderMap) -> Result<Answer, Reason> {
        if self.shared.totals.is_known() {
            Ok(self.report.answer(asked))
        } else {
            Err(Reason::TotalsUnknown)
        }
    }

    fn country_of(&self, asked: &HeaderMap, client: Client) -> Country {
        let claim = self.countries.header().and_then(|name| sole(asked, name));
        self.countries
            .country_of(client.address, client.via_proxy, claim)
            .unwrap_or(Country::UNKNOWN)
    }

    /// Adds what every answer of these calls carries.
    fn finish(
        &self,
        result: Result<Answer, Reason>,
        counts: bool,
        (asked, client, passage): (&HeaderMap, Client, Passage),
    ) -> Answer {
        let mut response = result.unwrap_or_else(|reason| {
            if counts && reason == Reason::RateLimited {
                self.shared.metrics.visits.count_refused(reason, 1);
            }
            refused(reason, &RequestId::of(asked, client.via_proxy))
        });
        self.origins.add(asked, response.headers_mut());
        self.gate.tell(passage, response.headers_mut());
        response
    }
}

/// The answer to a visit: `201` while the total is current, `202` while it may lack others' visits.
fn counted(receipt: Receipt) -> Answer {
    let status = if receipt.current {
        StatusCode::CREATED
    } else {
        StatusCode::ACCEPTED
    };
    let mut body = Vec::with_capacity(ANSWER_BYTES);
    visits::total(receipt.country, receipt.total, &mut body);
    let mut response = answer(status, JSON, body);
    response
        .headers_mut()
        .insert(X_DURABILITY, HeaderValue::from_static(receipt.kept.name()));
    response
}

fn refused(reason: Reason, id: &RequestId) -> Answer {
    tracing::debug!(request_id = id.as_str(), code = reason.code(), "refused");
    let mut response = answer(status(reason), JSON, visits::error(reason));
    add_retry(&mut response, reason);
    response.headers_mut().insert(X_REQUEST_ID, id.value());
    response
}

/// The value of a header that is there exactly once.
fn sole<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a [u8]> {
    let name = HeaderName::from_bytes(name.as_bytes()).ok()?;
    let mut values = headers.get_all(name).into_iter();
    match (values.next(), values.next()) {
        (Some(value), None) => Some(value.as_bytes()),
        _ => None,
    }
}
