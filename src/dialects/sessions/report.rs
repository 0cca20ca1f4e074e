//! What a dashboard is answered.

use std::collections::HashMap;
use std::sync::Arc;

use serde_json::{Value, json};

use super::parameters::{Asked, PAGE_SESSIONS};
use super::{PAGE_URL, TEXT_BYTES_MAX, VIEW, page_of};
use crate::decode::cut;
use crate::enrich::AgentNames;
use crate::query::{
    Answer, AnswerRow, Dimension, Filter, Interval, ListedSession, Metric, Query, QueryError, Report, SessionPage,
    Stamp, Zone, shown_time,
};
use crate::store::Column;

/// Pages of an answer.
const PAGES: usize = 10;
/// What is shown where there is nothing to name.
const NOBODY: &str = "N/A";
/// What is shown of a client that does not say what it is.
const UNKNOWN: &str = "Unknown";
/// The figures of no time.
pub const EMPTY: [Answer; 0] = [];

/// The questions behind the figures of a time, in the order in which [`figures`] takes their answers; `None` where there
/// is no time to ask about.
///
/// # Errors
/// There is no calendar.
pub fn report(asked: &Asked, names: Arc<AgentNames>) -> Result<Option<Report>, QueryError> {
    let Some(range) = &asked.range else { return Ok(None) };
    let zone = Zone::read("UTC")?;
    let column = Dimension::Column;
    let page = || Dimension::Property(PAGE_URL.into());
    let contains = asked.url.iter().map(|url| {
        let text = format!("(?i){}", regex::escape(url));
        Filter::Matches(page(), vec![text.into()])
    });
    let contains: Vec<Filter> = contains.chain([Filter::everyone()]).collect();
    let views = Filter::Is(column(Column::Name), vec![Some(VIEW.into()), Some("pageview".into())]);
    let views = Filter::And([vec![views], contains.clone()].concat());
    let sessions = Filter::And(contains);
    let query = |metrics: &[Metric], dimensions: Vec<Dimension>, filter: &Filter| {
        let mut query = Query::about(metrics.to_vec(), dimensions, range.clone(), zone.clone());
        query.filter = filter.clone();
        query
    };
    let interval = if asked.hourly { Interval::Hour } else { Interval::Day };
    let visits = [Metric::Visits, Metric::VisitDuration, Metric::ShortVisitRate];
    let of_views = [Metric::Visitors, Metric::Events];
    let queries = vec![
        query(&of_views, Vec::new(), &views),
        query(&of_views, vec![Dimension::Time(interval)], &views),
        // One more, since views of which nobody has told the URL may be among them.
        query(&of_views, vec![page()], &views).first(PAGES + 1),
        query(&visits, Vec::new(), &sessions),
        query(&[Metric::Visits], vec![column(Column::UserAgent)], &sessions),
        query(&[Metric::Visits], vec![column(Column::Referrer)], &sessions).first(2),
    ];
    let hourly = asked.hourly;
    Ok(Some(Report {
        name: "sessions",
        queries,
        write: Box::new(move |answers| figures(answers, hourly, &names)),
        stamp: Stamp::None,
    }))
}

/// The figures as clients know them; those of nothing without any answers.
pub fn figures(answers: &[Answer], hourly: bool, names: &AgentNames) -> Vec<u8> {
    let rows = |place: usize| answers.get(place).map_or(&[][..], |answer| &answer.results[..]);
    let views = |bucket: Value, row: Option<&AnswerRow>| {
        let [unique, total] = [0, 1].map(|place| count(row, place));
        json!({"bucket": bucket, "total_visits": total, "total_unique": unique})
    };
    let buckets = rows(1).iter().filter(|row| count(Some(row), 1) > 0);
    let buckets = buckets.map(|row| views(bucket(row, hourly), Some(row)));
    let per_day: Vec<Value> = [views(Value::Null, rows(0).first())]
        .into_iter()
        .chain(buckets)
        .collect();
    let pages = rows(2).iter().filter_map(|row| {
        let page = row.dimensions.first()?.as_str()?;
        let [unique, total] = [0, 1].map(|place| count(Some(row), place));
        Some(json!({"pageUrl": page, "total_visits": total, "unique_visits": unique}))
    });
    let pages: Vec<Value> = pages.take(PAGES).collect();
    let visits = rows(3).first();
    let total = count(visits, 0);
    let mean = |place: usize| {
        let figure = visits.and_then(|row| row.metrics.get(place)?.as_f64());
        number(figure.unwrap_or(0.0))
    };
    let agents = || {
        rows(4)
            .iter()
            .filter_map(|row| Some((row.dimensions.first()?.as_str()?, count(Some(row), 0))))
    };
    let mut browsers: HashMap<Box<str>, u64> = HashMap::new();
    let mut systems: HashMap<Box<str>, u64> = HashMap::new();
    for (user_agent, visits) in agents() {
        let names = names.of(user_agent);
        *browsers.entry(names.browser.clone()).or_default() += visits;
        *systems.entry(names.os.clone()).or_default() += visits;
    }
    let referrers = rows(5)
        .iter()
        .filter_map(|row| Some((row.dimensions.first()?.as_str()?.into(), count(Some(row), 0))));
    let body = json!({
        "statsPerDay": per_day,
        "statsPerPage": pages,
        "sessionStats": {
            "avgSessionDuration": mean(1),
            "shortVisitPercentage": mean(2),
            "topBrowser": top(browsers.into_iter(), total),
            "topOS": top(systems.into_iter(), total),
            "topReferrer": top(referrers, total),
        },
        "hourly": hourly,
    });
    body.to_string().into_bytes()
}

/// The name that comes most often, and how many out of a hundred that are.
fn top(named: impl Iterator<Item = (Box<str>, u64)>, total: u64) -> Value {
    let named = named.filter(|(name, _)| !name.is_empty());
    // Of two that come as often the first by name, so that the answer is the same each time.
    let top = named.max_by(|(left, lefts), (right, rights)| lefts.cmp(rights).then_with(|| right.cmp(left)));
    match top {
        Some((name, count)) if total > 0 => {
            json!({"name": name, "percentage": number(100.0 * count as f64 / total as f64)})
        }
        _ => json!({"name": NOBODY, "percentage": 0}),
    }
}

/// A number with two digits behind the point at most, and without a point if it is whole.
fn number(of: f64) -> Value {
    let rounded = (of * 100.0).round() / 100.0;
    #[expect(
        clippy::cast_possible_truncation,
        reason = "percentages and seconds of some days are far from any limit"
    )]
    if rounded.fract() == 0.0 {
        Value::from(rounded as i64)
    } else {
        Value::from(rounded)
    }
}

fn count(row: Option<&AnswerRow>, place: usize) -> u64 {
    row.and_then(|row| row.metrics.get(place)?.as_u64()).unwrap_or(0)
}

/// The name of a bucket: a day, or an hour as a time of the world.
fn bucket(row: &AnswerRow, hourly: bool) -> Value {
    let name = row.dimensions.first().and_then(Value::as_str).unwrap_or_default();
    match name.get(..13) {
        Some(hour) if hourly => format!("{hour}:00:00Z").into(),
        _ => name.into(),
    }
}

/// The question behind a page of sessions; `None` where there can be none.
///
/// # Errors
/// There is no calendar.
pub fn page(asked: &Asked) -> Result<Option<SessionPage>, QueryError> {
    let mut filters = Vec::new();
    if let Some(url) = &asked.url {
        let Some(parts) = page_of(url) else {
            return Ok(None);
        };
        // Much is indexed by its path, and few pages have the same.
        if !parts.path.is_empty() {
            let path = cut(parts.path, TEXT_BYTES_MAX).into();
            filters.push(Filter::Is(Dimension::Column(Column::Path), vec![Some(path)]));
        }
        filters.push(Filter::Is(
            Dimension::Property(PAGE_URL.into()),
            vec![Some(url.clone())],
        ));
    }
    let Some(range) = asked.range.clone() else {
        return Ok(None);
    };
    let place = (asked.page.saturating_sub(1) * PAGE_SESSIONS, PAGE_SESSIONS);
    Ok(Some(SessionPage::new(range, Zone::read("UTC")?, filters, place)))
}

/// A page of sessions as clients know it.
pub fn sessions(total: u64, listed: &[ListedSession], names: &AgentNames) -> Vec<u8> {
    let named = |text: &str| if text.is_empty() { Value::Null } else { text.into() };
    let session = |session: &ListedSession| {
        let agent = names.of(&session.user_agent);
        let user_agent = named(&session.user_agent);
        json!({
            "id": session.number,
            "ip": named(&session.address),
            "browser": named(&agent.browser),
            "os": named(&agent.os),
            "startTime": shown_time(session.start_ms),
            "endTime": shown_time(session.start_ms.saturating_add(session.seconds.saturating_mul(1_000))),
            "referrer": named(&session.referrer),
            "userAgent": if user_agent.is_null() { UNKNOWN.into() } else { user_agent },
        })
    };
    let listed: Vec<Value> = listed.iter().map(session).collect();
    json!({"sessions": listed, "total": total}).to_string().into_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(body: &[u8]) -> Value {
        serde_json::from_slice(body).unwrap()
    }

    #[test]
    fn the_figures_of_nothing_have_every_field() {
        let none = json!({"name": "N/A", "percentage": 0});
        let expected = json!({
            "statsPerDay": [{"bucket": null, "total_visits": 0, "total_unique": 0}],
            "statsPerPage": [],
            "sessionStats": {"avgSessionDuration": 0, "shortVisitPercentage": 0,
                "topBrowser": none, "topOS": none, "topReferrer": none},
            "hourly": true,
        });
        assert_eq!(shown(&figures(&EMPTY, true, &AgentNames::new(1))), expected);
        assert_eq!(
            shown(&sessions(0, &[], &AgentNames::new(1))),
            json!({"sessions": [], "total": 0})
        );
    }

    #[test]
    fn what_comes_most_often_is_named_with_its_share() {
        let named = |list: &[(&str, u64)]| {
            let list: Vec<(Box<str>, u64)> = list.iter().map(|(name, count)| ((*name).into(), *count)).collect();
            top(list.into_iter(), 6)
        };
        assert_eq!(
            named(&[("a", 1), ("b", 2), ("", 3)]),
            json!({"name": "b", "percentage": 33.33})
        );
        assert_eq!(named(&[("b", 3), ("a", 3)]), json!({"name": "a", "percentage": 50}));
        assert_eq!(named(&[("", 6)]), json!({"name": "N/A", "percentage": 0}));
    }

    #[test]
    fn a_session_of_which_little_is_known_has_every_field() {
        let known = ListedSession {
            number: 7,
            start_ms: 1_754_006_400_000,
            seconds: 61,
            ..ListedSession::default()
        };
        let expected = json!({"sessions": [{"id": 7, "ip": null, "browser": null, "os": null, "referrer": null,
            "startTime": "2025-08-01T00:00:00.000Z", "endTime": "2025-08-01T00:01:01.000Z", "userAgent": "Unknown"}],
            "total": 12});
        assert_eq!(shown(&sessions(12, &[known], &AgentNames::new(1))), expected);
    }
}
