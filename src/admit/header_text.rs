//! A header's value, short enough to be kept on the stack.

/// Longest text: room for `"ip";r=4294967295;t=4294967295` and `"ip";q=4294967295;w=4294967295`.
const BYTES_MAX: usize = 32;

/// A short text of visible ASCII.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HeaderText {
    bytes: [u8; BYTES_MAX],
    length: usize,
}

impl HeaderText {
    pub(super) const EMPTY: Self = Self {
        bytes: [0; BYTES_MAX],
        length: 0,
    };

    /// A decimal number, as `Retry-After` and the legacy `RateLimit-` headers carry it.
    pub fn decimal(number: u32) -> Self {
        Self::EMPTY.number(number)
    }

    /// The text, ready to be a header's value.
    pub fn as_bytes(&self) -> &[u8] {
        self.bytes.get(..self.length).unwrap_or_default()
    }

    /// With more text; what does not fit is left out, so callers stay below [`BYTES_MAX`].
    pub(super) fn text(mut self, more: &str) -> Self {
        let end = self.length + more.len();
        debug_assert!(end <= BYTES_MAX, "a header text is too long");
        if let Some(place) = self.bytes.get_mut(self.length..end) {
            place.copy_from_slice(more.as_bytes());
            self.length = end;
        }
        self
    }

    /// With a decimal number.
    pub(super) fn number(self, number: u32) -> Self {
        self.text(itoa::Buffer::new().format(number))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_decimal() {
        assert_eq!(HeaderText::decimal(0).as_bytes(), b"0");
        assert_eq!(HeaderText::decimal(u32::MAX).as_bytes(), b"4294967295");
    }
}
