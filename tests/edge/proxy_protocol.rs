//! Connections that begin with a PROXY header.

use footfall::config::EdgeConfig;

use crate::conversation::request;
use crate::server::{Server, config, trusting};

const V1: &[u8] = b"PROXY TCP4 203.0.113.7 10.0.0.1 4711 80\r\n";
const V2: &[u8] = b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c\xcb\0\x71\x09\x0a\0\0\x01\x12\x67\0\x50";
const V2_LOCAL: &[u8] = b"\r\n\r\n\0\r\nQUIT\n\x20\0\0\0";

fn proxied() -> EdgeConfig {
    EdgeConfig {
        proxy_protocol: true,
        ..trusting(config())
    }
}

#[test]
fn the_header_names_the_client_and_the_request_follows() {
    for http2 in [false, true] {
        let server = Server::start(&EdgeConfig { http2, ..proxied() });
        for (header, expected) in [
            (V1, "203.0.113.7 false"),
            (V2, "203.0.113.9 false"),
            (V2_LOCAL, "127.0.0.1 true"),
            (b"PROXY UNKNOWN\r\n", "127.0.0.1 true"),
        ] {
            let asked = [header, request("/whoami").as_bytes()].concat();
            let mut client = server.connect();
            client.send(&asked);
            assert_eq!(client.reply().body, expected);
            assert_eq!(client.get("/whoami").body, expected);

            let mut client = server.connect();
            for byte in asked.chunks(1) {
                client.send(byte);
            }
            assert_eq!(client.reply().body, expected, "in single bytes");
        }
    }
}

#[test]
fn a_missing_or_broken_header_closes_the_connection() {
    let server = Server::start(&proxied());
    for opening in [
        &b"GET / HTTP/1.1\r\nHost: test\r\n\r\n"[..],
        b"PROXY TCP4 nonsense\r\n",
        b"\r\n\r\n\0\r\nQUIT\n\xff\xff\0\0",
    ] {
        let mut client = server.connect();
        client.send(opening);
        assert_eq!(client.rest(), "");
    }
    assert_eq!(server.metrics.edge.unproxied.get(), 3);
}

#[test]
fn a_header_that_does_not_end_runs_out_of_time() {
    let server = Server::start(&EdgeConfig {
        first_byte_ms: 200,
        ..proxied()
    });
    let mut client = server.connect();
    client.send("PROXY TCP4 203.");
    assert_eq!(client.rest(), "");
    assert_eq!(server.expired(), 1);
}

#[test]
fn a_peer_that_is_no_proxy_of_ours_is_never_believed() {
    let server = Server::start(&EdgeConfig {
        trusted_proxies: Vec::new(),
        ..proxied()
    });
    assert_eq!(server.connect().get("/whoami").body, "127.0.0.1 false");
    let mut client = server.connect();
    client.send(V1);
    assert_eq!(client.reply().status, 400);
}

#[test]
fn the_client_that_a_header_names_has_its_own_share_of_connections() {
    let server = Server::start(&EdgeConfig {
        connections_per_address_max: 1,
        ..proxied()
    });
    let mut first = server.connect();
    first.send([V1, request("/").as_bytes()].concat());
    assert_eq!(first.reply().body, "hello");
    let mut second = server.connect();
    second.send(V1);
    assert_eq!(second.rest(), "");
    assert_eq!(server.refused(), 1);
    let mut other = server.connect();
    other.send([V2, request("/").as_bytes()].concat());
    assert_eq!(other.reply().body, "hello");
}
