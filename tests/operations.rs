//! What operators rely on: health, metrics, and stops that lose nothing.

mod support;

use std::time::{Duration, Instant};

use support::backend::{Backend, visits_in};
use support::client::{Client, Connection, Request};
use support::gateway::{Gateway, Settings};
use support::load::Load;
use support::report::metric;
use support::wait::{SOON, until_true};

#[test]
fn health_is_told_on_both_listeners() {
    let gateway = Gateway::start();
    for mut client in [gateway.client(), gateway.admin_client()] {
        assert_eq!(client.get("/livez").status, 200);
        assert_eq!(client.get("/readyz").status, 200);
        let health = client.get("/health");
        assert_eq!((health.status, &health.json()["status"]), (200, &"ok".into()));
        let time = health.json()["timestamp"].as_str().unwrap().to_owned();
        let age = jiff::Timestamp::now().duration_since(time.parse().unwrap());
        assert!(
            time.ends_with('Z') && age.unsigned_abs() < Duration::from_mins(1),
            "{time}"
        );
    }
}

#[test]
fn what_was_received_equals_the_sum_of_what_became_of_it() {
    for backend in Backend::KINDS {
        let stage = backend.stage();
        let gateway = stage
            .settings
            .clone()
            .set("RATE_LIMIT_MAX", 30)
            .set("RATE_LIMIT_WINDOW", 3_600_000)
            .start();
        let mut client = gateway.client();
        let keyed = Request::new("POST", "/api/v1/stats?countryCode=GB").header("Idempotency-Key", "one");
        for _ in 0..5 {
            client.visit("GB");
            client.visit("nowhere");
            client.post("/api/v1/stats");
            client.post("/api/v1/visits");
            client.send(&keyed);
        }
        let visit = Request::new("POST", "/api/v1/stats?countryCode=GB");
        client.send(&visit.clone().body(vec![b'x'; 10_241]));
        client.send(&visit.header("Idempotency-Key", ""));
        for _ in 0..20 {
            client.visit("GB");
        }
        let text = gateway.admin_client().get("/metrics").text();
        let sum = |prefix: &str| -> u64 {
            let values = text
                .lines()
                .filter_map(|line| line.strip_prefix(prefix)?.rsplit(' ').next()?.parse::<u64>().ok());
            values.sum()
        };
        let (received, kept) = (
            sum("footfall_visits_received_total "),
            sum("footfall_visits_kept_total "),
        );
        let (duplicates, refused) = (
            sum("footfall_visits_duplicates_total "),
            sum("footfall_visits_refused_total{"),
        );
        assert_eq!(received, 47, "{text}");
        assert_eq!(received, kept + duplicates + refused, "{text}");
        assert_eq!(duplicates, 4, "{text}");
        assert_eq!(kept, gateway_total(&gateway), "{text}");
    }
}

/// The sum of all counts, read as another client, since the limit may be used up.
fn gateway_total(gateway: &Gateway) -> u64 {
    let request = Request::new("GET", "/api/v1/stats").header("X-Forwarded-For", "192.0.2.99");
    let report = gateway.client().send(&request).json();
    report
        .as_object()
        .unwrap()
        .values()
        .map(|count| count.as_u64().unwrap())
        .sum()
}

#[test]
fn metrics_are_in_the_openmetrics_format_and_only_for_operators() {
    let gateway = Gateway::start();
    let answer = gateway.admin_client().get("/metrics");
    assert_eq!(answer.status, 200);
    assert!(
        answer
            .header("content-type")
            .unwrap()
            .starts_with("application/openmetrics-text")
    );
    let text = answer.text();
    assert!(text.ends_with("# EOF\n"));
    for line in text.lines().filter(|line| !line.starts_with('#')) {
        assert!(line.starts_with("footfall_"), "{line}");
    }
    assert_eq!(gateway.client().get("/metrics").status, 404);
    assert_eq!(metric(&gateway, "footfall_counters_up"), 1);
}

/// A connection whose second request waits for the rest of its body.
fn open_request(gateway: &Gateway) -> Connection {
    let mut connection = Connection::open(gateway.address()).unwrap();
    let ping = Request::new("GET", "/api/v1/ping").bytes();
    let visit = b"POST /api/v1/stats?countryCode=GB HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\nhello";
    // In one write: when the first is answered, the second has come too.
    connection.write(&[ping.as_slice(), visit].concat()).unwrap();
    assert_eq!(connection.read_answer().unwrap().status, 200);
    connection
}

/// Draining gateways are not ready, and in the end not there.
fn wait_for_drain(gateway: &Gateway) {
    until_true("the drain", || {
        let ready = Client::new(gateway.admin()).try_send(&Request::new("GET", "/readyz"));
        ready.map_or(true, |answer| answer.status == 503)
    });
}

#[test]
fn sigterm_lets_an_open_request_finish_and_exits_with_0() {
    for signal in ["TERM", "INT"] {
        let mut gateway = Gateway::start();
        let mut connection = open_request(&gateway);
        gateway.signal(signal);
        wait_for_drain(&gateway);
        connection.write(b"hello").unwrap();
        let answer = connection.read_answer().unwrap();
        assert_eq!((answer.status, answer.text().as_str()), (201, r#"{"gb":1}"#));
        assert_eq!(gateway.wait_for_end(SOON), Some(0));
        gateway.start_again();
        assert_eq!(gateway.report().of("gb"), 1);
    }
}

#[test]
fn idle_connections_do_not_hold_up_a_stop() {
    let mut gateway = Gateway::start();
    let mut client = gateway.client();
    client.visit("GB");
    let started = Instant::now();
    gateway.stop();
    assert!(started.elapsed() < Duration::from_secs(5), "{:?}", started.elapsed());
}

#[test]
fn a_stop_under_load_loses_nothing_that_was_answered() {
    for backend in Backend::KINDS {
        let stage = backend.stage();
        let mut gateway = stage.settings.start();
        let running = Load::new(gateway.address(), 16).start();
        running.wait_for_answers(200);
        gateway.stop();
        let history = running.finish();
        gateway.start_again();
        history.check(&gateway.report());
        if let Some(server) = &stage.server {
            until_true("Redis to hold every visit", || visits_in(server) == gateway.report());
        }
    }
}

#[test]
fn a_request_that_never_ends_is_given_up_after_the_drain_time() {
    let mut gateway = Settings::new().set("FOOTFALL_EDGE_DRAIN_MS", 300).start();
    let _open = open_request(&gateway);
    let started = Instant::now();
    gateway.signal("TERM");
    assert_eq!(gateway.wait_for_end(SOON), Some(0));
    assert!(started.elapsed() < Duration::from_secs(8), "{:?}", started.elapsed());
}

#[test]
fn a_second_signal_ends_it_at_once() {
    let mut gateway = Gateway::start();
    let _open = open_request(&gateway);
    gateway.signal("TERM");
    wait_for_drain(&gateway);
    let started = Instant::now();
    gateway.signal("TERM");
    gateway.wait_for_end(SOON);
    assert!(started.elapsed() < Duration::from_secs(5), "{:?}", started.elapsed());
}
