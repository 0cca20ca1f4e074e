//! Behind the shipped nginx: the same answers, the real client's address, connections that are kept.

mod support;

use std::net::Ipv4Addr;

use support::answer::Answer;
use support::client::{Connection, Request};
use support::gateway::{Gateway, Settings};
use support::load::Load;
use support::nginx::Nginx;
use support::report::metric;

/// Settings that trust nginx, and no other address of loopback, so that those can stand for clients.
fn behind_nginx() -> Settings {
    Settings::new().set("FOOTFALL_EDGE_TRUSTED_PROXIES", "127.0.0.1/32")
}

/// The status of a visit that comes to nginx from an address of its own.
fn visit_from(last: u8, nginx: &Nginx, invented: Option<&str>) -> u16 {
    let source = Ipv4Addr::new(127, 0, 0, last);
    let mut connection = Connection::open_from(source.into(), nginx.address()).unwrap();
    let mut visit = Request::new("POST", "/api/v1/stats?countryCode=GB");
    if let Some(invented) = invented {
        visit = visit
            .header("X-Forwarded-For", invented)
            .header("Forwarded", &format!("for={invented}"));
    }
    connection.write(&visit.bytes()).unwrap();
    connection.read_answer().unwrap().status
}

/// An answer's body, without what differs from request to request.
fn body_of(answer: &Answer) -> String {
    match serde_json::from_slice(&answer.body) {
        Ok(serde_json::Value::Object(mut fields)) => {
            fields.remove("request_id");
            serde_json::Value::Object(fields).to_string()
        }
        _ => answer.text(),
    }
}

#[test]
fn answers_are_the_same_as_without_it() {
    let gateway = Gateway::start();
    let nginx = Nginx::start(gateway.address());
    let mut client = nginx.client();
    let visit = client.visit("GB");
    assert_eq!((visit.status, visit.text().as_str()), (201, r#"{"gb":1}"#));
    assert_eq!(visit.header("x-durability"), Some("os"));

    let requests = [
        Request::new("GET", "/api/v1/stats"),
        Request::new("GET", "/api/v1/ping"),
        Request::new("POST", "/api/v1/stats"),
        Request::new("POST", "/api/v1/stats?countryCode=nowhere"),
        Request::new("POST", "/api/v1/stats?countryCode[]=GB"),
        Request::new("DELETE", "/api/v1/stats"),
        Request::new("OPTIONS", "/api/v1/stats").header("Access-Control-Request-Method", "POST"),
        Request::new("POST", "/api/v1/stats?countryCode=GB").body(vec![b'x'; 10_241]),
    ];
    for request in requests {
        let (with, without) = (client.send(&request), gateway.client().send(&request));
        assert_eq!(
            (with.status, body_of(&with)),
            (without.status, body_of(&without)),
            "{request:?}"
        );
        for name in [
            "content-type",
            "allow",
            "etag",
            "cache-control",
            "access-control-allow-origin",
            "vary",
        ] {
            assert_eq!(with.header(name), without.header(name), "{name} of {request:?}");
        }
    }
}

#[test]
fn bodies_keys_and_conditions_pass() {
    let gateway = Gateway::start();
    let nginx = Nginx::start(gateway.address());
    let mut client = nginx.client();
    let visit = Request::new("POST", "/api/v1/stats?countryCode=%47B").header("Idempotency-Key", "one");
    for _ in 0..2 {
        assert_eq!(
            client.send(&visit.clone().body(vec![b'x'; 10_240])).text(),
            r#"{"gb":1}"#
        );
    }
    let tag = client.get("/api/v1/stats").header("etag").unwrap().to_owned();
    assert_eq!(
        client
            .send(&Request::new("GET", "/api/v1/stats").header("If-None-Match", &tag))
            .status,
        304
    );
}

#[test]
fn the_limit_sees_the_clients_behind_it() {
    let gateway = behind_nginx()
        .set("RATE_LIMIT_MAX", 2)
        .set("RATE_LIMIT_WINDOW", 3_600_000)
        .start();
    let nginx = Nginx::start(gateway.address());
    for client in [2, 3, 4] {
        let statuses = [(); 3].map(|()| visit_from(client, &nginx, None));
        assert_eq!(statuses, [201, 201, 429], "127.0.0.{client}");
    }
}

#[test]
fn an_invented_address_does_not_escape_the_limit() {
    let gateway = behind_nginx()
        .set("RATE_LIMIT_MAX", 2)
        .set("RATE_LIMIT_WINDOW", 3_600_000)
        .start();
    let nginx = Nginx::start(gateway.address());
    let statuses = ["192.0.2.1", "192.0.2.2", "192.0.2.3"].map(|invented| visit_from(5, &nginx, Some(invented)));
    assert_eq!(statuses, [201, 201, 429]);
}

#[test]
fn connections_to_the_gateway_are_kept() {
    let gateway = Gateway::start();
    let nginx = Nginx::start(gateway.address());
    let history = Load::new(nginx.address(), 8).requests(100).run();
    history.check_all_kept();
    history.check(&gateway.report());
    let accepted = metric(&gateway, "footfall_edge_accepted_connections_total");
    assert!(accepted < 100, "{accepted} connections for 800 visits");
}
