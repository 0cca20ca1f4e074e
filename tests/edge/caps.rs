//! More connections than are let in.

use std::time::Instant;

use footfall::config::EdgeConfig;

use crate::server::{PATIENCE, Server, config, trusting};

#[test]
fn connections_over_the_cap_are_closed_at_once_and_room_comes_back() {
    let server = Server::start_with(
        &EdgeConfig {
            connections_max: 2,
            ..config()
        },
        2,
    );
    let mut clients = [server.connect(), server.connect()];
    for client in &mut clients {
        assert_eq!(client.get("/").body, "hello");
    }
    assert_eq!(server.metrics.edge.connections.get(), 2);
    assert_eq!(server.connect().rest(), "");
    assert_eq!(server.refused(), 1);

    let [first, mut second] = clients;
    drop(first);
    assert_eq!(second.get("/").body, "hello");
    let began = Instant::now();
    while server.metrics.edge.connections.get() == 2 {
        assert!(began.elapsed() < PATIENCE, "the place was never given back");
        std::thread::yield_now();
    }
    assert_eq!(server.connect().get("/").body, "hello");
}

#[test]
fn one_address_gets_its_share_and_proxies_are_exempt() {
    let capped = EdgeConfig {
        connections_per_address_max: 1,
        ..config()
    };
    let server = Server::start(&capped);
    let mut first = server.connect();
    assert_eq!(first.get("/").body, "hello");
    assert_eq!(server.connect().rest(), "");
    assert_eq!((server.refused(), server.metrics.edge.accepted.get()), (1, 1));

    let server = Server::start(&trusting(capped));
    let mut clients: Vec<_> = (0..5).map(|_| server.connect()).collect();
    for client in &mut clients {
        assert_eq!(client.get("/").body, "hello");
    }
    assert_eq!(server.refused(), 0);
}
