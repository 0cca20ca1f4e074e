//! The house rules that no compiler knows: which room may import which, who may name a crate, how long things get.
//!
//! Each rule is a function from sources to findings, and each has a test that feeds it what it must report.

mod crates;
mod layers;
mod shape;
mod source;
mod words;

use source::{Source, rust_files, text_files};

/// A broken rule, with its place.
#[derive(Debug, PartialEq, Eq)]
pub struct Finding {
    path: String,
    line: usize,
    what: String,
}

impl Finding {
    fn new(source: &Source, line: usize, what: impl Into<String>) -> Self {
        let (path, what) = (source.path.clone(), what.into());
        Self { path, line, what }
    }
}

fn expect_none(findings: &[Finding]) {
    let lines: Vec<String> = findings
        .iter()
        .map(|finding| format!("{}:{}: {}", finding.path, finding.line, finding.what))
        .collect();
    assert!(lines.is_empty(), "the house rules are broken:\n{}", lines.join("\n"));
}

#[test]
fn rooms_import_only_downward_and_stages_never_each_other() {
    expect_none(&layers::findings(&rust_files()));
}

#[test]
fn crates_and_files_are_named_only_where_they_belong() {
    expect_none(&crates::findings(&rust_files()));
}

#[test]
fn files_and_functions_stay_short() {
    let sources = rust_files();
    for long in shape::long_files(&sources) {
        println!("{}: {} lines want a second noun", long.path, long.line);
    }
    expect_none(&shape::findings(&sources));
}

#[test]
fn no_module_has_a_name_that_says_nothing() {
    expect_none(&words::module_names(&rust_files()));
}

#[test]
fn nothing_is_left_for_later() {
    expect_none(&words::forbidden(&text_files()));
}

#[test]
fn the_rules_look_at_the_real_files() {
    let paths: Vec<String> = rust_files().into_iter().map(|source| source.path).collect();
    for path in ["src/lib.rs", "src/main.rs", "src/config/mod.rs", "tests/tidy/main.rs"] {
        assert!(paths.iter().any(|known| known == path), "{path} is not among {paths:?}");
    }
    assert!(text_files().iter().any(|source| source.path == "Cargo.toml"));
}
