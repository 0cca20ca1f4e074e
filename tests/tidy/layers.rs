//! Which room may import which.

use super::Finding;
use super::source::Source;

/// From the lowest to the highest; a room imports what stands below it. The stages share a layer and never import
/// each other: they meet in the pipeline.
const LAYERS: [&[&str]; 7] = [
    FOUNDATION,
    &[
        "admit",
        "apply",
        "counters",
        "decode",
        "directory",
        "enrich",
        "journal",
        "live",
        "points",
        "store",
    ],
    &["pipeline"],
    &["query"],
    &["dialects"],
    &["http"],
    &["edge"],
];

/// What every room knows; these may know each other.
const FOUNDATION: &[&str] = &[
    "clock",
    "config",
    "currency",
    "event",
    "fold",
    "memory",
    "metrics",
    "outcome",
    "redis_address",
];

/// Rooms beside the path of an event, with all that they may import. Only the binary knows them.
const TOOLS: [(&str, &[&str]); 5] = [
    ("command_line", &["config", "reference"]),
    ("generate", &["clock", "event"]),
    ("import", &["clock", "config", "event", "redis_address"]),
    ("log", &["config"]),
    ("reference", FOUNDATION),
];

/// Modules of the binary itself, which puts the rooms together and may name all of them.
const BINARY: [&str; 4] = ["administer", "importing", "serve", "shop"];

pub fn findings(sources: &[Source]) -> Vec<Finding> {
    sources
        .iter()
        .filter(|source| source.path.starts_with("src/"))
        .flat_map(of_file)
        .collect()
}

/// The crate's roots have no room and may name everything.
fn of_file(source: &Source) -> Vec<Finding> {
    let Some(room) = source.module().into_iter().next() else {
        return Vec::new();
    };
    if BINARY.contains(&room.as_str()) {
        return Vec::new();
    }
    if !is_known(&room) {
        let what = format!("the room {room} has no place in the layers; give it one in tests/tidy/layers.rs");
        return vec![Finding::new(source, 1, what)];
    }
    let ours = source.named().into_iter().filter(|named| named.segments[0] == "crate");
    let wrong = ours.filter(|named| {
        let target = named.segments[1].as_str();
        is_known(target) && !may_import(&room, target)
    });
    wrong
        .map(|named| {
            Finding::new(
                source,
                named.line,
                format!("{room} must not import {}", named.segments[1]),
            )
        })
        .collect()
}

fn may_import(room: &str, target: &str) -> bool {
    if room == target {
        return true;
    }
    if let Some((_, known)) = TOOLS.iter().find(|(tool, _)| *tool == room) {
        return known.contains(&target);
    }
    match (layer(room), layer(target)) {
        (Some(above), Some(below)) => below < above || (above == 0 && below == 0),
        _ => false,
    }
}

fn layer(room: &str) -> Option<usize> {
    LAYERS.iter().position(|layer| layer.contains(&room))
}

fn is_known(room: &str) -> bool {
    layer(room).is_some() || TOOLS.iter().any(|(tool, _)| *tool == room)
}

#[test]
fn imports_upward_and_sideward_are_reported() {
    let cases = [
        (
            "src/journal/log.rs",
            "use crate::pipeline::Flow;",
            Some("journal must not import pipeline"),
        ),
        (
            "src/apply/mod.rs",
            "use crate::{clock, journal::Log};",
            Some("apply must not import journal"),
        ),
        (
            "src/apply/mod.rs",
            "use super::journal::Log;",
            Some("apply must not import journal"),
        ),
        (
            "src/apply/mod.rs",
            "fn f() { crate::counters::go() }",
            Some("apply must not import counters"),
        ),
        (
            "src/http/mod.rs",
            "use crate::edge::Worker;",
            Some("http must not import edge"),
        ),
        (
            "src/config/mod.rs",
            "use crate::admit::Client;",
            Some("config must not import admit"),
        ),
        (
            "src/pipeline/mod.rs",
            "use crate::log::start;",
            Some("pipeline must not import log"),
        ),
        (
            "src/log.rs",
            "use crate::metrics::Metrics;",
            Some("log must not import metrics"),
        ),
        (
            "src/edge/mod.rs",
            "use crate::{http::serve, clock, admit::Client};",
            None,
        ),
        (
            "src/pipeline/mod.rs",
            "use crate::{journal, apply::Step, counters};",
            None,
        ),
        ("src/metrics.rs", "use crate::outcome::REASONS;", None),
        ("src/main.rs", "use crate::edge::Worker;", None),
    ];
    for (path, text, expected) in cases {
        let found: Vec<String> = findings(&[Source::new(path, text)])
            .into_iter()
            .map(|finding| finding.what)
            .collect();
        assert_eq!(found.first().map(String::as_str), expected, "{path}: {text}");
    }
}

#[test]
fn a_room_without_a_place_is_reported() {
    let found = findings(&[Source::new("src/cellar/mod.rs", "")]);
    assert!(found[0].what.starts_with("the room cellar has no place"));
}
