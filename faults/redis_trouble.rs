//! Redis that runs and does not serve: stopped, out of memory, read-only, unable to save, stuck in a script. Visits
//! are kept as before, up to the spool's bound, and counted when it serves again, by itself.

use std::fs;
use std::thread;
use std::time::Duration;

use crate::scale;
use crate::series::{Series, counted};
use crate::support::backend::Backend;
use crate::support::gateway::Gateway;
use crate::support::load::Load;
use crate::support::redis::{RedisServer, ask, free_port};
use crate::support::wait::until_true;

/// What is wrong with Redis.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Trouble {
    Stopped,
    OutOfMemory,
    ReadOnly,
    CannotSave,
    Stuck,
}

impl Trouble {
    fn name(self) -> &'static str {
        match self {
            Self::Stopped => "stopped",
            Self::OutOfMemory => "out-of-memory",
            Self::ReadOnly => "read-only",
            Self::CannotSave => "cannot-save",
            Self::Stuck => "stuck-in-script",
        }
    }

    fn begin(self, server: &RedisServer) {
        match self {
            Self::Stopped => server.pause(),
            Self::OutOfMemory => drop(server.cli(&["CONFIG", "SET", "maxmemory", "1"])),
            Self::ReadOnly => drop(server.cli(&["REPLICAOF", "127.0.0.1", &free_port().to_string()])),
            Self::CannotSave => {
                // A file cannot take the name of a folder.
                fs::create_dir(server.directory().join("dump.rdb")).unwrap();
                server.cli(&["CONFIG", "SET", "save", "3600 1000000000"]);
                save(server, "err");
            }
            Self::Stuck => {
                server.cli(&["CONFIG", "SET", "busy-reply-threshold", "20"]);
                let url = server.url();
                thread::spawn(move || ask(&url, &["EVAL", "while true do end", "0"]));
                until_true("the script to be stuck", || {
                    ask(&server.url(), &["GET", "nothing"]).is_err_and(|error| error.code() == Some("BUSY"))
                });
            }
        }
    }

    fn end(self, server: &RedisServer) {
        match self {
            Self::Stopped => server.resume(),
            Self::OutOfMemory => drop(server.cli(&["CONFIG", "SET", "maxmemory", "0"])),
            Self::ReadOnly => drop(server.cli(&["REPLICAOF", "NO", "ONE"])),
            Self::CannotSave => {
                fs::remove_dir(server.directory().join("dump.rdb")).unwrap();
                save(server, "ok");
                fs::remove_file(server.directory().join("dump.rdb")).unwrap();
            }
            Self::Stuck => drop(server.cli(&["SCRIPT", "KILL"])),
        }
    }
}

/// Saves in the background; the outcome must be this.
fn save(server: &RedisServer, outcome: &str) {
    server.cli(&["BGSAVE"]);
    until_true("the save to end", || {
        let told = server.cli(&["INFO", "persistence"]);
        told.contains("rdb_bgsave_in_progress:0") && told.contains(&format!("rdb_last_bgsave_status:{outcome}"))
    });
}

/// How a gateway tells that Redis does not serve.
fn is_away(gateway: &Gateway) -> bool {
    let told = gateway.client().get("/readyz").json();
    told["counters"].as_str().unwrap().contains("away")
}

fn series(backend: Backend, trouble: Trouble, count: u64, seed: u64) {
    let mut series = Series::begin(&format!("{}-{}", backend.name(), trouble.name()), seed);
    let mut stage = backend.stage_with(&["--appendonly", "no"]);
    let settings = stage.settings.clone().set("FOOTFALL_DURABILITY", "disk");
    let settings = settings.set("FOOTFALL_COUNTERS_REDIS_TIMEOUT_MS", 300);
    let gateway = settings.set("FOOTFALL_COUNTERS_RECONNECT_MS_MAX", 200).start();
    for _ in 0..count {
        let running = series.load(&gateway).start();
        running.wait_for_kept(100 + series.dice.below(300));
        let server = stage.server();
        trouble.begin(server);
        series.broke(1);
        running.wait_for_kept(200);
        if trouble == Trouble::Stopped {
            // For as long as the dice say, from a moment to much longer than any deadline.
            thread::sleep(Duration::from_millis(
                series.dice.spread(100, scale::pick(2_000, 30_000)),
            ));
        } else {
            until_true("readyz to tell", || is_away(&gateway));
        }
        running.wait_for_kept(200);
        trouble.end(server);
        until_true("readyz to tell", || !is_away(&gateway));
        running.wait_for_kept(200);
        let history = running.finish();
        history.check_all_kept();
        series.settle(history, &gateway, stage.server.as_ref());
    }
    series.end(gateway);
}

#[test]
fn redis_is_stopped() {
    series(Backend::Redis, Trouble::Stopped, scale::pick(3, 12), 61);
}

#[test]
fn redis_is_out_of_memory() {
    series(Backend::Redis, Trouble::OutOfMemory, scale::pick(2, 20), 62);
}

#[test]
fn redis_is_read_only() {
    series(Backend::Redis, Trouble::ReadOnly, scale::pick(2, 20), 63);
}

#[test]
fn redis_cannot_save() {
    series(Backend::Redis, Trouble::CannotSave, scale::pick(2, 20), 64);
}

#[test]
fn redis_is_stuck_in_a_script() {
    series(Backend::Redis, Trouble::Stuck, scale::pick(2, 20), 65);
}

#[test]
fn valkey_has_each_trouble_once() {
    let troubles = [
        Trouble::Stopped,
        Trouble::OutOfMemory,
        Trouble::ReadOnly,
        Trouble::CannotSave,
        Trouble::Stuck,
    ];
    for (seed, trouble) in (66..).zip(troubles) {
        series(Backend::Valkey, trouble, scale::pick(1, 3), seed);
    }
}

#[test]
fn beyond_the_spools_bound_visits_are_refused_until_redis_has_caught_up() {
    let mut series = Series::begin("redis-stopped-spool-full", 71);
    let mut stage = Backend::Redis.stage();
    let settings = stage.settings.clone().set("FOOTFALL_DURABILITY", "disk");
    let gateway = settings.set("FOOTFALL_JOURNAL_SPOOL_BYTES_MAX", 100_000).start();
    for _ in 0..scale::pick(2, 20) {
        let running = series.load(&gateway).start();
        running.wait_for_kept(200);
        stage.server().pause();
        series.broke(1);
        running.wait_for_status(503);
        stage.server().resume();
        running.wait_for_kept(300);
        let history = running.finish();
        let statuses = history.statuses();
        assert!(
            statuses.keys().all(|status| [201, 202, 503].contains(status)),
            "{statuses:?}"
        );
        series.settle(history, &gateway, stage.server.as_ref());
    }
    series.end(gateway);
}

#[test]
fn control_what_waits_for_redis_is_lost_with_its_directory() {
    let mut series = Series::begin("control-redis-stopped-directory-removed", 72);
    let mut stage = Backend::Redis.stage();
    let mut gateway = stage.settings.start();
    let mut history = Load::new(gateway.address(), 8).requests(20).run();
    counted(&gateway, stage.server.as_ref());
    stage.server().pause();
    history.merge(Load::new(gateway.address(), 8).requests(20).run());
    gateway.kill();
    series.broke(1);
    fs::remove_dir_all(gateway.data_dir()).unwrap();
    stage.server().resume();
    gateway.start_again();
    series.check(&[history], &counted(&gateway, stage.server.as_ref()));
    series.end_control();
}
