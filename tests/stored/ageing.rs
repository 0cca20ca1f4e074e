//! Months that are too old, and copies that are.

use std::fs;

use footfall::event::{Event, EventId, Row, SiteId};
use footfall::store::{Store, StoreLimits};
use serde_json::json;

use crate::support::gateway::Gateway;
use crate::support::wait::until_true;
use crate::{accept, copy, counts, metric, store_folder, stored_names, until_stored, verify};

/// 2020-02-03T04:05:06Z.
const LONG_AGO_MS: u64 = 1_580_702_706_000;

#[test]
fn months_older_than_events_are_kept_are_dropped_and_verify_knows() {
    let mut gateway = Gateway::start();
    accept(&gateway, &json!({"name": "new"}));
    gateway.stop();
    let folder = store_folder(gateway.settings());
    let (mut store, _) = Store::open(&folder, StoreLimits::default()).unwrap();
    let next = store.cursor().next();
    let event = Event::new(SiteId::DEFAULT, "old", EventId::Own([1; 16]), LONG_AGO_MS);
    store.append(&Row::new(next, event)).unwrap();
    store.commit().unwrap();
    drop(store);
    assert!(folder.join("2020-02").exists());

    let mut gateway = gateway
        .settings()
        .clone()
        .set("FOOTFALL_STORE_RETENTION_DAYS", 30)
        .start();
    until_true("the month to be dropped", || !folder.join("2020-02").exists());
    accept(&gateway, &json!({"name": "new"}));
    until_stored(&gateway, 2);
    gateway.stop();
    assert_eq!(stored_names(gateway.settings()), counts([("new", 2)]));
    let (good, said) = verify(gateway.settings());
    assert!(good && said.contains("older than events are kept"), "{said}");
}

#[test]
fn a_journal_that_was_restored_without_its_store_gives_no_sequence_that_the_store_has_seen() {
    let mut gateway = Gateway::start();
    accept(&gateway, &json!({"name": "before"}));
    gateway.stop();
    let (lane, kept) = (gateway.data_dir().join("lane-0"), tempfile::tempdir().unwrap());
    copy(&lane, kept.path());
    gateway.start_again();
    accept(&gateway, &json!([{"name": "lost"}, {"name": "lost"}, {"name": "lost"}]));
    gateway.stop();

    fs::remove_dir_all(&lane).unwrap();
    copy(kept.path(), &lane);
    gateway.start_again();
    accept(&gateway, &json!({"name": "after"}));
    until_true("the new event to be stored", || {
        metric(&gateway, "footfall_store_events") == 5
    });
    gateway.stop();
    let names = stored_names(gateway.settings());
    assert_eq!(names, counts([("after", 1), ("before", 1), ("lost", 3)]));
    // The counters of the copy have never heard of what the store has.
    let (good, said) = verify(gateway.settings());
    assert!(!good && said.contains("3 of lost, but 0 were counted"), "{said}");
}
