//! Browsers and operating systems with their whole versions, by the names that pages' own scripts give them: what the
//! store does not keep apart, read from the user agent when somebody asks.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use quick_cache::sync::Cache;

use super::agents::{Readers, renamed};
use super::lists::names;

/// What begins the rule of a browser that nobody looks at: the only machine that shows a name here.
const HEADLESS: &str = "headless";
/// From this version of its browser on iOS names another one of itself.
const FROZEN_FROM: u32 = 26;

/// A browser and an operating system, each as `Name version`; empty where nobody knows.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Names {
    /// Such as `Chrome 139.0.0.0`; browsers of phones have names of their own, such as `Mobile Chrome`.
    pub browser: Box<str>,
    /// Such as `Windows 10`.
    pub os: Box<str>,
}

/// Names user agents, and remembers those of the last ones.
pub struct AgentNames {
    known: Cache<Box<str>, Arc<Names>>,
    /// Some megabytes, made when a text is new and let go of when nobody asks.
    namer: Mutex<Option<Namer>>,
}

struct Namer {
    readers: Readers,
    browsers: HashMap<&'static str, &'static str>,
    systems: HashMap<&'static str, &'static str>,
}

impl AgentNames {
    /// Remembers so many.
    pub fn new(known_max: usize) -> Self {
        Self {
            known: Cache::new(known_max),
            namer: Mutex::new(None),
        }
    }

    /// The names in a user agent.
    pub fn of(&self, user_agent: &str) -> Arc<Names> {
        if let Some(known) = self.known.get(user_agent) {
            return known;
        }
        let mut namer = self.namer.lock().unwrap_or_else(PoisonError::into_inner);
        let names = Arc::new(namer.get_or_insert_with(Namer::new).read(user_agent));
        drop(namer);
        self.known.insert(user_agent.into(), Arc::clone(&names));
        names
    }

    /// Lets go of what reads new texts, until one comes.
    pub fn rest(&self) {
        *self.namer.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }
}

impl Namer {
    fn new() -> Self {
        Self {
            readers: Readers::new(),
            browsers: names("plain-browser").collect(),
            systems: names("plain-os").collect(),
        }
    }

    fn read(&self, user_agent: &str) -> Names {
        let rule = self.readers.bots.as_ref().and_then(|bots| bots.rule(user_agent));
        let Some(extractor) = &self.readers.extractor else {
            return Names::default();
        };
        if user_agent.is_empty() || rule.is_some_and(|rule| !rule.starts_with(HEADLESS)) {
            return Names::default();
        }
        let mut names = Names::default();
        if let Some(browser) = extractor.ua.extract(user_agent) {
            let parts = [browser.major, browser.minor, browser.patch, browser.patch_minor];
            let version = joined(parts);
            names.browser = named(renamed(&self.browsers, &browser.family), whole(user_agent, &version));
        }
        if let Some(system) = extractor.os.extract(user_agent) {
            let version = joined([
                system.major.as_deref(),
                system.minor.as_deref(),
                system.patch.as_deref(),
                system.patch_minor.as_deref(),
            ]);
            let shown = user_agent.split_once("Version/").map_or("", |(_, rest)| rest);
            let shown = shown
                .split(|character: char| !of_version(character))
                .next()
                .unwrap_or("");
            let major = shown.split('.').next().and_then(|major| major.parse::<u32>().ok());
            let is_frozen = system.os == "iOS" && major.is_some_and(|major| major >= FROZEN_FROM);
            let version = if is_frozen { shown } else { &version };
            names.os = named(renamed(&self.systems, &system.os), version);
        }
        names
    }
}

fn named(name: &str, version: &str) -> Box<str> {
    if version.is_empty() || name.is_empty() {
        return name.into();
    }
    format!("{name} {version}").into()
}

const fn of_version(character: char) -> bool {
    character.is_ascii_digit() || character == '.'
}

/// Parts of a version up to the first that is not there.
fn joined(parts: [Option<&str>; 4]) -> String {
    let is_one = |part: &&str| !part.is_empty() && part.chars().all(char::is_alphanumeric);
    let there = parts.into_iter().map_while(|part| part.filter(is_one));
    there.collect::<Vec<_>>().join(".")
}

/// A version with all its parts, as the user agent has it where it begins like this.
fn whole<'v>(user_agent: &'v str, version: &'v str) -> &'v str {
    let mut places = user_agent.match_indices(version).map(|(place, _)| place);
    let begins = places.find(|place| {
        let before = user_agent.get(..*place).unwrap_or_default();
        !before.ends_with(of_version)
    });
    let rest = begins.and_then(|place| user_agent.get(place..)).unwrap_or_default();
    let end = rest.find(|character| !of_version(character)).unwrap_or(rest.len());
    match rest.get(..end).unwrap_or_default().trim_end_matches('.') {
        "" => version,
        _ if version.is_empty() => version,
        longer => longer,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// User agents with the browser and the system that they name.
    const NAMED: [(&str, &str, &str); 17] = [
        (
            "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/139.0.0.0 Safari/537.36",
            "Chrome 139.0.0.0",
            "Windows 10",
        ),
        (
            "Mozilla/5.0 (Linux; Android 10; K) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/139.0.0.0 Mobile Safari/537.36",
            "Mobile Chrome 139.0.0.0",
            "Android 10",
        ),
        (
            "Mozilla/5.0 (Linux; Android 10; K) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/139.0.0.0 Safari/537.36",
            "Chrome 139.0.0.0",
            "Android 10",
        ),
        (
            "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/17.5 Safari/605.1.15",
            "Safari 17.5",
            "macOS 10.15.7",
        ),
        (
            "Mozilla/5.0 (iPhone; CPU iPhone OS 18_7 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/26.6.1 Mobile/15E148 Safari/604.1",
            "Mobile Safari 26.6.1",
            "iOS 26.6.1",
        ),
        (
            "Mozilla/5.0 (iPhone; CPU iPhone OS 17_5_1 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) CriOS/126.0.6478.54 Mobile/15E148 Safari/604.1",
            "Mobile Chrome 126.0.6478.54",
            "iOS 17.5.1",
        ),
        (
            "Mozilla/5.0 (X11; Linux x86_64; rv:139.0) Gecko/20100101 Firefox/139.0",
            "Firefox 139.0",
            "Linux",
        ),
        (
            "Mozilla/5.0 (Android 14; Mobile; rv:139.0) Gecko/139.0 Firefox/139.0",
            "Mobile Firefox 139.0",
            "Android 14",
        ),
        (
            "Mozilla/5.0 (Windows NT 6.1; WOW64; Trident/7.0; rv:11.0) like Gecko",
            "IE 11.0",
            "Windows 7",
        ),
        (
            "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/139.0.0.0 Safari/537.36 Edg/139.0.0.0",
            "Edge 139.0.0.0",
            "Windows 10",
        ),
        (
            "Mozilla/5.0 (Linux; Android 13; SM-S901B) AppleWebKit/537.36 (KHTML, like Gecko) SamsungBrowser/23.0 Chrome/115.0.0.0 Mobile Safari/537.36",
            "Samsung Internet 23.0",
            "Android 13",
        ),
        (
            "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) HeadlessChrome/139.0.0.0 Safari/537.36",
            "Chrome Headless 139.0.0.0",
            "Linux",
        ),
        (
            "Mozilla/5.0 (iPhone; CPU iPhone OS 16_6 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Mobile/15E148 [FBAN/FBIOS;FBAV/450.0.0.38.108;FBBV/564431005]",
            "Facebook 450.0.0.38.108",
            "iOS 16.6",
        ),
        ("curl/7.88.1", "", ""),
        (
            "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)",
            "",
            "",
        ),
        ("nonsense", "", ""),
        ("", "", ""),
    ];

    #[test]
    fn browsers_and_systems_are_named_with_their_whole_versions() {
        let agents = AgentNames::new(10);
        for (user_agent, browser, os) in NAMED {
            // The second time from memory.
            for _ in 0..2 {
                let names = agents.of(user_agent);
                assert_eq!((&*names.browser, &*names.os), (browser, os), "{user_agent}");
                agents.rest();
            }
        }
    }
}
