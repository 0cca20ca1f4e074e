//! The other lane, as one lane's apply needs it: whose ids its visits and events had.
//!
//! Sequences rise over both lanes: at a hand-over the new process begins far above whatever the old one can still
//! reach. So each lane's frames have their place among those of the other, and a visit that was sent before and after
//! a hand-over is decided the same whenever one of the lanes is read.

use std::io;
use std::sync::Arc;

use super::frames::{keyed, named};
use crate::apply::Apply;
use crate::event::Sequence;
use crate::journal::payload::Payload;
use crate::journal::{Frame, Reader, Segments, ended_before};

/// How far the new process of a hand-over begins above the last frame of the old one, which goes on meanwhile.
pub const LEAP: u64 = 1 << 32;

/// A place in the other lane.
#[derive(Default)]
pub struct Beside {
    segments: Option<Arc<Segments>>,
    /// The last sequence that apply has been told of.
    told: Sequence,
    /// The last frame of this lane.
    own: Sequence,
}

impl Beside {
    /// Begins with the first segment of the other lane that was open at some time, in milliseconds since 1970, or
    /// later.
    pub fn since(segments: Option<&Arc<Segments>>, since_ms: u64) -> Self {
        let list = segments.map(|segments| segments.list()).unwrap_or_default();
        let first = list
            .get(ended_before(&list, since_ms))
            .map_or(Sequence::ZERO, |segment| segment.first);
        Self {
            segments: segments.cloned(),
            told: Sequence(first.0.saturating_sub(1)),
            own: Sequence::ZERO,
        }
    }

    /// The other lane's segments have been listed anew.
    pub fn replace(&mut self, segments: Arc<Segments>) {
        self.segments = Some(segments);
    }

    /// Tells apply of the ids in the other lane's frames before this lane's next one.
    ///
    /// # Errors
    /// When the other lane cannot be read.
    pub fn tell_before(&mut self, next: Sequence, apply: &mut Apply) -> io::Result<()> {
        let follows = next == self.own.next();
        self.own = next;
        // No whole number lies between two that follow each other.
        if follows {
            return Ok(());
        }
        self.tell_upto(Sequence(next.0.saturating_sub(1)), apply)
    }

    /// Tells apply of the ids in the other lane's frames up to a sequence.
    ///
    /// # Errors
    /// When the other lane cannot be read.
    pub fn tell_upto(&mut self, upto: Sequence, apply: &mut Apply) -> io::Result<()> {
        let Some(segments) = self.segments.clone().filter(|_| upto > self.told) else {
            return Ok(());
        };
        let mut reader = Reader::new(segments, self.told);
        reader.read(upto, |frame, _| {
            tell(apply, frame);
            true
        })?;
        self.told = reader.last().max(self.told);
        Ok(())
    }
}

fn tell(apply: &mut Apply, frame: Frame<'_>) {
    match Payload::read(frame.kind, frame.payload) {
        Some(Payload::Visit(visit)) => apply.witness(keyed(visit)),
        Some(Payload::Event(event, manner)) => apply.witness_event(named(&event, manner)),
        _ => {}
    }
}
