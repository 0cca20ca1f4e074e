//! `/api/v1/imports/{name}`: what was before, brought in once.

use std::cell::RefCell;
use std::hash::Hasher;
use std::rc::Rc;
use std::sync::Arc;

use hyper::body::Incoming;
use hyper::http::request::Parts;
use hyper::{Method, Request};
use serde_json::json;
use siphasher::sip128::{Hasher128, SipHasher13};

use super::answer::Answer;
use super::answering::Answering;
use super::asker::admit;
use super::import_lines::{Lines, Report, flawed};
use super::import_visits::{self, VISITS_LIMIT};
use super::media;
use super::path_id::path_id;
use super::questions_voice::{Made, QuestionsVoice, Trouble};
use super::request_body::{BodyBudget, BodyLimits};
use super::routes::Endpoint;
use super::voice::Call;
use crate::admit::Client;
use crate::config::{EventsConfig, ImportsConfig};
use crate::decode::{Decoder, ExpansionLimits, Form, decompress};
use crate::directory::Rights;
use crate::enrich::Place;
use crate::event::{ImportId, ImportKey, ImportPart, SiteId};
use crate::journal::payload::ImportedVisits;
use crate::outcome::Reason;
use crate::pipeline::{ImportTurn, Intake, Judged, Naming, Origin, Received, Reception, Sender, Shared};

/// Takes the imports of one worker.
pub struct Imports {
    reception: Arc<Reception>,
    intake: Intake,
    voice: QuestionsVoice,
    decoder: RefCell<Decoder>,
    body_limits: BodyLimits,
    budget: Arc<BodyBudget>,
    expansion: ExpansionLimits,
}

impl Imports {
    /// Takes imports with a worker's intake.
    pub fn new((reception, budget): (Arc<Reception>, Arc<BodyBudget>), intake: Intake, voice: QuestionsVoice) -> Self {
        let config = &reception.shared.config;
        let expansion = EventsConfig {
            decompressed_bytes_max: config.events.decompressed_bytes_max.max(config.imports.body_bytes_max),
            ..config.events.clone()
        };
        Self {
            decoder: RefCell::new(Decoder::new(&config.events)),
            body_limits: BodyLimits::new(config.imports.body_bytes_max, &config.edge),
            expansion: ExpansionLimits::new(&expansion),
            budget,
            reception,
            intake,
            voice,
        }
    }

    /// Answers a call whose endpoint takes its method.
    pub fn answer(self: &Rc<Self>, request: Request<Incoming>, client: Client, endpoint: Endpoint) -> Answering {
        let (head, mut body) = request.into_parts();
        if head.method == Method::OPTIONS {
            return self.preflight(endpoint, &head).into();
        }
        let door = (&*self.reception.directory, &self.voice.gate);
        let (site, passage) = admit(door, &head, client, Rights::may_import);
        let imports = self.clone();
        Answering::Slow(Box::pin(async move {
            let made = match site {
                Ok(site) => imports.make(site.id, &head, &mut body).await,
                Err(reason) => Err(reason.into()),
            };
            let call = Call {
                headers: head.headers,
                client,
                passage,
            };
            imports.voice.answer(made, &call)
        }))
    }

    fn preflight(&self, endpoint: Endpoint, head: &Parts) -> Answer {
        self.voice.preflight(endpoint, &head.headers)
    }

    async fn make(&self, site: SiteId, head: &Parts, body: &mut Incoming) -> Result<Made, Trouble> {
        let name = path_id(head.uri.path())?;
        let id = id_of(&name)?;
        if head.method != Method::POST {
            self.body_limits.discard(body).await?;
            return self.tell(site, (&name, id));
        }
        let form = media::form(&head.headers)?;
        let encoding = media::encoding(&head.headers)?;
        let sent = self.body_limits.collect(body, &self.budget).await?;
        let body = decompress(encoding, sent, self.expansion)?;
        if body.trim_ascii().is_empty() && form == Form::Json || body.is_empty() {
            return Err(Reason::BodyEmpty.into());
        }
        match form {
            Form::Lines => self.take_lines((site, id), Lines::read(head)?, body).await,
            Form::Json => self.take_visits((site, id), &body).await,
        }
    }

    /// How far an import is.
    fn tell(&self, site: SiteId, (name, id): (&str, ImportId)) -> Result<Made, Trouble> {
        let imports = &self.shared().imports;
        let part = ImportPart::Lines;
        let lines = imports.progress(&ImportKey { site, id, part })?;
        let visits = imports.visits(site, id)?;
        let visits: serde_json::Map<_, _> = visits
            .into_iter()
            .map(|(country, taken)| (country.to_string(), taken.into()))
            .collect();
        let told = json!({
            "name": name,
            "taken": lines.taken,
            "checked": lines.checked,
            "digest": format!("{:016x}", lines.digest),
            "visits": visits,
            "lines_max": self.config().lines_max,
            "body_bytes_max": self.config().body_bytes_max,
        });
        Ok(Made::answer(told.to_string().into_bytes(), false))
    }

    async fn take_lines(&self, key: (SiteId, ImportId), lines: Lines, body: Vec<u8>) -> Result<Made, Trouble> {
        let turn = self.begin(key, lines)?;
        let taken = turn.progress(ImportPart::Lines).taken;
        let [before, mut new] = [(); 2].map(|()| self.reception.receive(sender(key), body.len()));
        let read = self.decode((taken, lines.from), body, (before, &mut new));
        let (before, count) = read.map_err(|reason| self.refuse(reason))?;
        self.note(&before.judged, &new.judged);
        let end = lines.from + count as u64;
        let Received { mut batch, judged, .. } = new;
        let mut kept = None;
        if end > taken {
            turn.end_lines(&mut batch, (end, lines.digest), self.shared().log.clock().unix_ms());
            kept = Some(self.intake.events(batch).await?.kept);
        }
        let errors = [&before.judged, &judged].map(|judged| flawed(judged, lines.from));
        let report = Report {
            taken: end.max(taken),
            accepted: judged.accepted,
            repeated: before.judged.accepted,
            rejected: before.judged.rejected.len() + judged.rejected.len(),
            errors: errors.into_iter().flatten().collect(),
        };
        // Numbers and texts always serialise.
        let text = serde_json::to_vec(&report).unwrap_or_default();
        Ok(Made::taken(text, kept))
    }

    /// Goes on with an import, unless lines would be left out.
    fn begin(&self, (site, id): (SiteId, ImportId), lines: Lines) -> Result<ImportTurn, Reason> {
        let turn = self.shared().imports.begin(site, id);
        let turn = turn.map_err(|reason| self.refuse(reason))?;
        if lines.from > turn.progress(ImportPart::Lines).taken {
            return Err(self.refuse(Reason::ImportGap));
        }
        Ok(turn)
    }

    /// Reads lines: those that were taken before, so that what is wrong with them is told again, and new ones.
    fn decode<'r>(
        &self,
        (taken, from): (u64, u64),
        mut body: Vec<u8>,
        (mut before, new): (Received<'r>, &mut Received<'r>),
    ) -> Result<(Received<'r>, usize), Reason> {
        let mut decoder = self.decoder.borrow_mut();
        let count = decoder.decode_lines(&mut body, self.config().lines_max, &mut |place, event| {
            let line = from + place as u64 + 1;
            let received = if line <= taken { &mut before } else { &mut *new };
            received.take_line((place, line), event);
        })?;
        Ok((before, count))
    }

    /// Takes of each country the visits that were not taken before. They are visits of the default site, as all visits.
    async fn take_visits(&self, (site, id): (SiteId, ImportId), body: &[u8]) -> Result<Made, Trouble> {
        if !site.is_default() {
            let detail = "are those of the default site: show a key of it";
            return Err(Trouble::about(Reason::RightsMissing, "visits", detail));
        }
        let sent = import_visits::read(body)?;
        let turn = self.shared().imports.begin(site, id)?;
        let mut added = Vec::new();
        for (country, taken) in sent {
            let before = turn.progress(ImportPart::Visits(country)).taken;
            let new = taken.saturating_sub(before);
            if self.shared().totals.total(country).saturating_add(new) >= VISITS_LIMIT {
                let detail = "must leave each country's total below 2^42";
                return Err(Trouble::about(Reason::FieldInvalid, "visits", detail));
            }
            if new > 0 {
                added.push(ImportedVisits {
                    country,
                    taken,
                    added: new,
                });
            }
        }
        let count: u64 = added.iter().map(|visits| visits.added).sum();
        let mut kept = None;
        if count > 0 {
            self.shared().metrics.visits.received.inc_by(count);
            let batch = turn.end_visits(&added, self.shared().log.clock().unix_ms());
            kept = Some(self.intake.events(batch).await?.kept);
        }
        Ok(Made::taken(json!({ "accepted": count }).to_string().into_bytes(), kept))
    }

    /// Counts a request whose events nobody has read as one.
    fn refuse(&self, reason: Reason) -> Reason {
        let figures = &self.shared().metrics.events;
        figures.received.inc();
        figures.count_refused(reason, 1);
        reason
    }

    /// Counts what has been read; what becomes of new events that can be kept is noted by the pipeline.
    fn note(&self, before: &Judged, new: &Judged) {
        let figures = &self.shared().metrics.events;
        figures.received.inc_by((before.count() + new.count()) as u64);
        figures.duplicates.inc_by(before.accepted as u64);
        for rejected in before.rejected.iter().chain(&new.rejected) {
            figures.count_refused(rejected.reason, 1);
        }
    }

    fn shared(&self) -> &Shared {
        &self.reception.shared
    }

    fn config(&self) -> &ImportsConfig {
        &self.shared().config.imports
    }
}

/// The import of a name.
fn id_of(name: &str) -> Result<ImportId, Reason> {
    if name.chars().any(char::is_control) {
        return Err(Reason::FieldInvalid);
    }
    let mut hasher = SipHasher13::new();
    hasher.write(name.as_bytes());
    Ok(hasher.finish128().as_bytes())
}

/// Who sends lines says nothing of those whom they are about.
const fn sender((site, id): (SiteId, ImportId)) -> Sender<'static> {
    Sender {
        origin: Origin::Key(site),
        address: None,
        place: Place::UNKNOWN,
        user_agent: "",
        is_nobody: false,
        host: "",
        named: Naming::Import(id),
    }
}
