//! Erasures stand in the journal, so nothing brings back what they took.

use std::fs;
use std::sync::Arc;

use footfall::config::JournalConfig;
use footfall::event::{Erasure, SiteId};
use footfall::journal::payload::{ERASURE, put_erasure};
use footfall::journal::{Draft, Lane, LaneLock, RealDisk, Recovered};
use serde_json::json;

use crate::support::gateway::{Gateway, Settings};
use crate::support::wait::until_true;
use crate::{accept, counts, store_folder, stored_names, until_stored, verify};

/// Writes an erasure into the journal of a gateway that has ended, as its intake does.
fn erase(settings: &Settings, erasure: &Erasure<'_>) {
    let (folder, lane) = (settings.data_dir(), Lane::BOTH[0]);
    let _lock = LaneLock::take(&folder, lane).unwrap();
    let identity = lane.identity(&folder).unwrap().unwrap();
    let disk = RealDisk::new(&lane.journal_folder(&folder)).unwrap();
    let recovered = Recovered::open(Arc::new(disk), identity).unwrap();
    let first = recovered.recovery().head.next();
    let journal = recovered
        .start(first, JournalConfig::default(), Arc::default())
        .unwrap();
    let mut payload = Vec::new();
    put_erasure(&mut payload, erasure, 1_795_000_000_000);
    let draft = Draft {
        kind: ERASURE,
        payload: &payload,
    };
    journal.log().submit(&[draft], |_| {}).unwrap();
    journal.stop();
}

fn of(user: &str, name: &str) -> serde_json::Value {
    json!({"name": name, "user": user})
}

#[test]
fn what_was_erased_stays_away_also_when_the_store_is_made_again() {
    let mut gateway = Gateway::start();
    accept(&gateway, &json!([of("anna", "a"), of("ben", "b"), of("anna", "c")]));
    gateway.stop();
    erase(gateway.settings(), &Erasure::User(SiteId::DEFAULT, "anna"));
    gateway.start_again();
    accept(&gateway, &json!([of("anna", "later"), of("ben", "b")]));
    until_stored(&gateway, 3);
    gateway.stop();
    let left = counts([("b", 2), ("later", 1)]);
    assert_eq!(stored_names(gateway.settings()), left);

    fs::remove_dir_all(store_folder(gateway.settings())).unwrap();
    gateway.start_again();
    until_stored(&gateway, 3);
    gateway.stop();
    assert_eq!(stored_names(gateway.settings()), left);
    // It was counted all the same, and verify knows why there is less.
    let (good, said) = verify(gateway.settings());
    assert!(good && said.contains("events were erased"), "{said}");
}

#[test]
fn an_erasure_of_a_site_takes_all_of_it_and_may_be_repeated() {
    let mut gateway = Gateway::start();
    accept(&gateway, &json!([of("anna", "a"), of("ben", "b")]));
    gateway.stop();
    for _ in 0..2 {
        erase(gateway.settings(), &Erasure::Site(SiteId::DEFAULT));
        gateway.start_again();
        until_true("the erasure", || {
            crate::metric(&gateway, "footfall_store_erasures_total") == 1
        });
        until_stored(&gateway, 0);
        gateway.stop();
    }
    assert_eq!(stored_names(gateway.settings()), counts([]));
}
