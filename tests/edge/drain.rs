//! Going down without losing anything.

use std::io::ErrorKind;
use std::net::TcpStream;
use std::sync::Arc;
use std::time::{Duration, Instant};

use footfall::config::EdgeConfig;
use footfall::edge::Stage;

use crate::conversation::request;
use crate::server::{Server, config};

#[test]
fn a_drain_finishes_what_is_open_and_refuses_what_is_new() {
    let mut server = Server::start(&config());
    let mut idle = server.connect();
    assert_eq!(idle.get("/").body, "hello");
    let mut busy = server.connect();
    busy.send(request("/wait"));
    assert_eq!(server.next_event(), "began");
    let mut slow = server.connect();
    assert_eq!(slow.get("/").body, "hello");
    let (half, rest) = ("GET /whoami HTTP/1.1\r\n", "Host: test\r\n\r\n");
    slow.send(format!("{}{half}", request("/wait")));
    assert_eq!(server.next_event(), "began");

    server.drain.begin();
    assert_eq!(idle.rest(), "", "an idle connection is closed");
    server.wait_for(Stage::Draining);
    assert!(!server.drain.is_ready() && server.drain.is_draining());
    let refused = TcpStream::connect(server.address).unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::ConnectionRefused);

    server.open_gate();
    server.open_gate();
    for client in [&mut busy, &mut slow] {
        let reply = client.reply();
        assert_eq!(reply.body, "waited");
        assert!(reply.says_close(), "{reply:?}");
    }
    slow.send(rest);
    assert_eq!(busy.rest(), "");
    assert_eq!(slow.rest(), "", "what follows the last answer is not served");
    server.join();
    assert_eq!(server.drain.stage(), Stage::Done);
    assert_eq!(server.metrics.edge.connections.get(), 0);
}

#[test]
fn every_worker_drains() {
    let mut server = Server::start_with(&config(), 3);
    let clients: Vec<_> = (0..20).map(|_| server.connect()).collect();
    server.drain.begin();
    drop(clients);
    server.join();
    let refused = TcpStream::connect(server.address).unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::ConnectionRefused);
}

#[test]
fn a_head_that_is_half_read_is_still_served() {
    let mut server = Server::start(&config());
    let mut client = server.connect();
    assert_eq!(client.get("/").body, "hello");
    let mut other = server.connect();
    assert_eq!(other.get("/").body, "hello");
    client.send("GET /whoami HTTP/1.1\r\n");
    // Answered after the half head was read: the worker is one thread.
    assert_eq!(other.get("/").body, "hello");
    server.drain.begin();
    assert_eq!(other.rest(), "");
    client.send("Host: test\r\n\r\n");
    let reply = client.reply();
    assert!(reply.body == "127.0.0.1 false" && reply.says_close(), "{reply:?}");
    server.join();
}

#[test]
fn connections_accepted_before_their_first_byte_are_served() {
    let mut server = Server::start(&config());
    let mut clients: Vec<_> = (0..20).map(|_| server.connect()).collect();
    server.drain.begin();
    server.wait_for(Stage::Draining);
    for client in &mut clients {
        let reply = client.get("/");
        assert!(reply.body == "hello" && reply.says_close(), "{reply:?}");
    }
    server.join();
}

#[test]
fn what_waits_in_the_kernel_when_the_drain_begins_is_served() {
    let mut server = Server::start(&config());
    let mut known = server.connect();
    assert_eq!(known.get("/").body, "hello");
    let inside = Arc::clone(&server.inside);
    let brake = inside.brake.lock().unwrap();
    let mut blocked = server.connect();
    blocked.send(request("/block"));
    assert_eq!(server.next_event(), "began");
    // The worker's thread stands still, so all this is the kernel's until it goes on.
    let mut clients: Vec<_> = (0..50).map(|_| server.connect()).collect();
    clients.push(known);
    for client in &mut clients {
        client.send(request("/"));
    }
    server.drain.begin();
    drop(brake);
    assert_eq!(blocked.reply().body, "blocked");
    for client in &mut clients {
        assert_eq!(client.reply().body, "hello");
    }
    drop((blocked, clients));
    server.join();
}

#[test]
fn between_not_ready_and_draining_the_gateway_serves_on() {
    let mut server = Server::start(&EdgeConfig {
        drain_delay_ms: 300,
        ..config()
    });
    let began = Instant::now();
    server.drain.begin();
    assert!(!server.drain.is_ready());
    let reply = server.connect().get("/");
    assert_eq!(reply.body, "hello");
    if !server.drain.is_draining() {
        assert!(!reply.says_close(), "{reply:?}");
    }
    server.join();
    assert!(began.elapsed() >= Duration::from_millis(300));
}

#[test]
fn what_does_not_finish_in_time_is_cut() {
    let mut server = Server::start(&EdgeConfig {
        drain_ms: 200,
        ..config()
    });
    let mut client = server.connect();
    client.send(request("/wait"));
    assert_eq!(server.next_event(), "began");
    server.drain.begin();
    server.join();
    assert_eq!(server.next_event(), "ended");
    assert_eq!(client.rest(), "");
    assert_eq!(server.metrics.edge.connections.get(), 0);
}
