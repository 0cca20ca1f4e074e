//! With which other time an answer is compared.

use std::ops::Range;

use jiff::{Timestamp, ToSpan, Zoned};
use serde_json::{Value, json};

use super::QueryError;
use super::json::Placed;
use super::range::DateRange;
use super::zone::Zone;

/// With which other time each row is compared.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Compare {
    /// As long, right before.
    PreviousPeriod,
    /// The same dates a year before.
    YearBefore,
    /// Another range.
    Range(DateRange),
}

impl Compare {
    /// Reads `previous_period`, `year_before`, or a range of dates.
    pub(super) fn read(placed: Placed<'_>) -> Result<Self, QueryError> {
        match placed.value.as_str() {
            Some("previous_period") => Ok(Self::PreviousPeriod),
            Some("year_before") => Ok(Self::YearBefore),
            Some(_) => Err(placed.wrong("must be previous_period, year_before, or two dates or times")),
            None => DateRange::read(placed).map(Self::Range),
        }
    }

    /// The times to compare with.
    pub(super) fn times(
        &self,
        (asked, times): (&DateRange, &Range<u64>),
        zone: &Zone,
        now_ms: u64,
    ) -> Result<Range<u64>, QueryError> {
        let calendar = |error: jiff::Error| QueryError::invalid("compare", format!("is not in the calendar: {error}"));
        match (self, asked) {
            (Self::Range(range), _) => range.times(zone, now_ms),
            (Self::PreviousPeriod, DateRange::Months(count, before)) => {
                DateRange::Months(*count, before + count).times(zone, now_ms)
            }
            (Self::PreviousPeriod, _) => before(times, zone).map_err(calendar),
            (Self::YearBefore, _) => {
                let back = |ms: u64| local(ms, zone)?.checked_sub(1.year()).map(|zoned| ms_of(&zoned));
                Ok(back(times.start).map_err(calendar)?..back(times.end).map_err(calendar)?)
            }
        }
    }

    /// The comparison as JSON, as it is read.
    pub fn to_json(&self) -> Value {
        match self {
            Self::PreviousPeriod => json!("previous_period"),
            Self::YearBefore => json!("year_before"),
            Self::Range(range) => range.to_json(),
        }
    }
}

/// As many days before, if the range is one of days; else as long.
fn before(times: &Range<u64>, zone: &Zone) -> Result<Range<u64>, jiff::Error> {
    let (start, end) = (local(times.start, zone)?, local(times.end, zone)?);
    if start == start.start_of_day()? && end == end.start_of_day()? {
        let days = start.date().until(end.date())?.get_days();
        return Ok(ms_of(&start.checked_sub(i64::from(days).days())?)..times.start);
    }
    let length = times.end - times.start;
    Ok(times.start.saturating_sub(length)..times.start)
}

fn local(ms: u64, zone: &Zone) -> Result<Zoned, jiff::Error> {
    Ok(Timestamp::from_millisecond(ms.cast_signed())?.to_zoned(zone.calendar().clone()))
}

fn ms_of(zoned: &Zoned) -> u64 {
    zoned.timestamp().as_millisecond().max(0).cast_unsigned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn compared(compare: &Compare, range: &str, zone: &str) -> [String; 2] {
        let now: Timestamp = "2026-11-22T08:30:00Z".parse().unwrap();
        let now_ms = now.as_millisecond().cast_unsigned();
        let value = json!(range);
        let range = DateRange::read(Placed {
            value: &value,
            field: "date_range",
        })
        .unwrap();
        let zone = Zone::read(zone).unwrap();
        let times = range.times(&zone, now_ms).unwrap();
        let times = compare.times((&range, &times), &zone, now_ms).unwrap();
        [times.start, times.end].map(|ms| Timestamp::from_millisecond(ms.cast_signed()).unwrap().to_string())
    }

    #[test]
    fn the_period_before_has_as_many_days_whatever_the_clocks_did() {
        let week = compared(&Compare::PreviousPeriod, "30d", "Europe/Berlin");
        assert_eq!(week, ["2026-09-23T22:00:00Z", "2026-10-23T22:00:00Z"]);
        let hours = compared(&Compare::PreviousPeriod, "1h", "UTC");
        assert_eq!(hours, ["2026-11-22T06:29:59.999Z", "2026-11-22T07:30:00Z"]);
        let month = compared(&Compare::PreviousPeriod, "month", "UTC");
        assert_eq!(month, ["2026-10-01T00:00:00Z", "2026-11-01T00:00:00Z"]);
    }

    #[test]
    fn a_year_before_is_the_same_dates() {
        let today = compared(&Compare::YearBefore, "2026-03-29", "Europe/Berlin");
        assert_eq!(today, ["2025-03-28T23:00:00Z", "2025-03-29T23:00:00Z"]);
    }
}
