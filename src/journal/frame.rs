//! One entry of the log: `length u32 | crc32c u32 | sequence u64 | kind u8 | payload`, little-endian.
//!
//! The checksum covers everything but itself, so that neither a recycled block nor a run of zeros passes for a frame.

use crate::event::Sequence;

/// Bytes before the payload.
pub const HEADER_BYTES: usize = 17;
/// Largest payload a frame may have; a longer length is damage.
pub const PAYLOAD_BYTES_MAX: usize = 1 << 20;

/// A frame as it lies in a segment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Frame<'a> {
    /// Its place in the log.
    pub sequence: Sequence,
    /// What its payload says; see [`super::payload`].
    pub kind: u8,
    /// Numbered fields.
    pub payload: &'a [u8],
}

/// What lies at the start of some bytes.
#[derive(Debug, PartialEq, Eq)]
pub enum Found<'a> {
    /// A whole frame and its length in bytes.
    Frame(Frame<'a>, usize),
    /// The beginning of a frame, perhaps: more bytes are needed to tell.
    Incomplete,
    /// No frame.
    Damaged,
}

/// Appends a frame.
pub fn encode(into: &mut Vec<u8>, frame: Frame<'_>) {
    let start = into.len();
    let length = u32::try_from(frame.payload.len()).unwrap_or(u32::MAX);
    into.extend_from_slice(&length.to_le_bytes());
    into.extend_from_slice(&[0; 4]);
    into.extend_from_slice(&frame.sequence.0.to_le_bytes());
    into.push(frame.kind);
    into.extend_from_slice(frame.payload);
    let crc = into.get(start..).map_or(0, checksum);
    if let Some(place) = into.get_mut(start + 4..start + 8) {
        place.copy_from_slice(&crc.to_le_bytes());
    }
}

/// Looks at the first bytes of `bytes`.
pub fn decode(bytes: &[u8]) -> Found<'_> {
    let Some((header, rest)) = bytes.split_first_chunk::<HEADER_BYTES>() else {
        return Found::Incomplete;
    };
    let [l0, l1, l2, l3, c0, c1, c2, c3, ..] = *header;
    let length = u32::from_le_bytes([l0, l1, l2, l3]) as usize;
    if length > PAYLOAD_BYTES_MAX {
        return Found::Damaged;
    }
    let (Some(payload), Some(whole)) = (rest.get(..length), bytes.get(..HEADER_BYTES + length)) else {
        return Found::Incomplete;
    };
    if checksum(whole) != u32::from_le_bytes([c0, c1, c2, c3]) {
        return Found::Damaged;
    }
    Found::Frame(lay_out(header, payload), whole.len())
}

/// The frame that some bytes, as long as it, were found to be.
pub fn open(frame: &[u8]) -> Option<Frame<'_>> {
    let (header, payload) = frame.split_first_chunk()?;
    Some(lay_out(header, payload))
}

const fn lay_out<'a>(header: &[u8; HEADER_BYTES], payload: &'a [u8]) -> Frame<'a> {
    let [.., s0, s1, s2, s3, s4, s5, s6, s7, kind] = *header;
    Frame {
        sequence: Sequence(u64::from_le_bytes([s0, s1, s2, s3, s4, s5, s6, s7])),
        kind,
        payload,
    }
}

/// The checksum of a frame's bytes without the four that hold it.
fn checksum(frame: &[u8]) -> u32 {
    let length = frame.get(..4).unwrap_or_default();
    let rest = frame.get(8..).unwrap_or_default();
    crc32c::crc32c_append(crc32c::crc32c(length), rest)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn sample() -> Vec<u8> {
        let mut bytes = Vec::new();
        encode(
            &mut bytes,
            Frame {
                sequence: Sequence(7),
                kind: 1,
                payload: b"payload",
            },
        );
        bytes
    }

    #[test]
    fn a_frame_reads_back_as_it_was_written() {
        let bytes = sample();
        let frame = Frame {
            sequence: Sequence(7),
            kind: 1,
            payload: b"payload",
        };
        assert_eq!(decode(&bytes), Found::Frame(frame, bytes.len()));
    }

    #[test]
    fn every_truncation_is_incomplete() {
        let bytes = sample();
        for length in 0..bytes.len() {
            assert_eq!(decode(&bytes[..length]), Found::Incomplete, "{length}");
        }
    }

    #[test]
    fn every_flipped_bit_is_noticed() {
        let bytes = sample();
        for bit in 0..bytes.len() * 8 {
            let mut flipped = bytes.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            assert!(!matches!(decode(&flipped), Found::Frame(..)), "bit {bit}");
        }
    }

    #[test]
    fn zeros_are_no_frame() {
        assert_eq!(decode(&[0; 64]), Found::Damaged);
    }

    proptest! {
        #[test]
        fn random_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            decode(&bytes);
        }
    }
}
