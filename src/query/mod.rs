//! Questions about events, and their answers.
//!
//! One typed model for every question: metrics of groups of events, grouped by dimensions, of the events that filters
//! let through in a range of dates. It is read from JSON with errors that name the field and the reason, brought to
//! one form (the key of the cache), and answered from the event store.
//!
//! Must not know: HTTP, how events are kept.
//!
//! Bounded: filters, dimensions, buckets of time, rows of an answer, answers that are kept.
//!
//! On failure: a question that cannot be answered as asked is refused with its field; nothing is guessed.

mod answer;
mod cache;
mod compare;
mod dimension;
mod filter;
mod json;
mod metric;
mod model;
mod order;
mod range;
mod zone;

pub use answer::{Answer, AnswerRow, Meta, answer};
pub use cache::{Answers, CacheTimes};
pub use compare::Compare;
pub use dimension::{Dimension, Interval};
pub use filter::Filter;
pub use metric::Metric;
pub use model::{Query, SiteView};
pub use order::{Direction, Order, Subject};
pub use range::DateRange;
pub use zone::Zone;

use crate::store::StoreError;

/// Why a question was not answered.
#[derive(Debug, thiserror::Error)]
pub enum QueryError {
    /// It cannot be answered as asked.
    #[error("{field}: {reason}")]
    Invalid {
        /// The field that is wrong, with its place in lists.
        field: Box<str>,
        /// What is wrong with it.
        reason: Box<str>,
    },
    /// The store could not answer.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// Another asker of the same question took too long.
    #[error("the same question is being answered and takes too long")]
    Busy,
}

impl QueryError {
    /// A field that is wrong.
    pub(crate) fn invalid(field: impl Into<Box<str>>, reason: impl Into<Box<str>>) -> Self {
        Self::Invalid {
            field: field.into(),
            reason: reason.into(),
        }
    }
}
