//! How long files and functions get.

use proc_macro2::{Delimiter, TokenTree};

use super::Finding;
use super::source::Source;

/// Lines of a file that nobody reads at one sitting.
const FILE_LINES_MAX: usize = 500;
/// Lines of a file that wants to be two.
const FILE_LINES_LONG: usize = 300;
/// Lines of a function that does not fit a screen.
const FUNCTION_LINES_MAX: usize = 70;

pub fn findings(sources: &[Source]) -> Vec<Finding> {
    let too_long = sources.iter().filter(|source| lines(source) > FILE_LINES_MAX);
    let files = too_long.map(|source| {
        let what = format!("{} lines in a file, {FILE_LINES_MAX} are the end", lines(source));
        Finding::new(source, lines(source), what)
    });
    files.chain(sources.iter().flat_map(long_functions)).collect()
}

/// Files that are allowed and long; the line of the finding is their length.
pub fn long_files(sources: &[Source]) -> Vec<Finding> {
    let long = sources.iter().filter(|source| lines(source) > FILE_LINES_LONG);
    long.map(|source| Finding::new(source, lines(source), "long")).collect()
}

fn lines(source: &Source) -> usize {
    source.text.lines().count()
}

fn long_functions(source: &Source) -> Vec<Finding> {
    let mut functions = Vec::new();
    collect(&source.tokens(), &mut functions);
    let long = functions
        .into_iter()
        .filter(|function| function.lines > FUNCTION_LINES_MAX);
    long.map(|function| {
        let what = format!(
            "{} has {} lines, {FUNCTION_LINES_MAX} are the end",
            function.name, function.lines
        );
        Finding::new(source, function.line, what)
    })
    .collect()
}

struct Function {
    name: String,
    line: usize,
    lines: usize,
}

fn collect(trees: &[TokenTree], functions: &mut Vec<Function>) {
    for (place, tree) in trees.iter().enumerate() {
        match tree {
            TokenTree::Ident(word) if word == "fn" => functions.extend(function(&trees[place..])),
            TokenTree::Group(group) => collect(&group.stream().into_iter().collect::<Vec<_>>(), functions),
            _ => {}
        }
    }
}

/// A function with a name and a body; neither the type `fn(u8)` nor a declaration that ends with `;`.
fn function(trees: &[TokenTree]) -> Option<Function> {
    let TokenTree::Ident(name) = trees.get(1)? else {
        return None;
    };
    let is_end = |tree: &&TokenTree| match tree {
        TokenTree::Group(group) => group.delimiter() == Delimiter::Brace,
        TokenTree::Punct(mark) => mark.as_char() == ';',
        _ => false,
    };
    let TokenTree::Group(body) = trees.iter().find(is_end)? else {
        return None;
    };
    let line = trees.first()?.span().start().line;
    Some(Function {
        name: name.to_string(),
        line,
        lines: body.span_close().end().line + 1 - line,
    })
}

#[test]
fn long_files_and_functions_are_reported() {
    let statements = |count: usize| "    let _ = 1;\n".repeat(count);
    let function = |count: usize| format!("impl T {{\nfn long(x: fn(u8)) {{\n{}}}\n}}\n", statements(count - 2));
    let found = |text: &str| findings(&[Source::new("src/edge/mod.rs", text)]);
    assert!(found(&function(70)).is_empty());
    let long = found(&function(71));
    assert_eq!(
        (long[0].line, long[0].what.as_str()),
        (2, "long has 71 lines, 70 are the end")
    );

    assert!(found(&"//\n".repeat(500)).is_empty());
    assert_eq!(found(&"//\n".repeat(501)).len(), 1);
    assert_eq!(long_files(&[Source::new("src/a.rs", &"//\n".repeat(301))])[0].line, 301);
}
