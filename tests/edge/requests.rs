//! Requests and their answers.

use std::collections::HashSet;
use std::io::Read;
use std::net::Shutdown;

use footfall::config::EdgeConfig;

use crate::conversation::request;
use crate::server::{BIG_BYTES, Server, config, trusting};

#[test]
fn one_connection_serves_many_requests() {
    let server = Server::start(&config());
    let mut client = server.connect();
    for _ in 0..100 {
        assert_eq!(client.get("/").body, "hello");
    }
    assert_eq!(server.metrics.edge.accepted.get(), 1);
}

#[test]
fn pipelined_requests_of_one_segment_are_answered_in_order() {
    let server = Server::start(&config());
    let mut client = server.connect();
    client.send(
        (0..200)
            .map(|n| request(if n % 2 == 0 { "/" } else { "/whoami" }))
            .collect::<String>(),
    );
    for n in 0..200 {
        let expected = if n % 2 == 0 { "hello" } else { "127.0.0.1 false" };
        assert_eq!(client.reply().body, expected, "answer {n}");
    }
}

#[test]
fn a_finished_answer_does_not_wait_for_the_next_request() {
    let server = Server::start(&config());
    let mut client = server.connect();
    let next = request("/whoami");
    let (half, rest) = next.split_at(10);
    client.send(format!("{}{half}", request("/")));
    assert_eq!(client.reply().body, "hello");
    client.send(rest);
    assert_eq!(client.reply().body, "127.0.0.1 false");

    client.send(format!("{}{}", request("/"), request("/wait")));
    assert_eq!(client.reply().body, "hello");
    server.open_gate();
    assert_eq!(client.reply().body, "waited");
}

#[test]
fn a_piece_of_a_streamed_answer_does_not_wait_for_the_next() {
    let server = Server::start(&config());
    let mut client = server.connect();
    client.send(request("/pieces"));
    client.read_until(b"\r\npiece\r\n");
}

#[test]
fn an_answer_given_before_the_body_has_come_reaches_its_client() {
    let server = Server::start(&config());
    let mut client = server.connect();
    client.send("POST /refuse HTTP/1.1\r\nHost: test\r\nContent-Length: 1000000\r\n\r\nfirst");
    assert_eq!(client.reply().status, 413);
    client.send(vec![b'x'; 500_000]);
    client.socket.shutdown(Shutdown::Write).unwrap();
    let end = client
        .socket
        .read(&mut [0])
        .expect("no reset, which could have destroyed the answer");
    assert_eq!(end, 0);
}

#[test]
fn an_answer_does_not_wait_for_a_body_that_is_read_later() {
    let server = Server::start(&config());
    let mut client = server.connect();
    client.send("POST /later HTTP/1.1\r\nHost: test\r\nContent-Length: 100\r\n\r\nfirst");
    assert_eq!(client.reply().body, "later");
}

#[test]
fn a_client_that_asks_first_is_told_to_go_on() {
    let server = Server::start(&config());
    let mut client = server.connect();
    client.send("POST /length HTTP/1.1\r\nHost: test\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n");
    assert_eq!(client.reply().status, 100);
    client.send("12345");
    assert_eq!(client.reply().body, "5");
}

#[test]
fn a_large_answer_arrives_whole() {
    let server = Server::start(&config());
    let mut client = server.connect();
    client.send(format!("{}{}", request("/"), request("/big")));
    assert_eq!(client.reply().body, "hello");
    let head = client.read_until(b"\r\n\r\n");
    client.take(head);
    // Sent in chunks: their sizes are read from their own lines.
    let mut total = 0;
    loop {
        let line = client.read_until(b"\r\n");
        let line = String::from_utf8(client.take(line)).unwrap();
        let length = usize::from_str_radix(line.trim_end(), 16).unwrap();
        let chunk = client.take(length + 2);
        assert!(chunk[..length].iter().all(|byte| *byte == b'x'));
        total += length;
        if length == 0 {
            break;
        }
    }
    assert_eq!(total, BIG_BYTES);
    assert_eq!(client.get("/").body, "hello");
}

#[test]
fn bad_heads_are_refused_with_their_status() {
    let server = Server::start(&EdgeConfig {
        header_bytes_max: 2_000,
        headers_max: 20,
        ..config()
    });
    let fields = |count: usize| "Field: x\r\n".repeat(count);
    let rows = [
        (format!("GET / HTTP/1.1\r\nLong: {}\r\n\r\n", "x".repeat(2_000)), 431),
        (format!("GET / HTTP/1.1\r\nLong: {}", "x".repeat(100_000)), 431),
        (format!("GET / HTTP/1.1\r\n{}\r\n", fields(21)), 431),
        (format!("GET / HTTP/1.1\r\n{}\r\n", fields(20)), 200),
        ("GET / HTTP/9.9\r\n\r\n".to_owned(), 400),
        ("nonsense\r\n\r\n".to_owned(), 400),
    ];
    for (head, status) in rows {
        let mut client = server.connect();
        client.send(&head);
        assert_eq!(client.reply().status, status, "{head:.40}");
    }
}

#[test]
fn every_worker_serves_and_goes_by_its_name() {
    let server = Server::start_with(&config(), 3);
    let mut seen = HashSet::new();
    for _ in 0..500 {
        seen.insert(server.connect().get("/worker").body);
    }
    let expected = ["worker-0", "worker-1", "worker-2"].map(str::to_owned);
    assert_eq!(seen, HashSet::from(expected));
}

#[test]
fn a_handler_that_panics_loses_its_connection_and_nothing_else() {
    let server = Server::start(&config());
    let mut other = server.connect();
    assert_eq!(other.get("/").body, "hello");
    let mut client = server.connect();
    client.send(request("/panic"));
    assert_eq!(client.rest(), "");
    assert_eq!(other.get("/").body, "hello");
}

#[test]
fn a_client_that_has_ended_its_side_is_answered_all_the_same() {
    let server = Server::start(&config());
    let mut client = server.connect();
    client.send(request("/wait"));
    assert_eq!(server.next_event(), "began");
    client.socket.shutdown(Shutdown::Write).unwrap();
    server.open_gate();
    assert_eq!(client.reply().body, "waited");
    assert_eq!(client.rest(), "", "then the connection ends");
}

#[test]
fn the_request_of_a_client_that_goes_away_ends_with_its_answer_and_holds_up_no_other() {
    let server = Server::start(&config());
    let mut client = server.connect();
    client.send(request("/wait"));
    assert_eq!(server.next_event(), "began");
    drop(client);
    assert_eq!(server.connect().get("/").body, "hello");
    server.open_gate();
    assert_eq!(server.next_event(), "ended");
}

#[test]
fn forwarding_headers_are_believed_from_trusted_peers_only() {
    let asked = "GET /whoami HTTP/1.1\r\nHost: test\r\nX-Forwarded-For: 6.6.6.6, 203.0.113.7\r\n\r\n";
    for (config, expected) in [(trusting(config()), "203.0.113.7 true"), (config(), "127.0.0.1 false")] {
        let server = Server::start(&config);
        let mut client = server.connect();
        client.send(asked);
        assert_eq!(client.reply().body, expected);
    }
}
