//! One lane in service: its journal, its applier, its link to Redis.

use std::sync::Arc;
use std::thread::JoinHandle;

use super::applier::Applier;
use super::known_sessions::KnownSessions;
use super::parts::{Duty, Found, Parts};
use super::storer::Storer;
use super::walk::Tracks;
use super::{PipelineError, Shared, redis_clients};
use crate::clock::Machine;
use crate::config::Config;
use crate::counters::{Ledger, RedisCounters, RedisReader, Remote};
use crate::event::Sequence;
use crate::journal::{Home, Journal, JournalError, Lane, LaneLock, RealDisk, Segments};
use crate::metrics::Metrics;

/// A lane that is recovered and takes nothing yet.
pub struct Opened {
    home: Home,
    found: Found,
    redis: Option<(RedisCounters, RedisReader)>,
}

/// A lane in service.
pub struct Running {
    pub(super) shared: Arc<Shared>,
    home: Home,
    segments: Arc<Segments>,
    head: Sequence,
    journal: Journal,
    applier: Stage,
    storer: Option<Storer>,
}

/// Where the applier is.
enum Stage {
    /// It waits for the other lane's end.
    Waiting(Box<Applier>),
    /// Its thread runs.
    Applying(JoinHandle<()>),
    /// It could not be started.
    Gone,
}

impl Opened {
    /// Recovers a lane's journal and opens its ledger.
    ///
    /// # Errors
    /// When they cannot be read or written, or a setting does not fit.
    pub fn open(lock: LaneLock, config: &Config) -> Result<Self, PipelineError> {
        let home = Home::open(lock)?;
        let identity = home.identity();
        let ledger = Ledger::open(home.counters_file(), identity.0)?;
        let disk = RealDisk::new(&home.journal_folder()).map_err(JournalError::Io)?;
        let redis = redis_clients(config, ledger.standing().guard)?;
        let writer = redis.as_ref().map(Remote::writer);
        let found = Found::open((ledger, writer), (Arc::new(disk), identity))?;
        Ok(Self { home, found, redis })
    }

    /// Which lane it is.
    pub const fn lane(&self) -> Lane {
        self.home.lane()
    }

    /// The last sequence that was given to a frame here.
    pub fn head(&self) -> Sequence {
        self.found.head()
    }

    /// Its segments, for the other lane.
    pub fn segments(&self) -> Arc<Segments> {
        self.found.segments().clone()
    }

    /// Brings the counters up to date and starts the log; the applier waits for [`Running::apply`].
    ///
    /// # Errors
    /// When the log cannot be read or written.
    pub fn start(
        self,
        config: &Config,
        metrics: Arc<Metrics>,
        duty: Duty,
        others: Option<Arc<Segments>>,
    ) -> Result<Running, PipelineError> {
        let (segments, head) = (self.segments(), self.head());
        let parts = self.found.begin((config, metrics), Arc::new(Machine), duty, others)?;
        let Parts { shared, core, commits } = parts;
        Ok(Running {
            journal: commits.start()?,
            applier: Stage::Waiting(Box::new(Applier::new(shared.clone(), core, self.redis))),
            shared,
            home: self.home,
            segments,
            head,
            storer: None,
        })
    }
}

impl Running {
    /// Which lane it is.
    pub const fn home(&self) -> &Home {
        &self.home
    }

    /// Its segments, for the other lane.
    pub const fn segments(&self) -> &Arc<Segments> {
        &self.segments
    }

    /// The applier, as long as it waits.
    pub fn waiting(&mut self) -> Option<&mut Applier> {
        match &mut self.applier {
            Stage::Waiting(applier) => Some(applier),
            Stage::Applying(_) | Stage::Gone => None,
        }
    }

    /// Starts the applier.
    ///
    /// # Errors
    /// When its thread cannot be made.
    pub fn apply(&mut self) -> Result<(), PipelineError> {
        self.applier = match std::mem::replace(&mut self.applier, Stage::Gone) {
            Stage::Waiting(applier) => Stage::Applying(applier.start().map_err(JournalError::Io)?),
            applying => applying,
        };
        Ok(())
    }

    /// Starts to fill the event store from this lane, and from the one that rests beside it; to be called before
    /// [`Running::apply`].
    ///
    /// # Errors
    /// When its thread cannot be made.
    pub fn store(&mut self, resting: Option<&Self>) -> Result<(), PipelineError> {
        let resting = resting.map(|resting| (resting.segments.clone(), resting.head));
        let (writing, key) = ((self.segments.clone(), self.head), self.home.identity().0);
        let tracks = Tracks::begin(&self.shared, writing, resting, key);
        // Before the storer goes on from there.
        if let Stage::Waiting(applier) = &mut self.applier {
            let core = applier.core_mut();
            core.tell_sessions(KnownSessions::at(&self.shared.config, &tracks, core.head()));
        }
        self.storer = Storer::start(self.shared.clone(), tracks).map_err(JournalError::Io)?;
        Ok(())
    }

    /// Syncs, applies and stores everything that was taken in, and lets go of the lane.
    pub fn stop(self) {
        self.journal.stop();
        self.shared.stop();
        match self.applier {
            Stage::Applying(thread) => {
                if thread.join().is_err() {
                    tracing::error!("the applier panicked; the next start applies what it left");
                }
            }
            Stage::Waiting(_) | Stage::Gone => {
                tracing::warn!("stopped before visits were counted; the next start counts them");
            }
        }
        // The lock of the lane is the right to write to the store, too.
        if let Some(storer) = self.storer {
            storer.stop();
        }
        drop(self.home);
    }
}
