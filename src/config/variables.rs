//! The variables of the environment and of the `.env` file, before anyone knows what they mean.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::Path;

use super::problem::Problem;

/// Where a variable stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// The real environment, which wins.
    Environment,
    /// The `.env` file.
    DotEnv,
}

impl Place {
    /// Both places, the stronger first.
    pub const ALL: [Self; 2] = [Self::Environment, Self::DotEnv];

    /// How problems name it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Environment => "in the environment",
            Self::DotEnv => "in .env",
        }
    }

    /// How problems and reports name one of its variables.
    pub fn origin(self, name: &str) -> String {
        format!("{name} {}", self.name())
    }
}

/// All variables of both places. Empty values count as not set, since compose files pass those on.
#[derive(Debug, Default)]
pub struct Variables {
    environment: BTreeMap<String, String>,
    dot_env: BTreeMap<String, String>,
}

impl Variables {
    /// Takes an environment, and reads a `.env` file if there is one.
    pub fn new(environment: &[(OsString, OsString)], dot_env: &Path) -> (Self, Vec<Problem>) {
        let mut variables = Self::default();
        let mut problems = Vec::new();
        for (name, value) in environment {
            // A name that is not even UTF-8 is not one of ours.
            let Some(name) = name.to_str() else { continue };
            match value.to_str() {
                Some(value) => variables.insert(Place::Environment, name, value),
                None if name.starts_with("FOOTFALL_") => {
                    problems.push(problem(name, Place::Environment.name(), "must be UTF-8"));
                }
                None => {}
            }
        }
        problems.extend(variables.read(dot_env));
        (variables, problems)
    }

    /// A variable's value in one place, unless it is empty or a service link.
    pub fn get(&self, place: Place, name: &str) -> Option<&str> {
        let value = self.all(place).get(name)?.as_str();
        (!value.is_empty() && !is_service_link(name, value)).then_some(value)
    }

    /// A variable's value where it is strongest.
    pub fn find(&self, name: &str) -> Option<&str> {
        Place::ALL.into_iter().find_map(|place| self.get(place, name))
    }

    /// The names of all variables of a place that are not service links, sorted.
    pub fn names(&self, place: Place) -> impl Iterator<Item = &str> {
        let settings = self
            .all(place)
            .iter()
            .filter(|(name, value)| !is_service_link(name, value));
        settings.map(|(name, _)| name.as_str())
    }

    fn all(&self, place: Place) -> &BTreeMap<String, String> {
        match place {
            Place::Environment => &self.environment,
            Place::DotEnv => &self.dot_env,
        }
    }

    fn insert(&mut self, place: Place, name: &str, value: &str) {
        let variables = match place {
            Place::Environment => &mut self.environment,
            Place::DotEnv => &mut self.dot_env,
        };
        variables.insert(name.into(), value.into());
    }

    /// Reads `.env`. Errors never quote a line: it may hold a password.
    fn read(&mut self, path: &Path) -> Option<Problem> {
        let wrong = |reason: &str| Some(problem(".env", &path.display().to_string(), reason));
        let lines = match dotenvy::from_path_iter(path) {
            Ok(lines) => lines,
            Err(error) if error.not_found() => return None,
            Err(error) => return wrong(&format!("the file cannot be read: {error}")),
        };
        let mut last = String::from("the start");
        for line in lines {
            match line {
                Ok((name, value)) => {
                    self.insert(Place::DotEnv, &name, &value);
                    last = name;
                }
                Err(dotenvy::Error::Io(error)) => return wrong(&format!("the file cannot be read: {error}")),
                Err(_) => return wrong(&format!("what follows {last} is not NAME=value")),
            }
        }
        None
    }
}

/// Variables that Kubernetes makes up for every service, such as `REDIS_PORT=tcp://10.0.0.7:6379` for one called
/// `redis`: they look like settings and mean none.
fn is_service_link(name: &str, value: &str) -> bool {
    let address = value.starts_with("tcp://") || value.starts_with("udp://");
    let part = ["_SERVICE_HOST", "_SERVICE_PORT", "_TCP_", "_UDP_"];
    (name.contains("_PORT") && address) || part.iter().any(|part| name.contains(part))
}

fn problem(key: &str, origin: &str, reason: &str) -> Problem {
    Problem {
        key: key.into(),
        value: None,
        origin: origin.into(),
        reason: reason.into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn variables(dot_env: &str) -> (Variables, Vec<Problem>) {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join(".env");
        std::fs::write(&path, dot_env).unwrap();
        Variables::new(&[("PORT".into(), "1".into())], &path)
    }

    #[test]
    fn the_real_environment_is_stronger_than_the_file() {
        let (variables, problems) = variables("# ours\nPORT=2\nHOST='::1'\nLOG_LEVEL=\n");
        assert_eq!(problems, []);
        assert_eq!(variables.find("PORT"), Some("1"));
        assert_eq!(variables.get(Place::DotEnv, "PORT"), Some("2"));
        assert_eq!(variables.find("HOST"), Some("::1"));
        assert_eq!(variables.find("LOG_LEVEL"), None);
    }

    #[test]
    fn a_broken_line_is_named_by_its_place_and_not_quoted() {
        let (_, problems) = variables("HOST=::1\nREDIS PASSWORD hunter2\n");
        assert_eq!(problems[0].reason, "what follows HOST is not NAME=value");
        assert!(!problems[0].to_string().contains("hunter2"));
    }

    #[test]
    fn a_missing_file_is_fine() {
        let (_, problems) = Variables::new(&[], Path::new("/nowhere/.env"));
        assert_eq!(problems, []);
    }

    #[test]
    fn service_links_are_not_settings() {
        for (name, value) in [
            ("REDIS_PORT", "tcp://10.0.0.7:6379"),
            ("FOOTFALL_SERVICE_HOST", "10.0.0.8"),
            ("FOOTFALL_SERVICE_PORT_HTTP", "3030"),
            ("FOOTFALL_PORT_3030_TCP_PROTO", "tcp"),
            ("FOOTFALL_ADMIN_PORT", "tcp://10.0.0.9:9090"),
        ] {
            assert!(is_service_link(name, value), "{name}");
        }
        assert!(!is_service_link("REDIS_PORT", "6379"));
        assert!(!is_service_link("FOOTFALL_ADMIN_PORT", "9090"));
    }
}
