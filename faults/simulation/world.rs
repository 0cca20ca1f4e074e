//! A world: gateways, a Redis, a clock, clients, and what happens to them, one step at a time, all by one seed.

mod mishaps;

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::rc::Rc;

use footfall::apply::VISIT_FIELD;
use footfall::clock::Clock;
use footfall::config::{Config, Durability};
use footfall::event::{Country, Family};

use crate::disk::{Directory, DiskFaults};
use crate::history::{History, Outcome, Ticket};
use crate::mutant::Mutant;
use crate::plan::Plan;
use crate::process::{Fact, Process};
use crate::random::{Random, SharedRandom};
use crate::remote::{SharedWireFaults, SimRemote};
use crate::server::{Server, SharedServer};
use crate::time::SimClock;

/// A data directory, and the process over it if one runs.
pub struct Node {
    pub directory: Directory,
    identity: [u8; 16],
    pub process: Option<Process>,
    /// Never started again: nobody knows how much of it Redis has, see the known limits in ARCHITECTURE.md.
    pub retired: bool,
    /// An older copy of the directory, and the step in which it was made.
    copy: Option<(Directory, u64)>,
    /// The last step in which it was put back to a copy.
    pub restored: u64,
}

pub struct World {
    pub plan: Plan,
    pub mutant: Option<Mutant>,
    pub random: Random,
    shared_random: SharedRandom,
    /// What concerns the event store.
    pub store_random: Random,
    pub clock: SimClock,
    pub server: SharedServer,
    wire: SharedWireFaults,
    pub nodes: Vec<Node>,
    pub history: History,
    pub step: u64,
    config: Config,
    trace: Option<String>,
}

impl World {
    pub fn new(seed: u64, mutant: Option<Mutant>, traced: bool) -> Self {
        Self::with_plan(seed, (mutant, traced), |_| {})
    }

    /// A world whose plan was changed.
    pub fn with_plan(seed: u64, (mutant, traced): (Option<Mutant>, bool), change: impl FnOnce(&mut Plan)) -> Self {
        let (mut random, mut store_random) = (Random::new(seed), Random::new(!seed));
        let mut plan = Plan::draw(&mut random, &mut store_random, mutant);
        change(&mut plan);
        let server = Server::new(random.fork(), mutant);
        let mut world = Self {
            mutant,
            store_random,
            shared_random: SharedRandom::new(random.fork()),
            clock: SimClock::new(),
            server: Rc::new(RefCell::new(server)),
            wire: Rc::default(),
            nodes: Vec::new(),
            history: History::default(),
            step: 0,
            config: plan.config(),
            trace: traced.then(String::new),
            plan,
            random,
        };
        for number in 0..world.plan.gateways {
            let identity = [u8::try_from(number).unwrap() + 1; 16];
            let directory = Directory::new(identity, world.random.fork(), mutant);
            world.add(directory, identity);
        }
        let plan = format!("{:?}", world.plan);
        world.say(|| plan);
        world
    }

    /// What happened, if it was written down.
    pub fn into_trace(self) -> String {
        self.trace.unwrap_or_default()
    }

    pub fn say(&mut self, what: impl FnOnce() -> String) {
        if let Some(trace) = &mut self.trace {
            writeln!(trace, "{:>4}  {}", self.step, what()).unwrap();
        }
    }

    fn add(&mut self, directory: Directory, identity: [u8; 16]) -> usize {
        self.nodes.push(Node {
            directory,
            identity,
            process: None,
            retired: false,
            copy: None,
            restored: 0,
        });
        self.nodes.len() - 1
    }

    /// Lives through the plan.
    pub fn live(&mut self) {
        for _ in 0..self.plan.steps {
            self.step += 1;
            let ms = self.random.below(200);
            self.pass(ms);
            self.go_on();
        }
    }

    pub fn pass(&mut self, ms: u64) {
        self.history.step = self.step;
        self.clock.pass(ms);
        self.look_at_the_clock();
    }

    fn look_at_the_clock(&mut self) {
        let now_ms = self.clock.unix_ms();
        self.history.time_is(now_ms, self.config.apply.window_ms);
    }

    fn go_on(&mut self) {
        let node = self.random.place(self.nodes.len());
        match self.random.below(100) {
            0..13 => self.begin_visit(node),
            13..16 => self.visit_again(),
            16..31 => self.with(node, Process::gather),
            31..47 => self.sync(node),
            47..57 => self.with(node, Process::apply),
            57..62 => self.with(node, Process::persist),
            62..86 => self.with(node, Process::attend),
            86..88 => {
                self.server.borrow_mut().run_late();
            }
            _ => self.disturb(node),
        }
        if self.plan.stored {
            self.look_after_store(node);
        }
        self.look_after(node);
    }

    /// Something goes wrong, or is mended.
    fn disturb(&mut self, node: usize) {
        let twinned = self.is_twinned(node);
        match self.random.below(18) {
            0..=5 | 14 | 15 if twinned => {}
            0 | 1 if self.plan.kills => self.kill(node),
            2 if self.plan.kills => self.stop(node),
            3 | 4 if self.plan.power => self.cut_power(node),
            14 if self.plan.kills || self.plan.power => self.die_soon(node),
            5 | 15 if self.plan.disk => self.break_disk(node),
            6 if self.plan.wire => self.break_wire(),
            7 if self.plan.redis_empty => {
                self.say(|| "Redis comes back empty".into());
                self.server.borrow_mut().lose_everything();
            }
            17 if self.plan.redis_empty => {
                self.say(|| "the guard in Redis is deleted".into());
                self.server.borrow_mut().lose_guard();
            }
            8 | 9 if self.plan.redis_back => self.server.borrow_mut().take_snapshot(),
            10 if self.plan.redis_back => {
                let went = self.server.borrow_mut().go_back();
                self.say(|| format!("Redis goes back: {went}"));
            }
            11 if self.plan.restores => self.copy_or_restore(node),
            12 if self.plan.clones => self.clone_beside(node),
            13 if self.plan.time_jumps => self.jump(),
            16 => self.heal(),
            _ => {}
        }
    }

    /// Starts what does not run, ends what must not.
    fn look_after(&mut self, node: usize) {
        if self.nodes[node].directory.is_dead() {
            self.bury(node);
        }
        self.hear(node);
        let Some(process) = &self.nodes[node].process else {
            if self.random.chance(30) {
                self.start(node);
            }
            return;
        };
        let (fenced, sealed) = (process.bond.fenced.get(), process.shared.log.is_sealed());
        if fenced {
            self.say(|| format!("node {node} is fenced"));
            if self.plan.clones {
                self.retire(node);
            } else {
                // Late claims of its own former processes did it: it is started again.
                self.kill(node);
            }
        } else if sealed {
            // The process ends by itself.
            if self.random.chance(50) {
                self.stop(node);
            } else {
                self.kill(node);
            }
        }
        if self.mutant == Some(Mutant::SegmentsRemovedEarly) {
            self.remove_everything(node);
        }
    }

    fn with(&mut self, node: usize, act: impl FnOnce(&mut Process)) {
        if let Some(process) = &mut self.nodes[node].process {
            act(process);
        }
    }

    fn sync(&mut self, node: usize) {
        let Some(process) = &mut self.nodes[node].process else {
            return;
        };
        if process.sync() && !process.shared.log.is_sealed() && !self.nodes[node].directory.is_dead() {
            self.hear(node);
            self.history.synced(node);
        }
    }

    /// Writes down who was answered.
    pub fn hear(&mut self, node: usize) {
        let Some(process) = &mut self.nodes[node].process else {
            return;
        };
        let answers = process.answers();
        self.note(node, answers);
    }

    fn note(&mut self, node: usize, answers: Vec<(Ticket, Outcome)>) {
        for (ticket, outcome) in answers {
            self.say(|| format!("node {node} answers {ticket:?}: {outcome:?}"));
            let keyed = self.history.is_keyed(ticket);
            // Apply decides keyed visits, and sees synced frames only.
            let safe = keyed || self.plan.durability != Durability::Os;
            self.history.settle(ticket, outcome, (self.step, safe));
        }
    }

    pub fn start(&mut self, node: usize) {
        if self.nodes[node].retired || self.nodes[node].process.is_some() {
            return;
        }
        let mut config = self.config.clone();
        if self.mutant == Some(Mutant::WindowForgotten) && self.step > 5 {
            config.apply.window_ms = 1;
        }
        let Node {
            directory, identity, ..
        } = &self.nodes[node];
        directory.revive();
        let redis = (!self.plan.embedded).then(|| {
            let ways = (self.server.clone(), self.wire.clone());
            let remote = SimRemote::new(ways, directory.guard(), self.shared_random.clone(), self.mutant);
            (remote, self.shared_random.clone())
        });
        let started = Process::start(&config, (directory, *identity), &self.clock, redis);
        let told = match &started {
            Ok(process) => format!(
                "up to {}, Redis holds {}",
                process.core.borrow().head(),
                self.server.borrow().cursor(process.guard())
            ),
            Err(error) => error.to_string(),
        };
        self.say(|| format!("node {node} starts: {told}"));
        // A start that fails leaves a directory like a crash does.
        self.nodes[node].process = started.ok();
        let damaged = self.plan.rot;
        self.with(node, |process| process.damaged = damaged);
    }

    /// The process is gone without a word; its calls may still be on the wire.
    fn bury(&mut self, node: usize) {
        let Some(process) = self.nodes[node].process.take() else {
            return;
        };
        drop(process);
        self.nodes[node].directory.revive();
        self.say(|| format!("node {node} is dead"));
        self.forget_clients(node);
    }

    /// Whoever waited gets no answer.
    fn forget_clients(&mut self, node: usize) {
        for ticket in self.history.waiting(node) {
            self.history.settle(ticket, Outcome::Unknown, (self.step, false));
        }
    }

    fn kill(&mut self, node: usize) {
        self.hear(node);
        self.bury(node);
    }

    fn cut_power(&mut self, node: usize) {
        self.kill(node);
        self.say(|| format!("node {node} loses power"));
        self.nodes[node].directory.cut_power();
        self.history.power_cut(node);
        if self.plan.stored && self.plan.store_rot && self.store_random.chance(30) {
            let place = self.store_random.place(8);
            let damaged = self.nodes[node].directory.damage_table(place);
            self.say(|| format!("the store of node {node} is damaged: {damaged}"));
        }
        self.rot(node);
    }

    fn stop(&mut self, node: usize) {
        self.hear(node);
        let Some(process) = self.nodes[node].process.take() else {
            return;
        };
        self.say(|| format!("node {node} stops"));
        let answers = process.stop(&mut self.store_random);
        if !self.nodes[node].directory.is_dead() {
            self.note(node, answers);
        }
        self.forget_clients(node);
        self.nodes[node].directory.revive();
    }

    fn retire(&mut self, node: usize) {
        self.hear(node);
        self.bury(node);
        self.say(|| format!("node {node} is retired"));
        self.nodes[node].retired = true;
        self.forfeit(node, 0);
    }

    fn forfeit(&mut self, node: usize, after: u64) {
        // Counters in the directory are as old as the directory.
        let server = self.server.borrow();
        let counted = alike(server.totals(Family::Visits), server.totals(Family::Events));
        drop(server);
        let is_counted = |country: Country| counted.get(&country.to_string()).is_some_and(|total| *total > 0);
        self.history.forfeit(node, after, is_counted);
    }

    /// How often each country was counted, as a visit or as the name of an event.
    pub fn totals(&self) -> BTreeMap<String, u64> {
        alike(self.counted(Family::Visits), self.counted(Family::Events))
    }

    /// The totals that people see.
    pub fn counted(&self, family: Family) -> BTreeMap<String, u64> {
        if !self.plan.embedded {
            return self.server.borrow().totals(family);
        }
        let hash = footfall::event::CounterHash {
            site: footfall::event::SiteId::DEFAULT,
            family,
        };
        let node = &self.nodes[0];
        let totals = match &node.process {
            Some(process) => process.core.borrow().ledger.totals(&hash),
            None => node.directory.ledger().totals(&hash),
        };
        totals.into_iter().map(|(field, total)| (field.into(), total)).collect()
    }

    fn begin_visit(&mut self, node: usize) {
        if self.nodes[node].process.is_none() {
            return;
        }
        for _ in 0..=self.random.below(3) {
            let shared = self.random.chance(20).then(|| self.random.place(8));
            let request = self.history.begin(node, shared);
            if self.random.chance(self.plan.keyed) {
                self.history.requests[request].key = Some(format!("key-{request}").into_bytes());
            }
            self.history.requests[request].is_event = self.random.chance(self.plan.events());
            self.send(request);
        }
    }

    /// A client that does not know what became of its visit sends it again, with its key.
    fn visit_again(&mut self) {
        let requests = self.history.requests.iter().enumerate();
        let open: Vec<usize> = requests
            .filter(|(_, request)| request.is_open())
            .map(|(number, _)| number)
            .collect();
        if !open.is_empty() {
            let request = self.random.pick(&open);
            self.resend(request);
        }
    }

    /// Sends a visit again if whoever has its key still remembers it.
    pub fn resend(&mut self, request: usize) {
        let window_ms = self.config.apply.window_ms;
        let known = &mut self.history.requests[request];
        known.given_up |= known.is_outlived(window_ms) || self.nodes[known.node].retired;
        if !known.given_up && self.nodes[known.node].process.is_some() {
            self.send(request);
        }
    }

    fn send(&mut self, request: usize) {
        let ticket = self.history.attempt(request);
        let known = &self.history.requests[request];
        let (node, country, key, is_event) = (known.node, known.country, known.key.clone(), known.is_event);
        let of = self.plan.stored.then(|| (known.user(), known.age_ms()));
        self.say(|| {
            format!(
                "{ticket:?} to node {node}: {country}, keyed {}, event {is_event}",
                key.is_some()
            )
        });
        let key = key.as_deref();
        if is_event {
            let fact = Fact { country, key, of };
            self.with(node, |process| process.event(ticket, &fact));
        } else {
            self.with(node, |process| process.visit(ticket, country, key));
        }
        if self.mutant == Some(Mutant::AnsweredBeforeWrite) && self.random.chance(30) {
            self.history.settle(ticket, Outcome::Ok, (self.step, true));
        }
    }
}

/// What the end of a world needs.
impl World {
    /// Lets a node do everything once.
    pub fn turn(&mut self, node: usize) {
        self.start(node);
        self.with(node, Process::gather);
        self.sync(node);
        self.with(node, Process::gather);
        self.with(node, Process::apply);
        self.with(node, Process::attend);
        let mut random = self.store_random.fork();
        self.with(node, |process| process.store(&mut random, true));
        self.with(node, Process::persist);
        self.nodes[node]
            .directory
            .set_faults(|faults| *faults = DiskFaults::default());
        self.look_after(node);
    }

    pub fn is_at_rest(&self) -> bool {
        let at_rest = |node: &Node| {
            let drained = node.process.as_ref().is_some_and(|process| {
                // What Redis holds may have changed behind the link's back.
                let held = process.held();
                let told = held.is_none_or(|held| held == self.server.borrow().cursor(process.guard()));
                told && process.is_drained() && process.is_stored() && !process.bond.fenced.get()
            });
            node.retired || drained
        };
        self.nodes.iter().all(at_rest)
    }

    /// All visits that directories in service say they contributed.
    pub fn contributed(&self) -> u64 {
        let of = |node: &Node| {
            let process = node.process.as_ref()?;
            let [visits, events] = [Family::Visits, Family::Events].map(|family| {
                let hash = footfall::event::CounterHash {
                    site: footfall::event::SiteId::DEFAULT,
                    family,
                };
                let totals = process.core.borrow().ledger.totals(&hash);
                totals.into_iter().map(|(field, total)| (field.into(), total)).collect()
            });
            Some(alike(visits, events).values().sum::<u64>())
        };
        self.nodes.iter().filter_map(of).sum()
    }
}

/// Visits and events by country, together; visits stand among the events under one name.
fn alike(mut visits: BTreeMap<String, u64>, events: BTreeMap<String, u64>) -> BTreeMap<String, u64> {
    for (name, events) in events.into_iter().filter(|(name, _)| name != VISIT_FIELD) {
        *visits.entry(name).or_default() += events;
    }
    visits
}
