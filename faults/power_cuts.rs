//! Power cuts of the journal's file system: what was not synced is gone.

use crate::disk::LoopDisk;
use crate::scale;
use crate::series::Series;
use crate::support::backend::{Backend, Stage};
use crate::support::gateway::Settings;

/// A journal on a disk that can lose power.
fn on(disk: &LoopDisk, stage: &Stage, mode: &str) -> Settings {
    let settings = stage.settings.clone().set("FOOTFALL_DURABILITY", mode);
    settings.set("FOOTFALL_DATA_DIR", disk.path().join("data").display())
}

fn series(mut series: Series, (disk, stage): (&LoopDisk, &Stage), settings: &Settings, count: u64) -> Series {
    for _ in 0..count {
        // The event store's last commit may be old, or be under way.
        let commit_ms = [20, 700, 60_000][usize::try_from(series.dice.below(3)).unwrap()];
        let mut gateway = settings.clone().set("FOOTFALL_STORE_COMMIT_MS", commit_ms).start();
        let running = series.load(&gateway).start();
        running.wait_for_kept(200 + series.dice.below(600));
        disk.cut_power();
        gateway.kill();
        series.broke(1);
        disk.restore_power();
        let history = running.finish();
        // The next start needs no tracer.
        let calm = settings.clone().under(&[]);
        let mut gateway = calm.start();
        series.settle(history, &gateway, stage.server.as_ref());
        gateway.stop();
    }
    series
}

fn in_disk_mode(backend: Backend, count: u64, seed: u64) {
    let (disk, stage) = (LoopDisk::new(256), backend.stage());
    let settings = on(&disk, &stage, "disk");
    let begun = Series::begin(&format!("power-cut-{}", backend.name()), seed);
    let series = series(begun, (&disk, &stage), &settings, count);
    series.end(settings.start());
}

#[test]
fn power_cuts_take_nothing_that_was_answered_embedded() {
    in_disk_mode(Backend::Embedded, scale::pick(5, 100), 21);
}

#[test]
fn power_cuts_take_nothing_that_was_answered_with_redis() {
    in_disk_mode(Backend::Redis, scale::pick(5, 100), 22);
}

#[test]
fn control_power_cuts_take_visits_in_os_mode() {
    let (disk, stage) = (LoopDisk::new(256), Backend::Embedded.stage());
    let settings = on(&disk, &stage, "os");
    let begun = Series::begin("control-power-cut-os-mode", 23);
    series(begun, (&disk, &stage), &settings, scale::pick(5, 20)).end_control();
}

#[test]
fn control_power_cuts_take_visits_when_syncing_does_nothing() {
    let (disk, stage) = (LoopDisk::new(256), Backend::Embedded.stage());
    let stubbed = "--inject=fdatasync:retval=0";
    let tracer = ["/usr/bin/strace", "-D", "-f", "-qq", "-o", "/dev/null", stubbed];
    let settings = on(&disk, &stage, "disk").under(&tracer);
    let begun = Series::begin("control-power-cut-sync-stubbed", 24);
    series(begun, (&disk, &stage), &settings, scale::pick(2, 5)).end_control();
}
