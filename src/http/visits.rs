//! The calls that count visits and report them.

use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use hyper::body::{Body as _, Incoming};
use hyper::{Method, Request};

use super::answer::Answer;
use super::answering::Answering;
use super::idempotency::idempotency_key;
use super::place::country_of;
use super::report::Report;
use super::request_body::BodyLimits;
use super::routes::Endpoint;
use super::voice::{Call, Voice};
use crate::admit::Client;
use crate::dialects::visits;
use crate::enrich::Countries;
use crate::event::Country;
use crate::outcome::Reason;
use crate::pipeline::{Intake, Place, Shared};

/// Serves the visits calls of one worker.
pub struct Visits {
    /// How answers are dressed.
    pub voice: Voice,
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
    /// Answers a call whose endpoint takes its method. What needs no waiting is done before this returns.
    pub fn answer(self: &Rc<Self>, request: Request<Incoming>, client: Client, endpoint: Endpoint) -> Answering {
        let (head, body) = request.into_parts();
        let call = Call {
            headers: head.headers,
            client,
            passage: self.voice.gate.pass(client),
        };
        if head.method != Method::POST {
            return Answering::Ready(Some(self.read(&call)));
        }
        let country = match visits::country(head.uri.query()) {
            Err(Reason::CountryMissing) if endpoint == Endpoint::Visits => {
                Ok(country_of(&self.countries, &call.headers, client))
            }
            named => named,
        };
        self.count(country, call, body)
    }

    /// Counts a visit. A refusal that comes from here is noted here, one of the pipeline's there.
    fn count(self: &Rc<Self>, country: Result<Country, Reason>, call: Call, body: Incoming) -> Answering {
        self.shared.metrics.visits.received.inc();
        let wanted = call.admitted().and(country);
        let wanted = wanted.and_then(|country| Ok((country, idempotency_key(&call.headers)?)));
        let (country, key) = match wanted {
            Ok((country, key)) => (country, key.map(|key| Box::from(key.as_ref()))),
            Err(reason) => return Answering::Ready(Some(self.refuse(reason, &call))),
        };
        if key.is_none() && body.is_end_stream() {
            return Answering::Visit(Visit {
                visits: self.clone(),
                place: self.intake.visit(country),
                call,
            });
        }
        Answering::Slow(Box::pin(self.clone().count_slowly(country, key, (call, body))))
    }

    /// Counts a visit that has a body or an idempotency key.
    async fn count_slowly(
        self: Rc<Self>,
        country: Country,
        key: Option<Box<[u8]>>,
        (call, mut body): (Call, Incoming),
    ) -> Answer {
        if let Err(reason) = self.body_limits.discard(&mut body).await {
            return self.refuse(reason, &call);
        }
        let receipt = match key {
            None => self.intake.visit(country).await,
            Some(key) => self.intake.visit_once(country, &key).await,
        };
        self.voice.counted(receipt, &call)
    }

    fn refuse(&self, reason: Reason, call: &Call) -> Answer {
        self.shared.metrics.visits.count_refused(reason, 1);
        self.voice.refused(reason, call)
    }

    fn read(&self, call: &Call) -> Answer {
        let known = call.admitted().and_then(|()| {
            if self.shared.totals.is_known() {
                Ok(())
            } else {
                Err(Reason::TotalsUnknown)
            }
        });
        match known {
            Ok(()) => self.report.answer(&self.voice, call),
            Err(reason) => self.voice.refused(reason, call),
        }
    }
}

/// A visit that waits for the log.
pub struct Visit {
    visits: Rc<Visits>,
    place: Place,
    call: Call,
}

impl Future for Visit {
    type Output = Answer;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Answer> {
        let receipt = ready!(Pin::new(&mut self.place).poll(context));
        Poll::Ready(self.visits.voice.counted(receipt, &self.call))
    }
}
