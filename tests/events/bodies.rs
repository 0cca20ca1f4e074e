//! Bodies of every kind, good and bad.

use std::io::Write;

use flate2::Compression;
use flate2::write::{DeflateEncoder, GzEncoder, ZlibEncoder};
use serde_json::json;

use crate::support::answer::Answer;
use crate::support::client::{Connection, Request};
use crate::support::gateway::{Gateway, Settings};
use crate::support::wait::{SOON, until};
use crate::{PATH, assert_accepted, assert_problem, post, rejection, send};

fn typed(content_type: &str, body: impl Into<Vec<u8>>) -> Request {
    Request::new("POST", PATH)
        .header("Content-Type", content_type)
        .body(body)
}

fn gzip(text: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(text).unwrap();
    encoder.finish().unwrap()
}

fn zlib(text: &[u8]) -> Vec<u8> {
    let mut encoder = ZlibEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(text).unwrap();
    encoder.finish().unwrap()
}

fn raw_deflate(text: &[u8]) -> Vec<u8> {
    let mut encoder = DeflateEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(text).unwrap();
    encoder.finish().unwrap()
}

fn brotli(text: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::new();
    let quick = brotli::enc::BrotliEncoderParams {
        quality: 5,
        ..Default::default()
    };
    brotli::BrotliCompress(&mut &*text, &mut bytes, &quick).unwrap();
    bytes
}

fn zstd(text: &[u8]) -> Vec<u8> {
    zstd::encode_all(text, 3).unwrap()
}

type Compress = fn(&[u8]) -> Vec<u8>;
const ENCODINGS: [(&str, Compress); 6] = [
    ("gzip", gzip),
    ("x-gzip", gzip),
    ("deflate", zlib),
    ("deflate", raw_deflate),
    ("br", brotli),
    ("zstd", zstd),
];

fn encoded(encoding: &str, body: Vec<u8>) -> Request {
    post(body).header("Content-Encoding", encoding)
}

/// The gateway still takes events, and did not panic.
#[track_caller]
fn assert_unharmed(gateway: &Gateway) {
    assert_accepted(&send(&mut gateway.client(), &json!({"name": "still here"})), 1);
    assert!(!gateway.log().contains("panicked"), "{}", gateway.log());
}

#[test]
fn every_type_and_layout_is_read() {
    let gateway = Gateway::start();
    let mut client = gateway.client();
    let one = r#"{"name":"a"}"#;
    let lines = "{\"name\":\"a\"}\n{\"name\":\"b\"}\r\n\n{\"name\":\"c\"}";
    for (content_type, body, events) in [
        ("application/json", one, 1),
        (
            "application/json; charset=utf-8",
            "[{\"name\":\"a\"},{\"name\":\"b\"}]",
            2,
        ),
        ("text/plain;charset=UTF-8", one, 1),
        ("application/x-ndjson", lines, 3),
        ("application/x-ndjson", one, 1),
    ] {
        assert_accepted(&client.send(&typed(content_type, body)), events);
    }
    assert_accepted(&client.send(&Request::new("POST", PATH).body(one)), 1);
    for other in [
        "application/x-www-form-urlencoded",
        "text/html",
        "multipart/form-data; boundary=x",
    ] {
        assert_problem(&client.send(&typed(other, one)), 415, "media_type_unsupported");
    }
}

#[test]
fn a_bad_item_never_spoils_the_others() {
    let gateway = Gateway::start();
    let mut client = gateway.client();
    let batch = json!([
        {"name": "a"},
        {"id": "x", "url": "/"},
        {"name": "b", "time": "soon"},
        "no event",
        {"name": "c", "properties": {"price": 1}},
    ]);
    let answer = send(&mut client, &batch);
    let body = answer.json();
    assert_eq!(
        (answer.status, &body["accepted"], &body["rejected"]),
        (202, &json!(2), &json!(3)),
        "{body}"
    );
    let told: Vec<_> = body["errors"]
        .as_array()
        .unwrap()
        .iter()
        .map(|error| (error["index"].clone(), error["code"].clone(), error["field"].clone()))
        .collect();
    let expected = [
        (json!(1), json!("field_missing"), json!("name")),
        (json!(2), json!("field_invalid"), json!("time")),
        (json!(3), json!("field_invalid"), json!(null)),
    ];
    assert_eq!(told, expected);
    assert_eq!(body["errors"][0]["id"], "x");
    // A text cut within a letter, as scripts send it, and a number that nobody can keep.
    let unreadable = r#"{"events":[{"name":"a"},{"name":"b","title":"x\ud83d"},{"name":"c","n":1e999},{"name":"d"}]}"#;
    let body = client.send(&post(unreadable)).json();
    assert_eq!((&body["accepted"], &body["rejected"]), (&json!(2), &json!(2)), "{body}");
    let told = |place: usize| {
        (
            body["errors"][place]["index"].clone(),
            body["errors"][place]["code"].clone(),
        )
    };
    assert_eq!(told(0), (json!(1), json!("utf8_invalid")));
    assert_eq!(told(1), (json!(2), json!("number_out_of_range")));
    let lines = client.send(&typed(
        "application/x-ndjson",
        "{\"name\":\"a\"}\n{\"name\":\n{\"name\":\"b\"}\n\u{1}",
    ));
    let body = lines.json();
    assert_eq!((&body["accepted"], &body["rejected"]), (&json!(2), &json!(2)), "{body}");
}

#[test]
fn a_request_of_which_nothing_is_kept_looks_like_a_refusal() {
    let gateway = Gateway::start();
    let mut client = gateway.client();
    for (body, status, code, field) in [
        (r#"{"id":"x"}"#, 422, "field_missing", "name"),
        (r#"{"name":"a\u0007"}"#, 422, "field_invalid", "name"),
        (r#"{"name":"a","name":"b"}"#, 400, "key_duplicate", "name"),
        (
            r#"{"name":"a","properties":{"x":1,"x":2}}"#,
            400,
            "key_duplicate",
            "properties",
        ),
        (
            r#"{"name":"a","revenue":{"minor":9007199254740993,"currency":"EUR"}}"#,
            400,
            "number_out_of_range",
            "revenue",
        ),
        (
            r#"{"name":"a","revenue":{"minor":1,"currency":"XQQ"}}"#,
            422,
            "field_invalid",
            "revenue",
        ),
        (
            r#"{"name":"a","items":[[[[[[[[1]]]]]]]]}"#,
            400,
            "json_too_deep",
            "items",
        ),
        ("[7]", 422, "field_invalid", ""),
        (r#"{"events":{"name":"a"}}"#, 422, "field_invalid", "events"),
    ] {
        let answer = client.send(&post(body));
        assert_eq!(answer.status, status, "{body} {}", answer.text());
        assert_eq!(rejection(&answer), (code.into(), field.into()), "{body}");
    }
    assert_unharmed(&gateway);
}

#[test]
fn what_is_no_json_is_400_and_says_why() {
    let gateway = Gateway::start();
    let mut client = gateway.client();
    let deep = [b"[".repeat(200_000), b"]".repeat(200_000)].concat();
    let rows: [(&[u8], &str); 11] = [
        (b"", "body_empty"),
        (b" \r\n", "body_empty"),
        (b"{", "json_invalid"),
        (b"nonsense", "json_invalid"),
        (br#"{"name":"a"}{"name":"b"}"#, "json_invalid"),
        (br#"{"name":"a"} trailing"#, "json_invalid"),
        (br#"{"name":"\ud800"}"#, "utf8_invalid"),
        (b"{\"name\":\"\xff\xfe\"}", "utf8_invalid"),
        (br#"{"name":"a","properties":{"x":1e999}}"#, "number_out_of_range"),
        (
            br#"{"name":"a","properties":{"x":184467440737095516160}}"#,
            "number_out_of_range",
        ),
        (&deep, "json_too_deep"),
    ];
    for (body, code) in rows {
        assert_problem(&client.send(&post(body)), 400, code);
    }
    let twice = r#"{"events":[{"name":"a"}],"events":[{"name":"b"}]}"#;
    assert_problem(&client.send(&post(twice)), 400, "key_duplicate");
    for nan in ["NaN", "Infinity", "-Infinity", "0x1", "01", "+1"] {
        let answer = client.send(&post(format!(r#"{{"name":"a","properties":{{"x":{nan}}}}}"#)));
        assert_eq!(answer.status, 400, "{nan} {}", answer.text());
    }
    assert_unharmed(&gateway);
}

#[test]
fn compressed_bodies_are_read_in_every_encoding() {
    let gateway = Gateway::start();
    let mut client = gateway.client();
    let body = json!([{"name": "a"}, {"name": "b"}]).to_string();
    for (encoding, compress) in ENCODINGS {
        assert_accepted(&client.send(&encoded(encoding, compress(body.as_bytes()))), 2);
    }
    assert_accepted(&client.send(&encoded("identity", body.clone().into_bytes())), 2);
    for stacked in [
        "gzip, gzip",
        "gzip, br",
        "compress",
        "gzip;q=1",
        "identity, zstd, deflate",
    ] {
        let answer = client.send(&encoded(stacked, gzip(body.as_bytes())));
        assert_problem(&answer, 415, "encoding_unsupported");
    }
    let twice = encoded("gzip", gzip(body.as_bytes())).header("Content-Encoding", "gzip");
    assert_problem(&client.send(&twice), 415, "encoding_unsupported");
    assert_unharmed(&gateway);
}

#[test]
fn broken_compression_and_bombs_are_refused() {
    let gateway = Settings::new()
        .set("FOOTFALL_EVENTS_DECOMPRESSED_BYTES_MAX", 2_000_000)
        .start();
    let mut client = gateway.client();
    let text = json!({"name": "a", "title": "something that compresses, that compresses"}).to_string();
    let bomb = vec![b' '; 12 << 20];
    // Less than a hundred times its size, but more than a body may be.
    let mut dice = crate::support::dice::Dice::new(7);
    let large: Vec<u8> = (0..3_000_000)
        .map(|_| b'a' + u8::try_from(dice.below(4)).unwrap())
        .collect();
    for (encoding, compress) in ENCODINGS {
        let whole = compress(text.as_bytes());
        let cut = whole[..whole.len() - whole.len() / 3].to_vec();
        assert_problem(&client.send(&encoded(encoding, cut)), 400, "encoding_broken");
        assert_problem(&client.send(&encoded(encoding, vec![0xff; 64])), 400, "encoding_broken");
        assert_problem(
            &client.send(&encoded(encoding, compress(&bomb))),
            413,
            "decompressed_too_large",
        );
        let large = compress(&large);
        assert!(large.len() < 1 << 20, "{encoding} {}", large.len());
        assert_problem(&client.send(&encoded(encoding, large)), 413, "decompressed_too_large");
    }
    assert_unharmed(&gateway);
}

#[test]
fn bodies_events_and_batches_have_their_limits() {
    let gateway = Settings::new()
        .set("FOOTFALL_EVENTS_BODY_BYTES_MAX", 20_000)
        .set("FOOTFALL_EVENTS_BATCH_MAX", 10)
        .set("FOOTFALL_EVENTS_EVENT_BYTES_MAX", 2_048)
        .set("FOOTFALL_EVENTS_PROPERTIES_KEYS_MAX", 5)
        .start();
    let mut client = gateway.client();
    let events = |number: usize| json!(vec![json!({"name": "a"}); number]);
    assert_accepted(&send(&mut client, &events(10)), 10);
    assert_problem(&send(&mut client, &events(11)), 413, "too_many_events");
    let lines = "{\"name\":\"a\"}\n".repeat(11);
    assert_problem(
        &client.send(&typed("application/x-ndjson", lines)),
        413,
        "too_many_events",
    );
    let keys = |number: usize| {
        let keys = (0..number).map(|number| (format!("k{number}"), json!(1)));
        json!({"name": "a", "properties": keys.collect::<serde_json::Map<_, _>>()})
    };
    assert_accepted(&send(&mut client, &keys(5)), 1);
    let many = send(&mut client, &keys(6));
    assert_eq!(many.status, 413);
    assert_eq!(rejection(&many), ("event_too_large".into(), "properties".into()));
    let large = send(
        &mut client,
        &json!({"name": "a", "properties": {"x": "y".repeat(2_048)}}),
    );
    assert_eq!(
        (large.status, rejection(&large)),
        (413, ("event_too_large".into(), String::new()))
    );
    let body = json!({"name": "a", "title": "x".repeat(20_000)});
    let too_large = gateway.client().send(&post(body.to_string()));
    assert_problem(&too_large, 413, "body_too_large");
    // One that does not say how long it is.
    let mut connection = Connection::open(gateway.address()).unwrap();
    let chunk = format!("{:x}\r\n{}\r\n", 10_000, "x".repeat(10_000)).repeat(3);
    let head = format!("POST {PATH} HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n{chunk}");
    connection.write(head.as_bytes()).unwrap();
    let answer: Answer = connection.read_answer().unwrap();
    assert_problem(&answer, 413, "body_too_large");
    assert_unharmed(&gateway);
}

#[test]
fn a_body_in_chunks_is_read_whole() {
    let gateway = Gateway::start();
    let mut connection = Connection::open(gateway.address()).unwrap();
    let body = json!([{"name": "a"}, {"name": "b"}]).to_string();
    let (first, second) = body.split_at(11);
    let chunks = format!(
        "{:x}\r\n{first}\r\n{:x}\r\n{second}\r\n0\r\n\r\n",
        first.len(),
        second.len()
    );
    let head = format!("POST {PATH} HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n{chunks}");
    connection.write(head.as_bytes()).unwrap();
    assert_accepted(&connection.read_answer().unwrap(), 2);
}

#[test]
fn bodies_on_their_way_have_a_bound_together() {
    let gateway = Settings::new().set("FOOTFALL_EVENTS_BODIES_BYTES_MAX", 65_536).start();
    let large = json!({"name": "a", "unknown": "x".repeat(60_000)}).to_string();
    let (most, rest) = large.split_at(59_000);
    let head = format!(
        "POST {PATH} HTTP/1.1\r\nHost: x\r\nContent-Length: {}\r\n\r\n{most}",
        large.len()
    );
    let other = json!({"name": "a", "unknown": "x".repeat(10_000)});
    // Of two that come at the same time either may find no room, or both: then another slow one is sent.
    let (slow, refused) = until("no room beside the slow one", SOON, || {
        let mut slow = Connection::open(gateway.address()).unwrap();
        slow.write(head.as_bytes()).unwrap();
        let mut answers = (0..100).map(|_| send(&mut gateway.client(), &other));
        let refused = answers.find(|answer| answer.status != 202)?;
        slow.write(rest.as_bytes()).ok()?;
        let answer = slow.read_answer().ok().filter(|answer| answer.status == 202)?;
        Some((answer, refused))
    });
    assert_problem(&refused, 503, "overloaded");
    assert_eq!(refused.header("retry-after"), Some("1"));
    assert_accepted(&slow, 1);
    assert_accepted(&send(&mut gateway.client(), &other), 1);
}
