//! Where the link goes on: what Redis says it holds of this gateway, against what the journal has.
//!
//! Nothing here asks Redis. Every change of how the directory stands with it is on disk before the next batch leaves.

use super::Shared;
use super::applier::advance;
use super::core::{Core, RefoldError};
use crate::counters::{Fence, Inherited, LedgerError};
use crate::event::Sequence;
use crate::journal::payload;

/// Why the link cannot go on.
#[derive(Debug, thiserror::Error)]
pub enum TakeUpError {
    /// What Redis lacks cannot be made again.
    #[error(transparent)]
    Refold(#[from] RefoldError),
    /// How the directory stands with Redis could not be noted.
    #[error(transparent)]
    Ledger(#[from] LedgerError),
    /// Another process has claimed the name, and whether it has the last batch cannot be told.
    #[error("another process has claimed this gateway's name in Redis, and nobody knows how far its counts had come")]
    Ousted,
}

/// Takes up from what Redis says it holds of us (`None`: nothing), where a process that had inherited `before` was the
/// last to count under our name before us.
///
/// # Errors
/// When what it lacks cannot be made again, or the ledger takes no writes.
pub fn take_up(
    core: &mut Core,
    shared: &Shared,
    (held, before): (Option<Sequence>, &[Inherited]),
) -> Result<(), TakeUpError> {
    meet(core, (held, before))?;
    core.ledger.set_held(held.unwrap_or_default());
    let Some(held) = held else {
        send_everything(core, shared);
        return Ok(());
    };
    if !goes_on(core, shared, held) {
        let lacking = core.refold(held)?;
        core.place(held, lacking, shared);
        go_past(core, shared, held);
    }
    Ok(())
}

/// Applies what another process, which has claimed our name, has of our journal: applied later, it would count under both
/// names. Whether all of it could be; what is not synced yet cannot.
pub fn catch_up(core: &mut Core, shared: &Shared, fence: &Fence) -> bool {
    let theirs = core.ledger.standing().in_common(&fence.inherited);
    if core.head() < theirs {
        advance(shared, core);
    }
    core.head() >= theirs
}

/// Another process has claimed our name, and `fence` tells what became of the batch that was on its way, and what of
/// our journal the other has. What neither Redis nor the other has belongs to the name `guard` from now on, the rest
/// stays with the former. What the other has must be applied ([`catch_up`]).
///
/// # Errors
/// When the fate of that batch cannot be told, or the ledger takes no writes; then nothing has changed.
pub fn ousted(
    core: &mut Core,
    shared: &Shared,
    fence: &Fence,
    [guard, writer]: [[u8; 16]; 2],
) -> Result<(), TakeUpError> {
    settle(core, shared, fence)?;
    let mut standing = core.ledger.standing().clone();
    let theirs = standing.in_common(&fence.inherited);
    let own = match &core.backlog {
        Some(backlog) if standing.place(backlog.held()) >= theirs => backlog.lacks().clone(),
        _ => core.fold_after(theirs)?.deltas,
    };
    standing.rename(guard, writer, core.ledger.whole().less(&own));
    core.ledger.stand(standing)?;
    let everything = core.whole();
    core.place(Sequence::ZERO, everything, shared);
    shared.metrics.counters.renames.inc();
    tracing::error!(
        "another process has claimed this gateway's name in Redis: was the data directory copied? Counting goes on \
         under a new name"
    );
    Ok(())
}

/// What became of the batch that was on its way when the name was lost. Who has not met Redis has sent none.
fn settle(core: &mut Core, shared: &Shared, fence: &Fence) -> Result<(), TakeUpError> {
    let Some(backlog) = core.backlog.as_mut() else {
        return if fence.ours { Ok(()) } else { Err(TakeUpError::Ousted) };
    };
    match backlog.sent_to() {
        Some(_) if !fence.ours => return Err(TakeUpError::Ousted),
        Some(sent) if fence.held >= Some(sent) => shared.log.shrink_spool(backlog.arrived()),
        _ => backlog.take_back(),
    }
    Ok(())
}

/// Notes, before anything is sent, that Redis has been met.
fn meet(core: &mut Core, (held, before): (Option<Sequence>, &[Inherited])) -> Result<(), LedgerError> {
    let mut standing = core.ledger.standing().clone();
    let Some(held) = held else {
        standing.unmet = None;
        return core.ledger.stand(standing);
    };
    if let Some(backlog) = core.backlog.as_ref().filter(|_| held > core.head()) {
        // It was met before, but by now another process has counted under our name.
        standing.unmet.get_or_insert(backlog.held().next());
    }
    standing.share(before);
    if standing.meet(held) {
        tracing::warn!(%held, "Redis is ahead of this journal: was the data directory restored? Counting goes on above");
    }
    core.ledger.stand(standing)
}

fn send_everything(core: &mut Core, shared: &Shared) {
    let is_news = core
        .backlog
        .as_ref()
        .is_none_or(|backlog| backlog.held() > Sequence::ZERO);
    if is_news && core.head() > Sequence::ZERO {
        shared.metrics.counters.losses.inc();
        tracing::warn!("Redis holds nothing of this gateway: its whole contribution is sent");
    }
    let everything = core.whole();
    core.place(Sequence::ZERO, everything, shared);
}

/// Whether it is where the backlog expects it: with or without the batch that was on its way.
fn goes_on(core: &mut Core, shared: &Shared, held: Sequence) -> bool {
    let metrics = &shared.metrics.counters;
    let Some(backlog) = core.backlog.as_mut() else {
        return false;
    };
    if backlog.sent_to() == Some(held) {
        metrics.duplicates.inc();
        shared.log.shrink_spool(backlog.arrived());
        shared.applied.send_replace(held);
        return true;
    }
    if backlog.held() == held {
        backlog.take_back();
        return true;
    }
    metrics.gaps.inc();
    tracing::warn!(%held, expected = %backlog.held(), "Redis went back in time: the journal is folded anew");
    false
}

/// Sequences of a timeline that was left are not given again.
fn go_past(core: &Core, shared: &Shared, held: Sequence) {
    if core.ledger.standing().place(held) == held || core.head() > held {
        return;
    }
    shared.log.skip_past(held);
    if let Err(refusal) = shared.log.advance(payload::ADVANCE) {
        tracing::warn!(%refusal, "the journal took no advance; the next visit brings it");
    }
}
