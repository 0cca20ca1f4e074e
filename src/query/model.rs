//! A question, understood.

use serde_json::{Map, Value, json};

use super::QueryError;
use super::compare::Compare;
use super::dimension::Dimension;
use super::filter::Filter;
use super::json::{Placed, each};
use super::metric::Metric;
use super::order::Order;
use super::range::DateRange;
use super::site_view::SiteView;
use super::zone::Zone;
use crate::store::Column;
use crate::store::search::KEYS_MAX;

/// Metrics of one question.
const METRICS_MAX: usize = 20;
/// Rows of one answer.
const LIMIT_MAX: u64 = 10_000;
/// Rows of an answer when nothing is said; a series over time comes whole.
const LIMIT_USUAL: u64 = 100;
/// Rows that can be left out before the first.
const OFFSET_MAX: u64 = 10_000_000;

/// A question, understood.
#[derive(Debug, Clone, PartialEq)]
pub struct Query {
    /// What is counted; one at least.
    pub metrics: Vec<Metric>,
    /// By what events are grouped.
    pub dimensions: Vec<Dimension>,
    /// Which events are meant.
    pub filter: Filter,
    /// When they happened.
    pub range: DateRange,
    /// In which days and hours that is told.
    pub zone: Zone,
    /// In which order rows come.
    pub order: Vec<Order>,
    /// How many rows.
    pub limit: usize,
    /// How many rows before them are left out.
    pub offset: usize,
    /// With which other time each row is compared.
    pub compare: Option<Compare>,
}

/// The fields of a question.
const FIELDS: [&str; 9] = [
    "metrics",
    "dimensions",
    "filters",
    "date_range",
    "timezone",
    "order_by",
    "limit",
    "offset",
    "compare",
];

impl Query {
    /// Reads a question about a site.
    ///
    /// # Errors
    /// A field is missing, unknown or wrong.
    pub fn read(json: &[u8], site: &SiteView<'_>) -> Result<Self, QueryError> {
        let sent: Map<String, Value> =
            serde_json::from_slice(json).map_err(|error| QueryError::NotRead(error.to_string().into()))?;
        if let Some(unknown) = sent.keys().find(|name| !FIELDS.contains(&name.as_str())) {
            let reason = format!("is no field; there are {}", FIELDS.join(", "));
            return Err(QueryError::invalid(unknown.as_str(), reason));
        }
        let given = |field: &str| sent.get(field);
        let required = |field| {
            given(field)
                .filter(|value| !value.is_null())
                .ok_or(QueryError::Missing(field))
        };
        let value = required("metrics")?;
        let placed = Placed {
            value,
            field: "metrics",
        };
        let metrics = each(placed, METRICS_MAX, Metric::read)?;
        if metrics.is_empty() {
            return Err(placed.wrong("must name one at least"));
        }
        let dimensions = read(given("dimensions"), "dimensions", |placed| {
            each(placed, KEYS_MAX, Dimension::read)
        })?;
        let dimensions = dimensions.unwrap_or_default();
        refuse_two_times(&dimensions)?;
        let zone = read(given("timezone"), "timezone", |placed| Zone::read(placed.text()?))?;
        let zone = zone.map_or_else(|| Zone::read(site.time_zone), Ok)?;
        let value = required("date_range")?;
        let range = DateRange::read(Placed {
            value,
            field: "date_range",
        })?;
        let filter = read(given("filters"), "filters", Filter::read_all)?;
        let order = read(given("order_by"), "order_by", |placed| {
            each(placed, KEYS_MAX, |one| Order::read(one, (&metrics, &dimensions)))
        })?;
        let limit = read(given("limit"), "limit", |placed| placed.number(LIMIT_MAX))?;
        let offset = read(given("offset"), "offset", |placed| placed.number(OFFSET_MAX))?;
        let usual = if matches!(dimensions[..], [Dimension::Time(_)]) {
            LIMIT_MAX
        } else {
            LIMIT_USUAL
        };
        Ok(Self {
            order: order
                .filter(|order| !order.is_empty())
                .unwrap_or_else(|| vec![Order::usual(&dimensions)]),
            filter: filter.unwrap_or(Filter::And(Vec::new())),
            compare: read(given("compare"), "compare", Compare::read)?,
            limit: usize::try_from(limit.unwrap_or(usual)).unwrap_or(usize::MAX),
            offset: usize::try_from(offset.unwrap_or(0)).unwrap_or(usize::MAX),
            metrics,
            dimensions,
            range,
            zone,
        })
    }

    /// A question about all events of a time: all rows, in the usual order.
    pub fn about(metrics: Vec<Metric>, dimensions: Vec<Dimension>, range: DateRange, zone: Zone) -> Self {
        Self {
            order: vec![Order::usual(&dimensions)],
            filter: Filter::And(Vec::new()),
            compare: None,
            limit: usize::MAX,
            offset: 0,
            metrics,
            dimensions,
            range,
            zone,
        }
    }

    /// The same, only about events that a filter lets through.
    #[must_use]
    pub fn only(mut self, filter: Filter) -> Self {
        self.filter = Filter::And(vec![filter]);
        self
    }

    /// The same, with so many rows at most.
    #[must_use]
    pub const fn first(mut self, limit: usize) -> Self {
        self.limit = limit;
        self
    }

    /// Whether machines are left out: they are, unless the question names them.
    pub(super) fn is_about_people(&self) -> bool {
        let names = |dimension: &Dimension| matches!(dimension, Dimension::Column(Column::Bot | Column::BotRule));
        !self.filter.names_bots() && !self.dimensions.iter().any(names)
    }

    /// The question as JSON in its one form, with everything that was left to us.
    pub fn to_json(&self) -> Value {
        let order = self
            .order
            .iter()
            .map(|order| order.to_json(&self.metrics, &self.dimensions));
        json!({
            "metrics": self.metrics.iter().map(Metric::to_string).collect::<Vec<_>>(),
            "dimensions": self.dimensions.iter().map(Dimension::to_string).collect::<Vec<_>>(),
            "filters": self.filter.to_list(),
            "date_range": self.range.to_json(),
            "timezone": self.zone.name(),
            "order_by": order.collect::<Vec<_>>(),
            "limit": self.limit,
            "offset": self.offset,
            "compare": self.compare.as_ref().map(Compare::to_json),
        })
    }
}

/// Reads a field that may be left out or `null`.
fn read<T>(
    value: Option<&Value>,
    field: &str,
    read: impl FnOnce(Placed<'_>) -> Result<T, QueryError>,
) -> Result<Option<T>, QueryError> {
    let value = value.filter(|value| !value.is_null());
    value.map(|value| read(Placed { value, field })).transpose()
}

fn refuse_two_times(dimensions: &[Dimension]) -> Result<(), QueryError> {
    let times = dimensions
        .iter()
        .filter(|dimension| matches!(dimension, Dimension::Time(_)))
        .count();
    if times > 1 {
        return Err(QueryError::invalid("dimensions", "has more than one of time"));
    }
    let twice = dimensions
        .iter()
        .enumerate()
        .find(|(place, one)| dimensions.iter().take(*place).any(|two| two == *one));
    match twice {
        None => Ok(()),
        Some((place, _)) => Err(QueryError::invalid(format!("dimensions[{place}]"), "is there twice")),
    }
}
