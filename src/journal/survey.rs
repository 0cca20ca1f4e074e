//! Looks through a journal without changing it.

use std::io;
use std::sync::Arc;

use super::disk::{Disk, DiskFile};
use super::scan::SegmentScan;
use super::segment::{Identity, SEGMENT_HEADER_BYTES, SegmentHeader, parse_segment_name};
use super::segments::{Segment, Segments};
use crate::event::Sequence;

/// What a journal holds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Survey {
    /// Segments with a good header.
    pub segments: u64,
    /// Frames with a good checksum.
    pub frames: u64,
    /// The last frame's sequence.
    pub head: Sequence,
    /// Stretches of bytes before the end that are no frames, and files whose header nobody can read.
    pub damages: u64,
    /// Bytes after the last frame: the next start cuts them.
    pub torn_bytes: u64,
}

/// The segments of a journal that another process may be writing to, without a look at their frames.
///
/// # Errors
/// When the disk cannot be read.
pub fn look(disk: Arc<dyn Disk>, identity: Identity) -> io::Result<Arc<Segments>> {
    let segments = Segments::new(disk);
    for name in segments.names()? {
        let file = segments.disk().open(&name)?;
        if let Some(header) = header_of(&name, file.as_ref(), identity)? {
            segments.add(Segment {
                first: header.first,
                created_ms: header.created_ms,
                bytes: file.length()?,
            });
        }
    }
    Ok(Arc::new(segments))
}

/// A segment's header, if it is whole and the journal's own.
fn header_of(name: &str, file: &dyn DiskFile, identity: Identity) -> io::Result<Option<SegmentHeader>> {
    let mut bytes = [0; SEGMENT_HEADER_BYTES];
    file.read_at(0, &mut bytes)?;
    let header = SegmentHeader::decode(&bytes);
    Ok(header.filter(|header| header.identity == identity && Some(header.first) == parse_segment_name(name)))
}

/// Reads every frame of a disk's journal.
///
/// # Errors
/// When the disk cannot be read.
pub fn survey(disk: Arc<dyn Disk>, identity: Identity) -> io::Result<(Arc<Segments>, Survey)> {
    let (segments, mut survey) = (Segments::new(disk), Survey::default());
    for name in segments.names()? {
        // Bytes after the last frame are torn only at the very end of the journal.
        survey.damages += u64::from(std::mem::take(&mut survey.torn_bytes) > 0);
        let file = segments.disk().open(&name)?;
        let Some(header) = header_of(&name, file.as_ref(), identity)? else {
            survey.damages += 1;
            continue;
        };
        let bytes = file.length()?;
        segments.add(Segment {
            first: header.first,
            created_ms: header.created_ms,
            bytes,
        });
        let mut scan = SegmentScan::new(file, survey.head.max(Sequence(header.first.0.saturating_sub(1))));
        while let Some((frame, _)) = scan.next()? {
            survey.frames += 1;
            survey.head = frame.sequence;
        }
        survey.segments += 1;
        survey.damages += scan.damage().stretches;
        survey.torn_bytes = scan.damage().tail_bytes;
    }
    Ok((Arc::new(segments), survey))
}
