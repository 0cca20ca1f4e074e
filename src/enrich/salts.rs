//! The salts of visitor hashes: a new one each day (UTC), and the last one as long as events of its day may come.
//!
//! Each is a file of its own in the data directory, named after its day. It is born by a link that only one process can
//! make, so the two processes of a hand-over have the same. When its time is over it is deleted, and with it goes the
//! only way from a hash back to an address.
//!
//! Gateways that count together agree on one salt a day: each offers its own for today and tomorrow ([`Salts::offers`])
//! and takes what was agreed on ([`Salts::adopt`]). So a midnight at which they cannot reach each other parts nobody.

use std::fs;
use std::io::{self, ErrorKind, Write};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::process;
use std::sync::{Arc, Mutex, PoisonError};

use arc_swap::ArcSwap;

use super::person::Salt;

const DAY_MS: u64 = 86_400_000;

/// Knows the salts of today and yesterday.
#[derive(Debug)]
pub struct Salts {
    folder: PathBuf,
    known: ArcSwap<Known>,
    turning: Mutex<()>,
}

#[derive(Debug, Default)]
struct Known {
    /// Days since 1970.
    today: u64,
    salt: Salt,
    /// That of the day before; none if nobody was here.
    before: Option<Salt>,
}

impl Salts {
    /// Opens those of a data directory, which is there. A salt that cannot be kept is used all the same: a restart on
    /// the same day then sees the day's visitors as new ones.
    pub fn open(data_dir: &Path, now_ms: u64) -> Self {
        let folder = data_dir.join("salts");
        let known = ArcSwap::from_pointee(load(&folder, now_ms / DAY_MS));
        Self {
            folder,
            known,
            turning: Mutex::default(),
        }
    }

    /// Turns to the salts of today, so that those of long ago are destroyed also where no events come.
    pub fn look(&self, now_ms: u64) {
        if now_ms / DAY_MS > self.known.load().today {
            self.turn(now_ms / DAY_MS);
        }
    }

    /// The salt for an event of a time that is received now: that of its day if it is yesterday, else today's.
    pub fn of(&self, time_ms: u64, received_ms: u64) -> Salt {
        let today = received_ms / DAY_MS;
        let known = self.known.load();
        if today > known.today {
            return self.turn(today).of(time_ms);
        }
        known.of(time_ms)
    }

    /// Days, counted since 1970, and their salts: today and tomorrow, whose is made now. A day whose salt cannot be kept is
    /// not offered.
    pub fn offers(&self, now_ms: u64) -> Vec<(u64, Salt)> {
        self.look(now_ms);
        let Known { today, salt, .. } = **self.known.load();
        let tomorrow = keep_salt(&self.folder, today + 1).ok();
        let tomorrow = tomorrow.map(|salt| (today + 1, salt));
        [(today, salt)].into_iter().chain(tomorrow).collect()
    }

    /// Takes the salts that others use, by their days. Events that were received before keep the hashes they have.
    pub fn adopt(&self, agreed: &[(u64, Salt)]) {
        let _one_at_a_time = self.turning.lock().unwrap_or_else(PoisonError::into_inner);
        let Known { today, salt, before } = **self.known.load();
        let of = |day: u64| agreed.iter().find(|(agreed, _)| *agreed == day).map(|(_, salt)| *salt);
        let known = Known {
            today,
            salt: of(today).unwrap_or(salt),
            before: of(today.saturating_sub(1)).or(before),
        };
        if (known.salt, known.before) != (salt, before) {
            self.known.store(Arc::new(known));
        }
        for &(day, salt) in agreed.iter().filter(|(day, _)| *day + 1 >= today) {
            if let Err(error) = replace(&self.folder, day, salt) {
                tracing::warn!(%error, folder = %self.folder.display(), "a salt that gateways share cannot be kept");
            }
        }
    }

    /// The day has changed.
    fn turn(&self, today: u64) -> Arc<Known> {
        let _one_at_a_time = self.turning.lock().unwrap_or_else(PoisonError::into_inner);
        let known = self.known.load_full();
        if today <= known.today {
            return known;
        }
        self.known.store(Arc::new(load(&self.folder, today)));
        self.known.load_full()
    }
}

impl Known {
    /// The salt for an event of a time.
    fn of(&self, time_ms: u64) -> Salt {
        match self.before {
            Some(before) if time_ms / DAY_MS + 1 == self.today => before,
            _ => self.salt,
        }
    }
}

/// Reads the salts of a day and the day before, makes today's if there is none, and destroys all older ones.
fn load(folder: &Path, today: u64) -> Known {
    let salt = keep_salt(folder, today).unwrap_or_else(|error| {
        tracing::warn!(%error, folder = %folder.display(), "the day's salt cannot be kept: after a restart visitors look new");
        fresh()
    });
    let before = read(&path(folder, today.saturating_sub(1))).unwrap_or_else(|error| {
        tracing::warn!(%error, folder = %folder.display(), "yesterday's salt cannot be read");
        None
    });
    if let Err(error) = destroy_before(folder, today.saturating_sub(1)) {
        tracing::warn!(%error, folder = %folder.display(), "old salts cannot be deleted");
    }
    Known { today, salt, before }
}

fn path(folder: &Path, day: u64) -> PathBuf {
    folder.join(format!("{day}.salt"))
}

fn fresh() -> Salt {
    let mut salt = Salt::default();
    if let Err(error) = getrandom::fill(&mut salt) {
        tracing::error!(%error, "the system gives no random bytes: visitor hashes are not secret");
    }
    salt
}

/// The salt of a day, made if there is none.
fn keep_salt(folder: &Path, day: u64) -> io::Result<Salt> {
    let path = path(folder, day);
    if let Some(salt) = read(&path)? {
        return Ok(salt);
    }
    let salt = fresh();
    let draft = draft(folder, day, &salt)?;
    // Fails where another process was faster; then that one's is the salt.
    let linked = fs::hard_link(&draft, &path);
    fs::remove_file(&draft)?;
    match linked {
        Ok(()) => Ok(salt),
        Err(error) if error.kind() == ErrorKind::AlreadyExists => {
            read(&path)?.ok_or_else(|| io::Error::other("the day's salt is damaged"))
        }
        Err(error) => Err(error),
    }
}

/// Puts a salt in the place of what a day has.
fn replace(folder: &Path, day: u64, salt: Salt) -> io::Result<()> {
    let path = path(folder, day);
    if read(&path)? == Some(salt) {
        return Ok(());
    }
    fs::rename(draft(folder, day, &salt)?, path)
}

/// Writes a salt to a file of this process, and gives its path.
fn draft(folder: &Path, day: u64, salt: &Salt) -> io::Result<PathBuf> {
    fs::create_dir_all(folder)?;
    let draft = folder.join(format!("{day}.{}.draft", process::id()));
    // Nobody else on the machine needs it.
    let mut options = fs::OpenOptions::new();
    let options = options.write(true).create(true).truncate(true).mode(0o600);
    let mut file = options.open(&draft)?;
    file.write_all(salt)?;
    file.sync_all()?;
    Ok(draft)
}

/// The salt in a file; none if there is no file, or one of another size.
fn read(path: &Path) -> io::Result<Option<Salt>> {
    match fs::read(path) {
        Ok(bytes) => Ok(bytes.try_into().ok()),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// Deletes the salts of days before one, and drafts that a crash has left.
fn destroy_before(folder: &Path, day: u64) -> io::Result<()> {
    if !folder.is_dir() {
        return Ok(());
    }
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        let of_day = name.split('.').next().and_then(|day| day.parse::<u64>().ok());
        if of_day.is_some_and(|of_day| of_day < day) {
            fs::remove_file(&path)?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    const NOON: u64 = 20_000 * DAY_MS + DAY_MS / 2;

    #[test]
    fn a_day_has_one_salt_whoever_asks() {
        let folder = tempfile::tempdir().unwrap();
        let first = Salts::open(folder.path(), NOON);
        let second = Salts::open(folder.path(), NOON + 5);
        assert_eq!(first.of(NOON, NOON), second.of(NOON, NOON));
        assert_ne!(first.of(NOON, NOON), Salt::default());
    }

    #[test]
    fn yesterday_is_known_until_tomorrow_and_then_destroyed() {
        let folder = tempfile::tempdir().unwrap();
        let salts = Salts::open(folder.path(), NOON);
        let first = salts.of(NOON, NOON);
        let second = salts.of(NOON + DAY_MS, NOON + DAY_MS);
        assert_ne!(first, second);
        assert_eq!(salts.of(NOON, NOON + DAY_MS), first);
        // After a restart as well.
        assert_eq!(Salts::open(folder.path(), NOON + DAY_MS).of(NOON, NOON + DAY_MS), first);
        let third = salts.of(NOON + 2 * DAY_MS, NOON + 2 * DAY_MS);
        // What is older than yesterday has no salt of its own any more.
        assert_eq!(salts.of(NOON, NOON + 2 * DAY_MS), third);
        let left = fs::read_dir(folder.path().join("salts")).unwrap().count();
        assert_eq!(left, 2);
    }

    #[test]
    fn a_salt_is_destroyed_also_where_no_events_come_and_nobody_else_may_read_it() {
        let folder = tempfile::tempdir().unwrap();
        let salts = Salts::open(folder.path(), NOON);
        let first = salts.of(NOON, NOON);
        let kept = || {
            let files = fs::read_dir(folder.path().join("salts")).unwrap();
            files
                .map(|file| fs::read(file.unwrap().path()).unwrap())
                .collect::<Vec<_>>()
        };
        let file = path(&folder.path().join("salts"), NOON / DAY_MS);
        assert_eq!(fs::metadata(file).unwrap().permissions().mode() & 0o777, 0o600);
        salts.look(NOON + DAY_MS / 4);
        salts.look(NOON + DAY_MS);
        assert!(kept().contains(&first.to_vec()), "its events may still come");
        salts.look(NOON + 2 * DAY_MS);
        assert!(!kept().is_empty() && !kept().contains(&first.to_vec()));
    }

    #[test]
    fn gateways_that_agree_hash_alike_today_tomorrow_and_for_what_comes_late() {
        let folders = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
        let [one, other] = folders.each_ref().map(|folder| Salts::open(folder.path(), NOON));
        let before = (NOON / DAY_MS - 1, [7; 16]);
        assert_ne!(one.of(NOON, NOON), other.of(NOON, NOON));
        let offers = one.offers(NOON);
        assert_eq!(offers.len(), 2);
        other.adopt(&[&offers[..], &[before]].concat());
        assert_eq!(one.of(NOON, NOON), other.of(NOON, NOON));
        assert_eq!(other.offers(NOON), offers);
        assert_eq!(other.of(NOON - DAY_MS, NOON), before.1);
        // Also after a restart, and when the day changes, whatever they can reach then.
        let other = Salts::open(folders[1].path(), NOON);
        assert_eq!(one.of(NOON, NOON), other.of(NOON, NOON));
        let tomorrow = NOON + DAY_MS;
        assert_eq!(one.of(tomorrow, tomorrow), other.of(tomorrow, tomorrow));
        assert_eq!(one.of(tomorrow, tomorrow), offers[1].1);
    }

    #[test]
    fn a_clock_that_goes_back_brings_no_new_salt() {
        let folder = tempfile::tempdir().unwrap();
        let salts = Salts::open(folder.path(), NOON);
        let salt = salts.of(NOON, NOON);
        assert_eq!(salts.of(NOON - 3 * DAY_MS, NOON - 3 * DAY_MS), salt);
    }

    #[test]
    fn a_folder_that_cannot_be_written_gives_a_salt_all_the_same() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("salts"), b"a file").unwrap();
        let salts = Salts::open(folder.path(), NOON);
        assert_ne!(salts.of(NOON, NOON), Salt::default());
        assert_eq!(salts.of(NOON, NOON), salts.of(NOON, NOON));
    }

    #[test]
    fn a_damaged_salt_is_not_used() {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join("salts")).unwrap();
        fs::write(path(&folder.path().join("salts"), NOON / DAY_MS), b"short").unwrap();
        let salts = Salts::open(folder.path(), NOON);
        assert_ne!(salts.of(NOON, NOON), Salt::default());
    }
}
