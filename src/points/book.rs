//! The claims of a data directory, for all threads: the applier claims, others look.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::file::{File, PointsError, Row};
use super::{Claim, PENDING_MAX, Question, Rates, Standings};
use crate::event::Sequence;

/// The claims of a data directory. Its file is born with the first claim.
#[derive(Debug)]
pub struct Points {
    path: PathBuf,
    writing: Mutex<Writing>,
    reading: Mutex<Option<File>>,
    /// Something was committed since the last sync.
    dirty: AtomicBool,
}

#[derive(Debug, Default)]
struct Writing {
    file: Option<File>,
    /// Within a transaction.
    begun: bool,
    /// The new claims of the transaction, or of one that failed: they are decided, and go into the next.
    pending: Vec<Owned>,
}

#[derive(Debug)]
struct Owned {
    user: Box<str>,
    timestamp: u64,
    kind: Box<str>,
    sequence: Sequence,
}

impl Owned {
    fn claim(&self) -> Claim<'_> {
        Claim {
            user: &self.user,
            timestamp: self.timestamp,
            kind: &self.kind,
            sequence: self.sequence,
        }
    }
}

impl Writing {
    /// The file, within a transaction that has everything that is decided.
    fn begin(&mut self, path: &Path) -> Result<&File, PointsError> {
        let file = match self.file.take() {
            Some(file) => file,
            None => File::open(path)?,
        };
        let file = self.file.insert(file);
        if !self.begun {
            file.begin()?;
            for claim in &self.pending {
                file.claim(claim.claim()).inspect_err(|_| file.roll_back())?;
            }
            self.begun = true;
        }
        Ok(file)
    }

    /// A step of the transaction failed, which takes the others with it; what they decided is still pending.
    fn give_up(&mut self) {
        self.begun = false;
        if let Some(file) = &self.file {
            file.roll_back();
        }
    }
}

impl Points {
    /// The claims that are, or will be, in a file.
    pub fn new(path: PathBuf) -> Self {
        Self {
            path,
            writing: Mutex::default(),
            reading: Mutex::default(),
            dirty: AtomicBool::new(false),
        }
    }

    /// Claims; whether the frame is the first for user and time. Not in the file before [`Points::commit`].
    ///
    /// # Errors
    /// The file takes no writes, and nothing is decided.
    pub fn claim(&self, claim: Claim<'_>) -> Result<bool, PointsError> {
        let mut writing = self.writing();
        let claimed = writing.begin(&self.path).and_then(|file| file.claim(claim));
        match claimed {
            Ok(true) => writing.pending.push(Owned {
                user: claim.user.into(),
                timestamp: claim.timestamp,
                kind: claim.kind.into(),
                sequence: claim.sequence,
            }),
            Ok(false) => {}
            Err(_) => writing.give_up(),
        }
        if writing.pending.len() >= PENDING_MAX {
            self.commit_in(&mut writing)?;
        }
        claimed
    }

    /// Puts into the file what was claimed: everybody sees it, and a crash of the process takes nothing of it back.
    ///
    /// # Errors
    /// The file takes no writes; what is decided stays so, and the next call tries again.
    pub fn commit(&self) -> Result<(), PointsError> {
        self.commit_in(&mut self.writing())
    }

    fn commit_in(&self, writing: &mut Writing) -> Result<(), PointsError> {
        if !writing.begun && writing.pending.is_empty() {
            return Ok(());
        }
        let committed = writing.begin(&self.path).and_then(File::commit);
        if committed.is_ok() {
            writing.begun = false;
            writing.pending.clear();
            self.dirty.store(true, Ordering::Release);
        } else {
            writing.give_up();
        }
        committed
    }

    /// Commits, and brings everything to the disk, if there is anything new; `cursor` is how far a lane's claims are in
    /// it.
    ///
    /// # Errors
    /// The file takes no writes.
    pub fn sync(&self, lane: [u8; 16], cursor: Sequence) -> Result<(), PointsError> {
        let mut writing = self.writing();
        self.commit_in(&mut writing)?;
        if self.dirty.swap(false, Ordering::AcqRel) {
            let synced = writing.file.as_ref().map_or(Ok(()), |file| file.sync(lane, cursor));
            synced.inspect_err(|_| self.dirty.store(true, Ordering::Release))?;
        }
        Ok(())
    }

    /// The frame up to which every claim of a lane is in the file for sure.
    ///
    /// # Errors
    /// The file cannot be read.
    pub fn cursor(&self, lane: [u8; 16]) -> Result<Sequence, PointsError> {
        Ok(self.read(|file| file.cursor(lane))?.unwrap_or_default())
    }

    /// Whether a frame that was decided is the first of its user and time; one that nobody remembers is.
    ///
    /// # Errors
    /// The file cannot be read.
    pub fn is_first(&self, claim: Claim<'_>) -> Result<bool, PointsError> {
        let found = self.read(|file| file.frame_of(claim.user, claim.timestamp))?;
        Ok(found.flatten().is_none_or(|first| first == claim.sequence))
    }

    /// So many claims after a number, in their order.
    ///
    /// # Errors
    /// The file cannot be read.
    pub fn after(&self, number: u64, most: usize) -> Result<Vec<Row>, PointsError> {
        Ok(self.read(|file| file.after(number, most))?.unwrap_or_default())
    }

    /// The number of the last claim; 0 if there is none.
    ///
    /// # Errors
    /// The file cannot be read.
    pub fn last(&self) -> Result<u64, PointsError> {
        Ok(self.read(File::last)?.unwrap_or_default())
    }

    /// Users with their points, by what this directory has claimed.
    ///
    /// # Errors
    /// The file cannot be read.
    pub fn standings(&self, question: &Question, rates: &Rates) -> Result<Standings, PointsError> {
        let mut standings = Standings::new();
        let asked = (question.user.as_deref(), question.kind.as_deref());
        let look = |file: &File| {
            file.totals(asked, &mut |user, kind, total| {
                let points = rates.points(kind, total);
                match standings.last_mut() {
                    Some((last, sum)) if last.as_ref() == user => *sum += points,
                    _ => standings.push((user.into(), points)),
                }
            })
        };
        if question.user.is_some() {
            self.read(look)?;
        } else {
            // All users may be many, and others must not wait for them.
            File::look(&self.path)?.as_ref().map(look).transpose()?;
        }
        Ok(standings)
    }

    /// How many claims there are, and how many sums are not what they come to. Reads all of them.
    ///
    /// # Errors
    /// The file cannot be read.
    pub fn audit(&self) -> Result<(u64, u64), PointsError> {
        Ok(self.read(File::audit)?.unwrap_or_default())
    }

    /// Under which token Redis was last told, and up to which number.
    ///
    /// # Errors
    /// The file cannot be read.
    pub fn told_upto(&self) -> Result<Option<(String, u64)>, PointsError> {
        Ok(self.read(File::told_upto)?.flatten())
    }

    /// Notes it, and what Redis has said of claims that others had made before for another kind.
    ///
    /// # Errors
    /// The file takes no writes.
    pub fn set_told(&self, (token, upto): (&str, u64), corrected: &[(Row, Box<str>)]) -> Result<(), PointsError> {
        let mut writing = self.writing();
        let noted = writing.begin(&self.path).and_then(|file| {
            for (row, kind) in corrected {
                file.correct(row, kind)?;
            }
            file.set_told(token, upto)
        });
        if noted.is_err() {
            writing.give_up();
        }
        noted.and_then(|()| self.commit_in(&mut writing))
    }

    /// Looks into the file; `None` if there is none yet.
    fn read<T>(&self, look: impl FnOnce(&File) -> Result<T, PointsError>) -> Result<Option<T>, PointsError> {
        let mut reading = self.reading.lock().unwrap_or_else(PoisonError::into_inner);
        if reading.is_none() {
            *reading = File::look(&self.path)?;
        }
        reading.as_ref().map(look).transpose()
    }

    fn writing(&self) -> MutexGuard<'_, Writing> {
        self.writing.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn claim(user: &'static str, timestamp: u64, sequence: u64) -> Claim<'static> {
        Claim {
            user,
            timestamp,
            kind: "LOGIN",
            sequence: Sequence(sequence),
        }
    }

    fn points(folder: &tempfile::TempDir) -> Points {
        Points::new(folder.path().join("points.sqlite"))
    }

    fn all(points: &Points) -> Standings {
        points.standings(&Question::default(), &Rates::default()).unwrap()
    }

    #[test]
    fn a_user_has_each_time_once_and_from_one_frame() {
        let folder = tempfile::tempdir().unwrap();
        let book = points(&folder);
        assert_eq!(all(&book), []);
        for (user, timestamp, sequence, first) in [
            ("a", 7, 1, true),
            ("a", 7, 2, false),
            ("b", 7, 3, true),
            ("a", 8, 4, true),
            // The same frames again, as in a replay.
            ("a", 7, 1, true),
            ("a", 7, 2, false),
        ] {
            assert_eq!(
                book.claim(claim(user, timestamp, sequence)).unwrap(),
                first,
                "{sequence}"
            );
        }
        assert_eq!(all(&book), [], "nobody sees what is not committed");
        book.commit().unwrap();
        assert_eq!(all(&book), [("a".into(), 2.0), ("b".into(), 1.0)]);
        assert!(book.is_first(claim("a", 7, 1)).unwrap() && !book.is_first(claim("a", 7, 2)).unwrap());
    }

    #[test]
    fn what_was_committed_is_there_for_the_next_process_and_what_was_not_can_be_claimed_again() {
        let folder = tempfile::tempdir().unwrap();
        let book = points(&folder);
        book.claim(claim("a", 7, 1)).unwrap();
        book.sync([3; 16], Sequence(1)).unwrap();
        book.claim(claim("a", 8, 2)).unwrap();
        drop(book);
        let book = points(&folder);
        assert_eq!(book.cursor([3; 16]).unwrap(), Sequence(1));
        assert_eq!(book.cursor([4; 16]).unwrap(), Sequence(0));
        assert!(!book.claim(claim("a", 7, 5)).unwrap());
        assert!(book.claim(claim("a", 8, 2)).unwrap());
        book.commit().unwrap();
        assert_eq!(all(&book), [("a".into(), 2.0)]);
        let numbers: Vec<_> = book.after(0, 10).unwrap().iter().map(|row| row.number).collect();
        assert_eq!((numbers, book.last().unwrap()), (vec![1, 2], 2));
    }

    #[test]
    fn a_kind_that_somebody_else_was_first_with_replaces_ours() {
        let folder = tempfile::tempdir().unwrap();
        let book = points(&folder);
        book.claim(claim("a", 7, 1)).unwrap();
        book.commit().unwrap();
        let row = book.after(0, 1).unwrap().remove(0);
        book.set_told(("t", 1), &[(row, "PURCHASE".into())]).unwrap();
        assert_eq!(all(&book), [("a".into(), 10.0)]);
        assert_eq!(book.told_upto().unwrap(), Some(("t".into(), 1)));
        assert_eq!(book.after(0, 1).unwrap()[0].kind.as_ref(), "PURCHASE");
    }

    #[test]
    fn a_file_that_takes_no_writes_decides_nothing_and_what_was_decided_stays_so() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("points.sqlite");
        std::fs::create_dir(&path).unwrap();
        let book = Points::new(path.clone());
        assert!(book.claim(claim("a", 7, 1)).is_err());
        std::fs::remove_dir(&path).unwrap();
        assert!(book.claim(claim("a", 7, 2)).unwrap());
        book.commit().unwrap();
        assert_eq!(all(&book), [("a".into(), 1.0)]);
    }
}
