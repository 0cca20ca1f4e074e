//! Which lines of an access log are page views, and what they say as events.

use std::fmt;
use std::io::Write as _;

use super::access_log::{Broken, Entry, parse, unescape};

/// More of a request, a referrer or an agent is left out: no gateway keeps so much, and escapes must not make a line
/// longer than a request may be.
const TEXT_BYTES_MAX: usize = 8 << 10;
/// Files that pages are made of: who looks at a page has not looked at these.
const ASSETS: [&str; 36] = [
    "aac",
    "apng",
    "atom",
    "avif",
    "bmp",
    "br",
    "css",
    "eot",
    "flac",
    "gif",
    "ico",
    "jpeg",
    "jpg",
    "js",
    "json",
    "map",
    "mjs",
    "mov",
    "mp3",
    "mp4",
    "ogg",
    "otf",
    "png",
    "rss",
    "svg",
    "tif",
    "tiff",
    "ts",
    "ttf",
    "txt",
    "wasm",
    "wav",
    "webm",
    "webmanifest",
    "webp",
    "xml",
];
/// Fonts with numbers in their names.
const FONTS: [&str; 2] = ["woff", "woff2"];

/// How lines are read.
#[derive(Debug, Clone, Default)]
pub struct LogRules {
    /// The host of pages, where a line names none.
    pub host: Option<String>,
    /// Whether stylesheets, pictures and the like count as well.
    pub include_assets: bool,
}

/// Why a line is no page view.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Skipped {
    /// It asked for something else than a page.
    Method,
    /// It was not answered with a page.
    Status,
    /// It asked for a part of a page.
    Asset,
}

/// What a line is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Seen {
    /// A page view, which was written.
    View,
    /// None.
    Skipped(Skipped),
}

impl fmt::Display for Skipped {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Method => "with another method than GET",
            Self::Status => "answered with another status than 2xx or 304",
            Self::Asset => "stylesheets, scripts, pictures and the like",
        })
    }
}

/// Writes lines as events.
#[derive(Debug)]
pub struct Views {
    rules: LogRules,
    scratch: Vec<u8>,
}

impl Views {
    /// Reads lines by some rules.
    pub const fn new(rules: LogRules) -> Self {
        Self {
            rules,
            scratch: Vec::new(),
        }
    }

    /// Writes a line as an event, without an end of the line, if it is a page view.
    ///
    /// # Errors
    /// Why it is no line of an access log.
    pub fn write(&mut self, line: &[u8], out: &mut Vec<u8>) -> Result<Seen, Broken> {
        let entry = parse(line)?;
        if !matches!(entry.status, 200..=299 | 304) {
            return Ok(Seen::Skipped(Skipped::Status));
        }
        let mut words = entry.request.split(|&byte| byte == b' ');
        let (method, target) = (words.next().unwrap_or_default(), words.next());
        let target = target.filter(|target| !target.is_empty());
        let target = target.ok_or("its request is none such as GET / HTTP/1.1")?;
        if method != b"GET" {
            return Ok(Seen::Skipped(Skipped::Method));
        }
        if !self.rules.include_assets && is_asset(target) {
            return Ok(Seen::Skipped(Skipped::Asset));
        }
        self.view(&entry, target, out);
        Ok(Seen::View)
    }

    fn view(&mut self, entry: &Entry<'_>, target: &[u8], out: &mut Vec<u8>) {
        out.extend_from_slice(b"{\"name\":\"page_view\",\"time\":");
        // Writing to memory does not fail.
        let _ = write!(out, "{}", entry.time_ms);
        out.extend_from_slice(b",\"url\":\"");
        let target = self.host(entry, target, out);
        self.undo(target);
        put_url(out, &self.scratch);
        out.push(b'"');
        if let Some(address) = entry.address {
            let _ = write!(out, ",\"ip\":\"{address}\"");
        }
        for (name, text) in [("user_agent", entry.user_agent), ("referrer", entry.referrer)] {
            if text.is_empty() {
                continue;
            }
            self.undo(text);
            let _ = write!(out, ",\"{name}\":\"");
            put_text(out, &self.scratch);
            out.push(b'"');
        }
        out.push(b'}');
    }

    /// Writes the host, and gives what is left of the target.
    fn host<'t>(&self, entry: &Entry<'_>, target: &'t [u8], out: &mut Vec<u8>) -> &'t [u8] {
        if !target.starts_with(b"/") {
            // A URL, as proxies get them.
            return target;
        }
        let host = match (entry.host, &self.rules.host) {
            ([], None) => {
                // Two slashes would look as if a host followed.
                let slashes = target.iter().take_while(|&&byte| byte == b'/').count();
                return target.get(slashes - 1..).unwrap_or_default();
            }
            ([], Some(host)) => host.as_bytes(),
            (host, _) => host,
        };
        out.extend_from_slice(b"https://");
        put_text(out, host);
        target
    }

    fn undo(&mut self, text: &[u8]) {
        self.scratch.clear();
        unescape(text.get(..TEXT_BYTES_MAX).unwrap_or(text), &mut self.scratch);
    }
}

/// Whether a page is made of what was asked for.
fn is_asset(target: &[u8]) -> bool {
    let path = target
        .split(|byte| matches!(byte, b'?' | b'#'))
        .next()
        .unwrap_or_default();
    let file = path.rsplit(|&byte| byte == b'/').next().unwrap_or_default();
    let mut parts = file.rsplitn(2, |&byte| byte == b'.');
    let (Some(extension), Some(_)) = (parts.next(), parts.next()) else {
        return false;
    };
    let mut known = ASSETS.iter().chain(&FONTS);
    known.any(|known| known.as_bytes().eq_ignore_ascii_case(extension))
}

/// Appends a URL as JSON text: what cannot stand in one is percent-encoded.
fn put_url(out: &mut Vec<u8>, url: &[u8]) {
    for chunk in url.utf8_chunks() {
        for letter in chunk.valid().chars() {
            match letter {
                '\0'..=' ' | '"' | '<' | '>' | '\\' | '\u{7f}' => {
                    put_percent(out, u8::try_from(letter).unwrap_or(b'?'));
                }
                _ => out.extend_from_slice(letter.encode_utf8(&mut [0; 4]).as_bytes()),
            }
        }
        chunk.invalid().iter().for_each(|&byte| put_percent(out, byte));
    }
}

fn put_percent(out: &mut Vec<u8>, byte: u8) {
    let _ = write!(out, "%{byte:02X}");
}

/// Appends a JSON text; what is no text is left out.
fn put_text(out: &mut Vec<u8>, text: &[u8]) {
    for chunk in text.utf8_chunks() {
        for letter in chunk.valid().chars().filter(|letter| !letter.is_control()) {
            if matches!(letter, '"' | '\\') {
                out.push(b'\\');
            }
            out.extend_from_slice(letter.encode_utf8(&mut [0; 4]).as_bytes());
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::{Value, json};

    use super::*;

    fn line(request: &str, status: u16, rest: &str) -> String {
        format!(r#"203.0.113.7 - - [10/Oct/2000:13:55:36 -0700] "{request}" {status} 10{rest}"#)
    }

    fn seen(line: &str, rules: LogRules) -> (Result<Seen, Broken>, Vec<u8>) {
        let mut out = Vec::new();
        (Views::new(rules).write(line.as_bytes(), &mut out), out)
    }

    #[test]
    fn pages_are_views_and_everything_else_is_not() {
        let skipped = |why| Ok(Seen::Skipped(why));
        for (request, status, expected) in [
            ("GET / HTTP/1.1", 200, Ok(Seen::View)),
            ("GET /a.b/c HTTP/1.1", 206, Ok(Seen::View)),
            ("GET /index.php?x=a.css HTTP/1.1", 304, Ok(Seen::View)),
            ("GET /report.pdf HTTP/1.1", 200, Ok(Seen::View)),
            ("GET /.well-known HTTP/2.0", 200, Ok(Seen::View)),
            ("GET /", 200, Ok(Seen::View)),
            ("GET /a/style.CSS?v=3 HTTP/1.1", 200, skipped(Skipped::Asset)),
            ("GET /font.woff2 HTTP/1.1", 200, skipped(Skipped::Asset)),
            ("GET / HTTP/1.1", 301, skipped(Skipped::Status)),
            ("GET /x HTTP/1.1", 404, skipped(Skipped::Status)),
            ("POST /cart HTTP/1.1", 200, skipped(Skipped::Method)),
            ("HEAD / HTTP/1.1", 200, skipped(Skipped::Method)),
            (r"\x16\x03\x01", 400, skipped(Skipped::Status)),
            ("GET", 200, Err("its request is none such as GET / HTTP/1.1")),
        ] {
            assert_eq!(
                seen(&line(request, status, ""), LogRules::default()).0,
                expected,
                "{request}"
            );
        }
        let all = LogRules {
            include_assets: true,
            ..LogRules::default()
        };
        assert_eq!(seen(&line("GET /a.css HTTP/1.1", 200, ""), all).0, Ok(Seen::View));
    }

    #[test]
    fn a_view_says_what_the_line_says() {
        let rest = r#" "https://search.example/?q=\"x\"" "Agent \\ \x22ü\x22 \x00""#;
        let rules = LogRules {
            host: Some("shop.example".into()),
            ..LogRules::default()
        };
        let (_, out) = seen(&line(r"GET /caf\xE9/ü\x22?x=<1> HTTP/1.1", 200, rest), rules);
        let expected = json!({
            "name": "page_view",
            "time": 971_211_336_000_u64,
            "url": "https://shop.example/caf%E9/ü%22?x=%3C1%3E",
            "ip": "203.0.113.7",
            "user_agent": "Agent \\ \"ü\" ",
            "referrer": "https://search.example/?q=\"x\"",
        });
        assert_eq!(serde_json::from_slice::<Value>(&out).unwrap(), expected);
        let (_, out) = seen(&line("GET //a HTTP/1.1", 200, ""), LogRules::default());
        assert_eq!(serde_json::from_slice::<Value>(&out).unwrap()["url"], "/a");
        let named = format!("www.example.org:80 {}", line("GET /a HTTP/1.1", 200, ""));
        let (_, out) = seen(&named, LogRules::default());
        assert_eq!(
            serde_json::from_slice::<Value>(&out).unwrap()["url"],
            "https://www.example.org/a"
        );
    }

    #[test]
    fn the_longest_line_fits_into_a_request_whatever_is_in_it() {
        let long = "\u{0}".repeat(80_000);
        let text = line(
            &format!("GET /{long} HTTP/1.1"),
            200,
            &format!(" \"{long}\" \"{long}\""),
        );
        let (seen, out) = seen(&text, LogRules::default());
        assert_eq!(seen, Ok(Seen::View));
        assert!(out.len() < 32 << 10, "{}", out.len());
    }

    proptest! {
        #[test]
        fn whatever_a_line_holds_it_becomes_one_line_of_json(
            target in prop::collection::vec(any::<u8>(), 0..40),
            agent in prop::collection::vec(any::<u8>(), 0..40),
        ) {
            let mut line = br#"203.0.113.7 - - [10/Oct/2000:13:55:36 -0700] "GET /"#.to_vec();
            line.extend(target);
            line.extend(br#" HTTP/1.1" 200 1 "-" ""#);
            line.extend(agent);
            line.push(b'"');
            let mut out = Vec::new();
            if let Ok(Seen::View) = Views::new(LogRules::default()).write(&line, &mut out) {
                prop_assert!(!out.contains(&b'\n'));
                prop_assert!(serde_json::from_slice::<Value>(&out).is_ok(), "{}", out.escape_ascii());
            }
        }
    }
}
