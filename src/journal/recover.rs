//! What is done with the segments found at start, so that the gateway always starts.
//!
//! A torn tail of the last segment is cut. Damage before the end is stepped over, said, and a copy of the file is kept
//! as `<name>.damaged`. A damaged header is made again from what stands beside it. The last segment is written anew and synced: after a failed sync the page cache may show bytes
//! that the disk lacks.

use std::io;
use std::sync::Arc;

use super::disk::{Disk, DiskFile};
use super::frame::encode;
use super::heading::Heading;
use super::scan::{Damage, SegmentScan};
use super::segment::{Identity, SEGMENT_HEADER_BYTES, SegmentHeader, VERSION, parse_segment_name};
use super::segments::{Segment, Segments};
use crate::event::Sequence;

const REWRITE: &str = "rewrite.tmp";
const WRITE_BYTES: usize = 1 << 20;

/// What recovery found.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Recovery {
    /// The last frame's sequence; zero if there is none.
    pub head: Sequence,
    /// Bytes cut from the end of segments that were written anew.
    pub torn_bytes: u64,
    /// Files that were set aside or of which a copy was: damaged before their end, or with a header that is damaged or
    /// another gateway's.
    pub quarantined: u64,
}

/// A segment of this journal, as it was found.
struct Found {
    name: String,
    header: SegmentHeader,
    /// Whether the header is as it was written, and not made again.
    whole: bool,
}

/// Lists, repairs and opens the segments of a disk.
///
/// # Errors
/// When the disk cannot be read or written; never because of what the segments hold.
pub fn recover(disk: Arc<dyn Disk>, identity: Identity) -> io::Result<(Segments, Recovery)> {
    let segments = Segments::new(disk);
    let mut recovery = Recovery::default();
    let (begun, before) = look_over(&segments, identity, &mut recovery)?;
    for (place, found) in begun.iter().enumerate() {
        let is_last = place + 1 == begun.len();
        recover_segment(&segments, found, is_last, &mut recovery)?;
    }
    recovery.head = recovery.head.max(before);
    segments.disk().sync_names()?;
    Ok((segments, recovery))
}

/// The journal's own segments that may hold frames. Strangers are renamed. A segment without a frame goes: it was
/// begun and not used, or could not be begun, and the one before it may have gone on past its name. Also says up to
/// which sequence such names tell that some were given.
fn look_over(segments: &Segments, identity: Identity, recovery: &mut Recovery) -> io::Result<(Vec<Found>, Sequence)> {
    let (mut begun, mut before) = (Vec::<Found>::new(), Sequence::ZERO);
    for name in segments.names()? {
        let mut bytes = [0; SEGMENT_HEADER_BYTES];
        let file = segments.disk().open(&name)?;
        let read = file.read_at(0, &mut bytes)?;
        refuse_newer(&name, &bytes)?;
        let first = parse_segment_name(&name).unwrap_or_default();
        let earlier_ms = begun.last().map_or(0, |found| found.header.created_ms);
        let heading = Heading::of(&bytes, identity, first);
        let header = heading.header(identity, first, earlier_ms);
        if read < SEGMENT_HEADER_BYTES || header.is_some() && file.length()? == SEGMENT_HEADER_BYTES as u64 {
            if !matches!(heading, Heading::Whole(_)) {
                tracing::warn!(segment = %name, "a segment was begun and never used");
            }
            segments.disk().remove(&name)?;
            before = before.max(Sequence(first.0.saturating_sub(1)));
        } else if let Some(header) = header {
            let whole = matches!(heading, Heading::Whole(_));
            begun.push(Found { name, header, whole });
        } else {
            tracing::error!(segment = %name, "the segment's header is another gateway's, or may be: set aside");
            segments.disk().rename(&name, &format!("{name}.damaged"))?;
            recovery.quarantined += 1;
        }
    }
    Ok((begun, before))
}

/// A later version's segment is not damage, as its checksum shows: setting it aside would lose what it holds.
fn refuse_newer(name: &str, header: &[u8]) -> io::Result<()> {
    let version = SegmentHeader::version(header).filter(|version| *version > VERSION);
    version.map_or(Ok(()), |version| {
        let told = format!("segment {name} is of format version {version}; this gateway reads up to {VERSION}");
        Err(io::Error::new(io::ErrorKind::Unsupported, told))
    })
}

fn recover_segment(
    segments: &Segments,
    Found { name, header, whole }: &Found,
    is_last: bool,
    recovery: &mut Recovery,
) -> io::Result<()> {
    let file = segments.disk().open(name)?;
    let bytes = file.length()?;
    let mut segment = Segment {
        first: header.first,
        created_ms: header.created_ms,
        bytes,
    };
    if is_last || !whole {
        let after = Sequence(header.first.0.saturating_sub(1)).max(recovery.head);
        let (length, head, damage) = rewrite(segments.disk().as_ref(), &file, *header, after)?;
        if damage.stretches > 0 || !whole {
            let (bytes, header) = (damage.bytes, !whole);
            tracing::error!(segment = %name, bytes, header, "damage was stepped over: the file is set aside");
            segments.disk().link(name, &format!("{name}.damaged"))?;
            // The copy lasts before the original's name goes to the rewrite.
            segments.disk().sync_names()?;
            recovery.quarantined += 1;
        }
        if damage.tail_bytes > 0 {
            tracing::warn!(segment = %name, bytes = damage.tail_bytes, "a torn tail was cut");
        }
        recovery.torn_bytes += damage.tail_bytes;
        recovery.head = head;
        if length == SEGMENT_HEADER_BYTES as u64 {
            segments.disk().remove(REWRITE)?;
            return remove_if_there(segments.disk().as_ref(), name);
        }
        segments.disk().rename(REWRITE, name)?;
        segment.bytes = length;
    } else {
        // Closed segments are synced and not looked into; readers step over damage as they meet it.
        recovery.head = recovery.head.max(header.first);
    }
    segments.add(segment);
    Ok(())
}

/// An empty segment would only stand in the way of the next one of the same name.
fn remove_if_there(disk: &dyn Disk, name: &str) -> io::Result<()> {
    match disk.remove(name) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

/// Copies the frames of a segment into a new, synced file; its length, the last sequence and what was left out.
fn rewrite(
    disk: &dyn Disk,
    file: &Arc<dyn DiskFile>,
    header: SegmentHeader,
    after: Sequence,
) -> io::Result<(u64, Sequence, Damage)> {
    // A rewrite that was cut short by a crash is worthless.
    let _ = disk.remove(REWRITE);
    let copy = disk.create(REWRITE)?;
    let mut scan = SegmentScan::new(file.clone(), after);
    let mut waiting = header.encode().to_vec();
    let (mut length, mut head) = (0, after);
    while let Some((frame, _)) = scan.next()? {
        head = frame.sequence;
        encode(&mut waiting, frame);
        if waiting.len() >= WRITE_BYTES {
            copy.write_at(length, &waiting)?;
            length += waiting.len() as u64;
            waiting.clear();
        }
    }
    copy.write_at(length, &waiting)?;
    copy.sync()?;
    Ok((length + waiting.len() as u64, head, scan.damage()))
}
