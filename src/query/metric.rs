//! What is counted and summed.

use std::fmt;

use super::QueryError;
use super::json::Placed;
use super::site_view::SiteView;
use crate::store::search::{Condition, Edge, Figure, Measure, What};
use crate::store::{Column, Field, is_path};

/// Names of events that are views of pages.
const PAGEVIEWS: [&str; 2] = ["page_view", "pageview"];

/// One figure of each row.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Metric {
    /// Events.
    Events,
    /// Events that are views of pages.
    Pageviews,
    /// Different visitors, in the site's way of counting.
    Visitors,
    /// Different users.
    Users,
    /// Different sessions.
    Sessions,
    /// Different users of the 30 days that end with the row's day.
    ActiveUsers,
    /// When the first of the events happened.
    FirstSeen,
    /// When the last of the events happened.
    LastSeen,
    /// Revenue in the site's currency, in its smallest unit.
    Revenue,
    /// Revenue by event that has some.
    AverageRevenue,
    /// Events that have a number as this property.
    Count(Box<str>),
    /// The sum of a property's numbers.
    Sum(Box<str>),
    /// The mean of a property's numbers.
    Average(Box<str>),
}

/// Days of [`Metric::ActiveUsers`].
pub(super) const ACTIVE_DAYS: usize = 30;

const SIMPLE: [(&str, Metric); 10] = [
    ("events", Metric::Events),
    ("pageviews", Metric::Pageviews),
    ("visitors", Metric::Visitors),
    ("users", Metric::Users),
    ("sessions", Metric::Sessions),
    ("active_users", Metric::ActiveUsers),
    ("first_seen", Metric::FirstSeen),
    ("last_seen", Metric::LastSeen),
    ("revenue", Metric::Revenue),
    ("average_revenue", Metric::AverageRevenue),
];

impl Metric {
    /// Reads a metric by its name.
    pub(super) fn read(placed: Placed<'_>) -> Result<Self, QueryError> {
        let name = placed.text()?;
        if let Some((_, metric)) = SIMPLE.iter().find(|(known, _)| *known == name) {
            return Ok(metric.clone());
        }
        match name.split_once(':') {
            Some(("count", path)) if is_path(path) => Ok(Self::Count(path.into())),
            Some(("sum", path)) if is_path(path) => Ok(Self::Sum(path.into())),
            Some(("average", path)) if is_path(path) => Ok(Self::Average(path.into())),
            _ => {
                let known: Vec<&str> = SIMPLE.iter().map(|(name, _)| *name).collect();
                let reason = "is no metric; there are count:<property>, sum:<property>, average:<property>,";
                Err(placed.wrong(format!("{reason} {}", known.join(", "))))
            }
        }
    }

    /// What the store must count for it.
    pub(super) fn measures(&self, site: &SiteView<'_>) -> Vec<Measure> {
        let all = |what| Measure {
            what,
            only: Condition::All,
        };
        let property = |path: &str| Field::Property(path.into());
        let revenue = |what: fn(Field) -> What| Measure {
            what: what(Column::Revenue.into()),
            only: Condition::Is(Column::Currency.into(), vec![Some(site.currency.into())]),
        };
        match self {
            Self::Events => vec![all(What::Events)],
            Self::Pageviews => vec![Measure {
                what: What::Events,
                only: Condition::Is(Column::Name.into(), PAGEVIEWS.map(|name| Some(name.into())).into()),
            }],
            Self::Visitors => vec![all(What::Distinct(site.visitor_column()))],
            Self::Users => vec![all(What::Distinct(Column::User))],
            Self::Sessions => vec![all(What::Distinct(Column::Session))],
            // Counted over more days than those that are asked about: see `rolling`.
            Self::ActiveUsers => Vec::new(),
            Self::FirstSeen => vec![all(What::Edge(Edge::First))],
            Self::LastSeen => vec![all(What::Edge(Edge::Last))],
            Self::Revenue => vec![revenue(What::Sum)],
            Self::AverageRevenue => vec![revenue(What::Sum), revenue(What::Count)],
            Self::Count(path) => vec![all(What::Count(property(path)))],
            Self::Sum(path) => vec![all(What::Sum(property(path)))],
            Self::Average(path) => vec![all(What::Sum(property(path))), all(What::Count(property(path)))],
        }
    }

    /// The metric's figure from what the store counted for it; `None` for the mean of nothing.
    pub(super) fn figure(&self, counted: &[Figure]) -> Option<Figure> {
        match (self, counted) {
            (Self::AverageRevenue | Self::Average(_), [sum, Figure::Count(count)]) => {
                (*count > 0).then(|| Figure::Number(as_number(sum) / *count as f64))
            }
            (_, [Figure::Time(None)]) => None,
            (_, counted) => counted.first().copied(),
        }
    }
}

/// A figure as a number that can be compared with others.
pub fn as_number(figure: &Figure) -> f64 {
    match figure {
        Figure::Count(count) | Figure::Distinct { count, .. } => *count as f64,
        Figure::Whole(whole) => *whole as f64,
        Figure::Number(number) => *number,
        Figure::Time(time) => time.unwrap_or(0) as f64,
    }
}

impl fmt::Display for Metric {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Count(path) => write!(f, "count:{path}"),
            Self::Sum(path) => write!(f, "sum:{path}"),
            Self::Average(path) => write!(f, "average:{path}"),
            simple => {
                let name = SIMPLE.iter().find(|(_, metric)| metric == simple);
                f.write_str(name.map_or("", |(name, _)| name))
            }
        }
    }
}
