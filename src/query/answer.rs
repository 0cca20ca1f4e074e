//! From a question to its answer.

use std::cmp::Ordering;
use std::collections::{BTreeMap, HashMap};
use std::ops::Range;
use std::sync::Arc;

use jiff::Timestamp;
use serde::Serialize;
use serde_json::Value;

use super::QueryError;
use super::dimension::Dimension;
use super::event_text::shown_time;
use super::metric::as_number;
use super::model::Query;
use super::order::{Direction, Subject};
use super::plan::{self, Plan};
use super::range::DateRange;
use super::rolling;
use super::site_view::SiteView;
use crate::store::Snapshot;
use crate::store::search::{Figure, GroupKey, Key, Measure, Of, Search};

/// The standard error of an estimated number of different values.
const STANDARD_ERROR: f64 = 0.0081;

/// The answer to a question.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Answer {
    /// The rows.
    pub results: Vec<AnswerRow>,
    /// What it is made of.
    pub meta: Meta,
    /// The question in its one form.
    pub query: Value,
}

/// One row of an answer.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct AnswerRow {
    /// What the row is about, in the order of the question's dimensions.
    pub dimensions: Vec<Value>,
    /// Its figures, in the order of the question's metrics; the mean of nothing is `null`.
    pub metrics: Vec<Value>,
    /// The figures of the other time, where the question compares.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub compare: Option<Vec<Value>>,
}

/// What an answer is made of.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Meta {
    /// From what it was answered.
    pub source: &'static str,
    /// The beginning of the range, and the moment that it ends before.
    pub range: [String; 2],
    /// The same of the time that rows are compared with.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub compare_range: Option<[String; 2]>,
    /// How the site's visitors are told apart.
    pub counting: &'static str,
    /// The currency of revenue; events in others are not in it.
    pub currency: String,
    /// Metrics of which some figures are estimates, with their standard error.
    pub estimated: BTreeMap<String, f64>,
    /// How many rows there are in all.
    pub total_rows: usize,
    /// Events that machines sent of their own accord, which are left out unless the question names them.
    pub bots_left_out: u64,
}

/// The rows for one stretch of time, and the names of its buckets.
pub(super) struct Table {
    pub rows: Vec<Row>,
    pub buckets: Vec<Box<str>>,
    /// The metrics of nothing.
    empty: Vec<Option<Figure>>,
    bots_left_out: u64,
}

pub(super) struct Row {
    pub keys: Box<[Key]>,
    pub figures: Vec<Option<Figure>>,
}

/// Answers a question from a snapshot.
///
/// # Errors
/// The question means no time or too many buckets, or the store cannot answer.
pub fn answer(snapshot: &Snapshot, query: &Query, site: &SiteView<'_>, now_ms: u64) -> Result<Answer, QueryError> {
    let mut times = query.range.times(&query.zone, now_ms)?;
    // "All" begins with the first event, and not in 1970; what has a beginning has all its buckets.
    if query.range == DateRange::All {
        let first = snapshot.first_time().unwrap_or(times.start);
        times.start = first.clamp(times.start, times.end - 1);
    }
    let mut table = table(snapshot, query, site, &times)?;
    let mut meta = Meta {
        source: "store",
        range: shown(&times),
        compare_range: None,
        counting: site.counting.name(),
        currency: site.currency.into(),
        estimated: estimated(query, &table),
        total_rows: table.rows.len(),
        bots_left_out: table.bots_left_out,
    };
    put_in_order(query, &mut table.rows);
    let other = match &query.compare {
        None => None,
        Some(compare) => {
            let times = compare.times((&query.range, &times), &query.zone, now_ms)?;
            meta.compare_range = Some(shown(&times));
            let other = self::table(snapshot, query, site, &times)?;
            Some((other.empty.clone(), other.by_keys()))
        }
    };
    let rows = table.rows.iter().map(|row| AnswerRow {
        dimensions: row.keys.iter().map(|key| key_json(key, &table.buckets)).collect(),
        metrics: row.figures.iter().map(|figure| figure_json(figure.as_ref())).collect(),
        compare: other.as_ref().map(|(empty, other)| {
            let figures = other.get(&row.keys).unwrap_or(empty);
            figures.iter().map(|figure| figure_json(figure.as_ref())).collect()
        }),
    });
    Ok(Answer {
        results: rows.collect(),
        meta,
        query: query.to_json(),
    })
}

fn table(snapshot: &Snapshot, query: &Query, site: &SiteView<'_>, times: &Range<u64>) -> Result<Table, QueryError> {
    let plan = Plan::of(query, site)?;
    let (mut keys, mut buckets) = (Vec::new(), Vec::new());
    for dimension in &query.dimensions {
        keys.push(match dimension {
            Dimension::Time(interval) => {
                let (cut, names) = query.zone.buckets(*interval, times)?;
                buckets = names;
                GroupKey::Time(Arc::new(cut))
            }
            other => match other.field(site) {
                Some(field) => GroupKey::Field(field),
                None => continue,
            },
        });
    }
    let empty = nothing(query, (&plan, site));
    let mut rows: HashMap<Box<[Key]>, Vec<Option<Figure>>> = HashMap::new();
    let mut left_out = None;
    for of in plan.searches() {
        let measures = plan.measures(query, site).filter(|(on, _)| *on == of);
        let search = Search {
            of,
            site: site.id,
            times: times.clone(),
            condition: plan::condition(snapshot, (of, times), query, site)?,
            people_only: query.is_about_people(),
            keys: keys.clone(),
            measures: measures.flat_map(|(_, measures)| measures).collect(),
        };
        let found = snapshot.search(&search)?;
        // Where both are asked, machines are told by their events.
        left_out.get_or_insert(found.left_out);
        for group in found.groups {
            let figures = rows.entry(group.keys).or_insert_with(|| empty.clone());
            fill_in(figures, query, (&plan, site), (of, &group.figures));
        }
    }
    // A series over time has every bucket, the empty ones too.
    if matches!(query.dimensions[..], [Dimension::Time(_)]) {
        for (number, _) in (0u32..).zip(&buckets) {
            rows.entry(Box::from([Key::Bucket(number)]))
                .or_insert_with(|| empty.clone());
        }
    }
    let mut table = Table {
        rows: rows.into_iter().map(|(keys, figures)| Row { keys, figures }).collect(),
        buckets,
        empty,
        bots_left_out: left_out.unwrap_or_default(),
    };
    rolling::fill(&mut table, snapshot, query, (site, times))?;
    Ok(table)
}

impl Table {
    fn by_keys(self) -> HashMap<Box<[Key]>, Vec<Option<Figure>>> {
        self.rows.into_iter().map(|row| (row.keys, row.figures)).collect()
    }
}

/// Fills in the metrics of a group that one search has counted, from what it counted for each.
fn fill_in(
    figures: &mut [Option<Figure>],
    query: &Query,
    (plan, site): (&Plan, &SiteView<'_>),
    (of, mut counted): (Of, &[Figure]),
) {
    let metrics = query.metrics.iter().zip(plan.measures(query, site));
    for (figure, (metric, (on, measures))) in figures.iter_mut().zip(metrics) {
        if on != of {
            continue;
        }
        let (ours, rest) = counted.split_at_checked(measures.len()).unwrap_or((counted, &[]));
        counted = rest;
        *figure = metric.figure(ours);
    }
}

/// The metrics of no events.
fn nothing(query: &Query, (plan, site): (&Plan, &SiteView<'_>)) -> Vec<Option<Figure>> {
    let of = |(metric, (_, measures)): (&super::Metric, (Of, Vec<Measure>))| {
        let empty: Vec<Figure> = measures.iter().map(|measure| measure.what.of_nothing()).collect();
        metric.figure(&empty)
    };
    query.metrics.iter().zip(plan.measures(query, site)).map(of).collect()
}

/// Sorts the rows that are asked for to the front, and leaves nothing else.
fn put_in_order(query: &Query, rows: &mut Vec<Row>) {
    let by = |left: &Row, right: &Row| {
        let asked = query.order.iter().map(|order| {
            let ascending = match order.subject {
                Subject::Metric(place) => by_figure(left, right, place),
                Subject::Dimension(place) => left.keys.get(place).cmp(&right.keys.get(place)),
            };
            match order.direction {
                Direction::Ascending => ascending,
                Direction::Descending => ascending.reverse(),
            }
        });
        // What is equal stands in the order of its dimensions: the same question has the same answer.
        asked
            .fold(Ordering::Equal, Ordering::then)
            .then_with(|| left.keys.cmp(&right.keys))
    };
    let end = query.offset.saturating_add(query.limit);
    if end < rows.len() {
        rows.select_nth_unstable_by(end, by);
        rows.truncate(end);
    }
    rows.sort_unstable_by(by);
    rows.drain(..query.offset.min(rows.len()));
}

fn by_figure(left: &Row, right: &Row, place: usize) -> Ordering {
    let number = |row: &Row| row.figures.get(place).and_then(Option::as_ref).map(as_number);
    match (number(left), number(right)) {
        (Some(left), Some(right)) => left.total_cmp(&right),
        (left, right) => left.is_some().cmp(&right.is_some()),
    }
}

fn estimated(query: &Query, table: &Table) -> BTreeMap<String, f64> {
    let is_estimate = |place: usize| {
        let figures = table.rows.iter().filter_map(|row| row.figures.get(place));
        let is = |figure: &Option<Figure>| matches!(figure, Some(Figure::Distinct { estimated: true, .. }));
        figures.into_iter().any(is)
    };
    let metrics = query
        .metrics
        .iter()
        .enumerate()
        .filter(|(place, _)| is_estimate(*place));
    metrics
        .map(|(_, metric)| (metric.to_string(), STANDARD_ERROR))
        .collect()
}

fn key_json(key: &Key, buckets: &[Box<str>]) -> Value {
    match key {
        Key::None => Value::Null,
        Key::Text(text) => Value::from(&**text),
        Key::Bucket(number) => {
            let name = usize::try_from(*number).ok().and_then(|number| buckets.get(number));
            name.map_or(Value::Null, |name| Value::from(&**name))
        }
    }
}

fn figure_json(figure: Option<&Figure>) -> Value {
    match figure {
        None => Value::Null,
        Some(Figure::Count(count) | Figure::Distinct { count, .. }) => Value::from(*count),
        Some(Figure::Whole(whole)) => match i64::try_from(*whole) {
            Ok(whole) => Value::from(whole),
            Err(_) => Value::from(*whole as f64),
        },
        Some(Figure::Number(number)) => Value::from(*number),
        Some(Figure::Time(time)) => time.map_or(Value::Null, |time| shown_time(time).into()),
    }
}

fn shown(times: &Range<u64>) -> [String; 2] {
    [times.start, times.end].map(|ms| {
        let instant = Timestamp::from_millisecond(ms.cast_signed());
        instant.map(|instant| instant.to_string()).unwrap_or_default()
    })
}
