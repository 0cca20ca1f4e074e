//! Both lanes as one log: every event that counts, and every erasure, in the order of their sequences.
//!
//! The event store is filled from here. Which events are duplicates the applier has decided, if it did so in this
//! process and it is not too long ago ([`Decided`]). Else a walk decides for itself: the same frames with the same window
//! of ids come to the same word. Frames of the lane that rests all have their place between frames of the one that
//! takes visits, or before what will yet come to it.

use std::collections::VecDeque;
use std::io;
use std::sync::Arc;

use super::decided::Decided;
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
    /// What the applier has decided, if one runs.
    pub decided: Option<Arc<Decided>>,
}

impl Tracks {
    /// Everything up to here is synced: the last frame of the lane that takes visits may be far before the other's.
    pub fn synced(&self, writing: Sequence) -> Sequence {
        self.resting.as_ref().map_or(writing, |(_, end)| writing.max(*end))
    }

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
    /// A visitor is still there, as an event that did not happen.
    Sign(Event<'a>),
    /// Events are to go.
    Erasure(Erasure<'a>),
}

/// Who says which events are duplicates.
#[allow(clippy::large_enum_variant, reason = "there is one")]
enum Judge {
    /// The walk itself.
    Own(Apply),
    /// Nobody: duplicates are told as well.
    Nobody,
    /// The applier: its duplicates after the last frame that was read.
    Applier(Arc<Decided>, VecDeque<Sequence>),
}

/// A place in both lanes.
pub struct Walk {
    writing: Reader,
    /// Until it is read to its end.
    resting: Option<(Reader, Sequence)>,
    judge: Judge,
    decided: Option<Arc<Decided>>,
    /// Frames up to here are only decided, for the ids in them.
    after: Sequence,
    /// The last frame of the lane that takes visits.
    last: Option<Sequence>,
    /// Everything up to here was read.
    head: Sequence,
}

impl Walk {
    /// Begins with the frames after one, or so far before that their window of ids is known.
    pub fn new(tracks: &Tracks, after: Sequence, config: &ApplyConfig) -> Self {
        let decided = tracks.decided.clone();
        let known = decided.clone().filter(|decided| after >= decided.stretch().0);
        let (judge, [writing, resting]) = match known {
            Some(decided) => (Judge::Applier(decided, VecDeque::new()), [Some(after), Some(after)]),
            None => (
                Judge::Own(Apply::new(config, &tracks.key)),
                starts(tracks, after, config.window_ms),
            ),
        };
        let reader = |segments: &Arc<Segments>, start: Option<Sequence>| {
            Reader::new(segments.clone(), start.unwrap_or_default())
        };
        let beside = tracks.resting.as_ref();
        Self {
            writing: reader(&tracks.writing, writing),
            resting: beside.map(|(segments, end)| (reader(segments, resting), *end)),
            judge,
            decided,
            after,
            last: None,
            head: after,
        }
    }

    /// Begins with the frames after one, and tells duplicates as well.
    pub fn plain(tracks: &Tracks, after: Sequence) -> Self {
        let beside = tracks.resting.as_ref();
        Self {
            writing: Reader::new(tracks.writing.clone(), after),
            resting: beside.map(|(segments, end)| (Reader::new(segments.clone(), after), *end)),
            judge: Judge::Nobody,
            decided: None,
            after,
            last: None,
            head: after,
        }
    }

    /// Reads both lanes up to a synced frame, and gives what is after the beginning to
    /// `take` until that returns `false`. Whether everything was read that is decided.
    ///
    /// # Errors
    /// When a lane cannot be read, or the applier has forgotten what it decided. What `take` was not given yet may then
    /// be skipped: begin a new walk.
    pub fn read(&mut self, upto: Sequence, take: &mut dyn FnMut(Sequence, Told<'_>) -> bool) -> io::Result<bool> {
        let upto = upto.min(self.ask_applier()?);
        let Self {
            writing,
            resting,
            judge,
            after,
            last,
            head,
            ..
        } = self;
        let (mut go_on, mut beside) = (true, Ok(()));
        let mut decide = |frame: Frame<'_>| match judge.decide(frame) {
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
            // What is left of it stands after the other lane's frames up to here.
            reader.read(upto.min(*end), |frame, _| {
                go_on = decide(frame);
                go_on
            })?;
            *head = (*head).max(upto.min(*end));
        }
        if go_on {
            resting.take_if(|(_, end)| *end <= upto);
            *head = (*head).max(writing.last());
            self.leave_to_applier();
        }
        Ok(go_on)
    }

    /// Everything up to here was read.
    pub const fn head(&self) -> Sequence {
        self.head
    }

    /// Learns what the applier has decided since the last time; up to where that reaches.
    fn ask_applier(&mut self) -> io::Result<Sequence> {
        let Judge::Applier(decided, duplicates) = &mut self.judge else {
            return Ok(Sequence(u64::MAX));
        };
        // First up to where: what is decided meanwhile may be among the duplicates already, and harms nobody.
        let (_, upto) = decided.stretch();
        let known = decided.duplicates_after(self.head);
        *duplicates = known.ok_or_else(|| io::Error::other("the applier has forgotten what it decided"))?;
        Ok(upto)
    }

    /// From the frame on from which the applier's word is known, it is as good as one's own, and costs no memory.
    fn leave_to_applier(&mut self) {
        let known = self.decided.clone().filter(|decided| self.head >= decided.stretch().0);
        if let (Some(decided), Judge::Own(_)) = (known, &self.judge) {
            self.judge = Judge::Applier(decided, VecDeque::new());
        }
    }
}

impl Judge {
    fn decide<'a>(&mut self, frame: Frame<'a>) -> Option<Told<'a>> {
        match (self, Payload::read(frame.kind, frame.payload)?) {
            (_, Payload::Erasure(erasure)) => Some(Told::Erasure(erasure)),
            (_, Payload::Sign(event)) => Some(Told::Sign(event)),
            (Self::Nobody, Payload::Event(event, _)) => Some(Told::Event(event)),
            (Self::Own(apply), Payload::Visit(visit)) => {
                apply.witness(keyed(visit));
                None
            }
            (Self::Own(apply), Payload::Event(event, manner)) => {
                let counts = apply.judge_event(named(&event, manner));
                counts.then_some(Told::Event(event))
            }
            (Self::Applier(_, duplicates), Payload::Event(event, _)) => {
                while duplicates.front().is_some_and(|first| *first < frame.sequence) {
                    duplicates.pop_front();
                }
                (duplicates.front() != Some(&frame.sequence)).then_some(Told::Event(event))
            }
            _ => None,
        }
    }
}

/// After which frame to begin reading each lane so that the frames after `after` find every id of their window.
fn starts(tracks: &Tracks, after: Sequence, window_ms: u64) -> [Option<Sequence>; 2] {
    let writing = tracks.writing.list();
    let resting = tracks.resting.as_ref().map(|(segments, end)| (segments.list(), *end));
    let since_of = |list: &[Segment]| window_before(list, holder_of(list, after), window_ms).1;
    // A lane whose frames are all behind may have rested for long: only what is ahead says how far back to go.
    let ahead = resting.iter().filter(|(_, end)| *end > after);
    let since = ahead.map(|(list, _)| since_of(list)).chain([since_of(&writing)]).min();
    let since_ms = since.unwrap_or_default();
    let start = |list: &[Segment]| {
        let first = ended_before(list, since_ms).min(holder_of(list, after));
        list.get(first)
            .map(|segment| Sequence(segment.first.0.saturating_sub(1)))
    };
    [start(&writing), resting.and_then(|(list, _)| start(&list))]
}
