//! `verify`: holds the event store against the journal and against what was counted.
//!
//! An event that counts is stored, so a site has as many events of a name as its counter says. It may have less where
//! months were dropped, events erased, or a part was begun anew when frames were gone; the store knows whether that
//! was. More than was counted it never has.

use std::collections::BTreeMap;
use std::io::{self, Write};

use super::VerifyError;
use super::stores::events_folder;
use super::verify_sessions::verify_sessions;
use super::walk::{Told, Tracks, Walk};
use crate::apply::{OTHER_FIELD, VISIT_FIELD, field_of};
use crate::config::Config;
use crate::event::{Deltas, Family, Sequence, SiteId};
use crate::store::{Lack, StoreLimits, Surveyed, survey};

/// Events of one site by name.
type Names = BTreeMap<Box<str>, u64>;

/// Checks the store of a data directory that no gateway is using: its files, and whether it agrees with what the lanes
/// have counted up to `head`. Whether all is well.
///
/// # Errors
/// When the store or the journal cannot be read.
pub fn verify_store(
    config: &Config,
    (tracks, head): (&Tracks, Sequence),
    counted: &Deltas,
    out: &mut dyn Write,
) -> Result<bool, VerifyError> {
    if !config.store.enabled {
        writeln!(out, "store: off")?;
        return Ok(true);
    }
    let limits = StoreLimits::from(&config.store);
    let Some(found) = survey(&events_folder(&config.journal.data_dir), limits)? else {
        writeln!(out, "store: none yet; the next start makes it from the journal")?;
        return Ok(true);
    };
    tell(&found, head, out)?;
    if !found.findings.is_empty() {
        return Ok(false);
    }
    let (waiting, erasing) = waiting(config, tracks, (found.snapshot.cursor(), head))?;
    let may_lack = !found.lacks.is_empty() || erasing;
    let agrees = compare(&found, &waiting, (counted, may_lack), out)?;
    Ok(verify_sessions(config, &found, counted, out)? && agrees)
}

fn tell(found: &Surveyed, head: Sequence, out: &mut dyn Write) -> io::Result<()> {
    let Surveyed {
        snapshot,
        lacks,
        findings,
    } = found;
    writeln!(
        out,
        "store: {} events, up to {}; the journal goes up to {head}",
        snapshot.events(),
        snapshot.cursor()
    )?;
    for lack in lacks {
        let why = match lack {
            Lack::Start => "it was begun when frames were gone from the journal",
            Lack::Retention => "months older than events are kept were dropped",
            Lack::Erasure => "events were erased",
            Lack::Damage => "a part was damaged, and made again from what the journal had",
        };
        writeln!(out, "store: may have less than was counted: {why}")?;
    }
    for finding in findings {
        writeln!(out, "store: {finding}; the next start makes it again from the journal")?;
    }
    Ok(())
}

/// Events that the store has yet to take, and whether it has yet to erase some.
fn waiting(
    config: &Config,
    tracks: &Tracks,
    (after, head): (Sequence, Sequence),
) -> io::Result<(BTreeMap<SiteId, Names>, bool)> {
    let (mut waiting, mut erasing) = (BTreeMap::<SiteId, Names>::new(), false);
    let mut walk = Walk::new(tracks, after, &config.apply);
    walk.read(head, &mut |_, told| {
        match told {
            Told::Event(event) => {
                let names = waiting.entry(event.site).or_default();
                *names.entry(event.name.into()).or_default() += 1;
            }
            Told::Sign(_) => {}
            Told::Erasure(_) => erasing = true,
        }
        true
    })?;
    Ok((waiting, erasing))
}

fn compare(
    found: &Surveyed,
    waiting: &BTreeMap<SiteId, Names>,
    (counted, may_lack): (&Deltas, bool),
    out: &mut dyn Write,
) -> Result<bool, VerifyError> {
    let (mut differences, mut sites, mut known) = (0, 0, 0);
    let events = counted.iter().filter(|(hash, _)| hash.family == Family::Events);
    for (hash, fields) in events {
        let mut stored = found.snapshot.names_of(hash.site)?;
        known += stored.values().sum::<u64>();
        for (name, count) in waiting.get(&hash.site).into_iter().flatten() {
            *stored.entry(name.clone()).or_default() += count;
        }
        let mut stored = as_counted(stored);
        // Visits are counted here, too, and not stored.
        let mut counted: Names = fields.iter().map(|(name, count)| (name.clone(), *count)).collect();
        counted.remove(VISIT_FIELD);
        if counted.contains_key(OTHER_FIELD) {
            // Who is counted among all others depends on when there was room.
            (counted, stored) = (whole(&counted), whole(&stored));
        }
        sites += u64::from(!counted.is_empty());
        let mut names: Vec<_> = counted.keys().chain(stored.keys()).collect();
        names.sort_unstable();
        names.dedup();
        for name in names {
            let of = |names: &Names| names.get(name).copied().unwrap_or_default();
            let (stored, counted) = (of(&stored), of(&counted));
            if stored > counted || stored < counted && !may_lack {
                differences += 1;
                let site = hash.site;
                writeln!(
                    out,
                    "store: site {site}: {stored} of {name}, but {counted} were counted"
                )?;
            }
        }
    }
    let strange = found.snapshot.events().saturating_sub(known);
    if strange > 0 {
        differences += 1;
        writeln!(out, "store: {strange} events of sites that have counted none")?;
    }
    writeln!(
        out,
        "store: {differences} differences to what was counted, on {sites} sites"
    )?;
    Ok(differences == 0)
}

/// Names as the fields that count them.
fn as_counted(stored: Names) -> Names {
    let mut fields = Names::new();
    for (name, count) in stored {
        *fields.entry(field_of(&name).into()).or_default() += count;
    }
    fields
}

fn whole(names: &Names) -> Names {
    [("all events".into(), names.values().sum())].into()
}
