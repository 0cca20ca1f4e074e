//! What a frame of the log means to apply, and the word that those get who wait for it.

use super::Shared;
use super::answers::{Answer, SessionWord, Word};
use super::known_sessions::{KnownSessions, Says};
use crate::apply::{Apply, EventStep, KeyedVisit, NamedEvent, OTHER_FIELD, Step, field_of};
use crate::event::{Country, Event, EventId, SiteId};
use crate::journal::Frame;
use crate::journal::payload::{Manner, Payload, Visit};

/// Applies a frame again for which nobody waits.
pub fn replay_frame(apply: &mut Apply, frame: Frame<'_>) {
    match read(frame) {
        Payload::Visits(visits) => apply.visits(visits.site, visits.counts()),
        Payload::Visit(visit) => apply.replay(keyed(visit)),
        Payload::Event(event, manner) => apply.replay_event(named(&event, manner)),
        Payload::Advance | Payload::Erasure(_) | Payload::Sign(_) | Payload::Unknown => {}
    }
}

/// Applies a frame for the first time, and answers whoever waits for it.
pub fn live_frame(apply: &mut Apply, frame: Frame<'_>, known: Option<&mut KnownSessions>, shared: &Shared) {
    match read(frame) {
        Payload::Visits(visits) => apply.visits(visits.site, visits.counts()),
        Payload::Visit(visit) => {
            let step = apply.visit(keyed(visit));
            let answer = answer(step, visit, apply, shared);
            shared.answers.give(frame.sequence, answer);
        }
        Payload::Event(fact, manner) => {
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
        Payload::Advance | Payload::Erasure(_) | Payload::Unknown => {}
    }
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
            EventId::Client(id) => Some(id),
            EventId::Own(_) => None,
        },
        request: manner.request,
    }
}
