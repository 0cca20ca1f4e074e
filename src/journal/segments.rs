//! Which segments there are.

use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::disk::{Disk, DiskFile};
use super::segment::{SEGMENT_HEADER_BYTES, SegmentHeader, parse_segment_name, segment_name};
use crate::event::Sequence;

/// One segment file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Segment {
    /// No frame in it has a lower sequence.
    pub first: Sequence,
    /// When it was begun, in milliseconds since 1970.
    pub created_ms: u64,
    /// Its length when it was closed; for the open one, its length when it was begun.
    pub bytes: u64,
}

/// Why no segment was begun.
#[derive(Debug, thiserror::Error)]
pub enum BeginError {
    /// It could not be made; the one before it can go on.
    #[error("no segment can be made: {0}")]
    NotMade(io::Error),
    /// A sync of it failed: nobody knows what is on disk.
    #[error("a new segment could not be synced: {0}")]
    InDoubt(io::Error),
}

impl From<BeginError> for io::Error {
    fn from(error: BeginError) -> Self {
        match error {
            BeginError::NotMade(error) | BeginError::InDoubt(error) => error,
        }
    }
}

/// How many of the oldest segments hold nothing from a time, in milliseconds since 1970, or later: those behind which
/// another was begun before it. The clock may have gone back in between, so none counts that follows a later one.
pub fn ended_before(segments: &[Segment], since_ms: u64) -> usize {
    let mut latest_ms = segments.first().map_or(0, |first| first.created_ms);
    let ended = segments.iter().skip(1).take_while(|next| {
        latest_ms = latest_ms.max(next.created_ms);
        latest_ms < since_ms
    });
    ended.count()
}

/// The segments of a data directory in their order; the last one is open for writing.
pub struct Segments {
    disk: Arc<dyn Disk>,
    list: Mutex<Vec<Segment>>,
}

impl Segments {
    /// An empty list over a disk.
    pub fn new(disk: Arc<dyn Disk>) -> Self {
        Self {
            disk,
            list: Mutex::new(Vec::new()),
        }
    }

    /// The disk they lie on.
    pub fn disk(&self) -> &Arc<dyn Disk> {
        &self.disk
    }

    /// A copy of the list.
    pub fn list(&self) -> Vec<Segment> {
        self.lock().clone()
    }

    /// Bytes of all closed segments.
    pub fn closed_bytes(&self) -> u64 {
        self.lock().iter().map(|segment| segment.bytes).sum()
    }

    /// Opens a segment for reading.
    ///
    /// # Errors
    /// When the file cannot be opened.
    pub fn open(&self, first: Sequence) -> io::Result<Arc<dyn DiskFile>> {
        self.disk.open(&segment_name(first))
    }

    /// Makes a new segment after the others, header and name synced.
    ///
    /// # Errors
    /// When that fails. What may be left of it is a header at most, which recovery takes for none.
    pub fn begin(&self, header: SegmentHeader) -> Result<Arc<dyn DiskFile>, BeginError> {
        let name = segment_name(header.first);
        let file = self.disk.create(&name).map_err(BeginError::NotMade)?;
        if let Err(error) = file.write_at(0, &header.encode()) {
            // The name would stand in the way of the next attempt.
            let _ = self.disk.remove(&name);
            return Err(BeginError::NotMade(error));
        }
        let synced = file.sync().and_then(|()| self.disk.sync_names());
        synced.map_err(BeginError::InDoubt)?;
        self.add(Segment {
            first: header.first,
            created_ms: header.created_ms,
            bytes: SEGMENT_HEADER_BYTES as u64,
        });
        Ok(file)
    }

    /// Adds a segment that exists.
    pub fn add(&self, segment: Segment) {
        self.lock().push(segment);
    }

    /// Notes the length of the last segment as it is closed.
    pub fn close_last(&self, bytes: u64) {
        if let Some(last) = self.lock().last_mut() {
            last.bytes = bytes;
        }
    }

    /// Removes the oldest segments whose frames are all `done` and that `expendable` gives up, oldest first; says how
    /// many went. The last one always stays.
    ///
    /// # Errors
    /// When a file cannot be removed; it stays in the list.
    pub fn remove_done(&self, done: Sequence, expendable: impl Fn(&Segment) -> bool) -> io::Result<usize> {
        let mut removed = 0;
        loop {
            let mut list = self.lock();
            let [oldest, next, ..] = list.as_slice() else {
                return Ok(removed);
            };
            if next.first.0 > done.0 + 1 || !expendable(oldest) {
                return Ok(removed);
            }
            self.disk.remove(&segment_name(oldest.first))?;
            list.remove(0);
            removed += 1;
        }
    }

    /// The names of segment files on the disk, in order.
    ///
    /// # Errors
    /// When the directory cannot be read.
    pub fn names(&self) -> io::Result<Vec<String>> {
        let mut names = self.disk.list()?;
        names.retain(|name| parse_segment_name(name).is_some());
        names.sort_unstable();
        Ok(names)
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Segment>> {
        self.list.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_segment_has_ended_when_the_next_was_begun_unless_the_clock_went_back() {
        let segments = |times: &[u64]| -> Vec<Segment> {
            let segment = |created_ms: &u64| Segment {
                first: Sequence(1),
                created_ms: *created_ms,
                bytes: 0,
            };
            times.iter().map(segment).collect()
        };
        for (times, since_ms, expected) in [
            (&[][..], 9, 0),
            (&[1, 5, 9], 6, 1),
            (&[1, 5, 9], 10, 2),
            (&[1, 20, 5, 9], 10, 0),
            (&[20, 5, 9], 10, 0),
        ] {
            assert_eq!(ended_before(&segments(times), since_ms), expected, "{times:?}");
        }
    }
}
