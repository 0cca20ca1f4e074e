//! One file of the log: a header, then frames.

use crate::event::Sequence;

/// Bytes of a segment's header.
pub const SEGMENT_HEADER_BYTES: usize = 48;
const MAGIC: [u8; 8] = *b"FOOTFALL";
/// The version of the format that is written and read.
pub const VERSION: u32 = 1;
const SUFFIX: &str = ".segment";

/// The 16 random bytes a data directory is born with; who wrote a segment, and whose part of the counters is whose.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Identity(pub [u8; 16]);

/// The header of a segment: `magic 8 | version u32 | crc32c u32 | identity 16 | first sequence u64 | created ms u64`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SegmentHeader {
    /// Who wrote it.
    pub identity: Identity,
    /// No frame in it has a lower sequence.
    pub first: Sequence,
    /// When it was begun, in milliseconds since 1970.
    pub created_ms: u64,
}

impl SegmentHeader {
    /// The header's bytes.
    pub fn encode(&self) -> [u8; SEGMENT_HEADER_BYTES] {
        let mut bytes = [0; SEGMENT_HEADER_BYTES];
        let parts: [&[u8]; 6] = [
            &MAGIC,
            &VERSION.to_le_bytes(),
            &self.checksum(VERSION).to_le_bytes(),
            &self.identity.0,
            &self.first.0.to_le_bytes(),
            &self.created_ms.to_le_bytes(),
        ];
        for (place, byte) in bytes.iter_mut().zip(parts.concat()) {
            *place = byte;
        }
        bytes
    }

    /// The version of a header, if it is a whole one of this format at all, of whatever version.
    pub fn version(bytes: &[u8]) -> Option<u32> {
        let fields = Fields::read(bytes).filter(|fields| fields.magic && fields.is_sound())?;
        Some(fields.version)
    }

    /// Reads a header; `None` if it is cut, damaged or of another version.
    pub fn decode(bytes: &[u8]) -> Option<Self> {
        let fields = Fields::read(bytes).filter(Fields::is_whole)?;
        Some(fields.told)
    }

    /// What it must have beside it in a header of some version.
    pub(super) fn checksum(&self, version: u32) -> u32 {
        let crc = crc32c::crc32c(&version.to_le_bytes());
        let crc = crc32c::crc32c_append(crc, &self.identity.0);
        let crc = crc32c::crc32c_append(crc, &self.first.0.to_le_bytes());
        crc32c::crc32c_append(crc, &self.created_ms.to_le_bytes())
    }
}

/// What lies where a header should be.
pub(super) struct Fields {
    /// Whether it begins as every header does.
    pub magic: bool,
    pub version: u32,
    pub crc: u32,
    pub told: SegmentHeader,
}

impl Fields {
    /// `None` if there are not enough bytes for a header.
    pub fn read(bytes: &[u8]) -> Option<Self> {
        let (magic, rest) = bytes.split_first_chunk::<8>()?;
        let (version, rest) = rest.split_first_chunk::<4>()?;
        let (crc, rest) = rest.split_first_chunk::<4>()?;
        let (identity, rest) = rest.split_first_chunk::<16>()?;
        let (first, rest) = rest.split_first_chunk::<8>()?;
        let (created, _) = rest.split_first_chunk::<8>()?;
        Some(Self {
            magic: *magic == MAGIC,
            version: u32::from_le_bytes(*version),
            crc: u32::from_le_bytes(*crc),
            told: SegmentHeader {
                identity: Identity(*identity),
                first: Sequence(u64::from_le_bytes(*first)),
                created_ms: u64::from_le_bytes(*created),
            },
        })
    }

    /// Whether all but the magic is as its checksum says.
    pub fn is_sound(&self) -> bool {
        self.crc == self.told.checksum(self.version)
    }

    /// Whether it is a good header of the version that is read.
    pub fn is_whole(&self) -> bool {
        self.magic && self.version == VERSION && self.is_sound()
    }
}

/// The file name of the segment that begins at a sequence; names sort as sequences do.
pub fn segment_name(first: Sequence) -> String {
    format!("{:020}{SUFFIX}", first.0)
}

/// The first sequence that a file name tells, if it is a segment's.
pub fn parse_segment_name(name: &str) -> Option<Sequence> {
    let digits = name.strip_suffix(SUFFIX)?;
    (digits.len() == 20).then(|| digits.parse().ok().map(Sequence))?
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEADER: SegmentHeader = SegmentHeader {
        identity: Identity([7; 16]),
        first: Sequence(41),
        created_ms: 9,
    };

    #[test]
    fn a_header_reads_back_and_every_flipped_bit_is_noticed() {
        let bytes = HEADER.encode();
        assert_eq!(SegmentHeader::decode(&bytes), Some(HEADER));
        for bit in 0..bytes.len() * 8 {
            let mut flipped = bytes;
            flipped[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(SegmentHeader::decode(&flipped), None, "bit {bit}");
        }
    }

    #[test]
    fn names_tell_the_first_sequence_and_others_none() {
        assert_eq!(parse_segment_name(&segment_name(Sequence(41))), Some(Sequence(41)));
        for other in ["41.segment", "lock", "0000000000000000004x.segment"] {
            assert_eq!(parse_segment_name(other), None, "{other}");
        }
    }
}
