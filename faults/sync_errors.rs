//! Writes and syncs that fail, injected by a tracer. A sync that failed has kept nothing, so the power is cut after
//! it: had a `2xx` been given, its visit would be gone.

use crate::disk::LoopDisk;
use crate::scale;
use crate::series::Series;
use crate::support::backend::Backend;
use crate::support::wait::SOON;

fn series(error: &str, count: u64, seed: u64) {
    let mut series = Series::begin(&format!("sync-fails-{}", error.to_lowercase()), seed);
    let (disk, stage) = (LoopDisk::new(256), Backend::Embedded.stage());
    let settings = stage.settings.clone().set("FOOTFALL_DURABILITY", "disk");
    let settings = settings.set("FOOTFALL_DATA_DIR", disk.path().join("data").display());
    for _ in 0..count {
        let fault = format!("--inject=fdatasync:error={error}:when={}+", 5 + series.dice.below(195));
        let tracer = ["/usr/bin/strace", "-D", "-f", "-qq", "-o", "/dev/null", &fault];
        let mut gateway = settings.clone().under(&tracer).start();
        let running = series.load(&gateway).start();
        let code = gateway.wait_for_end(SOON);
        series.broke(1);
        assert!(
            code.is_some_and(|code| code != 0),
            "ended with {code:?}:\n{}",
            gateway.log()
        );
        disk.cut_power();
        disk.restore_power();
        let history = running.finish();
        let mut gateway = settings.start();
        series.settle(history, &gateway, None);
        gateway.stop();
    }
    series.end(settings.start());
}

#[test]
fn a_failed_sync_ends_the_gateway_and_costs_nothing() {
    series("EIO", scale::pick(3, 20), 101);
}

#[test]
fn a_sync_without_space_ends_the_gateway_and_costs_nothing() {
    series("ENOSPC", scale::pick(2, 10), 102);
}
