//! In which order rows come.

use std::fmt;

use serde_json::{Value, json};

use super::QueryError;
use super::dimension::Dimension;
use super::json::Placed;
use super::metric::Metric;

/// By what rows are ordered.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Order {
    /// By which part of the row.
    pub subject: Subject,
    /// Which way.
    pub direction: Direction,
}

/// A part of a row, by its place in the question.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Subject {
    /// A metric.
    Metric(usize),
    /// A dimension.
    Dimension(usize),
}

/// Which way.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Direction {
    /// The least first.
    Ascending,
    /// The greatest first.
    Descending,
}

impl Order {
    /// Reads `["visitors", "desc"]`.
    pub(super) fn read(
        placed: Placed<'_>,
        (metrics, dimensions): (&[Metric], &[Dimension]),
    ) -> Result<Self, QueryError> {
        let [name, direction] = placed.list(2)? else {
            return Err(placed.wrong("must be [metric or dimension, \"asc\" or \"desc\"]"));
        };
        let field = format!("{}[0]", placed.field);
        let name = Placed {
            value: name,
            field: &field,
        };
        let text = name.text()?;
        let metric = metrics.iter().position(|metric| metric.to_string() == text);
        let dimension = || dimensions.iter().position(|dimension| dimension.to_string() == text);
        let subject = metric
            .map(Subject::Metric)
            .or_else(|| dimension().map(Subject::Dimension));
        let subject = subject.ok_or_else(|| name.wrong("is none of the metrics and dimensions that are asked for"))?;
        let direction = match direction.as_str() {
            Some("asc") => Direction::Ascending,
            Some("desc") => Direction::Descending,
            _ => {
                return Err(QueryError::invalid(
                    format!("{}[1]", placed.field),
                    "must be asc or desc",
                ));
            }
        };
        Ok(Self { subject, direction })
    }

    /// What holds when nothing is said: time passes, else the first metric falls.
    pub(super) fn usual(dimensions: &[Dimension]) -> Self {
        let time = dimensions
            .iter()
            .position(|dimension| matches!(dimension, Dimension::Time(_)));
        match time {
            Some(place) => Self {
                subject: Subject::Dimension(place),
                direction: Direction::Ascending,
            },
            None => Self {
                subject: Subject::Metric(0),
                direction: Direction::Descending,
            },
        }
    }

    /// The order as JSON, as it is read.
    pub fn to_json(&self, metrics: &[Metric], dimensions: &[Dimension]) -> Value {
        let name = match self.subject {
            Subject::Metric(place) => metrics.get(place).map(Metric::to_string),
            Subject::Dimension(place) => dimensions.get(place).map(Dimension::to_string),
        };
        json!([name, self.direction.to_string()])
    }
}

impl fmt::Display for Direction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Ascending => "asc",
            Self::Descending => "desc",
        })
    }
}
