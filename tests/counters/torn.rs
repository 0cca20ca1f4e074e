//! An append-only file whose end was torn off within a transaction. Redis gives the transaction up when it starts, but
//! some versions leave its first commands in the file, and carry them out at the start after that, together with the
//! next transaction. A gateway must notice, or what it adds counts twice.

use std::fs::{self, File};
use std::path::PathBuf;

use footfall::counters::{BadReason, Fault, RedisCounters, RedisReader, Verdict};
use footfall::event::{Deltas, Sequence};

use crate::server::{Engine, RedisServer};
use crate::{EVENTS, IDENTITY, OTHER, VISITS, commit, connected, deltas, reader};

/// Bytes between two places at which the file is torn: less than any command in it.
const STEP: usize = 29;

/// Where a server writes down what it does.
fn file_of(server: &RedisServer) -> PathBuf {
    let files = fs::read_dir(server.directory().join("appendonlydir")).unwrap();
    let mut paths = files.map(|entry| entry.unwrap().path());
    paths
        .find(|path| path.to_string_lossy().ends_with(".incr.aof"))
        .unwrap()
}

fn length(server: &RedisServer) -> u64 {
    file_of(server).metadata().unwrap().len()
}

/// A power cut after so many bytes of the file.
fn tear(server: &mut RedisServer, bytes: u64) {
    server.kill();
    let file = File::options().write(true).open(file_of(server)).unwrap();
    file.set_len(bytes).unwrap();
    server.start_again();
}

/// A gateway in small: each of its frames has a visit from its country.
struct Gateway {
    country: &'static str,
    counters: RedisCounters,
    reader: RedisReader,
    /// Commits that were refused since Redis has a part of a transaction only.
    torn: u64,
}

impl Gateway {
    async fn new(server: &RedisServer, identity: [u8; 16], country: &'static str) -> Self {
        Self {
            country,
            counters: connected(server, identity).await,
            reader: reader(server, identity),
            torn: 0,
        }
    }

    /// So many visits.
    fn visits(&self, amount: u64) -> Deltas {
        deltas(&[(EVENTS, "visit", amount), (VISITS, self.country, amount)])
    }

    /// Counts what Redis lacks of the frames up to `to`.
    async fn count_upto(&mut self, to: u64) {
        for _ in 0..5 {
            let held = self.counters.connect(&[]).await.unwrap();
            let verdict = match held {
                Some(Sequence(held)) if held == to => return,
                Some(Sequence(held)) => self.counters.commit(commit(held, to, &self.visits(to - held))).await,
                None => self.counters.contribute(Sequence(to), &self.visits(to)).await,
            };
            match verdict.unwrap() {
                Verdict::Applied(_) => return,
                Verdict::Bad(BadReason {
                    fault: fault @ (Fault::Orphan | Fault::Torn),
                    ..
                }) => {
                    self.torn += u64::from(fault == Fault::Torn);
                    let ending = self.reader.generation().await.unwrap();
                    self.reader.renew(ending).await.unwrap();
                }
                other => panic!("{other:?}"),
            }
        }
        panic!("it does not come to rest");
    }
}

/// Tears the file at each place within what `act` adds to it, starts the server twice, with a transaction of another
/// gateway in between, and wants both gateways counted exactly; how often a commit was refused on the way.
async fn tear_within(engine: Engine, act: impl AsyncFn(&mut Gateway)) -> u64 {
    let (mut torn, mut place) = (0, 0);
    loop {
        // A server that syncs each second puts writes off while a sync is slow, and the file looks shorter than it is.
        let mut server = RedisServer::start_with(engine, &["--appendfsync", "always"]);
        let mut gateway = Gateway::new(&server, IDENTITY, "gb").await;
        let mut other = Gateway::new(&server, OTHER, "us").await;
        gateway.count_upto(5).await;
        other.count_upto(1).await;
        let before = length(&server);
        act(&mut gateway).await;
        if before + place as u64 >= length(&server) {
            return torn;
        }
        tear(&mut server, before + place as u64);
        other.count_upto(2).await;
        let all = length(&server);
        tear(&mut server, all);
        for to in 6..8 {
            gateway.count_upto(to).await;
            other.count_upto(to).await;
        }
        // Who was told that all began anew contributes again.
        gateway.count_upto(7).await;
        let totals = server.cli(&["HMGET", "ff:{0}:visits", "gb", "us"]);
        assert_eq!(totals, "7\n7", "{engine:?}, torn {place} bytes behind");
        assert_eq!(server.cli(&["HGET", "ff:{0}:events", "visit"]), "14");
        torn += gateway.torn + other.torn;
        place += STEP;
    }
}

#[tokio::test]
async fn what_a_torn_commit_left_is_noticed_and_nothing_counts_twice() {
    let torn = tear_within(Engine::Redis, async |gateway| gateway.count_upto(6).await).await;
    assert!(torn > 0, "no commit was carried out in part");
    tear_within(Engine::Valkey, async |gateway| gateway.count_upto(6).await).await;
}

#[tokio::test]
async fn what_the_torn_beginning_of_a_generation_left_is_noticed_and_nothing_is_lost() {
    let act = async |gateway: &mut Gateway| {
        gateway.reader.renew(0).await.unwrap();
    };
    let torn = tear_within(Engine::Redis, act).await;
    assert!(torn > 0, "no generation has begun in part");
    tear_within(Engine::Valkey, act).await;
}
