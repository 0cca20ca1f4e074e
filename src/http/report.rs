//! `GET /api/v1/stats`: ready bytes, made anew only when a total has changed.

use std::cell::RefCell;
use std::hash::Hasher;
use std::io::Write;
use std::sync::Arc;

use bytes::Bytes;
use hyper::StatusCode;
use hyper::header::{
    ACCEPT_ENCODING, CACHE_CONTROL, CONTENT_ENCODING, ETAG, HeaderMap, HeaderValue, IF_NONE_MATCH, VARY,
};
use siphasher::sip::SipHasher13;

use super::answer::Answer;
use super::voice::{Call, Voice};
use crate::dialects::visits;
use crate::pipeline::Shared;

const GZIP_LEVEL: u32 = 5;
const BROTLI_QUALITY: u32 = 4;
const BROTLI_WINDOW: u32 = 18;

/// The report of one worker.
pub struct Report {
    shared: Arc<Shared>,
    compress_bytes_min: usize,
    ready: RefCell<Option<Ready>>,
}

/// One state of the totals, rendered.
struct Ready {
    version: u64,
    etag: HeaderValue,
    /// Headers of the uncompressed answer.
    headers: HeaderMap,
    plain: Bytes,
    gzip: Option<Bytes>,
    brotli: Option<Bytes>,
}

/// A content encoding we speak.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Encoding {
    Brotli,
    Gzip,
}

impl Report {
    /// A report with nothing ready.
    pub fn new(shared: Arc<Shared>) -> Self {
        let compress_bytes_min = shared.config.http.compress_bytes_min;
        Self {
            shared,
            compress_bytes_min,
            ready: RefCell::new(None),
        }
    }

    /// Answers a call.
    pub fn answer(&self, voice: &Voice, call: &Call) -> Answer {
        let mut ready = self.ready.borrow_mut();
        let version = self.shared.totals.version();
        let ready = match &mut *ready {
            Some(ready) if ready.version == version => ready,
            stale => stale.insert(self.render(version, voice)),
        };
        if is_known(&call.headers, &ready.etag) {
            let mut response = voice.bare(StatusCode::NOT_MODIFIED, call);
            add_validators(response.headers_mut(), &ready.etag);
            return response;
        }
        let is_large = ready.plain.len() >= self.compress_bytes_min;
        let encoding = if is_large { accepted(&call.headers) } else { None };
        let (body, name) = match encoding {
            None => return voice.dress(StatusCode::OK, ready.plain.clone(), ready.headers.clone(), call),
            Some(Encoding::Brotli) => (ready.brotli(), "br"),
            Some(Encoding::Gzip) => (ready.gzip(), "gzip"),
        };
        let mut headers = ready.headers.clone();
        headers.insert(CONTENT_ENCODING, HeaderValue::from_static(name));
        voice.dress(StatusCode::OK, body, headers, call)
    }

    fn render(&self, version: u64, voice: &Voice) -> Ready {
        let mut plain = Vec::new();
        visits::report(self.shared.totals.all(), &mut plain);
        let mut hasher = SipHasher13::new();
        hasher.write(&plain);
        // Weak, since the same totals may go out in several encodings.
        let etag = HeaderValue::from_str(&format!("W/\"{:016x}\"", hasher.finish()));
        let etag = etag.unwrap_or(HeaderValue::from_static("W/\"\""));
        let mut headers = voice.json_headers().clone();
        add_validators(&mut headers, &etag);
        if plain.len() >= self.compress_bytes_min {
            headers.append(VARY, HeaderValue::from_static("Accept-Encoding"));
        }
        Ready {
            version,
            etag,
            headers,
            plain: plain.into(),
            gzip: None,
            brotli: None,
        }
    }
}

fn add_validators(headers: &mut HeaderMap, etag: &HeaderValue) {
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    headers.insert(ETAG, etag.clone());
}

impl Ready {
    fn gzip(&mut self) -> Bytes {
        let plain = &self.plain;
        self.gzip.get_or_insert_with(|| gzip(plain)).clone()
    }

    fn brotli(&mut self) -> Bytes {
        let plain = &self.plain;
        self.brotli.get_or_insert_with(|| brotli(plain)).clone()
    }
}

fn gzip(plain: &[u8]) -> Bytes {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::new(GZIP_LEVEL));
    // Writing to memory cannot fail.
    let _ = encoder.write_all(plain);
    encoder.finish().unwrap_or_default().into()
}

fn brotli(plain: &[u8]) -> Bytes {
    let mut packed = Vec::new();
    let mut encoder = brotli::CompressorWriter::new(&mut packed, 4096, BROTLI_QUALITY, BROTLI_WINDOW);
    // Writing to memory cannot fail.
    let _ = encoder.write_all(plain);
    drop(encoder);
    packed.into()
}

/// The best encoding a client takes: brotli, then gzip, then none (RFC 9110, 12.5.3).
fn accepted(asked: &HeaderMap) -> Option<Encoding> {
    let values = asked
        .get_all(ACCEPT_ENCODING)
        .into_iter()
        .filter_map(|value| value.to_str().ok());
    let names: Vec<_> = values.flat_map(|value| value.split(',')).filter_map(taken).collect();
    let takes = |name: &str| names.iter().any(|taken| taken.eq_ignore_ascii_case(name));
    if takes("br") || takes("*") {
        Some(Encoding::Brotli)
    } else {
        takes("gzip").then_some(Encoding::Gzip)
    }
}

/// The name of one entry of `Accept-Encoding`, unless its weight is zero.
fn taken(entry: &str) -> Option<&str> {
    let mut parts = entry.split(';').map(str::trim);
    let name = parts.next()?;
    let refused = parts.any(|part| {
        let weight = part.strip_prefix("q=").or(part.strip_prefix("Q="));
        weight
            .and_then(|weight| weight.trim().parse::<f32>().ok())
            .is_some_and(|weight| weight <= 0.0)
    });
    (!refused).then_some(name)
}

/// Whether the client has this version already: weak comparison (RFC 9110, 13.1.2).
fn is_known(asked: &HeaderMap, etag: &HeaderValue) -> bool {
    let ours = opaque(etag.to_str().unwrap_or_default());
    let values = asked
        .get_all(IF_NONE_MATCH)
        .into_iter()
        .filter_map(|value| value.to_str().ok());
    values
        .flat_map(|value| value.split(','))
        .map(str::trim)
        .any(|tag| tag == "*" || opaque(tag) == ours)
}

fn opaque(etag: &str) -> &str {
    etag.strip_prefix("W/").unwrap_or(etag)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(name: hyper::header::HeaderName, value: &'static str) -> HeaderMap {
        HeaderMap::from_iter([(name, HeaderValue::from_static(value))])
    }

    #[test]
    fn the_best_encoding_that_is_not_refused_is_taken() {
        let table = [
            ("gzip, deflate, br", Some(Encoding::Brotli)),
            ("gzip;q=0.5, br;q=0", Some(Encoding::Gzip)),
            ("GZIP", Some(Encoding::Gzip)),
            ("deflate, gzip; q=0.0", None),
            ("", None),
        ];
        for (value, expected) in table {
            assert_eq!(accepted(&with(ACCEPT_ENCODING, value)), expected, "{value}");
        }
        assert_eq!(accepted(&HeaderMap::new()), None);
    }

    #[test]
    fn a_known_version_is_found_in_any_form() {
        let etag = HeaderValue::from_static("W/\"a\"");
        for known in ["\"a\"", "W/\"a\"", "\"x\", W/\"a\"", "*"] {
            assert!(is_known(&with(IF_NONE_MATCH, known), &etag), "{known}");
        }
        for other in ["\"b\"", "a", ""] {
            assert!(!is_known(&with(IF_NONE_MATCH, other), &etag), "{other}");
        }
    }

    #[test]
    fn compressed_bytes_unpack_to_the_plain_ones() {
        let plain = br#"{"cy":123,"us":456}"#.repeat(100);
        let mut unpacked = Vec::new();
        std::io::copy(&mut flate2::read::GzDecoder::new(&gzip(&plain)[..]), &mut unpacked).unwrap();
        assert_eq!(unpacked, plain);
        unpacked.clear();
        std::io::copy(&mut brotli::Decompressor::new(&brotli(&plain)[..], 4096), &mut unpacked).unwrap();
        assert_eq!(unpacked, plain);
    }
}
