//! Machines that come of their own accord, by what they call themselves.

use aho_corasick::{AhoCorasick, BuildError};
use regex::RegexSet;

use super::lists::rows;

/// The kind of programs by which a site's own servers send events.
pub(super) const LIBRARY: &str = "http-library:";
/// Short texts stand at the beginning of a word: others contain them by chance.
const SHORT: usize = 5;
/// What is left of a name that says what it is.
const WORDS: [&str; 5] = ["bot", "crawler", "spider", "scraper", "crawl"];
/// Phones, of all things.
const NO_BOTS: [&str; 1] = ["cubot"];

/// Which machines are known.
#[derive(Debug)]
pub(super) struct Bots {
    texts: AhoCorasick,
    /// A rule a text, and the text's length.
    of_texts: Vec<(Box<str>, usize)>,
    patterns: RegexSet,
    of_patterns: Vec<Box<str>>,
}

/// Why a list is of no use.
#[derive(Debug, thiserror::Error)]
pub(super) enum BotsError {
    /// Its texts.
    #[error(transparent)]
    Texts(#[from] BuildError),
    /// Its regular expressions.
    #[error(transparent)]
    Patterns(#[from] regex::Error),
}

impl Bots {
    /// Reads the lists of the binary.
    pub(super) fn new() -> Result<Self, BotsError> {
        let (mut texts, mut of_texts) = (Vec::new(), Vec::new());
        let (mut patterns, mut of_patterns) = (Vec::new(), Vec::new());
        let lists = [
            include_str!("../../lists/crawlers.tsv"),
            include_str!("../../lists/crawlers.own.tsv"),
        ];
        for [form, kind, name, sought] in lists.into_iter().flat_map(rows) {
            let rule = format!("{kind}:{name}").into_boxed_str();
            if form == "t" {
                texts.push(sought);
                of_texts.push((rule, sought.len()));
            } else {
                patterns.push(sought);
                of_patterns.push(rule);
            }
        }
        Ok(Self {
            texts: AhoCorasick::new(texts)?,
            of_texts,
            patterns: RegexSet::new(patterns)?,
            of_patterns,
        })
    }

    /// The rule that names a machine, as `kind:name`: of several the one that looks for more.
    pub(super) fn rule(&self, user_agent: &str) -> Option<Box<str>> {
        self.by_text(user_agent)
            .or_else(|| self.by_pattern(user_agent))
            .map(Into::into)
            .or_else(|| by_word(user_agent))
    }

    fn by_text(&self, user_agent: &str) -> Option<&str> {
        let mut longest: Option<&(Box<str>, usize)> = None;
        for found in self.texts.find_overlapping_iter(user_agent) {
            let Some(rule) = self.of_texts.get(found.pattern().as_usize()) else {
                continue;
            };
            let begins = rule.1 > SHORT || begins_word(user_agent, found.start());
            if begins && longest.is_none_or(|known| known.1 < rule.1) {
                longest = Some(rule);
            }
        }
        longest.map(|(rule, _)| &**rule)
    }

    fn by_pattern(&self, user_agent: &str) -> Option<&str> {
        let first = self.patterns.matches(user_agent).into_iter().next()?;
        self.of_patterns.get(first).map(|rule| &**rule)
    }
}

fn begins_word(text: &str, place: usize) -> bool {
    let (before, from) = text.split_at_checked(place).unwrap_or_default();
    let is_of_word = |character: Option<char>| character.is_some_and(char::is_alphanumeric);
    !(is_of_word(before.chars().next_back()) && is_of_word(from.chars().next()))
}

/// One that nobody lists and that says what it is, at the end of a word of its name, or where to read about it.
fn by_word(user_agent: &str) -> Option<Box<str>> {
    let lower = user_agent.to_ascii_lowercase();
    let words = lower.split(|character: char| !character.is_ascii_alphabetic());
    for word in words {
        let is_one = WORDS.iter().find(|known| word.ends_with(*known));
        if let Some(known) = is_one.filter(|_| !NO_BOTS.contains(&word)) {
            return Some(format!("word:{known}").into());
        }
    }
    lower.contains("+http").then(|| "word:+http".into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn machines_are_named_by_the_rule_that_looks_for_most() {
        let bots = Bots::new().unwrap();
        for (user_agent, rule) in [
            (
                "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)",
                "search-engine:Googlebot",
            ),
            ("Googlebot-Image/1.0", "search-engine:Googlebot-Image"),
            (
                "Mozilla/5.0 AppleWebKit/537.36 (KHTML, like Gecko; compatible; GPTBot/1.2; +https://openai.com/gptbot)",
                "ai-crawler:GPTBot",
            ),
            (
                "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) HeadlessChrome/140.0.0.0 Safari/537.36",
                "headless:HeadlessChrome",
            ),
            ("curl/8.5.0", "http-library:curl"),
            ("reqwest/0.12", "http-library:reqwest"),
            ("NobodyKnowsThisBot/1.0", "word:bot"),
            (
                "Mozilla/5.0 (compatible; Nobody/2.0; +https://nobody.example/why)",
                "word:+http",
            ),
        ] {
            assert_eq!(bots.rule(user_agent).as_deref(), Some(rule), "{user_agent}");
        }
    }

    #[test]
    fn phones_and_words_that_contain_a_name_by_chance_are_no_machines() {
        let bots = Bots::new().unwrap();
        for user_agent in [
            "Mozilla/5.0 (Linux; Android 13; CUBOT P80) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/139.0.0.0 Mobile Safari/537.36",
            "Mozilla/5.0 (iPad; U; CPU iPhone OS 7_0 like Mac OS X; de-DE) WIRED/3.2.3.11.87970",
            "Mozilla/5.0 (Linux; U; Android 15; en-gb; CPH2617 Build/AP3A.240617.008) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/125.0.6422.72 Mobile Safari/537.36",
            "",
        ] {
            assert_eq!(bots.rule(user_agent), None, "{user_agent}");
        }
    }
}
