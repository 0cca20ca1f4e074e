//! The HTTP room: one route table; handlers parse, call one function, render.
//!
//! Must not know: sockets and deadlines (the edge's), how visits are kept (the pipeline's).
//!
//! Bounded: bodies (`http.body_bytes_max`, the edge's body deadlines); each worker keeps one rendered report.
//!
//! On failure: every refusal is a row of [`crate::outcome::REASONS`], rendered as the dialect of its path wants it;
//! native paths answer with problem documents (RFC 9457).

mod answer;
mod answering;
mod apps;
mod apps_voice;
mod asker;
mod cors;
mod erasures;
mod events;
mod events_voice;
mod gate;
mod health;
mod idempotency;
mod import_lines;
mod import_visits;
mod imports;
mod media;
pub mod openapi;
mod pages;
mod path_id;
mod pixel;
mod place;
mod points;
mod problem;
mod questions;
mod questions_voice;
mod report;
mod request_body;
mod request_id;
mod routes;
mod sessions;
mod sessions_voice;
mod visits;
mod voice;
mod write_key;

use std::rc::Rc;
use std::sync::Arc;

use hyper::body::Incoming;
use hyper::header::{ALLOW, HeaderValue};
use hyper::{Method, Request, StatusCode};

pub use answer::{Answer, Body};
pub use answering::Answering;
pub use health::Health;
pub use request_body::BodyBudget;
pub use routes::{ADMIN, AppsCall, Endpoint, PUBLIC, Routes, SessionsCall};

use self::answer::{JSON, TEXT, document};
use self::apps::Apps;
use self::apps_voice::AppsVoice;
use self::cors::Origins;
use self::events::Events;
use self::events_voice::EventsVoice;
use self::gate::Gate;
use self::imports::Imports;
use self::points::UserPoints;
use self::problem::problem;
use self::questions::Questions;
use self::questions_voice::QuestionsVoice;
use self::report::Report;
use self::request_body::BodyLimits;
use self::request_id::RequestId;
use self::sessions::Sessions;
use self::sessions_voice::SessionsVoice;
use self::visits::Visits;
use self::voice::Voice;
use crate::admit::{Client, Limiter};
use crate::clock::Machine;
use crate::decode::ExpansionLimits;
use crate::directory::Registrar;
use crate::enrich::{AgentNames, Countries};
use crate::metrics::Metrics;
use crate::outcome::Reason;
use crate::pipeline::{Intake, Reception, Shared};
use crate::points::RatesWatch;
use crate::query::Answers;

/// What the workers' handlers are made from.
#[derive(Clone)]
pub struct Service {
    /// The pipeline.
    pub shared: Arc<Shared>,
    /// The limit; `None`: off.
    pub limiter: Option<Arc<Limiter>>,
    /// Countries of addresses.
    pub countries: Arc<Countries>,
    /// The limit of events without a key; `None`: off.
    pub keyless: Option<Arc<Limiter>>,
    /// The limit of registering, and of revoking and replacing keys; `None`: off.
    pub accounts: Option<Arc<Limiter>>,
    /// Who changes sites and keys.
    pub registrar: Registrar,
    /// What becomes of events.
    pub reception: Arc<Reception>,
    /// What bodies with events, and questions about them, may take while they come.
    pub body_budget: Arc<BodyBudget>,
    /// Who answers questions about events.
    pub answers: Arc<Answers<Machine>>,
    /// What events are worth.
    pub rates: Arc<RatesWatch>,
    /// Names of browsers in answers.
    pub agent_names: Arc<AgentNames>,
    /// Health answers.
    pub health: Health,
}

/// Answers the requests of one worker.
#[derive(Clone)]
pub struct Handler {
    inner: Rc<Inner>,
}

struct Inner {
    routes: Routes,
    health: Health,
    metrics: Arc<Metrics>,
    /// The public calls; none on the admin listener.
    calls: Option<Calls>,
}

/// The calls of the public listeners.
struct Calls {
    visits: Rc<Visits>,
    events: Rc<Events>,
    questions: Rc<Questions>,
    imports: Rc<Imports>,
    points: Rc<UserPoints>,
    apps: Rc<Apps>,
    sessions: Rc<Sessions>,
}

impl Service {
    /// The handler of a worker; must be called on its runtime.
    pub fn handler(&self) -> Handler {
        let config = &self.shared.config;
        let gate = Gate::new(self.limiter.clone(), config.limit.legacy_headers);
        let origins = Origins::new(&config.http.allowed_origins);
        let intake = Intake::new(self.shared.clone());
        let keyless = Gate::new(self.keyless.clone(), config.limit.legacy_headers);
        let points = self.points(&intake, &keyless, &origins);
        let sessions = self.sessions(&intake, &keyless, &origins);
        let events = Events::new(
            (self.reception.clone(), self.body_budget.clone()),
            intake.clone(),
            EventsVoice::new(keyless, config.journal.durability),
        );
        let voice = || QuestionsVoice {
            gate: gate.clone(),
            origins: origins.clone(),
        };
        let imports = Imports::new(
            (self.reception.clone(), self.body_budget.clone()),
            intake.clone(),
            voice(),
        );
        let questions = Questions {
            answers: self.answers.clone(),
            directory: self.reception.directory.clone(),
            shared: self.shared.clone(),
            intake: intake.clone(),
            voice: voice(),
            body_limits: BodyLimits::new(config.query.body_bytes_max, &config.edge),
            budget: self.body_budget.clone(),
        };
        let (events, questions) = (Rc::new(events), Rc::new(questions));
        let apps = Apps {
            events: events.clone(),
            questions: questions.clone(),
            registrar: self.registrar.clone(),
            voice: AppsVoice {
                gate: gate.clone(),
                accounts: Gate::new(self.accounts.clone(), config.limit.legacy_headers),
                origins: origins.clone(),
            },
            body_limits: BodyLimits::new(config.http.body_bytes_max, &config.edge),
        };
        let visits = Visits {
            voice: Voice::new(gate, origins, config.journal.durability),
            intake,
            report: Report::new(self.shared.clone()),
            body_limits: BodyLimits::new(config.http.body_bytes_max, &config.edge),
            countries: self.countries.clone(),
            shared: self.shared.clone(),
        };
        let calls = Calls {
            visits: Rc::new(visits),
            events,
            questions,
            imports: Rc::new(imports),
            points: Rc::new(points),
            apps: Rc::new(apps),
            sessions: Rc::new(sessions),
        };
        self.with(Routes::new(&PUBLIC), Some(calls))
    }

    fn points(&self, intake: &Intake, keyless: &Gate, origins: &Origins) -> UserPoints {
        let config = &self.shared.config;
        UserPoints {
            reception: self.reception.clone(),
            intake: intake.clone(),
            gate: keyless.clone(),
            origins: origins.clone(),
            body_limits: BodyLimits::new(config.events.body_bytes_max, &config.edge),
            budget: self.body_budget.clone(),
            rates: self.rates.clone(),
        }
    }

    fn sessions(&self, intake: &Intake, keyless: &Gate, origins: &Origins) -> Sessions {
        let config = &self.shared.config;
        Sessions {
            reception: self.reception.clone(),
            intake: intake.clone(),
            answers: self.answers.clone(),
            names: self.agent_names.clone(),
            voice: SessionsVoice {
                gate: keyless.clone(),
                origins: origins.clone(),
            },
            body_limits: BodyLimits::new(config.events.body_bytes_max, &config.edge),
            expansion: ExpansionLimits::new(&config.events),
            budget: self.body_budget.clone(),
        }
    }

    /// The handler of the admin listener.
    pub fn admin_handler(&self) -> Handler {
        self.with(Routes::new(&ADMIN), None)
    }

    fn with(&self, routes: Routes, calls: Option<Calls>) -> Handler {
        let (health, metrics) = (self.health.clone(), self.shared.metrics.clone());
        Handler {
            inner: Rc::new(Inner {
                routes,
                health,
                metrics,
                calls,
            }),
        }
    }
}

impl Handler {
    /// Answers one request.
    pub fn answer(&self, request: Request<Incoming>, client: Client) -> Answering {
        let inner = &self.inner;
        let Some(endpoint) = inner.routes.find(request.uri().path()) else {
            return inner.refuse(Reason::NotFound, &request, client).into();
        };
        if !endpoint.takes(request.method()) {
            let mut response = inner.refuse(Reason::MethodNotAllowed, &request, client);
            response.headers_mut().insert(ALLOW, endpoint.allow_value());
            return response.into();
        }
        match &inner.calls {
            Some(calls) => calls.answer(inner, request, client, endpoint),
            None => inner.simple(endpoint, &request, client).into(),
        }
    }
}

impl Calls {
    /// Answers one of the public calls.
    fn answer(&self, inner: &Inner, request: Request<Incoming>, client: Client, endpoint: Endpoint) -> Answering {
        if Questions::takes(endpoint, request.method()) {
            return if request.method() == Method::OPTIONS {
                self.questions.preflight(endpoint, &request).into()
            } else {
                self.questions.answer(request, client, endpoint)
            };
        }
        match endpoint {
            Endpoint::Apps(asked) => self.apps.answer(request, client, (endpoint, asked)),
            Endpoint::Sessions(asked) => self.sessions.answer(request, client, (endpoint, asked)),
            Endpoint::Events | Endpoint::Pixel => self.events.answer(request, client, endpoint),
            Endpoint::Import => self.imports.answer(request, client, endpoint),
            Endpoint::UserPoints if request.method() != Method::OPTIONS => self.points.answer(request, client),
            Endpoint::Stats | Endpoint::Visits if request.method() != Method::OPTIONS => {
                self.visits.answer(request, client, endpoint)
            }
            _ => inner.simple(endpoint, &request, client).into(),
        }
    }
}

impl Inner {
    /// Answers that need neither body nor limit.
    fn simple(&self, endpoint: Endpoint, request: &Request<Incoming>, client: Client) -> Answer {
        if request.method() == Method::OPTIONS {
            return self.options(endpoint, request);
        }
        let mut response = match endpoint {
            Endpoint::Ping => document(StatusCode::OK, JSON, "\"OK\""),
            Endpoint::Healthcheck => document(StatusCode::OK, TEXT, "OK"),
            Endpoint::Version => document(StatusCode::OK, TEXT, points::VERSION),
            Endpoint::Ready => self.health.ready(),
            Endpoint::Health => Health::check(),
            Endpoint::Metrics => document(StatusCode::OK, OPEN_METRICS, self.metrics.render()),
            Endpoint::OpenApi => pages::openapi(),
            Endpoint::Docs | Endpoint::DocsFile => {
                let path = request.uri().path();
                let found = if endpoint == Endpoint::Docs {
                    pages::page()
                } else {
                    pages::file(path)
                };
                match found {
                    Some(page) => page,
                    None => return self.refuse(Reason::NotFound, request, client),
                }
            }
            // The other ones are answered by their own calls.
            _ => Health::live(),
        };
        if let Some(Calls { visits, .. }) = &self.calls {
            visits.voice.origins.add(request.headers(), response.headers_mut());
        }
        response
    }

    fn options(&self, endpoint: Endpoint, request: &Request<Incoming>) -> Answer {
        let mut response = match &self.calls {
            Some(Calls { visits, .. }) => visits.voice.origins.preflight(request.headers()),
            None => answer::empty(StatusCode::NO_CONTENT),
        };
        response.headers_mut().insert(ALLOW, endpoint.allow_value());
        response
    }

    fn refuse(&self, reason: Reason, request: &Request<Incoming>, client: Client) -> Answer {
        if let Some(Calls { apps, .. }) = &self.calls
            && Apps::owns(request.uri().path())
        {
            return apps.refuse(reason, request.headers(), client);
        }
        let id = RequestId::of(request.headers(), client.via_proxy);
        tracing::debug!(request_id = id.as_str(), code = reason.code(), "refused");
        let mut response = if self.calls.is_some() && UserPoints::speaks_at(request.uri().path()) {
            UserPoints::no_such_call(reason, request, &id)
        } else {
            problem(reason, &id)
        };
        if let Some(Calls { visits, .. }) = &self.calls {
            visits.voice.origins.add(request.headers(), response.headers_mut());
        }
        response
    }
}

const OPEN_METRICS: HeaderValue =
    HeaderValue::from_static("application/openmetrics-text; version=1.0.0; charset=utf-8");
