//! When a key ends, as an operator writes it.

use footfall::directory::Refusal;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{Span, Timestamp};

/// Letters of a date alone, `YYYY-MM-DD`.
const DATE_LETTERS: usize = 10;

/// Milliseconds since 1970 of a point in time, of the start of a day in UTC, or of a time from now on.
pub fn parse(text: &str, now_ms: u64) -> Result<u64, Refusal> {
    let refusal = |reason: &str| Refusal {
        field: "expires",
        reason: format!("{text:?} {reason}"),
    };
    let end = point(text).or_else(|| later(text, now_ms));
    let end = end.ok_or_else(|| refusal("is no time such as 90d or 12h, and no date such as 2030-12-31"))?;
    let end_ms = u64::try_from(end.as_millisecond())
        .ok()
        .filter(|end_ms| *end_ms > now_ms);
    end_ms.ok_or_else(|| refusal("is not in the future"))
}

fn point(text: &str) -> Option<Timestamp> {
    if text.len() == DATE_LETTERS {
        let date: Date = text.parse().ok()?;
        return date.to_zoned(TimeZone::UTC).ok().map(|start| start.timestamp());
    }
    text.parse().ok()
}

fn later(text: &str, now_ms: u64) -> Option<Timestamp> {
    let span: Span = text.parse().ok()?;
    let now = Timestamp::from_millisecond(i64::try_from(now_ms).ok()?).ok()?;
    now.to_zoned(TimeZone::UTC)
        .checked_add(span)
        .ok()
        .map(|end| end.timestamp())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 2026-01-31T12:00:00Z
    const NOW: u64 = 1_769_860_800_000;
    const DAY: u64 = 86_400_000;

    #[test]
    fn times_from_now_dates_and_points_in_time_are_read() {
        let rows = [
            ("90d", NOW + 90 * DAY),
            ("12h", NOW + DAY / 2),
            ("1mo", NOW + 28 * DAY),
            ("2026-02-01", NOW + DAY / 2),
            ("2026-02-01T12:00:00Z", NOW + DAY),
            ("2026-02-01T12:00:00+01:00", NOW + DAY - DAY / 24),
        ];
        for (text, end) in rows {
            assert_eq!(parse(text, NOW), Ok(end), "{text}");
        }
    }

    #[test]
    fn what_is_no_time_and_what_is_past_is_refused() {
        for text in ["", "90", "soon", "2026-13-01", "2026-02-01T12:00", "99999999999y"] {
            let said = parse(text, NOW).unwrap_err().to_string();
            assert!(said.starts_with("expires: ") && said.contains("90d"), "{said}");
        }
        for text in ["-1d", "0s", "2026-01-31", "1969-01-01"] {
            assert!(parse(text, NOW).unwrap_err().to_string().contains("future"), "{text}");
        }
    }
}
