//! How many points each kind of event is worth: a YAML file, taken up when it changes.

use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use arc_swap::ArcSwap;
use serde::Deserialize;

use crate::config::PointsConfig;

/// The rates of a gateway that has no file.
const SHIPPED: &str = include_str!("../../points.yaml");
/// Largest file.
const FILE_BYTES_MAX: u64 = 1 << 20;
/// Most kinds of events.
const KINDS_MAX: usize = 1_000;
/// Longest name of a kind, in bytes: that of an event.
const NAME_BYTES_MAX: usize = 128;
/// Longest description, in characters.
const DESCRIPTION_MAX: usize = 500;
/// Most points of an event, so that sums stay exact.
const POINT_MAX: f64 = 1e6;

/// Why a file with rates is refused.
#[derive(Debug, thiserror::Error)]
pub enum RatesError {
    /// It cannot be read.
    #[error("{path} cannot be read: {source}")]
    Read {
        /// The file.
        path: PathBuf,
        /// What went wrong.
        source: io::Error,
    },
    /// What is in it cannot be used.
    #[error("{path}: {why}")]
    Wrong {
        /// The file.
        path: PathBuf,
        /// What is wrong, and where.
        why: String,
    },
}

/// How many points each kind of event is worth, in the order of the file.
#[derive(Debug, Clone, PartialEq)]
pub struct Rates {
    kinds: Vec<(Box<str>, f64)>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    events: Vec<WrittenKind>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WrittenKind {
    name: String,
    description: Option<String>,
    point: f64,
}

impl Default for Rates {
    fn default() -> Self {
        // A test reads what is shipped.
        Self::parse(SHIPPED).unwrap_or(Self { kinds: Vec::new() })
    }
}

impl Rates {
    /// Reads YAML.
    ///
    /// # Errors
    /// What is wrong with it, and where.
    pub fn parse(text: &str) -> Result<Self, String> {
        let written: Written = serde_saphyr::from_str(text).map_err(|error| error.to_string())?;
        if written.events.is_empty() || written.events.len() > KINDS_MAX {
            return Err(format!("`events` must have 1 to {KINDS_MAX} entries"));
        }
        let mut kinds: Vec<(Box<str>, f64)> = Vec::with_capacity(written.events.len());
        for (place, kind) in written.events.into_iter().enumerate() {
            kind.check().map_err(|why| format!("events[{place}]{why}"))?;
            if kinds.iter().any(|(name, _)| **name == *kind.name) {
                return Err(format!("events[{place}].name {:?} is there before", kind.name));
            }
            kinds.push((kind.name.into(), kind.point));
        }
        Ok(Self { kinds })
    }

    /// Whether events of a kind are taken.
    pub fn has(&self, kind: &str) -> bool {
        self.names().any(|name| name == kind)
    }

    /// The kinds that are taken, in the order of the file.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.kinds.iter().map(|(name, _)| name.as_ref())
    }

    /// What so many events of a kind are worth; those of a kind that has no rate any more nothing.
    #[expect(clippy::cast_precision_loss, reason = "counts stay below 2^53")]
    pub fn points(&self, kind: &str, events: u64) -> f64 {
        let rate = self.kinds.iter().find(|(name, _)| **name == *kind);
        rate.map_or(0.0, |(_, rate)| rate * events as f64)
    }
}

impl WrittenKind {
    fn check(&self) -> Result<(), String> {
        let is_name = |byte: u8| byte >= b' ' && byte != 0x7f && byte != b':';
        if self.name.is_empty() || self.name.len() > NAME_BYTES_MAX || !self.name.bytes().all(is_name) {
            return Err(format!(
                ".name must have 1 to {NAME_BYTES_MAX} bytes, without colons and control characters"
            ));
        }
        let description = self.description.as_deref().unwrap_or_default();
        if description.chars().count() > DESCRIPTION_MAX {
            return Err(format!(".description must have at most {DESCRIPTION_MAX} characters"));
        }
        if !(self.point > 0.0 && self.point <= POINT_MAX) {
            return Err(format!(".point must be above 0 and at most {POINT_MAX}"));
        }
        Ok(())
    }
}

/// What tells one version of a file from another.
type FileMark = (u64, u64, u64, i64, i64);

/// The rates in use: read by all, replaced when their file is.
#[derive(Debug)]
pub struct RatesWatch {
    path: Option<PathBuf>,
    current: ArcSwap<Rates>,
    /// The file of the last look; `None` if it was not there.
    last: Mutex<Option<FileMark>>,
}

impl RatesWatch {
    /// Reads the configured file, or takes the rates that are shipped.
    ///
    /// # Errors
    /// The file cannot be used.
    pub fn open(config: &PointsConfig) -> Result<Self, RatesError> {
        let (mark, rates) = match &config.path {
            Some(path) => load(path).map(|(mark, rates)| (Some(mark), rates))?,
            None => (None, Rates::default()),
        };
        Ok(Self {
            path: config.path.clone(),
            current: ArcSwap::from_pointee(rates),
            last: Mutex::new(mark),
        })
    }

    /// The rates of the moment.
    pub fn rates(&self) -> Arc<Rates> {
        self.current.load_full()
    }

    /// Looks at the file, and takes it up if it has changed; one that cannot be used is refused, and what was in use
    /// stays. Reads the file: to be called from a thread that serves nobody.
    pub fn refresh(&self) {
        let Some(path) = &self.path else { return };
        let mark = std::fs::metadata(path).ok().map(|metadata| mark_of(&metadata));
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        if *last == mark {
            return;
        }
        *last = mark;
        match load(path) {
            Ok((mark, rates)) => {
                *last = Some(mark);
                let kinds: Vec<&str> = rates.names().collect();
                tracing::info!(path = %path.display(), ?kinds, "the points of events have changed");
                self.current.store(Arc::new(rates));
            }
            Err(error) => tracing::error!("the new points of events are refused, the old ones stay: {error}"),
        }
    }
}

fn load(path: &Path) -> Result<(FileMark, Rates), RatesError> {
    let wrong = |why: String| RatesError::Wrong { path: path.into(), why };
    let (mark, text) = read(path).map_err(|source| RatesError::Read {
        path: path.into(),
        source,
    })?;
    let text = text.ok_or_else(|| wrong(format!("it is no file of at most {FILE_BYTES_MAX} bytes")))?;
    Ok((mark, Rates::parse(&text).map_err(wrong)?))
}

/// The file's mark, and its text unless it is something else or too large. The mark is taken before the bytes: if these
/// change meanwhile, the next look finds another mark.
fn read(path: &Path) -> io::Result<(FileMark, Option<String>)> {
    // Asked before opening, since opening a pipe would wait for its writer.
    let metadata = std::fs::metadata(path)?;
    if !metadata.is_file() || metadata.len() > FILE_BYTES_MAX {
        return Ok((mark_of(&metadata), None));
    }
    let file = File::open(path)?;
    let mark = mark_of(&file.metadata()?);
    let mut text = String::new();
    file.take(FILE_BYTES_MAX).read_to_string(&mut text)?;
    Ok((mark, Some(text)))
}

fn mark_of(metadata: &std::fs::Metadata) -> FileMark {
    (
        metadata.dev(),
        metadata.ino(),
        metadata.len(),
        metadata.mtime(),
        metadata.mtime_nsec(),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_shipped_is_what_the_dialect_knows() {
        let rates = Rates::default();
        assert_eq!(rates.names().collect::<Vec<_>>(), ["LOGIN", "PURCHASE", "REFERRAL"]);
        let points = ["LOGIN", "PURCHASE", "REFERRAL", "OTHER"].map(|kind| rates.points(kind, 3).to_string());
        assert_eq!(points, ["3", "30", "60", "0"]);
    }

    #[test]
    fn a_file_that_cannot_be_used_says_what_is_wrong_and_where() {
        let long = format!("events: [{{name: A, point: 1, description: {}}}]", "x".repeat(501));
        for (text, what) in [
            ("", "end of input"),
            ("events: []", "1 to 1000"),
            ("events: [{name: A}]", "point"),
            ("events: [{name: A, point: 0}]", "events[0].point"),
            ("events: [{name: A, point: -1}]", "events[0].point"),
            ("events: [{name: A, point: .nan}]", "events[0].point"),
            ("events: [{name: A, point: .inf}]", "events[0].point"),
            ("events: [{name: A, point: many}]", "many"),
            ("events: [{name: '', point: 1}]", "events[0].name"),
            ("events: [{name: 'A:B', point: 1}]", "events[0].name"),
            ("events: [{name: A, point: 1}, {name: A, point: 2}]", "events[1].name"),
            ("events: [{name: A, point: 1, points: 2}]", "points"),
            ("event: []", "event"),
            ("events: [", ""),
            (&long, "500 characters"),
        ] {
            let why = Rates::parse(text).expect_err(text);
            assert!(why.contains(what), "{text}: {why}");
        }
    }

    #[test]
    fn points_may_be_a_part_of_one_and_descriptions_as_long_as_allowed() {
        let text = format!(
            "events:\n- name: A B\n  point: 0.5\n  description: {}\n",
            "é".repeat(500)
        );
        assert_eq!(Rates::parse(&text).unwrap().points("A B", 3).to_string(), "1.5");
    }

    #[test]
    fn a_changed_file_is_taken_up_and_a_broken_one_is_not() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("points.yaml");
        let put = |text: &str| {
            let new = folder.path().join("new");
            std::fs::write(&new, text).unwrap();
            std::fs::rename(&new, &path).unwrap();
        };
        let config = PointsConfig {
            path: Some(path.clone()),
            ..PointsConfig::default()
        };
        assert!(RatesWatch::open(&config).is_err(), "there is no file");
        put("events: [{name: A, point: 1}]");
        let watch = RatesWatch::open(&config).unwrap();
        let after = |text: &str| {
            put(text);
            watch.refresh();
            watch.rates().names().map(str::to_owned).collect::<Vec<_>>()
        };
        assert_eq!(after("events: [{name: A, point: 1}, {name: B, point: 1}]"), ["A", "B"]);
        assert_eq!(after("events: nothing"), ["A", "B"]);
        assert_eq!(after("events: [{name: C, point: 1}]"), ["C"]);
        std::fs::remove_file(&path).unwrap();
        watch.refresh();
        assert_eq!(watch.rates().names().count(), 1);
    }
}
