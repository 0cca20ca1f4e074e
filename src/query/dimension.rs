//! By what events are grouped, and what filters look at.

use std::fmt;

use super::QueryError;
use super::json::Placed;
use super::site_view::SiteView;
use crate::store::{Column, Field, Kind, is_path};

/// By what events are grouped.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Dimension {
    /// A column.
    Column(Column),
    /// A property, by its path.
    Property(Box<str>),
    /// Buckets of time.
    Time(Interval),
}

/// The width of a bucket of time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Interval {
    /// A minute.
    Minute,
    /// A quarter of an hour.
    Quarter,
    /// An hour.
    Hour,
    /// A day from midnight to midnight.
    Day,
    /// A week that begins on Monday.
    Week,
    /// A calendar month.
    Month,
}

const INTERVALS: [(&str, Interval); 6] = [
    ("minute", Interval::Minute),
    ("15min", Interval::Quarter),
    ("hour", Interval::Hour),
    ("day", Interval::Day),
    ("week", Interval::Week),
    ("month", Interval::Month),
];

impl Dimension {
    /// Reads a dimension by its name.
    pub(super) fn read(placed: Placed<'_>) -> Result<Self, QueryError> {
        let name = placed.text()?;
        if let Some(interval) = name.strip_prefix("time:") {
            let known = INTERVALS.iter().find(|(known, _)| *known == interval);
            let reason = "has no such interval; there are minute, 15min, hour, day, week, month";
            return known
                .map(|(_, interval)| Self::Time(*interval))
                .ok_or_else(|| placed.wrong(reason));
        }
        if let Some(path) = name.strip_prefix("property:").filter(|path| is_path(path)) {
            return Ok(Self::Property(path.into()));
        }
        // Which of the two columns of visitors is meant is the site's to say, not the asker's.
        let column = Column::parse(name).filter(|column| is_open(*column));
        column.map(Self::Column).ok_or_else(|| {
            let open = Column::all().filter(|column| is_open(*column));
            let known: Vec<&str> = open.map(Column::name).collect();
            let reason = "is no dimension; there are property:<path>, time:<interval>,";
            placed.wrong(format!("{reason} {}", known.join(", ")))
        })
    }

    /// What has it: an event by itself, a visit as a whole, or both.
    pub(super) const fn scope(&self) -> Scope {
        match self {
            Self::Property(_)
            | Self::Column(
                Column::Name
                | Column::Path
                | Column::Query
                | Column::Title
                | Column::Currency
                | Column::Session
                | Column::Visit,
            ) => Scope::Event,
            Self::Column(Column::EntryPage | Column::ExitPage) => Scope::Visit,
            Self::Column(_) | Self::Time(_) => Scope::Both,
        }
    }

    /// What the store calls it; `None` for time.
    pub(super) fn field(&self, site: &SiteView<'_>) -> Option<Field> {
        match self {
            Self::Column(Column::Visitor) => Some(site.visitor_column().into()),
            Self::Column(column) => Some((*column).into()),
            Self::Property(path) => Some(Field::Property(path.clone())),
            Self::Time(_) => None,
        }
    }
}

/// What has a dimension.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Scope {
    /// Events, and visits as their first event has it.
    Both,
    /// Only an event by itself.
    Event,
    /// Only a visit as a whole.
    Visit,
}

/// Whether questions may name a column: numbers are summed by metrics.
const fn is_open(column: Column) -> bool {
    let hidden = matches!(column.kind(), Kind::Number) || matches!(column, Column::DailyVisitor);
    !hidden
}

impl fmt::Display for Dimension {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Column(column) => f.write_str(column.name()),
            Self::Property(path) => write!(f, "property:{path}"),
            Self::Time(interval) => {
                let name = INTERVALS.iter().find(|(_, known)| known == interval);
                write!(f, "time:{}", name.map_or("", |(name, _)| name))
            }
        }
    }
}
