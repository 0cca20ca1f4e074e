//! Payloads of frames, and journals that hold anything.

use std::sync::Arc;

use footfall::event::Sequence;
use footfall::journal::payload::{Manner, Payload, put_erasure, put_event, put_visit, put_visits};
use footfall::journal::{Disk, Frame, Identity, Reader, Recovered, SEGMENT_HEADER_BYTES, SegmentHeader, encode};

use super::disk::Memory;

const IDENTITY: Identity = Identity([7; 16]);

/// The first byte is the kind; what can be read must mean the same when it is written again.
pub fn payload(data: &[u8]) {
    let Some((kind, payload)) = data.split_first() else {
        return;
    };
    let mut again = Vec::new();
    let read = Payload::read(*kind, payload);
    match read {
        Some(Payload::Event(event, manner)) => put_event(&mut again, &event, manner),
        Some(Payload::Sign(event)) => put_event(&mut again, &event, Manner::default()),
        Some(Payload::Visit(visit)) => put_visit(&mut again, visit),
        Some(Payload::Erasure(erasure)) => put_erasure(&mut again, &erasure, 1),
        Some(Payload::Visits(visits)) => {
            put_visits(&mut again, visits.site, visits.bucket, visits.counts());
            let Some(Payload::Visits(second)) = Payload::read(*kind, &again) else {
                panic!("{again:?} cannot be read")
            };
            assert!(visits.counts().eq(second.counts()));
            assert_eq!((visits.site, visits.bucket), (second.site, second.bucket));
            return;
        }
        Some(Payload::Advance | Payload::Unknown) | None => return,
    }
    assert_eq!(Payload::read(*kind, &again), read);
}

/// What a frame holds: sequence, kind, payload.
type Held = (u64, u8, Vec<u8>);

/// Frames that were written into a segment, and what has become of its bytes since.
#[derive(Default)]
struct Written {
    bytes: Vec<u8>,
    /// Frames that must be found, as nothing before their end was touched.
    sound: Vec<Held>,
    /// All frames, each with where it ends.
    frames: Vec<(usize, Held)>,
    /// The first byte that is not as it was written.
    touched_at: usize,
}

impl Written {
    /// Takes bytes for instructions: an operation and a number, then what it needs.
    fn follow(mut data: &[u8]) -> Self {
        let header = SegmentHeader {
            identity: IDENTITY,
            first: Sequence(1),
            created_ms: 1,
        };
        let mut written = Self {
            bytes: header.encode().to_vec(),
            touched_at: usize::MAX,
            ..Self::default()
        };
        let mut sequence = 0;
        while let [operation, number, rest @ ..] = data {
            let number = usize::from(*number);
            let (part, left) = rest.split_at(rest.len().min(number % 64));
            data = left;
            match operation % 8 {
                0..=3 => {
                    sequence += 1 + u64::from(*operation > 250);
                    written.frame(sequence, *operation, part);
                }
                4 => written.stray(part),
                5 => written.flip(number * 7 + part.len()),
                6 => written.cut(number),
                _ => written.stray(&vec![0; number]),
            }
            if written.bytes.len() > 64 << 10 {
                break;
            }
        }
        let touched_at = written.touched_at;
        let sound = written.frames.iter().filter(|(end, _)| *end <= touched_at);
        written.sound = sound.map(|(_, held)| held.clone()).collect();
        written
    }

    fn frame(&mut self, sequence: u64, kind: u8, payload: &[u8]) {
        let frame = Frame {
            sequence: Sequence(sequence),
            kind,
            payload,
        };
        encode(&mut self.bytes, frame);
        self.frames.push((self.bytes.len(), (sequence, kind, payload.to_vec())));
    }

    /// Bytes that are no frame, or perhaps one.
    fn stray(&mut self, bytes: &[u8]) {
        self.touched_at = self.touched_at.min(self.bytes.len());
        self.bytes.extend_from_slice(bytes);
    }

    fn flip(&mut self, at: usize) {
        let length = self.bytes.len() - SEGMENT_HEADER_BYTES;
        if length > 0 {
            let at = SEGMENT_HEADER_BYTES + at % length;
            self.bytes[at] ^= 1 << (at % 8);
            self.touched_at = self.touched_at.min(at);
        }
    }

    fn cut(&mut self, bytes: usize) {
        let length = self.bytes.len().saturating_sub(bytes).max(SEGMENT_HEADER_BYTES);
        self.bytes.truncate(length);
        self.touched_at = self.touched_at.min(length);
    }
}

/// Recovers a journal twice: it always starts, finds every frame before the first damage, gives no frame that is not
/// there, in rising order, and the second time finds what it left the first time.
pub fn recovery(data: &[u8]) {
    let written = Written::follow(data);
    let memory = Arc::new(Memory::default());
    memory.put(&format!("{:020}.segment", 1), written.bytes.clone());
    let (first, head) = recovered(memory.clone());
    let (second, head_again) = recovered(memory);
    assert_eq!((&first, head), (&second, head_again));
    assert!(first.len() >= written.sound.len() && first[..written.sound.len()] == written.sound[..]);
    assert!(first.is_sorted_by(|before, after| before.0 < after.0));
    // A frame within stray bytes needs a checksum: nobody finds one by chance, but a fuzzer that looks on does.
    let is_there = |held: &Held| written.frames.iter().any(|(_, frame)| frame == held) || is_in(&written.bytes, held);
    assert!(first.iter().all(is_there));
}

/// Whether a frame stands in bytes as it is written.
fn is_in(bytes: &[u8], (sequence, kind, payload): &Held) -> bool {
    let mut frame = Vec::new();
    let sequence = Sequence(*sequence);
    encode(
        &mut frame,
        Frame {
            sequence,
            kind: *kind,
            payload,
        },
    );
    bytes.windows(frame.len()).any(|window| window == frame)
}

fn recovered(memory: Arc<Memory>) -> (Vec<Held>, Sequence) {
    let disk: Arc<dyn Disk> = memory;
    let opened = Recovered::open(disk, IDENTITY).unwrap();
    let head = opened.recovery().head;
    let mut found = Vec::new();
    let mut reader = Reader::new(opened.segments().clone(), Sequence::ZERO);
    reader
        .read(head, |frame, _| {
            found.push((frame.sequence.0, frame.kind, frame.payload.to_vec()));
            true
        })
        .unwrap();
    (found, head)
}
