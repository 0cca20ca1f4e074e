//! A process, which looks after one lane or both.

use footfall::event::Sequence;

use crate::history::Ticket;
use crate::process::Process;
use crate::random::Random;

/// A process, with the lanes that it looks after.
pub struct House {
    /// The lane that takes events.
    pub lane: usize,
    pub head: Sequence,
    /// Its own frames lie above.
    pub above: Sequence,
    pub process: Process,
    /// The lane beside it, if it looks after that.
    pub resting: Option<Process>,
    /// It waits for the end of the process before, and applies nothing.
    pub waits: bool,
    pub tickets: Vec<Ticket>,
}

impl House {
    pub fn of((lane, head, above): (usize, Sequence, Sequence), process: Process, resting: Option<Process>) -> Self {
        Self {
            lane,
            head,
            above,
            process,
            resting,
            waits: false,
            tickets: Vec::new(),
        }
    }

    pub fn work(&mut self, random: &mut Random, eager: bool) {
        let mut chance = |percent| eager || random.chance(percent);
        let [gathers, syncs, applies, stores, persists] = [60, 50, 50, 40, 20].map(&mut chance);
        if gathers {
            self.process.gather();
        }
        if syncs {
            self.process.sync();
            self.process.gather();
        }
        if applies && !self.waits {
            self.process.apply();
        }
        if stores {
            self.process.store(random, eager);
        }
        if persists && !self.waits {
            self.process.persist();
        }
        if let Some(resting) = self.resting.as_mut().filter(|_| persists) {
            resting.apply();
            resting.persist();
        }
    }

    pub fn is_at_rest(&self) -> bool {
        self.process.is_drained() && self.process.is_stored()
    }
}
