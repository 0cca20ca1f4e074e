//! What a dashboard asks for, in the parameters of its calls.

use std::borrow::Cow;

use jiff::civil::{Date, DateTime};
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp, ToSpan};

use super::Wrong;
use super::page_url::UNITS_MAX;
use crate::query::{DateRange, Moment};

/// Sessions of a page.
pub const PAGE_SESSIONS: usize = 10;
/// Pages that can be asked for: whatever stands before one has to be put in order, too.
const PAGES_MAX: usize = 1_000;

const RANGE: &str = "dateRange must be one of the following values: 24h, 7d, 30d, custom";
const START: &str = "startDate must be a valid ISO 8601 date string";
const END: &str = "endDate must be a valid ISO 8601 date string";
const URL: &str = "url must be a string";
const PAGE: &str = "page must be an integer number";
const PAGE_MIN: &str = "page must not be less than 1";

/// What is asked of a time.
#[derive(Debug, Clone, PartialEq)]
pub struct Asked {
    /// When; `None` is no time at all: the end lies before the beginning.
    pub range: Option<DateRange>,
    /// Whether figures are told by the hour.
    pub hourly: bool,
    /// What the URLs of pages must contain, or be.
    pub url: Option<Box<str>>,
    /// Which page of a list, from 1.
    pub page: usize,
}

/// Whether a list is asked for, which has pages.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wanted {
    /// Figures.
    Figures,
    /// A page of a list.
    Page,
}

/// A parameter's value.
enum Given<'a> {
    Nothing,
    Once(&'a str),
    /// More than once, or as a list.
    Often,
}

impl Asked {
    /// Reads the parameters of a call.
    ///
    /// # Errors
    /// Some are wrong: all of these are told.
    pub fn read(query: &str, wanted: Wanted, now_ms: u64) -> Result<Self, Wrong> {
        let parameters: Vec<(Cow<'_, str>, Cow<'_, str>)> = form_urlencoded::parse(query.as_bytes()).collect();
        let given = |name: &str| {
            let is_list = |known: &str| known.strip_prefix(name).is_some_and(|rest| rest.starts_with('['));
            let mut values = parameters.iter().filter(|(known, _)| known == name || is_list(known));
            match (values.next(), values.next()) {
                (None, _) => Given::Nothing,
                (Some((known, value)), None) if known == name => Given::Once(value),
                _ => Given::Often,
            }
        };
        let mut wrong: Vec<Cow<'static, str>> = Vec::new();
        let (range, hourly) = match given("dateRange") {
            Given::Once("24h") => (Some(DateRange::Hours(24)), true),
            Given::Once("7d") => (Some(DateRange::Hours(7 * 24)), false),
            Given::Once("30d") => (Some(DateRange::Hours(30 * 24)), false),
            Given::Once("custom") => {
                let date = |name| match given(name) {
                    Given::Once(text) => Day::read(text),
                    Given::Nothing | Given::Often => None,
                };
                let (start, end) = (date("startDate"), date("endDate"));
                wrong.extend(start.is_none().then_some(Cow::Borrowed(START)));
                wrong.extend(end.is_none().then_some(Cow::Borrowed(END)));
                start
                    .zip(end)
                    .map_or((None, false), |(start, end)| custom(start, end, now_ms))
            }
            Given::Once(_) | Given::Nothing | Given::Often => {
                wrong.push(RANGE.into());
                (None, false)
            }
        };
        let url = match given("url") {
            Given::Nothing | Given::Once("") => None,
            Given::Once(url) => Some(Box::from(url)),
            Given::Often => {
                wrong.push(URL.into());
                None
            }
        };
        let mut page = 1;
        if wanted == Wanted::Page {
            match page_of(&given("page")) {
                Ok(number) => page = number,
                Err(message) => wrong.push(message),
            }
        }
        // No page's URL contains one that is longer than it may be.
        let is_long = |url: &str| url.encode_utf16().count() > UNITS_MAX;
        let range = range.filter(|_| !url.as_deref().is_some_and(is_long));
        if wrong.is_empty() {
            Ok(Self {
                range,
                hourly,
                url,
                page,
            })
        } else {
            Err(Wrong::Fields(wrong))
        }
    }
}

fn page_of(given: &Given<'_>) -> Result<usize, Cow<'static, str>> {
    let number = match given {
        Given::Once(text) => text.trim().parse::<f64>().ok().filter(|number| !number.is_nan()),
        Given::Nothing | Given::Often => None,
    };
    let Some(number) = number.filter(|number| *number >= 1.0) else {
        return Err(PAGE_MIN.into());
    };
    if number > PAGES_MAX as f64 {
        return Err(format!("page must not be greater than {PAGES_MAX}").into());
    }
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "between 1 and PAGES_MAX"
    )]
    let whole = number as usize;
    if (whole as f64 - number).abs() > f64::EPSILON {
        return Err(PAGE.into());
    }
    Ok(whole)
}

/// A date or a time as it is given.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Day {
    at: Timestamp,
    /// A day as a whole.
    is_whole: bool,
}

impl Day {
    fn read(text: &str) -> Option<Self> {
        let whole = |date: Date| {
            // The last days of the year 9999 are no times of the world.
            let at = date
                .to_zoned(TimeZone::UTC)
                .map_or(Timestamp::MAX, |start| start.timestamp());
            Some(Self { at, is_whole: true })
        };
        let digits = text.bytes().all(|byte| byte.is_ascii_digit() || byte == b'-');
        match text.len() {
            4 if digits => return whole(format!("{text}-01-01").parse().ok()?),
            7 if digits => return whole(format!("{text}-01").parse().ok()?),
            10 => return whole(text.parse().ok()?),
            _ => {}
        }
        let time = text.get(10..).filter(|_| text.len() > 10)?;
        // A plus that nobody encoded arrives as a space.
        let with_plus;
        let text = if time.starts_with(['T', 't', ' ']) && time.get(1..).is_some_and(|rest| rest.contains(' ')) {
            let (before, after) = text.rsplit_once(' ')?;
            with_plus = format!("{before}+{after}");
            &with_plus
        } else {
            text
        };
        let has_zone = text.get(10..)?.contains(['Z', 'z', '+', '-']);
        let at = if has_zone {
            text.parse().ok()?
        } else {
            text.parse::<DateTime>().ok()?.to_zoned(TimeZone::UTC).ok()?.timestamp()
        };
        Some(Self { at, is_whole: false })
    }
}

/// The time between two moments, both of which belong to it, and whether it is told by the hour. A day as a whole belongs
/// to it as a whole; a moment and itself mean its day.
fn custom(start: Day, end: Day, now_ms: u64) -> (Option<DateRange>, bool) {
    let day = |at: Timestamp| at.to_zoned(TimeZone::UTC).start_of_day().map(|start| start.timestamp());
    let next = |at: Timestamp| at.checked_add(24.hours());
    let apart = end.at.duration_since(start.at);
    let hourly = apart < SignedDuration::from_hours(48);
    let (from, to) = if start.at == end.at {
        (day(start.at), day(start.at).and_then(next))
    } else if end.is_whole {
        (Ok(start.at), next(end.at))
    } else {
        (Ok(start.at), end.at.checked_add(1.millisecond()))
    };
    // Nothing happened before, or will have by now: there need be no buckets for it.
    let now = Timestamp::from_millisecond(now_ms.cast_signed()).unwrap_or(Timestamp::MAX);
    let soon = next(now).unwrap_or(Timestamp::MAX);
    let from = from.unwrap_or(Timestamp::MAX).max(Timestamp::UNIX_EPOCH);
    let to = to.unwrap_or(Timestamp::MAX).min(soon);
    let range = (from < to).then_some(DateRange::Between(Moment::Instant(from), Moment::Instant(to)));
    (range, hourly)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const NOW: u64 = 1_795_000_000_000;

    fn wrong(query: &str, wanted: Wanted) -> Vec<String> {
        match Asked::read(query, wanted, NOW) {
            Err(Wrong::Fields(messages)) => messages.into_iter().map(Cow::into_owned).collect(),
            other => panic!("{query}: {other:?}"),
        }
    }

    fn custom_of(dates: [&str; 2]) -> (serde_json::Value, bool) {
        let [start, end] = dates;
        let query = format!("dateRange=custom&startDate={start}&endDate={end}");
        let asked = Asked::read(&query, Wanted::Figures, NOW).unwrap();
        (asked.range.map_or(json!(null), |range| range.to_json()), asked.hourly)
    }

    #[test]
    fn a_range_is_one_of_four_and_dates_count_for_one_of_them() {
        for query in [
            "",
            "dateRange=",
            "dateRange=1d",
            "dateRange[]=24h",
            "dateRange=24h&dateRange=24h",
            "daterange=24h",
        ] {
            assert_eq!(wrong(query, Wanted::Figures), [RANGE], "{query}");
        }
        for (range, hourly) in [("24h", true), ("7d", false), ("30d", false)] {
            let query = format!("dateRange={range}&startDate=nonsense&endDate=");
            let asked = Asked::read(&query, Wanted::Figures, NOW).unwrap();
            assert_eq!((asked.hourly, asked.range.is_some()), (hourly, true));
        }
        assert_eq!(wrong("dateRange=custom", Wanted::Figures), [START, END]);
        assert_eq!(wrong("dateRange=custom&startDate=2025-08-01", Wanted::Figures), [END]);
        assert_eq!(
            wrong(
                "dateRange=custom&startDate=x&endDate=2025-08-01&url[]=a&page=0",
                Wanted::Page
            ),
            [START, URL, PAGE_MIN]
        );
    }

    #[test]
    fn dates_are_read_as_dashboards_write_them() {
        let (range, hourly) = custom_of(["2025-08-01T00:00:00.000Z", "2025-08-03T00:00:00.000Z"]);
        assert_eq!(
            (range, hourly),
            (json!(["2025-08-01T00:00:00Z", "2025-08-03T00:00:00.001Z"]), false)
        );
        let (range, hourly) = custom_of(["2025-08-01T00%3A00%3A00.000Z", "2025-08-02T23:59:59.999Z"]);
        assert_eq!(
            (range, hourly),
            (json!(["2025-08-01T00:00:00Z", "2025-08-03T00:00:00Z"]), true)
        );
        for same in [
            "2025-08-01",
            "2025-08-01T00:00:00.000Z",
            "2025-08-01T13:00:00Z",
            "2025-08-01+13:00:00",
            "2025-08-01T13:00:00+00:00",
            "2025-08-01T13:00:00%2B00:00",
        ] {
            let (range, hourly) = custom_of([same, same]);
            assert_eq!(
                (range, hourly),
                (json!(["2025-08-01T00:00:00Z", "2025-08-02T00:00:00Z"]), true),
                "{same}"
            );
        }
        let (range, hourly) = custom_of(["2025-08-01", "2025-08-02"]);
        assert_eq!(
            (range, hourly),
            (json!(["2025-08-01T00:00:00Z", "2025-08-03T00:00:00Z"]), true)
        );
        assert_eq!(
            custom_of(["2025", "2025-08"]).0,
            json!(["2025-01-01T00:00:00Z", "2025-08-02T00:00:00Z"])
        );
        // What is not there yet, or never was, is no time.
        assert_eq!(custom_of(["2025-08-02", "2025-08-01"]).0, json!(null));
        assert_eq!(custom_of(["9999-01-01", "9999-12-31"]).0, json!(null));
        let (range, _) = custom_of(["0001-01-01", "9999-12-31"]);
        assert_eq!(range, json!(["1970-01-01T00:00:00Z", "2026-11-19T11:06:40Z"]));
        for bad in [
            "",
            "today",
            "2025-13-01",
            "2025-02-30",
            "2025-08-01T25:00:00Z",
            "1754006400000",
            "%00",
            "2025-08-01T",
            "ü025-08-01",
        ] {
            let query = format!("dateRange=custom&startDate={bad}&endDate=2025-08-01");
            assert_eq!(wrong(&query, Wanted::Figures), [START], "{bad}");
        }
    }

    #[test]
    fn a_page_is_a_number_from_one_on() {
        let page =
            |text: &str| Asked::read(&format!("dateRange=7d&page={text}"), Wanted::Page, NOW).map(|asked| asked.page);
        assert_eq!(page("1"), Ok(1));
        assert_eq!(page("1000"), Ok(1_000));
        assert_eq!(wrong("dateRange=7d", Wanted::Page), [PAGE_MIN]);
        for (text, message) in [
            ("", PAGE_MIN),
            ("0", PAGE_MIN),
            ("-1", PAGE_MIN),
            ("x", PAGE_MIN),
            ("NaN", PAGE_MIN),
            ("1&page=2", PAGE_MIN),
            ("1.5", PAGE),
            ("1001", "page must not be greater than 1000"),
            ("1e99", "page must not be greater than 1000"),
            ("inf", "page must not be greater than 1000"),
        ] {
            assert_eq!(
                wrong(&format!("dateRange=7d&page={text}"), Wanted::Page),
                [message],
                "{text}"
            );
        }
    }

    #[test]
    fn a_url_comes_as_it_is_written_in_a_query() {
        let url = |text: &str| {
            Asked::read(&format!("dateRange=7d&url={text}"), Wanted::Figures, NOW)
                .unwrap()
                .url
        };
        assert_eq!(url("a+b%20c%2Bd").as_deref(), Some("a b c+d"));
        assert_eq!(
            url("https://a.example/?x[]=1").as_deref(),
            Some("https://a.example/?x[]=1")
        );
        assert_eq!(url(""), None);
    }
}
