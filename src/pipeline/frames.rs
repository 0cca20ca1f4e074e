//! What a frame of the log means to apply, and the word that those get who wait for it.

use std::io;

use super::Shared;
use super::answers::{Answer, SessionWord, Word};
use super::known_sessions::{KnownSessions, Says};
use super::points::{Claiming, PointsDesk};
use crate::apply::{Apply, EventStep, KeyedVisit, NamedEvent, OTHER_FIELD, Step, field_of};
use crate::event::{Country, Event, EventId, ImportKey, ImportPart, Progress, SiteId};
use crate::journal::Frame;
use crate::journal::payload::{Import, Manner, Payload, Visit};

/// Applies a frame again for which nobody waits.
///
/// # Errors
/// When its points cannot be claimed.
pub fn replay_frame(apply: &mut Apply, frame: Frame<'_>, points: Option<&PointsDesk>) -> io::Result<()> {
    match read(frame) {
        Payload::Visits(visits) => apply.visits(visits.site, visits.counts()),
        Payload::Visit(visit) => apply.replay(keyed(visit)),
        Payload::Event(event, manner) => {
            mark(apply, event.site, manner);
            let is_first = points.map(|points| points.claim_again(&event, manner, frame.sequence));
            if is_first.transpose()?.unwrap_or(true) {
                apply.replay_event(named(&event, manner));
            }
        }
        Payload::Import(import) => import_frame(apply, &import),
        Payload::Advance | Payload::Erasure(_) | Payload::Sign(_) | Payload::Unknown => {}
    }
    Ok(())
}

/// Applies a frame for the first time, and answers whoever waits for it.
///
/// # Errors
/// When its points cannot be claimed; then it is not applied.
pub fn live_frame(
    apply: &mut Apply,
    frame: Frame<'_>,
    (known, points): (Option<&mut KnownSessions>, &mut Option<Claiming>),
    shared: &Shared,
) -> io::Result<()> {
    match read(frame) {
        Payload::Visits(visits) => apply.visits(visits.site, visits.counts()),
        Payload::Visit(visit) => {
            let step = apply.visit(keyed(visit));
            let answer = answer(step, visit, apply, shared);
            shared.answers.give(frame.sequence, answer);
        }
        Payload::Event(fact, manner @ Manner { points: Some(_), .. }) if points.is_some() => {
            let claimed = points
                .as_mut()
                .map(|points| points.claim(&fact, manner, frame.sequence, shared));
            let says = if claimed.transpose()?.unwrap_or_default() {
                apply.event(named(&fact, manner));
                Says::Event
            } else {
                if shared.config.store.enabled {
                    shared.decided.note(frame.sequence);
                }
                Says::Sign
            };
            tell_session(frame, &fact, (known, says), shared);
        }
        Payload::Event(fact, manner) => {
            mark(apply, fact.site, manner);
            let event = named(&fact, manner);
            let word = word(apply.event(event));
            // An event without an id of the client's counts for sure, and has been noted when it was kept.
            if event.id.is_some() {
                note(word, shared);
            }
            if word != Word::Counted && shared.config.store.enabled {
                shared.decided.note(frame.sequence);
            }
            shared.answers.tell(frame.sequence, word);
            if fact.site.is_default() {
                // A twin moves at most what it belongs to.
                let says = if word == Word::Counted { Says::Event } else { Says::Sign };
                tell_session(frame, &fact, (known, says), shared);
            }
        }
        Payload::Sign(fact) => tell_session(frame, &fact, (known, Says::Sign), shared),
        Payload::Import(import) => import_frame(apply, &import),
        Payload::Erasure(erasure) => {
            if let Some(known) = known {
                known.forget(&erasure);
            }
        }
        Payload::Advance | Payload::Unknown => {}
    }
    Ok(())
}

fn tell_session(
    frame: Frame<'_>,
    event: &Event<'_>,
    (known, says): (Option<&mut KnownSessions>, Says),
    shared: &Shared,
) {
    let word = known.map_or_else(SessionWord::default, |known| known.hear(frame.sequence, event, says));
    shared.answers.tell_session(frame.sequence, word);
}

/// Notes which line of an import an event was.
fn mark(apply: &mut Apply, site: SiteId, manner: Manner) {
    if let Some(mark) = manner.import {
        let (id, part) = (mark.id, ImportPart::Lines);
        apply.import(ImportKey { site, id, part }, Progress::at(mark.line));
    }
}

/// Counts the visits of an import, and notes how far it is.
fn import_frame(apply: &mut Apply, import: &Import<'_>) {
    let (site, id) = (import.site, import.id);
    let lines = Progress {
        taken: import.lines,
        checked: import.lines,
        digest: import.digest,
    };
    if import.lines > 0 {
        let part = ImportPart::Lines;
        apply.import(ImportKey { site, id, part }, lines);
    }
    for visits in import.visits() {
        let part = ImportPart::Visits(visits.country);
        apply.import(ImportKey { site, id, part }, Progress::at(visits.taken));
    }
    let added = import.visits().map(|visits| (visits.country, visits.added));
    apply.visits(site, added.filter(|(_, added)| *added > 0));
}

fn answer(step: Step, visit: Visit<'_>, apply: &mut Apply, shared: &Shared) -> Answer {
    match step {
        Step::Counted => {
            let total = raise(shared, visit.site, visit.country);
            apply.remember(keyed(visit), total);
            shared.metrics.visits.kept.inc();
            Answer {
                country: visit.country,
                total,
            }
        }
        Step::Duplicate(first) => {
            shared.metrics.visits.duplicates.inc();
            let total = first.total.unwrap_or_else(|| shared.totals.total(first.country));
            Answer {
                country: first.country,
                total,
            }
        }
    }
}

/// Raises the totals that answers name; they are those of the default site.
fn raise(shared: &Shared, site: SiteId, country: Country) -> u64 {
    if !site.is_default() {
        return 0;
    }
    shared.totals.raise(country, 1) + 1
}

const fn word(step: EventStep) -> Word {
    match step {
        EventStep::Counted => Word::Counted,
        EventStep::Repeated => Word::Repeated,
        EventStep::Duplicate => Word::Duplicate,
    }
}

fn note(word: Word, shared: &Shared) {
    match word {
        Word::Counted => shared.metrics.events.kept.inc(),
        Word::Repeated | Word::Duplicate => shared.metrics.events.duplicates.inc(),
    };
}

fn read(frame: Frame<'_>) -> Payload<'_> {
    Payload::read(frame.kind, frame.payload).unwrap_or_else(|| {
        tracing::error!(sequence = %frame.sequence, kind = frame.kind, "a frame's payload is malformed: it counts nothing");
        Payload::Unknown
    })
}

/// A visit as apply needs it.
pub const fn keyed(visit: Visit<'_>) -> KeyedVisit<'_> {
    KeyedVisit {
        site: visit.site,
        time_ms: visit.time_ms,
        country: visit.country,
        id: visit.id,
    }
}

/// An event as apply needs it.
pub fn named<'a>(event: &Event<'a>, manner: Manner) -> NamedEvent<'a> {
    NamedEvent {
        site: event.site,
        time_ms: event.received_ms,
        field: if manner.is_other {
            OTHER_FIELD
        } else {
            field_of(event.name)
        },
        id: match event.id {
            EventId::Client(id) if manner.import.is_none() => Some(id),
            EventId::Client(_) | EventId::Own(_) => None,
        },
        request: manner.request,
    }
}
