//! Bytes no honest client sends: each has its answer, nothing is counted by mistake, and good traffic goes on.

mod support;

use support::answer::Answer;
use support::client::{Connection, raw};
use support::gateway::{Gateway, Settings};

const VISIT: &str = "POST /api/v1/stats?countryCode=GB HTTP/1.1\r\nHost: x\r\n";

/// The first answer to some bytes, `None` when the connection was closed without one.
fn answer_to(gateway: &Gateway, bytes: &[u8]) -> Option<Answer> {
    let mut connection = Connection::open(gateway.address()).unwrap();
    connection.write(bytes).unwrap();
    connection.read_answer().ok()
}

/// The gateway is unharmed, and has counted only the good visit that shows it.
#[track_caller]
fn assert_unharmed(gateway: &Gateway) {
    assert_eq!(gateway.client().visit("CY").text(), r#"{"cy":1}"#);
    assert_eq!(gateway.report().sum(), 1);
    assert!(!gateway.log().contains("panicked"), "{}", gateway.log());
}

#[test]
fn what_is_not_a_request_is_400() {
    let gateway = Gateway::start();
    let rows: [&[u8]; 12] = [
        b"GARBAGE\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n",
        b"GET\r\n\r\n",
        b"GET /api/v1/ping\r\n\r\n",
        b"GET /api/v1/ping HTTP/9.9\r\n\r\n",
        b"GET /api/v1/ping HTTP/1.1 x\r\n\r\n",
        b"G\xffT /api/v1/ping HTTP/1.1\r\n\r\n",
        b"GET /api/v1/\0ping HTTP/1.1\r\nHost: x\r\n\r\n",
        b"GET /api/v1/ping HTTP/1.1\r\nHost\0: x\r\n\r\n",
        b"GET /api/v1/ping HTTP/1.1\r\nHost: x\0y\r\n\r\n",
        b"GET /api/v1/ping HTTP/1.1\r\nno colon\r\n\r\n",
        b"GET /api/v1/ping HTTP/1.1\r\nHost : x\r\n\r\n",
    ];
    for bytes in rows {
        let answer = raw(gateway.address(), bytes);
        assert_eq!(answer.status, 400, "{}", bytes.escape_ascii());
    }
    assert_unharmed(&gateway);
}

#[test]
fn an_oversize_head_is_431() {
    let gateway = Gateway::start();
    let one_large = format!("{VISIT}X-Large: {}\r\n\r\n", "x".repeat(17_000));
    let many = format!("{VISIT}{}\r\n", "X-Many: x\r\n".repeat(101));
    for (name, bytes) in [("one large field", one_large), ("too many fields", many)] {
        assert_eq!(raw(gateway.address(), bytes.as_bytes()).status, 431, "{name}");
    }
    assert_unharmed(&gateway);
}

#[test]
fn a_huge_target_is_414_or_431() {
    let gateway = Gateway::start();
    for length in [17_000, 70_000] {
        let bytes = format!("GET /api/v1/ping?{} HTTP/1.1\r\nHost: x\r\n\r\n", "x".repeat(length));
        let answer = raw(gateway.address(), bytes.as_bytes());
        assert!([414, 431].contains(&answer.status), "{length}: {}", answer.status);
    }
    assert_unharmed(&gateway);
}

#[test]
fn a_head_under_the_limit_is_welcome() {
    let gateway = Gateway::start();
    let bytes = format!(
        "GET /api/v1/ping HTTP/1.1\r\nHost: x\r\nX-Large: {}\r\n\r\n",
        "x".repeat(12_000)
    );
    assert_eq!(raw(gateway.address(), bytes.as_bytes()).status, 200);
}

#[test]
fn a_request_with_two_framings_cannot_smuggle_another() {
    let gateway = Gateway::start();
    let smuggled = "DELETE /api/v1/stats HTTP/1.1\r\nHost: x\r\n\r\n";
    let bytes = format!(
        "{VISIT}Content-Length: {}\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n{smuggled}",
        smuggled.len() + 5
    );
    let mut connection = Connection::open(gateway.address()).unwrap();
    connection.write(bytes.as_bytes()).unwrap();
    let answer = connection.read_answer().unwrap();
    assert!([201, 400].contains(&answer.status), "{}", answer.status);
    // Closed after the one answer: what follows is not read as a request.
    assert!(connection.is_closed_without_a_word());
    assert!(gateway.report().sum() <= 1);
}

#[test]
fn contradicting_lengths_are_400() {
    let gateway = Gateway::start();
    let rows = [
        format!("{VISIT}Content-Length: 5\r\nContent-Length: 6\r\n\r\nhello!"),
        format!("{VISIT}Content-Length: -1\r\n\r\n"),
        format!("{VISIT}Content-Length: +5\r\n\r\nhello"),
        format!("{VISIT}Content-Length: 5x\r\n\r\nhello"),
        format!("{VISIT}Content-Length: 99999999999999999999999\r\n\r\n"),
        format!("{VISIT}Transfer-Encoding: gzip\r\n\r\n"),
        format!("{VISIT}Transfer-Encoding: chunked, gzip\r\n\r\n"),
    ];
    for bytes in rows {
        assert_eq!(raw(gateway.address(), bytes.as_bytes()).status, 400, "{bytes}");
    }
    assert_unharmed(&gateway);
}

#[test]
fn a_broken_chunk_is_400_and_counts_nothing() {
    let gateway = Gateway::start();
    for body in [
        "zz\r\nhello\r\n0\r\n\r\n",
        "5\r\nhelloXX0\r\n\r\n",
        "fffffffffffffffff\r\nx\r\n",
        "-1\r\n\r\n",
        "\r\n\r\n",
    ] {
        let bytes = format!("{VISIT}Transfer-Encoding: chunked\r\n\r\n{body}");
        let answer = raw(gateway.address(), bytes.as_bytes());
        assert_eq!(answer.status, 400, "{body:?}");
        assert_eq!(answer.json()["code"], "BODY_BROKEN", "{body:?}");
    }
    assert_unharmed(&gateway);
}

#[test]
fn endless_chunk_extensions_and_trailers_are_cut_off() {
    let gateway = Gateway::start();
    let filler = "x".repeat(40_000);
    let trailers = "X-T: x\r\n".repeat(5_000);
    for body in [
        format!("1;{filler}\r\nx\r\n0\r\n\r\n"),
        format!("0\r\nX-Trailer: {filler}\r\n\r\n"),
        format!("0\r\n{trailers}\r\n"),
    ] {
        let answer = answer_to(
            &gateway,
            format!("{VISIT}Transfer-Encoding: chunked\r\n\r\n{body}").as_bytes(),
        );
        assert!(answer.is_none_or(|answer| answer.status == 400 || answer.status == 413));
    }
    assert_unharmed(&gateway);
}

#[test]
fn a_body_that_breaks_off_counts_nothing() {
    let gateway = Gateway::start();
    for rest in [
        "Content-Length: 10\r\n\r\nhello",
        "Transfer-Encoding: chunked\r\n\r\n5\r\nhel",
    ] {
        let mut connection = Connection::open(gateway.address()).unwrap();
        connection.write(format!("{VISIT}{rest}").as_bytes()).unwrap();
        connection.end_sending().unwrap();
        let answer = connection.read_answer().ok();
        assert!(answer.is_none_or(|answer| answer.status == 400), "{rest}");
    }
    assert_unharmed(&gateway);
}

#[test]
fn http_1_0_is_answered_and_the_connection_closed() {
    let gateway = Gateway::start();
    for fields in ["", "Host: x\r\n", "Connection: close\r\n"] {
        let mut connection = Connection::open(gateway.address()).unwrap();
        connection
            .write(format!("GET /api/v1/ping HTTP/1.0\r\n{fields}\r\n").as_bytes())
            .unwrap();
        let answer = connection.read_answer().unwrap();
        assert_eq!((answer.status, answer.text().as_str()), (200, r#""OK""#));
        assert!(connection.is_closed_without_a_word());
    }
}

#[test]
fn a_connection_is_closed_when_the_client_asks_for_it() {
    let gateway = Gateway::start();
    let mut connection = Connection::open(gateway.address()).unwrap();
    connection
        .write(b"GET /api/v1/ping HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        .unwrap();
    assert_eq!(connection.read_answer().unwrap().status, 200);
    assert!(connection.is_closed_without_a_word());
}

#[test]
fn other_forms_of_a_target_are_understood_or_refused() {
    let gateway = Gateway::start();
    let absolute = raw(
        gateway.address(),
        b"GET http://shop.example/api/v1/ping HTTP/1.1\r\nHost: shop.example\r\n\r\n",
    );
    assert_eq!(absolute.status, 200);
    for bytes in [
        b"OPTIONS * HTTP/1.1\r\nHost: x\r\n\r\n".as_slice(),
        b"CONNECT example.com:443 HTTP/1.1\r\nHost: example.com:443\r\n\r\n",
        b"TRACE / HTTP/1.1\r\nHost: x\r\n\r\n",
    ] {
        let status = raw(gateway.address(), bytes).status;
        assert!((204..500).contains(&status), "{}: {status}", bytes.escape_ascii());
    }
    assert_unharmed(&gateway);
}

#[test]
fn a_thousand_pipelined_visits_are_answered_in_order() {
    for mode in ["os", "disk", "applied"] {
        let gateway = Settings::new().set("FOOTFALL_DURABILITY", mode).start();
        let mut connection = Connection::open(gateway.address()).unwrap();
        let mut sender = connection.sender();
        let sending =
            std::thread::spawn(move || sender.write(format!("{VISIT}\r\n").repeat(1_000).as_bytes()).unwrap());
        for total in 1..=1_000 {
            let answer = connection.read_answer().unwrap();
            assert_eq!(
                (answer.status, answer.text()),
                (201, format!(r#"{{"gb":{total}}}"#)),
                "{mode}"
            );
        }
        sending.join().unwrap();
    }
}

#[test]
fn a_request_in_single_bytes_is_understood() {
    let gateway = Gateway::start();
    let mut connection = Connection::open(gateway.address()).unwrap();
    for byte in format!("{VISIT}Content-Length: 5\r\n\r\nhello").bytes() {
        connection.write(&[byte]).unwrap();
    }
    assert_eq!(connection.read_answer().unwrap().text(), r#"{"gb":1}"#);
}

#[test]
fn an_upgrade_to_http_2_is_not_taken_by_default() {
    let gateway = Gateway::start();
    let answer = answer_to(&gateway, b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n");
    assert!(answer.is_none_or(|answer| answer.status == 400 || answer.status == 505));
    let bytes = b"GET /api/v1/ping HTTP/1.1\r\nHost: x\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAAP__\r\n\r\n";
    assert_eq!(raw(gateway.address(), bytes).status, 200);
    assert_unharmed(&gateway);
}
