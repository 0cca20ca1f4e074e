//! The sessions that go on, as who fills the stores has them: which session each event belongs to, and what of that is
//! not kept yet.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::sync::Arc;

use crate::apply::{Activity, Changes, Joined, Kept, Open, Sessions, Who, take_up};
use crate::event::{Erasure, Event, Row, Sequence, Session, SiteId, Visitor};

/// Open sessions, and what has changed of them.
pub struct OpenSessions {
    sessions: Sessions<Arc<Session>>,
    /// They are those that were open at this frame.
    head: Sequence,
    /// The frames up to the one at which they were kept, should these come again.
    again: Option<Again>,
    /// Sessions that have changed.
    touched: HashMap<u64, Who>,
    /// Sites whose time may have gone on.
    sites: BTreeSet<SiteId>,
    /// Sessions that are kept as open.
    kept: HashSet<u64>,
    /// Those among them that are not open any more.
    gone: Vec<u64>,
}

/// Frames that come again, since a part of a store is made again: their sessions are, too, as far as the frames reach.
/// What is known to be open at the last of them stays as it is.
struct Again {
    sessions: Sessions<Arc<Session>>,
    upto: Sequence,
}

impl OpenSessions {
    /// Goes on from what was kept, to take the frames after one.
    pub fn at(after: Sequence, kept: Kept, sessions_max: usize) -> Self {
        let numbers = kept.open.iter().map(|open| open.number).collect();
        let again = (after < kept.cursor).then(|| Again {
            sessions: Sessions::new(&kept.key, sessions_max),
            upto: kept.cursor,
        });
        Self {
            head: kept.cursor,
            sessions: take_up(kept, sessions_max, |session| session),
            again,
            touched: HashMap::new(),
            sites: BTreeSet::new(),
            kept: numbers,
            gone: Vec::new(),
        }
    }

    /// Everything up to a frame was taken.
    pub fn advance(&mut self, sequence: Sequence) {
        self.head = self.head.max(sequence);
    }

    /// The frame at which these are the open sessions.
    pub const fn head(&self) -> Sequence {
        self.head
    }

    /// Takes an event into its session, whose number this gives; `None` if nobody can tell whose event it is.
    pub fn take(&mut self, sequence: Sequence, row: &Row<'_>) -> Option<u64> {
        self.advance(sequence);
        if let Some(again) = self.again(sequence) {
            return join(&mut again.sessions, sequence, row).map(|(_, number)| number);
        }
        let (who, number) = join(&mut self.sessions, sequence, row)?;
        self.touched.insert(number, who);
        self.sites.insert(row.event.site);
        Some(number)
    }

    /// Moves the end of the session in which a visitor is still there, if there is one.
    pub fn sign(&mut self, sequence: Sequence, event: &Event<'_>) {
        self.advance(sequence);
        if let Some(again) = self.again(sequence) {
            touch(&mut again.sessions, sequence, event);
            return;
        }
        // Its site's time goes on in any case.
        self.sites.insert(event.site);
        if let Some((who, number)) = touch(&mut self.sessions, sequence, event) {
            self.touched.insert(number, who);
        }
    }

    /// Sessions that are over since the last call.
    pub fn take_over(&mut self) -> Vec<Arc<Session>> {
        let sessions = match &mut self.again {
            Some(again) => &mut again.sessions,
            None => &mut self.sessions,
        };
        let mut over = sessions.take_over();
        if self.again.is_some() {
            over.retain(|open| self.sessions.get(open.who, open.number).is_none());
        }
        over.into_iter()
            .map(|open| {
                self.end(open.number);
                open.kept
            })
            .collect()
    }

    /// Forgets the open sessions of whoever is erased.
    pub fn erase(&mut self, sequence: Sequence, erasure: &Erasure<'_>) {
        self.advance(sequence);
        if let Some(again) = self.again(sequence) {
            again.sessions.forget(|open| is_meant(&open.kept, erasure));
            return;
        }
        let gone = self.sessions.forget(|open| is_meant(&open.kept, erasure));
        for number in gone {
            self.end(number);
        }
    }

    /// Who takes a frame that comes again; nobody once all have come.
    fn again(&mut self, sequence: Sequence) -> Option<&mut Again> {
        self.again.take_if(|again| sequence > again.upto);
        self.again.as_mut()
    }

    /// Every open session.
    pub fn all(&self) -> Vec<Arc<Session>> {
        self.sessions.iter().map(|open| open.kept.clone()).collect()
    }

    /// What is to be kept: handed to `keep`.
    pub fn changes<T>(&self, keep: impl FnOnce(&Changes<'_>) -> T) -> T {
        let open = self.touched.iter();
        let open: Vec<&Open<_>> = open
            .filter_map(|(number, who)| self.sessions.get(*who, *number))
            .collect();
        let sites: Vec<_> = self
            .sessions
            .sites()
            .filter(|(site, _)| self.sites.contains(site))
            .collect();
        keep(&Changes {
            cursor: self.head,
            sites: &sites,
            open: &open,
            gone: &self.gone,
        })
    }

    /// How many are open, and how many ended since the last call only because there were too many.
    pub fn take_counts(&mut self) -> (usize, u64) {
        (self.sessions.count(), self.sessions.take_cut_short())
    }

    /// Everything that has changed is kept.
    pub fn are_kept(&mut self) {
        for number in self.gone.drain(..) {
            self.kept.remove(&number);
        }
        self.kept.extend(self.touched.drain().map(|(number, _)| number));
        self.sites.clear();
    }

    fn end(&mut self, number: u64) {
        self.touched.remove(&number);
        if self.again.is_none() && self.kept.contains(&number) {
            self.gone.push(number);
        }
    }
}

/// Moves the end of the session in which a visitor is still there; whose it is, and the session's number.
fn touch(sessions: &mut Sessions<Arc<Session>>, sequence: Sequence, event: &Event<'_>) -> Option<(Who, u64)> {
    let who = sessions.who(event)?;
    match sessions.take(&activity(who, sequence, event), None::<fn(u64) -> Arc<Session>>) {
        Joined::Joined(open) => {
            Arc::make_mut(&mut open.kept).touch(event.time_ms);
            Some((who, open.number))
        }
        Joined::Began(_) | Joined::Nobody => None,
    }
}

const fn activity(who: Who, sequence: Sequence, event: &Event<'_>) -> Activity {
    Activity {
        site: event.site,
        who,
        time_ms: event.time_ms,
        received_ms: event.received_ms,
        sequence,
    }
}

/// Takes an event into its session; whose it is, and the session's number.
fn join(sessions: &mut Sessions<Arc<Session>>, sequence: Sequence, row: &Row<'_>) -> Option<(Who, u64)> {
    let event = &row.event;
    let who = sessions.who(event)?;
    let begin = |number| Arc::new(Session::begin(number, row));
    match sessions.take(&activity(who, sequence, event), Some(begin)) {
        Joined::Began(open) => Some((who, open.number)),
        Joined::Joined(open) => {
            Arc::make_mut(&mut open.kept).join(row);
            Some((who, open.number))
        }
        Joined::Nobody => None,
    }
}

fn is_meant(session: &Session, erasure: &Erasure<'_>) -> bool {
    match *erasure {
        Erasure::Site(site) => session.site == site,
        Erasure::User(site, user) => session.site == site && session.user() == user,
        Erasure::StableVisitor(site, id) => session.site == site && session.visitor() == Visitor::Stable(id),
        Erasure::DailyVisitor(site, hash) => session.site == site && session.visitor() == Visitor::Daily(hash),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::EventId;

    #[test]
    fn the_time_of_a_site_goes_on_by_a_sign_of_life_that_belongs_to_no_session() {
        let kept = Kept {
            key: [1; 16],
            cursor: Sequence::ZERO,
            sites: Vec::new(),
            open: Vec::new(),
        };
        let mut open = OpenSessions::at(Sequence::ZERO, kept, 10);
        let sign = Event {
            visitor: Visitor::Stable("anna"),
            ..Event::new(SiteId::DEFAULT, "sign", EventId::Own([0; 16]), 77)
        };
        open.sign(Sequence(1), &sign);
        open.changes(|changes| {
            assert_eq!(
                (changes.cursor, changes.sites),
                (Sequence(1), &[(SiteId::DEFAULT, 77)][..])
            );
            assert!(changes.open.is_empty());
        });
    }
}
