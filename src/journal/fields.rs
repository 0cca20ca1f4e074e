//! Numbered fields, the inside of a payload.
//!
//! The wire format is that of Protocol Buffers (encoding guide at protobuf.dev), of which two wire types are used:
//! 0 (varint) and 2 (length and bytes). Readers skip numbers they do not know, so later versions can add fields.

/// The value of one field.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Value<'a> {
    /// Wire type 0.
    Number(u64),
    /// Wire type 2.
    Bytes(&'a [u8]),
}

/// Appends a varint: seven bits a byte, lowest first.
pub fn put_varint(into: &mut Vec<u8>, mut number: u64) {
    while number >= 0x80 {
        into.push(number.to_le_bytes()[0] | 0x80);
        number >>= 7;
    }
    into.push(number.to_le_bytes()[0]);
}

/// Appends a number field.
pub fn put_number(into: &mut Vec<u8>, field: u32, number: u64) {
    put_varint(into, u64::from(field) << 3);
    put_varint(into, number);
}

/// Appends a bytes field.
pub fn put_bytes(into: &mut Vec<u8>, field: u32, bytes: &[u8]) {
    put_varint(into, u64::from(field) << 3 | 2);
    put_varint(into, bytes.len() as u64);
    into.extend_from_slice(bytes);
}

/// Takes a varint off the front; `None` if it is cut or longer than 64 bits.
pub fn take_varint(bytes: &mut &[u8]) -> Option<u64> {
    let mut number = 0u64;
    for shift in (0..64).step_by(7) {
        let (&byte, rest) = bytes.split_first()?;
        *bytes = rest;
        number |= u64::from(byte & 0x7f).checked_shl(shift)?;
        if byte < 0x80 {
            return Some(number);
        }
    }
    None
}

/// The fields of a payload in their order; ends early at the first malformed one.
#[derive(Debug, Clone)]
pub struct Fields<'a>(pub &'a [u8]);

impl<'a> Iterator for Fields<'a> {
    type Item = (u32, Value<'a>);

    fn next(&mut self) -> Option<Self::Item> {
        let key = take_varint(&mut self.0)?;
        let field = u32::try_from(key >> 3).ok()?;
        match key & 7 {
            0 => Some((field, Value::Number(take_varint(&mut self.0)?))),
            2 => {
                let length = usize::try_from(take_varint(&mut self.0)?).ok()?;
                let (bytes, rest) = self.0.split_at_checked(length)?;
                self.0 = rest;
                Some((field, Value::Bytes(bytes)))
            }
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn fields_read_back_as_they_were_written(number in any::<u64>(), bytes in proptest::collection::vec(any::<u8>(), 0..50)) {
            let mut payload = Vec::new();
            put_number(&mut payload, 3, number);
            put_bytes(&mut payload, 900, &bytes);
            let read: Vec<_> = Fields(&payload).collect();
            prop_assert_eq!(read, vec![(3, Value::Number(number)), (900, Value::Bytes(&bytes))]);
        }

        #[test]
        fn random_bytes_end_and_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            prop_assert!(Fields(&bytes).count() <= bytes.len());
        }
    }
}
