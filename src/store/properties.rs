//! Which parts of an event's properties become columns.
//!
//! Text, numbers and booleans do, by their path: the keys of nested objects joined by dots. Lists and `null` do not;
//! they are returned as sent.

use std::collections::{BTreeMap, HashSet};

use serde_json::Value;
use tantivy::schema::OwnedValue;

/// Deepest nesting that is looked into.
const DEPTH_MAX: usize = 8;
/// Longest path and longest text that become part of a column, in bytes.
const TEXT_BYTES_MAX: usize = 2_048;

/// The paths that have a column in an index, of which there are only so many: each costs every segment some memory.
#[derive(Debug)]
pub struct PropertyPaths {
    known: HashSet<Box<str>>,
    most: usize,
}

impl PropertyPaths {
    /// Begins with the paths that an index has already.
    pub fn new(known: impl Iterator<Item = Box<str>>, most: usize) -> Self {
        let known = known.collect();
        Self { known, most }
    }

    /// The columns of a JSON object; none if it is none.
    pub fn columns(&mut self, sent: &[u8]) -> BTreeMap<String, OwnedValue> {
        let mut columns = BTreeMap::new();
        if let Ok(Value::Object(object)) = serde_json::from_slice(sent) {
            self.collect("", Value::Object(object), 0, &mut columns);
        }
        columns
    }

    fn collect(&mut self, path: &str, value: Value, depth: usize, columns: &mut BTreeMap<String, OwnedValue>) {
        let value = match value {
            Value::Object(object) if depth < DEPTH_MAX => {
                for (key, value) in object {
                    let path = if depth == 0 { key } else { format!("{path}.{key}") };
                    self.collect(&path, value, depth + 1, columns);
                }
                return;
            }
            Value::String(text) if text.len() <= TEXT_BYTES_MAX => OwnedValue::Str(text),
            Value::Bool(flag) => OwnedValue::Bool(flag),
            Value::Number(number) => match (number.as_i64(), number.as_f64()) {
                (Some(whole), _) => OwnedValue::I64(whole),
                (None, Some(broken)) if broken.is_finite() => OwnedValue::F64(broken),
                _ => return,
            },
            _ => return,
        };
        // Of `{"a.b":1,"a":{"b":2}}` the first is taken: a path has one value.
        if self.takes(path) && !columns.contains_key(path) {
            columns.insert(path.to_owned(), value);
        }
    }

    fn takes(&mut self, path: &str) -> bool {
        if self.known.contains(path) {
            return true;
        }
        let fits = self.known.len() < self.most && is_path(path);
        if fits {
            self.known.insert(path.into());
        }
        fits
    }
}

/// Whether a property can have this path: the index marks the ends of keys by control characters.
pub fn is_path(path: &str) -> bool {
    !path.is_empty() && path.len() <= TEXT_BYTES_MAX && !path.bytes().any(|byte| byte < b' ')
}

/// The path as the index wants to be asked for it.
pub fn column_name(root: &str, path: &str) -> String {
    let mut name = String::from(root);
    name.push('.');
    for letter in path.chars() {
        if matches!(letter, '.' | '\\') {
            name.push('\\');
        }
        name.push(letter);
    }
    name
}

#[cfg(test)]
mod tests {
    use super::*;

    fn paths(most: usize) -> PropertyPaths {
        PropertyPaths::new(std::iter::empty(), most)
    }

    #[test]
    fn scalars_become_columns_by_their_path_and_the_rest_does_not() {
        let sent = br#"{"plan":"pro","seats":3,"price":1.5,"trial":true,"none":null,"list":[1],
            "a":{"b":{"c":-1}},"huge":18446744073709551615,"ctl\u0001":1,"":2}"#;
        let columns = paths(100).columns(sent);
        let expected = [
            ("a.b.c", OwnedValue::I64(-1)),
            ("huge", OwnedValue::F64(18_446_744_073_709_551_615.0)),
            ("plan", OwnedValue::Str("pro".into())),
            ("price", OwnedValue::F64(1.5)),
            ("seats", OwnedValue::I64(3)),
            ("trial", OwnedValue::Bool(true)),
        ];
        let expected: BTreeMap<_, _> = expected
            .into_iter()
            .map(|(path, value)| (path.to_owned(), value))
            .collect();
        assert_eq!(columns, expected);
    }

    #[test]
    fn what_is_no_object_has_no_columns() {
        for sent in ["", "[1]", "3", "{\"a\":", "\u{fffd}"] {
            assert!(paths(100).columns(sent.as_bytes()).is_empty(), "{sent}");
        }
    }

    #[test]
    fn only_so_many_paths_get_a_column_and_known_ones_keep_theirs() {
        let mut paths = PropertyPaths::new(["x".into()].into_iter(), 2);
        assert_eq!(paths.columns(br#"{"a":1,"b":1,"x":1}"#).len(), 2);
        assert_eq!(paths.columns(br#"{"b":1}"#).len(), 0);
        assert_eq!(paths.columns(br#"{"a":2,"x":1}"#).len(), 2);
    }

    #[test]
    fn of_two_spellings_of_a_path_one_is_taken() {
        let columns = paths(9).columns(br#"{"a":{"b":2},"a.b":1}"#);
        assert_eq!(columns.len(), 1);
        assert_eq!(column_name("_p", "a.b"), "_p.a\\.b");
    }
}
