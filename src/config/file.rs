//! The configuration file: TOML, a table a room.

use std::path::Path;

use figment::providers::{Format, Toml};
use figment::value::{Dict, Value};

use super::keys::Key;
use super::problem::{Problem, nearest};
use super::setting::{Gathered, Setting};

/// What a file gives. A file that nobody named need not be there.
pub fn gather(path: &Path, named: bool, keys: &[Key]) -> Gathered {
    let origin = path.display().to_string();
    match std::fs::read_to_string(path) {
        Ok(text) => parse(&text, &origin, keys),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound && !named => Gathered::default(),
        Err(error) => broken(&origin, "the file cannot be read", &error.to_string()),
    }
}

fn parse(text: &str, origin: &str, keys: &[Key]) -> Gathered {
    let rooms = match <Toml as Format>::from_str::<Dict>(text) {
        Ok(rooms) => rooms,
        Err(error) => return broken(origin, "the file is not TOML", error.message()),
    };
    let mut gathered = Gathered::default();
    for (room, table) in rooms {
        match table {
            Value::Dict(_, table) => {
                let settings = table.into_iter().map(|(name, value)| (format!("{room}.{name}"), value));
                settings.for_each(|(path, value)| gathered.add(setting(&path, value, origin, keys)));
            }
            _ => gathered.problems.push(unknown(&room, origin, keys)),
        }
    }
    gathered
}

fn setting(path: &str, value: Value, origin: &str, keys: &[Key]) -> Result<Setting, Problem> {
    match keys.iter().find(|key| key.path == path) {
        Some(key) => Setting::typed(key, value, origin),
        None => Err(unknown(path, origin, keys)),
    }
}

fn unknown(path: &str, origin: &str, keys: &[Key]) -> Problem {
    let reason = match nearest(path, keys.iter().map(|key| key.path.as_str()), '.') {
        Some(known) => format!("no such setting; did you mean {known}?"),
        None => "no such setting; see docs/configuration.md".into(),
    };
    Problem {
        key: path.into(),
        value: None,
        origin: origin.into(),
        reason,
    }
}

fn broken(origin: &str, what: &str, detail: &str) -> Gathered {
    let problem = Problem {
        key: "configuration file".into(),
        value: None,
        origin: origin.into(),
        reason: format!("{what}: {detail}"),
    };
    Gathered {
        problems: vec![problem],
        ..Gathered::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::keys::keys;

    fn problems(text: &str) -> Vec<String> {
        let gathered = parse(text, "footfall.toml", &keys());
        gathered.problems.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn a_table_a_room_is_read() {
        let text = "[edge]\nports = [1, 2]\nhttp2 = true\n[geo]\ndatabase = \"x.mmdb\"\n";
        let gathered = parse(text, "footfall.toml", &keys());
        assert_eq!((gathered.settings.len(), gathered.problems.len()), (3, 0));
    }

    #[test]
    fn unknown_keys_and_tables_are_named_with_the_nearest_known_one() {
        let text = "idle_ms = 1\n[edge]\nidel_ms = 1\n[server]\npool_size = 3\nfrobnicate = 2\n";
        assert_eq!(
            problems(text),
            [
                "edge.idel_ms (footfall.toml): no such setting; did you mean edge.idle_ms?",
                "idle_ms (footfall.toml): no such setting; did you mean edge.idle_ms?",
                "server.frobnicate (footfall.toml): no such setting; see docs/configuration.md",
                "server.pool_size (footfall.toml): no such setting; did you mean counters.pool_size?",
            ]
        );
    }

    #[test]
    fn wrong_types_are_named_with_their_values() {
        let found = problems("[edge]\nidle_ms = \"long\"\nports = 80\n[journal]\ndurability = \"tape\"\n");
        assert_eq!(found.len(), 3, "{found:?}");
        assert!(found[0].starts_with("edge.idle_ms = \"long\" (footfall.toml): must be a whole number"));
        assert!(found[1].starts_with("edge.ports = 80 (footfall.toml): in this list each value must be"));
        assert_eq!(
            found[2],
            "journal.durability = \"tape\" (footfall.toml): must be one of os, disk, applied"
        );
    }

    #[test]
    fn text_that_is_not_toml_is_one_problem_and_a_named_file_must_be_there() {
        assert_eq!(problems("[edge\nx").len(), 1);
        let nowhere = Path::new("/nowhere/footfall.toml");
        assert_eq!(gather(nowhere, true, &keys()).problems.len(), 1);
        assert!(gather(nowhere, false, &keys()).problems.is_empty());
    }
}
