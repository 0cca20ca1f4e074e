//! What is wrong with a configuration: all of it at once, each with where it came from.

use std::fmt;

/// One thing wrong with what the operator gave.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// The setting, as the operator spelt it.
    pub key: String,
    /// Its value, quoted if it is text; `***` if it is secret; nothing if the key itself is wrong.
    pub value: Option<String>,
    /// Where it came from: a file, a variable of the environment, a flag, or the defaults.
    pub origin: String,
    /// What is wrong, and what would be right.
    pub reason: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.key)?;
        if let Some(value) = &self.value {
            write!(f, " = {value}")?;
        }
        write!(f, " ({}): {}", self.origin, self.reason)
    }
}

/// A configuration that cannot be used, with every reason why.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub struct ConfigError {
    /// At least one problem, in the order of the sources and keys.
    pub problems: Vec<Problem>,
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the configuration cannot be used:")?;
        self.problems.iter().try_for_each(|problem| write!(f, "\n  {problem}"))
    }
}

/// The name closest to an unknown one, if any is close enough to be meant.
///
/// Names are compared whole and without their rooms, since the room is easily forgotten or mistaken.
pub fn nearest<'a>(unknown: &str, known: impl Iterator<Item = &'a str>, separator: char) -> Option<&'a str> {
    let unknown = unknown.to_lowercase();
    let (distance, name) = known
        .map(|name| (distance(&unknown, &name.to_lowercase(), separator), name))
        .min()?;
    let tolerated = 1 + unknown.len() / 4;
    (distance <= tolerated).then_some(name)
}

fn distance(unknown: &str, known: &str, separator: char) -> usize {
    let whole = strsim::damerau_levenshtein(unknown, known);
    let last = |name: &str| name.split_once(separator).map(|(_, last)| last.to_owned());
    let Some(right) = last(known) else { return whole };
    let left = [Some(unknown.to_owned()), last(unknown)];
    let parts = left.into_iter().flatten();
    let nearest = parts.map(|left| 1 + strsim::damerau_levenshtein(&left, &right)).min();
    nearest.map_or(whole, |nearest| nearest.min(whole))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_name_is_found_over_slips_and_wrong_rooms() {
        let known = ["edge.idle_ms", "edge.ports", "journal.keep_ms", "counters.pool_size"];
        let guess = |unknown| nearest(unknown, known.into_iter(), '.');
        assert_eq!(guess("edge.idel_ms"), Some("edge.idle_ms"));
        assert_eq!(guess("server.idle_ms"), Some("edge.idle_ms"));
        assert_eq!(guess("pool_size"), Some("counters.pool_size"));
        assert_eq!(guess("edge.port"), Some("edge.ports"));
        assert_eq!(guess("frobnicate"), None);
    }

    #[test]
    fn an_error_shows_every_problem_on_its_own_line() {
        let problem = |key: &str, value: Option<&str>| Problem {
            key: key.into(),
            value: value.map(Into::into),
            origin: "footfall.toml".into(),
            reason: "is wrong".into(),
        };
        let error = ConfigError {
            problems: vec![problem("edge.idle_ms", Some("0")), problem("edge.nothing", None)],
        };
        let lines = "the configuration cannot be used:\n  edge.idle_ms = 0 (footfall.toml): is wrong\n  \
                     edge.nothing (footfall.toml): is wrong";
        assert_eq!(error.to_string(), lines);
    }
}
