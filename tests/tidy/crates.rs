//! Who may name a crate, and who may touch files.

use super::Finding;
use super::source::{Named, Source};

/// A crate or module, and the beginnings of paths of the files that may name it.
const HOMES: [(&[&str], &[&str]); 18] = [
    (&["hyper"], &["src/edge/", "src/http/", "src/generate/send.rs"]),
    (&["hyper_util"], &["src/edge/", "src/http/", "src/generate/send.rs"]),
    (
        &["redis"],
        &[
            "src/counters/redis",
            "src/directory/redis",
            "src/live/redis",
            "src/redis_address.rs",
        ],
    ),
    (
        &["deadpool_redis"],
        &["src/counters/redis", "src/directory/redis", "src/live/redis"],
    ),
    (&["rusqlite"], &["src/counters/", "src/directory/", "src/apply/"]),
    (&["tantivy"], &["src/store/"]),
    (&["clickhouse"], &["src/store/"]),
    (&["simd_json"], &["src/decode/"]),
    (&["zstd"], &["src/decode/"]),
    (&["maxminddb"], &["src/enrich/"]),
    (&["governor"], &["src/admit/"]),
    (&["figment"], &["src/config/"]),
    (&["utoipa"], &["src/http/openapi/"]),
    (&["utoipa_swagger_ui"], &["src/http/pages.rs"]),
    (&["clap"], &["src/command_line/", "src/main.rs"]),
    (&["std", "fs"], FILES),
    (&["tokio", "fs"], FILES),
    (&["rustix", "fs"], FILES),
];

/// Who may touch files.
const FILES: &[&str] = &[
    "src/config/",
    "src/apply/session_file.rs",
    "src/directory/sqlite.rs",
    "src/enrich/geo",
    "src/enrich/networks.rs",
    "src/enrich/salts",
    "src/journal/",
    "src/reference",
    "src/store/",
];

/// Rooms that keep a crate to one file each.
const ONE_FILE_A_ROOM: &str = "rusqlite";

/// Tests may name what they like.
pub fn findings(sources: &[Source]) -> Vec<Finding> {
    let local: Vec<Vec<String>> = sources.iter().map(Source::module).collect();
    let mut findings = Vec::new();
    let mut keepers: Vec<&Source> = Vec::new();
    for source in sources.iter().filter(|source| source.path.starts_with("src/")) {
        // A module may have a crate's name: `redis::Commits` in counters/mod.rs is the file beside it.
        let is_local = |word: &str| {
            let mut module = source.module();
            module.push(word.into());
            local.contains(&module)
        };
        let named = source.named().into_iter().filter(|named| !named.in_test);
        let foreign: Vec<Named> = named.filter(|named| !is_local(&named.segments[0])).collect();
        findings.extend(foreign.iter().filter_map(|named| of_path(source, named)));
        if foreign.iter().any(|named| named.segments[0] == ONE_FILE_A_ROOM) {
            keepers.push(source);
        }
    }
    findings.extend(second_files(&keepers));
    findings
}

fn of_path(source: &Source, named: &Named) -> Option<Finding> {
    let begins = |segments: &[&str]| segments.iter().zip(&named.segments).all(|(left, right)| left == right);
    let (segments, homes) = HOMES.iter().find(|(segments, _)| begins(segments))?;
    let at_home = homes.iter().any(|home| source.path.starts_with(home));
    let what = || format!("{} may be named only in {}", segments.join("::"), homes.join(", "));
    (!at_home).then(|| Finding::new(source, named.line, what()))
}

fn second_files(keepers: &[&Source]) -> Vec<Finding> {
    let second = |place: usize, source: &Source| {
        let room = source.module().into_iter().next();
        keepers[..place]
            .iter()
            .any(|earlier| earlier.module().into_iter().next() == room)
    };
    let wrong = keepers
        .iter()
        .enumerate()
        .filter(|(place, source)| second(*place, source));
    wrong
        .map(|(_, source)| Finding::new(source, 1, format!("a room names {ONE_FILE_A_ROOM} in one file only")))
        .collect()
}

#[test]
fn crates_and_files_away_from_home_are_reported() {
    let cases = [
        ("src/admit/mod.rs", "use hyper::body::Body;", 1),
        ("src/edge/mod.rs", "use hyper::body::Body;", 0),
        ("src/counters/mod.rs", "fn f(c: redis::Client) {}", 1),
        ("src/counters/redis_commit.rs", "use redis::Client;", 0),
        ("src/pipeline/mod.rs", "use rusqlite::Connection;", 1),
        ("src/edge/mod.rs", "use std::{fs::File, io};", 1),
        ("src/edge/mod.rs", "use std::fs;", 1),
        ("src/enrich/mod.rs", "fn f() { tokio::fs::read(\"x\"); }", 1),
        ("src/enrich/geo.rs", "use std::fs;", 0),
        ("src/journal/file.rs", "use std::fs::File;", 0),
        ("src/edge/mod.rs", "#[cfg(test)]\nmod tests { use std::fs; }", 0),
        ("src/edge/tests.rs", "use std::fs;", 0),
        ("tests/reference.rs", "use std::fs;", 0),
    ];
    for (path, text, count) in cases {
        assert_eq!(findings(&[Source::new(path, text)]).len(), count, "{path}: {text}");
    }
}

#[test]
fn a_module_with_the_name_of_a_crate_is_not_the_crate() {
    let face = Source::new("src/counters/mod.rs", "mod redis;\nuse redis::Commits;");
    assert_eq!(findings(std::slice::from_ref(&face)).len(), 1);
    assert!(findings(&[face, Source::new("src/counters/redis.rs", "")]).is_empty());
}

#[test]
fn a_second_file_of_a_room_with_sqlite_is_reported() {
    let file = |path| Source::new(path, "use rusqlite::Connection;");
    assert!(findings(&[file("src/counters/embedded.rs"), file("src/apply/state.rs")]).is_empty());
    let found = findings(&[file("src/counters/a.rs"), file("src/counters/b.rs")]);
    assert_eq!((found.len(), found[0].path.as_str()), (1, "src/counters/b.rs"));
}
