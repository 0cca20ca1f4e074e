//! Questions about events, and their answers.
//!
//! One typed model for every question: metrics of groups of events, grouped by dimensions, of the events that filters
//! let through in a range of dates. It is read from JSON with errors that name the field and the reason, brought to
//! one form (the key of the cache), and answered from the event store.
//!
//! Must not know: HTTP, how events are kept.
//!
//! Bounded: filters, dimensions, buckets of time, rows of an answer, answers that are kept, threads, questions that wait
//! for them, the time of an answer.
//!
//! On failure: a question that cannot be answered as asked is refused with its field; nothing is guessed.

mod answer;
mod answers;
mod compare;
mod desk;
mod dimension;
mod event_text;
mod filter;
mod json;
mod listing;
mod metric;
mod model;
mod order;
mod plan;
mod range;
mod rendered;
mod report;
mod rolling;
mod session_page;
mod site_view;
mod zone;

pub use answer::{Answer, AnswerRow, Meta, answer};
pub use answers::Answers;
pub use compare::Compare;
pub use dimension::{Dimension, Interval};
pub use event_text::shown_time;
pub use filter::Filter;
pub use listing::Listing;
pub use metric::Metric;
pub use model::Query;
pub use order::{Direction, Order, Subject};
pub use range::{DateRange, Moment};
pub use rendered::{Rendered, Stamp};
pub use report::Report;
pub use session_page::{ListedSession, SessionPage};
pub use site_view::SiteView;
pub use zone::Zone;

use std::sync::Arc;

use crate::outcome::Reason;
use crate::store::StoreError;

/// Why a question was not answered.
#[derive(Debug, Clone, thiserror::Error)]
pub enum QueryError {
    /// It is no JSON object.
    #[error("query: {0}")]
    NotRead(Box<str>),
    /// A field that must be there is not.
    #[error("{0}: is missing")]
    Missing(&'static str),
    /// It cannot be answered as asked.
    #[error("{field}: {reason}")]
    Invalid {
        /// The field that is wrong, with its place in lists.
        field: Box<str>,
        /// What is wrong with it.
        reason: Box<str>,
    },
    /// The store could not answer.
    #[error("{0}")]
    Store(Arc<StoreError>),
    /// Too many questions wait already.
    #[error("too many questions wait to be answered")]
    Overloaded,
}

impl QueryError {
    /// A field that is wrong.
    pub(crate) fn invalid(field: impl Into<Box<str>>, reason: impl Into<Box<str>>) -> Self {
        Self::Invalid {
            field: field.into(),
            reason: reason.into(),
        }
    }

    /// What clients are told.
    pub fn reason(&self) -> Reason {
        match self {
            Self::NotRead(_) => Reason::JsonInvalid,
            Self::Missing(_) => Reason::FieldMissing,
            Self::Invalid { .. } => Reason::FieldInvalid,
            Self::Overloaded => Reason::QueryOverloaded,
            Self::Store(error) => match **error {
                StoreError::TooManyGroups(_) => Reason::QueryTooLarge,
                StoreError::TooSlow => Reason::QueryTimeout,
                _ => Reason::StoreUnavailable,
            },
        }
    }
}

impl From<StoreError> for QueryError {
    fn from(error: StoreError) -> Self {
        Self::Store(Arc::new(error))
    }
}
