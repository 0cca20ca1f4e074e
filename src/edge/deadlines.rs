//! The deadlines of a worker's connections: one timer for all of them.
//!
//! The reaper moves the worker's coarse clock and looks at every connection a few times in its shortest deadline, so a
//! deadline is kept late by at most two ticks and never early, at no cost to a request.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::time::{Duration, Instant};

use tokio::sync::Notify;
use tokio::time::{MissedTickBehavior, interval};

use super::life::{Life, Phase};
use crate::clock;
use crate::config::EdgeConfig;
use crate::memory;

/// How long the client's end is awaited after the last answer, in milliseconds.
const CLOSING_MS: u64 = 1_000;
/// How long a connection without a request keeps a draining worker, in milliseconds.
const FIRST_BYTE_DRAINING_MS: u64 = 1_000;
/// How long a connection keeps room for a request that does not come, in milliseconds.
const REST_MS: u64 = 1_000;
/// Longest and shortest time between two looks at the connections, in milliseconds.
const TICK_MS: (u64, u64) = (5, 250);
/// Looks within the shortest deadline.
const TICKS_IN_DEADLINE: u64 = 8;

/// Every deadline, in milliseconds.
#[derive(Debug, Clone, Copy)]
pub(super) struct Deadlines {
    first_byte: u64,
    header: u64,
    write: u64,
    idle: u64,
    tick: u64,
}

impl Deadlines {
    pub(super) fn new(config: &EdgeConfig) -> Self {
        let shortest = [config.first_byte_ms, config.header_ms, config.write_ms, config.idle_ms]
            .into_iter()
            .fold(CLOSING_MS, u64::min);
        Self {
            first_byte: config.first_byte_ms,
            header: config.header_ms,
            write: config.write_ms,
            idle: config.idle_ms,
            tick: (shortest / TICKS_IN_DEADLINE).clamp(TICK_MS.0, TICK_MS.1),
        }
    }

    /// How long a connection may wait in `phase`; `None` is for ever.
    fn of(&self, phase: Phase, draining: bool) -> Option<u64> {
        match phase {
            Phase::FirstByte if draining => Some(self.first_byte.min(FIRST_BYTE_DRAINING_MS)),
            Phase::FirstByte => Some(self.first_byte),
            Phase::Head => Some(self.header),
            Phase::Serving => None,
            Phase::Writing => Some(self.write),
            Phase::Idle => Some(self.idle),
            Phase::Closing => Some(CLOSING_MS),
        }
    }

    /// A phase is stamped with a time up to a tick old, so a tick more must have passed.
    fn has_passed(&self, life: &Life) -> bool {
        self.of(life.phase(), life.is_finishing())
            .is_some_and(|limit| life.waited_ms() > limit.saturating_add(self.tick))
    }
}

/// All connections of one worker; as many as [`Caps`](super::caps::Caps) lets in.
#[derive(Debug)]
pub(super) struct Roster {
    lives: RefCell<Vec<Rc<Life>>>,
    deadlines: Deadlines,
    began: Instant,
    now: Rc<Cell<u64>>,
    /// When memory is given back next, and how often still: after the last connection that ended or gave its room back.
    give_back: Cell<(Duration, u8)>,
    finishing: Cell<bool>,
    emptied: Notify,
}

/// A connection's line in the roster; struck out when dropped.
#[derive(Debug)]
pub(super) struct Line {
    roster: Rc<Roster>,
    life: Rc<Life>,
}

impl Roster {
    pub(super) fn new(deadlines: Deadlines) -> Self {
        Self {
            lives: RefCell::default(),
            deadlines,
            began: clock::now(),
            now: Rc::default(),
            give_back: Cell::default(),
            finishing: Cell::new(false),
            emptied: Notify::new(),
        }
    }

    /// Puts a new connection on the roster.
    pub(super) fn enter(self: &Rc<Self>) -> Line {
        let life = Rc::new(Life::new(Rc::clone(&self.now)));
        let mut lives = self.lives.borrow_mut();
        life.place.set(lives.len());
        lives.push(Rc::clone(&life));
        Line {
            roster: Rc::clone(self),
            life,
        }
    }

    /// Watches the deadlines, for ever.
    pub(super) async fn reap(&self) {
        let mut ticks = interval(Duration::from_millis(self.deadlines.tick));
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            ticks.tick().await;
            self.look(clock::now().saturating_duration_since(self.began));
        }
    }

    fn look(&self, passed: Duration) {
        self.now.set(u64::try_from(passed.as_millis()).unwrap_or(u64::MAX));
        if let (due, left @ 1..) = self.give_back.get()
            && passed >= due
        {
            self.give_back.set((passed + memory::KEPT, left - 1));
            memory::give_back();
        }
        for life in self.lives.borrow().iter() {
            if self.deadlines.has_passed(life) {
                life.expire();
            } else if life.phase() == Phase::Idle && life.waited_ms() > REST_MS && life.relax() {
                self.give_back_later();
            }
        }
    }

    fn give_back_later(&self) {
        self.give_back
            .set((Duration::from_millis(self.now.get()) + memory::KEPT, 2));
    }

    /// Whether answers must end their connections.
    pub(super) fn is_finishing(&self) -> bool {
        self.finishing.get()
    }

    /// From now on answers end their connections.
    pub(super) fn finish_answers(&self) {
        self.finishing.set(true);
    }

    /// Asks every connection to end as soon as it is idle.
    pub(super) fn finish_connections(&self) {
        for life in self.lives.borrow().iter() {
            life.finish();
        }
    }

    /// Sends every connection to the successor as soon as nothing is under way on it.
    pub(super) fn pass_connections(&self) {
        for life in self.lives.borrow().iter() {
            life.pass();
        }
    }

    /// Returns once no connection is left.
    pub(super) async fn empty(&self) {
        while self.open() > 0 {
            self.emptied.notified().await;
        }
    }

    /// Connections on the roster.
    pub(super) fn open(&self) -> usize {
        self.lives.borrow().len()
    }
}

impl Line {
    pub(super) fn life(&self) -> &Rc<Life> {
        &self.life
    }
}

impl Drop for Line {
    fn drop(&mut self) {
        let mut lives = self.roster.lives.borrow_mut();
        let place = self.life.place.get();
        lives.swap_remove(place);
        if let Some(moved) = lives.get(place) {
            moved.place.set(place);
        }
        if lives.is_empty() {
            self.roster.emptied.notify_one();
        }
        self.roster.give_back_later();
    }
}

#[cfg(test)]
mod tests {
    use super::super::in_flight::InFlight;
    use super::*;

    fn roster() -> Rc<Roster> {
        let config = EdgeConfig {
            first_byte_ms: 1_000,
            header_ms: 2_000,
            write_ms: 3_000,
            idle_ms: 4_000,
            ..EdgeConfig::default()
        };
        Rc::new(Roster::new(Deadlines::new(&config)))
    }

    /// The first millisecond at which the reaper ends the connection.
    fn end_of(roster: &Rc<Roster>, life: &Life) -> Option<u64> {
        let start = roster.now.get();
        (0..10_000).find(|passed| {
            roster.look(Duration::from_millis(start + passed));
            life.is_expired()
        })
    }

    #[test]
    fn each_phase_has_its_own_deadline() {
        type Step = fn(&Rc<Life>);
        let rows: [(Step, u64); 5] = [
            (|_| {}, 1_000),
            (|life| life.has_read(), 2_000),
            (|life| life.is_blocked(), 3_000),
            (|life| drop(InFlight::begin(life)), 4_000),
            (|life| life.is_closing(), CLOSING_MS),
        ];
        for (step, limit) in rows {
            let roster = roster();
            let line = roster.enter();
            step(line.life());
            let end = end_of(&roster, line.life()).unwrap();
            assert!((limit..=limit + 2 * TICK_MS.1).contains(&end), "{limit}: {end}");
        }
    }

    #[test]
    fn a_connection_rests_once_no_request_came_for_a_while() {
        let roster = roster();
        let (line, busy) = (roster.enter(), roster.enter());
        drop(InFlight::begin(line.life()));
        let request = InFlight::begin(busy.life());
        roster.look(Duration::from_millis(REST_MS));
        assert!(!line.life().may_rest());
        roster.look(Duration::from_millis(REST_MS + 1));
        assert!(line.life().may_rest() && !busy.life().may_rest());
        let left = || {
            roster.look(Duration::from_millis(roster.now.get()) + memory::KEPT);
            roster.give_back.get().1
        };
        assert_eq!([left(), left(), left()], [1, 0, 0], "twice is enough");
        line.life().has_read();
        drop(InFlight::begin(line.life()));
        assert!(!line.life().may_rest(), "the next request starts it again");
        drop(request);
    }

    #[test]
    fn a_handler_may_take_its_time() {
        let roster = roster();
        let line = roster.enter();
        let _request = InFlight::begin(line.life());
        assert_eq!(end_of(&roster, line.life()), None);
    }

    #[test]
    fn progress_starts_a_write_deadline_again() {
        let roster = roster();
        let line = roster.enter();
        let _request = InFlight::begin(line.life());
        line.life().is_blocked();
        roster.look(Duration::from_millis(2_900));
        line.life().has_written();
        line.life().is_blocked();
        roster.look(Duration::from_millis(5_800));
        assert!(!line.life().is_expired());
        roster.look(Duration::from_millis(6_200));
        assert!(line.life().is_expired());
    }

    #[test]
    fn the_tick_follows_the_shortest_deadline() {
        let tick = |first_byte_ms| {
            Deadlines::new(&EdgeConfig {
                first_byte_ms,
                ..EdgeConfig::default()
            })
            .tick
        };
        assert_eq!([1, 80, 800, 80_000].map(tick), [5, 10, 100, 125]);
    }

    #[test]
    fn lines_are_struck_out_in_any_order() {
        let roster = roster();
        let mut lines: Vec<Line> = (0..5).map(|_| roster.enter()).collect();
        for place in [1, 3, 0, 1, 0] {
            lines.remove(place);
            for (place, life) in roster.lives.borrow().iter().enumerate() {
                assert_eq!(life.place.get(), place);
                assert!(lines.iter().any(|line| Rc::ptr_eq(line.life(), life)));
            }
            assert_eq!(roster.open(), lines.len());
        }
    }
}
