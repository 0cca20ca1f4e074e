//! The end of a world: everything is mended, comes to rest, and must add up.

use footfall::apply::VISIT_FIELD;
use footfall::event::Family;

use crate::mutant::Mutant;
use crate::plan::Plan;
use crate::stored;
use crate::world::World;

/// Rounds after which a healthy world must have come to rest.
const ROUNDS_MAX: usize = 500;

/// Lives through a seed; what does not add up, and what happened if that is wanted.
pub fn run(seed: u64, mutant: Option<Mutant>, traced: bool) -> (Result<(), String>, String) {
    let mut world = World::new(seed, mutant, traced);
    world.live();
    let verdict = end(&mut world);
    (verdict, world.into_trace())
}

/// The same in a world that stores no events.
pub fn run_without_store(seed: u64) -> Result<(), String> {
    let mut world = World::with_plan(seed, (None, false), Plan::leave_out_store);
    world.live();
    end(&mut world)
}

fn end(world: &mut World) -> Result<(), String> {
    come_to_rest(world)?;
    resend(world)?;
    compare(world)?;
    stored::compare(world)?;
    world.say(|| "everything starts again".into());
    restart(world);
    come_to_rest(world)?;
    compare(world)?;
    stored::compare(world)
}

fn come_to_rest(world: &mut World) -> Result<(), String> {
    world.say(|| "everything is mended".into());
    world.heal();
    while world.server.borrow_mut().run_late() {}
    for _ in 0..ROUNDS_MAX {
        world.step += 1;
        world.pass(100);
        for node in 0..world.nodes.len() {
            world.turn(node);
        }
        if world.is_at_rest() {
            return Ok(());
        }
    }
    let restless = |node: &crate::world::Node| node.process.as_ref().map(crate::process::Process::unrest);
    let nodes: Vec<_> = world.nodes.iter().map(restless).collect();
    Err(format!("a healthy world does not come to rest: {nodes:?}"))
}

/// Whoever does not know what became of his visit sends it again until he does.
fn resend(world: &mut World) -> Result<(), String> {
    for _ in 0..3 {
        let open = |world: &World| -> Vec<usize> {
            let requests = world.history.requests.iter().enumerate();
            let open = requests.filter(|(_, request)| request.is_open());
            open.map(|(number, _)| number).collect()
        };
        for request in open(world) {
            world.resend(request);
        }
        come_to_rest(world)?;
        if open(world).is_empty() {
            return Ok(());
        }
    }
    Err("a healthy gateway does not answer".into())
}

fn restart(world: &mut World) {
    for node in 0..world.nodes.len() {
        world.nodes[node].process = None;
        world.start(node);
    }
}

/// Every country's total lies within what its clients were told, and the sums agree.
fn compare(world: &World) -> Result<(), String> {
    let counted = world.totals();
    let bounds = world.history.bounds();
    for (country, total) in &counted {
        let (least, most) = bounds.get(country).copied().unwrap_or_default();
        if *total < least || *total > most {
            return Err(format!("{country} is counted {total} times, not {least} to {most}"));
        }
    }
    if let Some((country, (least, _))) = bounds
        .iter()
        .find(|(country, (least, _))| *least > 0 && !counted.contains_key(*country))
    {
        return Err(format!("{country} is not counted, but was kept {least} times"));
    }
    let sum: u64 = counted.values().sum();
    let visits: u64 = world.counted(Family::Visits).values().sum();
    let among_events = world
        .counted(Family::Events)
        .get(VISIT_FIELD)
        .copied()
        .unwrap_or_default();
    if visits != among_events {
        return Err(format!("{visits} visits, but {among_events} among the events"));
    }
    let plan = &world.plan;
    let kept = world.contributed();
    // Who was restored or damaged does not have all that it counted.
    if !(plan.restores || plan.clones || plan.rot) && kept != sum {
        return Err(format!("the directories contributed {kept}, but {sum} are counted"));
    }
    Ok(())
}
