//! What is open goes on.

use std::fs;
use std::net::SocketAddr;

use crate::support::client::{Connection, Request};
use crate::support::gateway::{Gateway, Settings};
use crate::support::wait::until_true;

fn visit() -> Vec<u8> {
    Request::new("POST", "/api/v1/stats?countryCode=GB").bytes()
}

/// Sends a visit on a connection and gives the status of its answer.
#[track_caller]
fn visit_on(connection: &mut Connection) -> u16 {
    connection.write(&visit()).unwrap();
    let answer = connection.read_answer().unwrap();
    assert!(!answer.closes(), "{answer:?}");
    answer.status
}

#[test]
fn a_connection_at_rest_goes_on_in_the_new_process() {
    let mut gateway = Gateway::start();
    let mut resting = Connection::open(gateway.address()).unwrap();
    let mut admin = Connection::open(gateway.admin()).unwrap();
    let mut fresh = Connection::open(gateway.address()).unwrap();
    let alive = Request::new("GET", "/livez").bytes();
    assert_eq!(visit_on(&mut resting), 201);
    admin.write(&alive).unwrap();
    assert_eq!(admin.read_answer().unwrap().status, 200);
    for _ in 0..3 {
        gateway.hand_over();
        assert_eq!(visit_on(&mut resting), 201);
        admin.write(&alive).unwrap();
        assert_eq!(admin.read_answer().unwrap().status, 200);
    }
    assert_eq!(visit_on(&mut fresh), 201, "nothing was ever sent on it before");
    assert_eq!(gateway.report().of("gb"), 5);
}

#[test]
fn connections_that_may_begin_otherwise_go_on_too() {
    let settings = Settings::new()
        .set("FOOTFALL_EDGE_HTTP2", true)
        .set("FOOTFALL_EDGE_PROXY_PROTOCOL", true);
    let mut gateway = settings.start();
    let header = b"PROXY TCP4 203.0.113.7 203.0.113.1 4000 80\r\n";
    let [mut silent, mut opened, mut used] = [(); 3].map(|()| Connection::open(gateway.address()).unwrap());
    opened.write(header).unwrap();
    used.write(header).unwrap();
    assert_eq!(visit_on(&mut used), 201);
    gateway.hand_over();
    assert_eq!(visit_on(&mut used), 201);
    assert_eq!(visit_on(&mut opened), 201);
    silent.write(header).unwrap();
    assert_eq!(visit_on(&mut silent), 201);
}

#[test]
fn a_request_half_sent_is_answered_by_the_old_process_and_the_next_by_the_new_one() {
    // What one worker answers after a connection began, it has answered after it read from that.
    let mut gateway = Settings::new().set("FOOTFALL_EDGE_WORKERS", 1).start();
    let mut slow = Connection::open(gateway.address()).unwrap();
    let bytes = visit();
    slow.write(&bytes[..20]).unwrap();
    assert_eq!(gateway.client().get("/livez").status, 200);
    assert_eq!(gateway.client().visit("GB").status, 201);
    let old = gateway.begin_hand_over();
    assert!(crate::support::process::runs(old));
    slow.write(&bytes[20..]).unwrap();
    assert!(matches!(slow.read_answer().unwrap().status, 201 | 202));
    until_true("the old process to end", || !crate::support::process::runs(old));
    gateway.wait_for_word("what it left is taken over", 1);
    assert_eq!(visit_on(&mut slow), 201);
    assert_eq!(gateway.report().of("gb"), 3);
}

#[test]
fn who_never_finishes_a_request_holds_a_hand_over_up_no_longer_than_the_limit() {
    let settings = Settings::new()
        .set("FOOTFALL_EDGE_WORKERS", 1)
        .set("FOOTFALL_EDGE_LINGER_MS_MAX", 200);
    let mut gateway = settings.start();
    let mut slow = Connection::open(gateway.address()).unwrap();
    slow.write(b"POST /api/v1/stats?countryCode=GB HTTP/1.1\r\n").unwrap();
    assert_eq!(gateway.client().get("/livez").status, 200);
    assert_eq!(gateway.client().visit("GB").status, 201);
    gateway.hand_over();
    assert_eq!(gateway.client().visit("GB").status, 201);
    assert!(slow.is_closed_without_a_word());
}

/// Every connection to the address is answered, whichever of its sockets it comes to.
#[track_caller]
fn all_are_served(address: SocketAddr) {
    let mut connections: Vec<_> = (0..40).map(|_| Connection::open(address).unwrap()).collect();
    for connection in &mut connections {
        assert_eq!(visit_on(connection), 201);
    }
}

#[test]
fn each_inherited_socket_is_served_with_fewer_and_with_more_workers() {
    let settings = Settings::new();
    let workers = |count: usize| {
        let file = settings.data_dir().with_file_name("footfall.toml");
        fs::write(file, format!("[edge]\nworkers = {count}\n")).unwrap();
    };
    workers(4);
    let mut gateway = settings.start();
    all_are_served(gateway.address());
    for count in [1, 3, 8, 2] {
        workers(count);
        gateway.hand_over();
        all_are_served(gateway.address());
    }
    assert_eq!(gateway.report().of("gb"), 5 * 40);
}

#[test]
fn connections_that_nobody_accepted_yet_wait_for_the_new_process() {
    let mut gateway = Settings::new().set("FOOTFALL_EDGE_WORKERS", 2).start();
    gateway.hand_over();
    gateway.signal("STOP");
    let mut waiting: Vec<_> = (0..20).map(|_| Connection::open(gateway.address()).unwrap()).collect();
    for connection in &mut waiting {
        connection.write(&visit()).unwrap();
    }
    gateway.signal("USR2");
    gateway.signal("CONT");
    for connection in &mut waiting {
        assert!(matches!(connection.read_answer().unwrap().status, 201 | 202));
    }
}
