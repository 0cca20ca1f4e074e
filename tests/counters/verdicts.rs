//! One suite for every implementation: the same commits, the same verdicts.

use footfall::counters::{BadReason, Commit, Fault, Fields, Ledger, RedisCounters, RedisReader, TOTAL_LIMIT, Verdict};
use footfall::event::{CounterHash, Deltas, Family, Sequence, SiteId};
use tempfile::TempDir;

use crate::server::{Engine, RedisServer};
use crate::{EVENTS, IDENTITY, VISITS, commit, connected, deltas, gb, reader};

/// One implementation with what it needs to live.
enum Subject {
    Embedded(Ledger, #[allow(dead_code, reason = "holds the directory")] TempDir),
    Redis(Box<RedisCounters>, Box<RedisReader>, RedisServer),
}

impl Subject {
    fn embedded() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let ledger = Ledger::open(directory.path().join("ledger.sqlite"), IDENTITY).unwrap();
        Self::Embedded(ledger, directory)
    }

    async fn redis(engine: Engine) -> Self {
        let server = RedisServer::start(engine);
        let counters = connected(&server, IDENTITY).await;
        let reader = reader(&server, IDENTITY);
        Self::Redis(Box::new(counters), Box::new(reader), server)
    }

    async fn all() -> Vec<Self> {
        vec![
            Self::embedded(),
            Self::redis(Engine::Redis).await,
            Self::redis(Engine::Valkey).await,
        ]
    }

    fn name(&self) -> String {
        match self {
            Self::Embedded(..) => "embedded".into(),
            Self::Redis(_, _, server) => format!("{server:?}"),
        }
    }

    async fn commit(&mut self, commit: Commit<'_>) -> Verdict {
        match self {
            Self::Embedded(ledger, _) => ledger.commit(commit),
            Self::Redis(counters, ..) => counters.commit(commit).await.unwrap(),
        }
    }

    async fn totals(&self, hash: CounterHash) -> Fields {
        match self {
            Self::Embedded(ledger, _) => ledger.totals(&hash),
            Self::Redis(_, reader, _) => reader.read_totals(&hash).await.unwrap().1,
        }
    }
}

fn total(verdict: &Verdict, hash: CounterHash, field: &str) -> u64 {
    let Verdict::Applied(totals) = verdict else {
        panic!("{verdict:?}");
    };
    totals.get(&hash, field).unwrap()
}

#[tokio::test]
async fn a_commit_is_applied_once_and_out_of_turn_not_at_all() {
    for mut subject in Subject::all().await {
        let name = subject.name();
        let changes = deltas(&[(VISITS, "gb", 3), (VISITS, "us", 1), (EVENTS, "visit", 4)]);
        let verdict = subject.commit(commit(0, 4, &changes)).await;
        assert_eq!(total(&verdict, VISITS, "gb"), 3, "{name}");
        assert_eq!(total(&verdict, EVENTS, "visit"), 4, "{name}");
        for (from, to, wanted) in [
            (0, 4, Verdict::Duplicate(Sequence(4))),
            (2, 3, Verdict::Duplicate(Sequence(4))),
            (0, 5, Verdict::Gap(Sequence(4))),
            (6, 9, Verdict::Gap(Sequence(4))),
        ] {
            assert_eq!(subject.commit(commit(from, to, &changes)).await, wanted, "{name}");
        }
        let verdict = subject.commit(commit(4, 5, &gb(1))).await;
        assert_eq!(total(&verdict, VISITS, "gb"), 4, "{name}");
        let visits = subject.totals(VISITS).await;
        assert_eq!(visits, Fields::from([("gb".into(), 4), ("us".into(), 1)]), "{name}");
    }
}

#[tokio::test]
async fn an_empty_commit_moves_the_cursor() {
    for mut subject in Subject::all().await {
        let nothing = Deltas::default();
        assert!(matches!(
            subject.commit(commit(0, 7, &nothing)).await,
            Verdict::Applied(_)
        ));
        assert_eq!(
            subject.commit(commit(0, 7, &nothing)).await,
            Verdict::Duplicate(Sequence(7))
        );
        assert!(matches!(
            subject.commit(commit(7, 8, &gb(1))).await,
            Verdict::Applied(_)
        ));
    }
}

#[tokio::test]
async fn two_hundred_commits_leave_exact_totals_each_with_its_own_answer() {
    for mut subject in Subject::all().await {
        let mut sum = 0;
        for sequence in 0..200_u64 {
            let amount = sequence % 7;
            sum += amount;
            let changes = deltas(&[(VISITS, "gb", amount), (EVENTS, "visit", 1)]);
            let verdict = subject.commit(commit(sequence, sequence + 1, &changes)).await;
            assert_eq!(total(&verdict, VISITS, "gb"), sum);
            assert_eq!(total(&verdict, EVENTS, "visit"), sequence + 1);
        }
        assert_eq!(subject.totals(VISITS).await["gb"], sum);
        assert_eq!(subject.totals(EVENTS).await["visit"], 200);
    }
}

#[tokio::test]
async fn totals_beyond_two_to_the_32_are_exact_up_to_two_to_the_53() {
    for mut subject in Subject::all().await {
        let verdict = subject.commit(commit(0, 1, &gb((1 << 33) + 1))).await;
        assert_eq!(total(&verdict, VISITS, "gb"), (1 << 33) + 1);
        let rest = TOTAL_LIMIT - 1 - (1 << 33) - 1;
        let verdict = subject.commit(commit(1, 2, &gb(rest))).await;
        assert_eq!(total(&verdict, VISITS, "gb"), TOTAL_LIMIT - 1);
        assert_eq!(subject.totals(VISITS).await["gb"], TOTAL_LIMIT - 1);
    }
}

#[tokio::test]
async fn a_total_of_two_to_the_53_is_bad_and_leaves_no_trace() {
    for mut subject in Subject::all().await {
        let before = deltas(&[(VISITS, "us", TOTAL_LIMIT - 1), (VISITS, "gb", 1), (EVENTS, "visit", 5)]);
        assert!(matches!(
            subject.commit(commit(0, 1, &before)).await,
            Verdict::Applied(_)
        ));
        for amount in [1, TOTAL_LIMIT, u64::MAX] {
            let changes = deltas(&[(EVENTS, "visit", 1), (VISITS, "gb", 1), (VISITS, "us", amount)]);
            let bad = Verdict::Bad(BadReason {
                key: "ff:{0}:visits".into(),
                field: "us".into(),
                fault: Fault::Limit,
            });
            assert_eq!(subject.commit(commit(1, 2, &changes)).await, bad, "{}", subject.name());
        }
        let visits = Fields::from([("gb".into(), 1), ("us".into(), TOTAL_LIMIT - 1)]);
        assert_eq!(subject.totals(VISITS).await, visits);
        assert_eq!(subject.totals(EVENTS).await, Fields::from([("visit".into(), 5)]));
        // The cursor stayed too, so a commit that fits goes on from it.
        assert!(matches!(
            subject.commit(commit(1, 2, &gb(1))).await,
            Verdict::Applied(_)
        ));
    }
}

#[tokio::test]
async fn a_commit_of_ten_thousand_fields_is_one_step() {
    for mut subject in Subject::all().await {
        let mut changes = Deltas::default();
        for number in 0..5_000 {
            changes.add(EVENTS, &format!("name {number} \u{e9}\n"), number);
            changes.add(VISITS, &format!("{number}"), 1);
        }
        let verdict = subject.commit(commit(0, 10_000, &changes)).await;
        assert_eq!(total(&verdict, EVENTS, "name 4999 \u{e9}\n"), 4_999);
        assert_eq!(subject.totals(EVENTS).await.len(), 5_000);
        assert_eq!(subject.totals(VISITS).await.values().sum::<u64>(), 5_000);
    }
}

/// A small generator, so that a failure is the same in every run.
struct Dice(u64);

impl Dice {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % limit
    }
}

#[tokio::test]
async fn redis_and_valkey_judge_random_commits_as_the_embedded_counters_do() {
    let mut dice = Dice(0x5eed);
    for engine in Engine::ALL {
        let mut ours = Subject::embedded();
        let mut theirs = Subject::redis(engine).await;
        let mut applied = 0;
        let mut cursor = 0;
        for _ in 0..300 {
            // Never a start before which nothing was applied: only Redis can be LOST.
            let from = if cursor > 0 && dice.below(4) == 0 {
                dice.below(cursor + 3)
            } else {
                cursor
            };
            let to = from + dice.below(4);
            let mut changes = Deltas::default();
            for _ in 0..dice.below(12) {
                let site = SiteId([u8::try_from(dice.below(2)).unwrap(); 16]);
                let family = Family::ALL[usize::from(dice.below(2) == 0)];
                let field = ["gb", "us", "cy"][usize::try_from(dice.below(3)).unwrap()];
                changes.add(CounterHash { site, family }, field, dice.below(1 << 48));
            }
            let verdict = ours.commit(commit(from, to, &changes)).await;
            assert_eq!(theirs.commit(commit(from, to, &changes)).await, verdict);
            if matches!(verdict, Verdict::Applied(_)) {
                applied += 1;
                cursor = to;
            }
        }
        assert!(applied > 50, "{applied} of 300");
    }
}
