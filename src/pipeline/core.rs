//! The applier's state: reads the log, decides, and keeps what it comes to for the ledger and for Redis.

use std::io;
use std::sync::Arc;

use super::Shared;
use super::backlog::{Backlog, Batch};
use super::beside::Beside;
use super::frames::{live_frame, replay_frame};
use super::known_sessions::KnownSessions;
use super::retention::{has_window, holder_of, window_before};
use crate::apply::Apply;
use crate::config::ApplyConfig;
use crate::counters::{Commit, Ledger, Verdict};
use crate::event::{Deltas, Sequence};
use crate::journal::{Reader, Segment, Segments};

/// The one ordered consumer of the log.
pub struct Core {
    /// This directory's contribution to every counter; embedded, the counters themselves.
    pub ledger: Ledger,
    /// What Redis lacks; `None` when embedded or as long as nobody knows what Redis holds.
    pub backlog: Option<Backlog>,
    segments: Arc<Segments>,
    /// The other lane's segments, if anything was ever kept there.
    others: Option<Arc<Segments>>,
    config: ApplyConfig,
    key: [u8; 16],
    reader: Reader,
    beside: Beside,
    apply: Apply,
    /// Bytes of frames read while nobody knew what Redis holds.
    unplaced_bytes: u64,
    /// The open sessions, for whoever asks.
    known: Option<KnownSessions>,
}

/// Redis is further back than the kept segments reach.
#[derive(Debug, thiserror::Error)]
pub enum RefoldError {
    /// The frames it lacks are gone.
    #[error("the journal's oldest frame is {oldest}, but Redis holds only up to {held}")]
    TooOld {
        /// What Redis holds.
        held: Sequence,
        /// The oldest kept segment's first sequence.
        oldest: Sequence,
    },
    /// The frames it lacks are there, but not those that tell which of them count.
    #[error("the segments are gone that tell which idempotency keys were seen before frame {held}")]
    KeysForgotten {
        /// What Redis holds.
        held: Sequence,
    },
    /// The segments cannot be read.
    #[error("journal: {0}")]
    Io(#[from] io::Error),
}

impl Core {
    /// A consumer that begins where the window of idempotency keys or the ledger needs it to.
    pub fn new(ledger: Ledger, segments: Arc<Segments>, config: &ApplyConfig, key: [u8; 16]) -> Self {
        let (start, _) = window_start(&segments, config, ledger.cursor());
        Self {
            ledger,
            backlog: None,
            reader: Reader::new(segments.clone(), start),
            others: None,
            beside: Beside::default(),
            apply: Apply::new(config, &key),
            segments,
            config: config.clone(),
            key,
            unplaced_bytes: 0,
            known: None,
        }
    }

    /// Takes the ids of the other lane's visits into account; to be called before anything is read.
    #[must_use]
    pub fn with_beside(mut self, others: Option<Arc<Segments>>) -> Self {
        let (_, since_ms) = window_start(&self.segments, &self.config, self.ledger.cursor());
        self.beside = Beside::since(others.as_ref(), since_ms);
        self.others = others;
        self
    }

    /// Learns the ids of the other lane's visits up to a sequence, as far as they can matter from now on.
    ///
    /// # Errors
    /// When the other lane cannot be read.
    pub fn hear_beside(&mut self, upto: Sequence) -> io::Result<()> {
        self.beside.tell_upto(upto, &mut self.apply)
    }

    /// The other lane's segments have been listed anew.
    pub fn replace_beside(&mut self, others: Arc<Segments>) {
        self.beside.replace(others.clone());
        self.others = Some(others);
    }

    /// Tells whoever asks which session a frame belongs to, from what is known of them at its head.
    pub fn tell_sessions(&mut self, known: KnownSessions) {
        self.known = Some(known);
    }

    /// Goes on behind everything the ledger has, without a window: for a lane that takes no visits.
    pub fn rest(&mut self) {
        self.reader = Reader::new(self.segments.clone(), self.ledger.cursor());
    }

    /// The last frame that was applied.
    pub fn head(&self) -> Sequence {
        // A journal whose frames are all counted may have no segment left.
        self.reader.last().max(self.ledger.cursor())
    }

    /// The segments it reads.
    pub const fn segments(&self) -> &Arc<Segments> {
        &self.segments
    }

    /// Brings the ledger up to the log's head at start; nobody waits for an answer yet.
    ///
    /// # Errors
    /// When the log cannot be read.
    pub fn replay(&mut self, upto: Sequence) -> io::Result<u64> {
        let Self {
            reader,
            beside,
            apply,
            ledger,
            ..
        } = self;
        replay_upto(ledger.cursor(), reader, beside, apply)?;
        apply.drain();
        let (frames, _) = replay_upto(upto, reader, beside, apply)?;
        let deltas = apply.drain();
        let to = reader.last().max(ledger.cursor());
        commit(ledger, to, &deltas).map_err(io::Error::other)?;
        Ok(frames)
    }

    /// Applies every frame up to a synced one, and answers those who wait for it.
    ///
    /// # Errors
    /// When the log cannot be read; the next call goes on where this one ended.
    pub fn advance(&mut self, upto: Sequence, shared: &Shared) -> io::Result<()> {
        let (
            Self {
                reader,
                apply,
                ledger,
                backlog,
                unplaced_bytes,
                known,
                ..
            },
            mut bytes,
        ) = (self, 0);
        let result = reader.read(upto, |frame, length| {
            bytes += length as u64;
            live_frame(apply, frame, known.as_mut(), shared);
            true
        });
        shared.metrics.journal.damages.inc_by(reader.take_damages());
        // Whoever still waits for one of these frames waits for one that cannot be read.
        shared.answers.forget(Sequence::ZERO, reader.last());
        let to = reader.last();
        shared.decided.advance(to);
        if to > ledger.cursor() {
            let deltas = apply.drain();
            if let Err(reason) = commit(ledger, to, &deltas) {
                shared.status.set_halted(Some(reason));
            }
            match backlog {
                Some(backlog) => backlog.add(to, &deltas, bytes),
                None if shared.is_embedded() => shared.log.shrink_spool(bytes),
                None => *unplaced_bytes += bytes,
            }
        }
        result
    }

    /// Counts the frames that Redis lacked when it was last heard of: until it is heard again, they wait.
    ///
    /// # Errors
    /// When the log cannot be read.
    pub fn count_waiting(&mut self, shared: &Shared) -> io::Result<()> {
        let held = self.ledger.standing().place(self.ledger.held());
        let mut reader = Reader::new(self.segments.clone(), held);
        let mut bytes = 0;
        reader.read(self.head(), |_, length| {
            bytes += length as u64;
            true
        })?;
        self.unplaced_bytes += bytes;
        shared.log.add_spool(bytes);
        Ok(())
    }

    /// From now on Redis holds everything up to `held` and lacks `waiting`.
    pub fn place(&mut self, held: Sequence, waiting: Batch, shared: &Shared) {
        let before = self.backlog.as_ref().map_or(self.unplaced_bytes, Backlog::bytes);
        shared.log.add_spool(waiting.bytes);
        shared.log.shrink_spool(before);
        self.unplaced_bytes = 0;
        self.backlog = Some(Backlog::new(held, waiting));
    }

    /// The whole contribution, for a Redis that holds nothing of it.
    pub fn whole(&self) -> Batch {
        let bytes = self.backlog.as_ref().map_or(self.unplaced_bytes, Backlog::bytes);
        Batch {
            to: self.head(),
            deltas: self.ledger.contribution(),
            bytes,
        }
    }

    /// Folds the log anew for a Redis that says it holds `held`: everything it lacks.
    ///
    /// # Errors
    /// When the frames it lacks are gone or cannot be read, or nobody can tell any more which of them count.
    pub fn refold(&self, held: Sequence) -> Result<Batch, RefoldError> {
        let after = self.ledger.standing().place(held);
        if after < self.head() {
            self.refuse_gone(after)?;
            if !self.knows_keys_after(after) {
                return Err(RefoldError::KeysForgotten { held });
            }
        }
        self.fold_after(after)
    }

    /// Fails if frames after this one are gone.
    fn refuse_gone(&self, held: Sequence) -> Result<(), RefoldError> {
        let list = self.segments.list();
        match list.first() {
            Some(oldest) if held.next() < oldest.first => Err(RefoldError::TooOld {
                held,
                oldest: oldest.first,
            }),
            _ => Ok(()),
        }
    }

    /// Whether the window of the frames after this one is there as it was when they were counted.
    fn knows_keys_after(&self, after: Sequence) -> bool {
        let (list, config) = (self.segments.list(), &self.config);
        let holder = holder_of(&list, after);
        let (_, since_ms) = window_before(&list, holder, config.window_ms);
        let has_window = |list: &[Segment], holder| has_window(list, holder, since_ms, config.window_bytes_max);
        has_window(&list, holder)
            && self.others.as_ref().is_none_or(|others| {
                let others = others.list();
                has_window(&others, others.len())
            })
    }

    /// Folds the log anew after a frame, with as much of its window as is there.
    ///
    /// # Errors
    /// When frames after it are gone or cannot be read.
    pub fn fold_after(&self, held: Sequence) -> Result<Batch, RefoldError> {
        if held >= self.head() {
            // The usual case at a start: nothing needs to be read to know that nothing is lacking.
            return Ok(Batch {
                to: self.head(),
                ..Batch::default()
            });
        }
        self.refuse_gone(held)?;
        let mut apply = Apply::new(&self.config, &self.key);
        let (start, since_ms) = window_start(&self.segments, &self.config, held);
        let mut reader = Reader::new(self.segments.clone(), start);
        let mut beside = Beside::since(self.others.as_ref(), since_ms);
        replay_upto(held, &mut reader, &mut beside, &mut apply)?;
        apply.drain();
        let (_, bytes) = replay_upto(self.head(), &mut reader, &mut beside, &mut apply)?;
        Ok(Batch {
            to: self.head(),
            deltas: apply.drain(),
            bytes,
        })
    }
}

/// Gives a batch to the ledger, which takes them in order and can refuse only a total that no counter can hold.
fn commit(ledger: &mut Ledger, to: Sequence, deltas: &Deltas) -> Result<(), String> {
    let from = ledger.cursor();
    match ledger.commit(Commit { from, to, deltas }) {
        Verdict::Applied(_) | Verdict::Duplicate(_) => Ok(()),
        refusal => {
            tracing::error!(?refusal, %from, %to, "the ledger refused a batch");
            Err(format!("the counters' database refused a batch: {refusal:?}"))
        }
    }
}

/// After which frame to begin reading so that the frames after `from` find every id of their window, and since when that
/// has them.
fn window_start(segments: &Segments, config: &ApplyConfig, from: Sequence) -> (Sequence, u64) {
    let list = segments.list();
    let (first, since_ms) = window_before(&list, holder_of(&list, from), config.window_ms);
    let start = list
        .get(first)
        .map_or(Sequence::ZERO, |segment| Sequence(segment.first.0.saturating_sub(1)));
    (start.min(from), since_ms)
}

/// Replays frames in the order of both lanes; how many of this lane, and their bytes.
fn replay_upto(upto: Sequence, reader: &mut Reader, beside: &mut Beside, apply: &mut Apply) -> io::Result<(u64, u64)> {
    let (mut frames, mut bytes, mut heard) = (0, 0, Ok(()));
    reader.read(upto, |frame, length| {
        frames += 1;
        bytes += length as u64;
        heard = beside.tell_before(frame.sequence, apply);
        replay_frame(apply, frame);
        heard.is_ok()
    })?;
    heard?;
    Ok((frames, bytes))
}
