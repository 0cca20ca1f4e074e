//! Answers as text.

use jiff::Timestamp;

/// An answer as JSON, but for the word whether it was given before.
#[derive(Debug)]
pub struct Rendered {
    text: Vec<u8>,
    /// Whether there is such a word.
    is_stamped: bool,
}

/// Whether a text says when it was made, and whether it was given before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stamp {
    /// It does, under these names.
    Named(&'static str, &'static str),
    /// It does not.
    None,
}

impl Rendered {
    /// Stamps a JSON object that was made at a time.
    pub fn new(mut text: Vec<u8>, stamp: Stamp, now_ms: u64) -> Self {
        if let Stamp::Named(made_at, given_again) = stamp {
            // Open again at its end.
            text.pop();
            let made = Timestamp::from_millisecond(now_ms.cast_signed()).unwrap_or(Timestamp::MIN);
            text.extend_from_slice(format!(r#","{made_at}":"{made:.3}","{given_again}":"#).as_bytes());
        }
        text.shrink_to_fit();
        let is_stamped = stamp != Stamp::None;
        Self { text, is_stamped }
    }

    /// How long it is.
    pub fn bytes(&self) -> usize {
        self.text.len()
    }

    /// The whole text for someone who gets it anew or again.
    pub fn text(&self, cached: bool) -> Vec<u8> {
        let end: &[u8] = match (self.is_stamped, cached) {
            (false, _) => b"",
            (true, true) => b"true}",
            (true, false) => b"false}",
        };
        [&self.text, end].concat()
    }
}
