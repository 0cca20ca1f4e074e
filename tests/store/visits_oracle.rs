//! Visits by a slow look at every row, in code of its own.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use super::oracle::Asked;
use super::rows::{OwnedRow, SITE};

/// What is an event's alone.
const OF_EVENTS: [&str; 2] = ["path", "name"];
pub const MINUTE_MS: u64 = 60_000;
const HALF_HOUR_MS: u64 = 30 * MINUTE_MS;
const DAY_MS: u64 = 24 * 60 * MINUTE_MS;

/// A visit, as a slow look finds it: places of rows, in the order in which they came.
#[derive(Debug, Clone)]
pub struct Slow {
    pub rows: Vec<usize>,
    pub taken: (u64, u64),
}

pub fn who(row: &OwnedRow) -> (Option<&str>, Option<u64>) {
    (row.visitor.as_deref(), row.daily.filter(|_| row.visitor.is_none()))
}

/// The visits of all rows of the site.
pub fn slowly(rows: &[OwnedRow]) -> Vec<Slow> {
    let mut all: Vec<Slow> = Vec::new();
    let (mut site_ms, mut received_ms) = (0, 0);
    for (place, row) in rows.iter().enumerate() {
        received_ms = row.received_ms.max(received_ms);
        if row.site != SITE {
            continue;
        }
        site_ms = row.time_ms.max(site_ms);
        let is_near = |slow: &&mut Slow| {
            let times: Vec<u64> = slow.rows.iter().map(|place| rows[*place].time_ms).collect();
            let (from, to) = (times.iter().min().unwrap(), times.iter().max().unwrap());
            who(&rows[slow.rows[0]]) == who(row)
                && site_ms < slow.taken.0 + HALF_HOUR_MS
                && received_ms < slow.taken.1 + HALF_HOUR_MS
                && row.time_ms < to + HALF_HOUR_MS
                && *from < row.time_ms + HALF_HOUR_MS
        };
        let end = |slow: &&mut Slow| slow.rows.iter().map(|place| rows[*place].time_ms).max();
        let slow = all.iter_mut().filter(is_near).max_by_key(end);
        let taken = (site_ms, received_ms);
        match slow {
            Some(slow) => {
                slow.rows.push(place);
                slow.taken = taken;
            }
            None => all.push(Slow {
                rows: vec![place],
                taken,
            }),
        }
    }
    all
}

/// A question, and what is known to whoever looks slowly.
pub struct Slowly<'a> {
    pub rows: &'a [OwnedRow],
    pub visits: &'a [Slow],
    pub asked: Asked<'a>,
}

impl Slowly<'_> {
    fn of(&self, visit: &Slow) -> Vec<&OwnedRow> {
        visit.rows.iter().map(|place| &self.rows[*place]).collect()
    }

    /// What says how a visit came: the row that happened first.
    fn first<'r>(rows: &[&'r OwnedRow]) -> &'r OwnedRow {
        rows.iter().min_by_key(|row| row.time_ms).unwrap()
    }

    pub fn views<'r>(rows: &[&'r OwnedRow]) -> Vec<&'r OwnedRow> {
        let is_view = |row: &&&OwnedRow| ["pageview", "page_view"].contains(&&*row.name);
        rows.iter().filter(is_view).copied().collect()
    }

    fn value(&self, visit: &[&OwnedRow], dimension: &str) -> Value {
        let views = Self::views(visit);
        let page = match dimension {
            "entry_page" => views.iter().min_by_key(|row| row.time_ms),
            "exit_page" => views.iter().max_by_key(|row| row.time_ms),
            _ => return self.asked.value(Self::first(visit), dimension),
        };
        page.map_or(Value::Null, |row| json!(row.path))
    }

    fn is_of(filter: &Value, names: &[&str]) -> bool {
        names
            .iter()
            .any(|name| filter.to_string().contains(&format!("\"{name}\"")))
    }

    fn visit_holds(&self, visit: &[&OwnedRow], filter: &Value) -> bool {
        let is = |value: &Value| filter[2].as_array().unwrap().contains(value);
        match filter[0].as_str().unwrap() {
            "not" => !self.visit_holds(visit, &filter[1]),
            "is" => is(&self.value(visit, filter[1].as_str().unwrap())),
            other => panic!("{other}"),
        }
    }

    /// Visits that are meant, with their rows.
    fn meant(&self) -> Vec<Vec<&OwnedRow>> {
        let (from, to) = self.asked.times;
        let (of_events, others): (Vec<&Value>, Vec<&Value>) = self
            .asked
            .filters
            .iter()
            .partition(|filter| Self::is_of(filter, &OF_EVENTS));
        let is_meant = |rows: &Vec<&OwnedRow>| {
            let start = Self::first(rows).time_ms;
            let has_event = |row: &&OwnedRow| {
                from <= row.time_ms
                    && row.time_ms < to + DAY_MS
                    && of_events.iter().all(|filter| self.asked.holds(row, filter))
            };
            from <= start
                && start < to
                && !rows[0].bot
                && others.iter().all(|filter| self.visit_holds(rows, filter))
                && (of_events.is_empty() || rows.iter().any(has_event))
        };
        self.visits
            .iter()
            .map(|visit| self.of(visit))
            .filter(is_meant)
            .collect()
    }

    /// The figures of visits by what names their groups.
    pub fn answer(&self) -> BTreeMap<String, Vec<Value>> {
        let mut groups: BTreeMap<String, Vec<Vec<&OwnedRow>>> = BTreeMap::new();
        for visit in self.meant() {
            let key: Vec<Value> = self
                .asked
                .dimensions
                .iter()
                .map(|name| self.value(&visit, name))
                .collect();
            groups.entry(json!(key).to_string()).or_default().push(visit);
        }
        let figures = |visits: &Vec<Vec<&OwnedRow>>| {
            let metrics = self.asked.metrics.iter();
            metrics.map(|metric| self.figure(visits, metric)).collect()
        };
        groups
            .iter()
            .map(|(key, visits)| (key.clone(), figures(visits)))
            .collect()
    }

    fn figure(&self, visits: &[Vec<&OwnedRow>], metric: &str) -> Value {
        let of = |each: &dyn Fn(&Vec<&OwnedRow>) -> u64| visits.iter().map(each).sum::<u64>();
        let mean = |sum: u64| json!(sum as f64 / visits.len() as f64);
        let seconds = |rows: &Vec<&OwnedRow>| {
            let times = || rows.iter().map(|row| row.time_ms);
            (times().max().unwrap() - times().min().unwrap()) / 1_000
        };
        match metric {
            "visits" => json!(visits.len()),
            "bounce_rate" => mean(100 * of(&|rows| u64::from(rows.len() == 1))),
            "short_visit_rate" => mean(100 * of(&|rows| u64::from(seconds(rows) < 60))),
            "visit_duration" => mean(of(&seconds)),
            "views_per_visit" => mean(of(&|rows| Self::views(rows).len() as u64)),
            "events" => json!(of(&|rows| rows.len() as u64)),
            "pageviews" => json!(of(&|rows| Self::views(rows).len() as u64)),
            "visitors" => {
                let all = visits
                    .iter()
                    .filter_map(|rows| match (self.asked.stable, who(rows[0])) {
                        (true, (Some(id), _)) => Some(id.to_owned()),
                        (false, (None, Some(hash))) => Some(hash.to_string()),
                        _ => None,
                    });
                json!(all.collect::<BTreeSet<String>>().len())
            }
            "users" => json!(0),
            other => panic!("{other}"),
        }
    }
}
