//! A month of event time, which is what an index holds and what retention drops.

use std::fmt;
use std::ops::Range;

use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan};

/// A calendar month in UTC.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Month(i32);

impl Month {
    /// The month of a time in milliseconds since 1970; times that no calendar has fall into its last month.
    pub fn of(time_ms: u64) -> Self {
        let instant = i64::try_from(time_ms)
            .ok()
            .and_then(|ms| Timestamp::from_millisecond(ms).ok());
        let date = instant.unwrap_or(Timestamp::MAX).to_zoned(TimeZone::UTC).date();
        Self::with(i32::from(date.year()), i32::from(date.month()))
    }

    /// Reads `2026-11`.
    pub fn parse(name: &str) -> Option<Self> {
        let (year, month) = name.split_once('-')?;
        let month = Self::with(
            year.parse().ok()?,
            month.parse().ok().filter(|month| (1..=12).contains(month))?,
        );
        (month.to_string() == name).then_some(month)
    }

    /// The times of the month, in milliseconds since 1970.
    pub fn times(self) -> Range<u64> {
        Self::start(self)..Self::start(Self(self.0 + 1))
    }

    const fn with(year: i32, month: i32) -> Self {
        Self(year * 12 + month - 1)
    }

    fn start(month: Self) -> u64 {
        let year = i16::try_from(month.0.div_euclid(12)).unwrap_or(i16::MAX);
        let number = i8::try_from(month.0.rem_euclid(12) + 1).unwrap_or(1);
        let first = Date::new(year, number, 1).and_then(|date| date.to_zoned(TimeZone::UTC));
        // Beyond the calendar's end there is no month to follow.
        first.map_or(u64::MAX, |first| {
            u64::try_from(first.timestamp().as_millisecond()).unwrap_or(0)
        })
    }

    /// The first month that must be kept when events are kept for some days.
    pub fn oldest_kept(now_ms: u64, keep_days: u32) -> Self {
        let now = i64::try_from(now_ms)
            .ok()
            .and_then(|ms| Timestamp::from_millisecond(ms).ok());
        let oldest = now.and_then(|now| now.checked_sub((i64::from(keep_days) * 24).hours()).ok());
        oldest.map_or(Self::of(0), |oldest| {
            Self::of(u64::try_from(oldest.as_millisecond()).unwrap_or(0))
        })
    }
}

impl fmt::Display for Month {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:04}-{:02}", self.0.div_euclid(12), self.0.rem_euclid(12) + 1)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_time_lies_in_its_month_and_the_name_reads_back(time_ms in 0u64..4_000_000_000_000) {
            let month = Month::of(time_ms);
            prop_assert!(month.times().contains(&time_ms));
            prop_assert_eq!(Month::parse(&month.to_string()), Some(month));
        }
    }

    #[test]
    fn months_touch_and_other_names_are_none() {
        let month = Month::parse("2026-12").unwrap();
        assert_eq!(Month::of(month.times().end).to_string(), "2027-01");
        assert_eq!(Month::of(month.times().end - 1), month);
        for name in ["2026-13", "2026-00", "2026-1", "2026", "", "2026-12.damaged", "+026-01"] {
            assert_eq!(Month::parse(name), None, "{name}");
        }
        assert_eq!(Month::of(u64::MAX).to_string(), "9999-12");
    }

    #[test]
    fn a_month_is_kept_while_any_of_its_days_must_be() {
        let (december, january) = (Month::parse("2026-12").unwrap(), Month::parse("2027-01").unwrap());
        let day = 86_400_000;
        assert_eq!(Month::oldest_kept(january.times().start + 29 * day, 30), december);
        assert_eq!(Month::oldest_kept(january.times().start + 30 * day, 30), january);
    }
}
