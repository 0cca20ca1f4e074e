//! The store's note about itself: one small file that is replaced whole.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::{self, Write};
use std::path::Path;

use super::month::Month;
use crate::event::Sequence;

/// First line of the file, with its version.
const TITLE: &str = "footfall store 1";
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
    /// Reads the file; `None` if there is none. A file that says anything else is [`io::ErrorKind::InvalidData`].
    pub fn read(folder: &Path) -> io::Result<Option<Self>> {
        match std::fs::read(folder.join(FILE)) {
            Ok(bytes) => parse(&bytes).map(Some).ok_or_else(|| io::ErrorKind::InvalidData.into()),
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

fn parse(bytes: &[u8]) -> Option<State> {
    let text = str::from_utf8(bytes).ok()?;
    let (text, sum) = text.strip_suffix('\n')?.rsplit_once("crc32c ")?;
    if u32::from_str_radix(sum, 16).ok()? != crc32c::crc32c(text.as_bytes()) {
        return None;
    }
    let mut lines = text.lines();
    if lines.next()? != TITLE {
        return None;
    }
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
        let whole = state().render().into_bytes();
        assert_eq!(parse(&whole), Some(state()));
        for place in 0..whole.len() {
            assert_eq!(parse(&whole[..place]), None, "cut at {place}");
            let mut flipped = whole.clone();
            flipped[place] ^= 1;
            assert_ne!(parse(&flipped), Some(State::default()), "flipped at {place}");
            assert!(
                parse(&flipped).is_none_or(|parsed| parsed == state()),
                "flipped at {place}"
            );
        }
    }
}
