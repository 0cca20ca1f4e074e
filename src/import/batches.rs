//! Batches of lines, made ready in a thread of their own while the one before is on its way.

use std::collections::BTreeMap;
use std::hash::Hasher;
use std::io;
use std::ops::Range;
use std::sync::mpsc::SyncSender;

use bytes::Bytes;
use siphasher::sip::SipHasher13;

use super::lines::{End, LINE_BYTES_MAX, Lines};
use super::page_view::{LogRules, Seen, Skipped, Views};

/// What the lines of a file are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// An event a line, as the gateway takes them.
    Events,
    /// An access log of nginx or Apache.
    AccessLog,
}

impl Format {
    /// The word for it in names of imports.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Events => "events",
            Self::AccessLog => "access-log",
        }
    }

    /// What a line looks like that begins a file.
    pub fn of(line: &[u8]) -> Self {
        if line.trim_ascii_start().starts_with(b"{") {
            Self::Events
        } else {
            Self::AccessLog
        }
    }
}

/// How a file is read.
#[derive(Debug, Clone)]
pub struct Reading {
    /// What its lines are.
    pub format: Format,
    /// How lines of access logs are read.
    pub rules: LogRules,
    /// So many lines are taken already.
    pub taken: u64,
    /// What the first lines of it must be: how many, and their digest.
    pub checked: (u64, u64),
    /// So many of these are read once more.
    pub again: u64,
    /// Lines of a batch.
    pub lines_max: u64,
    /// Bytes of a batch.
    pub bytes_max: usize,
    /// Whether a last line without an end is one.
    pub takes_open_end: bool,
}

/// Lines that follow each other.
#[derive(Debug)]
pub struct Batch {
    /// So many lines are before them.
    pub from: u64,
    /// How many.
    pub lines: u64,
    /// Digest of all lines up to the last of them.
    pub digest: u64,
    /// What is sent: a line for each, blank if it is no event.
    pub body: Bytes,
    /// The lines as they were.
    raw: Bytes,
    places: Vec<Range<usize>>,
    /// Lines that are known to be no event, and why.
    pub broken: Vec<(u64, &'static str)>,
    /// Events that are sent.
    pub events: u64,
    /// Lines that are no page views.
    pub skipped: BTreeMap<Skipped, u64>,
    /// Bytes of the file that were read.
    pub position: u64,
}

/// Why there are no more batches.
#[derive(Debug)]
pub enum Ended {
    /// The file ended; whether a last line was left, since it has no end.
    Whole(bool),
    /// It cannot be read.
    Io(io::Error),
    /// What was taken of it before is not what it says now, up to this line.
    Changed(u64),
    /// It has fewer lines than were taken.
    Shorter(u64),
    /// No line of the first batch is of its format; why the first is not.
    Strange(&'static str),
}

impl Batch {
    /// A line of it as it was, by its number counted from 1.
    pub fn line(&self, number: u64) -> &[u8] {
        let place = number
            .checked_sub(self.from + 1)
            .and_then(|place| usize::try_from(place).ok());
        let range = place.and_then(|place| self.places.get(place)).cloned();
        range.and_then(|range| self.raw.get(range)).unwrap_or_default()
    }
}

/// A batch that is being made.
struct Making {
    reading: Reading,
    views: Views,
    digest: SipHasher13,
    /// Lines that were read.
    count: u64,
    from: u64,
    raw: Vec<u8>,
    body: Vec<u8>,
    places: Vec<Range<usize>>,
    broken: Vec<(u64, &'static str)>,
    events: u64,
    skipped: BTreeMap<Skipped, u64>,
    /// Whether any line was of the format.
    fits: bool,
}

/// Reads a file to its end, or as long as anybody wants its batches.
pub fn read(mut lines: Lines, reading: Reading, batches: &SyncSender<Result<Batch, Ended>>) {
    let ended = Making::new(reading).run(&mut lines, batches);
    // Who has hung up has heard enough.
    let _ = batches.send(Err(ended));
}

impl Making {
    fn new(reading: Reading) -> Self {
        // The last batch before is sent once more: its answer may not have been heard, and with it why lines were
        // rejected. The gateway takes none of its lines again.
        let from = reading.taken.saturating_sub(reading.again);
        Self {
            views: Views::new(reading.rules.clone()),
            reading,
            digest: SipHasher13::new(),
            count: 0,
            from,
            raw: Vec::new(),
            body: Vec::new(),
            places: Vec::new(),
            broken: Vec::new(),
            events: 0,
            skipped: BTreeMap::new(),
            fits: from > 0,
        }
    }

    fn run(mut self, lines: &mut Lines, batches: &SyncSender<Result<Batch, Ended>>) -> Ended {
        loop {
            let start = self.raw.len();
            let end = match lines.next(&mut self.raw) {
                Ok(end) => end,
                Err(error) => return Ended::Io(error),
            };
            // One that was taken before was taken for a whole line.
            let is_new = self.count >= self.reading.taken;
            let is_open = end == Some(End::Open) && lines.may_grow && is_new && !self.reading.takes_open_end;
            let Some(end) = end.filter(|_| !is_open) else {
                self.raw.truncate(start);
                if self.count < self.reading.taken {
                    return Ended::Shorter(self.count);
                }
                return self.hand_over(lines, batches).err().unwrap_or(Ended::Whole(is_open));
            };
            if let Err(ended) = self
                .take(start, end)
                .and_then(|()| self.hand_over_if_full(lines, batches))
            {
                return ended;
            }
        }
    }

    /// Takes the line that begins at a place of the raw bytes.
    fn take(&mut self, start: usize, end: End) -> Result<(), Ended> {
        let line = self.raw.get(start..).unwrap_or_default();
        self.digest.write(line);
        self.digest.write_u8(b'\n');
        self.count += 1;
        let (checked, digest) = self.reading.checked;
        if self.count == checked && self.digest.finish() != digest {
            return Err(Ended::Changed(checked));
        }
        if self.count <= self.from {
            self.raw.truncate(start);
            return Ok(());
        }
        let place = start..self.raw.len();
        self.places.push(place);
        if let Err(why) = self.write(start, end) {
            // In its place stands a blank one.
            self.broken.push((self.count, why));
        }
        self.raw.push(b'\n');
        self.body.push(b'\n');
        Ok(())
    }

    /// Writes the line that begins at a place as it is sent, if it is an event.
    fn write(&mut self, start: usize, end: End) -> Result<(), &'static str> {
        let is_new = self.count > self.reading.taken;
        let line = self.raw.get(start..).unwrap_or_default();
        let text = line.trim_ascii();
        if end == End::TooLong || line.len() * 2 > self.reading.bytes_max {
            return Err("it is too long");
        }
        if text.is_empty() {
            return Ok(());
        }
        if self.reading.format == Format::Events {
            self.fits |= text.starts_with(b"{");
            self.events += u64::from(is_new);
            self.body.extend_from_slice(text);
            return Ok(());
        }
        match self.views.write(text, &mut self.body)? {
            Seen::View => {
                self.fits = true;
                self.events += u64::from(is_new);
            }
            Seen::Skipped(why) => {
                self.fits = true;
                *self.skipped.entry(why).or_default() += u64::from(is_new);
            }
        }
        Ok(())
    }

    fn hand_over_if_full(&mut self, lines: &Lines, batches: &SyncSender<Result<Batch, Ended>>) -> Result<(), Ended> {
        let bytes = self.body.len().max(self.raw.len());
        let is_full =
            self.places.len() as u64 >= self.reading.lines_max || bytes + LINE_BYTES_MAX > self.reading.bytes_max;
        if is_full && !self.places.is_empty() {
            self.hand_over(lines, batches)
        } else {
            Ok(())
        }
    }

    fn hand_over(&mut self, lines: &Lines, batches: &SyncSender<Result<Batch, Ended>>) -> Result<(), Ended> {
        if self.places.is_empty() {
            return Ok(());
        }
        if !self.fits {
            let first = self.broken.first().map(|(_, why)| *why);
            return Err(Ended::Strange(first.unwrap_or("it is no JSON object")));
        }
        let raw = Bytes::from(std::mem::take(&mut self.raw));
        let batch = Batch {
            from: self.from,
            lines: self.places.len() as u64,
            digest: self.digest.finish(),
            body: std::mem::take(&mut self.body).into(),
            raw,
            places: std::mem::take(&mut self.places),
            broken: std::mem::take(&mut self.broken),
            events: std::mem::take(&mut self.events),
            skipped: std::mem::take(&mut self.skipped),
            position: lines.position(),
        };
        self.from = self.count;
        batches.send(Ok(batch)).map_err(|_| Ended::Whole(false))
    }
}
