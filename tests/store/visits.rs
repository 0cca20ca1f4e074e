//! Visits equal what a slow look at every row gives, while some of them go on.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use footfall::apply::{Activity, Joined, Sessions};
use footfall::event::Session;
use footfall::query::Answer;
use footfall::store::{Snapshot, Store, StoreLimits};
use serde_json::{Value, json};

use super::answers::{NOW_MS, ZONES, ask, distinct, pick, site, words};
use super::dice::Dice;
use super::oracle::{Asked, same};
use super::rows::OwnedRow;
use super::visits_oracle::{MINUTE_MS, Slow, Slowly, slowly};

const METRICS: [&str; 9] = [
    "visits",
    "bounce_rate",
    "visit_duration",
    "views_per_visit",
    "short_visit_rate",
    "events",
    "pageviews",
    "visitors",
    "users",
];
const OF_BOTH: [&str; 7] = [
    "country",
    "city",
    "browser",
    "source",
    "time:15min",
    "time:day",
    "time:month",
];
const OF_VISITS: [&str; 2] = ["entry_page", "exit_page"];

/// Rows in the order in which they came, many of them late.
fn stream(dice: &mut Dice, count: u64) -> Vec<OwnedRow> {
    let first: jiff::Timestamp = "2026-10-24T20:00:00Z".parse().unwrap();
    let mut now = first.as_millisecond().cast_unsigned();
    (1..=count)
        .map(|sequence| {
            now += match dice.below(40) {
                0 => 7 * 60 * MINUTE_MS,
                1..8 => dice.below(40) * MINUTE_MS,
                _ => dice.below(2 * MINUTE_MS),
            };
            let late = match dice.below(8) {
                0 => dice.below(90) * MINUTE_MS,
                1 => dice.below(5) * MINUTE_MS,
                _ => 0,
            };
            let mut row = OwnedRow::random(dice, sequence, now - late);
            row.received_ms = now;
            row.visitor = (dice.below(2) == 0).then(|| format!("visitor-{}", dice.below(5)));
            row.daily = Some(dice.below(4));
            (row.user, row.session) = (String::new(), String::new());
            // A visitor is a machine or is none.
            row.bot = row.visitor.is_none() && row.daily == Some(0);
            row
        })
        .collect()
}

/// Both stores, filled as the gateway fills them.
fn fill(folder: &Path, rows: &[OwnedRow], commit_every: u64) -> (Store, Store) {
    let open = |name: &str| {
        let limits = StoreLimits {
            writer_bytes: 15 << 20,
            writers_max: 2,
            ..StoreLimits::default()
        };
        let folder = folder.join(name);
        let opened = if name == "events" {
            Store::open(&folder, limits)
        } else {
            Store::open_sessions(&folder, limits)
        };
        opened.unwrap().0
    };
    let (mut events, mut over) = (open("events"), open("sessions"));
    let mut sessions = Sessions::<Arc<Session>>::new(&[3; 16], 10_000);
    for owned in rows {
        let mut row = owned.row();
        let who = sessions.who(&row.event).unwrap();
        let activity = Activity {
            site: owned.site,
            who,
            time_ms: owned.time_ms,
            received_ms: owned.received_ms,
            sequence: row.sequence,
        };
        let begin = |number| Arc::new(Session::begin(number, &row));
        let number = match sessions.take(&activity, Some(begin)) {
            Joined::Began(open) => open.number,
            Joined::Joined(open) => {
                Arc::make_mut(&mut open.kept).join(&row);
                open.number
            }
            Joined::Nobody => panic!("everyone has a session"),
        };
        for open in sessions.take_over() {
            over.append_session(row.sequence, &open.kept).unwrap();
        }
        over.end_frame(row.sequence).unwrap();
        row.visit = Some(number);
        events.append(&row).unwrap();
        if owned.sequence % commit_every == 0 {
            over.commit().unwrap();
            events.commit().unwrap();
            let open = sessions.iter().map(|open| open.kept.clone()).collect();
            events.library().put_sessions(&over.library(), open);
        }
    }
    let (all, open) = events.library().snapshot().sessions();
    assert!(open > 0 && all > 5 * open, "{all} sessions, {open} of them open");
    (events, over)
}

fn filter(dice: &mut Dice, dimension: &str) -> Value {
    let values: &[&str] = match dimension {
        "country" => &["de", "gb", "us"],
        "source" => &["Google", "direct"],
        "name" => &["purchase", "pageview", "sign up"],
        _ => &["/a/0", "/a/1", "/B/2", "/blog/3", "/B/0"],
    };
    let count = 1 + dice.below(3);
    let is = json!(["is", dimension, distinct(dice, values, count)]);
    if dice.below(4) == 0 { json!(["not", is]) } else { is }
}

/// A question of which visits are the answer.
fn question(dice: &mut Dice) -> Value {
    let by_page = dice.below(2) == 0;
    let mut dimensions = distinct(dice, &OF_BOTH[..4], dice.clone().below(2));
    if dice.below(2) == 0 {
        dimensions.push(pick(dice, &OF_BOTH[4..]));
    }
    if by_page {
        dimensions.push(pick(dice, &OF_VISITS));
    }
    // What is an event's by nature is answered from visits only where the question is by what only these have.
    let metrics = if by_page { &METRICS[..] } else { &METRICS[..4] };
    let (many, names) = (
        1 + dice.below(3),
        ["country", "source", "entry_page", "exit_page", "path", "name"],
    );
    let metrics = distinct(dice, metrics, many);
    let filters: Vec<Value> = (0..dice.below(3))
        .map(|_| {
            let name = pick(dice, &names);
            filter(dice, name)
        })
        .collect();
    let ranges = [
        json!("all"),
        json!(["2026-10-24", "2026-10-26"]),
        json!(["2026-10-25T01:30:00", "2026-11-01T04:00:00"]),
        json!(["2026-10-31", "2026-11-02"]),
    ];
    let range = usize::try_from(dice.below(4)).unwrap();
    json!({"metrics": metrics, "dimensions": dimensions, "filters": filters, "date_range": ranges[range],
        "timezone": pick(dice, &ZONES), "limit": 10_000})
}

fn times(found: &Answer) -> (u64, u64) {
    let [from, to] = found.meta.range.clone().map(|text| {
        let moment: jiff::Timestamp = text.parse().unwrap();
        moment.as_millisecond().cast_unsigned()
    });
    (from, to)
}

fn compare(query: &Value, found: &Answer, expected: &BTreeMap<String, Vec<Value>>) {
    // Where a question has no time, or only that, the store says as well what is nothing.
    let is_something = |row: &&footfall::query::AnswerRow| {
        row.metrics
            .iter()
            .any(|figure| !figure.is_null() && figure.as_f64() != Some(0.0))
    };
    let there = found.results.iter().filter(is_something);
    let found: BTreeMap<String, Vec<Value>> = there
        .map(|row| (json!(row.dimensions).to_string(), row.metrics.clone()))
        .collect();
    let some = |figures: &&Vec<Value>| figures.iter().any(|figure| figure.as_f64() != Some(0.0));
    let expected: BTreeMap<&String, &Vec<Value>> = expected.iter().filter(|(_, figures)| some(figures)).collect();
    assert_eq!(
        found.keys().collect::<Vec<_>>(),
        expected.keys().copied().collect::<Vec<_>>(),
        "{query}"
    );
    for (key, figures) in expected {
        let ours = &found[key];
        let equal = ours.iter().zip(figures).all(|(ours, theirs)| same(ours, theirs));
        assert!(equal, "{query}\n{key}: {ours:?}, expected {figures:?}");
    }
}

fn slowly_asked(
    query: &Value,
    found: &Answer,
    (rows, visits): (&[OwnedRow], &[Slow]),
    stable: bool,
) -> BTreeMap<String, Vec<Value>> {
    let (metrics, dimensions) = (words(&query["metrics"]), words(&query["dimensions"]));
    let asked = Asked {
        metrics: &metrics,
        dimensions: &dimensions,
        filters: query["filters"].as_array().unwrap(),
        times: times(found),
        zone: query["timezone"].as_str().unwrap(),
        stable,
        currency: "EUR",
    };
    Slowly { rows, visits, asked }.answer()
}

fn known(rows: &[OwnedRow], commit_every: u64) -> &[OwnedRow] {
    let last = rows.len() as u64 / commit_every * commit_every;
    &rows[..usize::try_from(last).unwrap()]
}

pub fn house(seed: u64) -> (tempfile::TempDir, (Store, Store), Snapshot, Vec<OwnedRow>) {
    println!("seed {seed}");
    let mut dice = Dice::new(seed);
    let folder = tempfile::tempdir().unwrap();
    let rows = known(&stream(&mut dice, 900), 90).to_vec();
    let stores = fill(folder.path(), &rows, 90);
    let snapshot = stores.0.library().snapshot();
    (folder, stores, snapshot, rows)
}

#[test]
fn random_questions_about_visits_are_answered_as_by_a_look_at_every_row() {
    let mut groups = 0;
    for seed in 0..5 {
        let (_folder, _stores, snapshot, rows) = house(seed);
        let visits = slowly(&rows);
        let mut dice = Dice::new(seed ^ 0xfeed);
        for _ in 0..200 {
            let (query, stable) = (question(&mut dice), dice.below(2) == 0);
            let found = ask(&snapshot, &query, stable);
            let expected = slowly_asked(&query, &found, (&rows, &visits), stable);
            compare(&query, &found, &expected);
            groups += expected.len();
        }
    }
    // Questions that nothing answers would show nothing.
    assert!(groups > 5_000, "{groups}");
}

#[test]
fn the_comparison_notices_a_visit_that_is_cut_in_two() {
    let (_folder, _stores, snapshot, rows) = house(50);
    let query = json!({"metrics": ["visits"], "dimensions": ["country"], "filters": [], "date_range": "all",
        "timezone": "UTC"});
    let found = ask(&snapshot, &query, true);
    let mut visits = slowly(&rows);
    compare(&query, &found, &slowly_asked(&query, &found, (&rows, &visits), true));
    let long = visits
        .iter_mut()
        .find(|visit| visit.rows.len() > 3 && !rows[visit.rows[0]].bot);
    let rest = long.unwrap().rows.split_off(2);
    let taken = (0, 0);
    visits.push(Slow { rows: rest, taken });
    let expected = slowly_asked(&query, &found, (&rows, &visits), true);
    assert!(std::panic::catch_unwind(|| compare(&query, &found, &expected)).is_err());
}

#[test]
fn events_are_told_by_the_visits_they_belong_to_and_visits_by_events() {
    let (_folder, _stores, snapshot, rows) = house(60);
    let visits = slowly(&rows);
    let figures = |query: &Value| {
        let found = ask(&snapshot, query, true);
        found
            .results
            .iter()
            .map(|row| row.metrics[0].as_u64().unwrap())
            .sum::<u64>()
    };
    let of = |visit: &Slow| -> Vec<&OwnedRow> { visit.rows.iter().map(|place| &rows[*place]).collect() };
    let people: Vec<Vec<&OwnedRow>> = visits.iter().map(of).filter(|visit| !visit[0].bot).collect();
    let views = |visit: &Vec<&OwnedRow>| Slowly::views(visit).iter().any(|row| row.path == "/a/1");
    let entered = |visit: &&Vec<&OwnedRow>| {
        let first = Slowly::views(visit).into_iter().min_by_key(|row| row.time_ms);
        first.is_some_and(|row| row.path == "/a/1")
    };
    // Visits by what only events have.
    let by_path = json!({"metrics": ["visits"], "dimensions": ["path"], "date_range": "all", "timezone": "UTC",
        "filters": [["is", "path", ["/a/1"]], ["is", "name", ["page_view", "pageview"]]]});
    assert_eq!(
        figures(&by_path),
        people.iter().filter(|visit| views(visit)).count() as u64
    );
    // Events by what only visits have.
    let of_entry = json!({"metrics": ["events"], "date_range": "all", "timezone": "UTC",
        "filters": [["is", "entry_page", ["/a/1"]]]});
    let events: usize = people.iter().filter(entered).map(Vec::len).sum();
    assert!(events > 10);
    assert_eq!(figures(&of_entry), events as u64);
}

#[test]
fn what_events_and_visits_cannot_say_together_is_refused_with_the_reason() {
    let (_folder, _stores, snapshot, _) = house(70);
    let refused = |metrics: Value, dimensions: Value, filters: Value| {
        let query = json!({"metrics": metrics, "dimensions": dimensions, "filters": filters, "date_range": "all"});
        let view = site(true);
        let query = footfall::query::Query::read(query.to_string().as_bytes(), &view).unwrap();
        footfall::query::answer(&snapshot, &query, &view, NOW_MS)
            .unwrap_err()
            .to_string()
    };
    let cases = [
        (
            json!(["visits", "bounce_rate"]),
            json!(["path"]),
            json!([]),
            "metrics[1]: cannot be told by path; ask by entry_page or exit_page",
        ),
        (
            json!(["revenue"]),
            json!(["exit_page"]),
            json!([]),
            "metrics[0]: cannot be told by exit_page",
        ),
        (
            json!(["visits"]),
            json!(["name", "entry_page"]),
            json!([]),
            "dimensions: has name, which only events have, and entry_page, which only visits have",
        ),
        (
            json!(["visits"]),
            json!([]),
            json!([["or", [["is", "path", ["/"]], ["is", "entry_page", ["/"]]]]]),
            "filters: asks within one filter",
        ),
    ];
    for (metrics, dimensions, filters, reason) in cases {
        let error = refused(metrics, dimensions, filters);
        assert!(error.starts_with(reason), "{error}");
    }
}
