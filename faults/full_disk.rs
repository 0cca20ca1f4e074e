//! A disk without space: what cannot be kept is refused, and taken again when there is space.

use std::time::{Duration, Instant};

use crate::disk::SmallDisk;
use crate::scale;
use crate::series::{Series, counted};
use crate::support::backend::{Backend, Stage};
use crate::support::gateway::{Gateway, Settings};
use crate::support::history::Fate;
use crate::support::load::Load;

/// How much more memory a gateway may take while it refuses.
const GROWTH_MAX: u64 = 16 << 20;

/// Settings of a gateway on a small disk: it refuses below this room, and sets a reserve aside.
fn on(disk: &SmallDisk, stage: &Stage, free_bytes_min: u64) -> Settings {
    let settings = stage.settings.clone().set("FOOTFALL_DURABILITY", "disk");
    let settings = settings.set("FOOTFALL_DATA_DIR", disk.path().join("data").display());
    let settings = settings.set("FOOTFALL_JOURNAL_FREE_BYTES_MIN", free_bytes_min);
    let settings = settings.set("FOOTFALL_JOURNAL_RESERVE_BYTES", 1 << 20);
    settings.set("FOOTFALL_JOURNAL_SEGMENT_BYTES", 1 << 20)
}

/// The memory a gateway takes, in bytes.
fn memory(gateway: &Gateway) -> u64 {
    let told = std::fs::read_to_string(format!("/proc/{}/status", gateway.pid())).unwrap();
    let line = told.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.trim().trim_end_matches(" kB").parse::<u64>().unwrap() << 10
}

fn series(name: &str, backend: Backend, free_bytes_min: u64, seed: u64) {
    let mut series = Series::begin(name, seed);
    let (disk, stage) = (SmallDisk::new(16), backend.stage());
    let gateway = on(&disk, &stage, free_bytes_min).start();
    let running = series.load(&gateway).start();
    running.wait_for_kept(200 + series.dice.below(500));
    disk.fill();
    series.broke(1);
    running.wait_for_status(503);
    let before = memory(&gateway);
    // For so long it stays full.
    std::thread::sleep(Duration::from_secs(scale::pick(3, 60)));
    let grown = memory(&gateway).saturating_sub(before);
    assert!(grown < GROWTH_MAX, "{grown} bytes more while the disk was full");
    running.wait_for_status(503);
    disk.make_room();
    let begin = Instant::now();
    running.wait_for_kept(1);
    let pause = begin.elapsed();
    assert!(pause < Duration::from_secs(1), "taken again after {pause:?}");
    running.wait_for_kept(300);
    let history = running.finish();
    let statuses = history.statuses();
    assert!(
        statuses.keys().all(|status| [201, 202, 503].contains(status)),
        "{statuses:?}"
    );
    series.settle(history, &gateway, stage.server.as_ref());
    series.end(gateway);
}

#[test]
fn a_full_disk_refuses_honestly_embedded() {
    series("disk-full-embedded", Backend::Embedded, 0, 91);
}

#[test]
fn a_full_disk_refuses_honestly_with_redis() {
    series("disk-full-redis", Backend::Redis, 0, 92);
}

#[test]
fn a_disk_below_the_low_watermark_refuses_honestly() {
    series("disk-full-watermark", Backend::Redis, 4 << 20, 94);
}

#[test]
fn a_gateway_starts_on_a_full_disk() {
    let mut series = Series::begin("full-disk-start", 95);
    let (disk, stage) = (SmallDisk::new(16), Backend::Embedded.stage());
    let mut gateway = on(&disk, &stage, 2 << 20).start();
    for _ in 0..scale::pick(3, 50) {
        let running = series.load(&gateway).start();
        running.wait_for_kept(200 + series.dice.below(500));
        gateway.kill();
        disk.fill();
        series.broke(1);
        let mut history = running.finish();
        gateway.start_again();
        let refused = series.load(&gateway).requests(2).run();
        assert!(refused.statuses().keys().eq([&503]), "{:?}", refused.statuses());
        history.merge(refused);
        disk.make_room();
        series.settle(history, &gateway, None);
    }
    series.end(gateway);
}

#[test]
fn control_a_history_that_takes_refusals_for_acceptances_is_noticed() {
    let mut series = Series::begin("control-disk-full-history-doctored", 93);
    let (disk, stage) = (SmallDisk::new(16), Backend::Embedded.stage());
    let gateway = on(&disk, &stage, 0).start();
    let running = series.load(&gateway).start();
    running.wait_for_kept(300);
    disk.fill();
    series.broke(1);
    running.wait_for_status(503);
    let mut history = running.finish();
    for sent in history
        .visits
        .iter_mut()
        .filter(|sent| matches!(sent.fate, Fate::Refused(_)))
    {
        sent.fate = Fate::Kept { status: 201, total: 0 };
    }
    disk.make_room();
    series.check(&[history], &counted(&gateway, None));
    series.end_control();
}

#[test]
fn control_without_a_reserve_a_gateway_does_not_start_on_a_full_disk() {
    let (disk, stage) = (SmallDisk::new(16), Backend::Embedded.stage());
    let settings = on(&disk, &stage, 0).set("FOOTFALL_JOURNAL_RESERVE_BYTES", 0);
    let mut gateway = settings.start();
    let history = Load::new(gateway.address(), 8).requests(20).run();
    history.check_all_kept();
    gateway.kill();
    disk.fill();
    let refused = settings.run(&["serve"]);
    assert_eq!(refused.status.code(), Some(1), "{refused:?}");
    disk.make_room();
    gateway.start_again();
    history.check(&gateway.report());
}
