//! Reading an answer: its status and where it ends, nothing else.

/// One complete answer at the start of a buffer.
#[derive(Debug, PartialEq)]
pub struct Answer {
    /// The status code.
    pub status: u16,
    /// Head and body, in bytes.
    pub length: usize,
}

impl Answer {
    /// The answer that `bytes` begins with, if it has come in full. Bodies without `content-length` are taken as empty:
    /// the servers measured here name the length of every body, and a chunked one would show as a broken connection.
    pub fn parse(bytes: &[u8]) -> Option<Self> {
        let status = bytes
            .get(9..12)?
            .iter()
            .fold(0, |code, digit| code * 10 + u16::from(digit.wrapping_sub(b'0')));
        let mut body = 0;
        let mut at = 0;
        loop {
            let rest = bytes.get(at..)?;
            let end = rest.iter().position(|byte| *byte == b'\n')?;
            let line = &rest[..end];
            at += end + 1;
            if line.len() <= 1 {
                break;
            }
            if let Some(value) = content_length(line) {
                body = value;
            }
        }
        let length = at + body;
        (bytes.len() >= length).then_some(Self { status, length })
    }
}

fn content_length(line: &[u8]) -> Option<usize> {
    const NAME: &[u8] = b"content-length:";
    let (name, value) = line.split_at_checked(NAME.len())?;
    if !name.eq_ignore_ascii_case(NAME) {
        return None;
    }
    std::str::from_utf8(value).ok()?.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_ends_where_its_content_length_says() {
        let bytes = b"HTTP/1.1 201 Created\r\nContent-Length: 3\r\nx-a: b\r\n\r\nabcHTTP/1.1 ";
        let length = bytes.len() - "HTTP/1.1 ".len();
        assert_eq!(Answer::parse(bytes), Some(Answer { status: 201, length }));
    }

    #[test]
    fn an_answer_without_a_body_ends_with_its_head() {
        let bytes = b"HTTP/1.1 204 No Content\r\n\r\n";
        assert_eq!(
            Answer::parse(bytes),
            Some(Answer {
                status: 204,
                length: bytes.len()
            })
        );
    }

    #[test]
    fn a_torn_answer_is_waited_for() {
        let bytes = b"HTTP/1.1 201 Created\r\ncontent-length: 3\r\n\r\nabc";
        for end in 0..bytes.len() {
            assert_eq!(Answer::parse(&bytes[..end]), None, "cut at {end}");
        }
    }
}
