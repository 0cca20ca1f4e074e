//! Room on the data directory's file system: visits are refused before it is gone, and a directory whose file system
//! does not last makes the gateway not ready.

mod support;

use std::fs;

use support::client::Request;
use support::gateway::Settings;

#[test]
fn below_the_low_watermark_visits_are_refused_reads_go_on_and_a_start_with_room_takes_them_again() {
    let settings = Settings::new();
    let mut gateway = settings.start();
    assert_eq!(gateway.client().visit("GB").status, 201);
    gateway.stop();
    let mut crowded = settings
        .clone()
        .set("FOOTFALL_JOURNAL_FREE_BYTES_MIN", u64::MAX / 2)
        .start();
    let keyed = Request::new("POST", "/api/v1/stats?countryCode=GB").header("Idempotency-Key", "one");
    for answer in [crowded.client().visit("GB"), crowded.client().send(&keyed)] {
        assert_eq!(
            (answer.status, answer.json()["code"].clone()),
            (503, "DISK_FULL".into())
        );
        assert!(answer.header("retry-after").unwrap().parse::<u64>().unwrap() > 0);
    }
    assert!(crowded.obstacles().contains("nearly full"), "{}", crowded.obstacles());
    assert_eq!(crowded.report().of("gb"), 1);
    crowded.stop();
    gateway.start_again();
    assert_eq!(gateway.client().visit("GB").text(), r#"{"gb":2}"#);
    assert_eq!(gateway.obstacles(), "[]");
}

#[test]
fn a_data_directory_in_memory_makes_the_gateway_not_ready_unless_that_is_allowed() {
    let folder = tempfile::tempdir_in("/dev/shm").unwrap();
    let settings = Settings::new().set("FOOTFALL_DATA_DIR", folder.path().display());
    let mut gateway = settings.clone().unset("FOOTFALL_JOURNAL_ALLOW_EPHEMERAL").start();
    assert_eq!(gateway.client().visit("GB").status, 201, "it serves all the same");
    assert_eq!(gateway.admin_client().get("/readyz").status, 503);
    assert!(gateway.obstacles().contains("tmpfs"), "{}", gateway.obstacles());
    gateway.stop();
    let allowed = settings.start();
    assert_eq!(
        (allowed.admin_client().get("/readyz").status, allowed.obstacles()),
        (200, "[]".to_owned())
    );
}

#[test]
fn a_reserve_is_set_aside_at_a_start() {
    let gateway = Settings::new().set("FOOTFALL_JOURNAL_RESERVE_BYTES", 100_000).start();
    let reserve = fs::metadata(gateway.data_dir().join("reserve")).unwrap();
    assert_eq!(reserve.len(), 100_000);
}
