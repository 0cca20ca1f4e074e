//! Which session an event belongs to.
//!
//! A visitor's events on a site are one session as long as none is half an hour or more from all others, by the time at
//! which they happened. They come as they like: late, in any order. So a session stays open, and takes what is within
//! its reach, until its site's time has gone on by half an hour since it last took something; or the log's time, where a
//! site falls silent. What comes later opens a session of its own: two sessions are never made one.
//!
//! Time is that of the frames, so the same frames in the same order make the same sessions with the same numbers, and
//! who keeps what was open at a frame can go on from there.

use std::collections::{BTreeMap, HashMap};
use std::hash::{BuildHasherDefault, Hasher};

use siphasher::sip128::{Hasher128, SipHasher13};

use crate::event::{Event, Sequence, SiteId, Visitor};

/// Activity with pauses below this is one session, in milliseconds.
pub const GAP_MS: u64 = 30 * 60 * 1_000;
/// Sessions are looked over for their end by the minute.
pub(super) const MINUTE_MS: u64 = 60 * 1_000;
/// Bits of a session's number that are its first frame's sequence; above them stands the gateway.
const SEQUENCE_BITS: u32 = 45;

/// A visitor of a site, as a fingerprint.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Who(pub u128);

/// Fingerprints are hashes with a secret key: half of one will do.
#[derive(Debug, Default)]
struct Fold(u64);

impl Hasher for Fold {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = self.0.rotate_left(8) ^ u64::from(*byte);
        }
    }

    #[expect(clippy::cast_possible_truncation, reason = "half of it")]
    fn write_u128(&mut self, print: u128) {
        self.0 = print as u64;
    }
}

/// That a visitor was active.
#[derive(Debug, Clone, Copy)]
pub struct Activity {
    /// Where.
    pub site: SiteId,
    /// Which visitor.
    pub who: Who,
    /// When, in milliseconds since 1970.
    pub time_ms: u64,
    /// When that was received, in milliseconds since 1970.
    pub received_ms: u64,
    /// The frame that says so.
    pub sequence: Sequence,
}

/// A session that may go on, and what is kept with it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Open<T> {
    /// Where.
    pub site: SiteId,
    /// Which visitor.
    pub who: Who,
    /// Its number.
    pub number: u64,
    /// When its first activity was, in milliseconds since 1970.
    pub start_ms: u64,
    /// When its last activity was, in milliseconds since 1970.
    pub end_ms: u64,
    /// How far the site's time was when it last took something.
    pub site_ms: u64,
    /// When that was received.
    pub received_ms: u64,
    /// What is kept with it.
    pub kept: T,
}

/// The open sessions of all sites.
#[derive(Debug)]
pub struct Sessions<T> {
    key: [u8; 16],
    open_max: usize,
    open: HashMap<Who, Vec<Open<T>>, BuildHasherDefault<Fold>>,
    /// How many are open.
    count: usize,
    sites: HashMap<SiteId, Site>,
    /// The latest time at which anything was received.
    received_ms: u64,
    over: Vec<Open<T>>,
    /// Sessions that ended only since there were too many.
    cut_short: u64,
}

#[derive(Debug, Default)]
struct Site {
    /// The latest time at which anything happened.
    time_ms: u64,
    /// Open sessions by the minute of the site's time in which they were last looked at.
    minutes: BTreeMap<u64, Vec<(Who, u64)>>,
}

/// What became of an activity.
#[derive(Debug, PartialEq, Eq)]
pub enum Joined<'a, T> {
    /// It began a session.
    Began(&'a Open<T>),
    /// It belongs to one that was open.
    Joined(&'a mut Open<T>),
    /// There is none, and none was to be begun.
    Nobody,
}

impl<T> Sessions<T> {
    /// No sessions; `key` makes their fingerprints and stands in their numbers; it stays with what is kept of them.
    pub fn new(key: &[u8; 16], open_max: usize) -> Self {
        Self {
            key: *key,
            open_max: open_max.max(1),
            open: HashMap::default(),
            count: 0,
            sites: HashMap::new(),
            received_ms: 0,
            over: Vec::new(),
            cut_short: 0,
        }
    }

    /// Takes up what was kept: how far a site's time is.
    pub fn restore_site(&mut self, site: SiteId, time_ms: u64) {
        self.sites.entry(site).or_default().time_ms = time_ms;
    }

    /// Takes up what was kept: an open session.
    pub fn restore(&mut self, open: Open<T>) {
        self.received_ms = self.received_ms.max(open.received_ms);
        let site = self.sites.entry(open.site).or_default();
        let minute = open.site_ms / MINUTE_MS;
        site.minutes.entry(minute).or_default().push((open.who, open.number));
        self.count += 1;
        let sessions = self.open.entry(open.who).or_insert_with(|| Vec::with_capacity(1));
        sessions.push(open);
    }

    /// Whose event it is; `None` if nobody can tell.
    pub fn who(&self, event: &Event<'_>) -> Option<Who> {
        let (kind, bytes): (u8, &[u8]) = match (event.visitor, event.user, event.session) {
            (Visitor::Stable(id), ..) => (1, id.as_bytes()),
            (Visitor::Daily(hash), ..) => (2, &hash.to_be_bytes()),
            (Visitor::None, "", "") => return None,
            (Visitor::None, "", session) => (4, session.as_bytes()),
            (Visitor::None, user, _) => (3, user.as_bytes()),
        };
        let mut hasher = SipHasher13::new_with_key(&self.key);
        hasher.write(&event.site.0);
        hasher.write(&[kind]);
        hasher.write(bytes);
        Some(Who(hasher.finish128().as_u128()))
    }

    /// Takes an activity: into the open session within whose reach it is, or into one that begins with it. `begin` makes
    /// what is kept with that, from its number; without it none is begun.
    pub fn take(&mut self, activity: &Activity, begin: Option<impl FnOnce(u64) -> T>) -> Joined<'_, T> {
        self.go_on(activity);
        let (received_ms, time_ms) = (self.received_ms, activity.time_ms);
        let site_ms = self.sites.get(&activity.site).map_or(0, |site| site.time_ms);
        let sessions = self.open.get(&activity.who);
        let is_within = |open: &Open<T>| {
            let reach = open.start_ms.saturating_sub(GAP_MS)..open.end_ms + GAP_MS;
            !is_over(open, (site_ms, received_ms)) && reach.start < time_ms && time_ms < reach.end
        };
        let of = |sessions: &Vec<Open<T>>| {
            let within = (0..).zip(sessions).filter(|(_, open)| is_within(open));
            within.max_by_key(|(_, open)| open.end_ms).map(|(place, _)| place)
        };
        if let Some(place) = sessions.and_then(of) {
            let known = self.open.get_mut(&activity.who);
            return match known.and_then(|known: &mut Vec<Open<T>>| known.get_mut::<usize>(place)) {
                None => Joined::Nobody,
                Some(open) => {
                    open.start_ms = open.start_ms.min(time_ms);
                    open.end_ms = open.end_ms.max(time_ms);
                    (open.site_ms, open.received_ms) = (site_ms, received_ms);
                    Joined::Joined(open)
                }
            };
        }
        let Some(begin) = begin else {
            return Joined::Nobody;
        };
        if self.count >= self.open_max {
            self.cut_oldest(activity.site);
        }
        let number = self.number(activity.sequence);
        let minutes = &mut self.sites.entry(activity.site).or_default().minutes;
        minutes
            .entry(site_ms / MINUTE_MS)
            .or_default()
            .push((activity.who, number));
        self.count += 1;
        // Nearly every visitor has one.
        let sessions = self.open.entry(activity.who).or_insert_with(|| Vec::with_capacity(1));
        sessions.push(Open {
            site: activity.site,
            who: activity.who,
            number,
            start_ms: time_ms,
            end_ms: time_ms,
            site_ms,
            received_ms,
            kept: begin(number),
        });
        sessions.last().map_or(Joined::Nobody, Joined::Began)
    }

    /// Sessions that are over since the last call.
    pub fn take_over(&mut self) -> Vec<Open<T>> {
        std::mem::take(&mut self.over)
    }

    /// How many sessions since the last call ended only because there were too many.
    pub fn take_cut_short(&mut self) -> u64 {
        std::mem::take(&mut self.cut_short)
    }

    /// Forgets sessions; they are not over, they never were.
    pub fn forget(&mut self, mut goes: impl FnMut(&Open<T>) -> bool) -> Vec<u64> {
        let mut gone = Vec::new();
        self.open.retain(|_, sessions| {
            sessions.retain(|open| {
                let goes = goes(open);
                if goes {
                    gone.push(open.number);
                }
                !goes
            });
            !sessions.is_empty()
        });
        self.count -= gone.len();
        gone
    }

    /// Every open session.
    pub fn iter(&self) -> impl Iterator<Item = &Open<T>> {
        self.open.values().flatten()
    }

    /// An open session.
    pub fn get(&self, who: Who, number: u64) -> Option<&Open<T>> {
        self.open.get(&who)?.iter().find(|open| open.number == number)
    }

    /// How far each site's time is.
    pub fn sites(&self) -> impl Iterator<Item = (SiteId, u64)> {
        self.sites.iter().map(|(id, site)| (*id, site.time_ms))
    }

    /// How many are open.
    pub const fn count(&self) -> usize {
        self.count
    }

    /// Time goes on.
    fn go_on(&mut self, activity: &Activity) {
        let site = self.sites.entry(activity.site).or_default();
        let before_ms = site.time_ms;
        site.time_ms = before_ms.max(activity.time_ms);
        if before_ms / MINUTE_MS != site.time_ms / MINUTE_MS {
            self.look_over_site(activity.site);
        }
        let before_ms = self.received_ms;
        self.received_ms = before_ms.max(activity.received_ms);
        if before_ms / MINUTE_MS != self.received_ms / MINUTE_MS {
            self.look_over_all();
        }
    }

    /// Ends the sessions of a site that are over by its time.
    fn look_over_site(&mut self, id: SiteId) {
        let Some(site) = self.sites.get_mut(&id) else { return };
        let now = (site.time_ms, self.received_ms);
        let Some(passed) = (site.time_ms / MINUTE_MS).checked_sub(GAP_MS / MINUTE_MS) else {
            return;
        };
        let later = site.minutes.split_off(&passed);
        let looked_at = std::mem::replace(&mut site.minutes, later);
        for (who, number) in looked_at.into_values().flatten() {
            let Some(sessions) = self.open.get_mut(&who) else {
                continue;
            };
            let Some(place) = sessions.iter().position(|open| open.number == number) else {
                continue;
            };
            match sessions.get(place) {
                Some(open) if !is_over(open, now) => {
                    let minute = open.site_ms / MINUTE_MS;
                    site.minutes.entry(minute).or_default().push((who, number));
                }
                _ => {
                    self.over.push(sessions.remove(place));
                    self.count -= 1;
                    if sessions.is_empty() {
                        self.open.remove(&who);
                    }
                }
            }
        }
    }

    /// Ends sessions of sites that have fallen silent. What is left of them among the minutes finds nothing.
    fn look_over_all(&mut self) {
        let (received_ms, over) = (self.received_ms, &mut self.over);
        let before = over.len();
        self.open.retain(|_, sessions| {
            over.extend(sessions.extract_if(.., |open| received_ms >= open.received_ms.saturating_add(GAP_MS)));
            !sessions.is_empty()
        });
        self.count -= over.len() - before;
        for site in self.sites.values_mut() {
            site.minutes.retain(|_, list| {
                list.retain(|(who, number)| {
                    let known = self.open.get(who);
                    known.is_some_and(|known| known.iter().any(|open| open.number == *number))
                });
                !list.is_empty()
            });
        }
    }

    /// Ends the session of a site that took something longest ago: there are too many.
    fn cut_oldest(&mut self, id: SiteId) {
        let Some(site) = self.sites.get_mut(&id) else { return };
        while let Some(mut first) = site.minutes.first_entry() {
            let minute = *first.key();
            let oldest = first.get_mut().pop();
            if first.get().is_empty() {
                first.remove();
            }
            let Some((who, number)) = oldest else { continue };
            let Some(sessions) = self.open.get_mut(&who) else {
                continue;
            };
            let Some(place) = sessions.iter().position(|open| open.number == number) else {
                continue;
            };
            let taken = sessions.get(place).map_or(0, |open| open.site_ms / MINUTE_MS);
            if taken > minute {
                // It has taken something since it was put here.
                site.minutes.entry(taken).or_default().push((who, number));
                continue;
            }
            self.over.push(sessions.remove(place));
            self.count -= 1;
            self.cut_short += 1;
            if sessions.is_empty() {
                self.open.remove(&who);
            }
            return;
        }
    }

    /// The number of a session that begins with a frame: no two frames of a directory have the same sequence, and the
    /// gateway stands before it.
    pub(super) fn number(&self, sequence: Sequence) -> u64 {
        let [gateway, ..] = self.key;
        u64::from(gateway) << SEQUENCE_BITS | sequence.0 & ((1 << SEQUENCE_BITS) - 1)
    }
}

/// Whether a session is over, by the time of its site and that of the log.
const fn is_over<T>(open: &Open<T>, (site_ms, received_ms): (u64, u64)) -> bool {
    site_ms >= open.site_ms.saturating_add(GAP_MS) || received_ms >= open.received_ms.saturating_add(GAP_MS)
}
