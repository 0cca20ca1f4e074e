//! `properties` and `items` as the JSON that is kept: no whitespace, no key twice, within limits.

use simd_json::{Node, StaticNode};

use super::tree::Value;
use crate::config::EventsConfig;
use crate::outcome::Reason;

/// What is wrong with a value: the kind, and what would be right.
pub type Fault = (Reason, &'static str);

const TOO_LARGE: Fault = (
    Reason::EventTooLarge,
    "must not be larger than events.properties_bytes_max",
);
const TOO_MANY_KEYS: Fault = (
    Reason::EventTooLarge,
    "must not have more keys than events.properties_keys_max",
);
const TOO_DEEP: Fault = (
    Reason::JsonTooDeep,
    "must not nest deeper than events.properties_depth_max",
);
const KEY_TWICE: Fault = (Reason::KeyDuplicate, "must have each key once");
const NUL: Fault = (Reason::FieldInvalid, "must hold no NUL");

/// Writes values; used again for the next event.
#[derive(Debug)]
pub struct Compact {
    bytes_max: usize,
    keys_max: usize,
    depth_max: usize,
    bytes: Vec<u8>,
    /// Where `items` begin.
    items: usize,
    /// Keys that are left.
    keys: usize,
}

impl Compact {
    /// With the limits of a configuration.
    pub const fn new(config: &EventsConfig) -> Self {
        Self {
            bytes_max: config.properties_bytes_max,
            keys_max: config.properties_keys_max,
            depth_max: config.properties_depth_max,
            bytes: Vec::new(),
            items: 0,
            keys: 0,
        }
    }

    /// Forgets the last event.
    pub fn clear(&mut self) {
        self.bytes.clear();
        self.items = 0;
    }

    /// Writes `properties`, before `items`.
    pub fn put_properties(&mut self, value: Value<'_, '_>) -> Result<(), Fault> {
        self.put(value)?;
        // One that says nothing is none.
        if self.bytes == b"{}" {
            self.bytes.clear();
        }
        self.items = self.bytes.len();
        Ok(())
    }

    /// Writes `items`, after `properties`.
    pub fn put_items(&mut self, value: Value<'_, '_>) -> Result<(), Fault> {
        self.put(value)?;
        if self.bytes.get(self.items..) == Some(b"[]") {
            self.bytes.truncate(self.items);
        }
        Ok(())
    }

    /// What was written: `properties` and `items`.
    pub fn parts(&self) -> (&[u8], &[u8]) {
        self.bytes.split_at_checked(self.items).unwrap_or_default()
    }

    fn put(&mut self, value: Value<'_, '_>) -> Result<(), Fault> {
        self.keys = self.keys_max;
        self.value(value, self.depth_max)?;
        if self.bytes.len() - self.items > self.bytes_max {
            return Err(TOO_LARGE);
        }
        Ok(())
    }

    /// Writes a value that may nest `depth` more levels. Depth is bounded by the configuration, and so is the stack.
    fn value(&mut self, value: Value<'_, '_>, depth: usize) -> Result<(), Fault> {
        match value.node() {
            Node::String(text) => self.text(text)?,
            Node::Static(StaticNode::Null) => self.bytes.extend_from_slice(b"null"),
            Node::Static(StaticNode::Bool(true)) => self.bytes.extend_from_slice(b"true"),
            Node::Static(StaticNode::Bool(false)) => self.bytes.extend_from_slice(b"false"),
            Node::Static(StaticNode::I64(number)) => self.number(itoa::Buffer::new().format(number)),
            Node::Static(StaticNode::U64(number)) => self.number(itoa::Buffer::new().format(number)),
            Node::Static(StaticNode::F64(number)) => put_json(&mut self.bytes, &number),
            Node::Array { .. } => {
                let inner = depth.checked_sub(1).ok_or(TOO_DEEP)?;
                self.bytes.push(b'[');
                for (place, element) in value.elements().enumerate() {
                    self.comma(place);
                    self.value(element, inner)?;
                }
                self.bytes.push(b']');
            }
            Node::Object { .. } => self.object(value, depth.checked_sub(1).ok_or(TOO_DEEP)?)?,
        }
        Ok(())
    }

    fn object(&mut self, value: Value<'_, '_>, inner: usize) -> Result<(), Fault> {
        self.keys = self.keys.checked_sub(value.len()).ok_or(TOO_MANY_KEYS)?;
        let Some(members) = value.members() else { return Ok(()) };
        if has_twins(members.clone().map(|(key, _)| key)) {
            return Err(KEY_TWICE);
        }
        self.bytes.push(b'{');
        for (place, (key, member)) in members.enumerate() {
            self.comma(place);
            self.text(key)?;
            self.bytes.push(b':');
            self.value(member, inner)?;
        }
        self.bytes.push(b'}');
        Ok(())
    }

    fn text(&mut self, text: &str) -> Result<(), Fault> {
        if text.as_bytes().contains(&0) {
            return Err(NUL);
        }
        // Looked at here too, so that a large value is not written to its end for nothing.
        if self.bytes.len() - self.items > self.bytes_max {
            return Err(TOO_LARGE);
        }
        put_json(&mut self.bytes, text);
        Ok(())
    }

    fn number(&mut self, digits: &str) {
        self.bytes.extend_from_slice(digits.as_bytes());
    }

    fn comma(&mut self, place: usize) {
        if place > 0 {
            self.bytes.push(b',');
        }
    }
}

/// Whether a name comes twice. Sorted beyond a few, so that many cost no square.
pub fn has_twins<'a>(names: impl Iterator<Item = &'a str> + Clone) -> bool {
    const FEW: usize = 12;
    if names.clone().nth(FEW).is_none() {
        let mut rest = names;
        while let Some(name) = rest.next() {
            if rest.clone().any(|other| other == name) {
                return true;
            }
        }
        return false;
    }
    let mut sorted: Vec<_> = names.collect();
    sorted.sort_unstable();
    sorted.windows(2).any(|pair| pair.first() == pair.last())
}

/// Appends a text or a number as JSON.
fn put_json<T: serde::Serialize + ?Sized>(into: &mut Vec<u8>, value: &T) {
    // Writing texts and finite numbers to memory cannot fail.
    let _ = serde_json::to_writer(into, value);
}
