//! Renders `docs/configuration.md`, `docs/errors.md` and `docs/metrics.md` from the types, so that they cannot lie.
//!
//! `footfall reference` writes the pages, `footfall reference --check` compares them, and a test fails when they are
//! stale. Nothing here runs while the gateway serves; it knows configuration, reasons and metrics and no stage.

mod configuration;
mod errors;
mod figures;

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// A page that is drawn from the types.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page {
    /// Its file name, such as `errors.md`.
    pub name: &'static str,
    /// Its text, Markdown.
    pub text: String,
}

/// All pages.
pub fn pages() -> [Page; 3] {
    let page = |name, text| Page { name, text };
    [
        page("configuration.md", configuration::render()),
        page("errors.md", errors::render()),
        page("metrics.md", figures::render()),
    ]
}

/// Writes all pages into a directory, which is made if it is not there; returns their paths.
///
/// # Errors
/// What the file system says.
pub fn write(directory: &Path) -> io::Result<Vec<PathBuf>> {
    fs::create_dir_all(directory)?;
    let write = |page: Page| {
        let path = directory.join(page.name);
        fs::write(&path, page.text).map(|()| path)
    };
    pages().into_iter().map(write).collect()
}

/// The pages of a directory that are missing or differ from the types.
///
/// # Errors
/// What the file system says, other than that a page is missing.
pub fn stale(directory: &Path) -> io::Result<Vec<PathBuf>> {
    let mut stale = Vec::new();
    for page in pages() {
        let path = directory.join(page.name);
        match fs::read_to_string(&path) {
            Ok(text) if text == page.text => {}
            Ok(_) => stale.push(path),
            Err(error) if error.kind() == io::ErrorKind::NotFound => stale.push(path),
            Err(error) => return Err(error),
        }
    }
    Ok(stale)
}

/// One line of a Markdown table; `|` in cells is escaped.
fn line(cells: &[&str]) -> String {
    let cells: Vec<String> = cells.iter().map(|cell| cell.replace('|', "\\|")).collect();
    format!("| {} |\n", cells.join(" | "))
}

/// The head of a Markdown table.
fn head(cells: &[&str]) -> String {
    line(cells) + &line(&vec!["---"; cells.len()])
}

/// A number as settings may be written: long ones with `_` between groups of three digits.
fn grouped(number: u64) -> String {
    let digits = number.to_string();
    if digits.len() < 5 {
        return digits;
    }
    let mut grouped = String::with_capacity(digits.len() * 4 / 3);
    for (place, digit) in digits.char_indices() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            grouped.push('_');
        }
        grouped.push(digit);
    }
    grouped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn written_pages_are_not_stale_and_changed_or_missing_ones_are() {
        let directory = tempfile::tempdir().unwrap();
        let docs = directory.path().join("docs");
        assert_eq!(stale(&docs).unwrap().len(), 3);
        assert_eq!(write(&docs).unwrap().len(), 3);
        assert!(stale(&docs).unwrap().is_empty());
        fs::write(docs.join("errors.md"), "old").unwrap();
        fs::remove_file(docs.join("metrics.md")).unwrap();
        assert_eq!(stale(&docs).unwrap(), [docs.join("errors.md"), docs.join("metrics.md")]);
    }

    #[test]
    fn digits_are_grouped_and_cells_escaped() {
        let numbers = [0, 9_999, 10_000, 86_400_000].map(grouped);
        assert_eq!(numbers, ["0", "9999", "10_000", "86_400_000"]);
        assert_eq!(line(&["a|b", "c"]), "| a\\|b | c |\n");
    }
}
