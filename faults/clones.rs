//! A data directory twice: a clone beside the original, and an older copy in its place.

use std::path::Path;
use std::process::Command;

use crate::proxy::Proxy;
use crate::scale;
use crate::series::{Series, counted};
use crate::support::backend::{Backend, Stage, visits_in};
use crate::support::gateway::{Gateway, Settings};
use crate::support::history::{Fate, History, Sent};
use crate::support::load::{Load, Running};
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
    History((0..BEFORE).map(sent).collect())
}

/// A gateway and its clone, both running.
fn original_and_clone(settings: &Settings) -> [Gateway; 2] {
    let original = settings.elsewhere().start();
    let before = Load::new(original.address(), 1).country("GB").requests(BEFORE).run();
    before.check_all_kept();
    // As when a machine is cloned: at one moment, without its knowing.
    original.signal("STOP");
    let other = settings.elsewhere();
    copy(&original.data_dir(), &other.data_dir());
    original.signal("CONT");
    [original, other.start()]
}

fn settings(stage: &Stage) -> Settings {
    stage.settings.clone().set("FOOTFALL_DURABILITY", "disk")
}

fn is_fenced(gateway: &Gateway) -> bool {
    gateway.client().get("/readyz").text().contains("took over")
}

/// What the fenced one answered before it noticed may be counted or not; all else is counted once.
fn in_doubt(mut history: History) -> History {
    for sent in &mut history.0 {
        if matches!(sent.fate, Fate::Kept { .. }) {
            sent.fate = Fate::Unknown;
        }
    }
    history
}

#[test]
fn of_an_original_and_its_clone_one_is_fenced_and_nothing_counts_twice() {
    let mut series = Series::begin("clone-beside-the-original", 81);
    let stage = Backend::Redis.stage();
    for _ in 0..scale::pick(2, 20) {
        let gateways = original_and_clone(&settings(&stage));
        series.check(&before_the_clone(), &counted(&gateways[1], stage.server.as_ref()));
        let loads = gateways.each_ref().map(|gateway| series.load(gateway).start());
        until_true("one to be fenced", || gateways.iter().any(is_fenced));
        series.broke(1);
        let fenced = gateways.iter().position(is_fenced).unwrap();
        loads[fenced].wait_for_status(503);
        loads[1 - fenced].wait_for_kept(300);
        let mut histories = loads.map(Running::finish);
        assert!(!is_fenced(&gateways[1 - fenced]), "both are fenced");
        Series::send_again(&mut histories[1 - fenced], &gateways[1 - fenced]);
        let [mut history, other] = histories;
        history = if fenced == 0 { in_doubt(history) } else { history };
        history.merge(if fenced == 1 { in_doubt(other) } else { other });
        // Each of the two gives its own numbers.
        history.0.iter_mut().for_each(|sent| sent.tries += 1);
        series.check(&history, &counted(&gateways[1 - fenced], stage.server.as_ref()));
    }
    series.end_unverified();
}

#[test]
fn control_a_clone_that_is_not_fenced_is_noticed() {
    let mut series = Series::begin("control-clone-fence-removed", 82);
    let stage = Backend::Redis.stage();
    let server = stage.server.as_ref().unwrap();
    let proxy = Proxy::to(server.port(), 0);
    weakened::without_fence(&proxy, server);
    let gateways = original_and_clone(&settings(&stage).set("REDIS_URL", proxy.url()));
    series.check(&before_the_clone(), &visits_in(server));
    let loads = gateways.each_ref().map(|gateway| series.load(gateway).start());
    for load in &loads {
        load.wait_for_kept(500);
    }
    series.broke(1);
    let [mut history, other] = loads.map(Running::finish);
    history.merge(other);
    // In time both believe that Redis has all of theirs.
    until_true("nothing to wait", || {
        let waiting = |gateway| metric(gateway, "footfall_journal_spool_bytes");
        gateways.iter().all(|gateway| waiting(gateway) == 0)
    });
    assert!(!gateways.iter().any(is_fenced));
    series.check(&history, &visits_in(server));
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
        series.settle(running.finish(), &gateway, stage.server.as_ref());
        gateway.kill();
        let (data, kept) = (gateway.data_dir(), gateway.data_dir().with_extension("kept"));
        copy(&data, &kept);
        gateway.start_again();
        let running = series.load(&gateway).start();
        running.wait_for_kept(100 + series.dice.below(300));
        series.settle(running.finish(), &gateway, stage.server.as_ref());
        gateway.kill();
        copy(&kept, &data);
        series.broke(1);
        gateway.start_again();
        let running = series.load(&gateway).start();
        running.wait_for_kept(100 + series.dice.below(300));
        series.settle(running.finish(), &gateway, stage.server.as_ref());
    }
    // Nothing that this directory has tells it what was in the journal that is lost: `verify` finds more in Redis.
    gateway.stop();
    series.end_unverified();
}
