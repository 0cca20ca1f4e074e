//! One setting as an operator gave it, on its way into the configuration.

use figment::value::{Dict, Map, Value};
use figment::{Figment, Metadata, Profile, Provider};

use super::Config;
use super::keys::{Key, Kind};
use super::problem::Problem;

/// A value for a key, with where it came from. A provider of its own, so that every value keeps its origin.
#[derive(Debug, Clone)]
pub struct Setting {
    key: Key,
    value: Value,
    origin: String,
}

impl Setting {
    /// A value as a file has it, typed; an error if the key does not take it.
    pub fn typed(key: &Key, value: Value, origin: &str) -> Result<Self, Problem> {
        let setting = Self {
            key: key.clone(),
            value,
            origin: origin.into(),
        };
        match Figment::from(&setting).extract::<Config>() {
            Ok(_) => Ok(setting),
            Err(error) => {
                let shown = serde_json::to_string(&setting.value).unwrap_or_default();
                Err(problem(key, &shown, origin, &error.kind.to_string()))
            }
        }
    }

    /// A value as the environment and flags have it, text; an error if the key does not take it.
    ///
    /// Lists are separated by commas, and `none` is the empty list.
    pub fn text(key: &Key, text: &str, origin: &str) -> Result<Self, Problem> {
        let value = if key.list {
            list(&key.kind, text)
        } else {
            scalar(&key.kind, text)
        };
        match value {
            Some(value) => Self::typed(key, value, origin),
            None => Err(problem(key, &format!("{text:?}"), origin, "cannot be read")),
        }
    }
}

/// The problem with a value that a key does not take. The detail is used where the kind of the key has no rule.
fn problem(key: &Key, value: &str, origin: &str, detail: &str) -> Problem {
    // Value and detail quote what was given, which must not happen to a secret.
    let (value, detail) = if key.secret {
        ("***", "must be text")
    } else {
        (value, detail)
    };
    let rule = key.kind.rule().unwrap_or_else(|| detail.into());
    Problem {
        key: key.path.clone(),
        value: Some(value.into()),
        origin: origin.into(),
        reason: if key.list {
            format!("in this list each value {rule}")
        } else {
            rule
        },
    }
}

/// What one source gave: settings that are right, problems with the others.
#[derive(Debug, Default)]
pub struct Gathered {
    /// Settings, in the order in which later ones win.
    pub settings: Vec<Setting>,
    /// What is wrong with the rest.
    pub problems: Vec<Problem>,
}

impl Gathered {
    /// Keeps a setting or the problem with it.
    pub fn add(&mut self, setting: Result<Setting, Problem>) {
        match setting {
            Ok(setting) => self.settings.push(setting),
            Err(problem) => self.problems.push(problem),
        }
    }

    /// Adds what a stronger source gave.
    pub fn extend(&mut self, stronger: Self) {
        self.settings.extend(stronger.settings);
        self.problems.extend(stronger.problems);
    }
}

impl Provider for Setting {
    fn metadata(&self) -> Metadata {
        Metadata::named(self.origin.clone())
    }

    fn data(&self) -> figment::Result<Map<Profile, Dict>> {
        let nested = figment::util::nest(&self.key.path, self.value.clone());
        Ok(Profile::Default.collect(nested.into_dict().unwrap_or_default()))
    }
}

fn list(kind: &Kind, text: &str) -> Option<Value> {
    if text.trim() == "none" {
        return Some(Value::from(Vec::<Value>::new()));
    }
    let items = text.split(',').map(str::trim).filter(|item| !item.is_empty());
    let values: Option<Vec<Value>> = items.map(|item| scalar(kind, item)).collect();
    values.map(Value::from)
}

fn scalar(kind: &Kind, text: &str) -> Option<Value> {
    match kind {
        Kind::Switch => switch(text.trim()).map(Value::from),
        Kind::Whole { .. } => text.trim().replace('_', "").parse::<u64>().ok().map(Value::from),
        Kind::Choice(_) => Some(Value::from(text.trim().to_lowercase())),
        // The one host name that every machine resolves alike.
        Kind::Address if text.trim() == "localhost" => Some(Value::from("127.0.0.1")),
        Kind::Address => Some(Value::from(text.trim())),
        Kind::Path | Kind::Text => Some(Value::from(text)),
    }
}

fn switch(text: &str) -> Option<bool> {
    match text.to_lowercase().as_str() {
        "true" | "1" | "yes" | "on" => Some(true),
        "false" | "0" | "no" | "off" => Some(false),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::keys::keys;

    fn given(path: &str, text: &str) -> Result<Config, String> {
        let key = keys().into_iter().find(|key| key.path == path).unwrap();
        let setting = Setting::text(&key, text, "a test").map_err(|problem| problem.to_string())?;
        Ok(Figment::from(setting).extract().unwrap())
    }

    #[test]
    fn text_becomes_what_the_key_takes() {
        assert_eq!(given("edge.ports", "3030, 3000").unwrap().edge.ports, [3030, 3000]);
        assert_eq!(given("limit.max", "1_000_000").unwrap().limit.max, 1_000_000);
        assert!(given("edge.http2", "on").unwrap().edge.http2);
        assert!(given("edge.host", "localhost").unwrap().edge.host.is_loopback());
        assert!(
            given("edge.trusted_proxies", "none")
                .unwrap()
                .edge
                .trusted_proxies
                .is_empty()
        );
        let level = given("log.level", "WARN").unwrap().log.level;
        assert_eq!(level, crate::config::LogLevel::Warn);
        let database = given("geo.database", "123").unwrap().geo.database;
        assert_eq!(database, Some("123".into()));
    }

    #[test]
    fn text_that_the_key_does_not_take_is_a_problem_that_says_so() {
        let cases = [
            (
                "edge.idle_ms",
                "soon",
                "edge.idle_ms = \"soon\" (a test): must be a whole number between 1 and 86400000",
            ),
            (
                "edge.http2",
                "maybe",
                "edge.http2 = \"maybe\" (a test): must be true or false",
            ),
            (
                "edge.ports",
                "80,x",
                "edge.ports = \"80,x\" (a test): in this list each value must be a whole number between 0 and 65535",
            ),
        ];
        for (path, text, problem) in cases {
            assert_eq!(given(path, text).unwrap_err(), problem);
        }
        for (path, text) in [
            ("edge.ports", "70000"),
            ("edge.idle_ms", "-1"),
            ("edge.host", "example"),
            ("edge.trusted_proxies", "10.0.0.0/99"),
            ("journal.durability", "tape"),
        ] {
            assert!(given(path, text).unwrap_err().starts_with(path));
        }
    }

    #[test]
    fn a_secret_of_a_wrong_type_is_not_quoted() {
        let key = keys().into_iter().find(|key| key.secret).unwrap();
        let problem = Setting::typed(&key, Value::from(4711), "a test").unwrap_err();
        assert!(!problem.to_string().contains("4711"), "{problem}");
    }
}
