//! Restarts without a pause, in the middle of an import.

use std::io::{Read, Write};
use std::net::TcpStream;

use serde_json::json;

use crate::support::backend::Backend;
use crate::{House, event, events};

#[test]
fn an_import_goes_on_over_hand_overs_and_both_lanes_know_how_far_it_is() {
    let mut house = House::new(Backend::Embedded);
    let mut text = events(0..1_000);
    for round in 1..=3_u64 {
        let file = house.file("events.ndjson", &text);
        let before = if round == 1 { 0 } else { round * 1_000 - 1_000 };
        assert_eq!(house.import(&file, &["--lines", "100"]), [before, 1_000, 1_000, 0]);
        house.gateway.hand_over();
        house.client = house.gateway.client();
        text.push_str(&events(round * 1_000..(round + 1) * 1_000));
    }
    house.gateway.kill();
    house.gateway.start_again();
    house.client = house.gateway.client();
    let file = house.file("events.ndjson", &text);
    assert_eq!(house.import(&file, &[]), [3_000, 1_000, 1_000, 0]);
    house.until_counted(&[("signup", 4_000)]);
    house.verify();
}

#[test]
fn while_another_process_stops_imports_wait_and_the_importer_with_them() {
    let mut house = House::new(Backend::Embedded);
    assert_eq!(house.lines("a", 0, &events(0..10)).status, 202);
    // A request that is under way holds the old process.
    let mut slow = TcpStream::connect(house.gateway.address()).unwrap();
    let head = "POST /api/v1/events HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 19\r\n\r\n";
    slow.write_all(head.as_bytes()).unwrap();
    let mut word = [0; 12];
    slow.read_exact(&mut word).unwrap();
    assert_eq!(word, *b"HTTP/1.1 100");
    house.gateway.begin_hand_over();
    let mut client = house.gateway.client();
    let request =
        crate::Request::new("GET", "/api/v1/imports/a").header("Authorization", &format!("Bearer {}", house.key));
    let answer = client.send(&request);
    assert_eq!((answer.status, &answer.json()["code"]), (503, &json!("import_unknown")));
    assert_eq!(answer.header("retry-after"), Some("1"));
    let file = house.file("b.ndjson", event(1) + "\n");
    let child = house.command(&[file.to_str().unwrap()]).spawn().unwrap();
    slow.write_all(b"{\"name\":\"late_one\"}").unwrap();
    house.gateway.wait_for_word("what it left is taken over", 1);
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    house.client = house.gateway.client();
    assert_eq!(house.taken("a"), 10);
    house.until_counted(&[("signup", 11)]);
}
