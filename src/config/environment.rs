//! What the variables mean: every key has a name of its own, and some have short ones that are widely used.

use super::keys::Key;
use super::problem::{Problem, nearest};
use super::redis_url;
use super::setting::{Gathered, Setting};
use super::variables::{Place, Variables};

/// Short names, the stronger first. The full name of a key is stronger than these.
const SHORT_NAMES: [(&str, &[&str]); 12] = [
    ("edge.ports", &["PORT", "API_SERVER_PORT"]),
    ("edge.host", &["HOST", "API_SERVER_HOST"]),
    ("http.allowed_origins", &["ALLOWED_ORIGINS"]),
    ("points.path", &["EVENTS_POINTS_PATH"]),
    ("limit.max", &["RATE_LIMIT_MAX"]),
    ("limit.window_ms", &["RATE_LIMIT_WINDOW"]),
    ("journal.data_dir", &["FOOTFALL_DATA_DIR"]),
    ("journal.durability", &["FOOTFALL_DURABILITY"]),
    (redis_url::KEY, &["REDIS_URL"]),
    ("directory.key_prefix", &["API_KEY_PREFIX"]),
    ("query.cache_ttl_seconds", &["CACHE_TTL"]),
    ("log.level", &["LOG_LEVEL"]),
];

/// Names that are free for tests and their tools; none is a setting.
const TEST_PREFIX: &str = "FOOTFALL_TEST_";

/// All names of a key in the environment, the strongest first.
pub fn names(key: &Key) -> Vec<String> {
    let short = SHORT_NAMES.iter().filter(|(path, _)| *path == key.path);
    let short = short.flat_map(|(_, names)| names.iter().map(|name| (*name).to_owned()));
    std::iter::once(key.environment_name()).chain(short).collect()
}

/// What the variables give. A variable of the real environment is stronger than any of `.env`, whatever its name.
pub fn gather(variables: &Variables, keys: &[Key]) -> Gathered {
    let mut gathered = Gathered::default();
    for key in keys {
        if let Some(setting) = Place::ALL.into_iter().find_map(|place| setting(variables, place, key)) {
            gathered.add(setting);
        }
    }
    gathered.problems.extend(unknown(variables, keys));
    gathered
}

fn setting(variables: &Variables, place: Place, key: &Key) -> Option<Result<Setting, Problem>> {
    for name in names(key) {
        let found = if key.secret {
            secret(variables, place, &name)
        } else {
            variables.get(place, &name).map(|value| Ok(value.to_owned()))
        };
        if let Some(value) = found {
            return Some(value.and_then(|value| Setting::text(key, &value, &place.origin(&name))));
        }
    }
    let assembled = (key.path == redis_url::KEY)
        .then(|| redis_url::assemble(variables, place))
        .flatten()?;
    Some(assembled.and_then(|url| Setting::text(key, &url, &place.origin("REDIS_HOST"))))
}

/// A secret's value: the variable itself, or the contents of the file that `<NAME>_FILE` names.
pub fn secret(variables: &Variables, place: Place, name: &str) -> Option<Result<String, Problem>> {
    let file_name = format!("{name}_FILE");
    let wrong = |reason: String| Problem {
        key: file_name.clone(),
        value: None,
        origin: place.name().into(),
        reason,
    };
    match (variables.get(place, name), variables.get(place, &file_name)) {
        (None, None) => None,
        (Some(value), None) => Some(Ok(value.to_owned())),
        (Some(_), Some(_)) => Some(Err(wrong(format!("{name} is given too; give one of them")))),
        (None, Some(path)) => Some(match std::fs::read_to_string(path) {
            // Files end with a line break that is not part of the secret.
            Ok(text) => Ok(text.trim_end_matches(['\r', '\n']).to_owned()),
            Err(error) => Err(wrong(format!("{path} cannot be read: {error}"))),
        }),
    }
}

fn unknown(variables: &Variables, keys: &[Key]) -> Vec<Problem> {
    let known: Vec<String> = keys.iter().flat_map(names).collect();
    let secrets: Vec<String> = keys.iter().filter(|key| key.secret).flat_map(names).collect();
    let is_known = |name: &str| {
        known.iter().any(|known| known == name)
            || name
                .strip_suffix("_FILE")
                .is_some_and(|name| secrets.iter().any(|secret| secret == name))
    };
    let ours = Place::ALL
        .into_iter()
        .flat_map(|place| variables.names(place).map(move |name| (place, name)))
        .filter(|(_, name)| name.starts_with("FOOTFALL_") && !name.starts_with(TEST_PREFIX));
    ours.filter(|(_, name)| !is_known(name))
        .map(|(place, name)| Problem {
            key: name.into(),
            value: None,
            origin: place.name().into(),
            reason: guess(name, &known),
        })
        .collect()
}

fn guess(unknown: &str, known: &[String]) -> String {
    // All full names begin alike, which would make everything look near.
    let bare = |name: &'_ str| name.strip_prefix("FOOTFALL_").unwrap_or(name).to_owned();
    let names: Vec<String> = known.iter().map(|name| bare(name)).collect();
    match nearest(&bare(unknown), names.iter().map(String::as_str), '_') {
        Some(near) => {
            let near = known
                .iter()
                .find(|name| bare(name) == near)
                .map_or(near, String::as_str);
            format!("no such setting; did you mean {near}?")
        }
        None => "no such setting; see docs/configuration.md".into(),
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::config::Config;
    use crate::config::keys::keys;

    fn gathered(variables: &[(&str, &str)]) -> Gathered {
        let variables: Vec<_> = variables
            .iter()
            .map(|(name, value)| (name.into(), value.into()))
            .collect();
        let (variables, problems) = Variables::new(&variables, Path::new("/nowhere/.env"));
        assert_eq!(problems, []);
        gather(&variables, &keys())
    }

    fn config(variables: &[(&str, &str)]) -> Config {
        let gathered = gathered(variables);
        assert_eq!(gathered.problems, []);
        let figment = gathered
            .settings
            .into_iter()
            .fold(figment::Figment::new(), figment::Figment::merge);
        figment.extract().unwrap()
    }

    fn problems(variables: &[(&str, &str)]) -> Vec<String> {
        gathered(variables).problems.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn every_short_name_belongs_to_a_key_that_exists() {
        for (path, _) in SHORT_NAMES {
            assert!(keys().iter().any(|key| key.path == path), "{path}");
        }
    }

    #[test]
    fn no_two_keys_share_a_name() {
        let mut all: Vec<String> = keys().iter().flat_map(names).collect();
        all.sort();
        let count = all.len();
        all.dedup();
        assert_eq!(all.len(), count);
    }

    #[test]
    fn short_names_are_understood_and_stronger_names_win() {
        let config = config(&[
            ("PORT", "3030,3000"),
            ("API_SERVER_PORT", "1"),
            ("API_SERVER_HOST", "127.0.0.1"),
            ("FOOTFALL_DATA_DIR", "/var/lib/footfall"),
            ("FOOTFALL_ADMIN_PORT", "0"),
            ("FOOTFALL_DURABILITY", "os"),
            ("ALLOWED_ORIGINS", "https://a.example,https://b.example"),
            ("RATE_LIMIT_MAX", "7"),
            ("RATE_LIMIT_WINDOW", "1000"),
            ("FOOTFALL_LIMIT_WINDOW_MS", "2000"),
            ("LOG_LEVEL", "debug"),
        ]);
        assert_eq!(config.edge.ports, [3030, 3000]);
        assert!(config.edge.host.is_loopback());
        assert_eq!(config.journal.data_dir, Path::new("/var/lib/footfall"));
        assert_eq!((config.admin.port, config.journal.durability.name()), (0, "os"));
        assert_eq!(config.http.allowed_origins, ["https://a.example", "https://b.example"]);
        assert_eq!((config.limit.max, config.limit.window_ms), (7, 2000));
    }

    #[test]
    fn an_unknown_name_of_ours_is_a_problem_and_names_of_others_are_none() {
        assert_eq!(
            problems(&[
                ("FOOTFALL_EDGE_IDEL_MS", "1"),
                ("FOOTFALL_POOL_SIZE", "1"),
                ("FOOTFALL_LOG_LEVEL_FILE", "x"),
                ("FOOTFALL_TEST_TOOLS", "x"),
                ("NODE_ENV", "production"),
            ]),
            [
                "FOOTFALL_EDGE_IDEL_MS (in the environment): no such setting; \
                 did you mean FOOTFALL_EDGE_IDLE_MS?",
                "FOOTFALL_LOG_LEVEL_FILE (in the environment): no such setting; \
                 see docs/configuration.md",
                "FOOTFALL_POOL_SIZE (in the environment): no such setting; \
                 did you mean FOOTFALL_COUNTERS_POOL_SIZE?",
            ]
        );
    }

    #[test]
    fn a_secret_may_stand_in_a_file_but_not_in_both() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("url");
        std::fs::write(&path, "redis://:p@host\n").unwrap();
        let path = path.to_str().unwrap();
        let url = config(&[("REDIS_URL_FILE", path)]).counters.redis_url.unwrap();
        assert_eq!(url.reveal(), "redis://:p@host");
        assert_eq!(
            problems(&[("REDIS_URL_FILE", path), ("REDIS_URL", "redis://x")]).len(),
            1
        );
        assert_eq!(problems(&[("REDIS_URL_FILE", "/nowhere/url")]).len(), 1);
    }
}
