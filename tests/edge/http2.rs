//! HTTP/2 with prior knowledge, in raw frames.

use footfall::config::EdgeConfig;

use crate::conversation::Conversation;
use crate::server::{Server, config};

const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
const DATA: u8 = 0;
const HEADERS: u8 = 1;
const SETTINGS: u8 = 4;
const GOAWAY: u8 = 7;
const ACK: u8 = 1;
/// `:status: 200` in the static table.
const STATUS_200: u8 = 0x88;

fn http2() -> EdgeConfig {
    EdgeConfig {
        http2: true,
        ..config()
    }
}

fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
    [&length[1..], &[kind, flags], &stream.to_be_bytes(), payload].concat()
}

/// A whole request: `GET`, `http`, the path, the authority `test`.
fn get(stream: u32, path: &str) -> Vec<u8> {
    let length = u8::try_from(path.len()).unwrap();
    let fields = [&[0x82, 0x86, 0x44, length], path.as_bytes(), &[0x41, 4], b"test"].concat();
    frame(HEADERS, 0x5, stream, &fields)
}

fn open(server: &Server, settings: &[u8]) -> Conversation {
    let mut client = server.connect();
    client.send([PREFACE, &frame(SETTINGS, 0, 0, settings)].concat());
    client
}

fn next_frame(client: &mut Conversation) -> (u8, u8, u32, Vec<u8>) {
    let head = client.take(9);
    let length = u32::from_be_bytes([0, head[0], head[1], head[2]]);
    let stream = u32::from_be_bytes([head[5], head[6], head[7], head[8]]);
    (head[3], head[4], stream, client.take(usize::try_from(length).unwrap()))
}

fn next_of(client: &mut Conversation, kind: u8) -> (u32, Vec<u8>) {
    loop {
        let (found, flags, stream, payload) = next_frame(client);
        if found == kind && !(kind == SETTINGS && flags == ACK) {
            return (stream, payload);
        }
    }
}

#[test]
fn both_protocols_are_served_on_one_port() {
    let server = Server::start(&http2());
    let mut client = open(&server, &[]);
    assert_eq!(next_of(&mut client, SETTINGS).0, 0);
    client.send([get(1, "/"), get(3, "/whoami")].concat());
    // HEADERS and DATA of each, in whichever order they come.
    let mut found = Vec::new();
    while found.len() < 4 {
        let (kind, _, stream, payload) = next_frame(&mut client);
        match kind {
            HEADERS => found.push((stream, payload[..1].to_vec())),
            DATA => found.push((stream, payload)),
            _ => {}
        }
    }
    found.sort();
    let answers = [(1, "hello"), (3, "127.0.0.1 false")];
    let expected = answers.map(|(stream, body)| [(stream, body.as_bytes().to_vec()), (stream, vec![STATUS_200])]);
    assert_eq!(found, expected.concat());
    let mut client = server.connect();
    client.send("GET / HTTP/1.1\r\n\r\n");
    assert_eq!(client.reply().body, "hello", "shorter than the preface");
    assert_eq!(server.connect().get("/").body, "hello");
}

#[test]
fn half_a_preface_runs_out_of_time() {
    let server = Server::start(&EdgeConfig {
        first_byte_ms: 200,
        ..http2()
    });
    let mut client = server.connect();
    client.send(&PREFACE[..10]);
    assert_eq!(client.rest(), "");
    assert_eq!(server.expired(), 1);
}

#[test]
fn only_a_connection_without_requests_is_idle() {
    let server = Server::start(&EdgeConfig {
        idle_ms: 200,
        first_byte_ms: 400,
        ..http2()
    });
    let mut client = open(&server, &[]);
    client.send([get(1, "/wait"), get(3, "/")].concat());
    assert_eq!(next_of(&mut client, DATA), (3, b"hello".to_vec()));
    // A silent connection is the clock: it outlives the idle time.
    assert_eq!(server.connect().rest(), "");
    server.open_gate();
    assert_eq!(next_of(&mut client, DATA), (1, b"waited".to_vec()));
    next_of(&mut client, GOAWAY);
    client.rest();
}

#[test]
fn a_client_that_opens_no_window_is_cut() {
    let server = Server::start(&EdgeConfig {
        write_ms: 200,
        ..http2()
    });
    // SETTINGS_INITIAL_WINDOW_SIZE = 0
    let mut client = open(&server, &[0, 4, 0, 0, 0, 0]);
    client.send(get(1, "/big"));
    assert_eq!(server.next_event(), "ended");
    assert_eq!(server.expired(), 1);
    client.rest();
}

#[test]
fn a_drain_says_goodbye_and_finishes_what_is_in_flight() {
    let mut server = Server::start(&http2());
    let mut client = open(&server, &[]);
    client.send(get(1, "/wait"));
    assert_eq!(server.next_event(), "began");
    server.drain.begin();
    next_of(&mut client, GOAWAY);
    server.open_gate();
    assert_eq!(next_of(&mut client, DATA), (1, b"waited".to_vec()));
    server.join();
}
