//! Beside Redis each gateway has a copy: what it is good for, and what it must not do.

use std::sync::Arc;

use footfall::config::Secret;
use footfall::directory::{Copying, DirectoryError, Keeper};
use rusqlite::Connection;

use crate::support::redis::{Engine, RedisServer, ask};
use crate::{Home, keeper, named, names, write_key};

const REGISTER: &str = "ff:dir:register";

#[tokio::test]
async fn a_start_without_redis_has_the_sites_and_keys_of_the_copy() {
    let mut home = Home::on(Engine::Redis);
    let mut before = home.keeper();
    before.add_site(&named("shop"), None).await.unwrap();
    let (new, _) = before.add_key(&write_key("shop")).await.unwrap();
    home.server.as_mut().unwrap().stop();

    let mut after = home.keeper();
    assert!(after.directory().key(&new.text, 0).is_some());
    assert!(matches!(after.refresh().await, Err(DirectoryError::Redis(_))));
    assert!(after.directory().key(&new.text, 0).is_some(), "what is known stays");
    assert!(matches!(after.revoke_key(&new.id).await, Err(DirectoryError::Redis(_))));
    assert!(after.directory().key(&new.text, 0).is_some(), "nothing was changed");

    home.server.as_mut().unwrap().start_again();
    after.revoke_key(&new.id).await.unwrap();
    before.refresh().await.unwrap();
    assert_eq!(before.directory().key(&new.text, 0), None);
}

#[tokio::test]
async fn a_redis_that_lost_everything_gets_it_back_from_memory_or_from_the_copy() {
    for engine in Engine::ALL {
        let home = Home::on(engine);
        let mut gateway = home.keeper();
        gateway.add_site(&named("shop"), None).await.unwrap();
        let (new, _) = gateway.add_key(&write_key("shop")).await.unwrap();

        home.server().cli(&["FLUSHALL"]);
        gateway.refresh().await.unwrap();
        let mut neighbour = keeper(&home.neighbour());
        neighbour.refresh().await.unwrap();
        assert!(neighbour.directory().key(&new.text, 0).is_some());

        drop((gateway, neighbour));
        home.server().cli(&["FLUSHALL"]);
        home.keeper().refresh().await.unwrap();
        assert_eq!(home.server().cli(&["HLEN", REGISTER]), "3", "edition, site, key");
    }
}

/// Puts back what `HGETALL` said, as a restored backup would.
fn restore(server: &RedisServer, lines: &str) {
    server.cli(&["DEL", REGISTER]);
    let fields: Vec<&str> = lines.lines().collect();
    server.cli(&[&["HSET", REGISTER], &fields[..]].concat());
}

#[tokio::test]
async fn a_key_that_was_revoked_does_not_return_with_an_older_redis() {
    let home = Home::on(Engine::Redis);
    let mut gateway = home.keeper();
    gateway.add_site(&named("shop"), None).await.unwrap();
    let (new, _) = gateway.add_key(&write_key("shop")).await.unwrap();
    let older = home.server().cli(&["HGETALL", REGISTER]);
    gateway.revoke_key(&new.id).await.unwrap();
    gateway.add_site(&named("blog"), None).await.unwrap();

    restore(home.server(), &older);
    let mut unknowing = keeper(&home.neighbour());
    unknowing.refresh().await.unwrap();
    assert!(
        unknowing.directory().key(&new.text, 0).is_some(),
        "this is what has to be mended"
    );

    gateway.refresh().await.unwrap();
    unknowing.refresh().await.unwrap();
    assert_eq!(unknowing.directory().key(&new.text, 0), None);
    assert_eq!(names(&unknowing), ["blog", "default", "shop"]);
}

#[tokio::test]
async fn a_change_made_on_an_older_redis_is_seen_even_when_the_number_of_changes_is_the_same() {
    let home = Home::on(Engine::Redis);
    let mut gateway = home.keeper();
    gateway.add_site(&named("shop"), None).await.unwrap();
    let older = home.server().cli(&["HGETALL", REGISTER]);
    gateway.add_site(&named("blog"), None).await.unwrap();
    restore(home.server(), &older);
    keeper(&home.neighbour()).add_site(&named("news"), None).await.unwrap();
    gateway.refresh().await.unwrap();
    assert_eq!(names(&gateway), ["default", "news", "shop"]);
}

#[tokio::test]
async fn a_directory_goes_along_into_redis_and_back() {
    let mut home = Home::embedded();
    let mut alone = home.keeper();
    alone.add_site(&named("shop"), None).await.unwrap();
    let (new, _) = alone.add_key(&write_key("shop")).await.unwrap();

    let server = RedisServer::start(Engine::Redis);
    home.config.counters.redis_url = Some(Secret::new(server.url()));
    let mut shared = home.keeper();
    shared.refresh().await.unwrap();
    let mut neighbour = home.config.clone();
    neighbour.journal.data_dir = home.data.path().join("neighbour");
    let mut neighbour = keeper(&neighbour);
    neighbour.add_site(&named("blog"), None).await.unwrap();
    assert!(neighbour.directory().key(&new.text, 0).is_some());
    shared.refresh().await.unwrap();

    home.config.counters.redis_url = None;
    let mut alone = home.keeper();
    alone.refresh().await.unwrap();
    assert_eq!(names(&alone), ["blog", "default", "shop"]);
    assert!(alone.directory().key(&new.text, 0).is_some());
}

#[tokio::test]
async fn sites_of_a_data_directory_that_joins_another_redis_are_left_where_they_are() {
    let mut home = Home::embedded();
    home.keeper().add_site(&named("mine"), None).await.unwrap();
    let others = Home::on(Engine::Redis);
    others.keeper().add_site(&named("theirs"), None).await.unwrap();

    home.config.counters.redis_url = Some(Secret::new(others.server().url()));
    let mut joining = home.keeper();
    joining.refresh().await.unwrap();
    assert_eq!(names(&joining), ["default", "theirs"]);
    joining.add_site(&named("both"), None).await.unwrap();

    home.config.counters.redis_url = None;
    let mut alone = home.keeper();
    alone.refresh().await.unwrap();
    assert_eq!(names(&alone), ["default", "mine"]);
}

#[tokio::test]
async fn a_copy_that_could_not_be_written_is_written_as_soon_as_it_can_be() {
    let mut home = Home::on(Engine::Redis);
    let mut gateway = home.keeper();
    gateway.add_site(&named("shop"), None).await.unwrap();
    // Someone else's lock on the file, for longer than SQLite waits.
    let other = Connection::open(home.file()).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    gateway.add_site(&named("blog"), None).await.unwrap();
    assert_eq!(
        names(&gateway),
        ["blog", "default", "shop"],
        "the copy stands in nobody's way"
    );
    assert_eq!(names(&home.keeper()), ["default", "shop"]);
    other.execute_batch("ROLLBACK").unwrap();
    gateway.refresh().await.unwrap();
    home.server.as_mut().unwrap().stop();
    assert_eq!(names(&home.keeper()), ["blog", "default", "shop"]);
}

#[tokio::test]
async fn a_command_leaves_a_copy_only_where_there_was_one() {
    let home = Home::on(Engine::Redis);
    let command = || Keeper::new(&home.config, Arc::default(), Copying::IfThere).unwrap();
    command().add_site(&named("shop"), None).await.unwrap();
    assert!(!home.file().exists());
    home.keeper().refresh().await.unwrap();
    command().add_site(&named("blog"), None).await.unwrap();
    assert!(home.file().exists());
    home.server().cli(&["FLUSHALL"]);
    command().add_site(&named("news"), None).await.unwrap();
    let mut gateway = home.keeper();
    gateway.refresh().await.unwrap();
    assert_eq!(
        names(&gateway),
        ["blog", "default", "news", "shop"],
        "the command gave back the copy first"
    );
}

#[tokio::test]
async fn a_redis_with_full_memory_refuses_a_change_as_a_whole() {
    for engine in Engine::ALL {
        let home = Home::on(engine);
        let mut gateway = home.keeper();
        gateway.add_site(&named("shop"), None).await.unwrap();
        let (new, _) = gateway.add_key(&write_key("shop")).await.unwrap();
        let before = home.server().cli(&["HGETALL", REGISTER]);
        home.server().cli(&["CONFIG", "SET", "maxmemory", "1"]);
        let results = [
            gateway.add_site(&named("blog"), None).await.map(drop),
            gateway.revoke_key(&new.id).await.map(drop),
        ];
        for result in results {
            assert!(matches!(result, Err(DirectoryError::Redis(_))), "{result:?}");
        }
        assert_eq!(home.server().cli(&["HGETALL", REGISTER]), before);
        home.server().cli(&["CONFIG", "SET", "maxmemory", "0"]);
        gateway.revoke_key(&new.id).await.unwrap();
    }
}

#[tokio::test]
async fn fields_of_later_versions_are_left_alone_and_damaged_ones_left_out() {
    let home = Home::on(Engine::Redis);
    let mut gateway = home.keeper();
    gateway.add_site(&named("shop"), None).await.unwrap();
    let server = home.server();
    server.cli(&["HSET", REGISTER, "account:1", "later", "site:zz", "{}", "key:00", "{"]);
    let mut neighbour = keeper(&home.neighbour());
    neighbour.refresh().await.unwrap();
    assert_eq!(names(&neighbour), ["default", "shop"]);
    let edition = server.cli(&["HGET", REGISTER, "edition"]);
    neighbour.add_site(&named("blog"), None).await.unwrap();
    assert_eq!(server.cli(&["HGET", REGISTER, "account:1"]), "later");

    server.cli(&["HSET", REGISTER, "edition", &edition]);
    neighbour.refresh().await.unwrap();
    assert_eq!(
        server.cli(&["HGET", REGISTER, "account:1"]),
        "later",
        "also when everything is given back"
    );
    assert_eq!(server.cli(&["HEXISTS", REGISTER, "site:zz"]), "0");

    server.cli(&["HSET", REGISTER, "edition", "x"]);
    let error = neighbour.refresh().await.unwrap_err().to_string();
    assert!(error.contains(REGISTER), "{error}");
    assert_eq!(names(&neighbour), ["blog", "default", "shop"]);
}

#[tokio::test]
async fn a_user_of_an_access_list_with_the_documented_rights_suffices() {
    for engine in Engine::ALL {
        let mut home = Home::on(engine);
        let rights = "+evalsha +script|load +hget +hset +hkeys +hdel +hgetall";
        let user = ["ACL", "SETUSER", "gate", "on", ">secret", "~ff:*"];
        let rights: Vec<&str> = rights.split_whitespace().collect();
        home.server().cli(&[&user[..], &rights].concat());
        let url = format!("redis://gate:secret@127.0.0.1:{}", home.server().port());
        home.config.counters.redis_url = Some(Secret::new(url));
        let mut gateway = home.keeper();
        gateway.add_site(&named("shop"), None).await.unwrap();
        gateway.remove_site("shop", true).await.unwrap();
        ask(&home.server().url(), &["FLUSHALL"]).unwrap();
        gateway.refresh().await.unwrap();
        assert_eq!(home.server().cli(&["HLEN", REGISTER]), "1");
    }
}
