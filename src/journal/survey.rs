//! Looks through a journal without changing it.

use std::io;
use std::sync::Arc;

use super::disk::{Disk, DiskFile};
use super::heading::Heading;
use super::scan::SegmentScan;
use super::segment::{Identity, SEGMENT_HEADER_BYTES, parse_segment_name};
use super::segments::{Segment, Segments};
use crate::event::Sequence;

/// What a journal holds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Survey {
    /// Segments that may hold frames.
    pub segments: u64,
    /// Frames with a good checksum.
    pub frames: u64,
    /// The last frame's sequence.
    pub head: Sequence,
    /// Stretches of bytes before the end that are no frames, damaged headers, and files of another journal.
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
        if let (_, Some(segment)) = segment_of(&segments, &name, file.as_ref(), identity)? {
            segments.add(segment);
        }
    }
    Ok(Arc::new(segments))
}

/// Whether a segment's header is whole, and the segment if it is the journal's own.
fn segment_of(
    segments: &Segments,
    name: &str,
    file: &dyn DiskFile,
    identity: Identity,
) -> io::Result<(bool, Option<Segment>)> {
    let mut bytes = [0; SEGMENT_HEADER_BYTES];
    file.read_at(0, &mut bytes)?;
    let first = parse_segment_name(name).unwrap_or_default();
    let earlier_ms = segments.list().last().map_or(0, |segment| segment.created_ms);
    let heading = Heading::of(&bytes, identity, first);
    let bytes = file.length()?;
    let segment = heading.header(identity, first, earlier_ms).map(|header| Segment {
        first,
        created_ms: header.created_ms,
        bytes,
    });
    Ok((matches!(heading, Heading::Whole(_)), segment))
}

/// Reads every frame of a disk's journal.
///
/// # Errors
/// When the disk cannot be read.
pub fn survey(disk: Arc<dyn Disk>, identity: Identity) -> io::Result<(Arc<Segments>, Survey)> {
    let (segments, mut survey) = (Segments::new(disk), Survey::default());
    for name in segments.names()? {
        let file = segments.disk().open(&name)?;
        let (whole, segment) = segment_of(&segments, &name, file.as_ref(), identity)?;
        let (length, header) = (file.length()?, SEGMENT_HEADER_BYTES as u64);
        if length < header || length == header && segment.is_some() {
            // The next start takes it for none.
            continue;
        }
        // Bytes after the last frame are torn only at the very end of the journal.
        survey.damages += u64::from(std::mem::take(&mut survey.torn_bytes) > 0) + u64::from(!whole);
        let Some(segment) = segment else { continue };
        segments.add(segment);
        let mut scan = SegmentScan::new(file, survey.head.max(Sequence(segment.first.0.saturating_sub(1))));
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
