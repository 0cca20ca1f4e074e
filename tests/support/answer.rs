//! One HTTP/1.1 answer, read byte for byte.

use std::io::{self, BufRead, Read};

/// An answer as it came.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// The status code.
    pub status: u16,
    /// The fields in the order they came, names as they were sent.
    pub headers: Vec<(String, String)>,
    /// The body, chunks put together.
    pub body: Vec<u8>,
}

impl Answer {
    /// Reads one answer; `has_body` is false for answers to `HEAD`. Interim answers (1xx) are skipped.
    pub fn read(from: &mut impl BufRead, has_body: bool) -> io::Result<Self> {
        loop {
            let (status, headers) = read_head(from)?;
            let mut answer = Self {
                status,
                headers,
                body: Vec::new(),
            };
            if (100..200).contains(&status) {
                continue;
            }
            if has_body && status != 204 && status != 304 {
                answer.body = answer.read_body(from)?;
            }
            return Ok(answer);
        }
    }

    fn read_body(&self, from: &mut impl BufRead) -> io::Result<Vec<u8>> {
        let mut body = Vec::new();
        if self
            .header("transfer-encoding")
            .is_some_and(|coding| coding.eq_ignore_ascii_case("chunked"))
        {
            return read_chunks(from);
        }
        match self.header("content-length") {
            Some(length) => {
                body.resize(length.parse().map_err(io::Error::other)?, 0);
                from.read_exact(&mut body)?;
            }
            None => {
                from.read_to_end(&mut body)?;
            }
        }
        Ok(body)
    }

    /// A field by its name, any letter case.
    pub fn header(&self, name: &str) -> Option<&str> {
        let found = self.headers.iter().find(|(known, _)| known.eq_ignore_ascii_case(name));
        found.map(|(_, value)| value.as_str())
    }

    /// Whether a field's comma-separated list names a word, any letter case.
    pub fn header_lists(&self, name: &str, word: &str) -> bool {
        self.header(name)
            .is_some_and(|list| list.split(',').any(|part| part.trim().eq_ignore_ascii_case(word)))
    }

    /// The number behind `key=` in a structured field such as `"default";q=100;w=60`.
    pub fn parameter(&self, name: &str, key: &str) -> Option<u64> {
        let mut parts = self.header(name)?.split(';');
        parts.find_map(|part| part.trim().strip_prefix(key)?.strip_prefix('=')?.parse().ok())
    }

    /// The body as text.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// The body as JSON.
    #[track_caller]
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error} in {}", self.text()))
    }

    /// Whether the server said it will close the connection.
    pub fn closes(&self) -> bool {
        self.header_lists("connection", "close")
    }
}

/// The status and the fields of a head.
type Head = (u16, Vec<(String, String)>);

fn read_head(from: &mut impl BufRead) -> io::Result<Head> {
    let line = read_line(from)?;
    let status = line.split(' ').nth(1).and_then(|code| code.parse().ok());
    let status = status.ok_or_else(|| io::Error::other(format!("not a status line: {line:?}")))?;
    let mut headers = Vec::new();
    loop {
        let line = read_line(from)?;
        if line.is_empty() {
            return Ok((status, headers));
        }
        let (name, value) = line
            .split_once(':')
            .ok_or_else(|| io::Error::other("a field without a colon"))?;
        headers.push((name.to_owned(), value.trim().to_owned()));
    }
}

fn read_chunks(from: &mut impl BufRead) -> io::Result<Vec<u8>> {
    let mut body = Vec::new();
    loop {
        let size = usize::from_str_radix(&read_line(from)?, 16).map_err(io::Error::other)?;
        let start = body.len();
        body.resize(start + size, 0);
        from.read_exact(&mut body[start..])?;
        if !read_line(from)?.is_empty() {
            return Err(io::Error::other("a chunk without its end"));
        }
        if size == 0 {
            return Ok(body);
        }
    }
}

/// A line without its end; the end of the stream is an error.
fn read_line(from: &mut impl BufRead) -> io::Result<String> {
    let mut line = Vec::new();
    from.by_ref().take(65_536).read_until(b'\n', &mut line)?;
    if line.pop() != Some(b'\n') {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    if line.last() == Some(&b'\r') {
        line.pop();
    }
    String::from_utf8(line).map_err(io::Error::other)
}
