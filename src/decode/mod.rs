//! Decode: from the bytes of a request to what its client says of each event.
//!
//! JSON is parsed in place onto a tape that is used again for the next request, and texts are borrowed from it; only
//! `properties` and `items` are written anew, without whitespace, as the JSON they are kept as.
//!
//! Must not know: HTTP, sites, how events are kept.
//!
//! Bounded: the decompressed body and its ratio to what was sent, the window of zstd, the depth of the JSON, the events
//! of a body, the keys, depth and bytes of `properties` and `items`, and every text.
//!
//! On failure: a body that is no JSON is refused whole; an event that cannot be kept is one [`Flaw`] and leaves the others
//! alone, also where a text or a number in it cannot be read. What is left over after one event is never taken for
//! another.

mod compact;
mod compression;
mod elements;
mod event;
mod page;
mod text;
mod tree;

use simd_json::{Buffers, ErrorType, INPUT_PADDING, Node, Tape};

pub use compression::{Encoding, ExpansionLimits, decompress};
pub use event::{FIELDS, Field, NATIVE, Sent, SentRevenue, Words};
pub use page::{Page, host_of, is_page};
pub use text::cut;

use self::compact::{Compact, has_twins};
use self::elements::Elements;
use self::tree::Value;
use crate::config::EventsConfig;
use crate::outcome::Reason;

/// How deep a body may nest: `properties` and `items` have their own bound below it.
const DEPTH_MAX: usize = 32;
/// More of a `User-Agent` is never kept, whatever is configured.
const USER_AGENT_BYTES_MAX: usize = 2_048;
/// Bytes behind a body that its reading needs: who makes room for a body makes room for them too.
pub const ROOM_BEHIND: usize = INPUT_PADDING;
/// Buffers of larger documents are given back.
const KEPT_BYTES_MAX: usize = 256 << 10;

/// How the events of a body are laid out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// One object, an array of them, or an object with an array of them called `events`.
    Json,
    /// An object a line.
    Lines,
}

/// Why an event cannot be kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Flaw<'a> {
    /// The kind.
    pub reason: Reason,
    /// The field that is wrong; empty if it is none.
    pub field: &'static str,
    /// What would be right.
    pub rule: &'static str,
    /// The event's id, as far as it has one.
    pub id: &'a str,
}

/// Takes the events of a body, one after the other.
pub type Sink<'s> = dyn FnMut(Result<Sent<'_>, Flaw<'_>>) + 's;

/// Takes the events of lines, each with the place of its line.
pub type LineSink<'s> = dyn FnMut(usize, Result<Sent<'_>, Flaw<'_>>) + 's;

/// Reads bodies; a worker has one, whose buffers are used again.
pub struct Decoder {
    buffers: Buffers,
    tape: Tape<'static>,
    compact: Compact,
    batch_max: usize,
    words: Words,
}

impl Decoder {
    /// A decoder with the limits of a configuration.
    pub fn new(config: &EventsConfig) -> Self {
        Self {
            buffers: Buffers::with_max_depth(0, DEPTH_MAX),
            tape: Tape(Vec::new()),
            compact: Compact::new(config),
            batch_max: config.batch_max,
            words: NATIVE,
        }
    }

    /// Reads a body in our own words, whose bytes are used up.
    ///
    /// # Errors
    /// When the body as a whole is malformed or has too many events; the sink may have seen some of its events then.
    pub fn decode(&mut self, body: &mut Vec<u8>, form: Form, sink: &mut Sink<'_>) -> Result<(), Reason> {
        self.decode_in(NATIVE, body, form, sink)
    }

    /// The same in the words of another format.
    ///
    /// # Errors
    /// As [`Decoder::decode`].
    pub fn decode_in(
        &mut self,
        words: Words,
        body: &mut Vec<u8>,
        form: Form,
        sink: &mut Sink<'_>,
    ) -> Result<(), Reason> {
        self.words = words;
        let length = body.len();
        body.resize(length + ROOM_BEHIND, 0);
        match form {
            Form::Json => self.document(body, length, sink),
            Form::Lines => self.lines(body, length, sink),
        }
    }

    fn document(&mut self, bytes: &mut [u8], length: usize, sink: &mut Sink<'_>) -> Result<(), Reason> {
        let text = bytes.get(..length).unwrap_or_default();
        if text.trim_ascii().is_empty() {
            return Err(Reason::BodyEmpty);
        }
        // The parser writes texts with escapes anew where they stand; everything else it leaves as it was.
        let unread = text.contains(&b'\\').then(|| bytes.to_vec());
        let mut tape = std::mem::replace(&mut self.tape, Tape(Vec::new())).reset();
        let parsed = simd_json::fill_tape_padded(bytes, length, &mut self.buffers, &mut tape);
        let parsed = parsed.map_err(|error| reason(error.error()));
        let told = parsed.and_then(|()| tell_document(&tape.0, (&mut self.compact, &self.words, self.batch_max), sink));
        self.keep(tape, length);
        match parsed {
            Err(reason) if is_of_one_value(reason) => match unread {
                Some(mut unread) => self.one_by_one(&mut unread, (length, reason), sink),
                None => self.one_by_one(bytes, (length, reason), sink),
            },
            _ => told,
        }
    }

    /// Reads a batch with a value that cannot be read, which is no reason to refuse the events beside it. What follows
    /// an event is its padding.
    fn one_by_one(
        &mut self,
        bytes: &mut [u8],
        (length, whole): (usize, Reason),
        sink: &mut Sink<'_>,
    ) -> Result<(), Reason> {
        let text = bytes.get(..length).unwrap_or_default();
        let Some(found) = Elements::find(text, self.batch_max) else {
            return Err(whole);
        };
        match found.events.len() {
            0 | 1 => return Err(whole),
            events if events > self.batch_max => return Err(Reason::TooManyEvents),
            _ => {}
        }
        // What stands beside the events is meant for all of them: nobody knows what they are without it.
        let mut around = found.without_events(text);
        let around = around.as_mut().map(|around| self.around(around)).transpose()?;
        let sent_at = match &around {
            Some(tape) => batch(Value::root(&tape.0))?.and_then(|(_, sent_at)| sent_at),
            None => None,
        };
        for event in found.events {
            let length = event.len();
            let rest = bytes.get_mut(event.start..).unwrap_or_default();
            match self.one(rest, (length, sent_at), sink) {
                Ok(()) => {}
                Err(reason) if is_of_one_value(reason) => sink(Err(unreadable(reason))),
                Err(reason) => return Err(reason),
            }
        }
        Ok(())
    }

    /// Reads what is around the events of a batch.
    fn around<'a>(&mut self, text: &'a mut Vec<u8>) -> Result<Tape<'a>, Reason> {
        let length = text.len();
        text.resize(length + ROOM_BEHIND, 0);
        let mut tape = Tape(Vec::new());
        let read = simd_json::fill_tape_padded(text, length, &mut self.buffers, &mut tape);
        read.map(|()| tape).map_err(|error| reason(error.error()))
    }

    /// Reads a body with an event a line, whose bytes are used up: the sink is told the place of each line that is not
    /// blank, and what it says. How many lines there are.
    ///
    /// # Errors
    /// When there are more lines than may be.
    pub fn decode_lines(
        &mut self,
        body: &mut Vec<u8>,
        lines_max: usize,
        sink: &mut LineSink<'_>,
    ) -> Result<usize, Reason> {
        let length = body.len();
        body.resize(length + ROOM_BEHIND, 0);
        let (mut start, mut lines) = (0, 0);
        while start < length {
            let rest = body.get_mut(start..).unwrap_or_default();
            let line = line_length(rest, length - start);
            start += line + 1;
            if lines >= lines_max {
                return Err(Reason::TooManyEvents);
            }
            let place = lines;
            lines += 1;
            if rest.get(..line).is_none_or(|text| text.trim_ascii().is_empty()) {
                continue;
            }
            if let Err(reason) = self.one(rest, (line, None), &mut |event| sink(place, event)) {
                sink(place, Err(unreadable(reason)));
            }
        }
        Ok(lines)
    }

    /// Each line is a document of its own, and the next line is its padding.
    fn lines(&mut self, bytes: &mut [u8], length: usize, sink: &mut Sink<'_>) -> Result<(), Reason> {
        let (mut start, mut events) = (0, 0);
        while start < length {
            let rest = bytes.get_mut(start..).unwrap_or_default();
            let line = line_length(rest, length - start);
            start += line + 1;
            if rest.get(..line).is_none_or(|text| text.trim_ascii().is_empty()) {
                continue;
            }
            events += 1;
            if events > self.batch_max {
                return Err(Reason::TooManyEvents);
            }
            if let Err(reason) = self.one(rest, (line, None), sink) {
                sink(Err(unreadable(reason)));
            }
        }
        if events == 0 { Err(Reason::BodyEmpty) } else { Ok(()) }
    }

    /// Tells an event of a length, which has its padding behind it; why not, if it is no JSON.
    fn one(
        &mut self,
        bytes: &mut [u8],
        (length, sent_at): (usize, Option<Value<'_, '_>>),
        sink: &mut Sink<'_>,
    ) -> Result<(), Reason> {
        let mut tape = std::mem::replace(&mut self.tape, Tape(Vec::new())).reset();
        let parsed = simd_json::fill_tape_padded(bytes, length, &mut self.buffers, &mut tape);
        if parsed.is_ok() {
            tell(Value::root(&tape.0), sent_at, (&mut self.compact, &self.words), sink);
        }
        self.keep(tape, length);
        parsed.map_err(|error| reason(error.error()))
    }

    /// Keeps the buffers for the next document, after one of a length.
    fn keep(&mut self, tape: Tape<'_>, length: usize) {
        if length <= KEPT_BYTES_MAX {
            self.tape = tape.reset();
        } else {
            self.buffers = Buffers::with_max_depth(0, DEPTH_MAX);
        }
    }
}

/// The length of the line that begins a text, of which so many bytes are left.
fn line_length(text: &[u8], left: usize) -> usize {
    let ends = text.iter().take(left).position(|&byte| byte == b'\n');
    ends.unwrap_or(left)
}

/// Tells the events of a document.
fn tell_document(
    nodes: &[Node<'_>],
    (compact, words, batch_max): (&mut Compact, &Words, usize),
    sink: &mut Sink<'_>,
) -> Result<(), Reason> {
    let root = Value::root(nodes);
    let Some((events, sent_at)) = batch(root)? else {
        tell(root, None, (compact, words), sink);
        return Ok(());
    };
    if events.len() > batch_max {
        return Err(Reason::TooManyEvents);
    }
    for event in events.elements() {
        tell(event, sent_at, (compact, words), sink);
    }
    Ok(())
}

/// An array of events, and the time of sending beside it.
type Batch<'t, 'a> = (Value<'t, 'a>, Option<Value<'t, 'a>>);

/// The batch that a document is; `None` if it is one event.
fn batch<'t, 'a>(root: Value<'t, 'a>) -> Result<Option<Batch<'t, 'a>>, Reason> {
    if root.is_array() {
        return Ok(Some((root, None)));
    }
    let Some(events) = root.get("events").filter(Value::is_array) else {
        return Ok(None);
    };
    // Of two lists one would be lost.
    let members = root.members().into_iter().flatten();
    let keys = members
        .map(|(key, _)| key)
        .filter(|key| ["events", "sent_at"].contains(key));
    if has_twins(keys) {
        return Err(Reason::KeyDuplicate);
    }
    Ok(Some((events, root.get("sent_at"))))
}

fn tell<'a>(
    value: Value<'_, 'a>,
    sent_at: Option<Value<'_, 'a>>,
    (compact, words): (&mut Compact, &Words),
    sink: &mut Sink<'_>,
) {
    compact.clear();
    match event::read(value, sent_at, words, compact) {
        Ok(mut sent) => {
            (sent.properties, sent.items) = compact.parts();
            sink(Ok(sent));
        }
        Err(flaw) => sink(Err(flaw)),
    }
}

/// Whether what is wrong concerns one value, and the JSON around it may be good.
const fn is_of_one_value(reason: Reason) -> bool {
    matches!(
        reason,
        Reason::Utf8Invalid | Reason::NumberOutOfRange | Reason::JsonTooDeep
    )
}

/// The flaw of an event of which nothing could be read.
fn unreadable(reason: Reason) -> Flaw<'static> {
    Flaw {
        reason,
        field: "",
        rule: reason.row().text,
        id: "",
    }
}

/// What is wrong with JSON.
const fn reason(error: &ErrorType) -> Reason {
    match error {
        ErrorType::DepthLimitExceeded => Reason::JsonTooDeep,
        ErrorType::InvalidUtf8 | ErrorType::InvalidUnicodeEscape | ErrorType::InvalidUnicodeCodepoint => {
            Reason::Utf8Invalid
        }
        ErrorType::InvalidNumber | ErrorType::InvalidExponent => Reason::NumberOutOfRange,
        _ => Reason::JsonInvalid,
    }
}

#[cfg(test)]
#[path = "decode_tests.rs"]
mod tests;
