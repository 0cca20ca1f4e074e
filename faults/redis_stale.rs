//! Redis back with older data: a snapshot restored, a lagging replica promoted by hand or by Sentinel, everything
//! flushed. The control is that of `redis_kills`: a guard that hides it.

use std::fs::{self, File};
use std::io::Write;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use tempfile::TempDir;

use crate::proxy::Proxy;
use crate::scale;
use crate::series::Series;
use crate::support::backend::{Backend, Stage, visits_in};
use crate::support::gateway::{Gateway, Settings};
use crate::support::load::Load;
use crate::support::redis::{Engine, RedisServer, ask, free_port};
use crate::support::report::metric;
use crate::support::wait::{SOON, until, until_true};

fn gateway(settings: &Settings) -> Gateway {
    let settings = settings.clone().set("FOOTFALL_DURABILITY", "disk");
    settings.set("FOOTFALL_COUNTERS_RECONNECT_MS_MAX", 50).start()
}

/// Settings by which segments go as soon as they are counted.
fn short(settings: &Settings) -> Settings {
    let settings = settings.clone().set("FOOTFALL_JOURNAL_SEGMENT_BYTES", 1 << 20);
    settings
        .set("FOOTFALL_JOURNAL_KEEP_BYTES", 0)
        .set("FOOTFALL_JOURNAL_KEEP_MS", 0)
        .set("FOOTFALL_APPLY_WINDOW_BYTES_MAX", 0)
}

fn snapshots(backend: Backend, count: u64, seed: u64) {
    let mut series = Series::begin(&format!("{}-snapshot-restored", backend.name()), seed);
    let mut stage = backend.stage_with(&["--appendonly", "no"]);
    let gateway = gateway(&stage.settings);
    restore_again_and_again(&mut series, &mut stage, &gateway, count);
    assert!(
        metric(&gateway, "footfall_counters_gaps_total") >= count,
        "it was never behind"
    );
    series.end(gateway);
}

fn restore_again_and_again(series: &mut Series, stage: &mut Stage, gateway: &Gateway, count: u64) {
    for _ in 0..count {
        let running = series.load(gateway).start();
        running.wait_for_kept(200 + series.dice.below(300));
        let server = stage.server();
        until_true("visits in Redis", || visits_in(server).sum() > 0);
        server.cli(&["SAVE"]);
        let old = visits_in(server).sum();
        let (saved, kept) = (server.directory().join("dump.rdb"), server.directory().join("kept"));
        fs::copy(&saved, &kept).unwrap();
        running.wait_for_kept(200 + series.dice.below(1_000));
        until_true("the snapshot to be old", || visits_in(server).sum() > old);
        server.kill();
        fs::rename(&kept, &saved).unwrap();
        server.start_again();
        series.broke(1);
        running.wait_for_kept(300);
        let history = running.finish();
        history.check_all_kept();
        series.settle(history, gateway, stage.server.as_ref());
    }
}

#[test]
fn an_old_snapshot_is_restored() {
    snapshots(Backend::Redis, scale::pick(3, 30), 51);
}

#[test]
fn an_old_snapshot_is_restored_in_valkey() {
    snapshots(Backend::Valkey, scale::pick(1, 5), 52);
}

/// Two servers, of which one follows the other.
struct Pair {
    primary: RedisServer,
    replica: RedisServer,
}

impl Pair {
    fn start(engine: Engine) -> Self {
        // No waiting for further replicas before a copy is sent.
        let at_once = ["--repl-diskless-sync-delay", "0"];
        let pair = Self {
            primary: RedisServer::start_with(engine, &at_once),
            replica: RedisServer::start_with(engine, &at_once),
        };
        pair.follow();
        pair
    }

    fn follow(&self) {
        let port = self.primary.port().to_string();
        self.replica.cli(&["REPLICAOF", "127.0.0.1", &port]);
        until_true("the replica to follow", || {
            let told = self.replica.cli(&["INFO", "replication"]);
            told.contains("role:slave") && told.contains("master_link_status:up")
        });
    }

    /// Cuts the replica off: it keeps what it has and gets nothing more.
    fn cut_off(&self) {
        self.replica.cli(&["REPLICAOF", "127.0.0.1", &free_port().to_string()]);
    }

    /// The replica is the primary now; the old one comes back and follows it.
    fn change_places(&mut self) {
        std::mem::swap(&mut self.primary, &mut self.replica);
        self.replica.start_again();
        self.follow();
        until_true("the old primary to heal", || {
            visits_in(&self.replica) == visits_in(&self.primary)
        });
    }
}

fn promotions(engine: Engine, count: u64, seed: u64, sentinel: Option<fn(&Pair) -> Sentinel>) {
    let by = if sentinel.is_some() { "sentinel" } else { "hand" };
    let name = format!("{engine:?}-replica-promoted-by-{by}").to_lowercase();
    let mut series = Series::begin(&name, seed);
    let mut pair = Pair::start(engine);
    let sentinel = sentinel.map(|start| start(&pair));
    let proxy = Proxy::to(pair.primary.port(), 0);
    let gateway = gateway(&Settings::new().set("REDIS_URL", proxy.url()));
    for _ in 0..count {
        let running = series.load(&gateway).start();
        running.wait_for_kept(200 + series.dice.below(300));
        until_true("visits in the replica", || visits_in(&pair.replica).sum() > 0);
        pair.cut_off();
        running.wait_for_kept(200 + series.dice.below(500));
        until_true("the replica to lag", || {
            visits_in(&pair.primary).sum() > visits_in(&pair.replica).sum()
        });
        pair.primary.kill();
        let next = pair.replica.port();
        match &sentinel {
            None => drop(pair.replica.cli(&["REPLICAOF", "NO", "ONE"])),
            Some(sentinel) => until_true("Sentinel to promote the replica", || sentinel.names() == next),
        }
        proxy.lead_to(next);
        series.broke(1);
        running.wait_for_kept(300);
        let history = running.finish();
        history.check_all_kept();
        series.settle(history, &gateway, Some(&pair.replica));
        pair.change_places();
    }
    assert!(
        metric(&gateway, "footfall_counters_gaps_total") >= count,
        "it never lagged"
    );
    series.end(gateway);
}

#[test]
fn a_lagging_replica_is_promoted_by_hand() {
    promotions(Engine::Redis, scale::pick(3, 30), 53, None);
}

#[test]
fn a_lagging_replica_is_promoted_by_hand_in_valkey() {
    promotions(Engine::Valkey, scale::pick(1, 5), 54, None);
}

#[test]
fn a_lagging_replica_is_promoted_by_sentinel() {
    promotions(Engine::Redis, scale::pick(1, 10), 55, Some(Sentinel::watch));
}

/// A Sentinel that watches a pair. The gateway asks no Sentinel itself: the proxy leads it to where this one points.
struct Sentinel {
    process: Child,
    port: u16,
    _folder: TempDir,
}

impl Sentinel {
    fn watch(pair: &Pair) -> Self {
        let (folder, port) = (tempfile::tempdir().unwrap(), free_port());
        let path: PathBuf = folder.path().join("sentinel.conf");
        let primary = pair.primary.port();
        let text = format!(
            "port {port}\nbind 127.0.0.1\ndir {}\nsentinel monitor counters 127.0.0.1 {primary} 1\n\
             sentinel down-after-milliseconds counters 300\nsentinel failover-timeout counters 1000\n",
            folder.path().display()
        );
        File::create(&path).unwrap().write_all(text.as_bytes()).unwrap();
        let mut command = Command::new("redis-server");
        command
            .arg(&path)
            .arg("--sentinel")
            .stdin(Stdio::null())
            .stdout(Stdio::null());
        let process = command.spawn().unwrap();
        let sentinel = Self {
            process,
            port,
            _folder: folder,
        };
        let follower = pair.replica.port().to_string();
        until("Sentinel to know both", SOON, || {
            let known = ask(&sentinel.url(), &["SENTINEL", "REPLICAS", "counters"]).ok()?;
            format!("{known:?}").contains(&follower).then_some(())
        });
        sentinel
    }

    fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }

    /// The port of the primary it names.
    fn names(&self) -> u16 {
        let named = ask(&self.url(), &["SENTINEL", "GET-MASTER-ADDR-BY-NAME", "counters"]).unwrap();
        let (_, port): (String, u16) = redis::from_redis_value(named).unwrap();
        port
    }
}

impl Drop for Sentinel {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn flushes(backend: Backend, count: u64, seed: u64) {
    let mut series = Series::begin(&format!("{}-flushed", backend.name()), seed);
    let mut stage = backend.stage();
    let gateway = gateway(&stage.settings);
    flush_again_and_again(&mut series, stage.server(), &gateway, count);
    series.end(gateway);
}

fn flush_again_and_again(series: &mut Series, server: &RedisServer, gateway: &Gateway, count: u64) {
    for _ in 0..count {
        let running = series.load(gateway).start();
        running.wait_for_kept(200 + series.dice.below(500));
        until_true("visits in Redis", || visits_in(server).sum() > 0);
        server.cli(&["FLUSHALL"]);
        series.broke(1);
        running.wait_for_kept(300);
        let history = running.finish();
        history.check_all_kept();
        series.settle(history, gateway, Some(server));
    }
    assert!(
        metric(gateway, "footfall_counters_losses_total") >= count,
        "nothing was lost"
    );
}

#[test]
fn everything_is_flushed_while_the_segments_are_there() {
    flushes(Backend::Redis, scale::pick(3, 30), 56);
}

#[test]
fn everything_is_flushed_while_the_segments_are_there_in_valkey() {
    flushes(Backend::Valkey, scale::pick(1, 5), 57);
}

#[test]
fn everything_is_flushed_when_the_segments_are_gone() {
    let mut series = Series::begin("redis-flushed-segments-gone", 58);
    let mut stage = Backend::Redis.stage();
    let gateway = gateway(&short(&stage.settings));
    outlive_a_segment(&mut series, &stage, &gateway);
    flush_again_and_again(&mut series, stage.server(), &gateway, scale::pick(2, 20));
    series.end(gateway);
}

#[test]
fn an_old_snapshot_is_restored_when_the_segments_are_gone() {
    let mut series = Series::begin("redis-snapshot-restored-segments-gone", 59);
    let mut stage = Backend::Redis.stage_with(&["--appendonly", "no"]);
    let gateway = gateway(&short(&stage.settings));
    for _ in 0..scale::pick(1, 10) {
        let history = Load::new(gateway.address(), 8).requests(20).run();
        series.settle(history, &gateway, stage.server.as_ref());
        let server = stage.server();
        server.cli(&["SAVE"]);
        let (saved, kept) = (server.directory().join("dump.rdb"), server.directory().join("kept"));
        fs::copy(&saved, &kept).unwrap();
        outlive_a_segment(&mut series, &stage, &gateway);
        let server = stage.server();
        server.kill();
        fs::rename(&kept, &saved).unwrap();
        server.start_again();
        series.broke(1);
        let running = series.load(&gateway).start();
        running.wait_for_kept(300);
        let history = running.finish();
        history.check_all_kept();
        series.settle(history, &gateway, stage.server.as_ref());
    }
    series.end(gateway);
}

#[test]
fn the_guard_is_gone_and_the_counts_are_there() {
    let mut series = Series::begin("redis-guard-lost", 60);
    let mut stage = Backend::Redis.stage();
    // It looks at Redis' totals at every turn, also at the one that finds the guard gone.
    let gateway = gateway(&stage.settings.clone().set("FOOTFALL_HTTP_REPORT_AGE_MS_MAX", 1));
    for _ in 0..scale::pick(2, 20) {
        let running = series.load(&gateway).start();
        running.wait_for_kept(200 + series.dice.below(500));
        let server = stage.server();
        until_true("visits in Redis", || visits_in(server).sum() > 0);
        server.cli(&["DEL", "ff:{0}:guard"]);
        series.broke(1);
        running.wait_for_kept(300);
        let history = running.finish();
        history.check_all_kept();
        series.settle(history, &gateway, stage.server.as_ref());
    }
    series.end(gateway);
}

#[test]
fn a_gateway_that_was_started_with_an_empty_redis_is_not_fenced_by_its_older_snapshot() {
    let mut series = Series::begin("redis-snapshot-restored-after-a-start", 73);
    let mut stage = Backend::Redis.stage_with(&["--appendonly", "no"]);
    let mut gateway = gateway(&stage.settings);
    for _ in 0..scale::pick(2, 20) {
        let running = series.load(&gateway).start();
        running.wait_for_kept(300);
        series.settle(running.finish(), &gateway, stage.server.as_ref());
        let server = stage.server();
        server.cli(&["SAVE"]);
        let (saved, kept) = (server.directory().join("dump.rdb"), server.directory().join("kept"));
        fs::rename(&saved, &kept).unwrap();
        server.kill();
        server.start_again();
        gateway.kill();
        gateway.start_again();
        let running = series.load(&gateway).start();
        until_true("visits in Redis", || visits_in(server).sum() > 0);
        server.kill();
        fs::rename(&kept, &saved).unwrap();
        server.start_again();
        series.broke(1);
        running.wait_for_kept(300);
        let history = running.finish();
        history.check_all_kept();
        series.settle(history, &gateway, stage.server.as_ref());
    }
    series.end(gateway);
}

/// Sends visits until the oldest segment is gone.
fn outlive_a_segment(series: &mut Series, stage: &Stage, gateway: &Gateway) {
    let first = segments(gateway).remove(0);
    for round in 0.. {
        // Long keys fill segments soon.
        let load = Load::new(gateway.address(), 64).requests(100);
        let key = format!("{round}-{}-{}", first.file_name().unwrap().display(), "k".repeat(60));
        let history = load.keyed(&key).run();
        series.settle(history, gateway, stage.server.as_ref());
        if !segments(gateway).contains(&first) {
            break;
        }
        assert!(round < 50, "the first segment never goes");
    }
}

fn segments(gateway: &Gateway) -> Vec<PathBuf> {
    let entries = fs::read_dir(gateway.data_dir().join("lane-0/journal")).unwrap();
    let mut paths: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    paths
}
