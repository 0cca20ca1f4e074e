//! Texts that are made without asking for memory: into buffers that are used again.

/// Appends a whole number.
pub fn number(out: &mut String, number: u64) {
    out.push_str(itoa::Buffer::new().format(number));
}

/// Appends an amount with two digits behind the point.
pub fn amount(out: &mut String, hundredths: u64) {
    number(out, hundredths / 100);
    out.push('.');
    let rest = hundredths % 100;
    if rest < 10 {
        out.push('0');
    }
    number(out, rest);
}

/// Appends the last digits of a number, hexadecimal.
pub fn hex(out: &mut String, number: u64, digits: u32) {
    for place in (0..digits).rev() {
        let digit = u32::try_from((number >> (4 * place)) & 0xf).unwrap_or(0);
        out.push(char::from_digit(digit, 16).unwrap_or('0'));
    }
}

/// Appends a UUID of a version.
pub fn uuid(out: &mut String, version: char, (high, low): (u64, u64)) {
    hex(out, high >> 32, 8);
    out.push('-');
    hex(out, high >> 16, 4);
    out.push('-');
    out.push(version);
    hex(out, high, 3);
    out.push('-');
    hex(out, ((low >> 48) & 0x3fff) | 0x8000, 4);
    out.push('-');
    hex(out, low, 12);
}

/// Appends a member of a JSON object, unless there is nothing to say. Texts made here need no escapes.
pub fn member(out: &mut Vec<u8>, key: &str, value: &str) {
    if !value.is_empty() {
        name(out, key);
        out.push(b'"');
        out.extend_from_slice(value.as_bytes());
        out.push(b'"');
    }
}

/// Appends a member whose value is JSON already, unless there is nothing to say.
pub fn raw_member(out: &mut Vec<u8>, key: &str, value: &str) {
    if !value.is_empty() {
        name(out, key);
        out.extend_from_slice(value.as_bytes());
    }
}

fn name(out: &mut Vec<u8>, key: &str) {
    out.extend_from_slice(b",\"");
    out.extend_from_slice(key.as_bytes());
    out.extend_from_slice(b"\":");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_look_as_they_should() {
        let mut out = String::new();
        amount(&mut out, 4_905);
        out.push(' ');
        amount(&mut out, 7);
        out.push(' ');
        hex(&mut out, 0xabc, 4);
        out.push(' ');
        uuid(&mut out, '4', (u64::MAX, u64::MAX));
        assert_eq!(out, "49.05 0.07 0abc ffffffff-ffff-4fff-bfff-ffffffffffff");
    }
}
