//! Files that are damaged, gone, or cannot be written.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use crate::support::gateway::{Gateway, Settings};
use crate::support::report::metric;
use crate::support::wait::until_true;
use crate::{accept, counts, send, store_folder, stored_names, until_stored, verify};

/// Events of some names, with properties so large that segments fill.
fn large(events: usize) -> Value {
    let event = json!({"name": "large", "properties": {"text": "x".repeat(20_000)}});
    json!(vec![event; events])
}

fn files(folder: &Path, ending: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(files(&path, ending));
        } else if path.extension().is_some_and(|extension| extension == ending) {
            found.push(path);
        }
    }
    found
}

fn segments(settings: &Settings) -> usize {
    files(&settings.data_dir().join("lane-0"), "segment").len()
}

fn store_state(gateway: &Gateway) -> String {
    let answer = gateway.admin_client().get("/readyz");
    assert_eq!(answer.status, 200, "{}", answer.text());
    answer.json()["store"].as_str().unwrap().to_owned()
}

#[test]
fn a_store_that_was_deleted_is_made_again_from_the_journal() {
    let mut gateway = Gateway::start();
    accept(
        &gateway,
        &json!([{"name": "a", "id": "1"}, {"name": "b"}, {"name": "a", "id": "1"}]),
    );
    gateway.stop();
    fs::remove_dir_all(store_folder(gateway.settings())).unwrap();
    let (good, said) = verify(gateway.settings());
    assert!(good && said.contains("none yet"), "{said}");
    gateway.start_again();
    until_stored(&gateway, 2);
    gateway.stop();
    assert_eq!(stored_names(gateway.settings()), counts([("a", 1), ("b", 1)]));
    let (good, said) = verify(gateway.settings());
    assert!(
        good && said.contains("0 differences") && !said.contains("may have less"),
        "{said}"
    );
}

#[test]
fn a_damaged_store_is_noticed_told_and_made_again() {
    let mut gateway = Gateway::start();
    accept(&gateway, &json!([{"name": "a"}, {"name": "b"}, {"name": "b"}]));
    gateway.stop();
    let column = files(&store_folder(gateway.settings()), "fast").pop().unwrap();
    let mut bytes = fs::read(&column).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fs::write(&column, bytes).unwrap();
    let (good, said) = verify(gateway.settings());
    assert!(!good && said.contains("is damaged"), "{said}");

    gateway.start_again();
    gateway.wait_for_word("is damaged", 1);
    until_true("the damage to be mended", || {
        metric(&gateway, "footfall_store_damages_total") == 1 && metric(&gateway, "footfall_store_events") == 3
    });
    gateway.stop();
    assert_eq!(stored_names(gateway.settings()), counts([("a", 1), ("b", 2)]));
    let (good, said) = verify(gateway.settings());
    assert!(good && said.contains("a part was damaged"), "{said}");
}

#[test]
fn a_store_that_takes_nothing_holds_neither_answers_nor_counters_and_segments_wait_for_it() {
    let settings = Settings::new()
        .set("FOOTFALL_JOURNAL_SEGMENT_BYTES", 1 << 20)
        .set("FOOTFALL_APPLY_WINDOW_MS", 1)
        .set("FOOTFALL_COUNTERS_PERSIST_MS", 20)
        .set("FOOTFALL_STORE_RETRY_MS_MAX", 50);
    fs::create_dir_all(settings.data_dir()).unwrap();
    // A file where a folder should be: nothing can be written there, by root neither.
    fs::write(store_folder(&settings), "").unwrap();
    let mut gateway = settings.start();
    for _ in 0..16 {
        accept(&gateway, &large(40));
        gateway.client().visit("GB");
    }
    until_true("trouble to be told", || store_state(&gateway).contains("takes nothing"));
    until_true("everything to be counted", || {
        metric(&gateway, "footfall_counters_applied_sequence") >= 656
    });
    assert_eq!(gateway.report().of("gb"), 16);
    assert_eq!(metric(&gateway, "footfall_store_up"), 0);
    assert!(metric(&gateway, "footfall_store_failures_total") > 0);
    let waiting = segments(&settings);
    assert!(waiting > 4, "{waiting}");

    fs::remove_file(store_folder(&settings)).unwrap();
    until_stored(&gateway, 640);
    assert_eq!(store_state(&gateway), "stores events");
    until_true("segments to go", || segments(&settings) < 4);
    gateway.stop();
    assert_eq!(stored_names(&settings), counts([("large", 640)]));
    let (good, said) = verify(&settings);
    assert!(good, "{said}");
}

#[test]
fn so_much_may_wait_for_the_store_and_no_more() {
    let settings = Settings::new()
        .set("FOOTFALL_JOURNAL_SEGMENT_BYTES", 1 << 20)
        .set("FOOTFALL_JOURNAL_SPOOL_BYTES_MAX", 6 << 20)
        .set("FOOTFALL_STORE_RETRY_MS_MAX", 50);
    fs::create_dir_all(settings.data_dir()).unwrap();
    fs::write(store_folder(&settings), "").unwrap();
    let gateway = settings.start();
    let mut client = gateway.client();
    let mut accepted = 0;
    until_true("a refusal", || {
        let answer = send(&mut client, &large(40));
        accepted += 40 * u64::from(answer.status == 202);
        let refused = answer.status == 503 && answer.json()["code"] == "spool_full";
        assert!(refused || answer.status == 202, "{}", answer.text());
        refused
    });
    assert!(accepted >= 300, "{accepted}");
    fs::remove_file(store_folder(&settings)).unwrap();
    until_stored(&gateway, accepted);
    until_true("events to be taken again", || {
        send(&mut client, &large(1)).status == 202
    });
}
