//! Settings of other systems, which never stop a start: those that would have meant something are named once.

use super::variables::{Place, Variables};

/// A variable that is set and not used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ignored {
    /// Its name; a prefix with `*` stands for all variables that begin with it.
    pub name: &'static str,
    /// Why, and what to use instead.
    pub reason: &'static str,
}

const ELSEWHERE: &str = "counts live in the data directory, or in Redis with REDIS_URL";
const THREADS: &str = "workers are threads: FOOTFALL_EDGE_WORKERS";
const NOT_YET: &str = "nothing in this version uses it";
const IN_URL: &str = "put it into REDIS_URL";

const FOREIGN: [(&str, &str); 14] = [
    ("CLUSTER_WORKERS", THREADS),
    ("DATABASE_URL", ELSEWHERE),
    ("ENABLE_CLUSTER", THREADS),
    ("JWT_SECRET", NOT_YET),
    ("LOG_FORMAT", "its name here is FOOTFALL_LOG_FORMAT"),
    ("MONGODB_URI", ELSEWHERE),
    ("MONGO_URL", ELSEWHERE),
    ("MYSQL_*", ELSEWHERE),
    ("POSTGRES_*", ELSEWHERE),
    ("REDIS_DB", IN_URL),
    ("REDIS_TLS", "use a rediss:// URL in REDIS_URL"),
    ("REDIS_USERNAME", IN_URL),
    ("RUST_LOG", "its name here is LOG_LEVEL"),
    ("WEB_CONCURRENCY", THREADS),
];

/// The variables that are set, would have meant something and are not used.
pub fn gather(variables: &Variables) -> Vec<Ignored> {
    let mut ignored: Vec<Ignored> = FOREIGN
        .into_iter()
        .filter(|(name, _)| is_set(variables, name))
        .map(|(name, reason)| Ignored { name, reason })
        .collect();
    let alone = |name| variables.find(name).is_some() && variables.find("REDIS_HOST").is_none();
    let url = variables.find("REDIS_URL").is_some() || variables.find("REDIS_URL_FILE").is_some();
    for name in ["REDIS_PORT", "REDIS_PASSWORD"] {
        if alone(name) && !url {
            let reason = "without REDIS_HOST or REDIS_URL there is no Redis";
            ignored.push(Ignored { name, reason });
        }
    }
    ignored
}

fn is_set(variables: &Variables, pattern: &str) -> bool {
    match pattern.strip_suffix('*') {
        None => variables.find(pattern).is_some(),
        Some(prefix) => Place::ALL
            .into_iter()
            .any(|place| variables.names(place).any(|name| name.starts_with(prefix))),
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    fn names(variables: &[(&str, &str)]) -> Vec<&'static str> {
        let variables: Vec<_> = variables
            .iter()
            .map(|(name, value)| (name.into(), value.into()))
            .collect();
        let (variables, _) = Variables::new(&variables, Path::new("/nowhere/.env"));
        gather(&variables).iter().map(|ignored| ignored.name).collect()
    }

    #[test]
    fn only_settings_that_would_have_meant_something_are_named() {
        let set = [
            ("NODE_ENV", "production"),
            ("PATH", "/bin"),
            ("ENABLE_CLUSTER", "true"),
            ("JWT_SECRET", "hush"),
            ("POSTGRES_USER", "u"),
            ("POSTGRES_PASSWORD", "p"),
        ];
        assert_eq!(names(&set), ["ENABLE_CLUSTER", "JWT_SECRET", "POSTGRES_*"]);
    }

    #[test]
    fn parts_of_a_redis_address_without_a_host_are_named() {
        assert_eq!(
            names(&[("REDIS_PORT", "1"), ("REDIS_PASSWORD", "p")]),
            ["REDIS_PORT", "REDIS_PASSWORD"]
        );
        assert!(names(&[("REDIS_PORT", "1"), ("REDIS_HOST", "h")]).is_empty());
        assert!(names(&[("REDIS_PASSWORD", "p"), ("REDIS_URL", "redis://h")]).is_empty());
    }
}
