//! Lists for people, and JSON for programs.

use std::io::{self, Write};

use jiff::Timestamp;
use serde_json::Value;

/// Columns as wide as what is in them, two spaces apart.
pub fn table<const N: usize>(
    head: [&str; N],
    rows: impl Iterator<Item = [String; N]>,
    out: &mut dyn Write,
) -> io::Result<()> {
    let rows: Vec<[String; N]> = std::iter::once(head.map(str::to_owned)).chain(rows).collect();
    let mut widths = [0; N];
    for row in &rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = (*width).max(cell.chars().count());
        }
    }
    for row in &rows {
        let cells = row.iter().zip(widths).map(|(cell, width)| format!("{cell:width$}"));
        writeln!(out, "{}", cells.collect::<Vec<_>>().join("  ").trim_end())?;
    }
    Ok(())
}

/// A value on lines of its own.
pub fn json(value: &Value, out: &mut dyn Write) -> io::Result<()> {
    writeln!(out, "{value:#}")
}

/// A point in time to the second, ISO 8601 in UTC.
pub fn time(unix_ms: u64) -> String {
    let point = i64::try_from(unix_ms)
        .ok()
        .and_then(|ms| Timestamp::from_millisecond(ms).ok());
    point.map_or_else(|| unix_ms.to_string(), |point| format!("{point:.0}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_stand_under_their_heads() {
        let mut out = Vec::new();
        let rows = [["ü".to_owned(), "b".to_owned()], ["long".to_owned(), String::new()]];
        table(["A", "B"], rows.into_iter(), &mut out).unwrap();
        assert_eq!(String::from_utf8(out).unwrap(), "A     B\nü     b\nlong\n");
    }

    #[test]
    fn times_are_told_in_utc() {
        assert_eq!(time(1_769_860_800_999), "2026-01-31T12:00:00Z");
        assert_eq!(time(u64::MAX), u64::MAX.to_string());
    }
}
