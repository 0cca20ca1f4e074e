//! Gateways that share a Redis: it has the word, and what it says when it is away, or has forgotten.

use std::fs;
use std::path::Path;

use crate::support::backend::Backend;
use crate::support::gateway::Gateway;
use crate::support::report::Report;
use crate::support::wait::until_true;
use crate::{PATH, Points, event, given, points, points_of, send, try_points};

/// Waits until a gateway tells these points.
fn wait_for(gateway: &Gateway, expected: &Points) {
    until_true(&format!("{expected:?}"), || {
        try_points(gateway).is_ok_and(|points| points.as_ref() == Some(expected))
    });
}

#[test]
fn what_one_gateway_has_recorded_the_other_knows() {
    for backend in [Backend::Redis, Backend::Valkey] {
        let mut stage = backend.stage();
        let (one, two) = (stage.settings.start(), stage.settings.elsewhere().start());
        assert_eq!(send(&mut one.client(), "13", "PURCHASE", 5), 201);
        assert_eq!(send(&mut two.client(), "13", "PURCHASE", 5), 409);
        assert_eq!(send(&mut two.client(), "13", "LOGIN", 5), 409);
        assert_eq!(send(&mut two.client(), "13", "LOGIN", 6), 201);
        for gateway in [&one, &two] {
            assert_eq!(points(gateway), given(&[("13", 11)]));
            let of = points_of(&gateway.client().get(&format!("{PATH}?user_id=13&event_type=LOGIN")));
            assert_eq!(of, given(&[("13", 1)]));
        }
        let sums = Report::parse_hash(&stage.server().cli(&["HGETALL", "ff:{0}:points"]));
        assert_eq!(sums, Report([("PURCHASE:13".into(), 1), ("LOGIN:13".into(), 1)].into()));
    }
}

#[test]
fn while_redis_is_away_nobody_is_told_what_nobody_knows_and_everything_is_kept() {
    let mut stage = Backend::Redis.stage();
    let gateway = stage.settings.clone().set("FOOTFALL_APPLY_ANSWER_MS_MAX", 300).start();
    let mut client = gateway.client();
    assert_eq!(send(&mut client, "13", "LOGIN", 1), 201);
    stage.server().stop();
    let answer = client.send(&event("13", "LOGIN", 2));
    assert_eq!(
        (answer.status, answer.text().as_str()),
        (503, r#"{"message":"Failed to record user events"}"#)
    );
    assert_eq!(send(&mut client, "13", "LOGIN", 2), 409, "it is kept, and will count");
    let told = client.get(PATH);
    assert_eq!(
        (told.status, told.text().as_str()),
        (503, r#"{"message":"Failed to query user events"}"#)
    );
    stage.server().start_again();
    wait_for(&gateway, &given(&[("13", 2)]));
    assert_eq!(send(&mut client, "13", "LOGIN", 2), 409);
    assert_eq!(send(&mut client, "13", "LOGIN", 3), 201);
}

#[test]
fn a_flushed_redis_and_a_lost_half_of_it_are_told_everything_again() {
    let mut stage = Backend::Redis.stage();
    let gateways = [stage.settings.start(), stage.settings.elsewhere().start()];
    let mut expected = Points::new();
    for (place, gateway) in gateways.iter().enumerate() {
        for timestamp in 0..700 {
            assert_eq!(
                send(&mut gateway.client(), &format!("u{place}"), "LOGIN", timestamp),
                201
            );
        }
        expected.insert(format!("u{place}"), 700);
    }
    for loss in [
        &["FLUSHALL"][..],
        &["DEL", "ff:{0}:points"],
        &["DEL", "ff:{0}:points:claims"],
        &["DEL", "ff:{0}:points:claims", "ff:{0}:points"],
        // A transaction of which a part came back.
        &["HINCRBY", "ff:{0}:points:claims", ":started", "1"],
    ] {
        stage.server().cli(loss);
        let claims = || stage.server.as_ref().unwrap().cli(&["HLEN", "ff:{0}:points:claims"]);
        // Claims, the cursors of two gateways, and two numbers of transactions.
        until_true(&format!("the claims after {loss:?}"), || claims() == "1404");
        for gateway in &gateways {
            wait_for(gateway, &expected);
            assert_eq!(send(&mut gateway.client(), "u1", "LOGIN", 5), 409);
        }
    }
}

#[test]
fn the_kind_that_was_first_stays_when_the_other_is_told_first_later() {
    let mut stage = Backend::Redis.stage();
    let (first, mut second) = (stage.settings.start(), stage.settings.elsewhere().start());
    assert_eq!(send(&mut first.client(), "13", "PURCHASE", 5), 201);
    assert_eq!(send(&mut second.client(), "13", "LOGIN", 5), 409);
    second.kill();
    // Only the one that was not first tells of it.
    drop(first);
    stage.server().cli(&["FLUSHALL"]);
    second.start_again();
    wait_for(&second, &given(&[("13", 10)]));
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap().map(Result::unwrap) {
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy(&entry.path(), &target);
        } else {
            fs::copy(entry.path(), target).unwrap();
        }
    }
}

#[test]
fn a_copied_and_a_restored_directory_count_what_each_has_and_nothing_twice() {
    let stage = Backend::Redis.stage();
    let mut original = stage.settings.start();
    assert_eq!(send(&mut original.client(), "13", "LOGIN", 1), 201);
    original.stop();
    let (clone, backup) = (stage.settings.elsewhere(), stage.settings.elsewhere());
    copy(&original.data_dir(), &clone.data_dir());
    copy(&original.data_dir(), &backup.data_dir());
    original.start_again();
    let clone = clone.start();
    for (gateway, user) in [(&original, "o"), (&clone, "c")] {
        assert_eq!(send(&mut gateway.client(), "13", "LOGIN", 1), 409);
        for timestamp in 0..30 {
            assert_eq!(send(&mut gateway.client(), user, "LOGIN", timestamp), 201);
        }
    }
    assert_eq!(send(&mut clone.client(), "o", "LOGIN", 3), 409);
    let mut expected = given(&[("13", 1), ("c", 30), ("o", 30)]);
    wait_for(&original, &expected);
    drop((original, clone));
    // The backup knows nothing of all that, and what it counts now has places that others have had.
    let restored = backup.start();
    assert_eq!(send(&mut restored.client(), "o", "LOGIN", 3), 409);
    for timestamp in 0..10 {
        assert_eq!(send(&mut restored.client(), "r", "LOGIN", timestamp), 201);
    }
    expected.insert("r".into(), 10);
    wait_for(&restored, &expected);
}

#[test]
fn a_rebuild_counts_the_claims_again() {
    let mut stage = Backend::Redis.stage();
    let gateway = stage.settings.start();
    for timestamp in 0..30 {
        assert_eq!(send(&mut gateway.client(), "13", "LOGIN", timestamp), 201);
    }
    stage.server().cli(&["HSET", "ff:{0}:points", "LOGIN:13", "999"]);
    assert_eq!(points(&gateway), given(&[("13", 999)]));
    let rebuilt = gateway.settings().run(&["rebuild"]);
    assert!(rebuilt.status.success(), "{rebuilt:?}");
    wait_for(&gateway, &given(&[("13", 30)]));
}

#[test]
fn verify_notices_claims_that_redis_lacks_and_sums_that_are_wrong() {
    let mut stage = Backend::Redis.stage();
    let mut gateway = stage.settings.start();
    for timestamp in 0..3 {
        assert_eq!(send(&mut gateway.client(), "13", "LOGIN", timestamp), 201);
    }
    gateway.stop();
    let verify = || gateway.settings().run(&["verify"]);
    let (good, text) = (verify(), |output: &std::process::Output| {
        String::from_utf8_lossy(&output.stdout).into_owned()
    });
    assert!(good.status.success(), "{}", text(&good));
    stage.server().cli(&["HSET", "ff:{0}:points", "LOGIN:13", "4"]);
    let wrong = verify();
    assert!(!wrong.status.success(), "{}", text(&wrong));
    stage.server().cli(&["HSET", "ff:{0}:points", "LOGIN:13", "3"]);
    stage.server().cli(&["HDEL", "ff:{0}:points:claims", "1:13"]);
    let lacking = verify();
    assert!(!lacking.status.success(), "{}", text(&lacking));
}
