//! What the limiter decided, and what the client is told about it.

use super::header_text::HeaderText;

/// A decision about one request of one address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Verdict {
    /// Requests that the address may make at once from now on.
    pub remaining: u32,
    /// Seconds until the whole allowance is back if no request comes meanwhile; rounded up, at most one refill late.
    pub reset_seconds: u32,
    /// Set if the request is refused: seconds, at least one, until the next one can be admitted.
    pub retry_after_seconds: Option<u32>,
}

impl Verdict {
    /// Whether the request may go on.
    pub const fn is_admitted(&self) -> bool {
        self.retry_after_seconds.is_none()
    }

    /// The value of `RateLimit`, such as `"ip";r=42;t=18`.
    pub fn rate_limit(&self) -> HeaderText {
        HeaderText::EMPTY
            .text("\"ip\";r=")
            .number(self.remaining)
            .text(";t=")
            .number(self.reset_seconds)
    }
}

#[cfg(test)]
mod tests {
    use sfv::{BareItem, List, ListEntry, Parser};

    use super::*;

    fn verdict(remaining: u32, reset_seconds: u32) -> Verdict {
        Verdict {
            remaining,
            reset_seconds,
            retry_after_seconds: None,
        }
    }

    #[test]
    fn rate_limit_reads_as_documented() {
        assert_eq!(verdict(42, 18).rate_limit().as_bytes(), br#""ip";r=42;t=18"#);
    }

    #[test]
    fn the_longest_rate_limit_is_whole() {
        let text = verdict(u32::MAX, u32::MAX).rate_limit();
        assert_eq!(text.as_bytes(), br#""ip";r=4294967295;t=4294967295"#);
    }

    #[test]
    fn rate_limit_is_a_structured_field() {
        let text = verdict(42, 18).rate_limit();
        let list: List = Parser::new(text.as_bytes()).parse().unwrap();
        let [ListEntry::Item(item)] = list.as_slice() else {
            panic!("one item expected, got {list:?}")
        };
        assert_eq!(item.bare_item.as_string().map(sfv::StringRef::as_str), Some("ip"));
        let number = |key: &str| item.params.get(key).and_then(BareItem::as_integer).map(i64::from);
        assert_eq!((number("r"), number("t")), (Some(42), Some(18)));
    }
}
