//! `docs/configuration.md`: every setting, from the fields of `Config`.

use std::fmt::Write as _;

use serde_json::Value;

use super::{grouped, head, line};
use crate::config::keys::{Key, Kind, Section, sections};
use crate::config::names;

const INTRODUCTION: &str = r#"# Configuration

Footfall starts without any setting. What differs is given in, from the weakest to the strongest:

1. the defaults below;
2. a TOML file: the one of `--config FILE`, else `footfall.toml` in the working directory if there is one;
3. a `.env` file in the working directory, if there is one; it never overrides the real environment;
4. the environment;
5. flags; see `footfall --help`.

```toml
# footfall.toml
[edge]
ports = [3030, 3000]

[journal]
data_dir = "/var/lib/footfall"
```

In the environment each setting has the name `FOOTFALL_<ROOM>_<KEY>`, and some have shorter names, of which the one named first wins.
Lists are separated by commas, and `none` is the empty list; switches are `true` or `false`; numbers may have `_` between their digits; an empty value counts as not set.
`footfall check-config` says whether a configuration is good, which settings differ from their defaults, and where each came from. An unknown key or variable `FOOTFALL_…`, a value of a wrong type and a value out of bounds stop the start, all named at once. `FOOTFALL_TEST_…` is free for tests, and what Kubernetes makes up for services (`…_SERVICE_HOST`, `…_PORT=tcp://…`) is passed over.

Secrets can stand in files: `REDIS_URL_FILE` and `REDIS_PASSWORD_FILE` name files that hold what `REDIS_URL` and `REDIS_PASSWORD` would. `REDIS_HOST`, with `REDIS_PORT` (6379) and `REDIS_PASSWORD`, is another way to write `REDIS_URL`. Reports and errors show secrets as `***`.

Settings of other systems (`NODE_ENV`, `DATABASE_URL`, `POSTGRES_…`, `ENABLE_CLUSTER` and so on) never stop the start; those that would have meant something are named in the log. `NO_COLOR` switches colours of the log off.

Every name ends with its unit: `_ms` are milliseconds, `_bytes` bytes, and `_max` marks a limit.
"#;

pub fn render() -> String {
    let mut text = String::from(INTRODUCTION);
    for section in sections() {
        // Writing to a string cannot fail.
        let _ = write!(text, "\n## `[{}]`\n\n{}\n\n", section.name, section.meaning);
        text.push_str(&table(&section));
    }
    text
}

fn table(section: &Section) -> String {
    let mut text = head(&["key", "value", "default", "in the environment", "meaning"]);
    for key in &section.keys {
        let name = key.path.split_once('.').map_or(key.path.as_str(), |(_, name)| name);
        let environment: Vec<String> = names(key).iter().map(|name| format!("`{name}`")).collect();
        text.push_str(&line(&[
            &format!("`{name}`"),
            &value(key),
            &default(&key.default),
            &environment.join(", "),
            &key.meaning,
        ]));
    }
    text
}

fn value(key: &Key) -> String {
    let one = match &key.kind {
        Kind::Switch => "`true` or `false`".into(),
        Kind::Whole { min, max: Some(max) } => format!("{} to {}", grouped(*min), grouped(*max)),
        Kind::Whole { min, max: None } => format!("{} or more", grouped(*min)),
        Kind::Choice(words) => {
            let words: Vec<String> = words.iter().map(|word| format!("`{word}`")).collect();
            words.join(", ")
        }
        Kind::Address => "IP address".into(),
        Kind::Path => "path".into(),
        Kind::Text if key.secret => "secret text".into(),
        Kind::Text => "text".into(),
    };
    if key.list { format!("list: {one}") } else { one }
}

fn default(value: &Value) -> String {
    match value {
        Value::Null => "none".into(),
        Value::Number(number) => match number.as_u64() {
            Some(number) => format!("`{}`", grouped(number)),
            None => format!("`{number}`"),
        },
        Value::String(text) => format!("`{text}`"),
        Value::Array(items) if items.is_empty() => "none".into(),
        Value::Array(items) => items.iter().map(plain).collect::<Vec<_>>().join(", "),
        other => format!("`{other}`"),
    }
}

/// An item of a list.
fn plain(value: &Value) -> String {
    value
        .as_str()
        .map_or_else(|| format!("`{value}`"), |text| format!("`{text}`"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_setting_has_a_line_with_its_names() {
        let text = render();
        for key in sections().iter().flat_map(|section| &section.keys) {
            assert!(text.contains(&key.environment_name()), "{}", key.path);
        }
        for row in [
            "| `ports` | list: 0 to 65_535 | `3030` | `FOOTFALL_EDGE_PORTS`, `PORT`, `API_SERVER_PORT` | Ports",
            "| `redis_url` | secret text | none | `FOOTFALL_COUNTERS_REDIS_URL`, `REDIS_URL` |",
            "| `durability` | `os`, `disk`, `applied` | `disk` |",
            "| `segment_bytes` | 1_048_576 to 4_294_967_295 | `67_108_864` |",
        ] {
            assert!(text.contains(row), "{row}");
        }
    }
}
