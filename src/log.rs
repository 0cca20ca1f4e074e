//! The gateway's own log: lines on standard error, for a person or as JSON.
//!
//! What clients send may end up in a line, so everything that could end it, move the cursor or turn the text around
//! is escaped: one event is always one line. Nothing here is buffered, and a line that cannot be written is lost.

use std::ffi::OsStr;
use std::fmt::{self, Write as _};
use std::io::{self, IsTerminal};

use tracing::Subscriber;
use tracing::level_filters::LevelFilter;
use tracing::subscriber::SetGlobalDefaultError;
use tracing_subscriber::field::MakeExt;
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::fmt::format::debug_fn;

use crate::config::{LogConfig, LogFormat, LogLevel};

/// Sends everything that is traced in this process to standard error.
///
/// # Errors
/// If that was already decided.
pub fn start(config: &LogConfig) -> Result<(), SetGlobalDefaultError> {
    let no_colour = std::env::var_os("NO_COLOR");
    let colour = colour(io::stderr().is_terminal(), no_colour.as_deref());
    tracing::subscriber::set_global_default(subscriber(config, colour, io::stderr))
}

/// Colour is for terminals, unless `NO_COLOR` has a value.
fn colour(terminal: bool, no_colour: Option<&OsStr>) -> bool {
    terminal && no_colour.is_none_or(OsStr::is_empty)
}

fn subscriber<W>(config: &LogConfig, colour: bool, writer: W) -> Box<dyn Subscriber + Send + Sync>
where
    W: for<'a> MakeWriter<'a> + Send + Sync + 'static,
{
    let lines = tracing_subscriber::fmt()
        .with_max_level(level(config.level))
        .with_writer(writer);
    match config.format {
        LogFormat::Json => Box::new(lines.json().flatten_event(true).with_ansi(false).finish()),
        LogFormat::Human => {
            let fields = debug_fn(|line, field, value| match field.name() {
                "message" => write!(Escaped(line), "{value:?}"),
                name => {
                    write!(line, "{name}=")?;
                    write!(Escaped(line), "{value:?}")
                }
            });
            Box::new(
                lines
                    .compact()
                    .with_ansi(colour)
                    .fmt_fields(fields.delimited(" "))
                    .finish(),
            )
        }
    }
}

const fn level(level: LogLevel) -> LevelFilter {
    match level {
        LogLevel::Error => LevelFilter::ERROR,
        LogLevel::Warn => LevelFilter::WARN,
        LogLevel::Info => LevelFilter::INFO,
        LogLevel::Debug => LevelFilter::DEBUG,
        LogLevel::Trace => LevelFilter::TRACE,
    }
}

/// Writes text with everything escaped that would not just stand there.
struct Escaped<'a>(&'a mut dyn fmt::Write);

impl fmt::Write for Escaped<'_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        text.chars().try_for_each(|letter| {
            if letter.is_control() || turns(letter) {
                write!(self.0, "{}", letter.escape_default())
            } else {
                self.0.write_char(letter)
            }
        })
    }
}

/// Line separators and the letters that change the direction of what follows them.
const fn turns(letter: char) -> bool {
    matches!(letter, '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use super::*;

    #[derive(Clone, Default)]
    struct Lines(Arc<Mutex<Vec<u8>>>);

    impl io::Write for Lines {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn logged(level: LogLevel, format: LogFormat, colour: bool, events: impl FnOnce()) -> String {
        let lines = Lines::default();
        let writer = lines.clone();
        let config = LogConfig { level, format };
        let subscriber = subscriber(&config, colour, move || writer.clone());
        tracing::subscriber::with_default(subscriber, events);
        let bytes = lines.0.lock().unwrap().clone();
        String::from_utf8(bytes).unwrap()
    }

    fn hostile() {
        let path = "/a\n2026-01-01T00:00:00Z ERROR all is lost\u{1b}[2J\u{202e}";
        tracing::info!(path, shown = %path, "refused {path}");
    }

    #[test]
    fn what_a_client_sends_never_makes_a_second_line_or_moves_the_cursor() {
        for colour in [false, true] {
            let text = logged(LogLevel::Info, LogFormat::Human, colour, hostile);
            assert_eq!(text.matches('\n').count(), 1, "{text}");
            assert!(!text.contains("\u{1b}[2J") && !text.contains('\u{202e}'), "{text}");
            assert!(
                text.contains(r"refused /a\n2026-01-01T00:00:00Z ERROR all is lost\u{1b}[2J\u{202e}"),
                "{text}"
            );
        }
    }

    #[test]
    fn a_human_line_names_its_fields_and_has_colour_only_when_asked() {
        let event = || tracing::info!(port = 3030, name = "a b", "listening");
        let plain = logged(LogLevel::Info, LogFormat::Human, false, event);
        assert!(plain.ends_with("listening port=3030 name=\"a b\"\n"), "{plain}");
        assert!(!plain.contains('\u{1b}'));
        assert!(logged(LogLevel::Info, LogFormat::Human, true, event).contains('\u{1b}'));
    }

    #[test]
    fn a_json_line_is_one_object_with_the_fields_at_its_top() {
        let text = logged(LogLevel::Info, LogFormat::Json, false, hostile);
        assert_eq!(text.matches('\n').count(), 1);
        let object: serde_json::Value = serde_json::from_str(&text).unwrap();
        assert_eq!(object["level"], "INFO");
        assert!(object["message"].as_str().unwrap().starts_with("refused /a\n"));
        assert!(object["path"].as_str().unwrap().starts_with("/a\n"));
        assert!(object["timestamp"].as_str().unwrap().ends_with('Z'));
    }

    #[test]
    fn events_below_the_level_are_not_logged() {
        let events = || {
            tracing::debug!("quiet");
            tracing::warn!("loud");
        };
        let text = logged(LogLevel::Info, LogFormat::Human, false, events);
        assert!(text.contains("loud") && !text.contains("quiet"), "{text}");
        assert!(logged(LogLevel::Trace, LogFormat::Human, false, events).contains("quiet"));
        assert!(logged(LogLevel::Error, LogFormat::Human, false, events).is_empty());
    }

    #[test]
    fn colour_is_for_terminals_without_no_color() {
        assert!(colour(true, None) && colour(true, Some(OsStr::new(""))));
        assert!(!colour(false, None) && !colour(true, Some(OsStr::new("1"))));
    }
}
