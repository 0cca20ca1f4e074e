//! The lines of a request of an import: where they stand, and what became of them.

use hyper::http::request::Parts;
use serde::Serialize;

use super::questions_voice::Trouble;
use crate::outcome::Reason;
use crate::pipeline::{Judged, Rejected};

/// Where the lines of a request stand in an import.
#[derive(Debug, Clone, Copy)]
pub struct Lines {
    /// So many lines are before them.
    pub from: u64,
    /// What the client made of all lines up to the last of them.
    pub digest: u64,
}

/// What became of the lines of a request.
#[derive(Serialize)]
pub struct Report {
    /// Lines of the import that are taken.
    pub taken: u64,
    /// Events kept.
    pub accepted: usize,
    /// Events that had been kept before.
    pub repeated: usize,
    /// Lines that can be no event.
    pub rejected: usize,
    /// Which, and why.
    pub errors: Vec<FlawedLine>,
}

/// A line that can be no event, and why.
#[derive(Serialize)]
pub struct FlawedLine {
    line: u64,
    #[serde(skip_serializing_if = "str::is_empty")]
    field: &'static str,
    code: &'static str,
    message: &'static str,
}

impl Lines {
    /// What the parameters of a request say.
    ///
    /// # Errors
    /// One is missing, or can be none.
    pub fn read(head: &Parts) -> Result<Self, Trouble> {
        let (mut from, mut digest) = (None, 0);
        let query = head.uri.query().unwrap_or_default();
        for (name, value) in form_urlencoded::parse(query.as_bytes()) {
            match &*name {
                "from" => {
                    let wrong = || Trouble::about(Reason::FieldInvalid, "from", "must be a number of lines");
                    from = Some(value.parse().map_err(|_| wrong())?);
                }
                "digest" => digest = read_digest(&value)?,
                _ => {}
            }
        }
        let missing = || Trouble::about(Reason::FieldMissing, "from", "must say how many lines are before these");
        Ok(Self {
            from: from.ok_or_else(missing)?,
            digest,
        })
    }
}

fn read_digest(value: &str) -> Result<u64, Trouble> {
    let digits = Some(value).filter(|text| text.len() == 16 && text.bytes().all(|byte| byte.is_ascii_hexdigit()));
    let digest = digits.and_then(|text| u64::from_str_radix(text, 16).ok());
    digest.ok_or_else(|| Trouble::about(Reason::FieldInvalid, "digest", "must be 16 hexadecimal digits"))
}

/// Lines that can be no event, of a request with so many lines before it.
pub fn flawed(judged: &Judged, from: u64) -> Vec<FlawedLine> {
    let line = |rejected: &Rejected| {
        let row = rejected.reason.row();
        FlawedLine {
            line: from + rejected.index as u64 + 1,
            field: rejected.field,
            code: row.code,
            message: if rejected.rule.is_empty() {
                row.text
            } else {
                rejected.rule
            },
        }
    };
    judged.rejected.iter().map(line).collect()
}
