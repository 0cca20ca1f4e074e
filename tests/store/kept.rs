//! Answers are kept for as long as is said, and made once for everyone who asks at the same time.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use footfall::clock::{Clock, now};
use footfall::directory::Counting;
use footfall::query::{Answers, CacheTimes, Query, SiteView};
use footfall::store::{Library, Store};
use serde_json::json;

use super::dice::Dice;
use super::open;
use super::rows::{OTHER_SITE, OwnedRow, SITE};

/// A clock that stands until it is moved.
#[derive(Clone)]
struct Standing {
    start: Instant,
    moved_ms: Arc<AtomicU64>,
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
    answers: Answers<Standing>,
    moved_ms: Arc<AtomicU64>,
}

impl Desk {
    fn new(library: Library) -> Self {
        let clock = Standing {
            start: now(),
            moved_ms: Arc::default(),
        };
        let moved_ms = Arc::clone(&clock.moved_ms);
        let times = CacheTimes {
            past: Duration::from_mins(1),
            present: Duration::from_secs(1),
            ..CacheTimes::default()
        };
        Self {
            answers: Answers::new(library, clock, times),
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
        let (answer, kept) = self.answers.answer(&query, &site).unwrap();
        (answer.results[0].metrics[0].as_u64().unwrap(), kept)
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
    desk.moved_ms.store(60_000, Ordering::Relaxed);
    assert_eq!(desk.ask("yesterday", SITE), (2, false));
    add(&mut store, yesterday);
    desk.answers.clear();
    assert_eq!(desk.ask("yesterday", SITE), (3, false));
}

#[test]
fn who_asks_at_the_same_time_shares_one_answer() {
    let folder = tempfile::tempdir().unwrap();
    let mut store = open(folder.path());
    add(&mut store, NOW_MS - 1);
    let desk = Desk::new(store.library());
    for _ in 0..20 {
        desk.answers.clear();
        let asked: Vec<(u64, bool)> = std::thread::scope(|scope| {
            let askers: Vec<_> = (0..8).map(|_| scope.spawn(|| desk.ask("today", SITE))).collect();
            askers.into_iter().map(|asker| asker.join().unwrap()).collect()
        });
        assert_eq!(asked.iter().filter(|(_, kept)| !kept).count(), 1, "{asked:?}");
        assert!(asked.iter().all(|(events, _)| *events == 1));
    }
}
