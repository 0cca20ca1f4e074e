//! When the events of a question happened.

use std::ops::Range;

use jiff::civil::{Date, DateTime};
use jiff::tz::TimeZone;
use jiff::{Span, Timestamp, ToSpan, Zoned};
use serde_json::{Value, json};

use super::QueryError;
use super::json::Placed;
use super::zone::Zone;

/// What can be written for a range of dates.
const FORMS: &str = "must be today, yesterday, month, last_month, year, all, <n>h, <n>d, <n>mo, a date, \
                     or two dates or times of ISO 8601";
/// Largest number in `<n>d` and its like.
const COUNT_MAX: i32 = 4_000;

/// When events happened, as it is asked for.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum DateRange {
    /// The last so many hours, up to now.
    Hours(i32),
    /// So many days, the last of which is so many before today.
    Days(i32, i32),
    /// So many months, the last of which is so many before this one.
    Months(i32, i32),
    /// This year.
    Year,
    /// Everything up to now.
    All,
    /// From a moment to before another.
    Between(Moment, Moment),
}

/// A moment as it is asked for.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Moment {
    /// A day: its beginning, or as the end of a range its end.
    Day(Date),
    /// A time of the zone.
    Local(DateTime),
    /// A time of the world.
    Instant(Timestamp),
}

impl DateRange {
    /// Reads a preset, a date, or two moments.
    pub(super) fn read(placed: Placed<'_>) -> Result<Self, QueryError> {
        match placed.value {
            Value::String(text) => preset(text).ok_or_else(|| placed.wrong(FORMS)),
            Value::Array(both) => match &both[..] {
                [Value::String(from), Value::String(to)] => {
                    let read = |text: &str| Moment::read(text).ok_or_else(|| placed.wrong(FORMS));
                    Ok(Self::Between(read(from)?, read(to)?))
                }
                _ => Err(placed.wrong(FORMS)),
            },
            _ => Err(placed.wrong(FORMS)),
        }
    }

    /// The times that are meant, in milliseconds since 1970.
    pub(super) fn times(&self, zone: &Zone, now_ms: u64) -> Result<Range<u64>, QueryError> {
        let now = Timestamp::from_millisecond(now_ms.cast_signed()).unwrap_or(Timestamp::MIN);
        let zone = zone.calendar();
        let (from, to) = self
            .ends(&now.to_zoned(zone.clone()), zone)
            .map_err(|error| QueryError::invalid("date_range", format!("is not in the calendar: {error}")))?;
        if from >= to {
            return Err(QueryError::invalid("date_range", "ends before it begins"));
        }
        // The millisecond of now itself is in a range that reaches now.
        Ok(ms(from)..ms(to).max(ms(from) + 1))
    }

    fn ends(&self, now: &Zoned, zone: &TimeZone) -> Result<(Timestamp, Timestamp), jiff::Error> {
        let today = now.date();
        let start = |date: Date| date.to_zoned(zone.clone()).map(|zoned| zoned.timestamp());
        let soon = now.timestamp().checked_add(1.millisecond())?;
        Ok(match self {
            Self::Hours(count) => (now.timestamp().checked_sub(i64::from(*count).hours())?, soon),
            Self::Days(count, before) => {
                let last = today.checked_sub(Span::new().try_days(*before)?)?;
                (
                    start(last.checked_sub(Span::new().try_days(*count - 1)?)?)?,
                    start(last.tomorrow()?)?,
                )
            }
            Self::Months(count, before) => {
                let last = today.first_of_month().checked_sub(Span::new().try_months(*before)?)?;
                let first = last.checked_sub(Span::new().try_months(*count - 1)?)?;
                (start(first)?, start(last.checked_add(1.month())?)?)
            }
            Self::Year => (start(today.first_of_year())?, start(today.last_of_year().tomorrow()?)?),
            Self::All => (Timestamp::UNIX_EPOCH, soon),
            Self::Between(from, to) => (from.start(zone)?, to.end(zone)?),
        })
    }

    /// The range as JSON, as it is read.
    pub fn to_json(&self) -> Value {
        match self {
            Self::Hours(count) => json!(format!("{count}h")),
            Self::Days(1, 0) => json!("today"),
            Self::Days(_, 1) => json!("yesterday"),
            Self::Days(count, _) => json!(format!("{count}d")),
            Self::Months(1, 0) => json!("month"),
            Self::Months(_, 1) => json!("last_month"),
            Self::Months(count, _) => json!(format!("{count}mo")),
            Self::Year => json!("year"),
            Self::All => json!("all"),
            Self::Between(from, to) => json!([from.to_string(), to.to_string()]),
        }
    }
}

impl Moment {
    /// Reads a date or a time of ISO 8601.
    pub fn read(text: &str) -> Option<Self> {
        if let Some(date) = day(text) {
            return Some(Self::Day(date));
        }
        // Only times that say so are times of the world.
        let after_date = text.get(10..)?;
        if after_date.contains(['Z', 'z', '+', '-']) {
            return text.parse().ok().map(Self::Instant);
        }
        text.parse().ok().map(Self::Local)
    }

    /// Its beginning, in milliseconds since 1970.
    pub(super) fn start_ms(&self, zone: &Zone) -> Result<u64, jiff::Error> {
        self.start(zone.calendar()).map(ms)
    }

    /// Its end, in milliseconds since 1970.
    pub(super) fn end_ms(&self, zone: &Zone) -> Result<u64, jiff::Error> {
        self.end(zone.calendar()).map(ms)
    }

    fn start(&self, zone: &TimeZone) -> Result<Timestamp, jiff::Error> {
        match self {
            Self::Day(date) => Ok(date.to_zoned(zone.clone())?.timestamp()),
            Self::Local(local) => Ok(local.to_zoned(zone.clone())?.timestamp()),
            Self::Instant(instant) => Ok(*instant),
        }
    }

    fn end(&self, zone: &TimeZone) -> Result<Timestamp, jiff::Error> {
        match self {
            Self::Day(date) => Self::Day(date.tomorrow()?).start(zone),
            other => other.start(zone),
        }
    }
}

impl std::fmt::Display for Moment {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Day(date) => write!(f, "{date}"),
            Self::Local(local) => write!(f, "{local}"),
            Self::Instant(instant) => write!(f, "{instant}"),
        }
    }
}

fn ms(moment: Timestamp) -> u64 {
    moment.as_millisecond().max(0).cast_unsigned()
}

fn preset(text: &str) -> Option<DateRange> {
    let counted = |unit: &str| {
        let count: i32 = text.strip_suffix(unit)?.parse().ok()?;
        (1..=COUNT_MAX).contains(&count).then_some(count)
    };
    match text {
        "today" => Some(DateRange::Days(1, 0)),
        "yesterday" => Some(DateRange::Days(1, 1)),
        "month" => Some(DateRange::Months(1, 0)),
        "last_month" => Some(DateRange::Months(1, 1)),
        "year" => Some(DateRange::Year),
        "all" => Some(DateRange::All),
        _ => {
            let hours = counted("h").map(DateRange::Hours);
            let days = || counted("d").map(|count| DateRange::Days(count, 0));
            let months = || counted("mo").map(|count| DateRange::Months(count, 0));
            let day = || day(text).map(|date| DateRange::Between(Moment::Day(date), Moment::Day(date)));
            hours.or_else(days).or_else(months).or_else(day)
        }
    }
}

fn day(text: &str) -> Option<Date> {
    (text.len() == 10).then(|| text.parse().ok()).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn times(range: &Value, zone: &str) -> [String; 2] {
        let now: Timestamp = "2026-11-22T08:30:00Z".parse().unwrap();
        let placed = Placed {
            value: range,
            field: "date_range",
        };
        let range = DateRange::read(placed).unwrap();
        let zone = Zone::read(zone).unwrap();
        let times = range.times(&zone, now.as_millisecond().cast_unsigned()).unwrap();
        [times.start, times.end].map(|ms| Timestamp::from_millisecond(ms.cast_signed()).unwrap().to_string())
    }

    #[test]
    fn ranges_mean_whole_days_of_their_zone() {
        let cases = [
            (
                json!("today"),
                "Europe/Berlin",
                ["2026-11-21T23:00:00Z", "2026-11-22T23:00:00Z"],
            ),
            (
                json!("yesterday"),
                "UTC",
                ["2026-11-21T00:00:00Z", "2026-11-22T00:00:00Z"],
            ),
            (json!("7d"), "UTC", ["2026-11-16T00:00:00Z", "2026-11-23T00:00:00Z"]),
            (
                json!("30d"),
                "Europe/Berlin",
                ["2026-10-23T22:00:00Z", "2026-11-22T23:00:00Z"],
            ),
            (
                json!("24h"),
                "Asia/Kolkata",
                ["2026-11-21T08:30:00Z", "2026-11-22T08:30:00.001Z"],
            ),
            (
                json!("month"),
                "Asia/Kolkata",
                ["2026-10-31T18:30:00Z", "2026-11-30T18:30:00Z"],
            ),
            (
                json!("last_month"),
                "UTC",
                ["2026-10-01T00:00:00Z", "2026-11-01T00:00:00Z"],
            ),
            (json!("6mo"), "UTC", ["2026-06-01T00:00:00Z", "2026-12-01T00:00:00Z"]),
            (json!("year"), "UTC", ["2026-01-01T00:00:00Z", "2027-01-01T00:00:00Z"]),
            (
                json!("all"),
                "UTC",
                ["1970-01-01T00:00:00Z", "2026-11-22T08:30:00.001Z"],
            ),
            (
                json!("2026-10-25"),
                "Europe/Berlin",
                ["2026-10-24T22:00:00Z", "2026-10-25T23:00:00Z"],
            ),
            (
                json!(["2026-10-01", "2026-10-02"]),
                "UTC",
                ["2026-10-01T00:00:00Z", "2026-10-03T00:00:00Z"],
            ),
            (
                json!(["2026-10-01T12:00:00", "2026-10-02T00:00:00Z"]),
                "Europe/Berlin",
                ["2026-10-01T10:00:00Z", "2026-10-02T00:00:00Z"],
            ),
        ];
        for (range, zone, expected) in cases {
            assert_eq!(times(&range, zone), expected, "{range} in {zone}");
        }
    }

    #[test]
    fn what_is_no_range_is_refused() {
        for range in [
            json!("d"),
            json!("0d"),
            json!("-1d"),
            json!("9999d"),
            json!("2026-13-01"),
            json!(7),
            json!([]),
        ] {
            let placed = Placed {
                value: &range,
                field: "date_range",
            };
            assert!(DateRange::read(placed).is_err(), "{range}");
        }
        let backward = json!(["2026-10-02", "2026-10-01"]);
        let range = DateRange::read(Placed {
            value: &backward,
            field: "date_range",
        })
        .unwrap();
        assert!(range.times(&Zone::read("UTC").unwrap(), 0).is_err());
    }
}
