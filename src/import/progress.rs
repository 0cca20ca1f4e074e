//! The line on a terminal that shows how far an import is.

use std::io::{IsTerminal, Write};
use std::time::{Duration, Instant};

const WIDTH: u8 = 24;
/// Time between two looks.
const EVERY: Duration = Duration::from_millis(100);

/// Shows how far an import is, on a terminal.
pub struct Progress<'w> {
    out: Option<&'w mut dyn Write>,
    title: String,
    bytes: Option<u64>,
    begun: Instant,
    shown: Instant,
    is_shown: bool,
}

impl<'w> Progress<'w> {
    /// Shows nothing where nobody looks.
    pub fn new(out: Option<&'w mut dyn Write>, title: &str, bytes: Option<u64>, now: Instant) -> Self {
        Self {
            out,
            title: title.to_owned(),
            bytes,
            begun: now,
            shown: now,
            is_shown: false,
        }
    }

    /// So many bytes are read of the file, and so many lines taken by this run.
    pub fn show(&mut self, position: u64, lines: u64, now: Instant) {
        let Some(out) = &mut self.out else { return };
        if self.is_shown && now.saturating_duration_since(self.shown) < EVERY {
            return;
        }
        (self.shown, self.is_shown) = (now, true);
        let text = text(
            &self.title,
            (position, self.bytes),
            lines,
            now.saturating_duration_since(self.begun),
        );
        // Who cannot be shown anything need not be.
        let _ = write!(out, "\r{text}\x1b[K").and_then(|()| out.flush());
    }

    /// Takes the line away.
    pub fn end(&mut self) {
        if let Some(out) = self.out.as_mut().filter(|_| self.is_shown) {
            let _ = write!(out, "\r\x1b[K").and_then(|()| out.flush());
        }
    }
}

/// Whether anybody looks at the standard error.
pub fn is_watched() -> bool {
    std::io::stderr().is_terminal()
}

fn text(title: &str, (position, bytes): (u64, Option<u64>), lines: u64, gone: Duration) -> String {
    let rate = lines as f64 / gone.as_secs_f64().max(1e-3);
    let Some(bytes) = bytes.filter(|bytes| *bytes > 0) else {
        return format!("{title}: {lines} lines, {rate:.0} a second");
    };
    let part = (position as f64 / bytes as f64).min(1.0);
    let full = u128::from(position.min(bytes)) * u128::from(WIDTH) / u128::from(bytes);
    let full = usize::try_from(full).unwrap_or_default();
    let width = usize::from(WIDTH);
    let bar = format!("{}{}", "#".repeat(full), ".".repeat(width - full));
    let left = gone.as_secs_f64() * (1.0 - part) / part.max(1e-9);
    let percent = part * 100.0;
    format!("{title} [{bar}] {percent:.0} %, {lines} lines, {rate:.0} a second, {left:.0} s left")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bar_shows_what_is_known() {
        let two = Duration::from_secs(2);
        assert_eq!(text("a", (5, None), 10, two), "a: 10 lines, 5 a second");
        assert_eq!(
            text("a", (25, Some(100)), 10, two),
            "a [######..................] 25 %, 10 lines, 5 a second, 6 s left"
        );
        assert!(
            text("a", (200, Some(100)), 10, two).contains("100 %"),
            "a file that grows"
        );
    }

    #[test]
    fn where_nobody_looks_nothing_is_shown() {
        let now = crate::clock::now();
        let mut shown = Vec::new();
        let mut progress = Progress::new(Some(&mut shown), "a", None, now);
        progress.show(1, 1, now);
        progress.show(2, 2, now);
        progress.end();
        assert_eq!(String::from_utf8(shown).unwrap().matches("lines").count(), 1);
        let mut silent = Progress::new(None, "a", None, now);
        silent.show(1, 1, now);
        silent.end();
    }
}
