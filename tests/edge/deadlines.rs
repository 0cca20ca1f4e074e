//! Clients that keep the gateway waiting.

use std::io::{ErrorKind, Read, Write};
use std::time::{Duration, Instant};

use footfall::config::EdgeConfig;

use crate::conversation::request;
use crate::server::{PATIENCE, Server, config};

/// Long enough that other steps of a test fit in, short enough to wait for.
const SHORT_MS: u64 = 300;

#[test]
fn a_silent_client_is_closed_without_an_answer() {
    let server = Server::start(&EdgeConfig {
        first_byte_ms: SHORT_MS,
        ..config()
    });
    let began = Instant::now();
    assert_eq!(server.connect().rest(), "");
    assert!(began.elapsed() >= Duration::from_millis(SHORT_MS));
    assert_eq!(server.expired(), 1);
}

#[test]
fn an_unfinished_head_is_answered_408() {
    let server = Server::start(&EdgeConfig {
        header_ms: SHORT_MS,
        ..config()
    });
    let mut client = server.connect();
    assert_eq!(client.get("/").body, "hello");
    client.send("GET / HTTP/1.1\r\nHost:");
    let began = Instant::now();
    let reply = client.reply();
    assert!(began.elapsed() >= Duration::from_millis(SHORT_MS));
    assert!(reply.status == 408 && reply.says_close(), "{reply:?}");
    assert_eq!(client.rest(), "");
    assert_eq!(server.expired(), 1);
}

#[test]
fn a_dripping_head_gains_no_time() {
    let server = Server::start(&EdgeConfig {
        header_ms: SHORT_MS,
        ..config()
    });
    let mut client = server.connect();
    client.socket.set_read_timeout(Some(Duration::from_millis(20))).unwrap();
    let began = Instant::now();
    client.send("GET / HTTP/1.1\r\nDrip: ");
    let mut answer = [0; 16];
    loop {
        assert!(began.elapsed() < PATIENCE, "the drip was never stopped");
        match client.socket.read(&mut answer) {
            Err(error) if error.kind() == ErrorKind::WouldBlock => client.send("x"),
            read => {
                read.unwrap();
                break;
            }
        }
    }
    assert!(answer.starts_with(b"HTTP/1.1 408"), "{answer:?}");
}

#[test]
fn a_kept_connection_is_closed_when_it_rests_too_long() {
    let server = Server::start(&EdgeConfig {
        idle_ms: SHORT_MS,
        ..config()
    });
    let mut client = server.connect();
    assert_eq!(client.get("/").body, "hello");
    let began = Instant::now();
    assert_eq!(client.rest(), "");
    assert!(began.elapsed() >= Duration::from_millis(SHORT_MS));
}

#[test]
fn an_answer_that_nobody_reads_is_cut() {
    let server = Server::start(&EdgeConfig {
        write_ms: SHORT_MS,
        ..config()
    });
    let mut client = server.connect();
    let began = Instant::now();
    client.send(request("/big"));
    assert_eq!(server.next_event(), "ended");
    assert!(began.elapsed() >= Duration::from_millis(SHORT_MS));
    assert_eq!(server.expired(), 1);
}

#[test]
fn pipelined_answers_that_nobody_reads_are_cut() {
    let server = Server::start(&EdgeConfig {
        write_ms: SHORT_MS,
        ..config()
    });
    let mut client = server.connect();
    let flood = request("/").repeat(1_000);
    let error = loop {
        // The gateway stops reading, so this blocks until it closes.
        if let Err(error) = client.socket.write_all(flood.as_bytes()) {
            break error;
        }
    };
    assert!(
        matches!(error.kind(), ErrorKind::ConnectionReset | ErrorKind::BrokenPipe),
        "{error}"
    );
    assert_eq!(server.expired(), 1);
}

#[test]
fn a_handler_may_take_longer_than_every_deadline() {
    let server = Server::start(&EdgeConfig {
        first_byte_ms: SHORT_MS,
        header_ms: SHORT_MS,
        write_ms: SHORT_MS,
        idle_ms: SHORT_MS,
        ..config()
    });
    let mut client = server.connect();
    client.send(request("/wait"));
    assert_eq!(server.next_event(), "began");
    // Silent connections that come and go are the clock here.
    for _ in 0..3 {
        assert_eq!(server.connect().rest(), "");
    }
    server.open_gate();
    assert_eq!(client.reply().body, "waited");
}
