//! What a `User-Agent` says: browser, operating system, class of the device, and whether that is a machine.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use quick_cache::sync::Cache;
use ua_parser::{Extractor, Regexes};

use super::bots::Bots;
use super::device::Device;
use super::lists::names;

/// What a `User-Agent` says; a text is empty where nobody knows.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Agent {
    /// Name of the browser, the same on phones and on desks.
    pub browser: Box<str>,
    /// The first number of its version.
    pub browser_version: Box<str>,
    /// Name of the operating system.
    pub os: Box<str>,
    /// Class of the device.
    pub device: Device,
    /// The rule that names the machine, as `kind:name`; empty if it is none.
    pub bot_rule: Box<str>,
}

/// Understands user agents, and remembers what those meant that came before.
pub struct Agents {
    known: Cache<Box<str>, Arc<Agent>>,
    /// Some megabytes, made when a text is new and let go of when nothing comes.
    readers: Mutex<Option<Readers>>,
}

/// What is asked about a text that is new.
pub(super) struct Readers {
    pub(super) extractor: Option<Extractor<'static>>,
    pub(super) bots: Option<Bots>,
    browsers: HashMap<&'static str, &'static str>,
    systems: HashMap<&'static str, &'static str>,
}

impl Agents {
    /// Remembers so many.
    pub fn new(known_max: usize) -> Self {
        Self {
            known: Cache::new(known_max),
            readers: Mutex::new(None),
        }
    }

    /// What a text says.
    pub fn of(&self, user_agent: &str) -> Arc<Agent> {
        if let Some(known) = self.known.get(user_agent) {
            return known;
        }
        let mut readers = self.readers.lock().unwrap_or_else(PoisonError::into_inner);
        let agent = Arc::new(readers.get_or_insert_with(Readers::new).read(user_agent));
        drop(readers);
        self.known.insert(user_agent.into(), Arc::clone(&agent));
        agent
    }

    /// Lets go of what reads new texts, until one comes.
    pub fn rest(&self) {
        *self.readers.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }
}

impl Readers {
    pub(super) fn new() -> Self {
        // The lists are part of the binary, and tests read them: if one were of no use, the rest goes on without it.
        let rules: Option<Regexes<'static>> = serde_json::from_str(include_str!("../../lists/user-agents.json")).ok();
        let extractor = rules.and_then(|rules| Extractor::try_from(rules).ok());
        let bots = Bots::new().ok();
        if extractor.is_none() || bots.is_none() {
            tracing::error!("a list about user agents cannot be read; what it says stays unknown");
        }
        Self {
            extractor,
            bots,
            browsers: names("browser").collect(),
            systems: names("os").collect(),
        }
    }

    fn read(&self, user_agent: &str) -> Agent {
        if user_agent.is_empty() {
            return Agent::default();
        }
        let bot_rule = self.bots.as_ref().and_then(|bots| bots.rule(user_agent));
        let extractor = self.extractor.as_ref();
        let browser = extractor.and_then(|extractor| extractor.ua.extract(user_agent));
        let system = extractor.and_then(|extractor| extractor.os.extract(user_agent));
        let os = system.as_ref().map_or("", |system| renamed(&self.systems, &system.os));
        Agent {
            device: if bot_rule.is_some() {
                Device::Bot
            } else {
                Device::of(user_agent, os)
            },
            bot_rule: bot_rule.unwrap_or_default(),
            os: os.into(),
            browser_version: browser
                .as_ref()
                .and_then(|browser| browser.major)
                .unwrap_or_default()
                .into(),
            browser: browser.map_or_else(Box::default, |browser| renamed(&self.browsers, &browser.family).into()),
        }
    }
}

pub(super) fn renamed<'n>(names: &HashMap<&str, &'n str>, name: &'n str) -> &'n str {
    names.get(name).copied().unwrap_or(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_lists_can_be_read() {
        let readers = Readers::new();
        assert!(readers.extractor.is_some() && readers.bots.is_some());
        assert!(readers.browsers.len() > 10 && readers.systems.len() > 1);
    }

    #[test]
    fn browsers_are_called_the_same_on_phones_and_on_desks() {
        let agents = Agents::new(10);
        for (user_agent, browser, version, os, device) in [
            (
                "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/153.0.0.0 Safari/537.36",
                "Chrome",
                "153",
                "Windows",
                "desktop",
            ),
            (
                "Mozilla/5.0 (Linux; Android 10; K) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/153.0.0.0 Mobile Safari/537.36",
                "Chrome",
                "153",
                "Android",
                "mobile",
            ),
            (
                "Mozilla/5.0 (iPhone; CPU iPhone OS 18_7 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/26.6.1 Mobile/15E148 Safari/604.1",
                "Safari",
                "26",
                "iOS",
                "mobile",
            ),
            (
                "Mozilla/5.0 (Macintosh; Intel Mac OS X 10.15; rv:143.0) Gecko/20100101 Firefox/143.0",
                "Firefox",
                "143",
                "macOS",
                "desktop",
            ),
            (
                "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)",
                "Googlebot",
                "2",
                "",
                "bot",
            ),
            ("", "", "", "", ""),
        ] {
            // The second time from memory.
            for _ in 0..2 {
                let agent = agents.of(user_agent);
                let told = (
                    &*agent.browser,
                    &*agent.browser_version,
                    &*agent.os,
                    agent.device.name(),
                );
                assert_eq!(told, (browser, version, os, device), "{user_agent}");
                agents.rest();
            }
        }
    }

    #[test]
    fn what_is_remembered_is_bounded() {
        let agents = Agents::new(100);
        for number in 0..1_000 {
            assert_eq!(&*agents.of(&format!("Nobody/{number}")).browser, "");
        }
        assert!(agents.known.len() <= 100);
    }
}
