//! Reading JSON with errors that say where.

use serde_json::Value;

use super::QueryError;

/// A value with its place.
#[derive(Debug, Clone, Copy)]
pub struct Placed<'a> {
    /// The value.
    pub value: &'a Value,
    /// The field it belongs to.
    pub field: &'a str,
}

impl<'a> Placed<'a> {
    /// The value as text.
    pub fn text(self) -> Result<&'a str, QueryError> {
        self.value.as_str().ok_or_else(|| self.wrong("must be a string"))
    }

    /// The value as a list of at most so many.
    pub fn list(self, most: usize) -> Result<&'a [Value], QueryError> {
        let list = self.value.as_array().ok_or_else(|| self.wrong("must be a list"))?;
        if list.len() > most {
            return Err(self.wrong(format!("has more than {most} entries")));
        }
        Ok(list)
    }

    /// The value as a whole number from 0 to a greatest one.
    pub fn number(self, most: u64) -> Result<u64, QueryError> {
        let number = self.value.as_u64().filter(|number| *number <= most);
        number.ok_or_else(|| self.wrong(format!("must be a whole number from 0 to {most}")))
    }

    /// The refusal of the value.
    pub fn wrong(self, reason: impl Into<Box<str>>) -> QueryError {
        QueryError::invalid(self.field, reason)
    }
}

/// Reads each entry of a list, with its place in errors.
pub fn each<T>(
    placed: Placed<'_>,
    most: usize,
    read: impl Fn(Placed<'_>) -> Result<T, QueryError>,
) -> Result<Vec<T>, QueryError> {
    let entries = placed.list(most)?.iter().enumerate();
    let read_one = |(place, value): (usize, &Value)| {
        let field = format!("{}[{place}]", placed.field);
        read(Placed { value, field: &field })
    };
    entries.map(read_one).collect()
}
