//! What is done with the segments found at start, so that the gateway always starts.
//!
//! A torn tail of the last segment is cut. Damage before the end is stepped over, said, and a copy of the file is kept
//! as `<name>.damaged`. The last segment is written anew and synced: after a failed sync the page cache may show bytes
//! that the disk lacks.

use std::io;
use std::sync::Arc;

use super::disk::{Disk, DiskFile};
use super::frame::encode;
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
    /// Bytes cut from the end of the last segment.
    pub torn_bytes: u64,
    /// Files of which a copy was set aside, because of damage before their end or a header nobody can read.
    pub quarantined: u64,
}

/// Lists, repairs and opens the segments of a disk.
///
/// # Errors
/// When the disk cannot be read or written; never because of what the segments hold.
pub fn recover(disk: Arc<dyn Disk>, identity: Identity) -> io::Result<(Segments, Recovery)> {
    let segments = Segments::new(disk);
    let mut recovery = Recovery::default();
    let names = segments.names()?;
    let readable = set_strangers_aside(&segments, &names, identity, &mut recovery)?;
    for (place, (name, header)) in readable.iter().enumerate() {
        let is_last = place + 1 == readable.len();
        recover_segment(&segments, (name, *header), is_last, &mut recovery)?;
    }
    segments.disk().sync_names()?;
    Ok((segments, recovery))
}

/// Renames segments without a readable header, or of another identity, and returns the others.
fn set_strangers_aside(
    segments: &Segments,
    names: &[String],
    identity: Identity,
    recovery: &mut Recovery,
) -> io::Result<Vec<(String, SegmentHeader)>> {
    let mut readable = Vec::new();
    for name in names {
        let mut bytes = [0; SEGMENT_HEADER_BYTES];
        segments.disk().open(name)?.read_at(0, &mut bytes)?;
        refuse_newer(name, &bytes)?;
        let header = SegmentHeader::decode(&bytes)
            .filter(|header| header.identity == identity && Some(header.first) == parse_segment_name(name));
        if let Some(header) = header {
            readable.push((name.clone(), header));
        } else {
            tracing::error!(segment = %name, "the segment's header is damaged or another gateway's: set aside");
            segments.disk().rename(name, &format!("{name}.damaged"))?;
            recovery.quarantined += 1;
        }
    }
    Ok(readable)
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
    (name, header): (&str, SegmentHeader),
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
    if is_last {
        let after = Sequence(header.first.0.saturating_sub(1)).max(recovery.head);
        let (length, head, damage) = rewrite(segments.disk().as_ref(), &file, header, after)?;
        if damage.stretches > 0 {
            tracing::error!(segment = %name, bytes = damage.bytes, "damaged frames were stepped over: the file is set aside");
            segments.disk().link(name, &format!("{name}.damaged"))?;
            // The copy lasts before the original's name goes to the rewrite.
            segments.disk().sync_names()?;
            recovery.quarantined += 1;
        }
        if damage.tail_bytes > 0 {
            tracing::warn!(segment = %name, bytes = damage.tail_bytes, "a torn tail was cut");
        }
        recovery.torn_bytes = damage.tail_bytes;
        recovery.head = head;
        if length == SEGMENT_HEADER_BYTES as u64 {
            segments.disk().remove(REWRITE)?;
            return remove_if_there(segments.disk().as_ref(), name);
        }
        segments.disk().rename(REWRITE, name)?;
        segment.bytes = length;
    } else {
        // Closed segments are synced and not looked into again; readers step over damage as they meet it.
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
