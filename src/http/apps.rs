//! The calls of the apps dialect: registering, keys, collecting events, summaries.

use std::rc::Rc;
use std::sync::Arc;

use hyper::body::Incoming;
use hyper::header::{HeaderMap, HeaderName};
use hyper::http::request::Parts;
use hyper::{Method, Request, StatusCode};

use super::answer::Answer;
use super::answering::Answering;
use super::apps_voice::{AppsVoice, Under};
use super::events::Events;
use super::gate::Passage;
use super::media;
use super::questions::Questions;
use super::request_body::BodyLimits;
use super::routes::{AppsCall, Endpoint};
use super::voice::Call;
use crate::admit::Client;
use crate::clock::{Clock, Machine};
use crate::decode::{Encoding, Form};
use crate::dialects::apps::{self, Parameters, Wrong};
use crate::directory::{Application, DirectoryError, Registrar, Rights, Site};
use crate::outcome::Reason;
use crate::pipeline::Origin;
use crate::query::{Report, SiteView};

const X_API_KEY: HeaderName = HeaderName::from_static("x-api-key");
/// The paths that speak this dialect, also where nothing is.
const PATHS: [&str; 2] = ["/api/auth/", "/api/analytics/"];

/// Takes the calls of one worker.
pub struct Apps {
    /// Takes events.
    pub events: Rc<Events>,
    /// Answers questions.
    pub questions: Rc<Questions>,
    /// Changes sites and keys.
    pub registrar: Registrar,
    /// How answers are dressed, and the limits.
    pub voice: AppsVoice,
    /// What a body that is no events' may cost.
    pub body_limits: BodyLimits,
}

/// An answer before it is dressed.
type Made = Result<(StatusCode, Vec<u8>), Wrong>;

impl Apps {
    /// Whether a path is one of this dialect's.
    pub fn owns(path: &str) -> bool {
        PATHS.iter().any(|prefix| path.starts_with(prefix))
    }

    /// Answers a call whose endpoint takes its method.
    pub fn answer(
        self: &Rc<Self>,
        request: Request<Incoming>,
        client: Client,
        (endpoint, asked): (Endpoint, AppsCall),
    ) -> Answering {
        let (head, mut body) = request.into_parts();
        if head.method == Method::OPTIONS {
            return self.voice.preflight(endpoint, &head.headers).into();
        }
        let apps = self.clone();
        match asked {
            AppsCall::Register | AppsCall::Revoke | AppsCall::Regenerate => {
                let passage = self.voice.accounts.pass(client);
                Answering::Slow(Box::pin(async move {
                    let call = call(head, client, passage);
                    let made = apps.change(asked, body, &call).await;
                    apps.voice.answer(made, Under::Accounts, &call)
                }))
            }
            AppsCall::Collect => {
                let (site, passage) = self.admit(&head, client, Rights::may_write);
                let origin = site.map(|site| Origin::Key(site.id));
                Answering::Slow(Box::pin(async move {
                    let call = call(head, client, passage);
                    let taken = apps.events.take(apps::WORDS, origin, (&mut body, &call)).await;
                    apps.voice.collected(taken, &call)
                }))
            }
            _ => Answering::Slow(Box::pin(async move { apps.tell((head, body), client, asked).await })),
        }
    }

    /// Refuses a call that is none.
    pub fn refuse(&self, reason: Reason, headers: &HeaderMap, client: Client) -> Answer {
        let call = Call {
            headers: headers.clone(),
            client,
            passage: None,
        };
        self.voice.answer(Err(reason.into()), Under::Gate, &call)
    }

    /// Door 1: for which site this is. Who shows a good key is known by it; all others are limited by address.
    fn admit(&self, head: &Parts, client: Client, may: fn(Rights) -> bool) -> (Result<Arc<Site>, Reason>, Passage) {
        let directory = &self.questions.directory;
        let shown = head.headers.get(X_API_KEY);
        let text = shown.and_then(|shown| shown.to_str().ok());
        if let Some(key) = text.and_then(|text| directory.key(text, Machine.unix_ms())) {
            let site = directory.site(key.site).ok_or(Reason::KeyInvalid);
            return (
                site.and_then(|site| may(key.rights).then_some(site).ok_or(Reason::RightsMissing)),
                None,
            );
        }
        let passage = self.voice.gate.pass(client);
        let reason = match (passage, shown) {
            (Some(verdict), _) if !verdict.is_admitted() => Reason::RateLimited,
            (_, None) => Reason::KeyMissing,
            (_, Some(_)) => Reason::KeyInvalid,
        };
        (Err(reason), passage)
    }

    /// Registers, revokes or replaces.
    async fn change(&self, asked: AppsCall, mut body: Incoming, call: &Call) -> Made {
        call.admitted()?;
        let shared = &self.questions.shared;
        let open = &shared.config.open;
        let is_open = if asked == AppsCall::Register {
            open.register
        } else {
            open.revoke
        };
        if !is_open {
            return Err(Reason::Closed.into());
        }
        if media::form(&call.headers) != Ok(Form::Json) {
            return Err(unread(
                Reason::MediaTypeUnsupported,
                "Content-Type must be application/json",
            ));
        }
        if media::encoding(&call.headers) != Ok(Encoding::Identity) {
            return Err(unread(Reason::EncodingUnsupported, "This body must not be compressed"));
        }
        let sent = self.body_limits.collect(&mut body, &self.questions.budget).await?;
        if sent.is_empty() {
            return Err(Reason::BodyEmpty.into());
        }
        if asked == AppsCall::Register {
            let wish = apps::application(&sent, Machine.unix_ms())?;
            let application = Application {
                name: wish.name,
                domain: wish.domain,
                expires_ms: wish.expires_ms,
            };
            let made = self.registrar.register(application).await.map_err(not_changed)?;
            tracing::info!(site = %made.site, "an app was registered");
            let text = apps::credentials(made.site, &made.key.text, made.expires_ms);
            return Ok((StatusCode::CREATED, text));
        }
        let key = apps::key_to_end(&sent)?;
        // Most that are wrong need no look at what is stored.
        let known = self.questions.directory.app_key(&key, Machine.unix_ms());
        let site = known.ok_or(Reason::KeyInvalid)?.key.site;
        let text = if asked == AppsCall::Revoke {
            self.registrar.revoke(key).await.map_err(not_changed)?;
            apps::revoked()
        } else {
            let made = self.registrar.replace(key).await.map_err(not_changed)?;
            apps::credentials(made.site, &made.key.text, made.expires_ms)
        };
        tracing::info!(%site, call = ?asked, "the key of an app has ended");
        Ok((StatusCode::OK, text))
    }

    /// Answers a question.
    async fn tell(&self, (head, body): (Parts, Incoming), client: Client, asked: AppsCall) -> Answer {
        let begun = Machine.now();
        let (site, passage) = self.admit(&head, client, Rights::may_read);
        let made = match site {
            Ok(site) => self.ask(asked, (&head, body), &site).await,
            Err(reason) => Err(reason.into()),
        };
        let figures = &self.questions.shared.metrics.query;
        figures.received.inc();
        match &made {
            Ok((_, true)) => drop(figures.cached.inc()),
            Ok(_) => drop(figures.answered.inc()),
            Err(wrong) => figures.count_refused(wrong.reason),
        }
        figures.seconds.observe(begun.elapsed().as_secs_f64());
        let made = made.map(|(text, _)| (StatusCode::OK, text));
        self.voice.answer(made, Under::Gate, &call(head, client, passage))
    }

    /// The answer, and whether it was there.
    async fn ask(
        &self,
        asked: AppsCall,
        (head, mut body): (&Parts, Incoming),
        site: &Site,
    ) -> Result<(Vec<u8>, bool), Wrong> {
        self.body_limits.discard(&mut body).await?;
        let parameters = Parameters::read(head.uri.query().unwrap_or_default())?;
        let (site, now_ms) = (&SiteView::from(site), Machine.unix_ms());
        let library = self
            .questions
            .shared
            .stored
            .load_full()
            .ok_or(Reason::StoreUnavailable)?;
        let answers = &self.questions.answers;
        let report: Report = match asked {
            AppsCall::EventSummary => apps::Summary::report(&parameters, now_ms)?,
            AppsCall::ActiveUsers => apps::ActiveUsers::report(&parameters, now_ms)?,
            AppsCall::UserStats => {
                let user = apps::User::read(&parameters)?;
                let look = answers.look(&library, site, move |snapshot, site, now| {
                    user.look(snapshot, site, now)
                });
                return Ok((look.await?.ok_or(Reason::UserUnknown)?, false));
            }
            _ => apps::Series::report(&parameters, now_ms)?,
        };
        let (told, cached) = answers.report(&library, report, site).await?;
        Ok((told.text(cached), cached))
    }
}

fn call(head: Parts, client: Client, passage: Passage) -> Call {
    Call {
        headers: head.headers,
        client,
        passage,
    }
}

fn unread(reason: Reason, why: &str) -> Wrong {
    Wrong {
        reason,
        about: Some(("".into(), why.into())),
    }
}

/// Why sites and keys stay as they are.
fn not_changed(error: DirectoryError) -> Wrong {
    let refusal = match error {
        DirectoryError::Refused(refusal) => refusal,
        DirectoryError::Unknown(why) => {
            tracing::error!(%why, "a change of sites and keys broke off");
            return Reason::DirectoryUnknown.into();
        }
        other => {
            tracing::warn!(error = %other, "sites and keys cannot be changed");
            return Reason::DirectoryUnavailable.into();
        }
    };
    if refusal.is_of_key() {
        return Reason::KeyInvalid.into();
    }
    if refusal.is_of_room() {
        tracing::warn!(%refusal, "no app can be registered");
        return Reason::DirectoryFull.into();
    }
    Wrong {
        reason: Reason::FieldInvalid,
        about: Some((refusal.field.into(), refusal.reason.into())),
    }
}
