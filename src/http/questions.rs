//! Questions about events: figures, lists, histories. And deletions, which those ask for who may also ask.

use std::borrow::Cow;
use std::rc::Rc;
use std::sync::Arc;

use hyper::body::Incoming;
use hyper::http::request::Parts;
use hyper::{Method, Request};

use super::answer::Answer;
use super::answering::Answering;
use super::asker;
use super::erasures::Wish;
use super::gate::Passage;
use super::media;
use super::path_id::path_id;
use super::questions_voice::{Made, QuestionsVoice, Trouble};
use super::request_body::{BodyBudget, BodyLimits};
use super::routes::Endpoint;
use super::voice::Call;
use crate::admit::Client;
use crate::clock::{Clock, Machine};
use crate::decode::{Encoding, Form};
use crate::directory::{Directory, Site};
use crate::outcome::Reason;
use crate::pipeline::{Intake, Shared};
use crate::query::{Answers, Listing, Query, SiteView};
use crate::store::{Column, Library};

/// Takes the questions of one worker.
pub struct Questions {
    /// Who answers; shared by all workers.
    pub answers: Arc<Answers<Machine>>,
    /// Sites and keys.
    pub directory: Arc<Directory>,
    /// The pipeline, which knows the store.
    pub shared: Arc<Shared>,
    /// The way of deletions into the log.
    pub intake: Intake,
    /// How answers are dressed, and the limit of those who have no good key.
    pub voice: QuestionsVoice,
    /// What a question may cost while it comes.
    pub body_limits: BodyLimits,
    /// What all bodies may take together.
    pub budget: Arc<BodyBudget>,
}

impl Questions {
    /// Answers a call whose endpoint takes its method.
    pub fn answer(self: &Rc<Self>, request: Request<Incoming>, client: Client, endpoint: Endpoint) -> Answering {
        let (head, body) = request.into_parts();
        let begun = Machine.now();
        let figures = &self.shared.metrics.query;
        figures.received.inc();
        let (site, passage) = self.admit(&head, client);
        let questions = self.clone();
        Answering::Slow(Box::pin(async move {
            let made = match site {
                Ok(site) => questions.make(&site, endpoint, (&head, body)).await,
                Err(reason) => Err(Trouble::from(reason)),
            };
            let call = Call {
                headers: head.headers,
                client,
                passage,
            };
            let figures = &questions.shared.metrics.query;
            match &made {
                Ok(Made { cached: true, .. }) => drop(figures.cached.inc()),
                Ok(_) => drop(figures.answered.inc()),
                Err(trouble) => figures.count_refused(trouble.reason),
            }
            figures.seconds.observe(begun.elapsed().as_secs_f64());
            questions.voice.answer(made, &call)
        }))
    }

    /// Door 1: whose events may be asked for.
    fn admit(&self, head: &Parts, client: Client) -> (Result<Arc<Site>, Reason>, Passage) {
        let door = (&*self.directory, &self.voice.gate);
        asker::admit(door, head, client, |rights| {
            if head.method == Method::DELETE {
                rights.may_erase()
            } else {
                rights.may_read()
            }
        })
    }

    async fn make(
        &self,
        site: &Site,
        endpoint: Endpoint,
        (head, mut body): (&Parts, Incoming),
    ) -> Result<Made, Trouble> {
        let site = &SiteView::from(site);
        if endpoint == Endpoint::Query {
            let sent = self.body(head, body).await?;
            let query = Query::read(&sent, site)?;
            let (answer, cached) = self.answers.ask(&*self.library()?, query, site).await?;
            return Ok(Made::answer(answer.text(cached), cached));
        }
        self.body_limits.discard(&mut body).await?;
        let parameters = parameters(head);
        let parameters = parameters.iter().map(|(name, value)| (&**name, &**value));
        if head.method == Method::DELETE {
            let wish = Wish::read(endpoint, head.uri.path(), parameters, site)?;
            let erased = self.intake.erase(&wish.erasure(site.id)).await?;
            return Ok(Made::erasing(&wish, erased.kept));
        }
        let of = match endpoint {
            Endpoint::UserEvents => Some(Column::User),
            Endpoint::VisitorEvents => Some(site.visitor_column()),
            _ => None,
        };
        let id = of.map(|_| path_id(head.uri.path())).transpose()?;
        let now_ms = self.answers.clock().unix_ms();
        let most = self.shared.config.query.list_max;
        let listing = Listing::read(parameters, of.zip(id.as_deref()), site, (now_ms, most))?;
        let page = self.answers.list(&*self.library()?, listing, site).await?;
        Ok(Made::answer(page, false))
    }

    /// The body of a question, which is small and plain JSON.
    async fn body(&self, head: &Parts, mut body: Incoming) -> Result<Vec<u8>, Reason> {
        if media::form(&head.headers)? != Form::Json {
            return Err(Reason::MediaTypeUnsupported);
        }
        if media::encoding(&head.headers)? != Encoding::Identity {
            return Err(Reason::EncodingUnsupported);
        }
        let sent = self.body_limits.collect(&mut body, &self.budget).await?;
        if sent.is_empty() {
            return Err(Reason::BodyEmpty);
        }
        Ok(sent)
    }

    /// The event store, unless another process looks after it.
    fn library(&self) -> Result<Arc<Library>, Reason> {
        self.shared.stored.load_full().ok_or(Reason::StoreUnavailable)
    }

    /// The answer to a preflight.
    pub fn preflight(&self, endpoint: Endpoint, request: &Request<Incoming>) -> Answer {
        self.voice.preflight(endpoint, request.headers())
    }

    /// Whether these calls are the ones meant: events are sent and asked for at one path.
    pub fn takes(endpoint: Endpoint, method: &Method) -> bool {
        match endpoint {
            Endpoint::Query | Endpoint::User | Endpoint::UserEvents | Endpoint::Visitor | Endpoint::VisitorEvents => {
                true
            }
            Endpoint::Events => [Method::GET, Method::HEAD, Method::DELETE].contains(method),
            _ => false,
        }
    }
}

fn parameters(head: &Parts) -> Vec<(Cow<'_, str>, Cow<'_, str>)> {
    form_urlencoded::parse(head.uri.query().unwrap_or_default().as_bytes()).collect()
}
