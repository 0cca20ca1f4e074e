//! The open sessions of the default site, as the applier knows them, so that whoever asks is told at once which session
//! an event belongs to. The storer comes to the same sessions later, from the same frames.
//!
//! What was open at a frame the storer keeps; from there to the head the log tells. So nothing is kept here.

use std::io;

use super::answers::SessionWord;
use super::stores::sessions_file;
use super::storing::StoringError;
use super::walk::{Told, Tracks, Walk};
use crate::apply::{Activity, Joined, SessionFile, Sessions, take_up};
use crate::config::Config;
use crate::event::{Erasure, Event, EventId, Sequence, SiteId, Visitor};

/// The open sessions of the default site.
pub struct KnownSessions {
    sessions: Sessions<()>,
}

impl KnownSessions {
    /// Learns what sessions were open at a frame, `head`, from what is kept of them and from the frames since. What
    /// cannot be read is not known: visitors begin new sessions then, in answers.
    pub fn at(config: &Config, tracks: &Tracks, head: Sequence) -> Self {
        Self::learn(config, tracks, head).unwrap_or_else(|error| {
            tracing::error!(%error, "what sessions are open cannot be read; answers tell new ones");
            Self {
                sessions: Sessions::new(&tracks.key, config.store.sessions_max),
            }
        })
    }

    fn learn(config: &Config, tracks: &Tracks, head: Sequence) -> Result<Self, StoringError> {
        let path = sessions_file(&config.journal.data_dir);
        let (_, mut kept) = SessionFile::open(&path).map_err(io::Error::other)?;
        kept.open.retain(|open| open.site.is_default());
        let after = kept.cursor;
        let mut known = Self {
            sessions: take_up(kept, config.store.sessions_max, |_| ()),
        };
        let mut walk = Walk::plain(tracks, after);
        walk.read(tracks.synced(head), &mut |sequence, told| {
            match told {
                Told::Event(event) => drop(known.hear(sequence, &event, Says::Event)),
                Told::Sign(event) => drop(known.hear(sequence, &event, Says::Sign)),
                Told::Erasure(erasure) => known.forget(&erasure),
            }
            true
        })?;
        Ok(known)
    }

    /// Which session a frame belongs to.
    pub fn hear(&mut self, sequence: Sequence, event: &Event<'_>, says: Says) -> SessionWord {
        let who = self.sessions.who(event).filter(|_| event.site.is_default());
        let Some(who) = who else {
            return SessionWord::default();
        };
        let activity = Activity {
            site: event.site,
            who,
            time_ms: event.time_ms,
            received_ms: event.received_ms,
            sequence,
        };
        let begin = (says == Says::Event).then_some(|_| ());
        let word = match self.sessions.take(&activity, begin) {
            Joined::Began(open) => SessionWord {
                number: Some(open.number),
                began: true,
            },
            Joined::Joined(open) => SessionWord {
                number: Some(open.number),
                began: false,
            },
            Joined::Nobody => SessionWord::default(),
        };
        // Those that are over are the storer's matter.
        drop(self.sessions.take_over());
        word
    }

    /// Forgets the sessions of a visitor, or of all, who is erased. Which are those of a user is not known here.
    pub fn forget(&mut self, erasure: &Erasure<'_>) {
        let visitor = match *erasure {
            Erasure::Site(site) if site.is_default() => {
                drop(self.sessions.forget(|_| true));
                return;
            }
            Erasure::StableVisitor(site, id) if site.is_default() => Visitor::Stable(id),
            Erasure::DailyVisitor(site, hash) if site.is_default() => Visitor::Daily(hash),
            _ => return,
        };
        let of_visitor = Event {
            visitor,
            ..Event::new(SiteId::DEFAULT, "", EventId::Own([0; 16]), 0)
        };
        let who = self.sessions.who(&of_visitor);
        drop(self.sessions.forget(|open| Some(open.who) == who));
    }
}

/// What a frame says of a visitor.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Says {
    /// Something happened.
    Event,
    /// The visitor is still there.
    Sign,
}
