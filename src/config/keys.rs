//! Every setting by name, read off the types themselves: what loading accepts, checking bounds and the reference shows.

use schemars::generate::SchemaSettings;
use serde_json::{Map, Value};

use super::Config;

/// One part of the configuration, which belongs to one room of the gateway.
#[derive(Debug, Clone)]
pub struct Section {
    /// The TOML table's name, such as `edge`.
    pub name: String,
    /// What the part is about.
    pub meaning: String,
    /// Its settings, in the order of the struct.
    pub keys: Vec<Key>,
}

/// One setting.
#[derive(Debug, Clone)]
pub struct Key {
    /// Where it stands: `edge.idle_ms`.
    pub path: String,
    /// What its values look like.
    pub kind: Kind,
    /// Whether it takes several values.
    pub list: bool,
    /// Whether its value is never shown.
    pub secret: bool,
    /// The value without any setting; null means none.
    pub default: Value,
    /// What it does.
    pub meaning: String,
}

/// What the values of a setting look like.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Kind {
    /// `true` or `false`.
    Switch,
    /// A whole number within bounds.
    Whole {
        /// The smallest.
        min: u64,
        /// The greatest, where there is one.
        max: Option<u64>,
    },
    /// One of some words.
    Choice(Vec<String>),
    /// An IP address.
    Address,
    /// A file or directory.
    Path,
    /// Any text.
    Text,
}

impl Kind {
    /// What a value must be, as the end of a sentence; nothing where any text may do.
    pub fn rule(&self) -> Option<String> {
        Some(match self {
            Self::Switch => "must be true or false".into(),
            Self::Whole { min, max: Some(max) } => format!("must be a whole number between {min} and {max}"),
            Self::Whole { min: 0, max: None } => "must be a whole number".into(),
            Self::Whole { min, max: None } => format!("must be a whole number of at least {min}"),
            Self::Choice(words) => format!("must be one of {}", words.join(", ")),
            Self::Address => "must be an IP address".into(),
            Self::Path | Self::Text => return None,
        })
    }
}

impl Key {
    /// The name in the environment that every setting has: `FOOTFALL_<ROOM>_<KEY>`.
    pub fn environment_name(&self) -> String {
        format!("FOOTFALL_{}", self.path.replace('.', "_").to_uppercase())
    }
}

/// All settings, a section a room, in the order of [`Config`].
pub fn sections() -> Vec<Section> {
    let schema = SchemaSettings::draft2020_12()
        .with(|settings| settings.inline_subschemas = true)
        .into_generator()
        .into_root_schema_for::<Config>();
    // A configuration that does not serialise would leave all defaults empty; the tests would see it.
    let defaults = serde_json::to_value(Config::default()).unwrap_or_default();
    properties(schema.as_value())
        .map(|(room, schema)| section(room, schema, defaults.get(room).unwrap_or(&Value::Null)))
        .collect()
}

/// All settings without their sections.
pub fn keys() -> Vec<Key> {
    sections().into_iter().flat_map(|section| section.keys).collect()
}

fn section(room: &str, schema: &Value, defaults: &Value) -> Section {
    let keys = properties(schema)
        .map(|(name, schema)| key(room, name, schema, defaults))
        .collect();
    Section {
        name: room.into(),
        meaning: text(schema, "description"),
        keys,
    }
}

fn key(room: &str, name: &str, schema: &Value, defaults: &Value) -> Key {
    let list = types(schema).any(|kind| kind == "array");
    let item = schema.get("items").filter(|_| list).unwrap_or(schema);
    Key {
        path: format!("{room}.{name}"),
        kind: kind(item),
        list,
        secret: schema.get("writeOnly").is_some(),
        default: defaults.get(name).cloned().unwrap_or_default(),
        meaning: text(schema, "description"),
    }
}

fn kind(schema: &Value) -> Kind {
    if types(schema).any(|kind| kind == "boolean") {
        return Kind::Switch;
    }
    if types(schema).any(|kind| kind == "integer") {
        return Kind::Whole {
            min: schema.get("minimum").and_then(Value::as_u64).unwrap_or(0),
            max: schema.get("maximum").and_then(Value::as_u64),
        };
    }
    let words = choices(schema);
    if !words.is_empty() {
        return Kind::Choice(words);
    }
    match schema.get("format").and_then(Value::as_str) {
        Some("ip") => Kind::Address,
        Some("path") => Kind::Path,
        _ => Kind::Text,
    }
}

/// The words of an enum: a `const` each where its variants are documented.
fn choices(schema: &Value) -> Vec<String> {
    let variants = schema.get("oneOf").and_then(Value::as_array).into_iter().flatten();
    variants
        .filter_map(|variant| variant.get("const")?.as_str())
        .map(str::to_owned)
        .collect()
}

/// A schema's `type`, which is one word or, for what may be absent, a list with `null`.
fn types(schema: &Value) -> impl Iterator<Item = &str> {
    let given = schema.get("type");
    let several = given.and_then(Value::as_array).into_iter().flatten();
    given
        .and_then(Value::as_str)
        .into_iter()
        .chain(several.filter_map(Value::as_str))
}

fn properties(schema: &Value) -> impl Iterator<Item = (&str, &Value)> {
    let properties = schema.get("properties").and_then(Value::as_object);
    properties
        .into_iter()
        .flat_map(Map::iter)
        .map(|(name, schema)| (name.as_str(), schema))
}

/// A text of a schema; doc comments that run over lines become one.
fn text(schema: &Value, name: &str) -> String {
    let words = schema.get(name).and_then(Value::as_str).unwrap_or_default();
    words.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn find(path: &str) -> Key {
        keys().into_iter().find(|key| key.path == path).unwrap()
    }

    #[test]
    fn keys_carry_kind_bounds_default_and_meaning_of_their_field() {
        let idle = find("edge.idle_ms");
        let day = Some(86_400_000);
        assert_eq!(idle.kind, Kind::Whole { min: 1, max: day });
        assert_eq!(idle.default, 75_000);
        assert!(idle.meaning.starts_with("Time a kept-alive connection may rest"));
        assert_eq!(idle.environment_name(), "FOOTFALL_EDGE_IDLE_MS");

        assert_eq!(find("edge.http2").kind, Kind::Switch);
        assert_eq!(find("edge.host").kind, Kind::Address);
        assert_eq!(find("geo.database").kind, Kind::Path);
        assert_eq!(find("geo.database").default, Value::Null);
        let modes = ["os", "disk", "applied"].map(str::to_owned);
        assert_eq!(find("journal.durability").kind, Kind::Choice(modes.into()));
    }

    #[test]
    fn lists_and_secrets_are_known_as_such() {
        let ports = find("edge.ports");
        assert!(ports.list && matches!(ports.kind, Kind::Whole { .. }));
        assert!(find("edge.trusted_proxies").list);
        assert!(find("counters.redis_url").secret);
        assert_eq!(keys().iter().filter(|key| key.secret).count(), 1);
    }

    #[test]
    fn every_section_and_key_says_what_it_means() {
        for section in sections() {
            assert!(
                !section.meaning.is_empty() && !section.keys.is_empty(),
                "{}",
                section.name
            );
            for key in section.keys {
                assert!(!key.meaning.is_empty(), "{}", key.path);
            }
        }
    }
}
