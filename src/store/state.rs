//! The store's note about itself: one small file that is replaced whole.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::{self, Write};
use std::path::Path;

use super::month::Month;
use crate::event::Sequence;

/// First line of the file: the version of the store, which its columns belong to.
const TITLE: &str = "footfall store 3";
/// What the first line of every version begins with.
const ANY_TITLE: &str = "footfall store ";
const FILE: &str = "state";
const FILE_NEW: &str = "state.new";

/// How far the store is, and what belongs to it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct State {
    /// Everything up to here is in the indexes, or was dropped with its month.
    pub cursor: Sequence,
    /// The first month that is kept; earlier ones were dropped.
    pub first: Option<Month>,
    /// The months that have an index.
    pub months: BTreeSet<Month>,
    /// Why events may lack that were counted.
    pub lacks: BTreeSet<Lack>,
}

/// Why the store may have less than was counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Lack {
    /// It was begun, or switched on again, when frames were gone from the journal.
    Start,
    /// Months were dropped, or events came for them, since they are older than events are kept.
    Retention,
    /// Events were erased.
    Erasure,
    /// A part was damaged or gone; what the journal did not have any more is lost.
    Damage,
}

impl Lack {
    /// Every reason.
    pub const ALL: [Self; 4] = [Self::Start, Self::Retention, Self::Erasure, Self::Damage];

    /// The word for it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Start => "start",
            Self::Retention => "retention",
            Self::Erasure => "erasure",
            Self::Damage => "damage",
        }
    }
}

impl State {
    /// Reads the file; `None` if there is none. One of another version is [`io::ErrorKind::Unsupported`], and one that says
    /// anything else [`io::ErrorKind::InvalidData`].
    pub fn read(folder: &Path) -> io::Result<Option<Self>> {
        match std::fs::read(folder.join(FILE)) {
            Ok(bytes) => match whole(&bytes).map(|text| (text, parse(text))) {
                Some((_, Some(state))) => Ok(Some(state)),
                Some((text, None)) if text.starts_with(ANY_TITLE) && !is_ours(text) => {
                    let what = "the event store is of another version; this one neither reads nor changes it";
                    Err(io::Error::new(io::ErrorKind::Unsupported, what))
                }
                _ => Err(io::ErrorKind::InvalidData.into()),
            },
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Replaces the file, durably.
    pub fn write(&self, folder: &Path) -> io::Result<()> {
        let new = folder.join(FILE_NEW);
        let mut file = File::create(&new)?;
        file.write_all(self.render().as_bytes())?;
        file.sync_all()?;
        std::fs::rename(&new, folder.join(FILE))?;
        File::open(folder)?.sync_all()
    }

    fn render(&self) -> String {
        let months: Vec<String> = self.months.iter().map(Month::to_string).collect();
        let first = self.first.map(|first| first.to_string()).unwrap_or_default();
        let lacks: Vec<&str> = self.lacks.iter().map(|lack| lack.name()).collect();
        let text = format!(
            "{TITLE}\ncursor {}\nfirst {first}\nmonths {}\nlacks {}\n",
            self.cursor,
            months.join(" "),
            lacks.join(" ")
        );
        let sum = crc32c::crc32c(text.as_bytes());
        format!("{text}crc32c {sum:08x}\n")
    }
}

/// What stands above the sum, if that is right.
fn whole(bytes: &[u8]) -> Option<&str> {
    let text = str::from_utf8(bytes).ok()?;
    let (text, sum) = text.strip_suffix('\n')?.rsplit_once("crc32c ")?;
    let is_right = u32::from_str_radix(sum, 16).ok()? == crc32c::crc32c(text.as_bytes());
    is_right.then_some(text)
}

fn is_ours(text: &str) -> bool {
    text.lines().next() == Some(TITLE)
}

fn parse(text: &str) -> Option<State> {
    if !is_ours(text) {
        return None;
    }
    let mut lines = text.lines().skip(1);
    let cursor = lines.next()?.strip_prefix("cursor ")?.parse().ok()?;
    let first = match lines.next()?.strip_prefix("first ")? {
        "" => None,
        month => Some(Month::parse(month)?),
    };
    let months = lines.next()?.strip_prefix("months ")?.split_whitespace();
    let lacks = lines.next()?.strip_prefix("lacks ")?.split_whitespace();
    let lack = |word: &str| Lack::ALL.into_iter().find(|lack| lack.name() == word);
    Some(State {
        cursor: Sequence(cursor),
        first,
        months: months.map(Month::parse).collect::<Option<_>>()?,
        lacks: lacks.map(lack).collect::<Option<_>>()?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn state() -> State {
        State {
            cursor: Sequence(77),
            first: Month::parse("2026-09"),
            months: ["2026-10", "2026-11"].into_iter().filter_map(Month::parse).collect(),
            lacks: [Lack::Retention, Lack::Damage].into(),
        }
    }

    #[test]
    fn a_state_reads_back() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(State::read(folder.path()).unwrap(), None);
        for state in [state(), State::default()] {
            state.write(folder.path()).unwrap();
            assert_eq!(State::read(folder.path()).unwrap(), Some(state));
        }
    }

    #[test]
    fn any_flipped_bit_and_any_cut_is_noticed() {
        let bytes = state().render().into_bytes();
        let read = |bytes: &[u8]| whole(bytes).and_then(parse);
        assert_eq!(read(&bytes), Some(state()));
        for place in 0..bytes.len() {
            assert_eq!(read(&bytes[..place]), None, "cut at {place}");
            let mut flipped = bytes.clone();
            flipped[place] ^= 1;
            assert_ne!(read(&flipped), Some(State::default()), "flipped at {place}");
            assert!(
                read(&flipped).is_none_or(|parsed| parsed == state()),
                "flipped at {place}"
            );
        }
    }

    #[test]
    fn a_note_of_another_version_is_refused_and_not_taken_for_a_damaged_one() {
        let folder = tempfile::tempdir().unwrap();
        let text = "footfall store 2\nwhatever that one says\n";
        let of = |sum: u32| format!("{text}crc32c {sum:08x}\n");
        let sum = crc32c::crc32c(text.as_bytes());
        for (bytes, kind) in [
            (of(sum), io::ErrorKind::Unsupported),
            (of(!sum), io::ErrorKind::InvalidData),
        ] {
            std::fs::write(folder.path().join(FILE), bytes).unwrap();
            assert_eq!(State::read(folder.path()).unwrap_err().kind(), kind);
        }
    }
}
