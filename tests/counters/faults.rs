//! Redis killed, stopped, emptied, gone back in time, full: nothing counts twice, nothing is lost.

use std::fs;
use std::path::Path;

use footfall::config::CountersConfig;
use footfall::counters::{BadReason, Fault, RedisCounters, Verdict};
use footfall::event::{Deltas, Sequence};

use crate::server::{Engine, RedisServer, until};
use crate::{EVENTS, IDENTITY, OTHER, VISITS};
use crate::{address, commit, config, connected, counters_at, deltas, everything, gb, unavailable, visit};

fn visits(server: &RedisServer) -> String {
    server.cli(&["HGET", "ff:{0}:visits", "gb"])
}

#[tokio::test]
async fn a_killed_connection_is_replaced_and_the_cursor_tells_where_to_go_on() {
    for engine in Engine::ALL {
        let server = RedisServer::start(engine);
        let mut counters = connected(&server, IDENTITY).await;
        visit(&mut counters, 1).await;
        server.cli(&["CLIENT", "KILL", "TYPE", "normal"]);
        unavailable(counters.commit(commit(1, 2, &gb(1))).await);
        assert!(!counters.is_connected());
        assert_eq!(
            unavailable(counters.commit(commit(1, 2, &gb(1))).await),
            "not connected"
        );
        assert_eq!(counters.connect(&[]).await, Ok(Some(Sequence(1))));
        visit(&mut counters, 2).await;
        assert_eq!(visits(&server), "2");
    }
}

#[tokio::test]
async fn a_commit_that_timed_out_counts_once_whether_or_not_redis_got_to_it() {
    for engine in Engine::ALL {
        let server = RedisServer::start(engine);
        let impatient = CountersConfig {
            redis_timeout_ms: 150,
            ..config()
        };
        let mut counters = RedisCounters::new(&address(&server.url()), &impatient, IDENTITY).unwrap();
        counters.connect(&[]).await.unwrap();
        let mut sequence = 0;
        for _ in 0..6 {
            visit(&mut counters, sequence + 1).await;
            sequence += 2;
            server.pause();
            unavailable(counters.commit(commit(sequence - 1, sequence, &gb(1))).await);
            assert!(!counters.is_connected(), "a timed-out connection is never used again");
            unavailable(counters.connect(&[]).await);
            server.resume();
            // The cursor decides: the commit waited in Redis' socket all the time and may run even now.
            until("Redis answers", || server.cli(&["PING"]) == "PONG");
            let cursor = counters.connect(&[]).await.unwrap().unwrap();
            if cursor < Sequence(sequence) {
                assert_eq!(cursor, Sequence(sequence - 1));
                visit(&mut counters, sequence).await;
            }
        }
        assert_eq!(visits(&server), sequence.to_string());
    }
}

#[tokio::test]
async fn a_caller_that_gives_up_half_way_leaves_no_connection_behind() {
    let server = RedisServer::start(Engine::Redis);
    let mut counters = connected(&server, IDENTITY).await;
    visit(&mut counters, 1).await;
    server.pause();
    let changes = gb(1);
    tokio::select! {
        biased;
        reply = counters.commit(commit(1, 2, &changes)) => panic!("{reply:?}"),
        () = tokio::task::yield_now() => {}
    }
    assert!(!counters.is_connected());
    server.resume();
    let cursor = counters.connect(&[]).await.unwrap().unwrap();
    assert!([1, 2].contains(&cursor.0));
}

#[tokio::test]
async fn a_killed_redis_is_caught_up_from_its_own_cursor() {
    let mut server = RedisServer::start(Engine::Valkey);
    let mut counters = connected(&server, IDENTITY).await;
    for to in 1..=50 {
        visit(&mut counters, to).await;
    }
    server.kill();
    unavailable(counters.commit(commit(50, 51, &gb(1))).await);
    unavailable(counters.connect(&[]).await);
    server.start_again();
    let Sequence(cursor) = counters.connect(&[]).await.unwrap().unwrap_or_default();
    for to in cursor + 1..=60 {
        visit(&mut counters, to).await;
    }
    assert_eq!(visits(&server), "60");
}

#[tokio::test]
async fn scripts_that_were_flushed_are_given_again() {
    let server = RedisServer::start(Engine::Redis);
    let mut counters = connected(&server, IDENTITY).await;
    visit(&mut counters, 1).await;
    server.cli(&["SCRIPT", "FLUSH"]);
    visit(&mut counters, 2).await;
    assert_eq!(visits(&server), "2");
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy(&entry.path(), &target);
        } else {
            fs::copy(entry.path(), target).unwrap();
        }
    }
}

#[tokio::test]
async fn a_redis_restored_from_an_old_snapshot_is_a_gap_and_is_refolded_from_there() {
    for engine in Engine::ALL {
        let mut server = RedisServer::start(engine);
        let snapshot = tempfile::tempdir().unwrap();
        let file = server.directory().join("appendonlydir");
        // The process before us, whose claim the snapshot holds.
        let mut earlier = connected(&server, IDENTITY).await;
        for to in 1..=3 {
            visit(&mut earlier, to).await;
        }
        server.stop();
        copy(&file, snapshot.path());
        server.start_again();
        let mut counters = counters_at(&server.url(), IDENTITY);
        for to in 4..=8 {
            assert_eq!(counters.connect(&[]).await, Ok(Some(Sequence(to - 1))));
            visit(&mut counters, to).await;
        }
        server.stop();
        fs::remove_dir_all(&file).unwrap();
        copy(snapshot.path(), &file);
        server.start_again();
        assert_eq!(counters.connect(&[]).await, Ok(Some(Sequence(3))), "{engine:?}");
        let verdict = counters.commit(commit(8, 9, &gb(1))).await.unwrap();
        assert_eq!(verdict, Verdict::Gap(Sequence(3)));
        for to in 4..=9 {
            visit(&mut counters, to).await;
        }
        assert_eq!(visits(&server), "9");
    }
}

#[tokio::test]
async fn an_emptied_redis_is_lost_and_filled_again_from_the_whole_contribution() {
    for engine in Engine::ALL {
        let server = RedisServer::start(engine);
        let mut counters = connected(&server, IDENTITY).await;
        let mut other = connected(&server, OTHER).await;
        for to in 1..=5 {
            visit(&mut counters, to).await;
            visit(&mut other, to).await;
        }
        server.cli(&["FLUSHALL"]);
        let verdict = counters.commit(commit(5, 6, &gb(1))).await.unwrap();
        assert_eq!(verdict, Verdict::Lost);
        let verdict = counters.contribute(Sequence(6), &gb(6)).await.unwrap();
        assert!(matches!(verdict, Verdict::Applied(_)), "{verdict:?}");
        let verdict = counters.contribute(Sequence(6), &gb(6)).await.unwrap();
        assert_eq!(verdict, Verdict::Duplicate(Sequence(6)));
        // The other gateway learns of it by a new connection, as after a restart of Redis.
        assert_eq!(other.connect(&[]).await, Ok(None));
        assert_eq!(other.commit(commit(5, 6, &gb(1))).await, Ok(Verdict::Lost));
        let verdict = other.contribute(Sequence(5), &gb(5)).await.unwrap();
        assert!(matches!(verdict, Verdict::Applied(_)), "{verdict:?}");
        visit(&mut counters, 7).await;
        visit(&mut other, 6).await;
        assert_eq!(visits(&server), "13");
        let meta = server.cli(&["HGETALL", "ff:meta"]);
        assert_eq!(meta, "format\n1\npartitions\n1", "written again");
    }
}

#[tokio::test]
async fn a_redis_emptied_before_the_first_commit_is_simply_claimed_again() {
    let server = RedisServer::start(Engine::Redis);
    let mut counters = connected(&server, IDENTITY).await;
    server.cli(&["FLUSHALL"]);
    assert_eq!(counters.commit(commit(0, 1, &gb(1))).await, Ok(Verdict::Stale));
    assert_eq!(counters.connect(&[]).await, Ok(None));
    visit(&mut counters, 1).await;
}

#[tokio::test]
async fn a_contribution_to_hashes_that_outlived_the_guard_is_refused() {
    let server = RedisServer::start(Engine::Redis);
    let mut counters = connected(&server, IDENTITY).await;
    visit(&mut counters, 1).await;
    server.cli(&["DEL", "ff:{0}:guard"]);
    assert_eq!(counters.commit(commit(1, 2, &gb(1))).await, Ok(Verdict::Lost));
    let orphan = BadReason {
        key: "ff:{0}:visits".into(),
        field: "".into(),
        fault: Fault::Orphan,
    };
    let verdict = counters.contribute(Sequence(2), &gb(2)).await.unwrap();
    assert_eq!(verdict, Verdict::Bad(orphan));
    assert_eq!(visits(&server), "1");
    server.cli(&["DEL", "ff:{0}:visits"]);
    let verdict = counters.contribute(Sequence(2), &gb(2)).await.unwrap();
    assert!(matches!(verdict, Verdict::Applied(_)), "{verdict:?}");
    assert_eq!(visits(&server), "2");
}

#[tokio::test]
async fn hashes_that_outlived_the_guard_are_noticed_by_who_adds_nothing_to_them() {
    for engine in Engine::ALL {
        for whole in [Deltas::default(), deltas(&[(EVENTS, "visit", 1)])] {
            let server = RedisServer::start(engine);
            let mut counters = connected(&server, IDENTITY).await;
            let counted = counters.contribute(Sequence(1), &gb(1)).await.unwrap();
            assert!(matches!(counted, Verdict::Applied(_)), "{counted:?}");
            server.cli(&["DEL", "ff:{0}:guard"]);
            let mut other = connected(&server, OTHER).await;
            let verdict = other.contribute(Sequence(1), &whole).await.unwrap();
            let refused = matches!(&verdict, Verdict::Bad(reason) if reason.fault == Fault::Orphan);
            assert!(refused, "{verdict:?}");
        }
    }
}

#[tokio::test]
async fn a_full_or_read_only_redis_is_unavailable_and_nothing_is_half_written() {
    for engine in Engine::ALL {
        let server = RedisServer::start(engine);
        let mut counters = connected(&server, IDENTITY).await;
        visit(&mut counters, 1).await;
        let many: Deltas = deltas(&[(VISITS, "gb", 1), (VISITS, "us", 1), (EVENTS, "visit", 2)]);
        for (ill, well, said) in [
            (
                ["CONFIG", "SET", "maxmemory", "1mb"],
                ["CONFIG", "SET", "maxmemory", "0"],
                "OOM",
            ),
            (
                ["CONFIG", "SET", "min-replicas-to-write", "1"],
                ["CONFIG", "SET", "min-replicas-to-write", "0"],
                "NOREPLICAS",
            ),
        ] {
            server.cli(&["SET", "filler", &"x".repeat(2 << 20)]);
            let before = everything(&server);
            server.cli(&ill);
            let text = unavailable(counters.commit(commit(1, 3, &many)).await).to_uppercase();
            assert!(text.contains(said), "{engine:?}: {text}");
            unavailable(counters.connect(&[]).await);
            server.cli(&well);
            assert_eq!(everything(&server), before);
            assert_eq!(counters.connect(&[]).await, Ok(Some(Sequence(1))));
        }
        server.cli(&["REPLICAOF", "127.0.0.1", "1"]);
        unavailable(counters.commit(commit(1, 3, &many)).await);
        server.cli(&["REPLICAOF", "NO", "ONE"]);
        assert_eq!(counters.connect(&[]).await, Ok(Some(Sequence(1))));
        let verdict = counters.commit(commit(1, 3, &many)).await.unwrap();
        assert!(matches!(verdict, Verdict::Applied(_)));
        assert_eq!(visits(&server), "2");
    }
}

#[tokio::test]
async fn nobody_at_the_address_is_unavailable() {
    let mut server = RedisServer::start(Engine::Redis);
    server.stop();
    let text = unavailable(counters_at(&server.url(), IDENTITY).connect(&[]).await);
    assert!(text.contains(&server.port().to_string()), "{text}");
}
