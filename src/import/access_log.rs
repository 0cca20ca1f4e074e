//! Lines of access logs, as nginx and Apache write them: common, combined, and either with the virtual host in front.

use std::net::IpAddr;

use super::log_time;

/// A line of an access log. Texts are as they were written, with their escapes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Entry<'a> {
    /// The virtual host, without its port; empty if the line does not say.
    pub host: &'a [u8],
    /// The client's address; none if the log has its name instead.
    pub address: Option<IpAddr>,
    /// When, in milliseconds since 1970.
    pub time_ms: u64,
    /// The request line.
    pub request: &'a [u8],
    /// The status of the answer.
    pub status: u16,
    /// The page before; empty if there is none.
    pub referrer: &'a [u8],
    /// The user agent; empty if there is none.
    pub user_agent: &'a [u8],
}

/// Why a line is none of an access log.
pub type Broken = &'static str;

/// Reads a line, without its end.
///
/// # Errors
/// What is wrong with it.
pub fn parse(line: &[u8]) -> Result<Entry<'_>, Broken> {
    let bracket = line
        .windows(2)
        .position(|pair| pair == b" [")
        .ok_or("it has no time in brackets")?;
    let (head, rest) = line.split_at(bracket);
    let (host, address) = client(head)?;
    let rest = rest.get(2..).unwrap_or_default();
    let end = rest
        .iter()
        .position(|&byte| byte == b']')
        .ok_or("it has no time in brackets")?;
    let (time, rest) = rest.split_at(end);
    let time_ms = log_time::parse(time).ok_or("its time is none such as 10/Oct/2000:13:55:36 -0700")?;
    let rest = rest.get(1..).unwrap_or_default();
    let (request, rest) = quoted(rest).ok_or("it has no request in quotes")?;
    let mut words = rest.trim_ascii_start().splitn(3, |&byte| byte == b' ');
    let status = words
        .next()
        .and_then(status)
        .ok_or("it has no status of three digits")?;
    let sent = words.next().unwrap_or_default();
    if sent != b"-" && (sent.is_empty() || !sent.iter().all(u8::is_ascii_digit)) {
        return Err("it does not say how many bytes were sent");
    }
    // What the combined format adds; other formats add more, which is left alone.
    let (referrer, rest) = words.next().and_then(quoted).unwrap_or_default();
    let (user_agent, _) = quoted(rest).unwrap_or_default();
    Ok(Entry {
        host,
        address,
        time_ms,
        request,
        status,
        referrer: unless_dash(referrer),
        user_agent: unless_dash(user_agent),
    })
}

/// Virtual host and address of the client, from what stands before the time.
fn client(head: &[u8]) -> Result<(&[u8], Option<IpAddr>), Broken> {
    let mut words = head.split(|&byte| byte == b' ').filter(|word| !word.is_empty());
    let (first, second, third) = (words.next(), words.next(), words.next());
    let (Some(first), Some(second), Some(_)) = (first, second, third) else {
        return Err("it does not begin with a client and two names");
    };
    Ok(match (address(first), address(second)) {
        (Some(address), _) => (&[], Some(address)),
        (None, Some(address)) => (without_port(first), Some(address)),
        (None, None) => (&[], None),
    })
}

/// An address in its own family: IPv4 may come in the clothes of IPv6.
fn address(word: &[u8]) -> Option<IpAddr> {
    let address: IpAddr = str::from_utf8(word).ok()?.parse().ok()?;
    Some(address.to_canonical())
}

fn without_port(host: &[u8]) -> &[u8] {
    let digits = host.iter().rev().take_while(|byte| byte.is_ascii_digit()).count();
    let end = host.len() - digits;
    match host.get(..end).and_then(|head| head.strip_suffix(b":")) {
        Some(host) if digits > 0 => host,
        _ => host,
    }
}

/// What stands in quotes, and what follows; a quote behind a backslash ends nothing.
fn quoted(text: &[u8]) -> Option<(&[u8], &[u8])> {
    let text = text.trim_ascii_start().strip_prefix(b"\"")?;
    let mut escaped = false;
    let end = text.iter().position(|&byte| {
        let ends = byte == b'"' && !escaped;
        escaped = byte == b'\\' && !escaped;
        ends
    })?;
    let (inside, rest) = text.split_at(end);
    Some((inside, rest.get(1..).unwrap_or_default()))
}

fn status(word: &[u8]) -> Option<u16> {
    let digits = word.len() == 3 && word.iter().all(u8::is_ascii_digit);
    str::from_utf8(word).ok().filter(|_| digits)?.parse().ok()
}

fn unless_dash(text: &[u8]) -> &[u8] {
    if text == b"-" { &[] } else { text }
}

/// Undoes the escapes of a quoted text: `\xHH`, `\"`, `\\`, `\n`, `\r`, `\t`. Others stay as they are.
pub fn unescape(text: &[u8], into: &mut Vec<u8>) {
    let mut rest = text;
    while let Some((&byte, after)) = rest.split_first() {
        rest = after;
        if byte != b'\\' {
            into.push(byte);
            continue;
        }
        match after {
            [b'x', high, low, after @ ..] if high.is_ascii_hexdigit() && low.is_ascii_hexdigit() => {
                into.push(nibble(*high) << 4 | nibble(*low));
                rest = after;
            }
            [escaped @ (b'"' | b'\\' | b'n' | b'r' | b't'), after @ ..] => {
                into.push(match escaped {
                    b'n' => b'\n',
                    b'r' => b'\r',
                    b't' => b'\t',
                    other => *other,
                });
                rest = after;
            }
            _ => into.push(byte),
        }
    }
}

const fn nibble(digit: u8) -> u8 {
    match digit {
        b'0'..=b'9' => digit - b'0',
        b'a'..=b'f' => digit - b'a' + 10,
        b'A'..=b'F' => digit - b'A' + 10,
        _ => 0,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const TIME_MS: u64 = 971_211_336_000;

    #[test]
    fn lines_of_every_known_format_are_read() {
        let common = Entry {
            host: b"",
            address: Some([203, 0, 113, 7].into()),
            time_ms: TIME_MS,
            request: b"GET /a?b=c HTTP/1.0",
            status: 200,
            referrer: b"",
            user_agent: b"",
        };
        let combined = Entry {
            referrer: b"https://search.example/?q=\\\"x\\\"",
            user_agent: b"Mozilla/5.0 (\\x22)",
            ..common
        };
        let end = r#"[10/Oct/2000:13:55:36 -0700] "GET /a?b=c HTTP/1.0" 200 2326"#;
        let more = r#" "https://search.example/?q=\"x\"" "Mozilla/5.0 (\x22)""#;
        for (line, expected) in [
            (format!("203.0.113.7 - frank {end}"), common),
            (format!("203.0.113.7 - - {end} \"-\" \"-\""), common),
            (format!("203.0.113.7 - a user with spaces {end}"), common),
            (format!("203.0.113.7 - frank {end}{more}"), combined),
            (
                format!("203.0.113.7 - frank {end}{more} \"198.51.100.1\" 0.004"),
                combined,
            ),
            (format!("::ffff:203.0.113.7 - - {end}"), common),
            (
                format!("www.shop.example:443 203.0.113.7 - - {end}{more}"),
                Entry {
                    host: b"www.shop.example",
                    ..combined
                },
            ),
            (
                format!("client.isp.example - - {end}"),
                Entry {
                    address: None,
                    ..common
                },
            ),
        ] {
            assert_eq!(parse(line.as_bytes()), Ok(expected), "{line}");
        }
    }

    #[test]
    fn what_is_no_line_of_a_log_says_why() {
        for line in [
            "",
            "hello",
            r#"{"name":"view"}"#,
            r#"203.0.113.7 - [10/Oct/2000:13:55:36 -0700] "GET / HTTP/1.0" 200 1"#,
            r#"203.0.113.7 - - [10/Oct/2000] "GET / HTTP/1.0" 200 1"#,
            r"203.0.113.7 - - [10/Oct/2000:13:55:36 -0700] GET / HTTP/1.0 200 1",
            r#"203.0.113.7 - - [10/Oct/2000:13:55:36 -0700] "GET / HTTP/1.0"#,
            r#"203.0.113.7 - - [10/Oct/2000:13:55:36 -0700] "GET / HTTP/1.0" 2000 1"#,
            r#"203.0.113.7 - - [10/Oct/2000:13:55:36 -0700] "GET / HTTP/1.0" 200"#,
            r#"203.0.113.7 - - [10/Oct/2000:13:55:36 -0700] "GET / HTTP/1.0" 200 x"#,
        ] {
            assert!(parse(line.as_bytes()).is_err(), "{line}");
        }
    }

    #[test]
    fn escapes_are_undone() {
        let mut text = Vec::new();
        unescape(br#"a\x22b\"c\\d\ne\q\x4"#, &mut text);
        assert_eq!(text, b"a\"b\"c\\d\ne\\q\\x4");
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_or_refused(line in prop::collection::vec(any::<u8>(), 0..300), cut in 0..200_usize) {
            let _ = parse(&line);
            let good = br#"203.0.113.7 - - [10/Oct/2000:13:55:36 -0700] "GET / HTTP/1.0" 200 1 "a" "b""#;
            let mut mixed = good[..cut.min(good.len())].to_vec();
            mixed.extend(line);
            let _ = parse(&mixed);
            unescape(&mixed, &mut Vec::new());
        }
    }
}
