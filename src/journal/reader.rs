//! A consumer's place in the log: gives every synced frame once, in order.

use std::io;
use std::sync::Arc;

use super::frame::Frame;
use super::scan::SegmentScan;
use super::segments::Segments;
use crate::event::Sequence;

/// Reads frames across segments.
pub struct Reader {
    segments: Arc<Segments>,
    scan: Option<(Sequence, SegmentScan)>,
    last: Sequence,
    damages: u64,
}

impl Reader {
    /// Begins after a sequence, or at the oldest segment if that is later.
    pub fn new(segments: Arc<Segments>, after: Sequence) -> Self {
        Self {
            segments,
            scan: None,
            last: after,
            damages: 0,
        }
    }

    /// The last frame given, or where reading began.
    pub const fn last(&self) -> Sequence {
        self.last
    }

    /// Damaged stretches met since the last call.
    pub fn take_damages(&mut self) -> u64 {
        std::mem::take(&mut self.damages)
    }

    /// Gives each frame after the last one up to and including `upto` to `take`, with its length in bytes, until
    /// `take` returns `false`.
    ///
    /// # Errors
    /// When a segment cannot be read; the next call goes on at the same frame.
    pub fn read(&mut self, upto: Sequence, mut take: impl FnMut(Frame<'_>, usize) -> bool) -> io::Result<()> {
        if let Some((_, scan)) = &mut self.scan {
            scan.refresh();
        }
        while self.last < upto {
            let Some((first, mut scan)) = self
                .scan
                .take()
                .map_or_else(|| self.open_next(None), |scan| Ok(Some(scan)))?
            else {
                return Ok(());
            };
            let go_on = self.read_segment(&mut scan, upto, &mut take)?;
            // Where the frame `upto` is missing, this segment may go on above it.
            let next = if self.last < upto && go_on && scan.is_at_end() {
                self.open_next(Some(first))?
            } else {
                None
            };
            if next.is_some() {
                self.damages += scan.damage().stretches + u64::from(scan.damage().tail_bytes > 0);
            }
            let at_end = next.is_none();
            self.scan = next.or(Some((first, scan)));
            if at_end || !go_on {
                return Ok(());
            }
        }
        Ok(())
    }

    /// Whether reading ended early by `take`.
    fn read_segment(
        &mut self,
        scan: &mut SegmentScan,
        upto: Sequence,
        take: &mut impl FnMut(Frame<'_>, usize) -> bool,
    ) -> io::Result<bool> {
        while self.last < upto {
            let Some((frame, length)) = scan.next_upto(upto)? else {
                return Ok(true);
            };
            if frame.sequence <= self.last {
                continue;
            }
            self.last = frame.sequence;
            if !take(frame, length) {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Opens the segment that holds the frame after the last one, or the one after `current`.
    fn open_next(&self, current: Option<Sequence>) -> io::Result<Option<(Sequence, SegmentScan)>> {
        let list = self.segments.list();
        let found = match current {
            Some(current) => list.iter().find(|segment| segment.first > current),
            None => list
                .iter()
                .rev()
                .find(|segment| segment.first <= self.last.next())
                .or(list.first()),
        };
        let Some(segment) = found else { return Ok(None) };
        let before = Sequence(segment.first.0.saturating_sub(1));
        let file = self.segments.open(segment.first)?;
        Ok(Some((segment.first, SegmentScan::new(file, before))))
    }
}
