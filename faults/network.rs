//! A network between the gateway and Redis that delays, splits, cuts and swallows.

use crate::proxy::{Fault, Proxy};
use crate::scale;
use crate::series::Series;
use crate::support::backend::{Backend, Stage, counts_in, visits_in};
use crate::support::gateway::Gateway;
use crate::support::wait::until;
use crate::weakened;
use std::time::Duration;

/// Faults between two checks.
const FAULTS_A_ROUND: u64 = 50;

/// A gateway that soon gives up on a reply and soon tries again, behind a proxy.
fn behind_a_proxy(stage: &Stage, seed: u64) -> (Proxy, Gateway) {
    let proxy = Proxy::to(stage.server.as_ref().unwrap().port(), seed);
    let settings = stage.settings.clone().set("REDIS_URL", proxy.url());
    let settings = settings
        .set("FOOTFALL_COUNTERS_REDIS_TIMEOUT_MS", 250)
        .set("FOOTFALL_COUNTERS_RECONNECT_MS_MAX", 20)
        .set("FOOTFALL_COUNTERS_FLUSH_MS", 5)
        .set("FOOTFALL_DURABILITY", "disk");
    (proxy, settings.start())
}

fn series(backend: Backend, count: u64, seed: u64) {
    let mut series = Series::begin(&format!("network-{}", backend.name()), seed);
    let stage = backend.stage();
    let (proxy, gateway) = behind_a_proxy(&stage, series.dice.below(u64::MAX));
    let done = || proxy.done().values().sum::<u64>();
    while done() < count {
        let running = series.load(&gateway).start();
        let goal = done() + FAULTS_A_ROUND;
        proxy.begin(20, &Fault::ALL);
        until("the faults", Duration::from_mins(1), || (done() >= goal).then_some(()));
        proxy.end();
        series.broke(FAULTS_A_ROUND);
        let history = running.finish();
        history.check_all_kept();
        series.settle(history, &gateway, stage.server.as_ref());
    }
    let kinds = proxy.done();
    eprintln!("{kinds:?}");
    assert!(Fault::ALL.iter().all(|kind| kinds.contains_key(kind)), "{kinds:?}");
    series.end(gateway);
}

#[test]
fn a_network_that_breaks_everything_costs_nothing() {
    series(Backend::Redis, scale::pick(150, 2_000), 41);
}

#[test]
fn a_network_that_breaks_everything_costs_nothing_with_valkey() {
    series(Backend::Valkey, scale::pick(100, 500), 42);
}

#[test]
fn control_late_requests_count_twice_without_the_guard() {
    let mut series = Series::begin("control-network-guard-removed", 43);
    let stage = Backend::Redis.stage();
    let server = stage.server.as_ref().unwrap();
    let (proxy, gateway) = behind_a_proxy(&stage, series.dice.below(u64::MAX));
    weakened::without_guard(&proxy, server);
    let running = series.load(&gateway).start();
    proxy.begin(20, &[Fault::Late]);
    until("visits counted twice", Duration::from_mins(1), || {
        (visits_in(server).sum() > running.kept() + 200).then_some(())
    });
    proxy.end();
    series.broke(proxy.done()[&Fault::Late]);
    let history = running.finish();
    series.check(&[history], &counts_in(server));
    series.end_control();
}
