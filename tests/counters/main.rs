//! The promise of the counters: each commit counts once or not at all, with real Redis and Valkey servers.

mod access;
mod faults;
mod guard;
mod ledger;

mod reads;
mod torn;
mod verdicts;

#[path = "../support/redis.rs"]
mod server;

use footfall::config::{CountersConfig, Secret};
use footfall::counters::{Commit, CountersError, RedisCounters, RedisReader, Verdict};
use footfall::event::{CounterHash, Deltas, Family, Sequence, SiteId};
use footfall::redis_address::RedisAddress;
use server::RedisServer;

/// The identity of the gateway in most tests.
const IDENTITY: [u8; 16] = [0xa1; 16];
/// Another gateway's.
const OTHER: [u8; 16] = [0xb2; 16];

const VISITS: CounterHash = CounterHash {
    site: SiteId::DEFAULT,
    family: Family::Visits,
};
const EVENTS: CounterHash = CounterHash {
    site: SiteId::DEFAULT,
    family: Family::Events,
};

fn deltas(changes: &[(CounterHash, &str, u64)]) -> Deltas {
    let mut deltas = Deltas::default();
    for (hash, field, amount) in changes {
        deltas.add(*hash, field, *amount);
    }
    deltas
}

/// So many visits from Great Britain.
fn gb(amount: u64) -> Deltas {
    deltas(&[(VISITS, "gb", amount)])
}

fn commit(from: u64, to: u64, deltas: &Deltas) -> Commit<'_> {
    Commit {
        from: Sequence(from),
        to: Sequence(to),
        deltas,
    }
}

fn config() -> CountersConfig {
    CountersConfig {
        redis_timeout_ms: 5_000,
        ..CountersConfig::default()
    }
}

fn address(url: &str) -> RedisAddress {
    RedisAddress::parse(&Secret::new(url)).unwrap()
}

fn counters_at(url: &str, identity: [u8; 16]) -> RedisCounters {
    RedisCounters::new(&address(url), &config(), identity).unwrap()
}

async fn connected(server: &RedisServer, identity: [u8; 16]) -> RedisCounters {
    let mut counters = counters_at(&server.url(), identity);
    counters.connect(&[]).await.unwrap();
    counters
}

fn reader(server: &RedisServer, identity: [u8; 16]) -> RedisReader {
    RedisReader::new(&address(&server.url()), &config(), identity).unwrap()
}

/// Commits one visit from Great Britain as frame `to`, and wants it applied.
async fn visit(counters: &mut RedisCounters, to: u64) {
    let verdict = counters.commit(commit(to - 1, to, &gb(1))).await.unwrap();
    assert!(matches!(verdict, Verdict::Applied(_)), "{verdict:?}");
}

/// All keys of the counters with what is in them: equal texts, nothing written.
fn everything(server: &RedisServer) -> String {
    let mut keys: Vec<String> = server.cli(&["KEYS", "*"]).lines().map(str::to_owned).collect();
    keys.sort();
    let contents = keys.iter().map(|key| match server.cli(&["TYPE", key]).as_str() {
        "hash" => format!("{key}: {}", server.cli(&["HGETALL", key]).replace('\n', " ")),
        kind => format!("{key} is a {kind}"),
    });
    contents.collect::<Vec<_>>().join("\n")
}

fn unavailable<T: std::fmt::Debug>(result: Result<T, CountersError>) -> String {
    match result {
        Err(CountersError::Unavailable(text)) => text.into(),
        other => panic!("{other:?}"),
    }
}
