//! A request in flight, from the handler's call to the end of the answer's body.

use std::cell::Cell;
use std::rc::Rc;

use super::life::Life;

/// Counts as one request of its connection until dropped.
#[derive(Debug)]
pub(super) struct InFlight {
    life: Rc<Life>,
    held: Cell<bool>,
}

impl InFlight {
    pub(super) fn begin(life: &Rc<Life>) -> Self {
        life.request_begins();
        Self {
            life: Rc::clone(life),
            held: Cell::new(false),
        }
    }

    /// The answer went on, and the client must make room before it goes on again.
    pub(super) fn awaits_client(&self) {
        self.life.stamp();
        if !self.held.replace(true) {
            self.life.hold();
        }
    }

    /// The handler must go on before the answer does.
    pub(super) fn awaits_handler(&self) {
        if self.held.replace(false) {
            self.life.release();
        }
    }
}

impl Drop for InFlight {
    fn drop(&mut self) {
        self.awaits_handler();
        self.life.request_ends();
    }
}
