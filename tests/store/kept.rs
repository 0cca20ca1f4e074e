//! Answers are kept for as long as is said, and made once for everyone who asks at the same time.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::sync_channel;
use std::time::{Duration, Instant};

use footfall::clock::{Clock, now};
use footfall::config::QueryConfig;
use footfall::directory::Counting;
use footfall::event::Erasure;
use footfall::query::{Answers, Query, SiteView};
use footfall::store::{Library, Month, Store};
use serde_json::{Value, json};
use tokio::runtime::{Builder, Runtime};

use super::dice::Dice;
use super::rows::{OTHER_SITE, OwnedRow, SITE};
use super::{at, open};

/// A clock that stands until it is moved.
#[derive(Clone)]
struct Standing {
    start: Instant,
    moved_ms: Arc<AtomicU64>,
}

fn runtime() -> Runtime {
    Builder::new_current_thread().build().unwrap()
}

/// When the clock stands: 2026-11-22T08:30:00Z.
const NOW_MS: u64 = 1_795_336_200_000;

impl Clock for Standing {
    fn unix_ms(&self) -> u64 {
        NOW_MS + self.moved_ms.load(Ordering::Relaxed)
    }

    fn now(&self) -> Instant {
        self.start + Duration::from_millis(self.moved_ms.load(Ordering::Relaxed))
    }
}

struct Desk {
    answers: Arc<Answers<Standing>>,
    library: Library,
    moved_ms: Arc<AtomicU64>,
}

impl Desk {
    fn new(library: Library) -> Self {
        Self::with(library, &QueryConfig::default(), || {})
    }

    fn with(library: Library, config: &QueryConfig, forget: impl Fn() + Send + Sync + 'static) -> Self {
        let clock = Standing {
            start: now(),
            moved_ms: Arc::default(),
        };
        let moved_ms = Arc::clone(&clock.moved_ms);
        Self {
            answers: Arc::new(Answers::open(config, clock, forget).unwrap()),
            library,
            moved_ms,
        }
    }

    /// The number of events, and whether it was kept from before.
    fn ask(&self, range: &str, site: footfall::event::SiteId) -> (u64, bool) {
        let site = SiteView {
            id: site,
            counting: Counting::Stable,
            currency: "EUR",
            time_zone: "UTC",
        };
        let query = json!({"metrics": ["events"], "date_range": range}).to_string();
        let query = Query::read(query.as_bytes(), &site).unwrap();
        let asked = self.answers.ask(&self.library, query, &site);
        let (answer, kept) = runtime().block_on(asked).unwrap();
        let answer: Value = serde_json::from_slice(&answer.text(kept)).unwrap();
        assert_eq!(answer["cached"], kept);
        (answer["results"][0]["metrics"][0].as_u64().unwrap(), kept)
    }
}

fn add(store: &mut Store, time_ms: u64) {
    let sequence = store.cursor().0 + 1;
    let row = OwnedRow {
        site: SITE,
        ..OwnedRow::random(&mut Dice::new(sequence), sequence, time_ms)
    };
    store.append(&row.row()).unwrap();
    store.commit().unwrap();
}

#[test]
fn an_answer_is_kept_for_a_second_and_for_longer_when_its_time_is_over() {
    let folder = tempfile::tempdir().unwrap();
    let mut store = open(folder.path());
    let desk = Desk::new(store.library());
    let (today, yesterday) = (NOW_MS - 1, NOW_MS - 86_400_000);
    add(&mut store, today);
    add(&mut store, yesterday);
    assert_eq!(
        (desk.ask("today", SITE), desk.ask("yesterday", SITE)),
        ((1, false), (1, false))
    );
    add(&mut store, today);
    add(&mut store, yesterday);
    assert_eq!(
        (desk.ask("today", SITE), desk.ask("yesterday", SITE)),
        ((1, true), (1, true))
    );
    // Nobody is given another site's answer.
    assert_eq!(desk.ask("today", OTHER_SITE), (0, false));
    desk.moved_ms.store(1_000, Ordering::Relaxed);
    assert_eq!(
        (desk.ask("today", SITE), desk.ask("yesterday", SITE)),
        ((2, false), (1, true))
    );
    // While nothing comes, that of today lasts as long.
    desk.moved_ms.store(50_000, Ordering::Relaxed);
    assert_eq!(desk.ask("today", SITE), (2, true));
    desk.moved_ms.store(60_000, Ordering::Relaxed);
    assert_eq!(desk.ask("yesterday", SITE), (2, false));
    add(&mut store, today);
    assert_eq!(desk.ask("today", SITE), (3, false));
    desk.moved_ms.store(120_000, Ordering::Relaxed);
    assert_eq!(desk.ask("today", SITE), (3, false));
}

#[test]
fn nothing_that_was_deleted_is_in_an_answer_that_is_given_again() {
    let folder = tempfile::tempdir().unwrap();
    let mut store = open(folder.path());
    let desk = Desk::new(store.library());
    add(&mut store, NOW_MS - 86_400_000);
    assert_eq!(desk.ask("yesterday", SITE), (1, false));
    assert_eq!(desk.ask("yesterday", SITE), (1, true));
    store.erase(at(2), &Erasure::Site(SITE)).unwrap();
    store.commit().unwrap();
    assert_eq!(desk.ask("yesterday", SITE), (0, false));
    assert_eq!(desk.ask("yesterday", SITE), (0, true));
    add(&mut store, NOW_MS - 86_400_000);
    assert_eq!(desk.ask("yesterday", SITE), (0, true));
    store.drop_before(Month::of(NOW_MS + 40 * 86_400_000)).unwrap();
    assert_eq!(desk.ask("yesterday", SITE), (0, false));
}

#[test]
fn who_asks_at_the_same_time_shares_one_answer() {
    let folder = tempfile::tempdir().unwrap();
    let mut store = open(folder.path());
    let desk = Desk::new(store.library());
    for round in 0..20 {
        add(&mut store, NOW_MS - 1);
        desk.moved_ms.store(round * 2_000, Ordering::Relaxed);
        let asked: Vec<(u64, bool)> = std::thread::scope(|scope| {
            let askers: Vec<_> = (0..8).map(|_| scope.spawn(|| desk.ask("today", SITE))).collect();
            askers.into_iter().map(|asker| asker.join().unwrap()).collect()
        });
        assert_eq!(asked.iter().filter(|(_, kept)| !kept).count(), 1, "{asked:?}");
        // Some of the rows are machines'.
        assert!(
            asked
                .iter()
                .all(|(events, _)| *events == asked[0].0 && *events <= round + 1)
        );
    }
}

#[test]
fn when_nothing_was_asked_for_a_while_what_helps_to_answer_is_let_go_and_answers_stay() {
    let folder = tempfile::tempdir().unwrap();
    let mut store = open(folder.path());
    add(&mut store, NOW_MS - 86_400_000);
    let (told, rested) = sync_channel(10);
    let config = QueryConfig {
        rest_ms: 100,
        ..QueryConfig::default()
    };
    let desk = Desk::with(store.library(), &config, move || told.send(()).unwrap());
    assert_eq!(desk.ask("yesterday", SITE), (1, false));
    rested.recv_timeout(Duration::from_secs(20)).unwrap();
    assert_eq!(desk.ask("yesterday", SITE), (1, true));
    // And again, after the next question.
    assert_eq!(desk.ask("today", SITE), (0, false));
    rested.recv_timeout(Duration::from_secs(20)).unwrap();
}
