//! Bodies that were sent compressed.

use std::io::Read;

use flate2::bufread::{DeflateDecoder, MultiGzDecoder, ZlibDecoder};

use crate::config::EventsConfig;
use crate::outcome::Reason;

/// The largest window that a zstd body may ask for: 8 MiB, what RFC 9659 allows for the web.
const ZSTD_WINDOW_LOG_MAX: u32 = 23;
/// Bodies may grow to this size whatever their ratio.
const ALWAYS_ALLOWED: usize = 64 << 10;

/// How a body was compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Encoding {
    /// Not at all.
    Identity,
    /// `gzip`.
    Gzip,
    /// `br`.
    Brotli,
    /// `zstd`.
    Zstd,
    /// `deflate`.
    Deflate,
}

/// What a body may become when it is decompressed.
#[derive(Debug, Clone, Copy)]
pub struct ExpansionLimits {
    bytes_max: usize,
    ratio_max: usize,
}

impl Encoding {
    /// The encoding of a `Content-Encoding` without list.
    pub fn parse(name: &str) -> Option<Self> {
        const NAMES: [(&str, Encoding); 6] = [
            ("identity", Encoding::Identity),
            ("gzip", Encoding::Gzip),
            ("x-gzip", Encoding::Gzip),
            ("br", Encoding::Brotli),
            ("zstd", Encoding::Zstd),
            ("deflate", Encoding::Deflate),
        ];
        let found = NAMES.iter().find(|(known, _)| known.eq_ignore_ascii_case(name));
        found.map(|(_, encoding)| *encoding)
    }
}

impl ExpansionLimits {
    /// Limits of a configuration.
    pub const fn new(config: &EventsConfig) -> Self {
        Self {
            bytes_max: config.decompressed_bytes_max,
            ratio_max: config.decompressed_ratio_max,
        }
    }

    fn of(self, sent: usize) -> usize {
        let by_ratio = sent.saturating_mul(self.ratio_max).max(ALWAYS_ALLOWED);
        by_ratio.min(self.bytes_max)
    }
}

/// A body as it was before it was compressed; never more of it is made than is allowed.
///
/// # Errors
/// When it is broken, becomes too large, or goes on behind its end: what stands there would be lost.
pub fn decompress(encoding: Encoding, body: Vec<u8>, limits: ExpansionLimits) -> Result<Vec<u8>, Reason> {
    let bytes_max = limits.of(body.len());
    let sent = body.as_slice();
    match encoding {
        Encoding::Identity => Ok(body),
        Encoding::Gzip => read(&mut MultiGzDecoder::new(sent), bytes_max),
        Encoding::Deflate if is_zlib(sent) => {
            let mut decoder = ZlibDecoder::new(sent);
            let bytes = read(&mut decoder, bytes_max)?;
            whole(bytes, decoder.get_ref().is_empty())
        }
        Encoding::Deflate => {
            let mut decoder = DeflateDecoder::new(sent);
            let bytes = read(&mut decoder, bytes_max)?;
            whole(bytes, decoder.get_ref().is_empty())
        }
        Encoding::Brotli => {
            let mut decoder = brotli::Decompressor::new(sent, sent.len().max(1));
            let bytes = read(&mut decoder, bytes_max)?;
            // Asked once more behind the end, it tells whether anything is left in its buffer, which holds all.
            whole(bytes, decoder.read(&mut [0]).is_ok())
        }
        Encoding::Zstd => {
            let mut decoder = zstd::Decoder::with_buffer(sent).map_err(|_| Reason::EncodingBroken)?;
            let limited = decoder.window_log_max(ZSTD_WINDOW_LOG_MAX);
            limited.map_err(|_| Reason::EncodingBroken)?;
            read(&mut decoder, bytes_max)
        }
    }
}

fn whole(bytes: Vec<u8>, is_whole: bool) -> Result<Vec<u8>, Reason> {
    if is_whole {
        Ok(bytes)
    } else {
        Err(Reason::EncodingBroken)
    }
}

fn read(decoder: &mut impl Read, bytes_max: usize) -> Result<Vec<u8>, Reason> {
    let mut bytes = Vec::new();
    let one_more = u64::try_from(bytes_max).unwrap_or(u64::MAX).saturating_add(1);
    let read = decoder.take(one_more).read_to_end(&mut bytes);
    if bytes.len() > bytes_max {
        return Err(Reason::DecompressedTooLarge);
    }
    read.map_err(|_| Reason::EncodingBroken)?;
    Ok(bytes)
}

/// Whether a body begins as RFC 1950 has it; some clients leave that out.
fn is_zlib(body: &[u8]) -> bool {
    match body {
        [method, flags, ..] => method & 0x0f == 8 && (u16::from(*method) << 8 | u16::from(*flags)) % 31 == 0,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use flate2::Compression;
    use flate2::write::{DeflateEncoder, GzEncoder, ZlibEncoder};

    use super::*;

    const TEXT: &[u8] = br#"{"name":"signup","title":"the same again, the same again"}"#;

    fn gzip(text: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
        encoder.write_all(text).unwrap();
        encoder.finish().unwrap()
    }

    fn zlib(text: &[u8]) -> Vec<u8> {
        let mut encoder = ZlibEncoder::new(Vec::new(), Compression::default());
        encoder.write_all(text).unwrap();
        encoder.finish().unwrap()
    }

    fn raw(text: &[u8]) -> Vec<u8> {
        let mut encoder = DeflateEncoder::new(Vec::new(), Compression::default());
        encoder.write_all(text).unwrap();
        encoder.finish().unwrap()
    }

    fn brotli(text: &[u8]) -> Vec<u8> {
        let mut bytes = Vec::new();
        brotli::BrotliCompress(&mut &*text, &mut bytes, &brotli::enc::BrotliEncoderParams::default()).unwrap();
        bytes
    }

    fn zstd(text: &[u8]) -> Vec<u8> {
        zstd::encode_all(text, 3).unwrap()
    }

    type Compress = fn(&[u8]) -> Vec<u8>;
    const ALL: [(Encoding, Compress); 5] = [
        (Encoding::Gzip, gzip),
        (Encoding::Deflate, zlib),
        (Encoding::Deflate, raw),
        (Encoding::Brotli, brotli),
        (Encoding::Zstd, zstd),
    ];
    const LIMITS: ExpansionLimits = ExpansionLimits {
        bytes_max: 1 << 20,
        ratio_max: 100,
    };

    #[test]
    fn every_encoding_gives_the_text_back() {
        for (encoding, compress) in ALL {
            assert_eq!(
                decompress(encoding, compress(TEXT), LIMITS).unwrap(),
                TEXT,
                "{encoding:?}"
            );
        }
        assert_eq!(decompress(Encoding::Identity, TEXT.into(), LIMITS).unwrap(), TEXT);
    }

    #[test]
    fn a_bomb_is_refused_by_ratio_and_by_size() {
        let zeros = vec![b' '; 900 << 10];
        for (encoding, compress) in ALL {
            let bomb = compress(&zeros);
            assert!(bomb.len() * 100 < zeros.len(), "{encoding:?}");
            let refused = decompress(encoding, bomb.clone(), LIMITS);
            assert_eq!(refused, Err(Reason::DecompressedTooLarge), "{encoding:?}");
            let generous = ExpansionLimits {
                ratio_max: 10_000_000,
                ..LIMITS
            };
            assert_eq!(decompress(encoding, bomb.clone(), generous).unwrap(), zeros);
            let small = ExpansionLimits {
                bytes_max: zeros.len() - 1,
                ..generous
            };
            assert_eq!(decompress(encoding, bomb, small), Err(Reason::DecompressedTooLarge));
        }
    }

    #[test]
    fn a_broken_or_cut_body_is_refused() {
        for (encoding, compress) in ALL {
            let whole = compress(TEXT);
            let cut = whole[..whole.len() / 2].to_vec();
            assert_eq!(
                decompress(encoding, cut, LIMITS),
                Err(Reason::EncodingBroken),
                "{encoding:?}"
            );
            let nonsense = vec![0xff; 40];
            assert_eq!(
                decompress(encoding, nonsense, LIMITS),
                Err(Reason::EncodingBroken),
                "{encoding:?}"
            );
        }
    }

    #[test]
    fn what_stands_behind_the_end_is_not_lost_in_silence() {
        for (encoding, compress) in ALL {
            let twice = [compress(TEXT), compress(TEXT)].concat();
            let both = decompress(encoding, twice, LIMITS);
            match encoding {
                // These may come in several parts.
                Encoding::Gzip | Encoding::Zstd => assert_eq!(both.unwrap(), [TEXT, TEXT].concat(), "{encoding:?}"),
                _ => assert_eq!(both, Err(Reason::EncodingBroken), "{encoding:?}"),
            }
            for junk in [&b"x"[..], &[0; 5_000]] {
                let longer = [&compress(TEXT)[..], junk].concat();
                let refused = decompress(encoding, longer, LIMITS);
                assert_eq!(refused, Err(Reason::EncodingBroken), "{encoding:?} {}", junk.len());
            }
        }
    }

    #[test]
    fn a_zstd_body_with_a_huge_window_is_refused() {
        let mut encoder = zstd::Encoder::new(Vec::new(), 1).unwrap();
        encoder.window_log(27).unwrap();
        encoder.include_contentsize(false).unwrap();
        encoder.write_all(TEXT).unwrap();
        let body = encoder.finish().unwrap();
        assert_eq!(decompress(Encoding::Zstd, body, LIMITS), Err(Reason::EncodingBroken));
    }

    #[test]
    fn encodings_have_names_of_any_case() {
        assert_eq!(Encoding::parse("GZip"), Some(Encoding::Gzip));
        assert_eq!(Encoding::parse("compress"), None);
        assert_eq!(Encoding::parse("gzip, br"), None);
    }
}
