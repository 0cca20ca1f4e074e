//! Which events a question is about.

use regex::{Regex, RegexBuilder};
use serde_json::{Value, json};

use super::QueryError;
use super::dimension::{Dimension, Scope};
use super::json::{Placed, each};
use super::site_view::SiteView;
use crate::store::search::Condition;
use crate::store::{Column, Field};

/// Filters within filters.
const DEPTH_MAX: usize = 16;
/// Entries of one list of filters.
const FILTERS_MAX: usize = 100;
/// Values of one filter.
const VALUES_MAX: usize = 1_000;
/// Length of one value, in bytes.
const VALUE_BYTES_MAX: usize = 2_048;
/// Regular expressions of one filter.
const PATTERNS_MAX: usize = 20;
/// Memory of one regular expression.
const PATTERN_BYTES_MAX: usize = 1 << 20;

/// The values of a column of flags, as the store shows them: every event has one.
const EITHER: [&str; 2] = ["false", "true"];

/// Which events a question is about. Values and parts stand in an order of their own, so that two ways to write the
/// same filter are one.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Filter {
    /// The value is one of these; `None` is no value.
    Is(Dimension, Vec<Option<Box<str>>>),
    /// The value contains one of these, letter case and all.
    Contains(Dimension, Vec<Box<str>>),
    /// One of these regular expressions matches somewhere in the value.
    Matches(Dimension, Vec<Box<str>>),
    /// All of these hold.
    And(Vec<Self>),
    /// One of these holds.
    Or(Vec<Self>),
    /// This does not hold.
    Not(Box<Self>),
}

impl Filter {
    /// Lets people through, and machines that send of their own accord.
    pub fn everyone() -> Self {
        let both = EITHER.map(|flag| Some(flag.into()));
        Self::Is(Dimension::Column(Column::Bot), both.into())
    }

    /// Reads a list of filters that must all hold.
    pub(super) fn read_all(placed: Placed<'_>) -> Result<Self, QueryError> {
        let all = each(placed, FILTERS_MAX, |one| Self::read(one, DEPTH_MAX))?;
        Ok(Self::And(all).sorted())
    }

    fn read(placed: Placed<'_>, depth: usize) -> Result<Self, QueryError> {
        let parts = placed.list(3)?;
        let depth = depth
            .checked_sub(1)
            .ok_or_else(|| placed.wrong(format!("is deeper than {DEPTH_MAX}")))?;
        let (Some(word), [_, rest @ ..]) = (parts.first().and_then(Value::as_str), parts) else {
            return Err(
                placed.wrong("must be a list that begins with a word: is, is_not, contains, matches, and, or, not")
            );
        };
        let at = |place: usize| format!("{}[{place}]", placed.field);
        match (word, rest) {
            ("and" | "or", [filters]) => {
                let filters = each(
                    Placed {
                        value: filters,
                        field: &at(1),
                    },
                    FILTERS_MAX,
                    |one| Self::read(one, depth),
                )?;
                Ok(if word == "and" {
                    Self::And(filters)
                } else {
                    Self::Or(filters)
                })
            }
            ("not", [filter]) => {
                let filter = Self::read(
                    Placed {
                        value: filter,
                        field: &at(1),
                    },
                    depth,
                )?;
                Ok(Self::Not(Box::new(filter)))
            }
            ("is" | "is_not" | "contains" | "matches", [dimension, values]) => {
                let dimension = Dimension::read(Placed {
                    value: dimension,
                    field: &at(1),
                })?;
                if matches!(dimension, Dimension::Time(_)) {
                    return Err(QueryError::invalid(at(1), "cannot be filtered by; use date_range"));
                }
                Self::of_values(
                    word,
                    dimension,
                    Placed {
                        value: values,
                        field: &at(2),
                    },
                )
            }
            ("and" | "or" | "not", _) => Err(placed.wrong(format!("must be [\"{word}\", …] with one entry"))),
            ("is" | "is_not" | "contains" | "matches", _) => {
                Err(placed.wrong(format!("must be [\"{word}\", dimension, [values]]")))
            }
            _ => Err(placed.wrong("must begin with is, is_not, contains, matches, and, or, not")),
        }
    }

    fn of_values(word: &str, dimension: Dimension, values: Placed<'_>) -> Result<Self, QueryError> {
        if word == "is" || word == "is_not" {
            let read = |value: Placed<'_>| match value.value {
                Value::Null => Ok(None),
                _ => value_text(value).map(|text| Some(spelled(&dimension, text))),
            };
            let mut values = each(values, VALUES_MAX, read)?;
            values.sort_unstable();
            values.dedup();
            let is = Self::Is(dimension, values);
            return Ok(if word == "is" { is } else { Self::Not(Box::new(is)) });
        }
        let mut texts = each(values, VALUES_MAX, value_text)?;
        texts.sort_unstable();
        texts.dedup();
        if word == "contains" {
            return Ok(Self::Contains(dimension, texts));
        }
        if texts.len() > PATTERNS_MAX {
            return Err(values.wrong(format!("has more than {PATTERNS_MAX} regular expressions")));
        }
        for text in &texts {
            // Only the grammar, which is quick; they are compiled by whoever answers.
            let read = regex_syntax::Parser::new().parse(text);
            read.map_err(|error| values.wrong(format!("is no regular expression: {error}")))?;
        }
        Ok(Self::Matches(dimension, texts))
    }

    /// The one way to write this filter.
    fn sorted(self) -> Self {
        let parts = |filters: Vec<Self>| {
            let mut filters: Vec<Self> = filters.into_iter().map(Self::sorted).collect();
            filters.sort_unstable();
            filters.dedup();
            filters
        };
        match self {
            Self::And(filters) => Self::And(parts(filters)),
            Self::Or(filters) => Self::Or(parts(filters)),
            Self::Not(filter) => Self::Not(Box::new(filter.sorted())),
            other => other,
        }
    }

    /// Whether it says something of machines that send of their own accord.
    pub(super) fn names_bots(&self) -> bool {
        let bots = |dimension: &Dimension| matches!(dimension, Dimension::Column(Column::Bot | Column::BotRule));
        let device = |dimension: &Dimension| *dimension == Dimension::Column(Column::Device);
        match self {
            Self::Is(dimension, values) => {
                bots(dimension) || (device(dimension) && values.iter().flatten().any(|value| &**value == "bot"))
            }
            Self::Contains(dimension, _) | Self::Matches(dimension, _) => bots(dimension),
            Self::And(filters) | Self::Or(filters) => filters.iter().any(Self::names_bots),
            Self::Not(filter) => filter.names_bots(),
        }
    }

    /// What can be held against it.
    ///
    /// # Errors
    /// Neither an event nor a visit can: it says something of both at once.
    pub(super) fn scope(&self) -> Result<Scope, QueryError> {
        let all =
            |filters: &[Self]| {
                filters.iter().try_fold(Scope::Both, |scope, filter| match (scope, filter.scope()?) {
                (Scope::Both, other) | (other, Scope::Both) => Ok(other),
                (scope, other) if scope == other => Ok(scope),
                _ => {
                    let reason = "asks within one filter for what only a visit has and for what only an event has; \
                                  let them be two filters of the list";
                    Err(QueryError::invalid("filters", reason))
                }
            })
            };
        match self {
            Self::Is(dimension, _) | Self::Contains(dimension, _) | Self::Matches(dimension, _) => {
                Ok(dimension.scope())
            }
            Self::And(filters) | Self::Or(filters) => all(filters),
            Self::Not(filter) => filter.scope(),
        }
    }

    /// The filters that must all hold.
    pub(super) fn parts(&self) -> &[Self] {
        match self {
            Self::And(filters) => filters,
            other => std::slice::from_ref(other),
        }
    }

    /// The filter as a list of filters that must all hold, as a question has them.
    pub(super) fn to_list(&self) -> Vec<Value> {
        match self {
            Self::And(filters) => filters.iter().map(Self::to_json).collect(),
            other => vec![other.to_json()],
        }
    }

    /// The filter as JSON, as it is read.
    pub fn to_json(&self) -> Value {
        let all = |filters: &[Self]| filters.iter().map(Self::to_json).collect::<Vec<_>>();
        match self {
            Self::Is(dimension, values) => json!(["is", dimension.to_string(), values]),
            Self::Contains(dimension, texts) => json!(["contains", dimension.to_string(), texts]),
            Self::Matches(dimension, texts) => json!(["matches", dimension.to_string(), texts]),
            Self::And(filters) => json!(["and", all(filters)]),
            Self::Or(filters) => json!(["or", all(filters)]),
            Self::Not(filter) => json!(["not", filter.to_json()]),
        }
    }

    /// What the store is asked.
    ///
    /// # Errors
    /// A regular expression is too large.
    pub(super) fn condition(&self, site: &SiteView<'_>) -> Result<Condition, QueryError> {
        let all = |filters: &[Self]| -> Result<Vec<Condition>, QueryError> {
            filters.iter().map(|filter| filter.condition(site)).collect()
        };
        // Time is no field of the store's; a filter by it was refused when it was read.
        let on = |dimension: &Dimension, make: &dyn Fn(Field) -> Condition| {
            dimension.field(site).map_or_else(|| Condition::Or(Vec::new()), make)
        };
        Ok(match self {
            // Everybody: nothing needs to be looked at.
            _ if *self == Self::everyone() => Condition::All,
            Self::Is(dimension, values) => on(dimension, &|field| Condition::Is(field, values.clone())),
            Self::Contains(dimension, texts) => on(dimension, &|field| Condition::Contains(field, texts.clone())),
            Self::Matches(dimension, texts) => {
                let patterns: Vec<Regex> = texts.iter().map(|text| pattern(text)).collect::<Result<_, _>>()?;
                on(dimension, &|field| Condition::Matches(field, patterns.clone()))
            }
            Self::And(filters) => Condition::And(all(filters)?),
            Self::Or(filters) => Condition::Or(all(filters)?),
            Self::Not(filter) => Condition::Not(Box::new(filter.condition(site)?)),
        })
    }

    /// A value that a dimension may have, as the store spells it.
    pub(super) fn value(dimension: &Dimension, placed: Placed<'_>) -> Result<Box<str>, QueryError> {
        if matches!(dimension, Dimension::Time(_)) {
            return Err(placed.wrong("cannot be filtered by; use date_range"));
        }
        value_text(placed).map(|text| spelled(dimension, text))
    }
}

fn pattern(text: &str) -> Result<Regex, QueryError> {
    let compiled = RegexBuilder::new(text).size_limit(PATTERN_BYTES_MAX).build();
    compiled
        .map_err(|error| QueryError::invalid("filters", format!("has a regular expression that does not do: {error}")))
}

/// A value as the store spells it.
fn spelled(dimension: &Dimension, text: Box<str>) -> Box<str> {
    match dimension {
        Dimension::Column(Column::Country) => text.to_ascii_lowercase().into(),
        _ => text,
    }
}

fn value_text(placed: Placed<'_>) -> Result<Box<str>, QueryError> {
    let text: Box<str> = match placed.value {
        Value::String(text) => text.as_str().into(),
        Value::Bool(flag) => flag.to_string().into(),
        // As the store shows numbers: whole ones without a point.
        Value::Number(number) => match (number.as_i64(), number.as_f64()) {
            (Some(whole), _) => whole.to_string().into(),
            (None, Some(broken)) => broken.to_string().into(),
            (None, None) => return Err(placed.wrong("is out of range")),
        },
        _ => return Err(placed.wrong("must be a string, a number or a boolean")),
    };
    if text.len() > VALUE_BYTES_MAX {
        return Err(placed.wrong(format!("is longer than {VALUE_BYTES_MAX} bytes")));
    }
    Ok(text)
}
