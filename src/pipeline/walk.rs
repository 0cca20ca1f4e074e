//! Both lanes as one log: every event that counts, and every erasure, in the order of their sequences.
//!
//! The event store is filled from here. It decides for itself which events are duplicates: the same frames with the
//! same window give the same word as the applier's, so neither waits for the other. Frames of the lane that rests all
//! have their place between frames of the one that takes visits, or before what will yet come to it.

use std::io;
use std::sync::Arc;

use super::frames::{keyed, named};
use super::retention::{holder_of, window_before};
use crate::apply::Apply;
use crate::config::ApplyConfig;
use crate::event::{Erasure, Event, Sequence};
use crate::journal::payload::Payload;
use crate::journal::{Frame, Reader, Segment, Segments, ended_before};

/// What the lanes of a data directory are read from.
#[derive(Clone)]
pub struct Tracks {
    /// Of the lane that takes visits.
    pub writing: Arc<Segments>,
    /// Of the lane that rests, with its last frame.
    pub resting: Option<(Arc<Segments>, Sequence)>,
    /// For the fingerprints of ids.
    pub key: [u8; 16],
}

impl Tracks {
    /// Whether every frame after this one is still there: a lane's first segment begins with the first sequence.
    pub fn reach_back_to(&self, after: Sequence) -> bool {
        let all = |segments: &Segments| {
            let list = segments.list();
            list.first().is_none_or(|oldest| oldest.first <= after.next())
        };
        all(&self.writing) && self.resting.iter().all(|(segments, _)| all(segments))
    }
}

/// What a frame means for the store.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(
    clippy::large_enum_variant,
    reason = "one lives at a time, on the stack, and a box would cost every event an allocation"
)]
pub enum Told<'a> {
    /// An event that counts.
    Event(Event<'a>),
    /// Events are to go.
    Erasure(Erasure<'a>),
}

/// A place in both lanes.
pub struct Walk {
    writing: Reader,
    /// Until it is read to its end.
    resting: Option<(Reader, Sequence)>,
    apply: Apply,
    /// Frames up to here are only decided, for the ids in them.
    after: Sequence,
    /// The last frame of the lane that takes visits.
    last: Option<Sequence>,
    /// Everything up to here was read.
    head: Sequence,
}

impl Walk {
    /// Begins so far before the frames after `after` that their window of ids is known.
    pub fn new(tracks: &Tracks, after: Sequence, config: &ApplyConfig) -> Self {
        let writing = tracks.writing.list();
        let resting = tracks.resting.as_ref().map(|(segments, head)| (segments.list(), *head));
        let since_of = |list: &[Segment]| window_before(list, holder_of(list, after), config.window_ms).1;
        // A lane whose frames are all behind may have rested for long: only what is ahead says how far back to go.
        let behind = resting.iter().filter(|(_, head)| *head > after);
        let since_ms = behind
            .map(|(list, _)| since_of(list))
            .chain([since_of(&writing)])
            .min()
            .unwrap_or_default();
        let reader = |segments: &Arc<Segments>, list: &[Segment]| {
            let first = ended_before(list, since_ms).min(holder_of(list, after));
            let first = list.get(first).map_or(Sequence::ZERO, |segment| segment.first);
            Reader::new(segments.clone(), Sequence(first.0.saturating_sub(1)))
        };
        Self {
            writing: reader(&tracks.writing, &writing),
            resting: tracks
                .resting
                .as_ref()
                .zip(resting)
                .map(|((segments, head), (list, _))| (reader(segments, &list), *head)),
            apply: Apply::new(config, &tracks.key),
            after,
            last: None,
            head: after,
        }
    }

    /// Reads both lanes, the one that takes visits up to a synced frame, and gives what is after the beginning to
    /// `take` until that returns `false`. Whether everything was read.
    ///
    /// # Errors
    /// When a lane cannot be read. What `take` was not given yet may then be skipped: begin a new walk.
    pub fn read(&mut self, upto: Sequence, take: &mut dyn FnMut(Sequence, Told<'_>) -> bool) -> io::Result<bool> {
        let Self {
            writing,
            resting,
            apply,
            after,
            last,
            head,
        } = self;
        let (mut go_on, mut beside) = (true, Ok(()));
        let mut decide = |frame: Frame<'_>| match decide(apply, frame) {
            Some(told) if frame.sequence > *after => take(frame.sequence, told),
            _ => true,
        };
        writing.read(upto, |frame, _| {
            let follows = last.is_some_and(|last| last.next() == frame.sequence);
            *last = Some(frame.sequence);
            // No whole number lies between two that follow each other.
            if let Some((resting, end)) = resting.as_mut().filter(|_| !follows) {
                let before = Sequence(frame.sequence.0.saturating_sub(1)).min(*end);
                beside = resting.read(before, |frame, _| {
                    go_on = decide(frame);
                    go_on
                });
            }
            go_on = go_on && beside.is_ok() && decide(frame);
            go_on
        })?;
        beside?;
        if let Some((reader, end)) = resting.as_mut().filter(|_| go_on) {
            // What is left of it is before whatever the other lane will take.
            reader.read(*end, |frame, _| {
                go_on = decide(frame);
                go_on
            })?;
            *head = (*head).max(*end);
        }
        if go_on {
            *resting = None;
            *head = (*head).max(writing.last());
        }
        Ok(go_on)
    }

    /// Everything up to here was read.
    pub const fn head(&self) -> Sequence {
        self.head
    }
}

fn decide<'a>(apply: &mut Apply, frame: Frame<'a>) -> Option<Told<'a>> {
    match Payload::read(frame.kind, frame.payload)? {
        Payload::Visit(visit) => {
            apply.witness(keyed(visit));
            None
        }
        Payload::Event(event, manner) => apply.judge_event(named(&event, manner)).then_some(Told::Event(event)),
        Payload::Erasure(erasure) => Some(Told::Erasure(erasure)),
        Payload::Visits(_) | Payload::Advance | Payload::Unknown => None,
    }
}
