//! Lines of a file, plain or compressed with gzip, or of the standard input.

use std::collections::VecDeque;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use flate2::bufread::MultiGzDecoder;

/// Longest line, in bytes; more of one is read over.
pub const LINE_BYTES_MAX: usize = 256 << 10;
/// Bytes that are read at once.
const BUFFER_BYTES: usize = 256 << 10;
/// What files of gzip begin with.
const GZIP: [u8; 2] = [0x1f, 0x8b];
const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// A source of lines.
pub struct Lines {
    reader: Box<dyn BufRead + Send>,
    /// Bytes that were read of the file, as it lies there.
    read: Arc<AtomicU64>,
    /// Of the whole file; none if nobody knows.
    pub bytes: Option<u64>,
    /// Whether the source may still grow, so that a last line without an end may be half a line.
    pub may_grow: bool,
    is_first: bool,
    /// Lines that were read and are to be read again.
    back: VecDeque<(Vec<u8>, End)>,
}

/// How a line ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// By a line feed.
    Whole,
    /// The source ended.
    Open,
    /// It was longer than lines may be; the rest was read over.
    TooLong,
}

impl Lines {
    /// Opens a file; `-` is the standard input.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn open(path: &Path) -> io::Result<Self> {
        if path == Path::new("-") {
            return Self::over(io::stdin(), None);
        }
        let file = File::open(path)?;
        let bytes = file
            .metadata()
            .ok()
            .filter(std::fs::Metadata::is_file)
            .map(|found| found.len());
        Self::over(file, bytes)
    }

    fn over(source: impl Read + Send + 'static, bytes: Option<u64>) -> io::Result<Self> {
        let read = Arc::new(AtomicU64::new(0));
        let counted = Counted {
            source,
            read: read.clone(),
        };
        let mut reader = BufReader::with_capacity(BUFFER_BYTES, counted);
        let is_gzip = reader.fill_buf()?.starts_with(&GZIP);
        let reader: Box<dyn BufRead + Send> = if is_gzip {
            Box::new(BufReader::with_capacity(BUFFER_BYTES, MultiGzDecoder::new(reader)))
        } else {
            Box::new(reader)
        };
        Ok(Self {
            reader,
            read,
            bytes,
            // What comes through a pipe is over when it is over, and so is what was compressed.
            may_grow: bytes.is_some() && !is_gzip,
            is_first: true,
            back: VecDeque::new(),
        })
    }

    /// Appends the next line, without its end; `None` when there is none.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn next(&mut self, line: &mut Vec<u8>) -> io::Result<Option<End>> {
        if let Some((text, end)) = self.back.pop_front() {
            line.extend(text);
            return Ok(Some(end));
        }
        let start = line.len();
        let mut end = None;
        loop {
            let piece = match self.reader.fill_buf() {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                other => other?,
            };
            if piece.is_empty() {
                break;
            }
            let (text, used, is_whole) = match piece.iter().position(|&byte| byte == b'\n') {
                Some(place) => (piece.get(..place), place + 1, true),
                None => (Some(piece), piece.len(), false),
            };
            let room = LINE_BYTES_MAX - (line.len() - start);
            let text = text.unwrap_or_default();
            line.extend_from_slice(text.get(..room.min(text.len())).unwrap_or_default());
            let found = if text.len() > room || end == Some(End::TooLong) {
                End::TooLong
            } else if is_whole {
                End::Whole
            } else {
                End::Open
            };
            end = Some(found);
            self.reader.consume(used);
            if is_whole {
                break;
            }
        }
        if std::mem::take(&mut self.is_first) && line.get(start..).is_some_and(|text| text.starts_with(BYTE_ORDER_MARK))
        {
            line.drain(start..start + BYTE_ORDER_MARK.len());
        }
        Ok(end)
    }

    /// Has lines that were read come again, before all others.
    pub fn give_back(&mut self, read: Vec<(Vec<u8>, End)>) {
        for line in read.into_iter().rev() {
            self.back.push_front(line);
        }
    }

    /// Bytes that were read of the file.
    pub fn position(&self) -> u64 {
        self.read.load(Ordering::Relaxed)
    }
}

struct Counted<R> {
    source: R,
    read: Arc<AtomicU64>,
}

impl<R: Read> Read for Counted<R> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let read = self.source.read(into)?;
        self.read.fetch_add(read as u64, Ordering::Relaxed);
        Ok(read)
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use flate2::Compression;
    use flate2::write::GzEncoder;

    use super::*;

    fn all(bytes: Vec<u8>) -> Vec<(Vec<u8>, End)> {
        let mut lines = Lines::over(io::Cursor::new(bytes), Some(1)).unwrap();
        let mut found = Vec::new();
        let mut line = Vec::new();
        while let Some(end) = lines.next(&mut line).unwrap() {
            found.push((std::mem::take(&mut line), end));
        }
        found
    }

    fn gzip(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    }

    #[test]
    fn lines_come_as_they_are_plain_or_compressed() {
        let text = b"\xef\xbb\xbfone\n\n\xff two\r\nopen";
        let expected: Vec<(Vec<u8>, End)> = vec![
            (b"one".into(), End::Whole),
            (b"".into(), End::Whole),
            (b"\xff two\r".into(), End::Whole),
            (b"open".into(), End::Open),
        ];
        assert_eq!(all(text.to_vec()), expected);
        assert_eq!(all(gzip(text)), expected);
        // Logs are often appended to each other when they are compressed.
        let two = [gzip(&text[..7]), gzip(&text[7..])].concat();
        assert_eq!(all(two), expected);
        assert_eq!(all(Vec::new()), []);
    }

    #[test]
    fn a_line_that_is_too_long_is_read_over_and_the_next_one_is_not() {
        let long = vec![b'x'; LINE_BYTES_MAX + 1];
        let fits = vec![b'y'; LINE_BYTES_MAX];
        let text = [&long[..], b"\n", &fits, b"\nnext\n", &long, &long].concat();
        let found = all(text);
        let ends: Vec<_> = found.iter().map(|(line, end)| (line.len(), *end)).collect();
        let most = LINE_BYTES_MAX;
        assert_eq!(
            ends,
            [
                (most, End::TooLong),
                (most, End::Whole),
                (4, End::Whole),
                (most, End::TooLong)
            ]
        );
    }

    #[test]
    fn a_compressed_file_that_broke_off_is_an_error() {
        let whole = gzip(&b"some lines\n".repeat(1_000));
        let mut lines = Lines::over(io::Cursor::new(whole[..whole.len() / 2].to_vec()), None).unwrap();
        let mut line = Vec::new();
        let failed = loop {
            match lines.next(&mut line) {
                Ok(Some(_)) => {}
                Ok(None) => break false,
                Err(_) => break true,
            }
        };
        assert!(failed);
    }
}
