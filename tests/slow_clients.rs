//! Clients that take their time or their place: every deadline and every cap holds, and good traffic goes on.

mod support;

use std::net::{IpAddr, Ipv4Addr};
use std::time::{Duration, Instant};

use support::client::{Client, Connection, Request};
use support::gateway::{Gateway, Settings};
use support::load::Load;
use support::process::{allow_open_files, resident_bytes};
use support::report::metric;
use support::wait::{until, until_true};

const PING: &[u8] = b"GET /api/v1/ping HTTP/1.1\r\nHost: x\r\n\r\n";

/// Far less than the read patience of the client, far more than a deadline under test.
const AT_LAST: Duration = Duration::from_secs(10);

fn impatient(name: &str) -> Gateway {
    Settings::new().set(name, 300).start()
}

/// A connection that has had one answer.
fn served(gateway: &Gateway) -> Connection {
    let mut connection = Connection::open(gateway.address()).unwrap();
    connection.write(PING).unwrap();
    assert_eq!(connection.read_answer().unwrap().status, 200);
    connection
}

/// The gateway ends a connection by itself: with a 408, or without a word.
#[track_caller]
fn assert_expires(connection: &mut Connection) {
    let started = Instant::now();
    if let Ok(answer) = connection.read_answer() {
        assert_eq!(answer.status, 408);
    }
    assert!(connection.is_closed_without_a_word());
    assert!(started.elapsed() < AT_LAST, "{:?}", started.elapsed());
}

#[test]
fn a_connection_that_says_nothing_is_closed() {
    let gateway = impatient("FOOTFALL_EDGE_FIRST_BYTE_MS");
    assert_expires(&mut Connection::open(gateway.address()).unwrap());
    until_true("the metric", || {
        metric(&gateway, "footfall_edge_expired_connections_total") == 1
    });
}

#[test]
fn a_head_that_never_ends_is_closed() {
    let gateway = impatient("FOOTFALL_EDGE_HEADER_MS");
    for start in [
        "G",
        "GET /api/v1/ping HTTP/1.1\r\n",
        "GET /api/v1/ping HTTP/1.1\r\nHost: x\r\n",
    ] {
        let mut connection = Connection::open(gateway.address()).unwrap();
        connection.write(start.as_bytes()).unwrap();
        assert_expires(&mut connection);
    }
}

#[test]
fn a_head_that_trickles_is_closed_however_steady_it_is() {
    let gateway = impatient("FOOTFALL_EDGE_HEADER_MS");
    let mut connection = Connection::open(gateway.address()).unwrap();
    connection.write(b"GET /api/v1/ping HTTP/1.1\r\n").unwrap();
    let started = Instant::now();
    until("the trickle to be cut off", AT_LAST, || {
        connection.write(b"X-Slow: 1\r\n").err()
    });
    assert!(
        started.elapsed() >= Duration::from_millis(200),
        "{:?}",
        started.elapsed()
    );
}

#[test]
fn a_body_that_pauses_is_408_and_counts_nothing() {
    let gateway = impatient("FOOTFALL_EDGE_BODY_IDLE_MS");
    for framing in [
        "Content-Length: 10\r\n\r\nhello",
        "Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n",
    ] {
        let mut connection = Connection::open(gateway.address()).unwrap();
        let head = "POST /api/v1/stats?countryCode=GB HTTP/1.1\r\nHost: x\r\n";
        connection.write(format!("{head}{framing}").as_bytes()).unwrap();
        let answer = connection.read_answer().unwrap();
        assert_eq!(answer.status, 408, "{framing}");
        assert_eq!(answer.json()["code"], "BODY_TIMEOUT");
        assert!(connection.is_closed_without_a_word());
    }
    assert_eq!(gateway.report().sum(), 0);
}

#[test]
fn a_body_that_trickles_is_408_however_steady_it_is() {
    let gateway = impatient("FOOTFALL_EDGE_BODY_MS");
    let mut connection = Connection::open(gateway.address()).unwrap();
    let head = "POST /api/v1/stats?countryCode=GB HTTP/1.1\r\nHost: x\r\nContent-Length: 10000\r\n\r\n";
    connection.write(head.as_bytes()).unwrap();
    let mut sender = connection.sender();
    let trickle = std::thread::spawn(move || until("the trickle to be cut off", AT_LAST, || sender.write(b"x").err()));
    assert_eq!(connection.read_answer().unwrap().status, 408);
    drop(connection);
    trickle.join().unwrap();
    assert_eq!(gateway.report().sum(), 0);
}

#[test]
fn a_connection_that_rests_too_long_is_closed() {
    let gateway = impatient("FOOTFALL_EDGE_IDLE_MS");
    let mut connection = served(&gateway);
    let started = Instant::now();
    assert!(connection.is_closed_without_a_word());
    assert!(started.elapsed() < AT_LAST);
}

#[test]
fn a_client_that_does_not_read_is_closed_and_others_are_served() {
    let gateway = impatient("FOOTFALL_EDGE_WRITE_MS");
    let mut client = gateway.client();
    let codes = (b'a'..=b'z').flat_map(|first| (b'a'..=b'z').map(move |second| [first, second]));
    for code in codes {
        client.visit(std::str::from_utf8(&code).unwrap());
    }
    // Some 5 kB each: far more answers than the sockets' buffers hold.
    let stuck = Connection::open(gateway.address()).unwrap();
    let mut sender = stuck.sender();
    let asking = std::thread::spawn(move || {
        let request = Request::new("GET", "/api/v1/stats").bytes();
        (0..100_000).find_map(|_| sender.write(&request).err())
    });
    let ended = asking.join().unwrap();
    assert!(
        ended.is_some(),
        "the connection of a client that reads nothing stayed open"
    );
    assert_eq!(client.get("/api/v1/ping").status, 200);
    until_true("the metric", || {
        metric(&gateway, "footfall_edge_expired_connections_total") >= 1
    });
}

#[test]
fn connections_beyond_the_cap_are_closed_at_once_and_welcome_when_others_have_gone() {
    let gateway = Settings::new().set("FOOTFALL_EDGE_CONNECTIONS_MAX", 8).start();
    let mut held: Vec<Connection> = (0..8).map(|_| served(&gateway)).collect();
    let mut ninth = Connection::open(gateway.address()).unwrap();
    assert!(ninth.is_closed_without_a_word());
    assert_eq!(metric(&gateway, "footfall_edge_connections"), 8, "operators are let in");
    held.pop();
    until_true("a free place", || {
        Client::new(gateway.address())
            .try_send(&Request::new("GET", "/livez"))
            .is_ok()
    });
    assert!(metric(&gateway, "footfall_edge_refused_connections_total") >= 1);
}

#[test]
fn one_address_cannot_take_all_places() {
    let settings = Settings::new().set("FOOTFALL_EDGE_TRUSTED_PROXIES", "10.0.0.0/8");
    let gateway = settings.set("FOOTFALL_EDGE_CONNECTIONS_PER_ADDRESS_MAX", 4).start();
    let held: Vec<Connection> = (0..4).map(|_| served(&gateway)).collect();
    assert!(Connection::open(gateway.address()).unwrap().is_closed_without_a_word());
    let mut other = Connection::open_from(IpAddr::V4(Ipv4Addr::new(127, 0, 0, 2)), gateway.address()).unwrap();
    other.write(PING).unwrap();
    assert_eq!(other.read_answer().unwrap().status, 200);
    drop(held);
}

#[test]
fn a_trusted_proxy_is_not_one_address() {
    let gateway = Settings::new()
        .set("FOOTFALL_EDGE_CONNECTIONS_PER_ADDRESS_MAX", 4)
        .start();
    let held: Vec<Connection> = (0..16).map(|_| served(&gateway)).collect();
    assert_eq!(held.len(), 16);
}

#[test]
fn five_thousand_idle_connections_do_not_harm_good_traffic() {
    allow_open_files(12_000);
    let gateway = Gateway::start();
    let idle: Vec<Connection> = (0..5_000).map(|_| served(&gateway)).collect();
    let during = Load::new(gateway.address(), 32).requests(50).run();
    during.check_all_kept();
    until_true("the gauge", || metric(&gateway, "footfall_edge_connections") == 5_000);
    drop(idle);
    until_true("the idle ones to be gone", || {
        metric(&gateway, "footfall_edge_connections") == 0
    });
    let mut all = Load::new(gateway.address(), 32).requests(50).run();
    all.check_all_kept();
    all.merge(during);
    assert_eq!(gateway.report(), all.kept());
}

#[test]
fn connections_at_rest_take_little_memory_and_go_on() {
    const CONNECTIONS: u64 = 2_000;
    allow_open_files(12_000);
    let mut gateway = Gateway::start();
    drop(served(&gateway));
    let before = resident_bytes(gateway.pid());
    let mut resting: Vec<Connection> = (0..CONNECTIONS).map(|_| served(&gateway)).collect();
    // hyper's buffers alone are 16 kB.
    until_true("the buffers to be given back", || {
        resident_bytes(gateway.pid()).saturating_sub(before) < CONNECTIONS * 8_000
    });
    for connection in &mut resting {
        // What comes first need not be a whole head.
        connection.write(&PING[..7]).unwrap();
        connection.write(&PING[7..]).unwrap();
        assert_eq!(connection.read_answer().unwrap().status, 200);
    }
    until_true("the buffers to be given back again", || {
        resident_bytes(gateway.pid()).saturating_sub(before) < CONNECTIONS * 8_000
    });
    gateway.stop();
    for connection in &mut resting {
        assert!(connection.is_closed_without_a_word());
    }
}

#[test]
fn a_connection_at_rest_is_closed_at_its_deadline() {
    let gateway = Settings::new().set("FOOTFALL_EDGE_IDLE_MS", 3_000).start();
    let mut connection = served(&gateway);
    let began = Instant::now();
    assert!(connection.is_closed_without_a_word());
    assert!(began.elapsed() >= Duration::from_secs(3), "{:?}", began.elapsed());
    until_true("the metric", || {
        metric(&gateway, "footfall_edge_expired_connections_total") == 1
    });
}

#[test]
fn five_hundred_slow_heads_and_bodies_do_not_harm_good_traffic() {
    let gateway = Gateway::start();
    let starts = [
        "POST /api/v1/st",
        "POST /api/v1/stats?countryCode=GB HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\nhell",
    ];
    let slow: Vec<Connection> = (0..500)
        .map(|place| {
            let mut connection = Connection::open(gateway.address()).unwrap();
            connection.write(starts[place % 2].as_bytes()).unwrap();
            connection
        })
        .collect();
    let history = Load::new(gateway.address(), 32).requests(50).run();
    history.check_all_kept();
    drop(slow);
    assert_eq!(gateway.report(), history.kept());
}
