//! Lists of single events, page by page.

use std::ops::Range;

use serde_json::Value;

use super::QueryError;
use super::dimension::Dimension;
use super::event_text::{shown_time, write_event};
use super::filter::Filter;
use super::json::Placed;
use super::plan;
use super::range::{DateRange, Moment};
use super::site_view::SiteView;
use super::zone::Zone;
use crate::event::Sequence;
use crate::store::search::{List, Position, StoredEvent};
use crate::store::{Column, Snapshot};

/// Events of a page when nothing is said.
const LIMIT_USUAL: usize = 100;
/// Parameters of one question.
const PARAMETERS_MAX: usize = 100;
/// Digits of the time and of the sequence in a cursor.
const CURSOR_DIGITS: (usize, usize) = (12, 16);

/// A question about single events, the newest first.
#[derive(Debug, Clone, PartialEq)]
pub struct Listing {
    filter: Filter,
    times: Range<u64>,
    limit: usize,
    after: Option<Position>,
}

/// Parameters while they are read.
#[derive(Default)]
struct Sent<'a> {
    filters: Vec<Filter>,
    values: Vec<(Dimension, Vec<Option<Box<str>>>)>,
    from: Option<&'a str>,
    to: Option<&'a str>,
    range: Option<&'a str>,
    zone: Option<&'a str>,
    limit: Option<&'a str>,
    cursor: Option<&'a str>,
}

impl Listing {
    /// Reads the parameters of a question: `from`, `to`, `date_range`, `timezone`, `filters`, `limit`, `cursor`, and
    /// dimensions with a value that they must have. A list may be only of what has one value in a column.
    ///
    /// # Errors
    /// A parameter is unknown or wrong.
    pub fn read<'p>(
        parameters: impl Iterator<Item = (&'p str, &'p str)>,
        of: Option<(Column, &str)>,
        site: &SiteView<'_>,
        (now_ms, limit_max): (u64, usize),
    ) -> Result<Self, QueryError> {
        let sent = Sent::gather(parameters)?;
        let zone = match sent.zone {
            Some(name) => Zone::read(name)?,
            None => Zone::read(site.time_zone)?,
        };
        let limit = match sent.limit {
            None => LIMIT_USUAL.min(limit_max),
            Some(text) => {
                let limit = text.parse().ok().filter(|limit| (1..=limit_max).contains(limit));
                let wrong = || QueryError::invalid("limit", format!("must be a whole number from 1 to {limit_max}"));
                limit.ok_or_else(wrong)?
            }
        };
        let cursor = |text| read_cursor(text).ok_or_else(|| QueryError::invalid("cursor", "is none that was given"));
        let mut filters = sent.filters;
        filters.extend(
            sent.values
                .into_iter()
                .map(|(dimension, values)| Filter::Is(dimension, values)),
        );
        filters.extend(of.map(|(column, value)| Filter::Is(Dimension::Column(column), vec![Some(value.into())])));
        let filter = Filter::And(filters);
        plan::is_of_events(&filter)?;
        Ok(Self {
            times: times((sent.from, sent.to), sent.range, &zone, now_ms)?,
            after: sent.cursor.map(cursor).transpose()?,
            filter,
            limit,
        })
    }

    /// The page as JSON: the events, and where the next page begins.
    ///
    /// # Errors
    /// The store cannot answer.
    pub fn page(&self, snapshot: &Snapshot, site: &SiteView<'_>) -> Result<Vec<u8>, QueryError> {
        let mut events = self.events(snapshot, site, self.limit + 1)?;
        let more = events.len() > self.limit;
        events.truncate(self.limit);
        let next = events.last().filter(|_| more).map(|last| cursor(last.position));
        let mut text = br#"{"events":["#.to_vec();
        for (place, event) in events.iter().enumerate() {
            if place > 0 {
                text.push(b',');
            }
            write_event(&mut text, event, site);
        }
        let next = next.map_or(Value::Null, Value::from);
        // An end that nobody named is none.
        let named = |time_ms: u64, unnamed: u64| (time_ms != unnamed).then(|| shown_time(time_ms));
        let range = [named(self.times.start, 0), named(self.times.end, TIMES_END)];
        let meta = serde_json::json!({"source": "store", "range": range, "counting": site.counting.name()});
        text.extend_from_slice(format!(r#"],"next":{next},"meta":{meta}}}"#).as_bytes());
        Ok(text)
    }
}

impl Listing {
    /// The newest events of people that have some value in a column, so many at most.
    pub fn newest(column: Column, value: &str, limit: usize) -> Self {
        let is = |column, value: &str| Filter::Is(Dimension::Column(column), vec![Some(value.into())]);
        Self {
            filter: Filter::And(vec![is(column, value), is(Column::Bot, "false")]),
            times: 0..TIMES_END,
            limit,
            after: None,
        }
    }

    /// The first events of the list.
    ///
    /// # Errors
    /// The store cannot answer.
    pub fn all(&self, snapshot: &Snapshot, site: &SiteView<'_>) -> Result<Vec<StoredEvent>, QueryError> {
        self.events(snapshot, site, self.limit)
    }

    fn events(&self, snapshot: &Snapshot, site: &SiteView<'_>, limit: usize) -> Result<Vec<StoredEvent>, QueryError> {
        let list = List {
            site: site.id,
            times: self.times.clone(),
            condition: self.filter.condition(site)?,
            after: self.after,
            limit,
        };
        Ok(snapshot.list(&list)?)
    }
}

impl<'a> Sent<'a> {
    fn gather(parameters: impl Iterator<Item = (&'a str, &'a str)>) -> Result<Self, QueryError> {
        let mut sent = Self::default();
        for (number, (name, value)) in parameters.enumerate() {
            if number >= PARAMETERS_MAX {
                return Err(QueryError::invalid(
                    name,
                    format!("is more than {PARAMETERS_MAX} parameters"),
                ));
            }
            let place = match name {
                // The key is for the door.
                "key" => continue,
                "from" => &mut sent.from,
                "to" => &mut sent.to,
                "date_range" => &mut sent.range,
                "timezone" => &mut sent.zone,
                "limit" => &mut sent.limit,
                "cursor" => &mut sent.cursor,
                "filters" => {
                    sent.filters.push(filters(value)?);
                    continue;
                }
                other => {
                    sent.add_value(other, value)?;
                    continue;
                }
            };
            if place.replace(value).is_some() {
                return Err(QueryError::invalid(name, "is given twice"));
            }
        }
        Ok(sent)
    }

    /// A dimension that must have a value; given again, it may have one or the other.
    fn add_value(&mut self, name: &str, value: &str) -> Result<(), QueryError> {
        let placed = &Value::from(name);
        let field = name;
        let dimension = Dimension::read(Placed { value: placed, field }).map_err(|_| {
            let known = "from, to, date_range, timezone, filters, limit, cursor, and dimensions such as name";
            QueryError::invalid(name, format!("is no parameter; there are {known}"))
        })?;
        let value = Filter::value(
            &dimension,
            Placed {
                value: &Value::from(value),
                field,
            },
        )?;
        match self.values.iter_mut().find(|(known, _)| *known == dimension) {
            Some((_, values)) => values.push(Some(value)),
            None => self.values.push((dimension, vec![Some(value)])),
        }
        Ok(())
    }
}

fn filters(text: &str) -> Result<Filter, QueryError> {
    let value: Value =
        serde_json::from_str(text).map_err(|error| QueryError::invalid("filters", format!("is no JSON: {error}")))?;
    Filter::read_all(Placed {
        value: &value,
        field: "filters",
    })
}

/// The times that are meant. Without an end there is none, since clocks of clients may be ahead of ours.
fn times(
    (from, to): (Option<&str>, Option<&str>),
    range: Option<&str>,
    zone: &Zone,
    now_ms: u64,
) -> Result<Range<u64>, QueryError> {
    let moment = |text: Option<&str>, field| match text {
        None => Ok(None),
        Some(text) => Moment::read(text)
            .map(Some)
            .ok_or_else(|| QueryError::invalid(field, "must be a date or a time of ISO 8601")),
    };
    let calendar = |field| move |error| QueryError::invalid(field, format!("is not in the calendar: {error}"));
    if let Some(text) = range {
        if from.is_some() || to.is_some() {
            return Err(QueryError::invalid("date_range", "stands beside from or to"));
        }
        let value = &Value::from(text);
        let field = "date_range";
        return DateRange::read(Placed { value, field })?.times(zone, now_ms);
    }
    let start = moment(from, "from")?
        .map(|from| from.start_ms(zone))
        .transpose()
        .map_err(calendar("from"))?;
    let end = moment(to, "to")?
        .map(|to| to.end_ms(zone))
        .transpose()
        .map_err(calendar("to"))?;
    let (start, end) = (start.unwrap_or(0), end.unwrap_or(TIMES_END));
    if start >= end {
        return Err(QueryError::invalid("to", "is not after from"));
    }
    Ok(start..end)
}

/// After everything that can be shown as a time: the year 10000.
const TIMES_END: u64 = 253_402_207_200_000;

/// Where a page ends, as text that says nothing to others.
fn cursor(position: Position) -> String {
    format!("{:012x}{:016x}", position.time_ms, position.sequence.0)
}

fn read_cursor(text: &str) -> Option<Position> {
    if !text.bytes().all(|byte| byte.is_ascii_hexdigit()) || text.len() != CURSOR_DIGITS.0 + CURSOR_DIGITS.1 {
        return None;
    }
    let (time, sequence) = text.split_at_checked(CURSOR_DIGITS.0)?;
    Some(Position {
        time_ms: u64::from_str_radix(time, 16).ok()?,
        sequence: Sequence(u64::from_str_radix(sequence, 16).ok()?),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_reads_back_and_other_texts_are_none() {
        for (time_ms, sequence) in [(0, 0), (1_795_336_200_000, 77), (TIMES_END, u64::MAX)] {
            let position = Position {
                time_ms,
                sequence: Sequence(sequence),
            };
            assert_eq!(read_cursor(&cursor(position)), Some(position));
        }
        let long = "0".repeat(29);
        for text in [
            "",
            "0",
            &long,
            "+0000000000000000000000000000",
            "000000000000000000000000000g",
        ] {
            assert_eq!(read_cursor(text), None, "{text}");
        }
    }
}
