//! Sending to the real gateway.

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};

use footfall::event::SiteId;
use serde_json::{Value, json};

use crate::support::gateway::{Gateway, Settings};
use crate::support::process::free_port;
use crate::support::report::metric;
use crate::support::wait::until_true;
use crate::{UNTIL, week};

/// Runs `generate` against an address and gives its exit code, what it said, and what went wrong.
fn generate(settings: &Settings, to: &str, arguments: &[&str]) -> (Option<i32>, Value, String) {
    let mut all = vec!["generate", "--to", to, "--json"];
    all.extend(arguments);
    let output = settings.run(&all);
    let said = serde_json::from_slice(&output.stdout).unwrap_or(Value::Null);
    (
        output.status.code(),
        said,
        String::from_utf8_lossy(&output.stderr).into_owned(),
    )
}

fn url(gateway: &Gateway) -> String {
    format!("http://{}", gateway.address())
}

/// A write key of a new site.
fn key(settings: &Settings) -> String {
    for arguments in [
        ["site", "add", "shop"].as_slice(),
        &["key", "add", "shop", "--rights", "write"],
    ] {
        let output = settings.run(arguments);
        assert_eq!(output.status.code(), Some(0));
        if arguments[0] == "key" {
            return String::from_utf8(output.stdout).unwrap().trim().to_owned();
        }
    }
    panic!("no key")
}

#[test]
fn every_event_is_accepted_and_counted() {
    let settings = Settings::new();
    let key = key(&settings);
    let gateway = settings.start();
    until_true("the key to be seen", || {
        metric(&gateway, "footfall_directory_keys") == 1
    });
    let arguments = ["--events", "2050", "--days", "7", "--until", UNTIL, "--key", &key];
    let (code, said, errors) = generate(&settings, &url(&gateway), &arguments);
    assert_eq!(code, Some(0), "{said} {errors}");
    let expected = json!({"sent": 2_050, "accepted": 2_050, "rejected": 0, "unknown": 0, "requests": 21});
    for (figure, expected) in expected.as_object().unwrap() {
        assert_eq!(said[figure], *expected, "{figure} of {said}");
    }
    let mut names = BTreeMap::new();
    let mut traffic = week(1, 2_050);
    for _ in 0..2_050 {
        *names
            .entry(traffic.advance().event(SiteId::DEFAULT).name.to_owned())
            .or_insert(0_u64) += 1;
    }
    assert_eq!(
        metric(&gateway, "footfall_events_kept_total"),
        names.values().sum::<u64>()
    );
    // The same again: all have ids, and are known.
    let (code, said, errors) = generate(&settings, &url(&gateway), &arguments);
    assert_eq!((code, &said["duplicates"]), (Some(0), &json!(2_050)), "{said} {errors}");
}

#[test]
fn a_rate_is_a_number_of_events() {
    let settings = Settings::new();
    let gateway = settings.start();
    let arguments = [
        "--rate",
        "400/s",
        "--seconds",
        "2",
        "--batch",
        "40",
        "--connections",
        "3",
    ];
    let (code, said, errors) = generate(&settings, &url(&gateway), &arguments);
    assert_eq!(
        (code, &said["sent"], &said["requests"]),
        (Some(0), &json!(800), &json!(20)),
        "{said} {errors}"
    );
    assert_eq!(metric(&gateway, "footfall_events_received_total"), 800);
    // The last batch is due 1.9 s after the first, and nobody sends it earlier.
    assert!(said["seconds"].as_f64().unwrap() >= 1.9, "{said}");
}

#[test]
fn who_cannot_be_reached_or_refuses_is_told_in_words() {
    let settings = Settings::new();
    let gateway = settings.start();
    let (code, _, errors) = generate(&settings, &url(&gateway), &["--key", "nonsense"]);
    assert!(
        code == Some(1) && errors.contains("401") && errors.contains("key_invalid"),
        "{errors}"
    );
    let (code, _, errors) = generate(&settings, "https://shop.example", &[]);
    assert!(code == Some(1) && errors.contains("https is not spoken"), "{errors}");
    let nobody = format!("http://127.0.0.1:{}", free_port());
    let (code, _, errors) = generate(&settings, &nobody, &["--events", "1", "--connections", "1"]);
    assert!(code == Some(1) && errors.contains("cannot reach"), "{errors}");
}

/// Lets one request through to the gateway and loses its answer; after that everything passes.
fn lose_one_answer(gateway: &Gateway) -> String {
    let (listener, target) = (TcpListener::bind("127.0.0.1:0").unwrap(), gateway.address());
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        let (mut client, _) = listener.accept().unwrap();
        let mut server = TcpStream::connect(target).unwrap();
        let mut from = client.try_clone().unwrap();
        let mut to = server.try_clone().unwrap();
        std::thread::spawn(move || std::io::copy(&mut from, &mut to));
        // The answer has come, so the events are kept; nobody hears of it.
        assert!(server.read(&mut [0; 64]).unwrap() > 0);
        client.shutdown(std::net::Shutdown::Both).unwrap();
        client.flush().unwrap();
        while let Ok((mut client, _)) = listener.accept() {
            let mut server = TcpStream::connect(target).unwrap();
            let (mut from, mut to) = (client.try_clone().unwrap(), server.try_clone().unwrap());
            std::thread::spawn(move || std::io::copy(&mut from, &mut to));
            std::thread::spawn(move || std::io::copy(&mut server, &mut client));
        }
    });
    format!("http://{address}")
}

#[test]
fn a_batch_whose_answer_is_lost_is_sent_again_and_counts_once() {
    let settings = Settings::new();
    let gateway = settings.start();
    let through = lose_one_answer(&gateway);
    let arguments = ["--events", "300", "--connections", "1"];
    let (code, said, errors) = generate(&settings, &through, &arguments);
    assert_eq!(code, Some(0), "{said} {errors}");
    assert_eq!(
        (&said["accepted"], &said["duplicates"], &said["again"]),
        (&json!(200), &json!(100), &json!(1))
    );
    assert_eq!(metric(&gateway, "footfall_events_kept_total"), 300);
    // Without ids nobody may send it again.
    let through = lose_one_answer(&gateway);
    let arguments = ["--events", "300", "--connections", "1", "--without-ids"];
    let (code, said, errors) = generate(&settings, &through, &arguments);
    assert_eq!(
        (code, &said["accepted"], &said["unknown"]),
        (Some(1), &json!(200), &json!(100)),
        "{said} {errors}"
    );
}
