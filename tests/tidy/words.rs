//! Names that say nothing, and words that put work off.

use proc_macro2::TokenTree;

use super::Finding;
use super::source::Source;

/// Modules are called by the noun they hold.
const EMPTY_NAMES: [&str; 7] = ["common", "helper", "helpers", "misc", "types", "util", "utils"];

/// Written in two parts, so that this file does not break its own rule.
const FORBIDDEN: [(&str, &str); 3] = [
    (concat!("TO", "DO"), "do it, or leave it out"),
    (concat!("FIX", "ME"), "mend it"),
    (concat!("#[ig", "nore"), "a test runs or is not there"),
];

pub fn module_names(sources: &[Source]) -> Vec<Finding> {
    sources.iter().flat_map(of_file).collect()
}

fn of_file(source: &Source) -> Vec<Finding> {
    let path = source.path.trim_end_matches(".rs");
    let files = path.split('/').map(|part| (1, part.to_owned()));
    let mut names: Vec<(usize, String)> = files.collect();
    in_place(&source.tokens(), &mut names);
    let empty = names
        .into_iter()
        .filter(|(_, name)| EMPTY_NAMES.contains(&name.as_str()));
    empty
        .map(|(line, name)| Finding::new(source, line, format!("a module called {name} holds anything")))
        .collect()
}

fn in_place(trees: &[TokenTree], names: &mut Vec<(usize, String)>) {
    for (place, tree) in trees.iter().enumerate() {
        match (tree, trees.get(place + 1)) {
            (TokenTree::Ident(word), Some(TokenTree::Ident(name))) if word == "mod" => {
                names.push((name.span().start().line, name.to_string()));
            }
            (TokenTree::Group(group), _) => in_place(&group.stream().into_iter().collect::<Vec<_>>(), names),
            _ => {}
        }
    }
}

pub fn forbidden(sources: &[Source]) -> Vec<Finding> {
    let lines = sources.iter().flat_map(|source| {
        source
            .text
            .lines()
            .enumerate()
            .map(move |(place, line)| (source, place + 1, line))
    });
    let found = lines.flat_map(|(source, place, line)| {
        let words = FORBIDDEN.iter().filter(move |(word, _)| line.contains(word));
        words.map(move |(word, why)| Finding::new(source, place, format!("{word}: {why}")))
    });
    found.collect()
}

#[test]
fn empty_names_are_reported_as_files_and_in_place() {
    for (path, text, count) in [
        ("src/edge/utils.rs", "", 1),
        ("tests/common/mod.rs", "", 1),
        ("src/edge/mod.rs", "mod inner {\n mod types {}\n}", 1),
        ("src/edge/mod.rs", "mod accept;\n// mod types\n", 0),
    ] {
        assert_eq!(module_names(&[Source::new(path, text)]).len(), count, "{path}: {text}");
    }
}

#[test]
fn words_that_put_work_off_are_reported_with_their_line() {
    let text = format!("fine\n// {}: later\n", concat!("TO", "DO"));
    let found = forbidden(&[Source::new("Makefile", &text)]);
    assert_eq!((found.len(), found[0].line), (1, 2));
    assert!(forbidden(&[Source::new("README.md", "All done.")]).is_empty());
}
