//! Source files and the paths that are named in them.

use std::fs;
use std::path::Path;

use proc_macro2::{Delimiter, TokenStream, TokenTree};

/// A file of the project.
#[derive(Debug, Clone)]
pub struct Source {
    /// Its path from the project's root, with `/`.
    pub path: String,
    /// Its text.
    pub text: String,
}

/// A path that is named in code, such as `crate::config::Config`, resolved as far as its words tell.
#[derive(Debug, PartialEq, Eq)]
pub struct Named {
    /// Its segments; `crate` first if it is one of ours.
    pub segments: Vec<String>,
    /// The line.
    pub line: usize,
    /// Whether it stands in code that only tests see.
    pub in_test: bool,
}

impl Source {
    /// A file that is not on disk.
    pub fn new(path: &str, text: &str) -> Self {
        let (path, text) = (path.into(), text.into());
        Self { path, text }
    }

    /// The modules a file under `src/` stands for: `src/edge/accept.rs` is `edge`, `accept`.
    pub fn module(&self) -> Vec<String> {
        let path = self.path.trim_start_matches("src/").trim_end_matches(".rs");
        let path = path.strip_suffix("/mod").unwrap_or(path);
        let parts = path.split('/').filter(|part| !["lib", "main", "mod"].contains(part));
        parts.map(str::to_owned).collect()
    }

    /// The file's tokens.
    pub fn tokens(&self) -> Vec<TokenTree> {
        let tokens: TokenStream = self
            .text
            .parse()
            .unwrap_or_else(|error| panic!("{}: {error}", self.path));
        tokens.into_iter().collect()
    }

    /// Every path of two or more segments that is named in the file.
    pub fn named(&self) -> Vec<Named> {
        let in_test = !self.path.starts_with("src/")
            || self
                .module()
                .iter()
                .any(|module| module == "tests" || module.ends_with("_tests"));
        let mut walk = Walk {
            named: Vec::new(),
            module: self.module(),
            in_test,
        };
        walk.trees(&self.tokens(), &[]);
        walk.named
    }
}

/// All Rust files of the project.
pub fn rust_files() -> Vec<Source> {
    files(&[".rs"])
}

/// All files of the project that people write.
pub fn text_files() -> Vec<Source> {
    files(&[
        ".rs",
        ".toml",
        ".md",
        ".sh",
        ".yml",
        ".yaml",
        ".js",
        ".py",
        ".conf",
        ".lua",
        "Makefile",
        "Dockerfile",
        "run",
    ])
}

fn files(endings: &[&str]) -> Vec<Source> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut found = Vec::new();
    collect(root, root, endings, &mut found);
    found.sort_by(|left, right| left.path.cmp(&right.path));
    found
}

fn collect(root: &Path, directory: &Path, endings: &[&str], found: &mut Vec<Source>) {
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap();
        // Hidden directories hold tools, but for the one with the continuous integration.
        let foreign = ["target", "data", "node_modules"].contains(&name) || (name.starts_with('.') && name != ".ci");
        if foreign {
            continue;
        }
        if path.is_dir() {
            collect(root, &path, endings, found);
        } else if endings.iter().any(|ending| name.ends_with(ending)) {
            let relative = path.strip_prefix(root).unwrap().to_str().unwrap();
            found.push(Source::new(relative, &fs::read_to_string(&path).unwrap()));
        }
    }
}

/// Goes through tokens and gathers paths, knowing in which module it is.
struct Walk {
    named: Vec<Named>,
    module: Vec<String>,
    in_test: bool,
}

impl Walk {
    /// Goes through a level of tokens; within `use a::{…}` the prefix is `a`.
    fn trees(&mut self, trees: &[TokenTree], prefix: &[String]) {
        let mut place = 0;
        let mut test_next = false;
        while let Some(tree) = trees.get(place) {
            place += 1;
            match tree {
                TokenTree::Ident(word) if word == "mod" => {
                    place += self.module(&trees[place..], test_next);
                    test_next = false;
                }
                TokenTree::Ident(word) => place += self.path(word, &trees[place..], prefix),
                TokenTree::Group(group) => {
                    let inner: Vec<TokenTree> = group.stream().into_iter().collect();
                    test_next |=
                        is_attribute(trees, place - 1) && group.stream().to_string().replace(' ', "") == "cfg(test)";
                    self.trees(&inner, &[]);
                }
                _ => {}
            }
        }
    }

    /// What follows `mod`: a name, and for a module in place its body. Returns how many tokens were taken.
    fn module(&mut self, rest: &[TokenTree], test: bool) -> usize {
        let (Some(TokenTree::Ident(name)), Some(TokenTree::Group(body))) = (rest.first(), rest.get(1)) else {
            return 0;
        };
        let before = (self.module.len(), self.in_test);
        self.module.push(name.to_string());
        self.in_test |= test;
        self.trees(&body.stream().into_iter().collect::<Vec<_>>(), &[]);
        self.module.truncate(before.0);
        self.in_test = before.1;
        2
    }

    /// A word and what is joined to it by `::`. Returns how many tokens were taken.
    fn path(&mut self, first: &proc_macro2::Ident, rest: &[TokenTree], prefix: &[String]) -> usize {
        let line = first.span().start().line;
        let mut segments = prefix.to_vec();
        segments.push(first.to_string());
        let mut taken = 0;
        while is_join(rest.get(taken), rest.get(taken + 1)) {
            match rest.get(taken + 2) {
                Some(TokenTree::Ident(word)) => {
                    segments.push(word.to_string());
                    taken += 3;
                }
                Some(TokenTree::Group(group)) if group.delimiter() == Delimiter::Brace => {
                    self.trees(&group.stream().into_iter().collect::<Vec<_>>(), &segments);
                    return taken + 3;
                }
                _ => break,
            }
        }
        if segments.len() > 1 {
            let segments = self.resolve(segments);
            let in_test = self.in_test;
            self.named.push(Named {
                segments,
                line,
                in_test,
            });
        }
        taken
    }

    /// Turns `self` and `super` into where they lead.
    fn resolve(&self, segments: Vec<String>) -> Vec<String> {
        let steps = segments
            .iter()
            .take_while(|word| *word == "super" || *word == "self")
            .count();
        if steps == 0 {
            return segments;
        }
        let up = segments.iter().take(steps).filter(|word| *word == "super").count();
        let kept = self.module.len().saturating_sub(up);
        let ours = std::iter::once("crate".to_owned()).chain(self.module[..kept].iter().cloned());
        ours.chain(segments.into_iter().skip(steps)).collect()
    }
}

fn is_attribute(trees: &[TokenTree], group: usize) -> bool {
    let before = group.checked_sub(1).and_then(|before| trees.get(before));
    matches!(before, Some(TokenTree::Punct(mark)) if mark.as_char() == '#')
}

fn is_join(first: Option<&TokenTree>, second: Option<&TokenTree>) -> bool {
    let colon = |tree: Option<&TokenTree>| matches!(tree, Some(TokenTree::Punct(mark)) if mark.as_char() == ':');
    colon(first) && colon(second)
}

#[test]
fn paths_are_found_in_groups_macros_and_expressions_and_not_in_text() {
    let text = r##"
        //! crate::not::here
        use crate::{config::{Config, Secret}, clock};
        use super::beside as other;
        fn f<'a>(x: &'a str) -> crate::event::Country { assert!(hyper::Version::HTTP_11 > x); "crate::nor::here"; r#"a::b"# }
    "##;
    let named = Source::new("src/edge/accept.rs", text).named();
    let paths: Vec<String> = named.iter().map(|named| named.segments.join("::")).collect();
    assert_eq!(
        paths,
        [
            "crate::config::Config",
            "crate::config::Secret",
            "crate::clock",
            "crate::edge::beside",
            "crate::event::Country",
            "hyper::Version::HTTP_11"
        ]
    );
}

#[test]
fn supers_lead_out_of_modules_in_place_and_test_modules_are_known() {
    let text = "use super::super::journal::Log;\n#[cfg(test)]\nmod tests {\n use super::super::y::Z;\n}\nuse a::b;";
    let named = Source::new("src/apply/x.rs", text).named();
    let paths: Vec<(String, bool)> = named
        .iter()
        .map(|named| (named.segments.join("::"), named.in_test))
        .collect();
    assert_eq!(
        paths,
        [
            ("crate::journal::Log".into(), false),
            ("crate::apply::y::Z".into(), true),
            ("a::b".into(), false)
        ]
    );
}
