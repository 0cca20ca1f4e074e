//! The limit by client address: who is counted together, what is counted, and what the answers say.

mod support;

use std::net::Ipv4Addr;

use support::answer::Answer;
use support::client::{Connection, Request};
use support::gateway::{Gateway, Settings};

/// A window so long that nothing refills while a test runs.
fn limited_to(max: u32) -> Settings {
    Settings::new()
        .set("RATE_LIMIT_MAX", max)
        .set("RATE_LIMIT_WINDOW", 3_600_000)
}

fn from_address(gateway: &Gateway, address: &str) -> Answer {
    let visit = Request::new("POST", "/api/v1/stats?countryCode=GB").header("X-Forwarded-For", address);
    gateway.client().send(&visit)
}

#[test]
fn by_default_a_hundred_requests_a_minute_are_answered_and_the_next_is_429() {
    let gateway = Settings::new().unset("RATE_LIMIT_MAX").start();
    let mut connection = Connection::open(gateway.address()).unwrap();
    // In one write: the allowance of a hundred a minute refills by one each 0.6 s.
    let visit = Request::new("POST", "/api/v1/stats?countryCode=GB").bytes();
    connection.write(&visit.repeat(101)).unwrap();
    for place in 1..=100 {
        let answer = connection.read_answer().unwrap();
        assert_eq!(answer.status, 201, "request {place}");
        assert_eq!(answer.parameter("ratelimit-policy", "q"), Some(100));
        assert_eq!(answer.parameter("ratelimit-policy", "w"), Some(60));
        assert!(
            answer
                .parameter("ratelimit", "r")
                .is_some_and(|left| left >= 100 - place)
        );
    }
    assert_eq!(connection.read_answer().unwrap().status, 429);
    assert_eq!(gateway.log().matches("panic").count(), 0);
}

#[test]
fn a_429_says_why_and_when_to_come_back() {
    let gateway = limited_to(2).start();
    let mut client = gateway.client();
    assert_eq!(client.visit("GB").parameter("ratelimit", "r"), Some(1));
    assert_eq!(client.visit("GB").parameter("ratelimit", "r"), Some(0));
    for request in [
        Request::new("POST", "/api/v1/stats?countryCode=GB"),
        Request::new("GET", "/api/v1/stats"),
    ] {
        let answer = client.send(&request);
        assert_eq!(answer.status, 429);
        assert_eq!(
            answer.text(),
            r#"{"error":"Too many requests. Please try again later."}"#
        );
        assert!(answer.header("content-type").unwrap().starts_with("application/json"));
        assert_eq!(answer.parameter("ratelimit-policy", "q"), Some(2));
        assert_eq!(answer.parameter("ratelimit-policy", "w"), Some(3_600));
        assert_eq!(answer.parameter("ratelimit", "r"), Some(0));
        assert_eq!(answer.header("ratelimit-limit"), Some("2"));
        assert_eq!(answer.header("ratelimit-remaining"), Some("0"));
        let number = |name: &str| answer.header(name).unwrap().parse::<u64>().unwrap();
        // One of two comes back after half an hour.
        assert!(
            (1..=1_800).contains(&number("retry-after")),
            "{}",
            number("retry-after")
        );
        assert!(
            (1..=3_600).contains(&number("ratelimit-reset")),
            "{}",
            number("ratelimit-reset")
        );
        assert!(
            answer
                .parameter("ratelimit", "t")
                .is_some_and(|seconds| (1..=3_600).contains(&seconds))
        );
    }
}

#[test]
fn a_refused_visit_is_not_counted() {
    let gateway = limited_to(3).start();
    let mut client = gateway.client();
    let statuses: Vec<u16> = (0..5).map(|_| client.visit("GB").status).collect();
    assert_eq!(statuses, [201, 201, 201, 429, 429]);
    let report = client.send(&Request::new("GET", "/api/v1/stats").header("X-Forwarded-For", "192.0.2.9"));
    assert_eq!(report.text(), r#"{"gb":3}"#);
}

#[test]
fn the_older_headers_come_on_every_limited_answer_when_they_are_asked_for() {
    let gateway = limited_to(2).set("FOOTFALL_LIMIT_LEGACY_HEADERS", true).start();
    let mut client = gateway.client();
    for (status, remaining) in [(201, "1"), (201, "0"), (429, "0")] {
        let answer = client.visit("GB");
        assert_eq!(answer.status, status);
        for prefix in ["RateLimit", "X-RateLimit"] {
            assert_eq!(answer.header(&format!("{prefix}-Limit")), Some("2"), "{prefix}");
            assert_eq!(
                answer.header(&format!("{prefix}-Remaining")),
                Some(remaining),
                "{prefix}"
            );
            let reset = answer.header(&format!("{prefix}-Reset")).unwrap();
            assert!(reset.parse::<u64>().is_ok(), "{reset}");
        }
    }
    let answer = limited_to(2).start().client().visit("GB");
    assert_eq!(
        (answer.header("ratelimit-limit"), answer.header("x-ratelimit-limit")),
        (None, None)
    );
}

#[test]
fn invalid_requests_and_reports_use_up_the_same_allowance() {
    let gateway = limited_to(5).start();
    let mut client = gateway.client();
    assert_eq!(client.visit("nowhere").status, 403);
    assert_eq!(client.post("/api/v1/stats").status, 422);
    assert_eq!(client.get("/api/v1/stats").status, 200);
    assert_eq!(client.post("/api/v1/visits").status, 201);
    assert_eq!(client.visit("GB").parameter("ratelimit", "r"), Some(0));
    assert_eq!(client.post("/api/v1/visits").status, 429);
    assert_eq!(client.visit("nowhere").status, 429);
}

#[test]
fn health_and_ping_are_not_limited() {
    let gateway = limited_to(1).start();
    let mut client = gateway.client();
    client.visit("GB");
    assert_eq!(client.visit("GB").status, 429);
    for path in ["/api/v1/ping", "/api/v1/healthcheck", "/livez", "/readyz", "/health"] {
        for _ in 0..3 {
            let answer = client.get(path);
            assert_eq!(answer.status, 200, "{path}");
            assert_eq!(answer.header("ratelimit"), None, "{path}");
        }
    }
}

#[test]
fn one_address_does_not_use_up_the_allowance_of_another() {
    let gateway = limited_to(2).start();
    for address in ["192.0.2.1", "192.0.2.2", "203.0.113.1"] {
        let statuses: Vec<u16> = (0..3).map(|_| from_address(&gateway, address).status).collect();
        assert_eq!(statuses, [201, 201, 429], "{address}");
    }
}

#[test]
fn spellings_of_one_address_share_an_allowance() {
    let gateway = limited_to(4).start();
    let spellings = [
        "192.0.2.1",
        "192.0.2.1:4711",
        "::ffff:192.0.2.1",
        "198.51.100.7, 192.0.2.1",
        "192.0.2.1,127.0.0.1",
    ];
    let statuses: Vec<u16> = spellings
        .iter()
        .map(|spelling| from_address(&gateway, spelling).status)
        .collect();
    assert_eq!(statuses, [201, 201, 201, 201, 429]);
}

#[test]
fn an_ipv6_network_of_64_bits_shares_an_allowance() {
    let gateway = limited_to(2).start();
    assert_eq!(from_address(&gateway, "2001:db8:1:2::1").status, 201);
    assert_eq!(from_address(&gateway, "2001:db8:1:2:ffff:ffff:ffff:ffff").status, 201);
    assert_eq!(from_address(&gateway, "[2001:db8:1:2::77]:443").status, 429);
    assert_eq!(from_address(&gateway, "2001:db8:1:3::1").status, 201);
}

#[test]
fn a_forwarded_address_from_an_untrusted_peer_does_not_escape_the_limit() {
    let gateway = limited_to(2).set("FOOTFALL_EDGE_TRUSTED_PROXIES", "10.0.0.0/8").start();
    let statuses: Vec<u16> = (1..=4)
        .map(|place| from_address(&gateway, &format!("192.0.2.{place}")).status)
        .collect();
    assert_eq!(statuses, [201, 201, 429, 429]);

    let mut connection = Connection::open_from(Ipv4Addr::new(127, 0, 0, 2).into(), gateway.address()).unwrap();
    connection
        .write(&Request::new("POST", "/api/v1/stats?countryCode=GB").bytes())
        .unwrap();
    assert_eq!(
        connection.read_answer().unwrap().status,
        201,
        "another peer has its own allowance"
    );
}

#[test]
fn a_limit_of_zero_is_no_limit() {
    let gateway = Settings::new().set("RATE_LIMIT_MAX", 0).start();
    let mut client = gateway.client();
    assert!((0..300).all(|_| client.visit("GB").status == 201));
}
