//! The same answers by a slow look at every row, in code of its own.

use std::collections::{BTreeMap, BTreeSet};

use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan};
use serde_json::{Value, json};

use super::rows::{OwnedRow, SITE};

/// What a question looks like to the oracle: words, as they are sent.
pub struct Asked<'a> {
    pub metrics: &'a [String],
    pub dimensions: &'a [String],
    pub filters: &'a [Value],
    /// From and to before, in milliseconds.
    pub times: (u64, u64),
    pub zone: &'a str,
    /// Whether visitors are told apart by their lasting id.
    pub stable: bool,
    pub currency: &'a str,
}

/// Each row of the answer: what names it, and its figures.
pub type Rows = BTreeMap<Vec<String>, Vec<Value>>;

impl Asked<'_> {
    /// The answer, and how many rows of machines are not in it: they are, once a question says a word of them.
    pub fn answer(&self, rows: &[OwnedRow]) -> (Rows, u64) {
        let words = format!("{:?} {:?}", self.dimensions, self.filters);
        let all = words.contains("\"bot\"") || words.contains("\"bot_rule\"");
        let (people, machines): (Vec<&OwnedRow>, Vec<_>) = rows.iter().partition(|row| all || !row.bot);
        let left_out = machines.into_iter().filter(|row| self.means(row)).count();
        (self.of(&people), left_out as u64)
    }

    fn of(&self, rows: &[&OwnedRow]) -> Rows {
        let mut groups: BTreeMap<Vec<String>, Vec<&OwnedRow>> = BTreeMap::new();
        if self.dimensions.is_empty() {
            groups.insert(Vec::new(), Vec::new());
        }
        if let [only] = self.dimensions
            && let Some(interval) = only.strip_prefix("time:")
        {
            for name in self.all_buckets(interval) {
                groups.insert(vec![json!(name).to_string()], Vec::new());
            }
        }
        for row in rows.iter().copied().filter(|row| self.means(row)) {
            let key = self
                .dimensions
                .iter()
                .map(|name| self.value(row, name).to_string())
                .collect();
            groups.entry(key).or_default().push(row);
        }
        let figures = |key: &Vec<String>, of_group: &Vec<&OwnedRow>| {
            let figure = |metric: &String| match metric.as_str() {
                "active_users" => self.active_users(rows, &key[0]),
                _ => self.figure(of_group, metric),
            };
            self.metrics.iter().map(figure).collect()
        };
        groups
            .iter()
            .map(|(key, rows)| (key.clone(), figures(key, rows)))
            .collect()
    }

    /// Users of the thirty days that end with a day, also those before the range.
    fn active_users(&self, rows: &[&OwnedRow], day: &str) -> Value {
        let last: Date = day.trim_matches('"').parse().unwrap();
        let first = last.checked_sub(29.days()).unwrap();
        let within = |row: &OwnedRow| {
            let day: Date = self.bucket(row.time_ms, "day").parse().unwrap();
            (first..=last).contains(&day)
        };
        let always = Asked {
            times: (0, self.times.1),
            ..*self
        };
        let meant = rows.iter().filter(|row| always.means(row) && within(row));
        let users: BTreeSet<&str> = meant.map(|row| &*row.user).filter(|user| !user.is_empty()).collect();
        json!(users.len())
    }

    fn means(&self, row: &OwnedRow) -> bool {
        let (from, to) = self.times;
        row.site == SITE
            && from <= row.time_ms
            && row.time_ms < to
            && self.filters.iter().all(|filter| self.holds(row, filter))
    }

    pub fn holds(&self, row: &OwnedRow, filter: &Value) -> bool {
        let among = |accepts: &dyn Fn(&str, &str) -> bool| {
            let value = self.value(row, filter[1].as_str().unwrap());
            let wanted = filter[2].as_array().unwrap();
            wanted.iter().any(|wanted| match (&value, wanted) {
                (Value::Null, Value::Null) => true,
                (Value::String(value), Value::String(wanted)) => accepts(value, wanted),
                _ => false,
            })
        };
        match filter[0].as_str().unwrap() {
            "is" => among(&|value, wanted| value == wanted),
            "is_not" => !among(&|value, wanted| value == wanted),
            "contains" => among(&|value, wanted| value.contains(wanted)),
            "matches" => among(&|value, wanted| regex::Regex::new(wanted).unwrap().is_match(value)),
            "and" => filter[1]
                .as_array()
                .unwrap()
                .iter()
                .all(|filter| self.holds(row, filter)),
            "or" => filter[1]
                .as_array()
                .unwrap()
                .iter()
                .any(|filter| self.holds(row, filter)),
            "not" => !self.holds(row, &filter[1]),
            other => panic!("{other}"),
        }
    }

    pub fn value(&self, row: &OwnedRow, dimension: &str) -> Value {
        let text = |text: &str| if text.is_empty() { Value::Null } else { json!(text) };
        if let Some(interval) = dimension.strip_prefix("time:") {
            return json!(self.bucket(row.time_ms, interval));
        }
        if let Some(path) = dimension.strip_prefix("property:") {
            return property(row, path).map_or(Value::Null, |value| match value {
                Value::String(text) => json!(text),
                Value::Bool(flag) => json!(flag.to_string()),
                number => json!(number.as_f64().unwrap().to_string()),
            });
        }
        match dimension {
            "name" => text(&row.name),
            "country" => text(row.country),
            "city" => text(&row.city),
            "host" => text(&row.host),
            "path" => text(&row.path),
            "user" => text(&row.user),
            "session" => text(&row.session),
            "browser" => text(row.browser),
            "source" => text(&row.source),
            "bot" => json!(row.bot.to_string()),
            "bot_rule" => text(row.bot_rule()),
            "currency" => row.revenue.map_or(Value::Null, |(_, currency)| json!(currency)),
            "address" => row.address.map_or(Value::Null, |address| json!(address.to_string())),
            "screen" => row
                .screen
                .map_or(Value::Null, |(width, height)| json!(format!("{width}x{height}"))),
            "visitor" => self.visitor(row).map_or(Value::Null, |visitor| json!(visitor)),
            other => panic!("{other}"),
        }
    }

    fn visitor(&self, row: &OwnedRow) -> Option<String> {
        if self.stable {
            row.visitor.clone()
        } else {
            row.daily
                .filter(|_| row.visitor.is_none())
                .map(|hash| format!("{hash:016x}"))
        }
    }

    fn figure(&self, rows: &[&OwnedRow], metric: &str) -> Value {
        let distinct = |of: &dyn Fn(&OwnedRow) -> Option<String>| {
            json!(
                rows.iter()
                    .filter_map(|row| of(row))
                    .collect::<BTreeSet<String>>()
                    .len()
            )
        };
        let some = |text: &String| (!text.is_empty()).then(|| text.clone());
        let money = || -> Vec<f64> {
            let ours = rows
                .iter()
                .filter_map(|row| row.revenue)
                .filter(|(_, currency)| *currency == self.currency);
            ours.map(|(minor, _)| minor as f64).collect()
        };
        let numbers =
            |path: &str| -> Vec<f64> { rows.iter().filter_map(|row| property(row, path)?.as_f64()).collect() };
        let mean = |numbers: &[f64]| {
            if numbers.is_empty() {
                Value::Null
            } else {
                json!(numbers.iter().sum::<f64>() / numbers.len() as f64)
            }
        };
        match metric.split_once(':') {
            Some(("count", path)) => json!(numbers(path).len()),
            Some(("sum", path)) => json!(numbers(path).iter().sum::<f64>()),
            Some(("average", path)) => mean(&numbers(path)),
            _ => match metric {
                "events" => json!(rows.len()),
                "pageviews" => json!(
                    rows.iter()
                        .filter(|row| ["pageview", "page_view"].contains(&&*row.name))
                        .count()
                ),
                "visitors" => distinct(&|row| self.visitor(row)),
                "users" => distinct(&|row| some(&row.user)),
                "sessions" => distinct(&|row| some(&row.session)),
                "first_seen" => moment(rows.iter().map(|row| row.time_ms).min()),
                "last_seen" => moment(rows.iter().map(|row| row.time_ms).max()),
                "revenue" => json!(money().iter().sum::<f64>()),
                "average_revenue" => mean(&money()),
                other => panic!("{other}"),
            },
        }
    }

    pub fn bucket(&self, time_ms: u64, interval: &str) -> String {
        let zone = TimeZone::get(self.zone).unwrap();
        let zoned = Timestamp::from_millisecond(time_ms.cast_signed())
            .unwrap()
            .to_zoned(zone);
        let (date, time) = (zoned.date(), zoned.time());
        let step = match interval {
            "day" => return date.to_string(),
            "week" => {
                let monday = i64::from(date.weekday().to_monday_zero_offset());
                return date.checked_sub(monday.days()).unwrap().to_string();
            }
            "month" => return date.first_of_month().to_string(),
            "hour" => 60,
            "15min" => 15,
            "minute" => 1,
            other => panic!("{other}"),
        };
        let minutes = (i32::from(time.hour()) * 60 + i32::from(time.minute())) / step * step;
        let seconds = zoned.offset().seconds();
        let (sign, east) = (if seconds < 0 { '-' } else { '+' }, seconds.abs() / 60);
        format!(
            "{date}T{:02}:{:02}:00{sign}{:02}:{:02}",
            minutes / 60,
            minutes % 60,
            east / 60,
            east % 60
        )
    }

    /// The bucket of every minute of the range.
    pub fn all_buckets(&self, interval: &str) -> BTreeSet<String> {
        let (from, to) = self.times;
        let step = if interval == "minute" { 60_000 } else { 900_000 };
        let aligned = (from / step * step + step..to).step_by(usize::try_from(step).unwrap());
        std::iter::once(from)
            .chain(aligned)
            .map(|time| self.bucket(time, interval))
            .collect()
    }
}

fn moment(time_ms: Option<u64>) -> Value {
    time_ms.map_or(Value::Null, |time_ms| {
        let time = Timestamp::from_millisecond(time_ms.cast_signed()).unwrap();
        json!(format!("{time:.3}"))
    })
}

/// Numbers are equal when only the order of summing can tell them apart.
pub fn same(left: &Value, right: &Value) -> bool {
    match (left.as_f64(), right.as_f64()) {
        (Some(left), Some(right)) => (left - right).abs() <= 1e-9 * left.abs().max(1.0),
        _ => left == right,
    }
}

/// A property that can be asked for: a scalar at a path.
fn property(row: &OwnedRow, path: &str) -> Option<Value> {
    let object: Value = serde_json::from_str(&row.properties).ok()?;
    let at_once = object.get(path);
    let nested = || path.split('.').try_fold(&object, |value, key| value.get(key));
    let value = at_once.or_else(nested)?;
    (!value.is_null() && !value.is_array() && !value.is_object()).then(|| value.clone())
}
