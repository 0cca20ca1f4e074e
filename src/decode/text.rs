//! Texts that clients send: what they may hold, and how long they may be.

/// An id or a name: 1 to so many bytes, no control characters.
pub fn label(text: &str, bytes_max: usize) -> Option<&str> {
    let good = (1..=bytes_max).contains(&text.len()) && !has_control(text);
    good.then_some(text)
}

/// Whether a text holds control characters.
pub fn has_control(text: &str) -> bool {
    !is_printed(text.as_bytes()) && text.chars().any(char::is_control)
}

/// Whether a text is printed ASCII, as most are. Looks at all of it without a way out, which the compiler turns into a
/// few wide instructions.
fn is_printed(text: &[u8]) -> bool {
    text.iter().fold(true, |good, byte| good & (b' '..=b'~').contains(byte))
}

/// A text of any kind but without NUL, cut to so many bytes.
pub fn prose(text: &str, bytes_max: usize) -> Option<&str> {
    (!text.as_bytes().contains(&0)).then(|| cut(text, bytes_max))
}

/// The text up to so many bytes, without half a character at its end.
pub fn cut(text: &str, bytes_max: usize) -> &str {
    text.get(..text.floor_char_boundary(bytes_max)).unwrap_or_default()
}

/// Width and height: `1920x1080`.
pub fn screen(text: &str) -> Option<(u16, u16)> {
    let (width, height) = text.split_once('x')?;
    let number = |digits: &str| {
        let good = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
        digits.parse().ok().filter(|_| good)
    };
    Some((number(width)?, number(height)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_are_short_and_hold_no_control_characters() {
        assert_eq!(label("πώληση", 12), Some("πώληση"));
        for bad in ["", "πώλησης", "a\nb", "a\0", "\u{85}", "\u{7f}"] {
            assert_eq!(label(bad, 12), None, "{bad:?}");
        }
    }

    #[test]
    fn prose_is_cut_between_characters() {
        assert_eq!(prose("aπώ", 4), Some("aπ"));
        assert_eq!(prose("line\nline", 100), Some("line\nline"));
        assert_eq!(prose("a\0b", 100), None);
    }

    #[test]
    fn screens_are_two_numbers_of_16_bits() {
        assert_eq!(screen("1920x1080"), Some((1_920, 1_080)));
        for bad in ["", "1920", "1920x", "x1080", "1920x65536", "+1x1", "1x1x1", "1920X1080"] {
            assert_eq!(screen(bad), None, "{bad}");
        }
    }
}
