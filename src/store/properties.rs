//! Which parts of an event's properties become columns.
//!
//! Text, numbers and booleans do, by their path: the keys of nested objects joined by dots. Lists and `null` do not;
//! they are returned as sent.

use std::collections::{BTreeMap, HashSet};
use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use tantivy::schema::OwnedValue;

/// Deepest nesting that is looked into.
const DEPTH_MAX: usize = 8;
/// Longest text that becomes part of a column, in bytes: a URL of 2,083 characters does, whatever it is written in.
const TEXT_BYTES_MAX: usize = 8_192;
/// Longest path of a property that has a column, in bytes.
const PATH_BYTES_MAX: usize = 2_048;

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
        let mut json = serde_json::Deserializer::from_slice(sent);
        let mut path = String::new();
        let place = Place {
            paths: self,
            columns: &mut columns,
            path: &mut path,
            depth: 0,
        };
        let whole = place.deserialize(&mut json).and_then(|()| json.end());
        if whole.is_err() {
            columns.clear();
        }
        columns
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

/// A place in the JSON text, which is read once and never becomes a tree.
struct Place<'a> {
    paths: &'a mut PropertyPaths,
    columns: &'a mut BTreeMap<String, OwnedValue>,
    /// Of the place.
    path: &'a mut String,
    depth: usize,
}

impl Place<'_> {
    /// Of two values of one path, as in `{"a":{"b":2},"a.b":1}`, the first is taken.
    fn put(self, value: OwnedValue) {
        let taken = self.depth > 0 && self.paths.takes(self.path) && !self.columns.contains_key(&*self.path);
        if taken {
            self.columns.insert(self.path.clone(), value);
        }
    }
}

impl<'de> DeserializeSeed<'de> for Place<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Place<'_> {
    type Value = ();

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a JSON value")
    }

    fn visit_str<E>(self, text: &str) -> Result<(), E> {
        if text.len() <= TEXT_BYTES_MAX {
            self.put(OwnedValue::Str(text.into()));
        }
        Ok(())
    }

    fn visit_bool<E>(self, flag: bool) -> Result<(), E> {
        self.put(OwnedValue::Bool(flag));
        Ok(())
    }

    fn visit_i64<E>(self, whole: i64) -> Result<(), E> {
        self.put(OwnedValue::I64(whole));
        Ok(())
    }

    fn visit_u64<E>(self, whole: u64) -> Result<(), E> {
        let broken = OwnedValue::F64(whole as f64);
        self.put(i64::try_from(whole).map_or(broken, OwnedValue::I64));
        Ok(())
    }

    fn visit_f64<E>(self, broken: f64) -> Result<(), E> {
        if broken.is_finite() {
            self.put(OwnedValue::F64(broken));
        }
        Ok(())
    }

    fn visit_unit<E>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<(), A::Error> {
        while list.next_element::<IgnoredAny>()?.is_some() {}
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut object: A) -> Result<(), A::Error> {
        let length = self.path.len();
        while object.next_key_seed(Key(self.path, self.depth))?.is_some() {
            if self.depth < DEPTH_MAX {
                object.next_value_seed(Place {
                    paths: self.paths,
                    columns: self.columns,
                    path: self.path,
                    depth: self.depth + 1,
                })?;
            } else {
                object.next_value::<IgnoredAny>()?;
            }
            self.path.truncate(length);
        }
        Ok(())
    }
}

/// A key, which is added to the path at some depth.
struct Key<'a>(&'a mut String, usize);

impl<'de> DeserializeSeed<'de> for Key<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl Visitor<'_> for Key<'_> {
    type Value = ();

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a key")
    }

    fn visit_str<E>(self, key: &str) -> Result<(), E> {
        if self.1 > 0 {
            self.0.push('.');
        }
        self.0.push_str(key);
        Ok(())
    }
}

/// Whether a property can have this path: the index marks the ends of keys by control characters.
pub fn is_path(path: &str) -> bool {
    !path.is_empty() && path.len() <= PATH_BYTES_MAX && !path.bytes().any(|byte| byte < b' ')
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
