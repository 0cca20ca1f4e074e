//! The summaries: which questions each asks, and how it tells the answers.

use serde::ser::SerializeMap;
use serde::{Serialize, Serializer};
use serde_json::{Map, Value};

use super::{Parameters, Wrong, written};
use crate::outcome::Reason;
use crate::query::{
    Answer, AnswerRow, DateRange, Dimension, Filter, Interval, Listing, Metric, Moment, Query, QueryError, Report,
    SiteView, Stamp, Zone, answer, shown_time,
};
use crate::store::search::StoredEvent;
use crate::store::{Column, Snapshot};

/// Values of a breakdown that have a line of their own; the others share one.
const VALUES_MAX: usize = 1_000;
/// The line of the others.
const OTHERS: &str = "__other__";
/// The latest events of a user.
const RECENT_MAX: usize = 50;
/// What summaries say of when they were made, and whether for somebody before.
const STAMP: Stamp = Stamp::Named("generatedAt", "cached");

/// `GET /api/analytics/event-summary`.
#[derive(Debug)]
pub struct Summary;

/// `GET /api/analytics/active-users`.
#[derive(Debug)]
pub struct ActiveUsers;

/// `GET /api/analytics/timeseries`.
#[derive(Debug)]
pub struct Series;

/// `GET /api/analytics/user-stats`.
#[derive(Debug)]
pub struct User {
    id: Box<str>,
}

/// By what a summary breaks events down, and what events without a value are called.
const BREAKDOWNS: [(Column, &str, &[&str]); 4] = [
    (Column::Name, "unknown", &[]),
    (Column::Device, "unknown", &["desktop", "mobile", "tablet"]),
    (Column::Browser, "Unknown", &[]),
    (Column::Os, "Unknown", &[]),
];

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct SummaryText {
    total_events: u64,
    unique_users: u64,
    event_breakdown: Breakdown,
    device_breakdown: Breakdown,
    browser_breakdown: Breakdown,
    os_breakdown: Breakdown,
}

/// Values and how often they came, the most frequent first.
#[derive(Default)]
struct Breakdown(Vec<(Box<str>, u64)>);

impl Serialize for Breakdown {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.0.len()))?;
        for (value, count) in &self.0 {
            map.serialize_entry(value, count)?;
        }
        map.end()
    }
}

impl Breakdown {
    /// From an answer; whatever has no line of its own is in the last one, so that the sum is that of all events.
    fn of(answer: Option<&Answer>, (unnamed, always): (&str, &[&str]), total: u64) -> Self {
        let mut lines = Self::default();
        for row in answer.iter().flat_map(|answer| &answer.results) {
            let value = row.dimensions.first().and_then(Value::as_str).unwrap_or(unnamed);
            lines.add(value, count(row, 0));
        }
        for value in always {
            lines.add(value, 0);
        }
        let told: u64 = lines.0.iter().map(|(_, count)| count).sum();
        if let Some(others) = total.checked_sub(told).filter(|others| *others > 0) {
            lines.add(OTHERS, others);
        }
        lines
    }

    fn add(&mut self, value: &str, more: u64) {
        match self.0.iter_mut().find(|(known, _)| **known == *value) {
            Some((_, count)) => *count += more,
            None => self.0.push((value.into(), more)),
        }
    }
}

impl Summary {
    /// The report that is asked for.
    ///
    /// # Errors
    /// A parameter is wrong.
    pub fn report(parameters: &Parameters<'_>, now_ms: u64) -> Result<Report, Wrong> {
        let zone = utc()?;
        let range = parameters.range(&zone, now_ms)?;
        let all = Query::about(vec![Metric::Events, Metric::Users], vec![], range.clone(), zone.clone());
        let by = BREAKDOWNS.iter().map(|(column, ..)| {
            let dimensions = vec![Dimension::Column(*column)];
            Query::about(vec![Metric::Events], dimensions, range.clone(), zone.clone()).first(VALUES_MAX)
        });
        Ok(Report {
            name: "apps event-summary",
            queries: std::iter::once(all).chain(by).collect(),
            write: Box::new(Self::written),
            stamp: STAMP,
        })
    }

    fn written(answers: &[Answer]) -> Vec<u8> {
        let all = answers.first().and_then(|answer| answer.results.first());
        let figure = |place| all.map_or(0, |row| count(row, place));
        let total = figure(0);
        let mut by = BREAKDOWNS
            .iter()
            .zip(1..)
            .map(|((_, unnamed, always), place)| Breakdown::of(answers.get(place), (unnamed, always), total));
        let mut next = || by.next().unwrap_or_default();
        written(&SummaryText {
            total_events: total,
            unique_users: figure(1),
            event_breakdown: next(),
            device_breakdown: next(),
            browser_breakdown: next(),
            os_breakdown: next(),
        })
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ActiveText<'a> {
    start_date: &'a str,
    end_date: &'a str,
    dau: u64,
    mau: u64,
    daily: Vec<ActiveDay<'a>>,
}

#[derive(Serialize)]
struct ActiveDay<'a> {
    date: &'a str,
    dau: u64,
    mau: u64,
}

impl ActiveUsers {
    /// The report that is asked for.
    ///
    /// # Errors
    /// A parameter is wrong.
    pub fn report(parameters: &Parameters<'_>, now_ms: u64) -> Result<Report, Wrong> {
        let zone = utc()?;
        let range = parameters.range(&zone, now_ms)?;
        let metrics = vec![Metric::Users, Metric::ActiveUsers];
        Ok(Report {
            name: "apps active-users",
            queries: vec![Query::about(metrics, vec![Dimension::Time(Interval::Day)], range, zone)],
            write: Box::new(Self::written),
            stamp: STAMP,
        })
    }

    fn written(answers: &[Answer]) -> Vec<u8> {
        let rows = answers.iter().flat_map(|answer| &answer.results);
        let day = |row| ActiveDay {
            date: name(row),
            dau: count(row, 0),
            mau: count(row, 1),
        };
        let daily: Vec<ActiveDay<'_>> = rows.map(day).collect();
        let last = daily.last();
        written(&ActiveText {
            start_date: daily.first().map_or("", |day| day.date),
            end_date: last.map_or("", |day| day.date),
            dau: last.map_or(0, |day| day.dau),
            mau: last.map_or(0, |day| day.mau),
            daily,
        })
    }
}

#[derive(Serialize)]
struct SeriesText {
    interval: &'static str,
    points: Vec<Point>,
}

#[derive(Serialize)]
struct Point {
    time: String,
    events: u64,
    users: u64,
}

impl Series {
    /// The report that is asked for.
    ///
    /// # Errors
    /// A parameter is wrong.
    pub fn report(parameters: &Parameters<'_>, now_ms: u64) -> Result<Report, Wrong> {
        let zone = parameters.zone()?;
        let range = parameters.range(&zone, now_ms)?;
        let (interval, width) = parameters.interval()?;
        let metrics = vec![Metric::Events, Metric::Users];
        let mut query = Query::about(metrics, vec![Dimension::Time(width)], range, zone);
        if let Some(name) = parameters.get("eventName") {
            query = query.only(is(Column::Name, name));
        }
        let point = |row: &AnswerRow| Point {
            // A time of the world is told as such, whatever the zone is called.
            time: name(row).replace("+00:00", "Z"),
            events: count(row, 0),
            users: count(row, 1),
        };
        let write = move |answers: &[Answer]| {
            let rows = answers.iter().flat_map(|answer| &answer.results);
            let points = rows.map(point).collect();
            written(&SeriesText { interval, points })
        };
        Ok(Report {
            name: "apps timeseries",
            queries: vec![query],
            write: Box::new(write),
            stamp: Stamp::None,
        })
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct UserText<'a> {
    user_id: &'a str,
    total_events: u64,
    first_seen: &'a Value,
    last_seen: &'a Value,
    recent_events: Vec<RecentEvent<'a>>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct RecentEvent<'a> {
    event_name: &'a str,
    url: Option<String>,
    timestamp: String,
    metadata: Value,
}

impl User {
    /// The user that is asked about.
    ///
    /// # Errors
    /// None is named.
    pub fn read(parameters: &Parameters<'_>) -> Result<Self, Wrong> {
        let id = parameters.get("userId").ok_or_else(|| Wrong::missing("userId"))?;
        Ok(Self { id: id.into() })
    }

    /// What is known of the user; `None` if nothing is.
    ///
    /// # Errors
    /// The store cannot answer.
    pub fn look(&self, snapshot: &Snapshot, site: &SiteView<'_>, now_ms: u64) -> Result<Option<Vec<u8>>, QueryError> {
        // Clocks of clients may be ahead.
        let always = DateRange::Between(
            Moment::Day(jiff::civil::Date::constant(1970, 1, 1)),
            Moment::Day(jiff::civil::Date::constant(9999, 1, 1)),
        );
        let metrics = vec![Metric::Events, Metric::FirstSeen, Metric::LastSeen];
        let query = Query::about(metrics, vec![], always, Zone::read("UTC")?).only(is(Column::User, &self.id));
        let found = answer(snapshot, &query, site, now_ms)?;
        let Some(row) = found.results.first().filter(|row| count(row, 0) > 0) else {
            return Ok(None);
        };
        let recent = Listing::newest(Column::User, &self.id, RECENT_MAX).all(snapshot, site)?;
        Ok(Some(written(&UserText {
            user_id: &self.id,
            total_events: count(row, 0),
            first_seen: row.metrics.get(1).unwrap_or(&Value::Null),
            last_seen: row.metrics.get(2).unwrap_or(&Value::Null),
            recent_events: recent.iter().map(recent_event).collect(),
        })))
    }
}

fn recent_event(event: &StoredEvent) -> RecentEvent<'_> {
    let of = |column| event.columns.get(&column).map_or("", String::as_str);
    RecentEvent {
        event_name: of(Column::Name),
        url: url(of(Column::Host), of(Column::Path), of(Column::Query)),
        timestamp: shown_time(event.position.time_ms),
        // None were sent, which is none at all.
        metadata: serde_json::from_slice(&event.properties).unwrap_or_else(|_| Value::Object(Map::new())),
    }
}

/// The page as one text. Its scheme is not kept; nearly all have this one.
fn url(host: &str, path: &str, query: &str) -> Option<String> {
    if host.is_empty() && path.is_empty() {
        return None;
    }
    let scheme = if host.is_empty() { "" } else { "https://" };
    let mark = if query.is_empty() { "" } else { "?" };
    Some(format!("{scheme}{host}{path}{mark}{query}"))
}

fn is(column: Column, value: &str) -> Filter {
    Filter::Is(Dimension::Column(column), vec![Some(value.into())])
}

fn utc() -> Result<Zone, Wrong> {
    Zone::read("UTC").map_err(|_| Reason::FieldInvalid.into())
}

fn name(row: &AnswerRow) -> &str {
    row.dimensions.first().and_then(Value::as_str).unwrap_or_default()
}

fn count(row: &AnswerRow, place: usize) -> u64 {
    row.metrics.get(place).and_then(Value::as_u64).unwrap_or(0)
}
