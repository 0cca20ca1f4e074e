//! Reports: several questions with one answer, told in words that are not ours.

use super::answer::Answer;
use super::model::Query;
use super::rendered::Stamp;

/// From answers to a text.
pub type Write = Box<dyn FnOnce(&[Answer]) -> Vec<u8> + Send>;

/// Several questions that are answered together.
pub struct Report {
    /// Tells it from other reports that ask the same.
    pub name: &'static str,
    /// The questions; all that the text depends on.
    pub queries: Vec<Query>,
    /// Makes a JSON object of the answers, which stand in the order of the questions.
    pub write: Write,
    /// What else stands in the text.
    pub stamp: Stamp,
}

impl Report {
    /// One question, answered in our own words.
    pub(super) fn of(query: Query) -> Self {
        Self {
            name: "query",
            queries: vec![query],
            // Numbers, texts and lists always serialise.
            write: Box::new(|answers| serde_json::to_vec(&answers.first()).unwrap_or_default()),
            stamp: Stamp::Named("generated_at", "cached"),
        }
    }
}
