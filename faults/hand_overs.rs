//! A new process takes over under load, again and again: no request may fail, and every visit counts once.

use std::net::SocketAddr;

use crate::scale;
use crate::series::{CONNECTIONS, Series, counted};
use crate::support::backend::Backend;
use crate::support::history::{Fate, History};
use crate::support::load::Load;
use crate::support::nginx::Nginx;
use crate::support::redis::free_port;

/// Visits a second, over all connections.
const PER_SECOND: u32 = 2_000;
/// Hand-overs between two checks.
const HAND_OVERS_A_ROUND: u64 = 5;

/// Half of the visits have keys; the first request that fails ends its connection.
fn load(series: &str, round: u64, address: SocketAddr) -> Load {
    Load::new(address, CONNECTIONS)
        .half_keyed(&format!("{series}-{round}"))
        .with_batches(&format!("{series}-{round}"))
        .per_second(PER_SECOND)
}

/// While one process hands over to another, both answer: what is answered `202` then may name a total that the other
/// one names too, a `201` must not. So the totals of the former are replaced by some that are named once.
fn by_promise(mut history: History) -> History {
    for (place, sent) in history.visits.iter_mut().enumerate() {
        if let Fate::Kept { status: 202, total } = &mut sent.fate {
            *total = u64::MAX - place as u64;
        }
    }
    history
}

fn series(name: &str, backend: Backend, behind_nginx: bool, seed: u64) {
    let mut series = Series::begin(name, seed);
    let stage = backend.stage();
    let mut gateway = stage.settings.clone().set("FOOTFALL_DURABILITY", "disk").start();
    let nginx = behind_nginx.then(|| Nginx::start(gateway.address()));
    let address = nginx.as_ref().map_or(gateway.address(), Nginx::address);
    let count = scale::pick(5, 100);
    for round in 0..count / HAND_OVERS_A_ROUND {
        let running = load(name, round, address).start();
        for _ in 0..HAND_OVERS_A_ROUND {
            running.wait_for_kept(1 + series.dice.below(400));
            gateway.hand_over();
            series.broke(1);
        }
        running.wait_for_kept(100);
        let history = running.finish();
        history.check_all_kept();
        let counted = counted(&gateway, stage.server.as_ref());
        series.check_counts(&[by_promise(history)], &counted);
        series.check_stored(&gateway, &counted);
    }
    series.end(gateway);
}

#[test]
fn hand_overs_fail_no_request_embedded() {
    series("hand-over-embedded", Backend::Embedded, false, 41);
}

#[test]
fn hand_overs_fail_no_request_with_redis() {
    series("hand-over-redis", Backend::Redis, false, 42);
}

#[test]
fn hand_overs_behind_nginx_fail_no_request_embedded() {
    series("hand-over-nginx-embedded", Backend::Embedded, true, 43);
}

#[test]
fn hand_overs_behind_nginx_fail_no_request_with_redis() {
    series("hand-over-nginx-redis", Backend::Redis, true, 44);
}

#[test]
fn a_restart_that_passes_no_sockets_fails_requests() {
    let name = "restart-without-sockets";
    let mut series = Series::begin(name, 45);
    let settings = Backend::Embedded.stage().settings.set("PORT", free_port());
    let mut gateway = settings.set("FOOTFALL_DURABILITY", "disk").start();
    for round in 0..scale::pick(1, 10) {
        let running = load(name, round, gateway.address()).start();
        running.wait_for_kept(200);
        gateway.stop();
        gateway.start_again();
        series.broke(1);
        let history = running.finish();
        let counted = counted(&gateway, None);
        series.check_counts(&[history], &counted);
    }
    series.end_control_of_answers();
}
