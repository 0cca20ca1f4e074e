//! Time zones, and the buckets that they cut time into.

use std::ops::Range;

use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan};

use super::QueryError;
use super::dimension::Interval;
use crate::store::search::{Buckets, DAY_MS, Pieces, Stretch};

/// Buckets of one answer.
const BUCKETS_MAX: i64 = 50_000;

/// A time zone of the IANA database.
#[derive(Debug, Clone, PartialEq)]
pub struct Zone(TimeZone);

impl Zone {
    /// The zone of a name such as `Europe/Berlin`.
    ///
    /// # Errors
    /// No zone is called so.
    pub fn read(name: &str) -> Result<Self, QueryError> {
        let zone = TimeZone::get(name).ok().filter(|zone| zone.iana_name().is_some());
        zone.map(Self)
            .ok_or_else(|| QueryError::invalid("timezone", "is no name of the IANA time zone database"))
    }

    /// The zone's name.
    pub fn name(&self) -> &str {
        self.0.iana_name().unwrap_or("UTC")
    }

    /// The local date of a time in milliseconds since 1970.
    pub fn date(&self, time_ms: u64) -> Date {
        let instant = Timestamp::from_millisecond(time_ms.cast_signed()).unwrap_or(Timestamp::MAX);
        instant.to_zoned(self.0.clone()).date()
    }

    /// The beginning of the day so many days before that of a time; all in milliseconds since 1970.
    pub(super) fn days_before(&self, time_ms: u64, days: usize) -> u64 {
        let days = i64::try_from(days).unwrap_or(i64::MAX).days();
        let first = self.date(time_ms).checked_sub(days);
        let start = first.and_then(|first| first.to_zoned(self.0.clone()));
        start.map_or(0, |start| start.timestamp().as_millisecond().max(0).cast_unsigned())
    }

    /// The zone as the calendar knows it.
    pub(super) fn calendar(&self) -> &TimeZone {
        &self.0
    }

    /// The buckets of some width over times, with their names.
    pub(super) fn buckets(
        &self,
        interval: Interval,
        times: &Range<u64>,
    ) -> Result<(Buckets, Vec<Box<str>>), QueryError> {
        let wide = || {
            QueryError::invalid(
                "dimensions",
                format!("cut the range into more than {BUCKETS_MAX} buckets of time"),
            )
        };
        let (start, end) = (times.start.cast_signed(), times.end.cast_signed());
        if (end - start) / shortest(interval) >= BUCKETS_MAX {
            return Err(wide());
        }
        let stretches = self.stretches(times);
        let pieces = match interval {
            Interval::Minute => Pieces::Spans(60_000),
            Interval::Quarter => Pieces::Spans(900_000),
            Interval::Hour => Pieces::Spans(3_600_000),
            Interval::Day | Interval::Week | Interval::Month => days(interval, &stretches, end),
        };
        let cut_by_days = matches!(pieces, Pieces::Days(..));
        let buckets = Buckets::new(&stretches, pieces, end);
        let names = buckets.starts().into_iter().map(|(local, offset)| {
            if cut_by_days {
                first_day(interval, local.div_euclid(DAY_MS)).to_string().into()
            } else {
                moment(local, offset)
            }
        });
        let names = names.collect();
        Ok((buckets, names))
    }

    /// How far local time lies from UTC, from the beginning of times on.
    fn stretches(&self, times: &Range<u64>) -> Vec<Stretch> {
        let (start, end) = (times.start.cast_signed(), times.end.cast_signed());
        let from = Timestamp::from_millisecond(start).unwrap_or(Timestamp::MIN);
        let offset_ms = |offset: jiff::tz::Offset| i64::from(offset.seconds()) * 1_000;
        let first = Stretch {
            from_ms: start,
            offset_ms: offset_ms(self.0.to_offset(from)),
        };
        let later = self.0.following(from).map(|transition| Stretch {
            from_ms: transition.timestamp().as_millisecond(),
            offset_ms: offset_ms(transition.offset()),
        });
        // A change of the zone's name alone is no new stretch.
        let mut stretches = vec![first];
        for stretch in later.take_while(|stretch| stretch.from_ms < end) {
            if stretches.last().is_none_or(|last| last.offset_ms != stretch.offset_ms) {
                stretches.push(stretch);
            }
        }
        stretches
    }
}

const fn shortest(interval: Interval) -> i64 {
    match interval {
        Interval::Minute => 60_000,
        Interval::Quarter => 900_000,
        Interval::Hour => 3_600_000,
        Interval::Day | Interval::Week | Interval::Month => DAY_MS,
    }
}

/// Each local day of the stretches with the number of its day, week or month.
fn days(interval: Interval, stretches: &[Stretch], end_ms: i64) -> Pieces {
    let ends = stretches.iter().skip(1).map(|next| next.from_ms).chain([end_ms]);
    let edges = stretches.iter().zip(ends).flat_map(|(stretch, end)| {
        let day = move |ms: i64| (ms + stretch.offset_ms).div_euclid(DAY_MS);
        [day(stretch.from_ms), day(end - 1)]
    });
    let edges: Vec<i64> = edges.collect();
    let first = edges.iter().copied().min().unwrap_or(0);
    let last = edges.iter().copied().max().unwrap_or(first);
    let mut groups = Vec::new();
    let mut number = 0;
    for day in first..=last {
        if day > first && first_day(interval, day) != first_day(interval, day - 1) {
            number += 1;
        }
        groups.push(number);
    }
    Pieces::Days(first, groups.into())
}

/// The date of a day since 1970, or of the first day of its week or month.
fn first_day(interval: Interval, day: i64) -> Date {
    let epoch = Date::constant(1970, 1, 1);
    let date = epoch.checked_add(day.days()).unwrap_or(epoch);
    match interval {
        Interval::Week => date
            .checked_sub(i64::from(date.weekday().to_monday_zero_offset()).days())
            .unwrap_or(date),
        Interval::Month => date.first_of_month(),
        _ => date,
    }
}

/// A local time with its distance from UTC, as `2026-11-22T13:00:00+01:00`.
fn moment(local_ms: i64, offset_ms: i64) -> Box<str> {
    let local = Timestamp::from_millisecond(local_ms).unwrap_or(Timestamp::MIN);
    let local = local.to_zoned(TimeZone::UTC).datetime();
    let (sign, minutes) = (if offset_ms < 0 { '-' } else { '+' }, offset_ms.abs() / 60_000);
    format!("{local}{sign}{:02}:{:02}", minutes / 60, minutes % 60).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(zone: &str, interval: Interval, times: [&str; 2]) -> Vec<String> {
        let [start, end] = times.map(|time| time.parse::<Timestamp>().unwrap().as_millisecond().cast_unsigned());
        let (buckets, names) = Zone::read(zone).unwrap().buckets(interval, &(start..end)).unwrap();
        assert_eq!(buckets.count() as usize, names.len());
        names.into_iter().map(Into::into).collect()
    }

    #[test]
    fn an_hour_that_comes_twice_is_two_and_one_that_never_comes_is_none() {
        let autumn = names(
            "Europe/Berlin",
            Interval::Hour,
            ["2026-10-24T23:00:00Z", "2026-10-25T02:00:00Z"],
        );
        let expected = [
            "2026-10-25T01:00:00+02:00",
            "2026-10-25T02:00:00+02:00",
            "2026-10-25T02:00:00+01:00",
        ];
        assert_eq!(autumn, expected);
        let spring = names(
            "Europe/Berlin",
            Interval::Hour,
            ["2026-03-29T00:00:00Z", "2026-03-29T02:00:00Z"],
        );
        assert_eq!(spring, ["2026-03-29T01:00:00+01:00", "2026-03-29T03:00:00+02:00"]);
    }

    #[test]
    fn half_hours_of_a_zone_shift_its_hours() {
        let hours = names(
            "Asia/Kolkata",
            Interval::Hour,
            ["2026-01-01T00:00:00Z", "2026-01-01T00:31:00Z"],
        );
        assert_eq!(hours, ["2026-01-01T05:00:00+05:30", "2026-01-01T06:00:00+05:30"]);
        let days = names(
            "Australia/Lord_Howe",
            Interval::Day,
            ["2026-04-03T13:00:00Z", "2026-04-05T13:30:00Z"],
        );
        assert_eq!(days, ["2026-04-04", "2026-04-05"]);
    }

    #[test]
    fn weeks_begin_on_monday_and_months_on_the_first() {
        let range = ["2026-01-30T23:00:00Z", "2026-02-09T23:00:00Z"];
        assert_eq!(
            names("Europe/Paris", Interval::Week, range),
            ["2026-01-26", "2026-02-02", "2026-02-09"]
        );
        assert_eq!(
            names("Europe/Paris", Interval::Month, range),
            ["2026-01-01", "2026-02-01"]
        );
    }

    #[test]
    fn what_is_no_zone_and_too_many_buckets_are_refused() {
        assert!(Zone::read("Mars/Base").is_err());
        assert!(Zone::read("").is_err());
        let year = 0..365 * DAY_MS.cast_unsigned();
        assert!(Zone::read("UTC").unwrap().buckets(Interval::Minute, &year).is_err());
        assert!(Zone::read("UTC").unwrap().buckets(Interval::Hour, &year).is_ok());
    }
}
