//! Redis killed under load, and started again with all, most or nothing of what it had.

use std::fs::{self, File};
use std::path::PathBuf;

use crate::scale;
use crate::series::{Series, counted};
use crate::support::backend::{Backend, counts_in, visits_in};
use crate::support::load::Load;
use crate::support::redis::RedisServer;
use crate::support::report::metric;
use crate::support::wait::until_true;

/// What a killed Redis still has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Keeps {
    /// All that it answered: it syncs each write.
    All,
    /// All but the end, as after a power cut: it syncs each second.
    Most,
    /// Nothing.
    Nothing,
}

impl Keeps {
    fn arguments(self) -> &'static [&'static str] {
        match self {
            Self::All => &["--appendfsync", "always"],
            Self::Most => &["--appendfsync", "everysec"],
            Self::Nothing => &["--appendonly", "no"],
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::All => "always",
            Self::Most => "everysec",
            Self::Nothing => "empty",
        }
    }
}

fn series(backend: Backend, keeps: Keeps, count: u64, seed: u64) {
    let mut series = Series::begin(&format!("{}-killed-{}", backend.name(), keeps.name()), seed);
    let mut stage = backend.stage_with(keeps.arguments());
    let settings = stage.settings.clone().set("FOOTFALL_DURABILITY", "disk");
    let gateway = settings.set("FOOTFALL_COUNTERS_RECONNECT_MS_MAX", 100).start();
    for _ in 0..count {
        let running = series.load(&gateway).start();
        running.wait_for_kept(300 + series.dice.below(700));
        stage.server().kill();
        series.broke(1);
        running.wait_for_kept(50 + series.dice.below(500));
        if keeps == Keeps::Most {
            let length = append_only_file(stage.server()).metadata().unwrap().len();
            cut_the_end(stage.server(), series.dice.below(length / 2));
        }
        stage.server().start_again();
        running.wait_for_kept(300);
        let history = running.finish();
        history.check_all_kept();
        series.settle(history, &gateway, stage.server.as_ref());
    }
    let metric = |name| metric(&gateway, &format!("footfall_counters_{name}_total"));
    match keeps {
        Keeps::All => assert_eq!(metric("losses"), 0),
        Keeps::Most => assert!(metric("gaps") + metric("losses") > 0, "nothing was cut"),
        Keeps::Nothing => assert!(metric("losses") >= count, "it was never empty"),
    }
    series.end(gateway);
}

/// Takes bytes from the end of the append-only file.
pub fn cut_the_end(server: &RedisServer, bytes: u64) {
    let file = File::options().write(true).open(append_only_file(server)).unwrap();
    let length = file.metadata().unwrap().len();
    file.set_len(length.saturating_sub(bytes)).unwrap();
}

/// Where a server writes down what it does.
pub fn append_only_file(server: &RedisServer) -> PathBuf {
    let files = fs::read_dir(server.directory().join("appendonlydir")).unwrap();
    let increments = files.map(|entry| entry.unwrap().path());
    let mut increments: Vec<_> = increments
        .filter(|path| path.to_string_lossy().ends_with(".incr.aof"))
        .collect();
    increments.sort();
    increments.pop().unwrap()
}

#[test]
fn killed_and_back_with_everything() {
    series(Backend::Redis, Keeps::All, scale::pick(3, 50), 31);
}

#[test]
fn killed_and_back_without_the_end() {
    series(Backend::Redis, Keeps::Most, scale::pick(3, 50), 32);
}

#[test]
fn killed_and_back_with_nothing() {
    series(Backend::Redis, Keeps::Nothing, scale::pick(3, 50), 33);
}

#[test]
fn valkey_killed_and_back_with_everything() {
    series(Backend::Valkey, Keeps::All, scale::pick(1, 10), 34);
}

#[test]
fn valkey_killed_and_back_without_the_end() {
    series(Backend::Valkey, Keeps::Most, scale::pick(1, 10), 35);
}

#[test]
fn valkey_killed_and_back_with_nothing() {
    series(Backend::Valkey, Keeps::Nothing, scale::pick(1, 10), 36);
}

/// Hides from the gateway that Redis went back: the guard names the sequence again that it had before.
#[test]
fn control_a_redis_that_hides_what_it_lost_is_noticed() {
    let mut series = Series::begin("control-redis-killed-guard-forged", 37);
    let mut stage = Backend::Redis.stage();
    let gateway = stage.settings.start();
    let running = series.load(&gateway).start();
    running.wait_for_kept(500);
    let mut history = running.finish();
    let before = counted(&gateway, stage.server.as_ref());
    let server = stage.server();
    gateway.signal("STOP");
    let guard = server.cli(&["HGETALL", "ff:{0}:guard"]);
    server.kill();
    cut_the_end(server, 2_000);
    server.start_again();
    series.broke(1);
    assert_ne!(visits_in(server), before, "nothing was cut");
    let fields = ["HSET", "ff:{0}:guard"].into_iter().chain(guard.lines());
    server.cli(&fields.collect::<Vec<_>>());
    gateway.signal("CONT");
    history.merge(Load::new(gateway.address(), 1).country("NZ").requests(1).run());
    until_true("counting to go on", || visits_in(server).of("nz") == 1);
    series.check(&[history], &counts_in(server));
    series.end_control();
}
