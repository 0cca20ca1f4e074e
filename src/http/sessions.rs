//! The calls of the sessions dialect: views and pings of pages, and what a dashboard asks.

use std::rc::Rc;
use std::sync::Arc;

use hyper::Method;
use hyper::Request;
use hyper::body::Incoming;
use hyper::header::HeaderMap;

use super::answering::Answering;
use super::events::{user_agent, wants_no_name};
use super::media;
use super::place::place_of;
use super::request_body::{BodyBudget, BodyLimits};
use super::routes::{Endpoint, SessionsCall};
use super::sessions_voice::{Made, SessionsVoice};
use super::voice::Call;
use crate::admit::Client;
use crate::clock::{Clock, Machine};
use crate::decode::{ExpansionLimits, Form, Sent, decompress};
use crate::dialects::sessions::{self, Activity, Asked, Wanted, Wrong};
use crate::directory::Counting;
use crate::enrich::AgentNames;
use crate::event::{SiteId, Visitor};
use crate::outcome::Reason;
use crate::pipeline::{EventBatch, Intake, Naming, Origin, Reception, Sender};
use crate::query::{Answers, SiteView};
use crate::store::Library;

/// The default site as these calls know it: by the ids that pages give their visitors, in days of UTC.
const SITE: SiteView<'static> = SiteView {
    id: SiteId::DEFAULT,
    counting: Counting::Stable,
    currency: "",
    time_zone: "UTC",
};

/// Takes the calls of one worker.
pub struct Sessions {
    /// From what is said to what is kept.
    pub reception: Arc<Reception>,
    /// The way into the log.
    pub intake: Intake,
    /// Who answers questions; shared by all workers.
    pub answers: Arc<Answers<Machine>>,
    /// Names of browsers; shared by all workers.
    pub names: Arc<AgentNames>,
    /// How answers are dressed, and the limit of what comes without a key.
    pub voice: SessionsVoice,
    /// What a body may cost.
    pub body_limits: BodyLimits,
    /// What it may cost when it is decompressed.
    pub expansion: ExpansionLimits,
    /// What all bodies may take together.
    pub budget: Arc<BodyBudget>,
}

impl Sessions {
    /// Answers a call whose endpoint takes its method.
    pub fn answer(
        self: &Rc<Self>,
        request: Request<Incoming>,
        client: Client,
        (endpoint, asked): (Endpoint, SessionsCall),
    ) -> Answering {
        let (head, body) = request.into_parts();
        if head.method == Method::OPTIONS {
            return self.voice.preflight(endpoint, &head.headers).into();
        }
        let passage = asked.is_post().then(|| self.voice.gate.pass(client)).flatten();
        let call = Call {
            headers: head.headers,
            client,
            passage,
        };
        let sessions = self.clone();
        let query = head.uri.query().unwrap_or_default().to_owned();
        Answering::Slow(Box::pin(async move {
            let made = match asked {
                SessionsCall::View => sessions.view(body, &call).await,
                SessionsCall::Ping => sessions.ping(body, &call).await,
                SessionsCall::Figures | SessionsCall::List => sessions.ask(asked, &query, body).await,
            };
            sessions.voice.answer(made, &call)
        }))
    }

    /// A page was viewed.
    async fn view(&self, body: Incoming, call: &Call) -> Result<Made, Wrong> {
        let figures = &self.reception.shared.metrics.events;
        figures.received.inc();
        let received = self.receive(body, call).await;
        let batch = received.inspect_err(|wrong| figures.count_refused(wrong.reason(), 1))?;
        let receipt = self.intake.in_session(batch).await?;
        Ok(Made::kept(sessions::viewed(receipt.session), receipt.kept))
    }

    async fn receive(&self, body: Incoming, call: &Call) -> Result<EventBatch, Wrong> {
        let body = self.body(body, call).await?;
        let activity = Activity::view(&body)?;
        let event: Sent<'_> = activity.event();
        let mut received = self.reception.receive(self.sender(call), body.len());
        received.take(Ok(event));
        match received.judged.rejected.first() {
            Some(rejected) => Err(rejected.reason.into()),
            None => Ok(received.batch),
        }
    }

    /// A visitor is still there.
    async fn ping(&self, body: Incoming, call: &Call) -> Result<Made, Wrong> {
        let body = self.body(body, call).await?;
        let activity = Activity::ping(&body)?;
        let visitor = if self.is_nobody(&call.headers) {
            Visitor::None
        } else {
            Visitor::Stable(&activity.visitor)
        };
        let receipt = self.intake.in_session(self.reception.sign(visitor)).await?;
        Ok(Made::kept(sessions::pinged(receipt.session), receipt.kept))
    }

    /// The body of a view or a ping, once the doors are passed.
    async fn body(&self, mut body: Incoming, call: &Call) -> Result<Vec<u8>, Wrong> {
        if !self.reception.shared.config.open.sessions {
            return Err(Reason::NotFound.into());
        }
        call.admitted()?;
        if media::form(&call.headers)? != Form::Json {
            return Err(Reason::MediaTypeUnsupported.into());
        }
        let encoding = media::encoding(&call.headers)?;
        let sent = self.body_limits.collect(&mut body, &self.budget).await?;
        Ok(decompress(encoding, sent, self.expansion)?)
    }

    /// What a request says of whoever sends it.
    fn sender<'c>(&self, call: &'c Call) -> Sender<'c> {
        Sender {
            origin: Origin::Page(Some(SiteId::DEFAULT)),
            address: Some(call.client.address),
            place: place_of(&self.reception.countries, &call.headers, call.client),
            user_agent: user_agent(&call.headers),
            is_nobody: self.is_nobody(&call.headers),
            host: "",
            named: Naming::None,
        }
    }

    fn is_nobody(&self, headers: &HeaderMap) -> bool {
        wants_no_name(headers, &self.reception.shared.config.events)
    }

    /// A dashboard asks.
    async fn ask(&self, asked: SessionsCall, query: &str, body: Incoming) -> Result<Made, Wrong> {
        let begun = Machine.now();
        let figures = &self.reception.shared.metrics.query;
        figures.received.inc();
        let made = self.make(asked, query, body).await;
        match &made {
            Ok(Made { cached: true, .. }) => drop(figures.cached.inc()),
            Ok(_) => drop(figures.answered.inc()),
            Err(wrong) => figures.count_refused(wrong.reason()),
        }
        figures.seconds.observe(begun.elapsed().as_secs_f64());
        made
    }

    async fn make(&self, asked: SessionsCall, query: &str, mut body: Incoming) -> Result<Made, Wrong> {
        if !self.reception.shared.config.open.sessions {
            return Err(Reason::NotFound.into());
        }
        self.body_limits.discard(&mut body).await?;
        let (now_ms, names) = (self.answers.clock().unix_ms(), self.names.clone());
        if asked == SessionsCall::List {
            let asked = Asked::read(query, Wanted::Page, now_ms)?;
            let Some(page) = sessions::page(&asked)? else {
                return Ok(Made::answer(sessions::sessions(0, &[], &names), false));
            };
            let library = self.library()?;
            let look = self.answers.look(&library, &SITE, move |snapshot, site, now_ms| {
                let (total, listed) = page.look(snapshot, site, now_ms)?;
                Ok(sessions::sessions(total, &listed, &names))
            });
            return Ok(Made::answer(look.await?, false));
        }
        let asked = Asked::read(query, Wanted::Figures, now_ms)?;
        let Some(report) = sessions::report(&asked, names.clone())? else {
            return Ok(Made::answer(
                sessions::figures(&sessions::EMPTY, asked.hourly, &names),
                false,
            ));
        };
        let (answer, cached) = self.answers.report(&*self.library()?, report, &SITE).await?;
        Ok(Made::answer(answer.text(cached), cached))
    }

    /// The event store, unless another process looks after it.
    fn library(&self) -> Result<Arc<Library>, Reason> {
        let stored = &self.reception.shared.stored;
        stored.load_full().ok_or(Reason::StoreUnavailable)
    }
}
