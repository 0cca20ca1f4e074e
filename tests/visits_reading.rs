//! Reading the counts: `GET /api/v1/stats`, exact to the last visit, cheap to ask again.

mod support;

use std::fmt::Write as _;
use std::io::Read;

use support::answer::Answer;
use support::backend::Backend;
use support::client::{Client, Connection, Request};
use support::gateway::Gateway;

fn conditional(client: &mut Client, tags: &str) -> Answer {
    client.send(&Request::new("GET", "/api/v1/stats").header("If-None-Match", tags))
}

#[test]
fn no_visits_are_an_empty_object() {
    for backend in Backend::KINDS {
        let stage = backend.stage();
        let gateway = stage.settings.start();
        let answer = gateway.client().get("/api/v1/stats");
        assert_eq!((answer.status, answer.text().as_str()), (200, "{}"));
        assert!(answer.header("content-type").unwrap().starts_with("application/json"));
        assert_eq!(answer.header("cache-control"), Some("no-cache"));
    }
}

#[test]
fn countries_come_in_alphabetical_order_with_their_totals_as_numbers() {
    for backend in Backend::KINDS {
        let stage = backend.stage();
        let gateway = stage.settings.start();
        let mut client = gateway.client();
        for country in ["us", "CY", "us", "gb", "de", "US"] {
            client.visit(country);
        }
        let answer = client.get("/api/v1/stats");
        assert_eq!(answer.text(), r#"{"cy":1,"de":1,"gb":1,"us":3}"#);
    }
}

#[test]
fn a_client_reads_its_own_visit_at_once() {
    for backend in Backend::KINDS {
        let stage = backend.stage();
        let gateway = stage.settings.start();
        let (mut writer, mut reader) = (gateway.client(), gateway.client());
        for total in 1..=200 {
            assert_eq!(writer.visit("GB").text(), format!(r#"{{"gb":{total}}}"#));
            assert_eq!(reader.get("/api/v1/stats").text(), format!(r#"{{"gb":{total}}}"#));
        }
    }
}

#[test]
fn totals_beyond_32_bits_are_exact() {
    let mut stage = Backend::Redis.stage();
    let seeded = "5000000000";
    stage.server().cli(&["HSET", "ff:{0}:visits", "us", seeded]);
    let gateway = stage.settings.start();
    assert_eq!(gateway.client().get("/api/v1/stats").text(), r#"{"us":5000000000}"#);
    assert_eq!(gateway.client().visit("US").text(), r#"{"us":5000000001}"#);
    assert_eq!(gateway.client().get("/api/v1/stats").text(), r#"{"us":5000000001}"#);
}

#[test]
fn an_unchanged_report_is_304_by_its_tag_alone_in_a_list_weak_or_any() {
    let gateway = Gateway::start();
    let mut client = gateway.client();
    client.visit("GB");
    let tag = client.get("/api/v1/stats").header("etag").expect("a tag").to_owned();
    let opaque = tag.trim_start_matches("W/").to_owned();
    assert!(
        opaque.starts_with('"') && opaque.ends_with('"') && opaque.len() > 2,
        "{tag}"
    );
    let tags = [
        tag.clone(),
        format!("W/{opaque}"),
        format!("\"other\", {tag}"),
        format!("W/\"a,b\" , W/{opaque}, \"c\""),
        "*".into(),
    ];
    for tags in tags {
        let answer = conditional(&mut client, &tags);
        assert_eq!((answer.status, answer.text().as_str()), (304, ""), "{tags}");
        assert_eq!(answer.header("etag"), Some(tag.as_str()), "{tags}");
        assert_eq!(answer.header("cache-control"), Some("no-cache"), "{tags}");
    }
}

#[test]
fn a_changed_report_is_sent_whole_with_another_tag() {
    let gateway = Gateway::start();
    let mut client = gateway.client();
    client.visit("GB");
    let old = client.get("/api/v1/stats").header("etag").unwrap().to_owned();
    client.visit("GB");
    let answer = conditional(&mut client, &old);
    assert_eq!((answer.status, answer.text().as_str()), (200, r#"{"gb":2}"#));
    assert_ne!(answer.header("etag"), Some(old.as_str()));
    for tags in ["\"other\"", "", "other", "\"", "W/"] {
        assert_eq!(conditional(&mut client, tags).status, 200, "{tags}");
    }
}

#[test]
fn a_head_request_is_answered_like_get_without_the_body() {
    let gateway = Gateway::start();
    let mut client = gateway.client();
    client.visit("GB");
    let get = client.get("/api/v1/stats");
    let head = client.send(&Request::new("HEAD", "/api/v1/stats"));
    assert_eq!((head.status, head.body.len()), (200, 0));
    assert_eq!(head.header("content-length"), Some("8"));
    for name in ["content-type", "etag", "cache-control"] {
        assert_eq!(head.header(name), get.header(name), "{name}");
    }
}

/// Counts one visit of each of the 676 codes, so that the report is some 5 kB.
fn count_every_code(gateway: &Gateway) {
    let mut requests = String::new();
    let codes =
        (b'a'..=b'z').flat_map(|first| (b'a'..=b'z').map(move |second| [char::from(first), char::from(second)]));
    for [first, second] in codes.clone() {
        write!(
            requests,
            "POST /api/v1/stats?countryCode={first}{second} HTTP/1.1\r\nHost: x\r\n\r\n"
        )
        .unwrap();
    }
    let mut connection = Connection::open(gateway.address()).unwrap();
    connection.write(requests.as_bytes()).unwrap();
    for _ in codes {
        assert_eq!(connection.read_answer().unwrap().status, 201);
    }
}

fn read_as(client: &mut Client, accepted: &str) -> Answer {
    client.send(&Request::new("GET", "/api/v1/stats").header("Accept-Encoding", accepted))
}

#[test]
fn a_large_report_is_compressed_for_clients_that_ask_for_it() {
    let gateway = Gateway::start();
    count_every_code(&gateway);
    let mut client = gateway.client();
    let plain = client.get("/api/v1/stats");
    assert_eq!(plain.header("content-encoding"), None);
    assert!(plain.header_lists("vary", "accept-encoding"), "{:?}", plain.headers);
    assert_eq!(plain.json().as_object().unwrap().len(), 676);

    for accepted in ["gzip", "deflate, gzip;q=0.5", "br;q=0, GZIP"] {
        let answer = read_as(&mut client, accepted);
        let Some(coding) = answer.header("content-encoding") else {
            panic!("{accepted}: not compressed")
        };
        assert!(
            answer.body.len() < plain.body.len() / 2,
            "{accepted}: {}",
            answer.body.len()
        );
        assert_eq!(unpack(coding, &answer.body), plain.body, "{accepted}");
    }
    let answer = read_as(&mut client, "gzip, deflate, br");
    assert_eq!(answer.header("content-encoding"), Some("br"));
    assert_eq!(unpack("br", &answer.body), plain.body);
}

#[test]
fn nobody_gets_a_compression_they_did_not_ask_for() {
    let gateway = Gateway::start();
    count_every_code(&gateway);
    let mut client = gateway.client();
    for accepted in [
        "",
        "identity",
        "gzip;q=0",
        "gzip;q=0, br;q=0.0, *;q=0",
        "deflate",
        "zstd",
    ] {
        assert_eq!(
            read_as(&mut client, accepted).header("content-encoding"),
            None,
            "{accepted}"
        );
    }
}

#[test]
fn a_small_report_is_not_compressed() {
    let gateway = Gateway::start();
    let mut client = gateway.client();
    client.visit("GB");
    assert_eq!(read_as(&mut client, "gzip, br").header("content-encoding"), None);
}

fn unpack(coding: &str, packed: &[u8]) -> Vec<u8> {
    let mut plain = Vec::new();
    match coding {
        "gzip" => flate2::read::GzDecoder::new(packed).read_to_end(&mut plain).unwrap(),
        "br" => brotli::Decompressor::new(packed, 4_096)
            .read_to_end(&mut plain)
            .unwrap(),
        other => panic!("asked for gzip or br, got {other}"),
    };
    plain
}
