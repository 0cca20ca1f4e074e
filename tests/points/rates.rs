//! What events are worth: the file of `EVENTS_POINTS_PATH`.

use std::fs;
use std::path::Path;

use crate::support::backend::Backend;
use crate::support::gateway::Settings;
use crate::support::wait::until_true;
use crate::{given, points, send};

fn put(path: &Path, text: &str) {
    let new = path.with_extension("new");
    fs::write(&new, text).unwrap();
    fs::rename(&new, path).unwrap();
}

#[test]
fn a_new_type_is_one_line_in_the_file_and_needs_no_restart() {
    for backend in Backend::KINDS {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("points.yaml");
        put(&path, "events:\n  - {name: LOGIN, point: 2}\n");
        let stage = backend.stage();
        let settings = stage.settings.clone().set("EVENTS_POINTS_PATH", path.display());
        let gateway = settings.set("FOOTFALL_POINTS_RELOAD_MS", 20).start();
        let mut client = gateway.client();
        assert_eq!(send(&mut client, "13", "LOGIN", 1), 201);
        let refused = client.send(&crate::event("13", "REVIEW", 2));
        assert_eq!(
            refused.json()["message"],
            r#"(/event_type): Invalid input: expected "LOGIN""#
        );
        put(
            &path,
            "events:\n  - {name: LOGIN, point: 2}\n  - {name: REVIEW, point: 5, description: words}\n",
        );
        until_true("the new type", || send(&mut client, "13", "REVIEW", 2) == 201);
        assert_eq!(points(&gateway), given(&[("13", 7)]));
        put(&path, "events: [{name: LOGIN, point: -1}]");
        gateway.wait_for_word("the new points of events are refused", 1);
        assert_eq!(points(&gateway), given(&[("13", 7)]), "the old ones stay");
        // Only counts are kept, so other rates hold for what was before, and a type without one is worth nothing.
        put(&path, "events: [{name: LOGIN, point: 3}]");
        until_true("other points", || points(&gateway) == given(&[("13", 3)]));
    }
}

#[test]
fn a_user_whose_types_have_no_points_any_more_has_none() {
    for backend in Backend::KINDS {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("points.yaml");
        put(&path, "events: [{name: LOGIN, point: 2}]");
        let stage = backend.stage();
        let settings = stage.settings.clone().set("EVENTS_POINTS_PATH", path.display());
        let mut gateway = settings.start();
        assert_eq!(send(&mut gateway.client(), "13", "LOGIN", 1), 201);
        gateway.stop();
        put(&path, "events: [{name: OTHER, point: 2}]");
        gateway.start_again();
        until_true("the user", || points(&gateway) == given(&[("13", 0)]));
    }
}

#[test]
fn a_broken_file_stops_the_start_and_says_why() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("points.yaml");
    for (text, why) in [
        (None, "cannot be read"),
        (
            Some("events: [{name: LOGIN, point: 0}]"),
            "events[0].point must be above 0",
        ),
        (Some("events: [{name: LOGIN"), "points.path"),
    ] {
        if let Some(text) = text {
            put(&path, text);
        }
        let ended = Settings::new()
            .set("EVENTS_POINTS_PATH", path.display())
            .run(&["serve"]);
        assert!(!ended.status.success());
        let told = format!(
            "{}{}",
            String::from_utf8_lossy(&ended.stderr),
            String::from_utf8_lossy(&ended.stdout)
        );
        assert!(told.contains(why) && told.contains("points.yaml"), "{why}: {told}");
    }
}

#[test]
fn the_shipped_file_is_what_holds_without_one() {
    let shipped = Path::new(env!("CARGO_MANIFEST_DIR")).join("points.yaml");
    let gateway = Settings::new().set("EVENTS_POINTS_PATH", shipped.display()).start();
    for (place, kind) in ["LOGIN", "PURCHASE", "REFERRAL"].iter().enumerate() {
        assert_eq!(send(&mut gateway.client(), "13", kind, place as u64), 201);
    }
    assert_eq!(points(&gateway), given(&[("13", 31)]));
}
