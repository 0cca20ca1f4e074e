//! The events of one request, encoded as frames.

use crate::event::{Event, EventId};
use crate::journal::Draft;
use crate::journal::payload::{self, Manner};

/// Events of one request, in the order in which they go into the log.
#[derive(Debug, Default)]
pub struct EventBatch {
    bytes: Vec<u8>,
    ends: Vec<usize>,
    /// How many have an id of the client's, so that apply has a word on them.
    with_id: usize,
}

impl EventBatch {
    /// Adds an event if its payload has at most so many bytes; whether it has.
    pub fn push(&mut self, event: &Event<'_>, manner: Manner, bytes_max: usize) -> bool {
        let start = self.bytes.len();
        payload::put_event(&mut self.bytes, event, manner);
        let fits = self.bytes.len() - start <= bytes_max;
        if fits {
            self.ends.push(self.bytes.len());
            self.with_id += usize::from(matches!(event.id, EventId::Client(_)));
        } else {
            self.bytes.truncate(start);
        }
        fits
    }

    /// Number of events.
    pub const fn len(&self) -> usize {
        self.ends.len()
    }

    /// Whether there is none.
    pub const fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }

    /// How many have an id of the client's.
    pub const fn with_id(&self) -> usize {
        self.with_id
    }

    /// Size of all payloads.
    pub const fn bytes(&self) -> usize {
        self.bytes.len()
    }

    /// The frames, which have no sequences yet.
    pub fn drafts(&self) -> impl Iterator<Item = Draft<'_>> {
        let mut start = 0;
        self.ends.iter().map(move |&end| {
            let payload = self.bytes.get(start..end).unwrap_or_default();
            start = end;
            Draft {
                kind: payload::EVENT,
                payload,
            }
        })
    }
}
