//! `verify`: holds the counters against the journal and against what this directory has contributed.

use std::io::{self, Write};
use std::path::PathBuf;
use std::sync::Arc;

use super::core::{Core, RefoldError};
use super::{PipelineError, redis_clients};
use crate::config::Config;
use crate::counters::{CountersError, Fields, Ledger, RedisReader};
use crate::event::{CounterHash, Deltas};
use crate::journal::{Home, JournalError, RealDisk, Survey, read_identity, survey};

/// Checks a data directory that no gateway is using, and Redis if there is one; writes what it finds, and says whether
/// all is well.
///
/// # Errors
/// When the directory, the database or Redis cannot be read.
pub async fn verify(config: &Config, out: &mut dyn Write) -> Result<bool, VerifyError> {
    let folder = &config.journal.data_dir;
    if read_identity(folder)?.is_none() {
        return Err(VerifyError::Nothing(folder.clone()));
    }
    let home = Home::open(folder)?;
    let identity = home.identity();
    let ledger = Ledger::open(home.counters_file(), identity.0).map_err(PipelineError::from)?;
    let disk = RealDisk::new(&home.journal_folder())?;
    let (segments, found) = survey(Arc::new(disk), identity)?;
    let mut good = tell_journal(found, out)?;
    let mut core = Core::new(ledger, segments, &config.apply, identity.0);
    let counted = core.ledger.cursor();
    core.replay(found.head)?;
    writeln!(
        out,
        "counters: applied up to {counted}, the journal goes up to {}",
        found.head.max(counted)
    )?;
    let redis = redis_clients(config, core.ledger.standing().guard).map_err(PipelineError::from)?;
    if let Some((_, reader)) = redis {
        good &= compare(&core, &reader, out).await?;
    }
    writeln!(out, "{}", if good { "all is well" } else { "NOT all is well" })?;
    Ok(good)
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

/// Redis must hold at least what it says it holds of this directory; exactly that if nobody else counts there.
async fn compare(core: &Core, reader: &RedisReader, out: &mut dyn Write) -> Result<bool, VerifyError> {
    // A timeline that was left is in Redis, too.
    let alone = reader.gateways().await? <= 1 && core.ledger.standing().forks.is_empty();
    let whole = core.ledger.contribution();
    let mut differences = 0;
    for (hash, fields) in whole.iter() {
        let (held, totals) = reader.read_totals(hash).await?;
        let Some(held) = held else {
            writeln!(
                out,
                "redis: holds nothing of this directory; the next start sends its whole contribution"
            )?;
            return Ok(true);
        };
        let lacking = core.refold(held)?.deltas;
        for (field, amount) in fields {
            let expected = amount.saturating_sub(lacking.get(hash, field));
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
            strangers(hash, &totals, &whole, out)?
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
