//! Answers as text.

use jiff::Timestamp;

use super::answer::Answer;

/// An answer as JSON, but for the word whether it was given before.
#[derive(Debug)]
pub struct Rendered {
    text: Vec<u8>,
}

impl Rendered {
    /// Renders an answer that was made at a time.
    pub fn new(answer: &Answer, now_ms: u64) -> Self {
        // Numbers, texts and lists always serialise.
        let mut text = serde_json::to_vec(answer).unwrap_or_default();
        // Open again at its end.
        text.pop();
        let made = Timestamp::from_millisecond(now_ms.cast_signed()).unwrap_or(Timestamp::MIN);
        text.extend_from_slice(format!(r#","generated_at":"{made:.3}","cached":"#).as_bytes());
        text.shrink_to_fit();
        Self { text }
    }

    /// How long it is.
    pub fn bytes(&self) -> usize {
        self.text.len()
    }

    /// The whole text for someone who gets it anew or again.
    pub fn text(&self, cached: bool) -> Vec<u8> {
        let end: &[u8] = if cached { b"true}" } else { b"false}" };
        [&self.text, end].concat()
    }
}
