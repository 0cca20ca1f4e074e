//! What must be in the event stores in the end: events that were accepted once, but for what was erased, dropped or lost
//! with its frames; and as many as were counted.

use std::collections::BTreeMap;

use footfall::apply::VISIT_FIELD;
use footfall::config::Durability;
use footfall::store::{Lack, Month};

use crate::history::{Attempt, History, Outcome, Request, Wipe};
use crate::plan::Plan;
use crate::rows::Table;
use crate::world::{Node, World};

/// Holds every store against what its clients were told, and against what its directory has counted.
pub fn compare(world: &World) -> Result<(), String> {
    if !world.plan.stored {
        return Ok(());
    }
    let in_service = world.nodes.iter().enumerate().filter(|(_, node)| !node.retired);
    in_service.into_iter().try_for_each(|(number, node)| {
        let table = node.directory.table();
        let held = hold((&world.history, &world.plan), (number, node.restored), &table);
        let held = held.and_then(|()| sessions(&table));
        let counted = held.and_then(|()| count(world, node, &table));
        counted.map_err(|wrong| format!("the store of node {number}, up to {}: {wrong}", table.cursor()))
    })
}

/// Every request's row is there as often as it may be, at a node that was put back to a copy in a step.
pub fn hold((history, plan): (&History, &Plan), (node, restored): (usize, u64), table: &Table) -> Result<(), String> {
    let mut times = BTreeMap::<usize, u64>::new();
    for row in table.rows() {
        *times.entry(row.request).or_default() += 1;
        let sent = history.requests.get(row.request);
        let sent = sent.filter(|request| request.is_event && request.country.to_string() == row.name);
        sent.ok_or_else(|| format!("{row:?} was never sent"))?;
    }
    let requests = history.requests.iter().enumerate();
    for (place, request) in requests.filter(|(_, request)| request.is_event) {
        let (mut least, mut most) = request.bounds();
        if request.torn_apart && plan.rot {
            // An event with a key is sent twice: when the frame is damaged that was stored, the other passes for new.
            most *= 2;
        }
        let wipes = history.wipes_of(request.node, request.user());
        let may_be_gone = wipes.clone().any(|wipe| may_have_erased(plan, wipe, request));
        let dropped = |attempt_ms: &u64| table.first.is_some_and(|first| Month::of(*attempt_ms) < first);
        // Whoever was restored lacks what came after; a clone has what was sent to its original.
        let elsewhere = request.node != node || request.attempts[0].sent <= restored;
        let remade = table.lacks.contains(&Lack::Damage) && plan.removal;
        if may_be_gone || elsewhere || remade || request.times_ms().any(|time| dropped(&time)) {
            least = 0;
        }
        if request.node == node && wipes.clone().any(|wipe| must_have_erased(plan, wipe, request)) {
            most = 0;
        }
        let times = times.get(&place).copied().unwrap_or_default();
        if times < least || times > most {
            return Err(format!("request {place} is there {times} times, not {least} to {most}"));
        }
    }
    Ok(())
}

/// Unless the request was first sent when it was known what had become of the erasure.
fn may_have_erased(plan: &Plan, wipe: &Wipe, request: &Request) -> bool {
    let before = wipe.attempt.outcome.is_some() && wipe.attempt.answered < request.attempts[0].sent;
    let is_ahead = before && !plan.clones && !plan.restores;
    wipe.attempt.outcome != Some(Outcome::Fail) && !is_ahead
}

/// It was asked for when the event was known to be kept, was kept itself, and nothing took it away again.
fn must_have_erased(plan: &Plan, wipe: &Wipe, request: &Request) -> bool {
    let lasts = plan.durability == Durability::Disk && !(plan.rot || plan.restores || plan.clones);
    let answered = |attempt: &Attempt| {
        attempt.outcome.is_some_and(|outcome| outcome != Outcome::Unknown) && attempt.answered < wipe.attempt.sent
    };
    lasts && wipe.attempt.outcome == Some(Outcome::Ok) && request.attempts.iter().all(answered)
}

fn count(world: &World, node: &Node, table: &Table) -> Result<(), String> {
    let plan = &world.plan;
    // Who was restored or damaged does not have all that it counted.
    match &node.process {
        Some(process) if !(plan.rot || plan.restores || plan.clones) => agree(table, process.counted_events()),
        _ => Ok(()),
    }
}

/// No session is there twice; and each has the events that say so, unless the store knows of some that are gone.
pub fn sessions(table: &Table) -> Result<(), String> {
    let mut sessions = BTreeMap::<u64, u64>::new();
    for (number, events) in table.sessions() {
        if sessions.insert(number, events).is_some() {
            return Err(format!("session {number} is there twice"));
        }
    }
    if !table.lacks.is_empty() {
        return Ok(());
    }
    let mut told = BTreeMap::<u64, u64>::new();
    for row in table.rows() {
        let visit = row.visit.ok_or_else(|| format!("{row:?} belongs to no session"))?;
        *told.entry(visit).or_default() += 1;
    }
    let numbers = sessions.keys().chain(told.keys());
    match numbers
        .into_iter()
        .find(|number| sessions.get(number) != told.get(number))
    {
        Some(number) => Err(format!(
            "session {number} has {:?} events, but {:?} say so",
            sessions.get(number),
            told.get(number)
        )),
        None => Ok(()),
    }
}

/// As many rows of each name as were counted, or fewer for a reason that the store knows.
pub fn agree(table: &Table, mut counted: BTreeMap<String, u64>) -> Result<(), String> {
    let mut stored = BTreeMap::<String, u64>::new();
    for row in table.rows() {
        *stored.entry(row.name.clone()).or_default() += 1;
    }
    counted.remove(VISIT_FIELD);
    let wrong = |name: &&String| {
        let of = |counts: &BTreeMap<String, u64>| counts.get(*name).copied().unwrap_or_default();
        of(&stored) > of(&counted) || of(&stored) < of(&counted) && table.lacks.is_empty()
    };
    match stored.keys().chain(counted.keys()).find(wrong) {
        Some(name) => Err(format!(
            "{name}: {:?} stored, {:?} counted",
            stored.get(name),
            counted.get(name)
        )),
        None => Ok(()),
    }
}
