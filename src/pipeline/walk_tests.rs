//! A walk over both lanes against one look at all frames in their order.

use std::path::Path;
use std::sync::Arc;

use proptest::prelude::*;

use super::beside::LEAP;
use super::decided::Decided;
use super::frames::named;
use super::walk::{Told, Tracks, Walk};
use crate::apply::Apply;
use crate::config::ApplyConfig;
use crate::event::{Erasure, Event, EventId, Sequence, SiteId};
use crate::journal::payload::{self, Manner};
use crate::journal::{DiskFile, Frame, Identity, RealDisk, SEGMENT_HEADER_BYTES, SegmentHeader, Segments, encode};

const IDENTITY: [u8; 16] = [4; 16];

/// What happens next: a frame, in a new segment or not, after a hand-over or not.
#[derive(Debug, Clone)]
struct Step {
    /// An event with one of few ids, one without, or an erasure.
    id: Option<u8>,
    is_erasure: bool,
    later_ms: u64,
    turns: bool,
    hands_over: bool,
}

fn step() -> impl Strategy<Value = Step> {
    let id = prop_oneof![3 => (0..20u8).prop_map(Some), 1 => Just(None)];
    let chance = |percent: u32| prop::bool::weighted(f64::from(percent) / 100.0);
    (id, chance(5), 0..400u64, chance(20), chance(10)).prop_map(|(id, is_erasure, later_ms, turns, hands_over)| Step {
        id,
        is_erasure,
        later_ms,
        turns,
        hands_over,
    })
}

/// A lane that is written by hand.
struct Written {
    segments: Arc<Segments>,
    open: Option<(Arc<dyn DiskFile>, u64)>,
    head: Sequence,
}

impl Written {
    fn new(folder: &Path) -> Self {
        std::fs::create_dir_all(folder).unwrap();
        Self {
            segments: Arc::new(Segments::new(Arc::new(RealDisk::new(folder).unwrap()))),
            open: None,
            head: Sequence::ZERO,
        }
    }

    /// As after a leap, a segment begins with what follows this lane's own last frame.
    fn begin(&mut self, created_ms: u64) {
        let is_empty = |(_, at): &(_, u64)| *at == SEGMENT_HEADER_BYTES as u64;
        if self.open.as_ref().is_some_and(is_empty) {
            return;
        }
        let header = SegmentHeader {
            identity: Identity(IDENTITY),
            first: self.head.next(),
            created_ms,
        };
        let file = self.segments.begin(header).unwrap();
        self.open = Some((file, SEGMENT_HEADER_BYTES as u64));
    }

    fn write(&mut self, frame: Frame<'_>) {
        let mut bytes = Vec::new();
        encode(&mut bytes, frame);
        let (file, at) = self.open.as_mut().unwrap();
        file.write_at(*at, &bytes).unwrap();
        *at += bytes.len() as u64;
        self.head = frame.sequence;
    }
}

/// Two lanes, and what all their frames come to in order.
struct History {
    lanes: [Written; 2],
    writing: usize,
    /// The sequences that a store must be given.
    given: Vec<Sequence>,
    /// All sequences.
    all: Vec<Sequence>,
}

fn config() -> ApplyConfig {
    ApplyConfig {
        window_ms: 1_000,
        ..ApplyConfig::default()
    }
}

fn write(folder: &Path, steps: &[Step]) -> History {
    let lanes = ["0", "1"].map(|name| Written::new(&folder.join(name)));
    let (mut apply, mut time_ms, mut last) = (Apply::new(&config(), &IDENTITY), 1_000_000, Sequence::ZERO);
    let mut history = History {
        lanes,
        writing: 0,
        given: Vec::new(),
        all: Vec::new(),
    };
    history.lanes[0].begin(time_ms);
    let mut uses = [0; 256];
    for step in steps {
        time_ms += step.later_ms;
        if step.hands_over {
            history.writing = 1 - history.writing;
            last = Sequence(last.0 + LEAP);
            history.lanes[history.writing].begin(time_ms);
        } else if step.turns {
            history.lanes[history.writing].begin(time_ms);
        }
        last = last.next();
        // An id that comes for a third time, when the first is forgotten and the second was a duplicate, is decided
        // otherwise by who does not know the first.
        let id = step.id.filter(|id| uses[usize::from(*id)] < 2).map(|id| [id]);
        if let Some([id]) = id {
            uses[usize::from(id)] += 1;
        }
        let id = id.as_ref().map_or(EventId::Own([9; 16]), |id| EventId::Client(id));
        let event = Event::new(SiteId::DEFAULT, "view", id, time_ms);
        let (mut payload, kind) = (
            Vec::new(),
            if step.is_erasure {
                payload::ERASURE
            } else {
                payload::EVENT
            },
        );
        if step.is_erasure {
            payload::put_erasure(&mut payload, &Erasure::Site(SiteId::DEFAULT), time_ms);
        } else {
            payload::put_event(&mut payload, &event, Manner::default());
        }
        history.lanes[history.writing].write(Frame {
            sequence: last,
            kind,
            payload: &payload,
        });
        if step.is_erasure || apply.judge_event(named(&event, Manner::default())) {
            history.given.push(last);
        }
        history.all.push(last);
    }
    history
}

impl History {
    fn tracks(&self, decided: Option<Arc<Decided>>) -> Tracks {
        let (writing, resting) = (&self.lanes[self.writing], &self.lanes[1 - self.writing]);
        let used = resting.open.is_some();
        Tracks {
            writing: writing.segments.clone(),
            resting: used.then(|| (resting.segments.clone(), resting.head)),
            key: IDENTITY,
            decided,
            points: None,
        }
    }

    /// What the applier leaves that begins after a frame.
    fn decided_after(&self, after: Sequence) -> Arc<Decided> {
        let decided = Decided::default();
        decided.begin(after);
        let duplicates = self.all.iter().filter(|sequence| !self.given.contains(sequence));
        duplicates
            .filter(|sequence| **sequence > after)
            .for_each(|sequence| decided.note(*sequence));
        decided.advance(*self.all.last().unwrap());
        Arc::new(decided)
    }

    /// Walks from a place to the end, in steps, and gives what it was told.
    fn walk(&self, after: Sequence, decided: Option<Arc<Decided>>, stops: &[usize]) -> Vec<Sequence> {
        let mut walk = Walk::new(&self.tracks(decided), after, &config());
        let mut told = Vec::new();
        let end = *self.all.last().unwrap();
        let stops = stops.iter().map(|stop| self.all[stop % self.all.len()]);
        let mut stops: Vec<_> = stops.filter(|stop| *stop > after).chain([end]).collect();
        stops.sort_unstable();
        for stop in stops {
            let all = walk.read(stop, &mut |sequence, what| {
                assert!(matches!(what, Told::Event(_) | Told::Erasure(_)));
                told.push(sequence);
                true
            });
            assert!(all.unwrap());
        }
        assert_eq!(walk.head(), end.max(after));
        told
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]
    #[test]
    fn from_any_place_a_walk_gives_what_counts_after_it_once_and_in_order(
        steps in prop::collection::vec(step(), 1..60),
        place in any::<prop::sample::Index>(),
        known in any::<prop::sample::Index>(),
        stops in prop::collection::vec(any::<usize>(), 0..4),
    ) {
        let folder = tempfile::tempdir().unwrap();
        let history = write(folder.path(), &steps);
        let places: Vec<Sequence> = std::iter::once(Sequence::ZERO).chain(history.all.iter().copied()).collect();
        let (after, known) = (*place.get(&places), *known.get(&places));
        let expected: Vec<Sequence> = history.given.iter().copied().filter(|sequence| *sequence > after).collect();
        prop_assert_eq!(&history.walk(after, None, &stops), &expected);
        let decided = history.decided_after(known);
        prop_assert_eq!(&history.walk(after, Some(decided), &stops), &expected);
    }
}

#[test]
fn without_its_window_a_walk_would_take_a_twin_for_new() {
    let folder = tempfile::tempdir().unwrap();
    let step = |later_ms, turns| Step {
        id: Some(1),
        is_erasure: false,
        later_ms,
        turns,
        hands_over: false,
    };
    let history = write(folder.path(), &[step(0, false), step(10, true)]);
    assert_eq!(history.given, [Sequence(1)]);
    assert_eq!(history.walk(Sequence(1), None, &[]), []);
    // The control: whoever reads only what is after its place knows no ids.
    let empty = Decided::default();
    empty.advance(Sequence(2));
    assert_eq!(history.walk(Sequence(1), Some(Arc::new(empty)), &[]), [Sequence(2)]);
}

#[test]
fn a_walk_that_is_told_to_wait_goes_on_where_the_applier_is() {
    let folder = tempfile::tempdir().unwrap();
    let step = Step {
        id: None,
        is_erasure: false,
        later_ms: 1,
        turns: false,
        hands_over: false,
    };
    let history = write(folder.path(), &vec![step; 5]);
    let decided = Arc::new(Decided::default());
    decided.advance(Sequence(2));
    let mut walk = Walk::new(&history.tracks(Some(decided.clone())), Sequence::ZERO, &config());
    let mut read = |upto: u64| {
        let mut told = Vec::new();
        let all = walk.read(Sequence(upto), &mut |sequence, _| {
            told.push(sequence.0);
            true
        });
        assert!(all.unwrap());
        told
    };
    assert_eq!(read(5), [1, 2]);
    assert_eq!(read(5), [0u64; 0]);
    decided.advance(Sequence(4));
    assert_eq!(read(5), [3, 4]);
    // The store has not told that it is so far, and somebody has it forgotten: a new walk must begin.
    decided.forget(Sequence(5));
    assert!(walk.read(Sequence(5), &mut |_, _| true).is_err());
}
