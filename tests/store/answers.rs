//! Answers equal what a slow look at every row gives.

use footfall::directory::Counting;
use footfall::event::{Erasure, Sequence};
use footfall::query::{Answer, Query, SiteView, answer};
use footfall::store::{Snapshot, Store, StoreLimits};
use serde_json::{Value, json};

use super::dice::Dice;
use super::oracle::{Asked, Rows, same};
use super::rows::{OwnedRow, SITE, many};
use super::{fill, open};

/// A moment after all rows.
pub const NOW_MS: u64 = 1_796_000_000_000;

const METRICS: [&str; 15] = [
    "events",
    "pageviews",
    "visitors",
    "users",
    "sessions",
    "revenue",
    "average_revenue",
    "first_seen",
    "last_seen",
    "count:price",
    "sum:price",
    "average:price",
    "sum:nested.deep",
    "count:none",
    "sum:plan",
];
const DIMENSIONS: [&str; 26] = [
    "name",
    "country",
    "city",
    "host",
    "path",
    "user",
    "session",
    "browser",
    "source",
    "bot",
    "bot_rule",
    "currency",
    "address",
    "screen",
    "visitor",
    "property:plan",
    "property:price",
    "property:nested.deep",
    "property:flag",
    "property:list",
    "time:minute",
    "time:15min",
    "time:hour",
    "time:day",
    "time:week",
    "time:month",
];
pub const ZONES: [&str; 7] = [
    "UTC",
    "Europe/Berlin",
    "America/New_York",
    "Asia/Kolkata",
    "Asia/Kathmandu",
    "Australia/Lord_Howe",
    "America/St_Johns",
];
const VALUES: [&str; 23] = [
    "pageview",
    "purchase",
    "de",
    "us",
    "Köln",
    "York",
    "/a/1",
    "/B/2",
    "user 3",
    "s7",
    "Firefox",
    "Google",
    "true",
    "false",
    "EUR",
    "1920x1",
    "visitor-3",
    "0000000000000003",
    "pro",
    "3",
    "-2",
    "1.25",
    "seo:Example",
];

pub fn pick<'a>(dice: &mut Dice, from: &[&'a str]) -> &'a str {
    from[usize::try_from(dice.below(from.len() as u64)).unwrap()]
}

fn random_filter(dice: &mut Dice, depth: u64) -> Value {
    let no_time = &DIMENSIONS[..20];
    let values = |dice: &mut Dice| -> Vec<&str> { (0..=dice.below(3)).map(|_| pick(dice, &VALUES)).collect() };
    match dice.below(if depth == 0 { 4 } else { 7 }) {
        0 | 1 => {
            let word = pick(dice, &["is", "is_not"]);
            let mut values: Vec<Value> = values(dice).into_iter().map(Value::from).collect();
            if dice.below(5) == 0 {
                values.push(Value::Null);
            }
            json!([word, pick(dice, no_time), values])
        }
        2 => json!([
            "contains",
            pick(dice, no_time),
            [pick(dice, &["e", "/a", "1", "ü", "", "zzz"])]
        ]),
        3 => json!([
            "matches",
            pick(dice, no_time),
            [pick(dice, &["^/[ab]/", "(?i)^/B", r"\d$", "ö", "^$"])]
        ]),
        4 => json!(["not", random_filter(dice, depth - 1)]),
        word => {
            let parts: Vec<Value> = (0..dice.below(4)).map(|_| random_filter(dice, depth - 1)).collect();
            json!([if word == 5 { "and" } else { "or" }, parts])
        }
    }
}

pub fn distinct<'a>(dice: &mut Dice, from: &[&'a str], count: u64) -> Vec<&'a str> {
    let mut chosen: Vec<&str> = Vec::new();
    for _ in 0..count {
        let one = pick(dice, from);
        let second_time = one.starts_with("time:") && chosen.iter().any(|known| known.starts_with("time:"));
        if !chosen.contains(&one) && !second_time {
            chosen.push(one);
        }
    }
    chosen
}

fn random_query(dice: &mut Dice) -> Value {
    let (metrics, dimensions) = (1 + dice.below(4), dice.below(4));
    let mut metrics = distinct(dice, &METRICS, metrics);
    let mut dimensions = distinct(dice, &DIMENSIONS, dimensions);
    if dice.below(8) == 0 {
        dimensions = vec!["time:day"];
        metrics.push("active_users");
    }
    let filters: Vec<Value> = (0..dice.below(3)).map(|_| random_filter(dice, 2)).collect();
    let range = if dimensions.contains(&"time:minute") {
        json!(["2026-09-30T21:10:00Z", "2026-10-01T02:59:30.5Z"])
    } else {
        match dice.below(5) {
            0 => json!(["2026-09-28", "2026-11-02"]),
            1 => json!(["2026-10-25", "2026-10-25"]),
            2 => json!(["2026-10-03T07:20:00", "2026-10-26T01:00:00"]),
            3 => json!(["2026-10-01T00:00:00.001Z", "2026-11-01T00:00:00Z"]),
            _ => json!("2026-11-01"),
        }
    };
    json!({"metrics": metrics, "dimensions": dimensions, "filters": filters, "date_range": range,
        "timezone": pick(dice, &ZONES), "limit": 10_000})
}

pub fn site(stable: bool) -> SiteView<'static> {
    SiteView {
        id: SITE,
        counting: if stable { Counting::Stable } else { Counting::Daily },
        currency: "EUR",
        time_zone: "UTC",
    }
}

pub fn ask(snapshot: &Snapshot, query: &Value, stable: bool) -> Answer {
    let site = site(stable);
    let query = Query::read(query.to_string().as_bytes(), &site).unwrap_or_else(|error| panic!("{query}: {error}"));
    answer(snapshot, &query, &site, NOW_MS).unwrap_or_else(|error| panic!("{error}"))
}

pub fn words(list: &Value) -> Vec<String> {
    list.as_array()
        .unwrap()
        .iter()
        .map(|word| word.as_str().unwrap().to_owned())
        .collect()
}

fn expected(rows: &[OwnedRow], query: &Value, answer: &Answer, stable: bool) -> (Rows, u64) {
    let ms = |time: &str| {
        time.parse::<jiff::Timestamp>()
            .unwrap()
            .as_millisecond()
            .cast_unsigned()
    };
    let asked = Asked {
        metrics: &words(&query["metrics"]),
        dimensions: &words(&query["dimensions"]),
        filters: query["filters"].as_array().unwrap(),
        times: (ms(&answer.meta.range[0]), ms(&answer.meta.range[1])),
        zone: query["timezone"].as_str().unwrap(),
        stable,
        currency: "EUR",
    };
    asked.answer(rows)
}

fn compare(query: &Value, found: &Answer, (expected, left_out): &(Rows, u64)) {
    let name = |row: &footfall::query::AnswerRow| row.dimensions.iter().map(Value::to_string).collect::<Vec<_>>();
    let names: Vec<Vec<String>> = found.results.iter().map(name).collect();
    let mut sorted = names.clone();
    sorted.sort();
    assert_eq!(sorted, expected.keys().cloned().collect::<Vec<_>>(), "rows of {query}");
    for (name, row) in names.iter().zip(&found.results) {
        let wanted = &expected[name];
        let equal =
            row.metrics.len() == wanted.len() && row.metrics.iter().zip(wanted).all(|(one, two)| same(one, two));
        assert!(equal, "{name:?} of {query}: {:?} instead of {wanted:?}", row.metrics);
    }
    assert_eq!(found.meta.total_rows, expected.len());
    assert_eq!(found.meta.bots_left_out, *left_out, "machines left out of {query}");
    assert!(found.meta.estimated.is_empty());
}

fn stored(seed: u64) -> (tempfile::TempDir, Store, Vec<OwnedRow>) {
    println!("seed {seed}");
    let mut dice = Dice::new(seed);
    let folder = tempfile::tempdir().unwrap();
    let rows = many(&mut dice, 600);
    let mut store = open(folder.path());
    fill(&mut store, &rows, 150);
    (folder, store, rows)
}

#[test]
fn random_questions_are_answered_as_by_a_look_at_every_row() {
    for seed in 0..4 {
        let (_folder, store, rows) = stored(seed);
        let snapshot = store.library().snapshot();
        let mut dice = Dice::new(seed ^ 0xabcd);
        let mut events = 0;
        for _ in 0..250 {
            let query = random_query(&mut dice);
            let stable = dice.below(2) == 0;
            let found = ask(&snapshot, &query, stable);
            compare(&query, &found, &expected(&rows, &query, &found, stable));
            events += found.results.len();
        }
        // Questions that nothing answers would show nothing.
        assert!(events > 5_000, "{events}");
    }
}

#[test]
fn answers_put_together_from_parts_and_from_what_was_counted_before_are_the_same() {
    for seed in 10..11 {
        println!("seed {seed}");
        let mut dice = Dice::new(seed);
        let folder = tempfile::tempdir().unwrap();
        let rows = many(&mut dice, 600);
        let limits = StoreLimits {
            writer_bytes: 15 << 20,
            search_threads: 3,
            // Every segment is shared by threads, and what is counted of it is kept.
            large_segment_documents: 10,
            ..StoreLimits::default()
        };
        let (mut store, _) = Store::open(folder.path(), limits).unwrap();
        let (first, second) = rows.split_at(400);
        let mut asked = Vec::new();
        for (rows, known) in [(first, first), (second, &rows[..])] {
            fill(&mut store, rows, 150);
            let snapshot = store.library().snapshot();
            asked.extend((0..80).map(|_| (random_query(&mut dice), dice.below(2) == 0)));
            for (query, stable) in asked.iter().chain(&asked) {
                let found = ask(&snapshot, query, *stable);
                compare(query, &found, &expected(known, query, &found, *stable));
            }
        }
        // What is deleted is in no answer, though its segment stays.
        let user = rows
            .iter()
            .find(|row| row.site == SITE && !row.user.is_empty())
            .unwrap();
        let erasure = Erasure::User(SITE, &user.user);
        store.erase(Sequence(store.cursor().0 + 1), &erasure).unwrap();
        store.commit().unwrap();
        let left: Vec<OwnedRow> = rows
            .iter()
            .filter(|row| row.site != SITE || row.user != user.user)
            .cloned()
            .collect();
        let snapshot = store.library().snapshot();
        for _ in 0..2 {
            for (query, stable) in &asked {
                let found = ask(&snapshot, query, *stable);
                compare(query, &found, &expected(&left, query, &found, *stable));
            }
            // Nor when everything is counted anew.
            store.library().forget();
        }
    }
}

#[test]
fn the_comparison_notices_a_row_that_is_counted_twice() {
    let (_folder, store, mut rows) = stored(77);
    let query = json!({"metrics": ["events"], "dimensions": ["country"], "filters": [], "date_range": "all",
        "timezone": "UTC"});
    let found = ask(&store.library().snapshot(), &query, true);
    compare(&query, &found, &expected(&rows, &query, &found, true));
    let twice = rows.iter().find(|row| row.site == SITE).unwrap().clone();
    rows.push(twice);
    let noticed = std::panic::catch_unwind(|| compare(&query, &found, &expected(&rows, &query, &found, true)));
    assert!(noticed.is_err());
}

#[test]
fn rows_come_in_the_order_and_the_pages_that_are_asked_for() {
    let (_folder, store, _) = stored(5);
    let snapshot = store.library().snapshot();
    let whole = json!({"metrics": ["events", "average_revenue"], "dimensions": ["path", "country"],
        "date_range": "all", "order_by": [["average_revenue", "asc"], ["country", "desc"]], "limit": 10_000});
    let all = ask(&snapshot, &whole, true).results;
    let key = |row: &footfall::query::AnswerRow| {
        let average = row.metrics[1].as_f64().unwrap_or(f64::NEG_INFINITY);
        (
            average,
            std::cmp::Reverse(row.dimensions[1].to_string()),
            row.dimensions[0].to_string(),
        )
    };
    let in_order = all.is_sorted_by(|left, right| key(left) < key(right));
    assert!(all.len() > 20 && in_order, "{all:?}");
    for (offset, limit) in [(0, 5), (3, 4), (20, 1_000), (5_000, 5), (0, 0)] {
        let mut page = whole.clone();
        page["offset"] = offset.into();
        page["limit"] = limit.into();
        let (offset, limit) = (usize::min(offset, all.len()), limit);
        let found = ask(&snapshot, &page, true);
        assert_eq!(
            found.results,
            all.iter().skip(offset).take(limit).cloned().collect::<Vec<_>>()
        );
        assert_eq!(found.meta.total_rows, all.len());
    }
    let usual = json!({"metrics": ["events"], "dimensions": ["path"], "date_range": "all"});
    let events: Vec<u64> = ask(&snapshot, &usual, true)
        .results
        .iter()
        .map(|row| row.metrics[0].as_u64().unwrap())
        .collect();
    assert!(events.is_sorted_by(|left, right| left >= right), "{events:?}");
}

#[test]
fn a_comparison_has_the_figures_of_the_other_time() {
    let (_folder, store, _) = stored(6);
    let snapshot = store.library().snapshot();
    for dimensions in [json!(["country"]), json!([])] {
        let range = |from: &str, to: &str| json!([from, to]);
        let ask = |date_range: Value, compare: Value| {
            let query = json!({"metrics": ["events", "visitors"], "dimensions": dimensions, "date_range": date_range,
                "compare": compare, "timezone": "Europe/Berlin", "limit": 1_000});
            ask(&snapshot, &query, true)
        };
        let both = ask(range("2026-10-25", "2026-10-31"), json!("previous_period"));
        assert_eq!(
            both.meta.compare_range,
            Some(["2026-10-17T22:00:00Z".into(), "2026-10-24T22:00:00Z".into()])
        );
        let before = ask(range("2026-10-18", "2026-10-24"), Value::Null).results;
        assert!(!both.results.is_empty() && !before.is_empty());
        for row in &both.results {
            let other = before.iter().find(|other| other.dimensions == row.dimensions);
            let expected = other.map_or_else(|| vec![json!(0), json!(0)], |other| other.metrics.clone());
            assert_eq!(row.compare.as_ref(), Some(&expected), "{row:?}");
        }
    }
}

/// Fields of a question, wrong values, and what is said about them.
fn wrong_values() -> Vec<(&'static str, Value, &'static str)> {
    vec![
        ("metrics", Value::Null, "metrics: is missing"),
        ("metrics", json!([]), "metrics: must name one at least"),
        ("metrics", json!(["hits"]), "metrics[0]: is no metric"),
        ("metrics", json!(["events", 3]), "metrics[1]: must be a string"),
        (
            "metrics",
            json!(["active_users"]),
            "metrics: has active_users, which needs",
        ),
        ("date_range", Value::Null, "date_range: is missing"),
        ("date_range", json!("soon"), "date_range: must be today"),
        ("dimensions", json!("country"), "dimensions: must be a list"),
        (
            "dimensions",
            json!(["time:day", "time:hour"]),
            "dimensions: has more than one of time",
        ),
        ("dimensions", json!(["path", "path"]), "dimensions[1]: is there twice"),
        ("dimensions", json!(["daily_visitor"]), "dimensions[0]: is no dimension"),
        (
            "dimensions",
            json!(["name", "host", "path", "city", "os"]),
            "dimensions: has more than 4 entries",
        ),
        ("timezone", json!("Berlin"), "timezone: is no name"),
        (
            "filters",
            json!([["is", "country"]]),
            "filters[0]: must be [\"is\", dimension, [values]]",
        ),
        (
            "filters",
            json!([["and", [["like", "path", ["x"]]]]]),
            "filters[0][1][0]: must begin with",
        ),
        (
            "filters",
            json!([["is", "time:day", ["x"]]]),
            "filters[0][1]: cannot be filtered by",
        ),
        (
            "filters",
            json!([["matches", "path", ["("]]]),
            "filters[0][2]: is no regular expression",
        ),
        (
            "filters",
            json!([["is", "path", [["x"]]]]),
            "filters[0][2][0]: must be a string, a number",
        ),
        (
            "order_by",
            json!([["visitors", "desc"]]),
            "order_by[0][0]: is none of the metrics",
        ),
        (
            "order_by",
            json!([["events", "down"]]),
            "order_by[0][1]: must be asc or desc",
        ),
        ("limit", json!(-1), "limit: must be a whole number from 0 to 10000"),
        ("offset", json!(1.5), "offset: must be a whole number"),
        ("compare", json!("last_week"), "compare: must be previous_period"),
        ("metric", json!(["events"]), "metric: is no field; there are metrics"),
    ]
}

#[test]
fn what_is_asked_wrongly_is_refused_with_its_field_and_the_reason() {
    let good = json!({"metrics": ["events"], "date_range": "7d"});
    for (field, value, reason) in wrong_values() {
        let mut query = good.clone();
        query[field] = value;
        let error = Query::read(query.to_string().as_bytes(), &site(true))
            .unwrap_err()
            .to_string();
        assert!(error.starts_with(reason), "{query}: {error}");
    }
    assert!(Query::read(good.to_string().as_bytes(), &site(true)).is_ok());
    let deep = (0..20).fold(json!(["is", "path", ["x"]]), |inner, _| json!(["not", inner]));
    let query = json!({"metrics": ["events"], "date_range": "7d", "filters": [deep]});
    let error = Query::read(query.to_string().as_bytes(), &site(true))
        .unwrap_err()
        .to_string();
    assert!(error.contains("is deeper than 16"), "{error}");
}

#[test]
fn two_ways_to_ask_the_same_are_one() {
    let ask = |filters: Value| {
        let query = json!({"metrics": ["events"], "date_range": "7d", "filters": filters, "limit": 100});
        Query::read(query.to_string().as_bytes(), &site(true))
            .unwrap()
            .to_json()
    };
    let one = ask(json!([
        ["is", "country", ["GB", "de", "gb"]],
        ["is_not", "path", ["/a"]]
    ]));
    let two = ask(json!([
        ["not", ["is", "path", ["/a", "/a"]]],
        ["is", "country", ["de", "gb"]]
    ]));
    assert_eq!(one, two);
    assert_ne!(one, ask(json!([["is", "country", ["de"]]])));
    // What is shown as the question can be asked again.
    let again = Query::read(one.to_string().as_bytes(), &site(true)).unwrap().to_json();
    assert_eq!(again["metrics"], one["metrics"]);
}
