//! Everything at once: two gateways count in one Redis, and what breaks next is up to the dice, also while the last
//! blow is not yet mended. Half of the visits have keys, and are sent again until they are answered. The controls are
//! those of the single series.

use std::thread;
use std::time::Duration;

use crate::proxy::{Fault, Proxy};
use crate::redis_kills::{append_only_file, cut_the_end};
use crate::scale;
use crate::series::{Series, counted};
use crate::support::backend::{Backend, Stage};
use crate::support::dice::Dice;
use crate::support::gateway::Gateway;
use crate::support::load::Running;
use crate::support::redis::free_port;

/// Blows between two checks.
const BLOWS_A_ROUND: u64 = 5;

/// What they strike.
struct Scene {
    stage: Stage,
    proxy: Proxy,
    gateways: [Gateway; 2],
}

impl Scene {
    fn set(backend: Backend, seed: u64, keep_bytes: u64) -> Self {
        let stage = backend.stage();
        let proxy = Proxy::to(stage.server.as_ref().unwrap().port(), seed);
        // Segments stay at least as long as keys are remembered; nobody sends one again after so long.
        let window_ms = if keep_bytes == 0 { 10_000 } else { 3_600_000 };
        let settings = stage.settings.clone().set("REDIS_URL", proxy.url());
        let settings = settings
            .set("FOOTFALL_DURABILITY", "disk")
            .set("FOOTFALL_COUNTERS_REDIS_TIMEOUT_MS", 250)
            .set("FOOTFALL_COUNTERS_RECONNECT_MS_MAX", 50)
            .set("FOOTFALL_COUNTERS_PERSIST_MS", 100)
            .set("FOOTFALL_JOURNAL_SEGMENT_BYTES", 1 << 20)
            .set("FOOTFALL_JOURNAL_KEEP_BYTES", keep_bytes)
            .set("FOOTFALL_APPLY_WINDOW_MS", window_ms);
        let start = |()| settings.elsewhere().set("PORT", free_port()).start();
        Self {
            proxy,
            gateways: [(), ()].map(start),
            stage,
        }
    }

    fn strike(&mut self, dice: &mut Dice) {
        let server = self.stage.server();
        match dice.below(8) {
            place @ 0..=1 => {
                let gateway = &mut self.gateways[usize::try_from(place).unwrap()];
                gateway.kill();
                if dice.below(2) == 0 {
                    let moment = Duration::from_micros(dice.below(60_000));
                    gateway.settings().kill_while_starting(moment);
                }
                gateway.start_again();
            }
            2 | 3 => {
                server.kill();
                let length = append_only_file(server).metadata().unwrap().len();
                cut_the_end(server, dice.below(length + 1));
                thread::sleep(Duration::from_millis(dice.spread(1, 300)));
                server.start_again();
            }
            4 => drop(server.cli(&["FLUSHALL"])),
            5 => {
                server.pause();
                thread::sleep(Duration::from_millis(dice.spread(10, 1_000)));
                server.resume();
            }
            6 => drop(server.cli(&["DEL", "ff:{0}:guard"])),
            _ => self.proxy.begin(5 + dice.below(30), &Fault::ALL),
        }
    }
}

fn series(backend: Backend, keep_bytes: u64, count: u64, seed: u64) {
    let name = format!(
        "storm-{}-{}",
        backend.name(),
        if keep_bytes == 0 { "short" } else { "long" }
    );
    let mut series = Series::begin(&name, seed);
    let mut scene = Scene::set(backend, series.dice.below(u64::MAX), keep_bytes);
    for _ in 0..count / BLOWS_A_ROUND {
        let loads = scene.gateways.each_ref();
        let loads = loads.map(|gateway| series.load(gateway).start());
        for _ in 0..BLOWS_A_ROUND {
            loads[0].wait_for_kept(series.dice.below(300));
            scene.strike(&mut series.dice);
            series.broke(1);
        }
        loads[1].wait_for_kept(100);
        scene.proxy.end();
        let mut histories = loads.map(Running::finish);
        for (history, gateway) in histories.iter_mut().zip(&scene.gateways) {
            Series::send_again(history, gateway);
        }
        let server = scene.stage.server.as_ref();
        counted(&scene.gateways[0], server);
        // A gateway that was killed while Redis went back may give a number again that it cannot know of.
        series.check_counts(&histories, &counted(&scene.gateways[1], server));
    }
    for gateway in &mut scene.gateways {
        series.verify(gateway);
    }
    series.end_verified();
}

#[test]
fn a_storm_of_faults_costs_nothing() {
    series(Backend::Redis, 1 << 30, scale::pick(15, 200), 111);
}

#[test]
fn a_storm_of_faults_costs_nothing_when_segments_are_soon_gone() {
    series(Backend::Valkey, 0, scale::pick(15, 200), 112);
}
