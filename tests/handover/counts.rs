//! Both lanes together tell every count once.

use crate::support::backend::{Backend, visits_in};
use crate::support::client::{Client, Request};
use crate::support::gateway::Gateway;
use crate::support::wait::until_true;

fn keyed(client: &mut Client, key: &str) -> (u16, String) {
    let request = Request::new("POST", "/api/v1/stats?countryCode=GB").header("Idempotency-Key", key);
    let answer = client.send(&request);
    (answer.status, answer.text())
}

#[track_caller]
fn verifies(gateway: &mut Gateway) {
    gateway.stop();
    let verified = gateway.settings().run(&["verify"]);
    let said = String::from_utf8_lossy(&verified.stdout).into_owned();
    assert!(verified.status.success(), "{said}");
    assert!(said.contains("lane-0") && said.contains("lane-1"), "{said}");
}

#[test]
fn a_key_sent_before_and_after_a_hand_over_counts_once() {
    for backend in Backend::KINDS {
        let stage = backend.stage();
        let mut gateway = stage.settings.start();
        for round in 0..3 {
            for key in ["order-1", "order-2"] {
                let (status, body) = keyed(&mut gateway.client(), key);
                assert!(
                    matches!(status, 201 | 202),
                    "{backend:?} {round} {key}: {status} {body}"
                );
            }
            // Each process sees one that the others know.
            keyed(&mut gateway.client(), &format!("order-of-{round}"));
            assert_eq!(gateway.report().of("gb"), 3 + round, "{backend:?}");
            gateway.hand_over();
        }
        gateway.kill();
        gateway.start_again();
        for key in ["order-1", "order-2", "order-of-0", "order-of-1", "order-of-2"] {
            keyed(&mut gateway.client(), key);
        }
        assert_eq!(gateway.report().of("gb"), 5, "{backend:?}");
        verifies(&mut gateway);
    }
}

#[test]
fn totals_go_on_and_none_is_given_twice() {
    for backend in Backend::KINDS {
        let stage = backend.stage();
        let mut gateway = stage.settings.start();
        let mut client = gateway.client();
        let mut last = 0;
        for _ in 0..4 {
            for _ in 0..5 {
                let answer = client.visit("GB");
                let total = answer.json()["gb"].as_u64().unwrap();
                assert_eq!(total, last + 1, "{backend:?}: {answer:?}");
                last = total;
                assert_eq!(client.get("/api/v1/stats").json()["gb"], last);
            }
            gateway.hand_over();
        }
        assert_eq!(gateway.report().of("gb"), 20);
        gateway.stop();
        gateway.start_again();
        assert_eq!(gateway.report().of("gb"), 20, "{backend:?}");
        verifies(&mut gateway);
    }
}

#[test]
fn a_redis_that_lost_its_data_gets_what_both_lanes_have_kept() {
    let mut stage = Backend::Redis.stage();
    let mut gateway = stage.settings.start();
    for country in ["GB", "CY"] {
        let answer = gateway.client().visit(country);
        assert!(matches!(answer.status, 201 | 202), "{answer:?}");
        gateway.hand_over();
    }
    until_true("a current total", || gateway.client().visit("DE").status == 201);
    assert_eq!(gateway.client().visit("GB").status, 201);
    let whole = gateway.report();
    assert_eq!((whole.of("gb"), whole.of("cy")), (2, 1));
    until_true("all of it in Redis", || visits_in(stage.server()) == whole);
    stage.server().cli(&["FLUSHALL"]);
    until_true("all of it in Redis again", || visits_in(stage.server()) == whole);
    assert_eq!(gateway.report(), whole);
    gateway.stop();
    stage.server().cli(&["FLUSHALL"]);
    gateway.start_again();
    until_true("all of it once more", || visits_in(stage.server()) == whole);
    verifies(&mut gateway);
}

#[test]
fn a_hand_over_while_redis_is_away_loses_nothing() {
    let mut stage = Backend::Redis.stage();
    let mut gateway = stage
        .settings
        .clone()
        .set("FOOTFALL_COUNTERS_REDIS_TIMEOUT_MS", 200)
        .start();
    assert_eq!(gateway.client().visit("GB").text(), r#"{"gb":1}"#);
    let one = gateway.report();
    until_true("the first visit in Redis", || visits_in(stage.server()) == one);
    stage.server().stop();
    let mut visits = 1;
    until_true("no current total", || {
        visits += 1;
        gateway.client().visit("GB").status == 202
    });
    gateway.hand_over();
    let answer = gateway.client().visit("GB");
    visits += 1;
    assert_eq!((answer.status, answer.text()), (202, format!(r#"{{"gb":{visits}}}"#)));
    stage.server().start_again();
    until_true("all of it in Redis", || visits_in(stage.server()).of("gb") == visits);
    until_true("a current total", || gateway.client().visit("GB").status == 201);
    verifies(&mut gateway);
}
