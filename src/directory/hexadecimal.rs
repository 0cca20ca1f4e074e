//! Ids and digests as people and databases see them: two digits a byte.

use std::fmt::Write as _;

pub(super) fn write(bytes: &[u8]) -> String {
    bytes
        .iter()
        .fold(String::with_capacity(2 * bytes.len()), |mut text, byte| {
            // Writing to a string cannot fail.
            let _ = write!(text, "{byte:02x}");
            text
        })
}

/// Exactly `N` bytes, in digits of any case.
pub(super) fn read<const N: usize>(text: &str) -> Option<[u8; N]> {
    let digit = |byte: &u8| {
        char::from(*byte)
            .to_digit(16)
            .and_then(|digit| u8::try_from(digit).ok())
    };
    let (pairs, []) = text.as_bytes().as_chunks::<2>() else {
        return None;
    };
    let bytes: Option<Vec<u8>> = pairs
        .iter()
        .map(|[high, low]| Some(digit(high)? << 4 | digit(low)?))
        .collect();
    bytes?.try_into().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_written_is_read_back_and_nothing_else_is_read() {
        let bytes = [0x00, 0x7f, 0xff, 0x1a];
        assert_eq!(write(&bytes), "007fff1a");
        assert_eq!(read(&write(&bytes)), Some(bytes));
        assert_eq!(read("007FFF1A"), Some(bytes));
        for text in [
            "",
            "007fff1",
            "007fff1a0",
            "007fff1a00",
            "+07fff1a",
            "007fff1g",
            "00é7f1a",
        ] {
            assert_eq!(read::<4>(text), None, "{text}");
        }
    }
}
