//! From what the operator gave to one checked configuration.

use figment::Figment;

use super::Config;
use super::check::check;
use super::environment;
use super::file;
use super::ignored::{self, Ignored};
use super::keys::{Key, keys};
use super::problem::{ConfigError, Problem};
use super::setting::{Gathered, Setting};
use super::sources::{FILE, Flag, Sources};
use super::variables::Variables;

/// A configuration that was checked, and what is worth telling about it.
#[derive(Debug, Clone)]
pub struct Loaded {
    /// The configuration.
    pub config: Config,
    /// Settings that differ from their defaults, in the order of the keys.
    pub changed: Vec<Changed>,
    /// Variables that would have meant something elsewhere and are not used.
    pub ignored: Vec<Ignored>,
}

/// A setting that differs from its default.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Changed {
    /// The setting: `edge.idle_ms`.
    pub key: String,
    /// Its value as JSON; `***` if it is secret.
    pub value: String,
    /// Where it came from.
    pub origin: String,
}

impl Config {
    /// Reads all sources and checks what they give; the later of defaults, file, `.env`, environment, flags wins.
    ///
    /// # Errors
    /// Everything that is wrong, at once: unknown keys, values of a wrong type, values out of bounds.
    pub fn load(sources: &Sources) -> Result<Loaded, ConfigError> {
        let keys = keys();
        let (variables, mut problems) = Variables::new(&sources.environment, &sources.directory.join(".env"));
        let mut gathered = file(sources, &keys);
        gathered.extend(environment::gather(&variables, &keys));
        gathered.extend(flags(&sources.flags, &keys));
        problems.extend(gathered.problems);

        let (config, changed) = match merge(gathered.settings, &keys) {
            Ok((config, changed, breaches)) => {
                problems.extend(breaches);
                (config, changed)
            }
            Err(problem) => {
                problems.push(problem);
                (Self::default(), Vec::new())
            }
        };
        if problems.is_empty() {
            let ignored = ignored::gather(&variables);
            Ok(Loaded {
                config,
                changed,
                ignored,
            })
        } else {
            Err(ConfigError { problems })
        }
    }
}

fn file(sources: &Sources, keys: &[Key]) -> Gathered {
    match &sources.file {
        Some(file) => file::gather(&sources.directory.join(file), true, keys),
        None => file::gather(&sources.directory.join(FILE), false, keys),
    }
}

fn flags(flags: &[Flag], keys: &[Key]) -> Gathered {
    let mut gathered = Gathered::default();
    for flag in flags {
        if let Some(key) = keys.iter().find(|key| key.path == flag.key) {
            gathered.add(Setting::text(key, &flag.value, flag.name));
        }
    }
    gathered
}

type Merged = (Config, Vec<Changed>, Vec<Problem>);

/// Lays the settings over each other. Each was decoded alone before, so decoding them together does not fail.
fn merge(settings: Vec<Setting>, keys: &[Key]) -> Result<Merged, Problem> {
    let figment = settings.into_iter().fold(Figment::new(), Figment::merge);
    let whole = |reason: String| Problem {
        key: "configuration".into(),
        value: None,
        origin: "all sources".into(),
        reason,
    };
    let config: Config = figment.extract().map_err(|error| whole(error.to_string()))?;
    let values = serde_json::to_value(&config).map_err(|error| whole(error.to_string()))?;

    let value = |path: &str| {
        path.split('.')
            .try_fold(&values, |value, part| value.get(part))
            .cloned()
    };
    let origin = |path: &str| match figment.find_metadata(path) {
        Some(metadata) => metadata.name.to_string(),
        None => "the default".into(),
    };
    let shown = |key: &Key| {
        let value = value(&key.path).unwrap_or_default();
        if key.secret && !value.is_null() {
            "***".into()
        } else {
            value.to_string()
        }
    };
    let changed = keys
        .iter()
        .filter(|key| value(&key.path).as_ref() != Some(&key.default));
    let changed = changed
        .map(|key| Changed {
            key: key.path.clone(),
            value: shown(key),
            origin: origin(&key.path),
        })
        .collect();
    let breaches = check(&config, &values, keys).into_iter().map(|breach| Problem {
        value: keys.iter().find(|key| key.path == breach.key).map(shown),
        origin: origin(&breach.key),
        key: breach.key,
        reason: breach.rule,
    });
    let breaches = breaches.collect();
    Ok((config, changed, breaches))
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Place(tempfile::TempDir);

    impl Place {
        fn new(files: &[(&str, &str)]) -> Self {
            let directory = tempfile::tempdir().unwrap();
            for (name, text) in files {
                std::fs::write(directory.path().join(name), text).unwrap();
            }
            Self(directory)
        }

        fn sources(&self, environment: &[(&str, &str)]) -> Sources {
            Sources {
                directory: self.0.path().into(),
                environment: environment
                    .iter()
                    .map(|(name, value)| (name.into(), value.into()))
                    .collect(),
                ..Sources::default()
            }
        }
    }

    fn flag(name: &'static str, key: &'static str, value: &str) -> Flag {
        let value = value.into();
        Flag { name, key, value }
    }

    #[test]
    fn nothing_given_is_the_defaults() {
        let loaded = Config::load(&Place::new(&[]).sources(&[])).unwrap();
        assert_eq!(loaded.config.edge.ports, [3030]);
        assert_eq!((loaded.changed, loaded.ignored), (vec![], vec![]));
    }

    #[test]
    fn later_sources_win_and_the_origin_is_remembered() {
        let toml = "[edge]\nidle_ms = 1\nbody_ms = 1\nheader_ms = 1\nwrite_ms = 1\n";
        let dot_env = "FOOTFALL_EDGE_BODY_MS=2\nFOOTFALL_EDGE_HEADER_MS=2\nFOOTFALL_EDGE_WRITE_MS=2\n";
        let place = Place::new(&[("footfall.toml", toml), (".env", dot_env)]);
        let mut sources = place.sources(&[("FOOTFALL_EDGE_HEADER_MS", "3"), ("FOOTFALL_EDGE_WRITE_MS", "3")]);
        sources.flags.push(flag("--write", "edge.write_ms", "4"));
        let loaded = Config::load(&sources).unwrap();
        let edge = &loaded.config.edge;
        assert_eq!(
            (edge.idle_ms, edge.body_ms, edge.header_ms, edge.write_ms),
            (1, 2, 3, 4)
        );
        let changed: Vec<_> = loaded
            .changed
            .iter()
            .map(|changed| format!("{} {}", changed.key, changed.origin))
            .collect();
        assert_eq!(
            changed,
            [
                "edge.header_ms FOOTFALL_EDGE_HEADER_MS in the environment",
                "edge.body_ms FOOTFALL_EDGE_BODY_MS in .env",
                "edge.write_ms --write",
                &format!("edge.idle_ms {}", place.0.path().join("footfall.toml").display()),
            ]
        );
    }

    #[test]
    fn a_short_name_in_the_environment_beats_the_full_name_in_dot_env() {
        let place = Place::new(&[(
            ".env",
            "FOOTFALL_EDGE_PORTS=1\nREDIS_URL=redis://file\nREDIS_PASSWORD=p\n",
        )]);
        let loaded = Config::load(&place.sources(&[("API_SERVER_PORT", "2"), ("REDIS_HOST", "real")])).unwrap();
        assert_eq!(loaded.config.edge.ports, [2]);
        let url = loaded.config.counters.redis_url.unwrap();
        assert_eq!(url.reveal(), "redis://:p@real:6379");
    }

    #[test]
    fn a_named_file_replaces_the_usual_one_and_must_be_there() {
        let place = Place::new(&[
            ("footfall.toml", "[edge]\nports = [1]\n"),
            ("other.toml", "[edge]\nports = [2]\n"),
        ]);
        let mut sources = place.sources(&[]);
        sources.file = Some("other.toml".into());
        assert_eq!(Config::load(&sources).unwrap().config.edge.ports, [2]);
        sources.file = Some("missing.toml".into());
        assert_eq!(Config::load(&sources).unwrap_err().problems.len(), 1);
    }

    #[test]
    fn all_problems_are_told_at_once_with_value_and_origin() {
        let toml = "[edge]\nports = [80, 80]\n[server]\nx = 1\n[journal]\ndurability = \"tape\"\n";
        let place = Place::new(&[("footfall.toml", toml)]);
        let mut sources = place.sources(&[("FOOTFALL_EDGE_IDLE_MS", "0"), ("FOOTFALL_NOTHING", "1"), ("PORT", "")]);
        sources.flags.push(flag("--log-level", "log.level", "loud"));
        let error = Config::load(&sources).unwrap_err().to_string();
        let file = place.0.path().join("footfall.toml").display().to_string();
        for line in [
            &format!("edge.ports = [80,80] ({file}): 80 is named twice"),
            &format!("server.x ({file}): no such setting"),
            &format!("journal.durability = \"tape\" ({file}): must be one of os, disk, applied"),
            "edge.idle_ms = 0 (FOOTFALL_EDGE_IDLE_MS in the environment): must be a whole number between 1 and 86400000",
            "FOOTFALL_NOTHING (in the environment): no such setting",
            "log.level = \"loud\" (--log-level): must be one of error, warn",
        ] {
            assert!(error.contains(line), "{line} is not in {error}");
        }
        assert_eq!(error.lines().count(), 7, "{error}");
    }

    #[test]
    fn secrets_are_hidden_in_reports_and_errors() {
        let place = Place::new(&[]);
        let loaded = Config::load(&place.sources(&[("REDIS_URL", "redis://:hunter2@h")])).unwrap();
        assert_eq!(loaded.changed[0].value, "***");
        assert!(!format!("{loaded:?}").contains("hunter2"));
        let error = Config::load(&place.sources(&[("REDIS_URL", "http://:hunter2@h")])).unwrap_err();
        assert_eq!(
            error.problems[0].to_string(),
            "counters.redis_url = *** (REDIS_URL in the environment): must begin with redis:// or rediss://"
        );
    }

    #[test]
    fn settings_of_other_systems_never_stop_a_start() {
        let sources = Place::new(&[]).sources(&[("ENABLE_CLUSTER", "true"), ("NODE_ENV", "x"), ("DATABASE_URL", "y")]);
        let ignored = Config::load(&sources).unwrap().ignored;
        let names: Vec<_> = ignored.iter().map(|ignored| ignored.name).collect();
        assert_eq!(names, ["DATABASE_URL", "ENABLE_CLUSTER"]);
    }
}
