//! The parameters of questions.

use std::borrow::Cow;

use jiff::civil::Date;
use jiff::{SignedDuration, ToSpan};

use super::Wrong;
use crate::query::{DateRange, Interval, Moment, Zone};

/// Days that are meant when none are named, today among them.
const DAYS: i32 = 30;
/// Names that mean something; others are left alone.
const NAMES: [&str; 6] = ["startDate", "endDate", "userId", "interval", "eventName", "timezone"];

/// What a question names; empty values say nothing.
#[derive(Debug)]
pub struct Parameters<'q>(Vec<(Cow<'q, str>, Cow<'q, str>)>);

impl<'q> Parameters<'q> {
    /// Reads a query string.
    ///
    /// # Errors
    /// A parameter is given twice.
    pub fn read(query: &'q str) -> Result<Self, Wrong> {
        let mut found: Vec<(Cow<'q, str>, Cow<'q, str>)> = Vec::new();
        for (name, value) in form_urlencoded::parse(query.as_bytes()) {
            if value.is_empty() || !NAMES.contains(&&*name) {
                continue;
            }
            if found.iter().any(|(known, _)| *known == name) {
                return Err(Wrong::invalid(&name, "must be given once"));
            }
            found.push((name, value));
        }
        Ok(Self(found))
    }

    /// A parameter's value.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0
            .iter()
            .find(|(known, _)| known == name)
            .map(|(_, value)| &**value)
    }

    /// The time that is meant: days of a zone, both in full, or exact times.
    pub(super) fn range(&self, zone: &Zone, now_ms: u64) -> Result<DateRange, Wrong> {
        const RULE: &str = "must be a date such as 2025-11-01, or a time of ISO 8601";
        let moment = |name: &'static str| {
            let text = self.get(name);
            text.map(|text| Moment::read(text).ok_or_else(|| Wrong::invalid(name, RULE)))
                .transpose()
        };
        let (from, to) = (moment("startDate")?, moment("endDate")?);
        let early = || Wrong::invalid("endDate", "is too early");
        let range = match (from, to) {
            (None, None) => DateRange::Days(DAYS, 0),
            (Some(from), Some(to)) => DateRange::Between(from, to),
            (Some(from), None) => DateRange::Between(from, Moment::Day(zone.date(now_ms))),
            (None, Some(to)) => DateRange::Between(before(&to).ok_or_else(early)?, to),
        };
        Ok(range)
    }

    /// The zone that is meant; UTC if none is named.
    pub(super) fn zone(&self) -> Result<Zone, Wrong> {
        let name = self.get("timezone").unwrap_or("UTC");
        Zone::read(name)
            .map_err(|_| Wrong::invalid("timezone", "must be a name of the IANA database, such as Europe/London"))
    }

    /// The width of a point of a series, and its name.
    pub(super) fn interval(&self) -> Result<(&'static str, Interval), Wrong> {
        const KNOWN: [(&str, Interval); 5] = [
            ("minute", Interval::Minute),
            ("hour", Interval::Hour),
            ("day", Interval::Day),
            ("week", Interval::Week),
            ("month", Interval::Month),
        ];
        let name = self.get("interval").unwrap_or("day");
        let known = KNOWN.into_iter().find(|(known, _)| *known == name);
        known.ok_or_else(|| Wrong::invalid("interval", "must be one of minute, hour, day, week, month"))
    }
}

/// The beginning of the days that end with a moment.
fn before(end: &Moment) -> Option<Moment> {
    let hours = SignedDuration::from_hours(24 * i64::from(DAYS));
    Some(match end {
        Moment::Day(last) => Moment::Day(first_of(*last)?),
        Moment::Local(end) => Moment::Local(end.checked_sub(hours).ok()?),
        Moment::Instant(end) => Moment::Instant(end.checked_sub(hours).ok()?),
    })
}

fn first_of(last: Date) -> Option<Date> {
    last.checked_sub((DAYS - 1).days()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 2026-11-22T10:00:00Z
    const NOW: u64 = 1_795_341_600_000;

    fn range(query: &str) -> Result<String, String> {
        let parameters = Parameters::read(query).map_err(|wrong| String::from_utf8(wrong.body()).unwrap())?;
        let zone = Zone::read("UTC").unwrap();
        let range = parameters.range(&zone, NOW);
        range
            .map(|range| range.to_json().to_string())
            .map_err(|wrong| wrong.about.unwrap().0.into())
    }

    #[test]
    fn days_are_those_that_are_named_or_the_last_thirty() {
        for (query, expected) in [
            ("", r#""30d""#),
            ("startDate=&endDate=&x=1&x=2", r#""30d""#),
            (
                "startDate=2025-11-01&endDate=2025-11-13",
                r#"["2025-11-01","2025-11-13"]"#,
            ),
            ("startDate=2026-11-20", r#"["2026-11-20","2026-11-22"]"#),
            ("endDate=2026-11-20", r#"["2026-10-22","2026-11-20"]"#),
            (
                "startDate=2025-08-01T00:00:00.000Z&endDate=2025-08-02T00%3A00%3A00%2B02:00",
                r#"["2025-08-01T00:00:00Z","2025-08-01T22:00:00Z"]"#,
            ),
        ] {
            assert_eq!(range(query).as_deref(), Ok(expected), "{query}");
        }
    }

    #[test]
    fn what_is_no_date_and_what_is_given_twice_is_refused() {
        for (query, field) in [
            ("startDate=yesterday", "startDate"),
            ("endDate=2025-13-01", "endDate"),
            ("endDate=01/11/2025", "endDate"),
            ("startDate=%ff", "startDate"),
            ("startDate=2025-11-01%00", "startDate"),
            ("endDate=-009999-01-01", "endDate"),
        ] {
            assert_eq!(range(query), Err(field.into()), "{query}");
        }
        let twice = range("startDate=2025-11-01&startDate=2025-11-01").unwrap_err();
        assert!(twice.contains("startDate must be given once"), "{twice}");
    }

    #[test]
    fn intervals_and_zones_are_those_that_are_known() {
        let read = |query: &'static str| Parameters::read(query).unwrap();
        assert_eq!(read("").interval().unwrap().0, "day");
        assert_eq!(read("interval=minute").interval().unwrap().1, Interval::Minute);
        assert!(read("interval=15min").interval().is_err());
        assert_eq!(read("timezone=Asia%2FKolkata").zone().unwrap().name(), "Asia/Kolkata");
        assert!(read("timezone=Mars").zone().is_err());
    }
}
