//! Reads the frames of one segment in order, stepping over damage.

use std::io;
use std::sync::Arc;

use super::disk::DiskFile;
use super::frame::{Found, Frame, decode, open};
use super::segment::SEGMENT_HEADER_BYTES;
use crate::event::Sequence;

const CHUNK_BYTES: usize = 256 << 10;

/// A place in a segment and what has been read ahead of it.
pub struct SegmentScan {
    file: Arc<dyn DiskFile>,
    /// Where `ahead` begins in the file.
    offset: u64,
    ahead: Vec<u8>,
    /// How much of `ahead` is behind us.
    used: usize,
    at_end: bool,
    last: Sequence,
    damage: Damage,
}

/// Bytes that were no frames.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Damage {
    /// Stretches between frames.
    pub stretches: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Bytes after the last frame, up to the end of the file.
    pub tail_bytes: u64,
}

impl SegmentScan {
    /// Begins at the first frame; frames up to and including `after` are not expected and would count as damage.
    pub fn new(file: Arc<dyn DiskFile>, after: Sequence) -> Self {
        Self {
            file,
            offset: SEGMENT_HEADER_BYTES as u64,
            ahead: Vec::new(),
            used: 0,
            at_end: false,
            last: after,
            damage: Damage::default(),
        }
    }

    /// What was stepped over so far.
    pub const fn damage(&self) -> Damage {
        self.damage
    }

    /// The file offset after the last frame that was given.
    pub const fn position(&self) -> u64 {
        self.offset + self.used as u64 - self.damage.tail_bytes
    }

    /// Whether no frame is left, not even one above what was asked for.
    pub const fn is_at_end(&self) -> bool {
        self.at_end && self.used == self.ahead.len()
    }

    /// Forgets what was read ahead, so that bytes written since are seen.
    pub fn refresh(&mut self) {
        self.offset = self.position();
        self.damage.tail_bytes = 0;
        self.ahead.clear();
        self.used = 0;
        self.at_end = false;
    }

    /// The next frame and its length in bytes, or `None` at the end of the file.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn next(&mut self) -> io::Result<Option<(Frame<'_>, usize)>> {
        self.next_upto(Sequence(u64::MAX))
    }

    /// The same, but a frame above `upto` is left for later.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn next_upto(&mut self, upto: Sequence) -> io::Result<Option<(Frame<'_>, usize)>> {
        let Some((sequence, length)) = self.find()? else {
            return Ok(None);
        };
        if sequence > upto {
            return Ok(None);
        }
        let start = self.used;
        self.used += length;
        if self.damage.tail_bytes > 0 {
            self.damage.stretches += 1;
            self.damage.bytes += std::mem::take(&mut self.damage.tail_bytes);
        }
        let bytes = self.ahead.get(start..self.used).unwrap_or_default();
        self.last = sequence;
        Ok(open(bytes).map(|frame| (frame, length)))
    }

    /// Steps over damage to the next frame; its sequence and length, or `None` at the end.
    fn find(&mut self) -> io::Result<Option<(Sequence, usize)>> {
        loop {
            match decode(self.ahead.get(self.used..).unwrap_or_default()) {
                Found::Frame(frame, length) if frame.sequence > self.last => return Ok(Some((frame.sequence, length))),
                Found::Incomplete if !self.at_end => self.read_on()?,
                _ if self.used < self.ahead.len() => {
                    self.used += 1;
                    self.damage.tail_bytes += 1;
                }
                _ if self.at_end => return Ok(None),
                _ => self.read_on()?,
            }
        }
    }

    fn read_on(&mut self) -> io::Result<()> {
        self.ahead.drain(..self.used);
        self.offset += self.used as u64;
        self.used = 0;
        let have = self.ahead.len();
        let place = self.offset + have as u64;
        let left = usize::try_from(self.file.length()?.saturating_sub(place)).unwrap_or(usize::MAX);
        self.ahead.resize(have + left.min(CHUNK_BYTES.max(have)), 0);
        let free = self.ahead.get_mut(have..).unwrap_or_default();
        let read = self.file.read_at(place, free)?;
        self.at_end = read == left || read < free.len();
        self.ahead.truncate(have + read);
        Ok(())
    }
}
