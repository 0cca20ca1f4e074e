//! The events of a batch, found without reading them.
//!
//! JSON is read whole, so one text that is no Unicode would cost all events beside it. Only when that has happened is a
//! batch taken apart here, and each event then read by itself.

use std::ops::Range;

/// Where the parts of a batch stand in its bytes.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Elements {
    /// The events.
    pub events: Vec<Range<usize>>,
    /// The array of them, if it stands in an object.
    pub list: Option<Range<usize>>,
}

impl Elements {
    /// Takes a batch apart: an array, or an object with an array called `events`. What the events hold may be anything;
    /// `None` if what is around them is no batch. Looks at no more than `most` events and one.
    pub fn find(text: &[u8], most: usize) -> Option<Self> {
        let mut cursor = Cursor { text, at: 0 };
        let mut found = Self::default();
        match cursor.next()? {
            b'[' => found.events = cursor.elements(most)?,
            b'{' => found.take_members(&mut cursor, most)?,
            _ => return None,
        }
        (found.events.len() > most || cursor.next().is_none()).then_some(found)
    }

    /// The object around the events, without them; `None` if there is none.
    pub fn without_events(&self, text: &[u8]) -> Option<Vec<u8>> {
        let list = self.list.as_ref()?;
        Some([text.get(..list.start)?, b"[]", text.get(list.end..)?].concat())
    }

    fn take_members(&mut self, cursor: &mut Cursor<'_>, most: usize) -> Option<()> {
        loop {
            let key = cursor.value()?;
            let key = cursor.text.get(key)?.trim_ascii_end();
            if cursor.next()? != b':' {
                return None;
            }
            if key == br#""events""# {
                if self.list.is_some() || cursor.next()? != b'[' {
                    return None;
                }
                let start = cursor.at - 1;
                self.events = cursor.elements(most)?;
                self.list = Some(start..cursor.at);
                if self.events.len() > most {
                    return Some(());
                }
            } else {
                cursor.value()?;
            }
            match cursor.next()? {
                b',' => {}
                b'}' => return self.list.is_some().then_some(()),
                _ => return None,
            }
        }
    }
}

/// A place in a text.
struct Cursor<'t> {
    text: &'t [u8],
    at: usize,
}

impl Cursor<'_> {
    /// The next byte that is no space; the place is behind it then.
    fn next(&mut self) -> Option<u8> {
        let byte = self.peek()?;
        self.at += 1;
        Some(byte)
    }

    fn peek(&mut self) -> Option<u8> {
        let spaces = self.rest().iter().take_while(|byte| b" \t\r\n".contains(byte)).count();
        self.at += spaces;
        self.rest().first().copied()
    }

    fn rest(&self) -> &[u8] {
        self.text.get(self.at..).unwrap_or_default()
    }

    /// The elements of an array whose bracket has been read.
    fn elements(&mut self, most: usize) -> Option<Vec<Range<usize>>> {
        let mut found = Vec::new();
        if self.peek()? == b']' {
            self.at += 1;
            return Some(found);
        }
        loop {
            found.push(self.value()?);
            if found.len() > most {
                return Some(found);
            }
            match self.next()? {
                b',' => {}
                b']' => return Some(found),
                _ => return None,
            }
        }
    }

    /// Passes a value, whatever it is, up to the comma, the colon or the bracket that stands behind it.
    fn value(&mut self) -> Option<Range<usize>> {
        self.peek()?;
        let start = self.at;
        let mut depth = 0_usize;
        loop {
            match self.rest().first()? {
                b'"' => {
                    self.pass_text()?;
                    continue;
                }
                b'[' | b'{' => depth += 1,
                b',' | b':' | b']' | b'}' if depth == 0 => break,
                b']' | b'}' => depth -= 1,
                _ => {}
            }
            self.at += 1;
        }
        (self.at > start).then_some(start..self.at)
    }

    fn pass_text(&mut self) -> Option<()> {
        let mut bytes = self.rest().iter().enumerate().skip(1);
        while let Some((place, byte)) = bytes.next() {
            match byte {
                b'\\' => drop(bytes.next()),
                b'"' => {
                    self.at += place + 1;
                    return Some(());
                }
                _ => {}
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(text: &str) -> Option<(Vec<&str>, Option<String>)> {
        let found = Elements::find(text.as_bytes(), 5)?;
        let around = found.without_events(text.as_bytes());
        let part = |range: Range<usize>| text[range].trim();
        let around = around.map(|around| String::from_utf8(around).unwrap());
        Some((found.events.into_iter().map(part).collect(), around))
    }

    #[test]
    fn events_of_a_batch_are_found_whatever_they_hold() {
        assert_eq!(found(" [ ] "), Some((vec![], None)));
        let (first, second) = (r#"{"a":"]}\"\\"}"#, r#"[1,{"b":["}"],"c":{}}]"#);
        assert_eq!(
            found(&format!("[{first} , {second},01 ,\"x\"\n]\r\n")),
            Some((vec![first, second, "01", "\"x\""], None))
        );
        assert_eq!(
            found(r#"{"sent_at" : "1,2","x":{"events":[7]},"events":[ {"a":1}, nul ],"y":"z"}"#),
            Some((
                vec![r#"{"a":1}"#, "nul"],
                Some(r#"{"sent_at" : "1,2","x":{"events":[7]},"events":[],"y":"z"}"#.into())
            ))
        );
    }

    #[test]
    fn more_events_than_there_may_be_are_found_as_one_more() {
        for text in ["[1,2,3,4,5,6", r#"{"events":[1,2,3,4,5,6"#] {
            assert_eq!(
                Elements::find(text.as_bytes(), 3).map(|found| found.events.len()),
                Some(4)
            );
        }
    }

    #[test]
    fn what_is_no_batch_is_not_taken_apart() {
        for text in [
            "",
            "7",
            "{}",
            "[",
            "[1",
            "[1,",
            "[1,]",
            "[,1]",
            "[1]]",
            "[1] x",
            "[\"a]",
            "[\"a\\\"]",
            "[{]",
            "{,}",
            r#"{"a":1}"#,
            r#"{"events":7}"#,
            r#"{"events":[1]"#,
            r#"{"events":[1],}"#,
            r#"{"events":[1],"events":[2]}"#,
        ] {
            assert_eq!(found(text), None, "{text}");
        }
    }
}
