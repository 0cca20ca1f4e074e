//! What one connection is waiting for, and since when.
//!
//! Everything here is a plain cell of one thread: noting a step costs a store or two, and no clock is read. Times come
//! from the worker's [coarse clock](super::deadlines), which the reaper moves.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::task::{Context, Waker};

/// What a connection waits for; each has its own deadline but `Serving`, whose deadlines are the handler's.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) enum Phase {
    /// The first byte of the first request.
    #[default]
    FirstByte,
    /// The rest of a request head.
    Head,
    /// A handler.
    Serving,
    /// The client, who should read its answer.
    Writing,
    /// The next request.
    Idle,
    /// The client's end of a connection whose answers are all sent.
    Closing,
}

/// The life of one connection.
#[derive(Debug, Default)]
pub(super) struct Life {
    /// The worker's coarse clock, in milliseconds since the worker began.
    now: Rc<Cell<u64>>,
    /// The last change of phase, or the last progress in it.
    since: Cell<u64>,
    /// The phase when nothing is in flight.
    resting: Cell<Phase>,
    /// HTTP/2: what is read is not the head of one request.
    multiplexed: Cell<bool>,
    /// Requests between the handler's call and the end of the answer's body.
    in_flight: Cell<u32>,
    /// Answers whose next piece the client, not the handler, holds up.
    held: Cell<u32>,
    /// The kernel took no more bytes at the last write.
    blocked: Cell<bool>,
    /// Bytes of answers are gathered and not yet given to the kernel.
    unsent: Cell<bool>,
    /// Gathered bytes must go out although more answers may follow.
    hurry: Cell<bool>,
    /// A deadline has passed.
    expired: Cell<bool>,
    /// No request came for a while.
    relaxed: Cell<bool>,
    /// The worker drains: close when idle.
    finishing: Cell<bool>,
    /// The worker hands over: go to the successor when nothing is under way.
    passing: Cell<bool>,
    /// Whom to wake when a deadline passes.
    waker: RefCell<Option<Waker>>,
    /// Where the roster keeps this life.
    pub(super) place: Cell<usize>,
}

impl Life {
    pub(super) fn new(now: Rc<Cell<u64>>) -> Self {
        Self {
            since: Cell::new(now.get()),
            now,
            ..Self::default()
        }
    }

    /// What is waited for now.
    pub(super) fn phase(&self) -> Phase {
        if self.blocked.get() || self.held.get() > 0 {
            Phase::Writing
        } else if self.in_flight.get() > 0 {
            Phase::Serving
        } else {
            self.resting.get()
        }
    }

    /// Milliseconds since the phase began or last made progress.
    pub(super) fn waited_ms(&self) -> u64 {
        self.now.get().saturating_sub(self.since.get())
    }

    /// Bytes came in for HTTP.
    pub(super) fn has_read(&self) {
        // While a request is in flight they belong to its body, or to a request that is pipelined behind it.
        let rests = matches!(self.resting.get(), Phase::FirstByte | Phase::Idle);
        if rests && self.in_flight.get() == 0 && !self.multiplexed.get() {
            self.rest_in(Phase::Head);
        }
    }

    /// From now on the connection speaks HTTP/2.
    pub(super) fn is_multiplexed(&self) {
        self.multiplexed.set(true);
        self.rest_in(Phase::Idle);
    }

    /// All answers are given; only the client's end is awaited.
    pub(super) fn is_closing(&self) {
        self.rest_in(Phase::Closing);
    }

    /// The kernel took bytes.
    pub(super) fn has_written(&self) {
        if self.blocked.replace(false) {
            self.stamp();
        }
    }

    /// The kernel takes no more bytes.
    pub(super) fn is_blocked(&self) {
        if !self.blocked.replace(true) {
            self.stamp();
        }
    }

    pub(super) fn set_unsent(&self, unsent: bool) {
        self.unsent.set(unsent);
    }

    /// A request goes to the handler.
    pub(super) fn request_begins(&self) {
        if self.resting.get() != Phase::Closing {
            self.resting.set(Phase::Idle);
        }
        self.in_flight.set(self.in_flight.get() + 1);
        self.stamp();
    }

    /// An answer is given in full.
    pub(super) fn request_ends(&self) {
        self.in_flight.set(self.in_flight.get() - 1);
        self.stamp();
    }

    /// Another answer waits for the client to make room.
    pub(super) fn hold(&self) {
        self.held.set(self.held.get() + 1);
    }

    /// An answer waits for the client no more.
    pub(super) fn release(&self) {
        self.held.set(self.held.get() - 1);
    }

    /// Whether a request is being served.
    pub(super) fn is_serving(&self) -> bool {
        self.in_flight.get() > 0
    }

    /// Whether nothing would be lost by closing now.
    pub(super) fn is_idle(&self) -> bool {
        self.phase() == Phase::Idle && !self.unsent.get()
    }

    /// Whether gathered answers were left behind with nobody to send them; if so the next flush will.
    pub(super) fn must_hurry(&self) -> bool {
        let must = self.unsent.get() && !self.blocked.get();
        if must {
            self.hurry.set(true);
        }
        must
    }

    /// Whether the next flush must send; asking resets it.
    pub(super) fn take_hurry(&self) -> bool {
        self.hurry.replace(false)
    }

    /// Remembers whom to wake when a deadline passes.
    pub(super) fn watch(&self, cx: &Context<'_>) {
        let mut waker = self.waker.borrow_mut();
        if !waker.as_ref().is_some_and(|known| known.will_wake(cx.waker())) {
            *waker = Some(cx.waker().clone());
        }
    }

    /// A deadline has passed; progress that is found before anybody acts on it makes up for it.
    pub(super) fn expire(&self) {
        self.expired.set(true);
        self.wake();
    }

    pub(super) fn is_expired(&self) -> bool {
        self.expired.get()
    }

    /// No request came for a while; true the first time since the last.
    pub(super) fn relax(&self) -> bool {
        let first = !self.relaxed.replace(true);
        if first {
            self.wake();
        }
        first
    }

    /// Whether the connection needs no room for a request for now.
    pub(super) fn may_rest(&self) -> bool {
        self.relaxed.get() && self.is_idle() && !self.multiplexed.get()
    }

    /// The worker drains.
    pub(super) fn finish(&self) {
        self.finishing.set(true);
        self.wake();
    }

    pub(super) fn is_finishing(&self) -> bool {
        self.finishing.get()
    }

    /// The worker hands over.
    pub(super) fn pass(&self) {
        self.passing.set(true);
        self.wake();
    }

    pub(super) fn is_passing(&self) -> bool {
        self.passing.get()
    }

    /// Whether the connection can go to another process now: nothing is under way on it.
    pub(super) fn may_pass(&self) -> bool {
        self.passing.get() && matches!(self.phase(), Phase::FirstByte | Phase::Idle) && !self.unsent.get()
    }

    /// The connection came from another process, which has answered requests on it.
    pub(super) fn has_rested(&self) {
        self.rest_in(Phase::Idle);
    }

    fn wake(&self) {
        if let Some(waker) = self.waker.borrow().as_ref() {
            waker.wake_by_ref();
        }
    }

    fn rest_in(&self, phase: Phase) {
        self.resting.set(phase);
        self.stamp();
    }

    /// Something went on.
    pub(super) fn stamp(&self) {
        self.since.set(self.now.get());
        self.relaxed.set(false);
        // A deadline that passed while the progress was on its way is forgiven.
        self.expired.set(false);
    }
}

#[cfg(test)]
mod tests {
    use super::super::in_flight::InFlight;
    use super::*;

    fn life() -> Rc<Life> {
        Rc::new(Life::new(Rc::new(Cell::new(0))))
    }

    #[test]
    fn a_request_passes_through_its_phases() {
        let life = life();
        assert_eq!(life.phase(), Phase::FirstByte);
        life.has_read();
        assert_eq!(life.phase(), Phase::Head);
        life.now.set(7);
        life.has_read();
        assert_eq!(life.waited_ms(), 7, "the head's time runs from its first byte");
        let request = InFlight::begin(&life);
        assert_eq!(life.phase(), Phase::Serving);
        life.has_read();
        assert_eq!(life.phase(), Phase::Serving, "body bytes begin no head");
        life.is_blocked();
        assert_eq!(life.phase(), Phase::Writing);
        drop(request);
        assert_eq!(life.phase(), Phase::Writing);
        life.now.set(9);
        life.has_written();
        assert_eq!((life.phase(), life.waited_ms()), (Phase::Idle, 0));
    }

    #[test]
    fn progress_forgives_a_deadline_and_drips_do_not() {
        let life = life();
        life.expire();
        life.has_read();
        assert!(!life.is_expired());
        life.expire();
        life.has_read();
        assert!(life.is_expired());
        drop(InFlight::begin(&life));
        assert!(!life.is_expired());
        life.is_blocked();
        life.expire();
        life.is_blocked();
        assert!(life.is_expired());
        life.has_written();
        assert!(!life.is_expired());
    }

    #[test]
    fn many_requests_in_flight_are_counted() {
        let life = life();
        life.is_multiplexed();
        life.has_read();
        assert_eq!(life.phase(), Phase::Idle);
        let first = InFlight::begin(&life);
        let second = InFlight::begin(&life);
        drop(first);
        assert_eq!(life.phase(), Phase::Serving);
        second.awaits_client();
        assert_eq!(life.phase(), Phase::Writing);
        second.awaits_handler();
        assert_eq!(life.phase(), Phase::Serving);
        second.awaits_client();
        drop(second);
        assert_eq!(life.phase(), Phase::Idle);
    }

    #[test]
    fn a_connection_passes_between_requests_only() {
        let life = life();
        assert!(!life.may_pass());
        life.pass();
        assert!(life.may_pass(), "nothing was read yet");
        life.has_read();
        assert!(!life.may_pass(), "half a head was read");
        let request = InFlight::begin(&life);
        assert!(!life.may_pass());
        life.set_unsent(true);
        drop(request);
        assert!(!life.may_pass(), "the answer is not with the kernel");
        life.set_unsent(false);
        assert!(life.may_pass());
    }

    #[test]
    fn gathered_answers_keep_a_connection_from_being_idle() {
        let life = life();
        drop(InFlight::begin(&life));
        life.set_unsent(true);
        assert!(!life.is_idle());
        assert!(life.must_hurry() && life.take_hurry() && !life.take_hurry());
        life.is_blocked();
        assert!(!life.must_hurry(), "a blocked socket wakes by itself");
        life.has_written();
        life.set_unsent(false);
        assert!(life.is_idle() && !life.must_hurry());
    }
}
