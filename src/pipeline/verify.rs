//! `verify`: holds the counters against the journal and against what this directory has contributed.

use std::collections::BTreeMap;
use std::io::{self, Write};
use std::path::PathBuf;
use std::sync::Arc;

use super::core::{Core, RefoldError};
use super::points::PointsDesk;
use super::verify_points::verify_points;
use super::verify_store::verify_store;
use super::walk::Tracks;
use super::{PipelineError, redis_clients};
use crate::config::Config;
use crate::counters::{CountersError, Fields, Ledger, RedisReader};
use crate::event::{CounterHash, Deltas, Sequence};
use crate::journal::{Home, JournalError, Lane, LaneLock, RealDisk, Segments, Survey, survey};
use crate::store::StoreError;

/// A lane as its files tell it.
struct Checked {
    core: Core,
    reader: Option<RedisReader>,
}

/// Checks a data directory that no gateway is using, and Redis if there is one; writes what it finds, and says whether
/// all is well.
///
/// # Errors
/// When the directory, the database or Redis cannot be read.
pub async fn verify(config: &Config, out: &mut dyn Write) -> Result<bool, VerifyError> {
    let data_dir = &config.journal.data_dir;
    let mut used = Vec::new();
    for lane in Lane::BOTH {
        if lane.identity(data_dir)?.is_some() {
            used.push(lane);
        }
    }
    if used.is_empty() {
        return Err(VerifyError::Nothing(data_dir.clone()));
    }
    let mut surveyed = Vec::new();
    let points = PointsDesk::new(config);
    for lane in used {
        let home = Home::open(LaneLock::take(data_dir, lane)?)?;
        let disk = RealDisk::new(&home.journal_folder())?;
        let (segments, found) = survey(Arc::new(disk), home.identity())?;
        surveyed.push((home, segments, found));
    }
    let (mut good, mut lanes, mut counted) = (true, Vec::new(), Deltas::default());
    for (home, segments, found) in &surveyed {
        let others = surveyed.iter().find(|(other, ..)| other.lane() != home.lane());
        let others = others.map(|(_, segments, _)| segments.clone());
        writeln!(out, "{}", home.lane())?;
        good &= tell_journal(*found, out)?;
        let lane = check_lane((config, &points), (home, segments, found.head), others, out)?;
        counted.merge(&lane.core.ledger.whole());
        lanes.push(lane);
    }
    if let Some((tracks, head)) = tracks(&surveyed, &points) {
        good &= verify_store(config, (&tracks, head), &counted, out)?;
    }
    good &= verify_points(config, &points, out).await?;
    if config.counters.redis_url.is_some() {
        good &= compare(&lanes, out).await?;
    }
    writeln!(out, "{}", if good { "all is well" } else { "NOT all is well" })?;
    Ok(good)
}

/// The lanes as the store is filled from them: the one that goes on is the one with the later frames.
fn tracks(surveyed: &[(Home, Arc<Segments>, Survey)], points: &Arc<PointsDesk>) -> Option<(Tracks, Sequence)> {
    let (home, writing, found) = surveyed.iter().max_by_key(|(.., found)| found.head)?;
    let resting = surveyed.iter().find(|(other, ..)| other.lane() != home.lane());
    let tracks = Tracks {
        writing: writing.clone(),
        resting: resting.map(|(_, segments, found)| (segments.clone(), found.head)),
        key: home.identity().0,
        decided: None,
        points: Some(points.clone()),
    };
    Some((tracks, found.head))
}

fn check_lane(
    (config, points): (&Config, &Arc<PointsDesk>),
    (home, segments, head): (&Home, &Arc<Segments>, Sequence),
    others: Option<Arc<Segments>>,
    out: &mut dyn Write,
) -> Result<Checked, VerifyError> {
    let key = home.identity().0;
    let ledger = Ledger::open(home.counters_file(), key).map_err(PipelineError::from)?;
    let core = Core::new(ledger, segments.clone(), &config.apply, key);
    let mut core = core.with_beside(others).with_points(Some(points.clone()));
    let counted = core.ledger.cursor();
    core.replay(head)?;
    writeln!(
        out,
        "counters: applied up to {counted}, the journal goes up to {}",
        head.max(counted)
    )?;
    let redis = redis_clients(config, core.ledger.standing().guard).map_err(PipelineError::from)?;
    Ok(Checked {
        core,
        reader: redis.map(|(_, reader)| reader),
    })
}

/// Why a verification could not be made.
#[derive(Debug, thiserror::Error)]
pub enum VerifyError {
    /// Nothing was ever kept there.
    #[error("{0} is no data directory")]
    Nothing(PathBuf),
    /// The data directory, its database, or the setting of Redis.
    #[error(transparent)]
    Pipeline(#[from] PipelineError),
    /// The data directory.
    #[error(transparent)]
    Journal(#[from] JournalError),
    /// Redis cannot be asked.
    #[error(transparent)]
    Counters(#[from] CountersError),
    /// Redis is further back than the journal reaches.
    #[error(transparent)]
    Refold(#[from] RefoldError),
    /// The event store cannot be read.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The journal cannot be read, or the report not written.
    #[error(transparent)]
    Io(#[from] io::Error),
}

fn tell_journal(found: Survey, out: &mut dyn Write) -> io::Result<bool> {
    let Survey {
        segments,
        frames,
        damages,
        torn_bytes,
        ..
    } = found;
    writeln!(
        out,
        "journal: {frames} frames in {segments} segments, {damages} damages"
    )?;
    if torn_bytes > 0 {
        writeln!(
            out,
            "journal: {torn_bytes} bytes after the last frame were never answered; the next start cuts them"
        )?;
    }
    Ok(damages == 0)
}

/// What Redis should hold of this directory, and what it does.
#[derive(Default)]
struct Held {
    /// Lanes that it knows.
    lanes: usize,
    expected: Deltas,
    totals: BTreeMap<CounterHash, Fields>,
}

/// Redis must hold at least what it says it holds of this directory; exactly that if nobody else counts there.
async fn compare(lanes: &[Checked], out: &mut dyn Write) -> Result<bool, VerifyError> {
    let (mut held, mut gateways) = (Held::default(), 0);
    for Checked { core, reader } in lanes {
        let Some(reader) = reader else { continue };
        gateways = reader.gateways().await?;
        add_held(core, reader, &mut held).await?;
    }
    if held.lanes == 0 {
        writeln!(
            out,
            "redis: holds nothing of this directory; the next start sends its whole contribution"
        )?;
        return Ok(true);
    }
    // A timeline that was left is in Redis, too.
    let alone = gateways <= held.lanes && lanes.iter().all(|lane| lane.core.ledger.standing().forks.is_empty());
    let mut differences = 0;
    for (hash, fields) in held.expected.iter() {
        let Some(totals) = held.totals.get(hash) else { continue };
        for (field, &expected) in fields {
            let total = totals.get(field).copied().unwrap_or_default();
            if total < expected || alone && total > expected {
                differences += 1;
                writeln!(
                    out,
                    "redis: {} {field} is {total}, but this directory contributed {expected}",
                    name(hash)
                )?;
            }
        }
        differences += if alone {
            strangers(hash, totals, &held.expected, out)?
        } else {
            0
        };
    }
    let others = if alone {
        "nobody else counts there"
    } else {
        "others count there too, or did"
    };
    writeln!(out, "redis: {differences} differences; {others}")?;
    Ok(differences == 0)
}

/// Adds what Redis should hold of one lane.
async fn add_held(core: &Core, reader: &RedisReader, into: &mut Held) -> Result<(), VerifyError> {
    let mut known = false;
    for (hash, fields) in core.ledger.contribution().iter() {
        let (held, totals) = reader.read_totals(hash).await?;
        let Some(held) = held else { continue };
        known = true;
        let lacking = core.fold_after(core.ledger.standing().place(held))?.deltas;
        for (field, amount) in fields {
            let amount = amount.saturating_sub(lacking.get(hash, field));
            into.expected.add(*hash, field, amount);
        }
        into.totals.insert(*hash, totals);
    }
    into.lanes += usize::from(known);
    Ok(())
}

/// Fields that nobody contributed.
fn strangers(hash: &CounterHash, totals: &Fields, whole: &Deltas, out: &mut dyn Write) -> io::Result<u64> {
    let mut found = 0;
    for (field, total) in totals.iter().filter(|(field, _)| whole.get(hash, field) == 0) {
        found += 1;
        writeln!(
            out,
            "redis: {} {field} is {total}, but nobody contributed to it",
            name(hash)
        )?;
    }
    Ok(found)
}

fn name(hash: &CounterHash) -> String {
    if hash.site.is_default() {
        hash.family.name().to_owned()
    } else {
        format!("{} of site {}", hash.family.name(), hash.site)
    }
}
