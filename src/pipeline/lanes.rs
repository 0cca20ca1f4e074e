//! Both lanes of a data directory: one that takes visits, one that rests, and how they change places.
//!
//! A restart without a pause goes like this. The old process lets go of the lane that rests. The new one takes visits
//! into it at once and applies none of them. When the old process has ended, in peace or not, its lane is free: the
//! new one looks after it as the one that rests, learns which ids were seen there, and begins to apply. The lock of a
//! process's last lane is so the right to apply, too.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::beside::LEAP;
use super::lane::{Opened, Running};
use super::parts::Duty;
use super::room::{judge, look_for_space};
use super::stores::{events_folder, sessions_folder};
use super::{PipelineError, Shared, Told};
use crate::clock;
use crate::config::Config;
use crate::event::Sequence;
use crate::journal::{JournalError, Lane, LaneLock, RealDisk, Space, look};
use crate::metrics::Metrics;
use crate::store;

/// A pipeline in service.
pub struct Pipeline {
    shared: Arc<Shared>,
    space: Space,
    lanes: Mutex<Lanes>,
    /// The frames that this process writes lie above.
    above: Sequence,
    /// What the lane that takes visits had kept when this process began: others tell totals that include it.
    before: Told,
}

struct Lanes {
    /// Takes visits; `None` once stopped.
    writing: Option<Running>,
    other: Other,
}

/// The lane that takes no visits.
enum Other {
    /// Nothing was ever kept there.
    Unused(LaneLock),
    /// Its part of the counters is answered for.
    Resting(Box<Running>),
    /// Another process has it, or will have.
    Away(Lane),
}

impl Pipeline {
    /// Opens the data directory, recovers, brings the counters up to date, and starts.
    ///
    /// # Errors
    /// When the directory is in use or cannot be read or written, or a setting does not fit.
    pub fn start(config: &Config, metrics: Arc<Metrics>) -> Result<Self, PipelineError> {
        let data_dir = &config.journal.data_dir;
        let [first, second] = Lane::BOTH.map(|lane| LaneLock::take(data_dir, lane));
        let (first, second) = (first?, second?);
        let (used_first, used_second) = (first.is_used()?, second.is_used()?);
        make_room(config)?;
        if !used_second {
            return Self::with_one(config, metrics, Opened::open(first, config)?, second);
        }
        if !used_first {
            return Self::with_one(config, metrics, Opened::open(second, config)?, first);
        }
        let (first, second) = (Opened::open(first, config)?, Opened::open(second, config)?);
        // Visits go on where they went last.
        if first.head() >= second.head() {
            Self::with_two(config, metrics, first, second)
        } else {
            Self::with_two(config, metrics, second, first)
        }
    }

    fn with_one(
        config: &Config,
        metrics: Arc<Metrics>,
        writing: Opened,
        unused: LaneLock,
    ) -> Result<Self, PipelineError> {
        let above = writing.head().max(stored(config));
        let mut writing = writing.start(config, metrics, Duty::Write { above }, None)?;
        writing.store(None)?;
        writing.apply()?;
        Ok(Self::of(writing, above, Other::Unused(unused)))
    }

    fn with_two(
        config: &Config,
        metrics: Arc<Metrics>,
        writing: Opened,
        resting: Opened,
    ) -> Result<Self, PipelineError> {
        let above = writing.head().max(resting.head()).max(stored(config));
        let (theirs, ours) = (resting.segments(), writing.segments());
        let mut resting = resting.start(config, Arc::default(), Duty::Rest, Some(ours))?;
        let mut writing = writing.start(config, metrics, Duty::Write { above }, Some(theirs))?;
        take_into_account(&writing.shared, &resting);
        resting.apply()?;
        hear_beside(&mut writing, Sequence(u64::MAX))?;
        writing.store(Some(&resting))?;
        writing.apply()?;
        Ok(Self::of(writing, above, Other::Resting(Box::new(resting))))
    }

    /// Takes visits into the lane that another process has just let go of; nothing is applied before
    /// [`Pipeline::take_over`]. `head` is the last frame of that process, which goes on meanwhile.
    ///
    /// # Errors
    /// When the lane is in use or cannot be read or written, or a setting does not fit.
    pub fn succeed(config: &Config, metrics: Arc<Metrics>, head: Sequence) -> Result<Self, PipelineError> {
        let data_dir = &config.journal.data_dir;
        let [first, second] = Lane::BOTH.map(|lane| LaneLock::take(data_dir, lane));
        let lock = first.or(second)?;
        make_room(config)?;
        let opened = Opened::open(lock, config)?;
        let away = opened.lane().other();
        let others = match away.identity(data_dir).map_err(JournalError::Io)? {
            Some(identity) => {
                let disk = RealDisk::new(&away.journal_folder(data_dir)).map_err(JournalError::Io)?;
                Some(look(Arc::new(disk), identity).map_err(JournalError::Io)?)
            }
            None => None,
        };
        let above = head.max(opened.head()).max(stored(config));
        let above = Sequence(above.0 + LEAP);
        let mut writing = opened.start(config, metrics, Duty::Write { above }, others)?;
        // What can be read now need not be read while visits with a key wait.
        hear_beside(&mut writing, head)?;
        writing.shared.totals.set_whole(false);
        Ok(Self::of(writing, above, Other::Away(away)))
    }

    fn of(writing: Running, above: Sequence, other: Other) -> Self {
        let shared = writing.shared.clone();
        let resting = match &other {
            Other::Resting(resting) => Some(resting.shared.clone()),
            Other::Unused(_) | Other::Away(_) => None,
        };
        shared.set_beside(resting);
        let space = space_of(&shared.config);
        judge(&space, &shared);
        Self {
            space,
            above,
            before: Told::own(&shared.totals),
            shared,
            lanes: Mutex::new(Lanes {
                writing: Some(writing),
                other,
            }),
        }
    }

    /// Waits until the process before has let go of its lane, looks after that lane from then on, and begins to
    /// apply. Blocks.
    ///
    /// # Errors
    /// When the lane cannot be read or written; visits are still kept, and the next start counts them.
    pub fn take_over(&self) -> Result<(), PipelineError> {
        let config = &self.shared.config;
        let Other::Away(lane) = self.lock().other else {
            return Ok(());
        };
        let lock = LaneLock::wait_for(&config.journal.data_dir, lane)?;
        let mut lanes = self.lock();
        let Some(writing) = &mut lanes.writing else {
            return Ok(());
        };
        let opened = Opened::open(lock, config)?;
        if let Some(applier) = writing.waiting() {
            applier.core_mut().replace_beside(opened.segments());
        }
        hear_beside(writing, Sequence(u64::MAX))?;
        let ours = Some(writing.segments().clone());
        let mut resting = opened.start(config, Arc::default(), Duty::Rest, ours)?;
        take_into_account(&self.shared, &resting);
        resting.apply()?;
        writing.store(Some(&resting))?;
        writing.apply()?;
        self.shared.totals.set_whole(true);
        self.shared.set_beside(Some(resting.shared.clone()));
        lanes.other = Other::Resting(Box::new(resting));
        Ok(())
    }

    /// Lets go of the lane that rests, so that a new process can have it; gives the last frame of the other one, or, if
    /// nothing was written there yet, the sequence above which that will be: the new process must stay clear of both.
    /// From now on no segment is removed: the new process reads them.
    pub fn let_go(&self) -> Sequence {
        self.shared.set_handing_over(true);
        let mut lanes = self.lock();
        self.shared.set_beside(None);
        let away = match &lanes.other {
            Other::Unused(lock) => lock.lane(),
            Other::Resting(resting) => resting.home().lane(),
            Other::Away(lane) => *lane,
        };
        if let Other::Resting(resting) = std::mem::replace(&mut lanes.other, Other::Away(away)) {
            resting.stop();
        }
        self.shared.log.synced().max(self.above)
    }

    /// Takes the lane back that no new process came to have.
    ///
    /// # Errors
    /// When it cannot be used any more.
    pub fn take_back(&self) -> Result<(), PipelineError> {
        let mut lanes = self.lock();
        let Other::Away(lane) = lanes.other else {
            return Ok(());
        };
        let config = &self.shared.config;
        let lock = LaneLock::take(&config.journal.data_dir, lane)?;
        if lock.is_used()? {
            let ours = lanes.writing.as_ref().map(|writing| writing.segments().clone());
            let mut resting = Opened::open(lock, config)?.start(config, Arc::default(), Duty::Rest, ours)?;
            resting.apply()?;
            self.shared.set_beside(Some(resting.shared.clone()));
            lanes.other = Other::Resting(Box::new(resting));
        } else {
            lanes.other = Other::Unused(lock);
        }
        self.shared.set_handing_over(false);
        Ok(())
    }

    /// Takes over totals that the process before has told, so that none goes back.
    pub fn hear(&self, told: &Told) {
        self.shared.totals.hear(told, &self.before);
    }

    /// The parts that workers and health answers share.
    pub const fn shared(&self) -> &Arc<Shared> {
        &self.shared
    }

    /// Looks whether there is room on the disk; visits are refused while there is not.
    pub fn look_for_space(&self) {
        look_for_space(&self.space, &self.shared);
    }

    /// Waits for the first word of Redis, as long as one call may take; at once when the counters are embedded. Says
    /// whether it came; by then everything that Redis lacked has been sent.
    pub async fn first_contact(&self) -> bool {
        let patience = clock::ms(self.shared.config.counters.redis_timeout_ms);
        let met = async {
            self.shared.is_contacted().await;
            if let Some(resting) = self.shared.beside() {
                resting.is_contacted().await;
            }
        };
        tokio::time::timeout(patience, met).await.is_ok()
    }

    /// Resolves when a failed sync has sealed the log: the process must end and recover.
    pub async fn sealed(&self) {
        let mut synced = self.shared.log.follow_synced();
        while !self.shared.log.is_sealed() {
            if synced.changed().await.is_err() {
                return;
            }
        }
    }

    /// Syncs and applies everything that was taken in; the workers must have ended.
    pub fn stop(&self) {
        let mut lanes = self.lock();
        if let Some(writing) = lanes.writing.take() {
            writing.stop();
        }
        let lane = Lane::BOTH[0];
        if let Other::Resting(resting) = std::mem::replace(&mut lanes.other, Other::Away(lane)) {
            resting.stop();
        }
    }

    fn lock(&self) -> MutexGuard<'_, Lanes> {
        self.lanes.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What the event store has seen, should it know more than a journal that was restored.
fn stored(config: &Config) -> Sequence {
    let data_dir = &config.journal.data_dir;
    let seen_in = |folder: PathBuf| {
        store::seen_in(&folder).unwrap_or_else(|error| {
            // It is no reason to turn events away; the storer goes on to say so until it can be opened.
            tracing::error!(%error, "the note about the event store cannot be read");
            Sequence::ZERO
        })
    };
    seen_in(events_folder(data_dir)).max(seen_in(sessions_folder(data_dir)))
}

fn space_of(config: &Config) -> Space {
    Space::new(&config.journal.data_dir, &config.journal)
}

fn make_room(config: &Config) -> Result<(), JournalError> {
    space_of(config).make_room().map_err(JournalError::Io)
}

/// What the resting lane has kept is part of every total, as if others had counted it. To be called before its link
/// hears of those who have.
fn take_into_account(shared: &Shared, resting: &Running) {
    for (country, total) in resting.shared.totals.all() {
        shared.totals.raise_foreign(country, total);
    }
    shared.names.know_all(&resting.shared.names);
}

/// Lets the applier of a lane learn the ids of the other one's visits.
fn hear_beside(writing: &mut Running, upto: Sequence) -> Result<(), PipelineError> {
    match writing.waiting() {
        Some(applier) => applier
            .core_mut()
            .hear_beside(upto)
            .map_err(|error| JournalError::Io(error).into()),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::JournalConfig;

    #[test]
    fn a_lane_that_was_let_go_can_be_taken_back_whether_it_was_used_or_not() {
        let folder = tempfile::tempdir().unwrap();
        let config = Config {
            journal: JournalConfig {
                data_dir: folder.path().to_owned(),
                reserve_bytes: 0,
                ..JournalConfig::default()
            },
            ..Config::default()
        };
        let second = Lane::BOTH[1];
        let is_held = || LaneLock::take(folder.path(), second).is_err();
        let pipeline = Pipeline::start(&config, Arc::default()).unwrap();
        for used in [false, true] {
            assert!(is_held());
            pipeline.let_go();
            assert!(!is_held());
            assert!(pipeline.shared().beside().is_none());
            if used {
                let lock = LaneLock::take(folder.path(), second).unwrap();
                Opened::open(lock, &config).unwrap();
            }
            pipeline.take_back().unwrap();
            assert_eq!(pipeline.shared().beside().is_some(), used);
        }
        assert!(is_held());
        pipeline.stop();
        assert!(!is_held());
    }
}
