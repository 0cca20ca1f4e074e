//! Many sessions at once, and the next event of one of them.

use super::dice::{Dice, mixed};
use super::happening::Happening;
use super::pace::{Pace, hour};
use super::session::Session;
use super::visitor::Visitors;

/// About how far the events of a session stand apart, in seconds.
const BETWEEN_SECONDS: u64 = 30;
/// Fewest and most sessions that are under way at once. At more than some two thousand events a second the events of a
/// session stand closer than people are.
const SESSIONS: (u64, u64) = (8, 1 << 16);

/// Made-up traffic of a shop, without end.
#[derive(Debug)]
pub struct Traffic {
    dice: Dice,
    pace: Pace,
    visitors: Visitors,
    sessions: Vec<Session>,
    room: u64,
    count: u64,
    happening: Happening,
}

impl Traffic {
    /// The traffic of a seed. Events have ids, and times if they do not happen now.
    pub fn new(seed: u64, pace: Pace) -> Self {
        let mut happening = Happening::default();
        happening.says_time = matches!(pace, Pace::Spread(_));
        happening.says_id = true;
        Self {
            dice: Dice::new(seed),
            room: pace
                .rate()
                .saturating_mul(BETWEEN_SECONDS)
                .clamp(SESSIONS.0, SESSIONS.1),
            pace,
            visitors: Visitors::new(mixed(!seed)),
            sessions: Vec::new(),
            count: 0,
            happening,
        }
    }

    /// Lets clients give no ids.
    #[must_use]
    pub const fn without_ids(mut self) -> Self {
        self.happening.says_id = false;
        self
    }

    /// Says what time it is, for events that happen now, in milliseconds since 1970.
    pub const fn set_now(&mut self, unix_ms: u64) {
        if let Pace::Now { now_ms, .. } = &mut self.pace {
            *now_ms = unix_ms;
        }
    }

    /// The next event; it stands until the next one is asked for.
    pub fn advance(&mut self) -> &Happening {
        let time_ms = self.pace.next_ms(&mut self.dice);
        self.count += 1;
        let mut place = usize::try_from(self.dice.below(self.room)).unwrap_or(0);
        if self.sessions.get(place).is_none_or(Session::is_over) {
            place = self.begin(place, time_ms);
        }
        if let Some(session) = self.sessions.get_mut(place) {
            self.happening.take(session, (time_ms, self.count), &mut self.dice);
        }
        &self.happening
    }

    /// Begins a session at a place, or behind the last one; returns where.
    fn begin(&mut self, place: usize, time_ms: u64) -> usize {
        let comes = self.visitors.comes(&mut self.dice, hour(time_ms));
        let begun = comes.and_then(|(visitor, returning)| Session::begin(visitor, returning, &mut self.dice));
        let place = place.min(self.sessions.len());
        if let Some(session) = begun {
            match self.sessions.get_mut(place) {
                Some(over) => *over = session,
                None => self.sessions.push(session),
            }
        }
        place
    }
}
