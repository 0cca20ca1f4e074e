//! Whose a segment is, as its header tells, also where the header is damaged.
//!
//! A header holds nothing that its journal does not know: identity and first sequence stand beside it and in the
//! file's name. So damage to it is no reason to give up the frames behind it, each of which has its own checksum. But
//! frames do not tell whose they are: where the header may be another journal's, they are not taken.

use super::segment::{Fields, Identity, SEGMENT_HEADER_BYTES, SegmentHeader, VERSION};
use crate::event::Sequence;

/// What a segment's first bytes are to a journal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Heading {
    /// Its own header.
    Whole(SegmentHeader),
    /// Its own header, damaged; this is what it was.
    Mended(SegmentHeader),
    /// Damaged beyond telling when the segment was begun, and nothing speaks for another journal.
    Lost,
    /// Another journal's header, or one that may be.
    Strange,
}

impl Heading {
    /// Looks at the first bytes of the segment that a journal has under the name of a first sequence.
    pub fn of(bytes: &[u8; SEGMENT_HEADER_BYTES], identity: Identity, first: Sequence) -> Self {
        let Some(fields) = Fields::read(bytes) else {
            return Self::Lost;
        };
        let own = SegmentHeader {
            identity,
            first,
            created_ms: fields.told.created_ms,
        };
        if fields.is_whole() {
            return if fields.told == own {
                Self::Whole(own)
            } else {
                Self::Strange
            };
        }
        // The checksum speaks for what was there, whatever else is damaged.
        if fields.crc == own.checksum(VERSION) {
            return Self::Mended(own);
        }
        if let Some(header) = unflipped(bytes, own) {
            return Self::Mended(header);
        }
        let speaks_for_another = if fields.magic {
            fields.told.identity != identity || fields.version != VERSION
        } else {
            fields.is_sound()
        };
        if speaks_for_another { Self::Strange } else { Self::Lost }
    }

    /// The header to go on with; its time is `earlier_ms` if nobody knows it.
    pub fn header(self, identity: Identity, first: Sequence, earlier_ms: u64) -> Option<SegmentHeader> {
        match self {
            Self::Whole(header) | Self::Mended(header) => Some(header),
            Self::Lost => Some(SegmentHeader {
                identity,
                first,
                created_ms: earlier_ms,
            }),
            Self::Strange => None,
        }
    }
}

/// The header that it is but for one bit, if that is the journal's own.
fn unflipped(bytes: &[u8; SEGMENT_HEADER_BYTES], own: SegmentHeader) -> Option<SegmentHeader> {
    (0..bytes.len() * 8).find_map(|bit| {
        let mut bytes = *bytes;
        *bytes.get_mut(bit / 8)? ^= 1 << (bit % 8);
        SegmentHeader::decode(&bytes).filter(|header| (header.identity, header.first) == (own.identity, own.first))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const OWN: SegmentHeader = SegmentHeader {
        identity: Identity([7; 16]),
        first: Sequence(41),
        created_ms: 1_790_000_000_000,
    };
    const OTHER: SegmentHeader = SegmentHeader {
        identity: Identity([9; 16]),
        ..OWN
    };

    fn heading(bytes: &[u8; SEGMENT_HEADER_BYTES]) -> Heading {
        Heading::of(bytes, OWN.identity, OWN.first)
    }

    /// A header with all bits of some bytes turned.
    fn spoilt(header: SegmentHeader, places: &[std::ops::Range<usize>]) -> [u8; SEGMENT_HEADER_BYTES] {
        let mut bytes = header.encode();
        for place in places {
            bytes[place.clone()].iter_mut().for_each(|byte| *byte = !*byte);
        }
        bytes
    }

    #[test]
    fn a_header_with_any_bit_flipped_is_known_for_what_it_was() {
        for bit in 0..SEGMENT_HEADER_BYTES * 8 {
            let mut bytes = OWN.encode();
            bytes[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(heading(&bytes), Heading::Mended(OWN), "bit {bit}");
        }
    }

    #[test]
    fn another_journals_header_stays_anothers_with_any_bit_flipped() {
        assert_eq!(heading(&OTHER.encode()), Heading::Strange);
        for bit in 0..SEGMENT_HEADER_BYTES * 8 {
            let mut bytes = OTHER.encode();
            bytes[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(heading(&bytes), Heading::Strange, "bit {bit}");
        }
    }

    #[test]
    fn larger_damage_is_mended_where_the_rest_speaks_for_the_journal_and_only_there() {
        let (magic, version, crc, identity, first, created) = (0..8, 8..12, 12..16, 16..32, 32..40, 40..48);
        for (places, expected) in [
            (&[magic.clone(), version.clone()][..], Heading::Mended(OWN)),
            (&[identity.clone(), first.clone()], Heading::Mended(OWN)),
            (std::slice::from_ref(&created), Heading::Lost),
            (&[crc.clone(), first], Heading::Lost),
            (&[identity, crc.clone()], Heading::Strange),
            (&[version, crc], Heading::Strange),
        ] {
            assert_eq!(heading(&spoilt(OWN, places)), expected, "{places:?}");
        }
        assert_eq!(heading(&[0; SEGMENT_HEADER_BYTES]), Heading::Lost);
        assert_eq!(heading(&spoilt(OTHER, &[magic])), Heading::Strange);
        assert_eq!(heading(&spoilt(OTHER, &[created])), Heading::Strange);
    }

    #[test]
    fn a_whole_header_under_another_name_is_not_taken() {
        let bytes = OWN.encode();
        assert_eq!(heading(&bytes), Heading::Whole(OWN));
        assert_eq!(Heading::of(&bytes, OWN.identity, Sequence(42)), Heading::Strange);
    }
}
