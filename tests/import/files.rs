//! Files of events: bad lines, growing ones, the same one twice.

use std::fs;
use std::io::Write;
use std::process::{Command, Stdio};

use serde_json::json;

use crate::support::backend::Backend;
use crate::support::wait::until_true;
use crate::{House, event, events, journaled, metric};

fn a_file_is_imported_once(backend: Backend) {
    let mut house = House::new(backend);
    let mut text = events(0..2_500);
    text.push_str("this is no event\r\n\n{\"name\":\"signup\",\"time\":\"yesterday\"}\n");
    text.push_str(&event(2_500));
    let file = house.file("events.ndjson", &text);
    assert_eq!(house.import(&file, &["--lines", "700"]), [0, 2_503, 2_500, 2]);
    let rejects = house.folder.path().join("events.ndjson.rejects");
    let told = fs::read_to_string(&rejects).unwrap();
    let lines: Vec<&str> = told.lines().collect();
    assert!(lines[0].starts_with("# footfall import events-"), "{told}");
    assert!(
        lines[1].starts_with("2501\tjson_invalid: ") && lines[1].ends_with("\tthis is no event"),
        "{told}"
    );
    assert!(
        lines[2].starts_with("2503\tfield_invalid: time ") && lines[2].ends_with("\"yesterday\"}"),
        "{told}"
    );
    // Twice, and under another name with other batches: nothing is new, in the file of rejects neither.
    let copy = house.file("copy.ndjson", &text);
    for (file, lines) in [(&file, "700"), (&copy, "13")] {
        let more = ["--lines", lines, "--rejects", rejects.to_str().unwrap()];
        assert_eq!(house.import(file, &more), [2_503, 0, 0, 0]);
    }
    assert_eq!(fs::read_to_string(&rejects).unwrap(), told);
    // It grows: the line that was half there is whole now.
    text.push('\n');
    text.push_str(&events(2_501..2_600));
    let file = house.file("events.ndjson", &text);
    assert_eq!(house.import(&file, &[]), [2_503, 100, 100, 0]);
    house.until_counted(&[("signup", 2_600)]);
    let (received, outcomes) = house.outcomes();
    assert_eq!(received, outcomes);
    house.verify();
    let mut lines = Vec::new();
    journaled(&house.stage.settings, &mut |event, manner| {
        assert_eq!((event.time_ms, event.has_key), (1_706_933_106_000, false));
        lines.push(manner.import.unwrap().line);
    });
    let expected: Vec<u64> = (1..=2_500).chain(2_504..=2_603).collect();
    assert_eq!(lines, expected);
}

#[test]
fn a_file_is_imported_once_embedded() {
    a_file_is_imported_once(Backend::Embedded);
}

#[test]
fn a_file_is_imported_once_with_redis() {
    a_file_is_imported_once(Backend::Redis);
}

#[test]
fn a_file_that_says_something_else_now_is_not_taken_for_the_one_that_was_imported() {
    let house = House::new(Backend::Embedded);
    let file = house.file("a.ndjson", events(0..10));
    assert_eq!(house.import(&file, &[]), [0, 10, 10, 0]);
    let path = file.to_str().unwrap();
    for (text, word) in [
        ([events(0..1), events(5..30)].concat(), "are others now"),
        (events(0..9), "has 9 lines, but 10 were imported"),
    ] {
        fs::write(&file, text).unwrap();
        let (code, _, errors) = house.try_import(&[path]);
        assert!(code == Some(1) && errors.contains(word), "{errors}");
    }
    house.until_counted(&[("signup", 10)]);
    // Its owner says that it is another one.
    assert_eq!(house.import(&file, &["--name", "again"]), [0, 9, 9, 0]);
    house.until_counted(&[("signup", 19)]);
}

#[test]
fn a_last_line_without_an_end_is_taken_when_that_is_asked_for_and_once() {
    let mut house = House::new(Backend::Embedded);
    let file = house.file("a.ndjson", events(0..10).trim_end());
    assert_eq!(house.import(&file, &[]), [0, 9, 9, 0]);
    assert_eq!(house.import(&file, &["--last-line"]), [9, 1, 1, 0]);
    assert_eq!(house.import(&file, &[]), [10, 0, 0, 0]);
    let file = house.file("a.ndjson", events(0..11));
    assert_eq!(house.import(&file, &[]), [10, 1, 1, 0]);
    house.until_counted(&[("signup", 11)]);
    house.verify();
}

#[test]
fn what_is_of_another_format_or_has_no_lines_is_told_before_anything_is_taken() {
    let mut house = House::new(Backend::Embedded);
    for (text, word) in [
        (&b"a,b,c\n1,2,3\n"[..], "looks like no access log"),
        (b"\xff\xfe{\x00}\x00\n\x00", "looks like no access log"),
        (b"", "has no whole line"),
        (b"{\"name\":\"half", "has no whole line"),
    ] {
        let file = house.file("strange", text);
        let (code, _, errors) = house.try_import(&[file.to_str().unwrap()]);
        assert!(code == Some(1) && errors.contains(word), "{errors}");
    }
    let file = house.file("strange", "a,b,c\n");
    let (code, _, errors) = house.try_import(&[file.to_str().unwrap(), "--format", "events", "--name", "x"]);
    assert!(
        code == Some(1) && errors.contains("looks like no list of events"),
        "{errors}"
    );
    assert_eq!(house.taken("x"), 0);
    let (code, _, errors) = house.try_import(&["nowhere"]);
    assert!(code == Some(1) && errors.contains("nowhere: No such file"), "{errors}");
    let missing = house.folder.path().join("strange.rejects");
    assert!(!missing.exists());
}

#[test]
fn a_file_of_rejects_that_belongs_to_something_else_is_left_alone() {
    let house = House::new(Backend::Embedded);
    let file = house.file("a.ndjson", "{\"name\":\"no time\"}\n");
    let precious = house.file("a.ndjson.rejects", "my thesis\n");
    let (code, _, errors) = house.try_import(&[file.to_str().unwrap()]);
    assert!(
        code == Some(1) && errors.contains("does not belong to this import"),
        "{errors}"
    );
    assert_eq!(fs::read_to_string(&precious).unwrap(), "my thesis\n");
}

#[test]
fn standard_input_goes_on_where_it_was() {
    let house = House::new(Backend::Embedded);
    let feed = |text: &str| {
        let mut child = house
            .command(&["-", "--name", "piped"])
            .stdin(Stdio::piped())
            .spawn()
            .unwrap();
        child.stdin.take().unwrap().write_all(text.as_bytes()).unwrap();
        let output = child.wait_with_output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let said: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
        (said["before"].as_u64().unwrap(), said["lines"].as_u64().unwrap())
    };
    assert_eq!(feed(&events(0..5)), (0, 5));
    // Its end is its end: the last line needs none.
    assert_eq!(feed(events(0..8).trim_end()), (5, 3));
    house.until_counted(&[("signup", 8)]);
}

#[test]
fn what_generate_writes_is_imported_with_ids_that_keep_nothing_out() {
    let mut house = House::new(Backend::Embedded);
    let command = [
        "generate",
        "--events",
        "3000",
        "--days",
        "40",
        "--until",
        "2024-03-01T00:00:00Z",
    ];
    let text = written(&command);
    let file = house.file("events.ndjson", &text);
    assert_eq!(house.import(&file, &[]), [0, 3_000, 3_000, 0]);
    // The ids say who is who, and not what was counted: an import is known by its lines.
    let twice = house.file("twice.ndjson", [&text[..], &text].concat());
    assert_eq!(house.import(&twice, &["--name", "twice"]), [0, 6_000, 6_000, 0]);
    let all = || house.counts().values().sum::<u64>();
    until_true("all to be counted", || all() == 9_000);
    let gateway = &house.gateway;
    until_true("all to be stored", || metric(gateway, "footfall_store_events") == 9_000);
    house.verify();
}

/// What a command of the binary writes, however long that is.
fn written(arguments: &[&str]) -> Vec<u8> {
    let mut command = Command::new(env!("CARGO_BIN_EXE_footfall"));
    command.args(arguments).output().unwrap().stdout
}

#[test]
fn times_of_long_ago_stay_and_those_ahead_are_moved() {
    let mut house = House::new(Backend::Embedded);
    let lines = [
        json!("1970-01-02T00:00:00Z"),
        json!("2999-01-01T00:00:00Z"),
        json!(1_000_000_000_000_u64),
    ]
    .map(|time| json!({"name": "x", "time": time, "sent_at": "2020-01-01T00:00:00Z"}).to_string() + "\n");
    assert_eq!(house.lines("a", 0, &lines.concat()).json()["accepted"], 3);
    house.gateway.stop();
    let mut times = Vec::new();
    journaled(&house.stage.settings, &mut |event, _| {
        times.push((event.time_ms, event.received_ms));
    });
    assert_eq!((times[0].0, times[2].0), (86_400_000, 1_000_000_000_000));
    assert_eq!(times[1].0, times[1].1 + 60_000);
}

#[test]
fn months_that_are_not_kept_are_counted_and_not_stored() {
    let mut house = House::with(Backend::Embedded, |settings| {
        settings.set("FOOTFALL_STORE_RETENTION_DAYS", 90)
    });
    assert_eq!(house.lines("a", 0, &events(0..3)).status, 202);
    house.until_counted(&[("signup", 3)]);
    house.gateway.stop();
    let output = house.stage.settings.run(&["verify"]);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
}
