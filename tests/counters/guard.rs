//! What the guard in Redis keeps out: other claims, old commits, counters that are not numbers.

use footfall::counters::{BadReason, CountersError, Fault, Fence, Inherited, Verdict};
use footfall::event::{Deltas, Sequence, SiteId};

use crate::server::{Engine, RedisServer};
use crate::{EVENTS, IDENTITY, OTHER, VISITS, commit, connected, counters_at, deltas, everything, gb, reader, visit};

/// The guard's field of the gateway in these tests.
const ID: &str = "a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1";

fn bad(key: &str, field: &str, fault: Fault) -> Verdict {
    Verdict::Bad(BadReason {
        key: key.into(),
        field: field.into(),
        fault,
    })
}

/// What a process is told that was ousted when its commits had come to a sequence.
fn ousted_at(sequence: u64) -> Fence {
    Fence {
        held: Some(Sequence(sequence)),
        ours: true,
        inherited: Vec::new(),
    }
}

#[tokio::test]
async fn what_is_in_redis_can_be_read_by_a_person() {
    let server = RedisServer::start(Engine::Redis);
    let mut counters = connected(&server, IDENTITY).await;
    visit(&mut counters, 1).await;
    assert_eq!(server.cli(&["HGETALL", "ff:{0}:visits"]), "gb\n1");
    assert_eq!(server.cli(&["HGET", "ff:{0}:guard", ID]), "1");
    assert_eq!(server.cli(&["HGETALL", "ff:meta"]), "format\n1\npartitions\n1");
}

#[tokio::test]
async fn the_second_claim_of_an_identity_fences_the_first_for_good() {
    for engine in Engine::ALL {
        let server = RedisServer::start(engine);
        let mut first = connected(&server, IDENTITY).await;
        visit(&mut first, 1).await;
        let mut second = counters_at(&server.url(), IDENTITY);
        assert_eq!(second.connect(&[]).await, Ok(Some(Sequence(1))));
        let fence = ousted_at(1);
        assert_eq!(first.commit(commit(1, 2, &gb(1))).await, Ok(Verdict::Stale));
        assert_eq!(first.connect(&[]).await, Err(CountersError::Fenced(fence.clone())));
        let refused = first.commit(commit(1, 2, &gb(1))).await;
        assert_eq!(refused, Err(CountersError::Fenced(fence)));
        visit(&mut second, 2).await;
        assert_eq!(server.cli(&["HGET", "ff:{0}:visits", "gb"]), "2");
    }
}

#[tokio::test]
async fn a_gateway_that_lost_its_connection_meanwhile_is_fenced_when_it_comes_back() {
    let server = RedisServer::start(Engine::Redis);
    let mut first = connected(&server, IDENTITY).await;
    let mut second = connected(&server, IDENTITY).await;
    visit(&mut second, 1).await;
    let fence = Fence {
        held: None,
        ours: true,
        inherited: Vec::new(),
    };
    assert_eq!(first.connect(&[]).await, Err(CountersError::Fenced(fence)));
    visit(&mut second, 2).await;
}

#[tokio::test]
async fn a_late_claim_of_a_dead_process_fences_nobody_who_went_on_with_its_journal() {
    for engine in Engine::ALL {
        let server = RedisServer::start(engine);
        let mut dead = connected(&server, IDENTITY).await;
        visit(&mut dead, 1).await;
        let inherited = [Inherited {
            writer: dead.writer(),
            last: Sequence(1),
        }];
        let mut successor = counters_at(&server.url(), IDENTITY);
        assert_eq!(successor.connect(&inherited).await, Ok(Some(Sequence(1))));
        let mut late = counters_at(&server.url(), IDENTITY);
        late.connect(&[]).await.unwrap();
        assert!(
            matches!(successor.connect(&inherited).await, Err(CountersError::Fenced(_))),
            "of a stranger nobody knows whether it lives"
        );
        // Its claim comes once more, now that the other's is known.
        dead.rename(IDENTITY).unwrap();
        let inherited = [Inherited {
            writer: dead.writer(),
            last: Sequence(1),
        }];
        let mut successor = counters_at(&server.url(), IDENTITY);
        successor.connect(&inherited).await.unwrap();
        assert!(matches!(dead.connect(&[]).await, Err(CountersError::Fenced(_))));
        visit(&mut successor, 2).await;
        // Redis has lost the other's, and has the dead one's since.
        let dead = SiteId(dead.writer()).to_string();
        server.cli(&["HSET", "ff:{0}:guard", &format!("{ID}:nonce"), &dead]);
        server.cli(&["HDEL", "ff:{0}:guard", &format!("{ID}:inherited")]);
        assert_eq!(successor.commit(commit(2, 3, &gb(1))).await, Ok(Verdict::Stale));
        assert_eq!(successor.connect(&inherited).await, Ok(Some(Sequence(2))));
        visit(&mut successor, 3).await;
    }
}

#[tokio::test]
async fn who_is_ousted_learns_how_far_it_had_come_and_who_was_ousted_before_learns_nothing() {
    let server = RedisServer::start(Engine::Redis);
    let mut first = connected(&server, IDENTITY).await;
    visit(&mut first, 1).await;
    // Connecting again is no ousting.
    first.connect(&[]).await.unwrap();
    visit(&mut first, 2).await;
    let mut second = counters_at(&server.url(), IDENTITY);
    second.connect(&[]).await.unwrap();
    for sequence in 3..6 {
        visit(&mut second, sequence).await;
    }
    let mut third = counters_at(&server.url(), IDENTITY);
    third.connect(&[]).await.unwrap();
    assert_eq!(second.connect(&[]).await, Err(CountersError::Fenced(ousted_at(5))));
    let fence = Fence {
        ours: false,
        ..ousted_at(5)
    };
    assert_eq!(first.connect(&[]).await, Err(CountersError::Fenced(fence)));
}

#[tokio::test]
async fn who_is_ousted_learns_what_the_claimant_has_of_its_journal() {
    let server = RedisServer::start(Engine::Redis);
    let mut first = connected(&server, IDENTITY).await;
    let inherited: Vec<_> = [(first.writer(), 7), ([0; 16], 20)]
        .map(|(writer, last)| Inherited {
            writer,
            last: Sequence(last),
        })
        .into();
    let mut second = counters_at(&server.url(), IDENTITY);
    second.connect(&inherited).await.unwrap();
    let fence = Fence {
        held: None,
        ours: true,
        inherited,
    };
    assert_eq!(first.connect(&[]).await, Err(CountersError::Fenced(fence)));
}

#[tokio::test]
async fn an_original_that_comes_after_its_clone_is_told_what_the_clone_has() {
    for engine in Engine::ALL {
        let server = RedisServer::start(engine);
        let mut original = counters_at(&server.url(), IDENTITY);
        let copied = [Inherited {
            writer: original.writer(),
            last: Sequence(7),
        }];
        let mut clone = counters_at(&server.url(), IDENTITY);
        assert_eq!(clone.connect(&copied).await, Ok(None));
        visit(&mut clone, 1).await;
        let fence = Fence {
            held: None,
            ours: true,
            inherited: copied.into(),
        };
        let told = original.connect(&[]).await;
        assert_eq!(told, Err(CountersError::Fenced(fence)), "{engine:?}");
        visit(&mut clone, 2).await;
    }
}

#[tokio::test]
async fn an_original_is_told_so_too_when_the_clone_was_first_in_a_redis_that_lost_everything() {
    let server = RedisServer::start(Engine::Valkey);
    let mut original = connected(&server, IDENTITY).await;
    visit(&mut original, 1).await;
    server.cli(&["FLUSHALL"]);
    let copied = [Inherited {
        writer: original.writer(),
        last: Sequence(0),
    }];
    let mut clone = counters_at(&server.url(), IDENTITY);
    clone.connect(&copied).await.unwrap();
    let fence = Fence {
        held: None,
        ours: true,
        inherited: copied.into(),
    };
    assert_eq!(original.commit(commit(1, 2, &gb(1))).await, Ok(Verdict::Stale));
    assert_eq!(original.connect(&[]).await, Err(CountersError::Fenced(fence)));
}

#[tokio::test]
async fn who_claims_a_name_learns_who_committed_last_also_when_the_reply_was_lost() {
    let server = RedisServer::start(Engine::Redis);
    let mut first = counters_at(&server.url(), IDENTITY);
    let earlier = Inherited {
        writer: [5; 16],
        last: Sequence(3),
    };
    first.connect(&[earlier]).await.unwrap();
    assert_eq!(first.before(), [], "nobody's");
    visit(&mut first, 1).await;
    let holder = Inherited {
        writer: first.writer(),
        last: Sequence(u64::MAX),
    };
    // As if nobody had heard the second one's first reply; the third finds what the second found.
    let [mut second, mut third] = [0, 1].map(|_| counters_at(&server.url(), IDENTITY));
    for counters in [&mut second, &mut third] {
        for _ in 0..2 {
            counters.connect(&[]).await.unwrap();
            assert_eq!(counters.before(), [holder, earlier]);
        }
    }
}

#[tokio::test]
async fn under_a_new_name_an_ousted_gateway_counts_on() {
    let server = RedisServer::start(Engine::Valkey);
    let mut first = connected(&server, IDENTITY).await;
    visit(&mut first, 1).await;
    let mut second = counters_at(&server.url(), IDENTITY);
    second.connect(&[]).await.unwrap();
    first.connect(&[]).await.unwrap_err();
    let name = first.writer();
    first.rename(name).unwrap();
    assert_eq!(first.connect(&[]).await, Ok(None));
    assert_ne!(first.writer(), name, "a second fence needs another name");
    visit(&mut first, 1).await;
    visit(&mut second, 2).await;
    assert_eq!(server.cli(&["HGET", "ff:{0}:visits", "gb"]), "3");
}

#[tokio::test]
async fn a_new_generation_puts_the_counters_aside_and_every_gateway_contributes_again() {
    for engine in Engine::ALL {
        let server = RedisServer::start(engine);
        let reader = reader(&server, IDENTITY);
        let mut one = connected(&server, IDENTITY).await;
        let mut other = connected(&server, OTHER).await;
        visit(&mut one, 1).await;
        visit(&mut other, 1).await;
        assert_eq!(reader.generation().await, Ok(0));
        assert_eq!(reader.renew(0).await, Ok((true, 1)));
        assert_eq!(reader.renew(0).await, Ok((false, 1)), "a second call comes too late");
        assert_eq!(reader.generation().await, Ok(1));
        assert_eq!(server.cli(&["HGET", "ff:{0}:visits:before-1", "gb"]), "2");
        assert_eq!(server.cli(&["EXISTS", "ff:{0}:visits"]), "0");
        for gateway in [&mut one, &mut other] {
            assert_eq!(gateway.commit(commit(1, 2, &gb(1))).await, Ok(Verdict::Lost));
            let whole = gateway.contribute(Sequence(2), &gb(2)).await;
            assert!(matches!(whole, Ok(Verdict::Applied(_))), "{whole:?}");
        }
        assert_eq!(server.cli(&["HGET", "ff:{0}:visits", "gb"]), "4");
    }
}

#[tokio::test]
async fn no_generation_takes_the_place_of_one_that_a_lost_guard_has_forgotten() {
    for engine in Engine::ALL {
        let server = RedisServer::start(engine);
        let reader = reader(&server, IDENTITY);
        let mut counters = connected(&server, IDENTITY).await;
        visit(&mut counters, 1).await;
        assert_eq!(reader.renew(0).await, Ok((true, 1)));
        let whole = counters.contribute(Sequence(2), &gb(2)).await;
        assert!(matches!(whole, Ok(Verdict::Applied(_))), "{whole:?}");
        server.cli(&["DEL", "ff:{0}:guard"]);
        assert_eq!(reader.renew(0).await, Ok((true, 2)));
        for (generation, total) in [(1, "1"), (2, "2")] {
            let key = format!("ff:{{0}}:visits:before-{generation}");
            assert_eq!(server.cli(&["HGET", &key, "gb"]), total);
        }
    }
}

#[tokio::test]
async fn two_gateways_of_different_identities_add_up() {
    let server = RedisServer::start(Engine::Valkey);
    let mut one = connected(&server, IDENTITY).await;
    let mut other = connected(&server, OTHER).await;
    for sequence in 1..=20 {
        visit(&mut one, sequence).await;
        visit(&mut other, sequence).await;
    }
    assert_eq!(server.cli(&["HGET", "ff:{0}:visits", "gb"]), "40");
}

#[tokio::test]
async fn a_late_commit_of_an_earlier_claim_of_ours_is_not_applied() {
    let server = RedisServer::start(Engine::Redis);
    let mut counters = connected(&server, IDENTITY).await;
    visit(&mut counters, 1).await;
    let field = |name: &str| server.cli(&["HGET", "ff:{0}:guard", &format!("{ID}:{name}")]);
    let (nonce, epoch) = (field("nonce"), field("epoch"));
    counters.connect(&[]).await.unwrap();
    let before = everything(&server);
    assert_eq!(field("epoch").parse::<u64>(), Ok(epoch.parse::<u64>().unwrap() + 1));
    // What the first connection would send now: the same nonce, the epoch before.
    let script = include_str!("../../src/counters/lua/apply.lua");
    let keys = ["EVAL", script, "3", "ff:{0}:guard", "ff:{0}:begun", "ff:{0}:visits"];
    let late = [ID, &epoch, &nonce, "1", "2", "next", "1", "gb", "1"];
    assert_eq!(server.cli(&[&keys[..], &late[..]].concat()), "STALE");
    assert_eq!(everything(&server), before);
    visit(&mut counters, 2).await;
}

#[tokio::test]
async fn a_claim_of_ours_whose_reply_was_lost_does_not_fence_us() {
    let server = RedisServer::start(Engine::Redis);
    let mut counters = connected(&server, IDENTITY).await;
    visit(&mut counters, 1).await;
    // As if a claim had run whose reply never came: our nonce, an epoch we know nothing of.
    server.cli(&["HINCRBY", "ff:{0}:guard", &format!("{ID}:epoch"), "1"]);
    assert_eq!(counters.commit(commit(1, 2, &gb(1))).await, Ok(Verdict::Stale));
    assert_eq!(counters.connect(&[]).await, Ok(Some(Sequence(1))));
    visit(&mut counters, 2).await;
}

#[tokio::test]
async fn a_counter_of_the_wrong_kind_is_bad_and_nothing_is_written() {
    for engine in Engine::ALL {
        let server = RedisServer::start(engine);
        let mut counters = connected(&server, IDENTITY).await;
        let changes = deltas(&[(EVENTS, "visit", 1), (VISITS, "gb", 1), (VISITS, "us", 1)]);
        server.cli(&["HSET", "ff:{0}:visits", "us", "7"]);
        for (value, fault) in [
            ("many", Fault::Number),
            ("-1", Fault::Number),
            ("1.5", Fault::Number),
            ("1e3", Fault::Number),
            ("", Fault::Number),
            ("99999999999999999999", Fault::Limit),
        ] {
            server.cli(&["HSET", "ff:{0}:visits", "gb", value]);
            let before = everything(&server);
            let verdict = counters.commit(commit(0, 1, &changes)).await.unwrap();
            assert_eq!(verdict, bad("ff:{0}:visits", "gb", fault), "{value:?}");
            assert_eq!(everything(&server), before);
        }
        server.cli(&["DEL", "ff:{0}:visits"]);
        server.cli(&["SET", "ff:{0}:visits", "12"]);
        let before = everything(&server);
        let verdict = counters.commit(commit(0, 1, &changes)).await.unwrap();
        assert_eq!(verdict, bad("ff:{0}:visits", "", Fault::Type));
        assert_eq!(everything(&server), before);
        server.cli(&["DEL", "ff:{0}:visits"]);
        visit(&mut counters, 1).await;
    }
}

#[tokio::test]
async fn a_guard_that_is_no_guard_is_bad() {
    let server = RedisServer::start(Engine::Redis);
    let mut counters = connected(&server, IDENTITY).await;
    visit(&mut counters, 1).await;
    server.cli(&["HSET", "ff:{0}:guard", ID, "one"]);
    let verdict = counters.commit(commit(1, 2, &gb(1))).await.unwrap();
    assert_eq!(verdict, bad("ff:{0}:guard", ID, Fault::Number));
    server.cli(&["SET", "ff:{0}:guard", "one"]);
    let verdict = counters.commit(commit(1, 2, &gb(1))).await.unwrap();
    assert_eq!(verdict, bad("ff:{0}:guard", "", Fault::Type));
}

#[tokio::test]
async fn keys_of_another_format_or_number_of_partitions_are_refused() {
    let server = RedisServer::start(Engine::Redis);
    connected(&server, IDENTITY).await;
    for (field, value) in [("partitions", "256"), ("format", "2")] {
        server.cli(&["HSET", "ff:meta", field, value]);
        let before = everything(&server);
        let Err(CountersError::Unsuitable(text)) = counters_at(&server.url(), IDENTITY).connect(&[]).await else {
            panic!("{field}");
        };
        assert!(text.contains(field) && text.contains(value), "{text}");
        assert_eq!(everything(&server), before);
        server.cli(&["HSET", "ff:meta", field, "1"]);
    }
}

/// How often each command ran since the last reset.
fn calls(server: &RedisServer, command: &str) -> u64 {
    let stats = server.cli(&["INFO", "commandstats"]);
    let line = stats
        .lines()
        .find_map(|line| line.strip_prefix(&format!("cmdstat_{command}:calls=")));
    line.map_or(0, |rest| rest.split(',').next().unwrap().parse().unwrap())
}

#[tokio::test]
async fn a_commit_of_every_country_and_as_many_events_is_one_call_of_seven_commands() {
    for engine in Engine::ALL {
        let server = RedisServer::start(engine);
        let mut counters = connected(&server, IDENTITY).await;
        visit(&mut counters, 1).await;
        let mut changes = Deltas::default();
        for number in 0..249 {
            changes.add(VISITS, &format!("{number}"), 1);
            changes.add(EVENTS, &format!("{number}"), 1);
        }
        server.cli(&["CONFIG", "RESETSTAT"]);
        let verdict = counters.commit(commit(1, 250, &changes)).await.unwrap();
        assert!(matches!(verdict, Verdict::Applied(_)));
        let counts = [
            "evalsha",
            "hmget",
            "hset",
            "hkeys",
            "exists",
            "eval",
            "hincrby",
            "script|load",
        ]
        .map(|command| calls(&server, command));
        assert_eq!(counts, [1, 3, 3, 0, 0, 0, 1, 0]);
    }
}
