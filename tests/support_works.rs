//! The tests' own tools, against a stub server: a check that cannot fail would prove nothing.

mod support;

use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use support::answer::Answer;
use support::client::{Client, Request};
use support::history::{Fate, History, Sent};
use support::load::Load;
use support::report::Report;

/// What a stub does with the request of this number: its answer, or nothing and the connection is closed.
type Script = dyn Fn(u64) -> Option<String> + Send + Sync;

/// A server that answers by a script; it ends with the test's process.
fn stub(script: impl Fn(u64) -> Option<String> + Send + Sync + 'static) -> SocketAddr {
    let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let address = listener.local_addr().unwrap();
    let (script, number): (Arc<Script>, _) = (Arc::new(script), Arc::new(AtomicU64::new(0)));
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let (script, number) = (Arc::clone(&script), Arc::clone(&number));
            std::thread::spawn(move || serve(&stream.unwrap(), &*script, &number));
        }
    });
    address
}

fn serve(mut stream: &TcpStream, script: &Script, number: &AtomicU64) {
    let mut lines = BufReader::new(stream.try_clone().unwrap()).lines();
    while let Some(Ok(line)) = lines.next() {
        if line.is_empty() {
            let answer = script(number.fetch_add(1, Ordering::SeqCst) + 1);
            let Some(answer) = answer else { return };
            if stream.write_all(answer.as_bytes()).is_err() {
                return;
            }
        }
    }
}

#[allow(clippy::unnecessary_wraps, reason = "this is a script of its own")]
fn total(of: u64) -> Option<String> {
    let body = format!(r#"{{"gb":{of}}}"#);
    Some(format!(
        "HTTP/1.1 201 Created\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    ))
}

fn parsed(bytes: &str, has_body: bool) -> Answer {
    Answer::read(&mut bytes.as_bytes(), has_body).unwrap()
}

#[test]
fn answers_are_read_by_length_by_chunks_to_the_end_and_without_body() {
    assert_eq!(
        parsed("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nOKrest", true).text(),
        "OK"
    );
    let chunked = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\na\r\n0123456789\r\n0\r\n\r\n";
    assert_eq!(parsed(chunked, true).text(), "abc0123456789");
    assert_eq!(parsed("HTTP/1.0 200 OK\r\n\r\nto the end", true).text(), "to the end");
    assert_eq!(parsed("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n", false).text(), "");
    assert_eq!(
        parsed("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 204 No Content\r\n\r\n", true).status,
        204
    );
    for broken in [
        "",
        "HTTP/1.1 200",
        "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nab",
        "nonsense\r\n\r\n",
    ] {
        assert!(Answer::read(&mut broken.as_bytes(), true).is_err(), "{broken}");
    }
}

#[test]
fn parameters_of_structured_fields_are_found() {
    let answer = parsed(
        "HTTP/1.1 204 x\r\nRateLimit-Policy: \"a\";q=100;w=60\r\nAllow: GET, post\r\n\r\n",
        true,
    );
    assert_eq!(answer.parameter("ratelimit-policy", "w"), Some(60));
    assert_eq!(answer.parameter("ratelimit-policy", "r"), None);
    assert!(answer.header_lists("allow", "POST") && !answer.header_lists("allow", "PUT"));
}

#[test]
fn a_client_keeps_its_connection_until_the_server_closes_it() {
    let address = stub(|number| match number {
        2 => Some("HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n".into()),
        _ => total(number),
    });
    let mut client = Client::new(address);
    assert_eq!(client.visit("GB").text(), r#"{"gb":1}"#);
    assert!(client.get("/x").closes());
    assert_eq!(
        client
            .send(&Request::new("GET", "/y").header("X-A", "b").body("c\r\n\r"))
            .status,
        201
    );
}

#[test]
fn an_honest_server_stands_the_check() {
    let history = Load::new(stub(total), 4).requests(25).country("GB").run();
    history.check_all_kept();
    assert_eq!(history.contradiction(&Report([("gb".into(), 100)].into())), None);
}

#[test]
fn lost_doubled_and_invented_visits_are_noticed() {
    let history = Load::new(stub(total), 4).requests(25).country("GB").run();
    for counted in [99, 101, 0] {
        assert!(
            history
                .contradiction(&Report([("gb".into(), counted)].into()))
                .is_some(),
            "{counted}"
        );
    }
    let invented = Report([("gb".into(), 100), ("us".into(), 1)].into());
    assert!(history.contradiction(&invented).is_some());
}

#[test]
fn a_total_given_twice_is_noticed() {
    let history = Load::new(stub(|number| total(number.min(99))), 2)
        .requests(50)
        .country("GB")
        .run();
    let said = history.contradiction(&Report([("gb".into(), 100)].into())).unwrap();
    assert!(said.contains("given twice"), "{said}");
}

#[test]
fn a_visit_without_an_answer_may_be_counted_or_not_and_ends_its_connection() {
    let address = stub(|number| if number == 10 { None } else { total(number) });
    let history = Load::new(address, 1).requests(50).country("GB").run();
    assert_eq!((history.kept().of("gb"), history.unknown().of("gb")), (9, 1));
    for (counted, right) in [(8, false), (9, true), (10, true), (11, false)] {
        let said = history.contradiction(&Report([("gb".into(), counted)].into()));
        assert_eq!(said.is_none(), right, "{counted}: {said:?}");
    }
}

#[test]
fn a_refused_visit_must_not_be_counted() {
    let refused = "HTTP/1.1 503 x\r\nContent-Length: 0\r\n\r\n";
    let address = stub(move |number| {
        if number % 2 == 0 {
            Some(refused.into())
        } else {
            total(number)
        }
    });
    let history = Load::new(address, 1).requests(10).country("GB").keyed("k").run();
    assert_eq!(history.statuses(), [(201, 5), (503, 5)].into());
    assert_eq!(history.contradiction(&Report([("gb".into(), 5)].into())), None);
    assert!(history.contradiction(&Report([("gb".into(), 6)].into())).is_some());
    assert!(std::panic::catch_unwind(|| history.check_all_kept()).is_err());
}

#[test]
fn histories_of_countries_are_kept_apart() {
    let sent = |country: &str, fate| Sent {
        country: country.to_owned(),
        key: None,
        tries: 1,
        fate,
    };
    let kept = |total| Fate::Kept { status: 201, total };
    let history = History {
        visits: vec![sent("GB", kept(1)), sent("us", kept(1)), sent("gb", Fate::Unknown)],
        ..History::default()
    };
    assert_eq!(history.kept(), Report([("gb".into(), 1), ("us".into(), 1)].into()));
    assert_eq!(history.totals("gb"), [1]);
    assert_eq!(
        history.contradiction(&Report([("gb".into(), 2), ("us".into(), 1)].into())),
        None
    );
}

#[test]
fn what_redis_cli_prints_becomes_a_report() {
    let report = Report::parse_hash("gb\n17\nus\n5000000000\n");
    assert_eq!(
        (report.of("gb"), report.of("us"), report.sum()),
        (17, 5_000_000_000, 5_000_000_017)
    );
    assert_eq!(Report::parse_hash(""), Report::default());
}
