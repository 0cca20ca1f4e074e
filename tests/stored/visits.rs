//! Visits after `kill -9`: those that a slow look at all stored events finds, none cut and none doubled.

use std::collections::BTreeMap;
use std::fs;

use footfall::store::Column;
use footfall::store::search::StoredEvent;
use serde_json::{Value, json};

use crate::support::client::{Client, Request};
use crate::support::dice::Dice;
use crate::support::gateway::{Gateway, Settings, run};
use crate::support::wait::until_true;
use crate::{PATH, stored, until_stored, verify};

const HALF_HOUR_MS: u64 = 30 * 60 * 1_000;
const ROUNDS: u64 = 12;

/// Who shows a page: visitors of the default site are told apart by address and browser.
fn agent(visitor: u64) -> String {
    format!(
        "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/{}.0.0.0 Safari/537.36",
        140 + visitor
    )
}

/// A batch of events of one visitor, most of them late and in no order.
fn batch(dice: &mut Dice) -> Value {
    let now = jiff::Timestamp::now();
    let mut event = || {
        let late = match dice.below(3) {
            0 => 0,
            1 => dice.below(40),
            _ => dice.below(300),
        };
        let time = now - jiff::SignedDuration::from_mins(late.cast_signed());
        json!({"name": if dice.below(3) == 0 { "click" } else { "page_view" }, "time": time.to_string(),
            "url": format!("https://shop.example/{}", dice.below(4))})
    };
    json!((0..4).map(|_| event()).collect::<Vec<_>>())
}

/// Sends batches and kills the gateway in between, in the middle of what it does.
fn killed(seed: u64) -> Gateway {
    eprintln!("seed {seed}");
    let mut dice = Dice::new(seed);
    let settings = Settings::new().set("FOOTFALL_STORE_COMMIT_MS", 10);
    let mut gateway = settings.start();
    for _ in 0..ROUNDS {
        let mut client: Client = gateway.client();
        for _ in 0..10 + dice.below(30) {
            let request = Request::new("POST", PATH).header("Content-Type", "application/json");
            let request = request.header("User-Agent", &agent(dice.below(12)));
            assert_eq!(client.send(&request.body(batch(&mut dice).to_string())).status, 202);
        }
        gateway.kill();
        gateway.start_again();
    }
    gateway.stop();
    gateway
}

/// Groups of events that are visits, as a slow look finds them.
fn slowly(events: &[StoredEvent]) -> Vec<Vec<&StoredEvent>> {
    let mut visits: Vec<(Vec<&StoredEvent>, (u64, u64))> = Vec::new();
    let (mut site_ms, mut received_ms) = (0, 0);
    for event in events {
        let time_ms = event.position.time_ms;
        (site_ms, received_ms) = (time_ms.max(site_ms), event.received_ms.max(received_ms));
        let times = |visit: &[&StoredEvent]| {
            let times = || visit.iter().map(|event| event.position.time_ms);
            (times().min().unwrap(), times().max().unwrap())
        };
        let is_near = |(visit, taken): &&mut (Vec<&StoredEvent>, (u64, u64))| {
            let (from, to) = times(visit);
            visit[0].columns[&Column::DailyVisitor] == event.columns[&Column::DailyVisitor]
                && site_ms < taken.0 + HALF_HOUR_MS
                && received_ms < taken.1 + HALF_HOUR_MS
                && time_ms < to + HALF_HOUR_MS
                && from < time_ms + HALF_HOUR_MS
        };
        let near = visits.iter_mut().filter(is_near);
        let taken = (site_ms, received_ms);
        match near.max_by_key(|(visit, _)| times(visit).1) {
            Some(near) => {
                near.0.push(event);
                near.1 = taken;
            }
            None => visits.push((vec![event], taken)),
        }
    }
    visits.into_iter().map(|(visit, _)| visit).collect()
}

/// By their names, as events say which visit they belong to.
fn told(events: &[StoredEvent]) -> Vec<Vec<&StoredEvent>> {
    let mut visits: BTreeMap<&str, Vec<&StoredEvent>> = BTreeMap::new();
    for event in events {
        visits.entry(&event.columns[&Column::Visit]).or_default().push(event);
    }
    visits.into_values().collect()
}

/// Groups in one order, each as the places of its events in the log.
fn places(visits: &[Vec<&StoredEvent>]) -> Vec<Vec<u64>> {
    let of = |visit: &Vec<&StoredEvent>| visit.iter().map(|event| event.position.sequence.0).collect();
    let mut places: Vec<Vec<u64>> = visits.iter().map(of).collect();
    places.sort();
    places
}

#[test]
fn after_kills_visits_are_those_that_a_slow_look_at_all_events_finds() {
    let mut gateway = killed(7);
    let mut events = stored(gateway.settings());
    events.sort_by_key(|event| event.position.sequence);
    let visits = slowly(&events);
    assert!(visits.len() > 50, "{}", visits.len());
    assert_eq!(places(&told(&events)), places(&visits));
    // The comparison notices an event that belongs elsewhere.
    let mut other = visits.clone();
    let moved = other[0].pop().unwrap();
    other[1].push(moved);
    assert_ne!(places(&told(&events)), places(&other));

    let (good, said) = verify(gateway.settings());
    assert!(good && said.contains("sessions: 0 differences"), "{said}");
    let key = read_key(&gateway);
    gateway.start_again();
    let seconds = |visit: &Vec<&StoredEvent>| {
        let times = || visit.iter().map(|event| event.position.time_ms);
        (times().max().unwrap() - times().min().unwrap()) / 1_000
    };
    let count = visits.len() as f64;
    let bounces = visits.iter().filter(|visit| visit.len() == 1).count() as f64;
    let expected = [
        count,
        100.0 * bounces / count,
        visits.iter().map(seconds).sum::<u64>() as f64 / count,
    ];
    until_true("the visits to be told", || {
        let figures = ask(&gateway, &key);
        figures.len() == 3
            && figures
                .iter()
                .zip(expected)
                .all(|(found, expected)| (found - expected).abs() < 1e-9)
    });
}

/// A crash between the two leaves the stores with more than what is kept of open sessions.
#[test]
fn visits_are_told_when_what_is_kept_of_the_open_ones_is_behind_the_stores_and_nothing_new_comes() {
    let mut gateway = Settings::new().start();
    let key = read_key(&gateway);
    let page_view = |visitor| {
        let body = json!({"name": "page_view", "url": "https://shop.example/"}).to_string();
        let request = Request::new("POST", PATH).header("User-Agent", &agent(visitor));
        let request = request.header("Content-Type", "application/json").body(body);
        move |gateway: &Gateway| assert_eq!(gateway.client().send(&request).status, 202)
    };
    page_view(1)(&gateway);
    until_stored(&gateway, 1);
    gateway.stop();
    let file = gateway.data_dir().join("sessions.sqlite");
    let before = fs::read(&file).unwrap();
    gateway.start_again();
    page_view(2)(&gateway);
    until_stored(&gateway, 2);
    gateway.stop();
    assert!(!file.with_extension("sqlite-wal").exists(), "everything is in the file");
    fs::write(&file, before).unwrap();
    for _ in 0..2 {
        gateway.start_again();
        until_true("both visits to be told", || ask(&gateway, &key).first() == Some(&2.0));
        gateway.stop();
        let (good, said) = verify(gateway.settings());
        assert!(good && said.contains("sessions: 0 are over, 2 may go on"), "{said}");
    }
}

/// A key to ask with.
fn read_key(gateway: &Gateway) -> String {
    run(gateway.settings(), &["key", "add", "default", "--rights", "read"])
}

/// Visits, bounce rate and duration of everything; nothing if that cannot be asked yet.
fn ask(gateway: &Gateway, key: &str) -> Vec<f64> {
    let query = json!({"metrics": ["visits", "bounce_rate", "visit_duration"], "date_range": "24h"});
    let request = Request::new("POST", "/api/v1/query").header("X-API-Key", key);
    let request = request
        .header("Content-Type", "application/json")
        .body(query.to_string());
    let answer = gateway.client().send(&request);
    if answer.status != 200 {
        return Vec::new();
    }
    let figures = answer.json()["results"][0]["metrics"]
        .as_array()
        .cloned()
        .unwrap_or_default();
    figures.iter().filter_map(Value::as_f64).collect()
}
