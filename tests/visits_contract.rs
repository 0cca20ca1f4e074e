//! Counting a visit: `POST /api/v1/stats?countryCode=GB`, every answer of its contract, on each kind of counters.

mod support;

use support::answer::Answer;
use support::backend::Backend;
use support::client::{Client, Request};
use support::gateway::{Gateway, Settings};
use support::load::Load;

const MISSING: &str = r#"{"error":"Country code is required","code":"MISSING_COUNTRY_CODE"}"#;
const INVALID: &str =
    r#"{"error":"Invalid country code format. Must be exactly 2 letters","code":"INVALID_COUNTRY_CODE_FORMAT"}"#;

#[track_caller]
fn assert_json(answer: &Answer, status: u16, body: &str) {
    assert_eq!((answer.status, answer.text().as_str()), (status, body));
    let content_type = answer.header("content-type").unwrap_or_default();
    assert!(content_type.starts_with("application/json"), "{content_type}");
    assert_eq!(answer.header("x-content-type-options"), Some("nosniff"));
}

/// Sends a query as it stands and expects this refusal, and that nothing was counted.
#[track_caller]
fn assert_refused(queries: &[&str], status: u16, body: &str) {
    let gateway = Gateway::start();
    let mut client = gateway.client();
    for query in queries {
        let answer = client.post(&format!("/api/v1/stats{query}"));
        assert_eq!((answer.status, answer.text().as_str()), (status, body), "{query}");
        assert_json(&answer, status, body);
    }
    assert_eq!(gateway.report().sum(), 0);
}

#[test]
fn a_visit_is_answered_with_the_lower_case_code_and_its_new_total() {
    for backend in Backend::KINDS {
        let stage = backend.stage();
        let gateway = stage.settings.start();
        let mut client = gateway.client();
        assert_json(&client.visit("GB"), 201, r#"{"gb":1}"#);
        assert_json(&client.visit("gb"), 201, r#"{"gb":2}"#);
        assert_json(&client.visit("Gb"), 201, r#"{"gb":3}"#);
        assert_json(&client.visit("US"), 201, r#"{"us":1}"#);
        assert_json(&client.visit("gB"), 201, r#"{"gb":4}"#);
    }
}

#[test]
fn any_two_letters_are_counted_without_a_list_of_countries() {
    let gateway = Gateway::start();
    let mut client = gateway.client();
    for code in ["XK", "xx", "ZZ", "aa"] {
        assert_eq!(client.visit(code).status, 201, "{code}");
    }
}

#[test]
fn every_answer_names_the_durability_that_was_kept() {
    for mode in ["os", "disk", "applied"] {
        for backend in Backend::KINDS {
            let stage = backend.stage();
            let gateway = stage.settings.clone().set("FOOTFALL_DURABILITY", mode).start();
            let answer = gateway.client().visit("GB");
            assert_json(&answer, 201, r#"{"gb":1}"#);
            assert_eq!(answer.header("x-durability"), Some(mode));
        }
    }
}

#[test]
fn the_default_durability_is_disk() {
    let gateway = Settings::new().unset("FOOTFALL_DURABILITY").start();
    assert_eq!(gateway.client().visit("GB").header("x-durability"), Some("disk"));
}

#[test]
fn a_missing_empty_or_listed_country_code_is_422() {
    let queries = [
        "",
        "?",
        "?countryCode",
        "?countryCode=",
        "?countryCode[]=GB",
        "?countryCode%5B%5D=GB",
        "?countrycode=GB",
        "?country=GB",
        "?other=1&&x",
    ];
    assert_refused(&queries, 422, MISSING);
}

#[test]
fn anything_but_two_ascii_letters_is_403() {
    let queries = [
        "?countryCode=G",
        "?countryCode=GBR",
        "?countryCode=12",
        "?countryCode=G1",
        "?countryCode=G-",
        "?countryCode=+GB",
        "?countryCode=GB+",
        "?countryCode=%20GB",
        "?countryCode=G%00",
        "?countryCode=%C3%A9",
        "?countryCode=%C3%A9a",
        "?countryCode=G%",
        "?countryCode=%zz",
        "?countryCode=GB=",
        "?countryCode=G%0A",
        "?countryCode=%22GB%22",
    ];
    assert_refused(&queries, 403, INVALID);
}

#[test]
fn a_country_code_given_twice_is_403_even_when_both_agree() {
    let queries = [
        "?countryCode=GB&countryCode=US",
        "?countryCode=GB&countryCode=GB",
        "?countryCode=GB&x=1&country%43ode=GB",
    ];
    assert_refused(&queries, 403, INVALID);
}

#[test]
fn percent_encoding_and_other_parameters_do_not_matter() {
    let gateway = Gateway::start();
    let mut client = gateway.client();
    let queries = [
        "?countryCode=%47%42",
        "?countryCode=g%62",
        "?country%43ode=GB",
        "?x=1&countryCode=GB&y=2",
        "?&&countryCode=GB&",
        "?a[b]=c:d&countryCode=GB",
    ];
    for (turn, query) in queries.iter().enumerate() {
        let answer = client.post(&format!("/api/v1/stats{query}"));
        assert_eq!(
            (answer.status, answer.text()),
            (201, format!(r#"{{"gb":{}}}"#, turn + 1)),
            "{query}"
        );
    }
}

#[test]
fn a_hundred_concurrent_visits_get_a_hundred_distinct_consecutive_totals() {
    for backend in [Backend::Embedded, Backend::Redis, Backend::Valkey] {
        for mode in ["os", "disk", "applied"] {
            let stage = backend.stage();
            let gateway = stage.settings.clone().set("FOOTFALL_DURABILITY", mode).start();
            let history = Load::new(gateway.address(), 100).requests(1).country("CY").run();
            history.check_all_kept();
            let mut totals = history.totals("cy");
            totals.sort_unstable();
            assert_eq!(totals, (1..=100).collect::<Vec<u64>>(), "{backend:?} {mode}");
            assert_eq!(gateway.report().of("cy"), 100);
        }
    }
}

fn keyed(client: &mut Client, country: &str, key: &str) -> Answer {
    let request = Request::new("POST", &format!("/api/v1/stats?countryCode={country}"));
    client.send(&request.header("Idempotency-Key", key))
}

#[test]
fn a_visit_sent_again_with_its_idempotency_key_counts_once_and_is_answered_alike() {
    for backend in Backend::KINDS {
        let stage = backend.stage();
        let gateway = stage.settings.start();
        let mut client = gateway.client();
        let first = keyed(&mut client, "GB", "one");
        assert_json(&first, 201, r#"{"gb":1}"#);
        assert_json(&keyed(&mut client, "GB", "two"), 201, r#"{"gb":2}"#);
        assert_json(&client.visit("GB"), 201, r#"{"gb":3}"#);
        assert_json(&keyed(&mut client, "GB", "one"), 201, r#"{"gb":1}"#);
        assert_eq!(gateway.report().of("gb"), 3);
    }
}

#[test]
fn an_idempotency_key_is_remembered_through_a_kill() {
    for backend in Backend::KINDS {
        let stage = backend.stage();
        let mut gateway = stage.settings.start();
        assert_eq!(keyed(&mut gateway.client(), "GB", "the same").status, 201);
        gateway.kill();
        gateway.start_again();
        assert_eq!(keyed(&mut gateway.client(), "GB", "the same").status, 201);
        assert_eq!(gateway.report().of("gb"), 1);
    }
}

#[test]
fn twins_sent_at_once_count_once() {
    let gateway = Gateway::start();
    let address = gateway.address();
    let twins: Vec<_> = (0..32)
        .map(|_| std::thread::spawn(move || keyed(&mut Client::new(address), "GB", "twin")))
        .collect();
    for twin in twins {
        assert_json(&twin.join().unwrap(), 201, r#"{"gb":1}"#);
    }
    assert_eq!(gateway.report().of("gb"), 1);
}

#[test]
fn an_unusable_idempotency_key_is_400_and_counts_nothing() {
    let gateway = Gateway::start();
    let mut client = gateway.client();
    let visit = || Request::new("POST", "/api/v1/stats?countryCode=GB");
    let requests = [
        visit().header("Idempotency-Key", ""),
        visit().header("Idempotency-Key", &"k".repeat(129)),
        visit().header("Idempotency-Key", "schlüssel"),
        visit().header("Idempotency-Key", "a").header("Idempotency-Key", "b"),
    ];
    for request in requests {
        let answer = client.send(&request);
        assert_eq!(answer.status, 400, "{request:?}");
        assert_eq!(answer.json()["code"], "IDEMPOTENCY_KEY_INVALID", "{request:?}");
    }
    assert_eq!(gateway.report().sum(), 0);
    assert_eq!(keyed(&mut client, "GB", &"k".repeat(128)).status, 201);
}

#[test]
fn visits_are_counted_beside_one_another_however_many_countries_there_are() {
    for backend in Backend::KINDS {
        let stage = backend.stage();
        let gateway = stage.settings.start();
        let history = Load::new(gateway.address(), 16).requests(100).run();
        history.check_all_kept();
        history.check(&gateway.report());
        assert_eq!(gateway.report().sum(), 1_600);
    }
}
