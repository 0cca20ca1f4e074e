//! `POST /api/v1/events`: the native way to send events; the pixel sends the same way.

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;

use hyper::body::Incoming;
use hyper::header::{DNT, HeaderMap, HeaderName, USER_AGENT};
use hyper::http::request::Parts;
use hyper::{Method, Request as HttpRequest};

use super::answering::Answering;
use super::events_voice::{EventsVoice, Verdict, empty_pixel, preflight};
use super::gate::Passage;
use super::idempotency::idempotency_key;
use super::media;
use super::pixel;
use super::place::place_of;
use super::request_body::{BodyBudget, BodyLimits};
use super::routes::Endpoint;
use super::voice::Call;
use super::write_key::{page_host, shown_key};
use crate::admit::Client;
use crate::config::EventsConfig;
use crate::decode::{Decoder, ExpansionLimits, Form, NATIVE, Words, decompress};
use crate::event::SiteId;
use crate::outcome::Reason;
use crate::pipeline::{EventBatch, Intake, Judged, Naming, Origin, Reception, Sender};

const SEC_GPC: HeaderName = HeaderName::from_static("sec-gpc");

/// Takes the events of one worker.
pub struct Events {
    /// From what is said to what is kept.
    reception: Arc<Reception>,
    /// The way into the log.
    intake: Intake,
    /// How answers are dressed, and the limit of those who have no key.
    voice: EventsVoice,
    decoder: RefCell<Decoder>,
    body_limits: BodyLimits,
    /// Shared by all workers.
    budget: Arc<BodyBudget>,
    expansion: ExpansionLimits,
}

/// What was read of a request: the frames of its events, and what is thought of them.
type Reading = (EventBatch, Judged);

impl Events {
    /// Takes events with a worker's intake.
    pub fn new((reception, budget): (Arc<Reception>, Arc<BodyBudget>), intake: Intake, voice: EventsVoice) -> Self {
        let config = &reception.shared.config;
        Self {
            decoder: RefCell::new(Decoder::new(&config.events)),
            body_limits: BodyLimits::new(config.events.body_bytes_max, &config.edge),
            expansion: ExpansionLimits::new(&config.events),
            budget,
            reception,
            intake,
            voice,
        }
    }

    /// Answers a call whose endpoint takes its method.
    pub fn answer(self: &Rc<Self>, request: HttpRequest<Incoming>, client: Client, endpoint: Endpoint) -> Answering {
        let (head, mut body) = request.into_parts();
        if head.method == Method::OPTIONS {
            return preflight(endpoint).into();
        }
        let is_pixel = endpoint == Endpoint::Pixel;
        if is_pixel && head.method == Method::HEAD {
            return empty_pixel().into();
        }
        let (origin, passage) = self.admit(&head, client);
        let call = Call {
            headers: head.headers,
            client,
            passage,
        };
        let events = self.clone();
        let query = is_pixel.then(|| head.uri.query().unwrap_or_default().to_owned());
        Answering::Slow(Box::pin(async move {
            match query {
                Some(query) => {
                    let taken = events.take_pixel(origin, &query, &call).await;
                    events.voice.pixel(&taken, &call)
                }
                None => events
                    .voice
                    .answer(events.take(NATIVE, origin, (&mut body, &call)).await, &call),
            }
        }))
    }

    /// Door 1: for which site this is, before any byte of the body is read. Who shows a key is known by it; all others
    /// are limited by their address.
    fn admit(&self, head: &Parts, client: Client) -> (Result<Origin, Reason>, Passage) {
        let directory = &self.reception.directory;
        if let Some(key) = shown_key(&head.headers, head.uri.query()) {
            let now_ms = self.reception.shared.log.clock().unix_ms();
            let good = directory.key(&key, now_ms).filter(|key| key.rights.may_write());
            return (good.map(|key| Origin::Key(key.site)).ok_or(Reason::KeyInvalid), None);
        }
        let passage = self.voice.gate.pass(client);
        if passage.is_some_and(|verdict| !verdict.is_admitted()) {
            return (Err(Reason::RateLimited), passage);
        }
        let named = page_host(&head.headers).and_then(|host| directory.site_of_domain(host));
        let site = named.or(self.config().open.then_some(SiteId::DEFAULT));
        (Ok(Origin::Page(site)), passage)
    }

    /// Takes the events of a body, in the words of some format.
    pub async fn take(
        &self,
        words: Words,
        origin: Result<Origin, Reason>,
        (body, call): (&mut Incoming, &Call),
    ) -> Result<Verdict, Reason> {
        let read = self.read(words, origin, (body, call)).await;
        self.keep(read.map_err(|reason| self.refuse(reason))?).await
    }

    /// Takes the event of a pixel, which is read like one that was posted.
    async fn take_pixel(&self, origin: Result<Origin, Reason>, query: &str, call: &Call) -> Result<Verdict, Reason> {
        let event = |origin| {
            self.receive(
                self.sender(origin, call),
                (NATIVE, Form::Json),
                pixel::event(query, &call.headers),
            )
        };
        self.keep(origin.and_then(event).map_err(|reason| self.refuse(reason))?)
            .await
    }

    /// Reads a body and the events in it.
    async fn read(
        &self,
        words: Words,
        origin: Result<Origin, Reason>,
        (body, call): (&mut Incoming, &Call),
    ) -> Result<Reading, Reason> {
        let origin = origin?;
        let (form, encoding) = (media::form(&call.headers)?, media::encoding(&call.headers)?);
        let key = idempotency_key(&call.headers)?;
        let sent = self.body_limits.collect(body, &self.budget).await?;
        let body = decompress(encoding, sent, self.expansion)?;
        let sender = Sender {
            named: key.as_deref().map_or(Naming::None, |key| {
                Naming::Request(self.reception.request(origin, key, &body))
            }),
            ..self.sender(origin, call)
        };
        self.receive(sender, (words, form), body)
    }

    /// Receives the events of a body, which nobody needs while they are on their way to the disk.
    fn receive(&self, sender: Sender<'_>, (words, form): (Words, Form), mut body: Vec<u8>) -> Result<Reading, Reason> {
        let mut received = self.reception.receive(sender, body.len());
        let mut decoder = self.decoder.borrow_mut();
        decoder.decode_in(words, &mut body, form, &mut |event| received.take(event))?;
        Ok((received.batch, received.judged))
    }

    /// Keeps what was received, which is handed over before this returns.
    fn keep(&self, (batch, judged): Reading) -> impl Future<Output = Result<Verdict, Reason>> + '_ {
        self.note(&judged);
        let kept = (!batch.is_empty()).then(|| self.intake.events(batch));
        async move {
            let receipt = match kept {
                Some(kept) => Some(kept.await?),
                None => None,
            };
            Ok(Verdict::new(judged, receipt))
        }
    }

    /// What a request says of whoever sends it.
    fn sender<'c>(&self, origin: Origin, call: &'c Call) -> Sender<'c> {
        Sender {
            origin,
            address: Some(call.client.address),
            place: place_of(&self.reception.countries, &call.headers, call.client),
            user_agent: user_agent(&call.headers),
            is_nobody: wants_no_name(&call.headers, self.config()),
            host: page_host(&call.headers).unwrap_or_default(),
            named: Naming::None,
        }
    }

    /// Counts a request whose events nobody has read as one.
    fn refuse(&self, reason: Reason) -> Reason {
        let figures = &self.reception.shared.metrics.events;
        figures.received.inc();
        figures.count_refused(reason, 1);
        reason
    }

    /// Counts what has been read; what becomes of those that can be kept is noted by the pipeline.
    fn note(&self, judged: &Judged) {
        let figures = &self.reception.shared.metrics.events;
        figures.received.inc_by(judged.count() as u64);
        for rejected in &judged.rejected {
            figures.count_refused(rejected.reason, 1);
        }
    }

    fn config(&self) -> &EventsConfig {
        &self.reception.shared.config.events
    }
}

/// The `User-Agent` of a request; empty if it has none.
pub(super) fn user_agent(headers: &HeaderMap) -> &str {
    let sent = headers
        .get(USER_AGENT)
        .and_then(|value| std::str::from_utf8(value.as_bytes()).ok());
    sent.unwrap_or_default()
}

/// Whether a request asks that nobody is told by its events, in a way that the operator honours.
pub(super) fn wants_no_name(headers: &HeaderMap, config: &EventsConfig) -> bool {
    let says = |name: HeaderName| headers.get(name).is_some_and(|value| value.as_bytes() == b"1");
    (config.honour_dnt && says(DNT)) || (config.honour_gpc && says(SEC_GPC))
}
