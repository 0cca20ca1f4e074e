//! A data directory twice: a clone beside the original, and an older copy in its place.

use std::path::Path;
use std::process::Command;

use crate::proxy::Proxy;
use crate::scale;
use crate::series::{Series, counted};
use crate::support::backend::{Backend, Stage, counts_in};
use crate::support::gateway::{Gateway, Settings};
use crate::support::history::{Fate, History, Sent};
use crate::support::load::{Load, Running};
use crate::support::redis::RedisServer;
use crate::support::report::metric;
use crate::support::wait::until_true;
use crate::weakened;

/// Copies a data directory in the place of what is there.
fn copy(from: &Path, to: &Path) {
    if to.exists() {
        std::fs::remove_dir_all(to).unwrap();
    }
    let done = Command::new("cp").arg("-a").args([from, to]).status();
    assert!(done.unwrap().success());
}

/// Visits of the original before there is a clone.
const BEFORE: usize = 20;

fn before_the_clone() -> History {
    let sent = |turn: usize| Sent {
        country: "GB".into(),
        key: None,
        tries: 1,
        fate: Fate::Kept {
            status: 201,
            total: turn as u64,
        },
    };
    History {
        visits: (0..BEFORE).map(sent).collect(),
        ..History::default()
    }
}

/// When a directory is copied.
#[derive(Clone, Copy, PartialEq)]
enum Copied {
    /// Redis has what both have.
    Counted,
    /// What both have waits for Redis.
    Waiting,
    /// What both have waits for Redis, which the original has not met since its start.
    Unmet,
}

/// A gateway and its clone, both running.
fn original_and_clone(settings: &Settings, server: &RedisServer, copied: Copied) -> [Gateway; 2] {
    if copied == Copied::Unmet {
        server.pause();
    }
    let original = settings.elsewhere().start();
    if copied == Copied::Waiting {
        until_true("Redis to be met", || metric(&original, "footfall_counters_up") == 1);
        server.pause();
    }
    let before = Load::new(original.address(), 1).country("GB").requests(BEFORE).run();
    before.check_all_kept();
    if copied == Copied::Counted {
        counted(&original, Some(server));
    }
    // As when a machine is cloned: at one moment, without its knowing.
    original.signal("STOP");
    let other = settings.elsewhere();
    copy(&original.data_dir(), &other.data_dir());
    server.resume();
    let clone = other.start();
    original.signal("CONT");
    [original, clone]
}

fn settings(stage: &Stage) -> Settings {
    stage.settings.clone().set("FOOTFALL_DURABILITY", "disk")
}

/// Whether it has noticed that the other one has claimed its name.
fn has_another_name(gateway: &Gateway) -> bool {
    metric(gateway, "footfall_counters_renames_total") > 0
}

#[test]
fn an_original_and_its_clone_both_count_on_under_names_of_their_own() {
    let mut series = Series::begin("clone-beside-the-original", 81);
    let stage = Backend::Redis.stage();
    let moments = [Copied::Counted, Copied::Waiting, Copied::Unmet];
    for copied in moments.into_iter().cycle().take(scale::pick(6, 30)) {
        let mut gateways = original_and_clone(&settings(&stage), stage.server.as_ref().unwrap(), copied);
        series.check(&[before_the_clone()], &counted(&gateways[1], stage.server.as_ref()));
        let loads = gateways.each_ref().map(|gateway| series.load(gateway).start());
        until_true("one to take another name", || gateways.iter().any(has_another_name));
        series.broke(1);
        for load in &loads {
            load.wait_for_kept(100 + series.dice.below(300));
        }
        let histories = loads.map(Running::finish);
        for history in &histories {
            history.check_all_kept();
        }
        counted(&gateways[0], stage.server.as_ref());
        series.check(&histories, &counted(&gateways[1], stage.server.as_ref()));
        assert!(!gateways.iter().all(has_another_name), "one of them keeps the name");
        for gateway in &mut gateways {
            series.verify(gateway);
        }
    }
    series.end_verified();
}

#[test]
fn control_a_clone_that_is_not_fenced_is_noticed() {
    let mut series = Series::begin("control-clone-fence-removed", 82);
    let stage = Backend::Redis.stage();
    let server = stage.server.as_ref().unwrap();
    let proxy = Proxy::to(server.port(), 0);
    weakened::without_fence(&proxy, server);
    let gateways = original_and_clone(&settings(&stage).set("REDIS_URL", proxy.url()), server, Copied::Counted);
    series.check(&[before_the_clone()], &counts_in(server));
    let loads = gateways.each_ref().map(|gateway| series.load(gateway).start());
    for load in &loads {
        load.wait_for_kept(500);
    }
    series.broke(1);
    let histories = loads.map(Running::finish);
    // In time both believe that Redis has all of theirs.
    until_true("nothing to wait", || {
        let waiting = |gateway| metric(gateway, "footfall_journal_spool_bytes");
        gateways.iter().all(|gateway| waiting(gateway) == 0)
    });
    assert!(!gateways.iter().any(has_another_name));
    series.check(&histories, &counts_in(server));
    series.end_control();
}

#[test]
fn a_directory_is_restored_from_an_older_copy() {
    let mut series = Series::begin("directory-restored", 83);
    let stage = Backend::Redis.stage();
    let mut gateway = settings(&stage).start();
    for _ in 0..scale::pick(3, 30) {
        let running = series.load(&gateway).start();
        running.wait_for_kept(100 + series.dice.below(300));
        series.settle_counters(running.finish(), &gateway, stage.server.as_ref());
        gateway.kill();
        let (data, kept) = (gateway.data_dir(), gateway.data_dir().with_extension("kept"));
        copy(&data, &kept);
        gateway.start_again();
        let running = series.load(&gateway).start();
        running.wait_for_kept(100 + series.dice.below(300));
        series.settle_counters(running.finish(), &gateway, stage.server.as_ref());
        gateway.kill();
        copy(&kept, &data);
        series.broke(1);
        gateway.start_again();
        let running = series.load(&gateway).start();
        running.wait_for_kept(100 + series.dice.below(300));
        series.settle_counters(running.finish(), &gateway, stage.server.as_ref());
    }
    // What the lost journal had is in Redis and nowhere else: `verify` finds more there than the directory knows of.
    gateway.stop();
    series.end_verified();
}
