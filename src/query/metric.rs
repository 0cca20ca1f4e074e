//! What is counted and summed.

use std::fmt;

use super::QueryError;
use super::json::Placed;
use super::site_view::SiteView;
use crate::event::PAGE_VIEWS;
use crate::store::search::{Condition, Edge, Figure, Measure, Of, What};
use crate::store::{Column, Field, is_path};

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
    /// Visits: a visitor's events without a pause of half an hour.
    Visits,
    /// Visits in which nothing followed the first event, out of a hundred.
    BounceRate,
    /// How long visits are, in seconds, in the mean.
    VisitDuration,
    /// Views of pages by visit.
    ViewsPerVisit,
    /// Visits of less than a minute, out of a hundred.
    ShortVisitRate,
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

/// Visits below this are short.
const SHORT_SECONDS: u32 = 60;

const SIMPLE: [(&str, Metric); 15] = [
    ("events", Metric::Events),
    ("pageviews", Metric::Pageviews),
    ("visitors", Metric::Visitors),
    ("users", Metric::Users),
    ("sessions", Metric::Sessions),
    ("active_users", Metric::ActiveUsers),
    ("first_seen", Metric::FirstSeen),
    ("last_seen", Metric::LastSeen),
    ("visits", Metric::Visits),
    ("bounce_rate", Metric::BounceRate),
    ("visit_duration", Metric::VisitDuration),
    ("views_per_visit", Metric::ViewsPerVisit),
    ("short_visit_rate", Metric::ShortVisitRate),
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

    /// Of what it is a figure by nature.
    pub(super) const fn of(&self) -> Of {
        match self {
            Self::Visits | Self::BounceRate | Self::VisitDuration | Self::ViewsPerVisit | Self::ShortVisitRate => {
                Of::Sessions
            }
            _ => Of::Events,
        }
    }

    /// What must be counted of events, or of sessions, for it; `None` if these do not tell.
    pub(super) fn measures(&self, of: Of, site: &SiteView<'_>) -> Option<Vec<Measure>> {
        match of {
            Of::Events => self.of_events(site),
            Of::Sessions => self.of_sessions(site),
        }
    }

    fn of_events(&self, site: &SiteView<'_>) -> Option<Vec<Measure>> {
        let property = |path: &str| Field::Property(path.into());
        let revenue = |what: fn(Field) -> What| Measure {
            what: what(Column::Revenue.into()),
            only: Condition::Is(Column::Currency.into(), vec![Some(site.currency.into())]),
        };
        Some(match self {
            Self::Events => vec![all(What::Events)],
            Self::Pageviews => vec![Measure {
                what: What::Events,
                only: Condition::Is(Column::Name.into(), PAGE_VIEWS.map(|name| Some(name.into())).into()),
            }],
            Self::Visitors => vec![all(What::Distinct(site.visitor_column()))],
            Self::Users => vec![all(What::Distinct(Column::User))],
            Self::Sessions => vec![all(What::Distinct(Column::Session))],
            // Counted over more days than those that are asked about: see `rolling`.
            Self::ActiveUsers => Vec::new(),
            Self::FirstSeen => vec![all(What::Edge(Edge::First))],
            Self::LastSeen => vec![all(What::Edge(Edge::Last))],
            Self::Visits => vec![all(What::Distinct(Column::Visit))],
            Self::Revenue => vec![revenue(What::Sum)],
            Self::AverageRevenue => vec![revenue(What::Sum), revenue(What::Count)],
            Self::Count(path) => vec![all(What::Count(property(path)))],
            Self::Sum(path) => vec![all(What::Sum(property(path)))],
            Self::Average(path) => vec![all(What::Sum(property(path))), all(What::Count(property(path)))],
            Self::BounceRate | Self::VisitDuration | Self::ViewsPerVisit | Self::ShortVisitRate => return None,
        })
    }

    fn of_sessions(&self, site: &SiteView<'_>) -> Option<Vec<Measure>> {
        let sum = |column: Column| all(What::Sum(column.into()));
        let by_visit = |column| vec![sum(column), all(What::Events)];
        Some(match self {
            Self::Visits => vec![all(What::Events)],
            Self::BounceRate => by_visit(Column::VisitBounce),
            Self::VisitDuration => by_visit(Column::VisitSeconds),
            Self::ViewsPerVisit => by_visit(Column::VisitViews),
            Self::ShortVisitRate => vec![short(), all(What::Events)],
            Self::Events => vec![sum(Column::VisitEvents)],
            Self::Pageviews => vec![sum(Column::VisitViews)],
            Self::Visitors => vec![all(What::Distinct(site.visitor_column()))],
            Self::Users => vec![all(What::Distinct(Column::User))],
            Self::Sessions
            | Self::Revenue
            | Self::AverageRevenue
            | Self::Count(_)
            | Self::Sum(_)
            | Self::Average(_)
            | Self::ActiveUsers
            | Self::FirstSeen
            | Self::LastSeen => return None,
        })
    }

    /// The metric's figure from what was counted for it; `None` for the mean of nothing.
    pub(super) fn figure(&self, counted: &[Figure]) -> Option<Figure> {
        let mean = |of: u32| match counted {
            [sum, Figure::Count(count)] if *count > 0 => {
                Some(Figure::Number(f64::from(of) * as_number(sum) / *count as f64))
            }
            _ => None,
        };
        match self {
            Self::AverageRevenue | Self::Average(_) | Self::VisitDuration | Self::ViewsPerVisit => mean(1),
            Self::BounceRate | Self::ShortVisitRate => mean(100),
            Self::FirstSeen | Self::LastSeen if counted == [Figure::Time(None)] => None,
            _ => counted.first().copied(),
        }
    }
}

/// Visits of less than a minute.
fn short() -> Measure {
    let seconds = (0..SHORT_SECONDS).map(|seconds| Some(seconds.to_string().into()));
    Measure {
        what: What::Events,
        only: Condition::Is(Column::VisitSeconds.into(), seconds.collect()),
    }
}

const fn all(what: What) -> Measure {
    Measure {
        what,
        only: Condition::All,
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
