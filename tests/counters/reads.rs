//! Reading totals back, and what a server says of itself.

use footfall::config::CountersConfig;
use footfall::counters::{Fields, RedisReader};
use footfall::event::Sequence;

use crate::server::{Engine, RedisServer, until};
use crate::{EVENTS, IDENTITY, OTHER, VISITS, address, config, connected, reader, unavailable, visit};

#[tokio::test]
async fn totals_and_our_own_sequence_are_of_one_moment() {
    for engine in Engine::ALL {
        let server = RedisServer::start(engine);
        let mut counters = connected(&server, IDENTITY).await;
        let reader = reader(&server, IDENTITY);
        assert_eq!(reader.read_totals(&VISITS).await, Ok((None, Fields::new())));
        let write = async {
            for to in 1..=300 {
                visit(&mut counters, to).await;
            }
        };
        let read = async {
            let mut seen = 0;
            while seen < 300 {
                let (cursor, totals) = reader.read_totals(&VISITS).await.unwrap();
                seen = totals.get("gb").copied().unwrap_or(0);
                assert_eq!(cursor.unwrap_or_default(), Sequence(seen));
            }
        };
        tokio::join!(write, read);
    }
}

#[tokio::test]
async fn a_reader_sees_what_all_gateways_counted_and_only_its_own_sequence() {
    let server = RedisServer::start(Engine::Redis);
    let mut one = connected(&server, IDENTITY).await;
    let mut other = connected(&server, OTHER).await;
    visit(&mut one, 1).await;
    visit(&mut other, 1).await;
    visit(&mut other, 2).await;
    let three = Fields::from([("gb".into(), 3)]);
    let (ours, others) = (reader(&server, IDENTITY), reader(&server, OTHER));
    assert_eq!(ours.read_totals(&VISITS).await, Ok((Some(Sequence(1)), three.clone())));
    assert_eq!(others.read_totals(&VISITS).await, Ok((Some(Sequence(2)), three)));
    assert_eq!(ours.read_totals(&EVENTS).await, Ok((Some(Sequence(1)), Fields::new())));
    server.cli(&["HSET", "ff:{0}:visits", "us", "many"]);
    assert_eq!(
        ours.read_totals(&VISITS).await.unwrap().1.len(),
        1,
        "what is no total is left out"
    );
}

#[tokio::test]
async fn a_reader_fails_in_time_and_recovers_by_itself() {
    let mut server = RedisServer::start(Engine::Redis);
    let impatient = CountersConfig {
        redis_timeout_ms: 150,
        pool_size: 1,
        ..config()
    };
    let reader = RedisReader::new(&address(&server.url()), &impatient, IDENTITY).unwrap();
    reader.ping().await.unwrap();
    server.pause();
    unavailable(reader.ping().await);
    unavailable(reader.read_totals(&VISITS).await);
    server.resume();
    until("Redis answers", || server.cli(&["PING"]) == "PONG");
    reader.ping().await.unwrap();
    server.stop();
    unavailable(reader.ping().await);
    server.start_again();
    reader.ping().await.unwrap();
}

#[tokio::test]
async fn a_server_tells_its_name_and_whether_it_may_evict() {
    for (engine, product) in [(Engine::Redis, "redis"), (Engine::Valkey, "valkey")] {
        let server = RedisServer::start(engine);
        let reader = reader(&server, IDENTITY);
        let said = reader.server().await.unwrap();
        assert_eq!(said.product, product);
        assert!(said.is_supported() && !said.may_evict(), "{said:?}");
        server.cli(&["CONFIG", "SET", "maxmemory-policy", "allkeys-lru"]);
        let said = reader.server().await.unwrap();
        assert!(said.may_evict());
        assert_eq!(said.eviction_policy, "allkeys-lru");
    }
}

/// The connections of others than the one that asks.
fn connections(server: &RedisServer) -> Vec<String> {
    let list = server.cli(&["CLIENT", "LIST"]);
    let others = list.lines().filter(|line| !line.contains("cmd=client"));
    others
        .filter_map(|line| Some(line.split(' ').next()?.to_owned()))
        .collect()
}

#[tokio::test]
async fn a_connection_on_which_a_read_failed_is_not_used_again() {
    let server = RedisServer::start(Engine::Redis);
    let reader = reader(&server, IDENTITY);
    reader.ping().await.unwrap();
    let before = connections(&server);
    reader.ping().await.unwrap();
    assert_eq!(connections(&server), before);
    server.cli(&["SET", "ff:{0}:visits", "12"]);
    unavailable(reader.read_totals(&VISITS).await);
    // The next call also gives the runtime its turn to close the old one.
    reader.ping().await.unwrap();
    until("the old connection is closed", || {
        !connections(&server).contains(&before[0])
    });
    assert_eq!(connections(&server).len(), 1);
}
