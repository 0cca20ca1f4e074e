//! The points dialect's calls: `/v1/users/events`.

use std::rc::Rc;
use std::sync::Arc;

use hyper::body::{Body as _, Incoming};
use hyper::header::{CONTENT_TYPE, HeaderMap, HeaderValue};
use hyper::{Method, Request, StatusCode};

use super::answer::{Answer, JSON, X_DURABILITY, X_REQUEST_ID, add_retry, answer, document};
use super::answering::Answering;
use super::cors::Origins;
use super::events::user_agent;
use super::gate::Gate;
use super::place::place_of;
use super::request_body::{BodyBudget, BodyLimits};
use super::request_id::RequestId;
use super::voice::Call;
use super::write_key::page_host;
use crate::admit::Client;
use crate::config::Durability;
use crate::decode::Sent;
use crate::dialects::points::{self, Earned, Fault};
use crate::event::SiteId;
use crate::outcome::Reason;
use crate::pipeline::{EventBatch, Intake, Naming, Origin, Reception, Sender, Word};
use crate::points::RatesWatch;

pub use crate::dialects::points::VERSION;

/// Serves the points dialect of one worker.
pub struct UserPoints {
    /// From what is said to what is kept.
    pub reception: Arc<Reception>,
    /// The way into the log.
    pub intake: Intake,
    /// The limit of those who have no key.
    pub gate: Gate,
    /// Who may read.
    pub origins: Origins,
    /// What a body may cost.
    pub body_limits: BodyLimits,
    /// Shared by all workers.
    pub budget: Arc<BodyBudget>,
    /// What events are worth.
    pub rates: Arc<RatesWatch>,
}

/// What became of an event.
struct Recorded {
    /// Its id, if it is the first of its user and time.
    id: Option<[u8; 16]>,
    kept: Durability,
}

impl UserPoints {
    /// Whether calls at a path hear this dialect, also where there is none.
    pub fn speaks_at(path: &str) -> bool {
        path == "/v1" || path.starts_with("/v1/")
    }

    /// The answer to a call that there is not.
    pub fn no_such_call(reason: Reason, request: &Request<Incoming>, id: &RequestId) -> Answer {
        let target = request.uri().path_and_query().map_or("/", |target| target.as_str());
        let body = points::no_such_call(request.method().as_str(), target, reason);
        let status = super::answer::status(reason);
        let mut response = document(status, JSON, body);
        response.headers_mut().insert(X_REQUEST_ID, id.value());
        response
    }

    /// Answers a call to record an event or to tell points.
    pub fn answer(self: &Rc<Self>, request: Request<Incoming>, client: Client) -> Answering {
        if !self.reception.shared.config.points.open {
            let id = RequestId::of(request.headers(), client.via_proxy);
            let mut response = Self::no_such_call(Reason::NotFound, &request, &id);
            self.origins.add(request.headers(), response.headers_mut());
            return response.into();
        }
        let (head, mut body) = request.into_parts();
        let call = Call {
            headers: head.headers,
            client,
            passage: self.gate.pass(client),
        };
        let calls = self.clone();
        if head.method == Method::POST {
            return Answering::Slow(Box::pin(async move {
                let recorded = calls.record(&mut body, &call).await;
                calls.tell_recorded(recorded, &call)
            }));
        }
        Answering::Slow(Box::pin(async move {
            let told = calls.find(head.uri.query(), &call).await;
            let response = match told {
                Ok(body) => document(StatusCode::OK, JSON, body),
                Err(fault) => refused(points::Call::Query, &fault, &call),
            };
            calls.dress(response, &call)
        }))
    }

    /// Keeps an event, and waits until it is known to be the first of its user and time.
    async fn record(&self, body: &mut Incoming, call: &Call) -> Result<Recorded, Fault> {
        let shared = &self.reception.shared;
        let figures = &shared.metrics.events;
        figures.received.inc();
        let read = self.read(body, call).await;
        let received = read.and_then(|earned| self.receive(&earned, call));
        let (batch, id) = received.inspect_err(|(reason, _)| figures.count_refused(*reason, 1))?;
        let kept = self.intake.events(batch).await;
        let receipt = kept.map_err(|reason| (reason, String::new()))?;
        let is_first = receipt.words.as_deref() == Some(&[Word::Counted]);
        Ok(Recorded {
            id: is_first.then_some(id),
            kept: receipt.kept,
        })
    }

    async fn read(&self, body: &mut Incoming, call: &Call) -> Result<Earned, Fault> {
        let plain = |reason| (reason, String::new());
        call.admitted().map_err(plain)?;
        let content_type = call.headers.get(CONTENT_TYPE).map(HeaderValue::as_bytes);
        points::media_type(content_type, body.is_end_stream())?;
        let body = self.body_limits.collect(body, &self.budget).await.map_err(plain)?;
        points::event(&body, content_type.is_some(), &self.rates.rates())
    }

    /// Makes it an event of the default site, like any other.
    fn receive(&self, earned: &Earned, call: &Call) -> Result<(EventBatch, [u8; 16]), Fault> {
        let config = &self.reception.shared.config.events;
        let now_ms = self.reception.shared.log.clock().unix_ms();
        let span = (now_ms.saturating_sub(config.late_ms_max), now_ms + config.early_ms_max);
        let properties = format!(r#"{{"timestamp":{}}}"#, earned.timestamp);
        let mut received = self.reception.receive(self.sender(call), properties.len());
        received.take(Ok(Sent {
            name: &earned.kind,
            user: &earned.user,
            time_ms: points::time_ms(earned.timestamp, span),
            properties: properties.as_bytes(),
            points: Some(earned.timestamp),
            ..Sent::default()
        }));
        match received.judged.rejected.first() {
            Some(rejected) => Err((rejected.reason, rejected.rule.to_owned())),
            None => Ok((received.batch, received.own_id)),
        }
    }

    fn sender<'c>(&self, call: &'c Call) -> Sender<'c> {
        Sender {
            origin: Origin::Page(Some(SiteId::DEFAULT)),
            address: Some(call.client.address),
            place: place_of(&self.reception.countries, &call.headers, call.client),
            user_agent: user_agent(&call.headers),
            // Points are somebody's, or they are nothing.
            is_nobody: false,
            host: page_host(&call.headers).unwrap_or_default(),
            named: Naming::None,
        }
    }

    async fn find(&self, query: Option<&str>, call: &Call) -> Result<Vec<u8>, Fault> {
        let plain = |reason| (reason, String::new());
        call.admitted().map_err(plain)?;
        let question = points::question(query)?;
        let desk = self.reception.shared.points.clone();
        let desk = desk.ok_or_else(|| plain(Reason::TotalsUnknown))?;
        let found = desk.standings(question, self.rates.rates()).await.map_err(plain)?;
        Ok(points::standings(&found))
    }

    fn tell_recorded(&self, recorded: Result<Recorded, Fault>, call: &Call) -> Answer {
        let response = match recorded {
            Ok(Recorded { id, kept }) => {
                let mut response = match id {
                    Some(id) => answer(StatusCode::CREATED, JSON, points::recorded(id)),
                    None => answer(StatusCode::CONFLICT, JSON, points::EXISTS),
                };
                let kept = HeaderValue::from_static(kept.name());
                response.headers_mut().insert(X_DURABILITY, kept);
                response
            }
            Err(fault) => refused(points::Call::Record, &fault, call),
        };
        self.dress(response, call)
    }

    /// Adds what every answer of these calls carries.
    fn dress(&self, mut response: Answer, call: &Call) -> Answer {
        let headers: &mut HeaderMap = response.headers_mut();
        self.origins.add(&call.headers, headers);
        self.gate.add_policy(headers);
        self.gate.tell(call.passage, headers);
        response
    }
}

fn refused(what: points::Call, fault: &Fault, call: &Call) -> Answer {
    let id = RequestId::of(&call.headers, call.client.via_proxy);
    tracing::debug!(request_id = id.as_str(), code = fault.0.code(), "refused");
    let (status, body) = points::refusal(what, fault);
    let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let mut response = answer(status, JSON, body);
    add_retry(&mut response, fault.0);
    response.headers_mut().insert(X_REQUEST_ID, id.value());
    response
}
