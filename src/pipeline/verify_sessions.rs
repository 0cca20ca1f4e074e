//! `verify`: holds sessions against the events that belong to them.

use std::collections::BTreeMap;
use std::io::Write;

use super::VerifyError;
use super::stores::{sessions_file, sessions_folder};
use crate::apply::SessionFile;
use crate::config::Config;
use crate::event::{Deltas, Family, SiteId};
use crate::store::{StoreError, StoreLimits, Surveyed, survey_sessions};

/// Checks the sessions of a data directory that no gateway is using: their files, and whether they have as many events
/// as say that they belong to one. Whether all is well.
///
/// # Errors
/// When they cannot be read.
pub fn verify_sessions(
    config: &Config,
    events: &Surveyed,
    counted: &Deltas,
    out: &mut dyn Write,
) -> Result<bool, VerifyError> {
    let data_dir = &config.journal.data_dir;
    let path = sessions_file(data_dir);
    let over = survey_sessions(&sessions_folder(data_dir), StoreLimits::from(&config.store))?;
    let Some(over) = over.filter(|_| path.exists()) else {
        writeln!(out, "sessions: none yet; the next start makes them from the journal")?;
        return Ok(true);
    };
    for finding in &over.findings {
        writeln!(
            out,
            "sessions: {finding}; the next start makes it again from the journal"
        )?;
    }
    let (_, kept) = SessionFile::open(&path).map_err(|error| StoreError::Files {
        path,
        source: std::io::Error::other(error),
    })?;
    let (ended, open) = (over.snapshot.events(), kept.open.len());
    writeln!(
        out,
        "sessions: {ended} are over, {open} may go on, up to {}",
        kept.cursor
    )?;
    // What a crash left behind of the one or the other comes again at the next start.
    let is_together = [over.snapshot.cursor(), kept.cursor]
        .iter()
        .all(|cursor| *cursor == events.snapshot.cursor());
    let is_whole = events.lacks.is_empty() && over.lacks.is_empty();
    if !over.findings.is_empty() || !is_together || !is_whole {
        return Ok(over.findings.is_empty());
    }
    let mut open: BTreeMap<SiteId, u64> = BTreeMap::new();
    for session in kept.open {
        *open.entry(session.site).or_default() += session.kept.events;
    }
    let mut differences = 0;
    for (hash, _) in counted.iter().filter(|(hash, _)| hash.family == Family::Events) {
        let [say, have] = events.snapshot.events_of_visits(&over.snapshot, hash.site)?;
        let have = have + open.get(&hash.site).copied().unwrap_or_default();
        if say != have {
            differences += 1;
            let site = hash.site;
            writeln!(
                out,
                "sessions: site {site}: {say} events belong to sessions that have {have}"
            )?;
        }
    }
    writeln!(out, "sessions: {differences} differences to their events")?;
    Ok(differences == 0)
}
