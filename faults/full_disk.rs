//! A disk without space: what cannot be kept is refused, and taken again when there is space.

use std::time::{Duration, Instant};

use crate::disk::SmallDisk;
use crate::scale;
use crate::series::{Series, counted};
use crate::support::backend::{Backend, Stage};
use crate::support::gateway::{Gateway, Settings};
use crate::support::history::Fate;

/// How much more memory a gateway may take while it refuses.
const GROWTH_MAX: u64 = 16 << 20;

fn on(disk: &SmallDisk, stage: &Stage) -> Settings {
    let settings = stage.settings.clone().set("FOOTFALL_DURABILITY", "disk");
    let settings = settings.set("FOOTFALL_DATA_DIR", disk.path().join("data").display());
    settings.set("FOOTFALL_JOURNAL_SEGMENT_BYTES", 1 << 20)
}

/// The memory a gateway takes, in bytes.
fn memory(gateway: &Gateway) -> u64 {
    let told = std::fs::read_to_string(format!("/proc/{}/status", gateway.pid())).unwrap();
    let line = told.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.trim().trim_end_matches(" kB").parse::<u64>().unwrap() << 10
}

fn series(backend: Backend, count: u64, seed: u64) {
    let mut series = Series::begin(&format!("disk-full-{}", backend.name()), seed);
    let (disk, stage) = (SmallDisk::new(16), backend.stage());
    let gateway = on(&disk, &stage).start();
    for _ in 0..count {
        let running = series.load(&gateway).start();
        running.wait_for_kept(200 + series.dice.below(500));
        disk.fill();
        series.broke(1);
        running.wait_for_status(503);
        let (begin, before) = (Instant::now(), memory(&gateway));
        // For so long it stays full.
        std::thread::sleep(Duration::from_secs(scale::pick(3, 60)));
        let grown = memory(&gateway).saturating_sub(before);
        assert!(grown < GROWTH_MAX, "{grown} bytes more in {:?}", begin.elapsed());
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
    }
    series.end(gateway);
}

#[test]
fn a_full_disk_refuses_honestly_embedded() {
    series(Backend::Embedded, 1, 91);
}

#[test]
fn a_full_disk_refuses_honestly_with_redis() {
    series(Backend::Redis, 1, 92);
}

#[test]
fn control_a_history_that_takes_refusals_for_acceptances_is_noticed() {
    let mut series = Series::begin("control-disk-full-history-doctored", 93);
    let (disk, stage) = (SmallDisk::new(16), Backend::Embedded.stage());
    let gateway = on(&disk, &stage).start();
    let running = series.load(&gateway).start();
    running.wait_for_kept(300);
    disk.fill();
    series.broke(1);
    running.wait_for_status(503);
    let mut history = running.finish();
    for sent in history
        .0
        .iter_mut()
        .filter(|sent| matches!(sent.fate, Fate::Refused(_)))
    {
        sent.fate = Fate::Kept { status: 201, total: 0 };
    }
    series.check(&[history], &counted(&gateway, None));
    series.end_control();
}
