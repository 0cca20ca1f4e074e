//! Hand-overs: a data directory with two lanes and one event store, processes that take each other's place or die, and
//! clients who send events all the while, to whichever process listens.
//!
//! The processes do what those in service do ([`footfall::pipeline::Pipeline`]), step by step, with embedded counters.

mod house;

use std::collections::BTreeMap;
use std::sync::Arc;

use footfall::clock::Clock;
use footfall::config::{Config, Durability};
use footfall::event::Sequence;
use footfall::journal::{Identity, look};
use footfall::pipeline::PipelineError;
use footfall::pipeline::parts::{Duty, Found, LEAP, Parts, Tracks};

use self::house::House;
use crate::disk::{Directory, DiskFaults};
use crate::history::{History, Outcome, Ticket, USERS};
use crate::mutant::Mutant;
use crate::plan::Plan;
use crate::process::{Fact, Process, Storer};
use crate::random::Random;
use crate::stored;
use crate::time::SimClock;

/// Seeds that are run.
const SEEDS: u64 = 600;
/// Rounds after which everything must have come to rest.
const ROUNDS_MAX: usize = 100;

struct Lanes {
    plan: Plan,
    config: Config,
    random: Random,
    clock: SimClock,
    journals: [Directory; 2],
    /// Where the event store lies.
    store: Directory,
    history: History,
    /// Who listens.
    house: Option<House>,
    /// Who hands over.
    before: Option<House>,
    hand_overs: u64,
    mutant: Option<Mutant>,
}

impl Lanes {
    fn new(seed: u64, mutant: Option<Mutant>) -> Self {
        let (mut random, mut apart) = (Random::new(seed), Random::new(!seed));
        let mut plan = Plan::draw(&mut random, &mut apart, None);
        (plan.stored, plan.embedded, plan.durability) = (true, true, Durability::Disk);
        (plan.rot, plan.restores, plan.clones, plan.removal) = (false, false, false, false);
        plan.spool_bytes_max = 1 << 30;
        let directory = |number: u8, random: &mut Random| Directory::new([number; 16], random.fork(), mutant);
        Self {
            config: plan.config(),
            journals: [directory(1, &mut random), directory(2, &mut random)],
            store: directory(3, &mut random),
            random,
            clock: SimClock::new(),
            history: History::default(),
            house: None,
            before: None,
            hand_overs: 0,
            plan,
            mutant,
        }
    }

    fn live(&mut self) -> Result<(), String> {
        for step in 0..self.plan.steps {
            self.history.step = step;
            let ms = self.random.below(200);
            self.pass(ms);
            if self.house.is_none() {
                self.start().map_err(|error| error.to_string())?;
            }
            match self.random.below(100) {
                0..20 => self.send(),
                20..24 => self.send_again(),
                24..27 if self.plan.wipes => self.wipe(),
                90 | 91 => self.hand_over()?,
                92..94 => self.end_before()?,
                94 if self.plan.kills => self.kill(),
                95 if self.plan.power => self.cut_power(),
                96 => {
                    let calls = self.random.below(6);
                    self.store.set_faults(|faults| faults.write_fails_in = Some(calls));
                }
                97 if self.plan.kills => {
                    let calls = self.random.below(6);
                    self.store.set_faults(|faults| faults.dies_in = Some(calls));
                }
                98 if self.plan.store_rot => {
                    let place = self.random.place(8);
                    self.store.damage_table(place);
                }
                _ => self.work(false),
            }
            self.hear();
            if self.store.is_dead() {
                self.kill();
            }
        }
        Ok(())
    }

    fn pass(&mut self, ms: u64) {
        self.clock.pass(ms);
        self.history.time_is(self.clock.unix_ms(), self.config.apply.window_ms);
    }

    fn open(&self, lane: usize) -> Result<Found, PipelineError> {
        let directory = &self.journals[lane];
        directory.revive();
        Found::open((directory.ledger(), None), (directory.disk(), identity(lane)))
    }

    fn begin(&self, found: Found, duty: Duty, others: Option<Found>) -> Result<Parts, PipelineError> {
        let others = others.map(|others| others.segments().clone());
        found.begin(
            (&self.config, Arc::default()),
            Arc::new(self.clock.clone()),
            duty,
            others,
        )
    }

    fn is_used(&self, lane: usize) -> bool {
        !self.journals[lane].names().is_empty()
    }

    /// A start after an end.
    fn start(&mut self) -> Result<(), PipelineError> {
        self.store.revive();
        let stored = self.store.table().seen();
        if !(self.is_used(0) && self.is_used(1)) {
            let lane = usize::from(self.is_used(1));
            let found = self.open(lane)?;
            let (head, above) = (found.head(), found.head().max(stored));
            let parts = self.begin(found, Duty::Write { above }, None)?;
            let storer = self.storer(&parts, head, None);
            self.house = Some(House::of(
                (lane, head, above),
                Process::of(parts, Some(storer), None),
                None,
            ));
            return Ok(());
        }
        let [first, second] = [self.open(0)?, self.open(1)?];
        let lane = usize::from(first.head() < second.head());
        let (writing, resting) = if lane == 0 { (first, second) } else { (second, first) };
        let (head, above) = (writing.head(), writing.head().max(resting.head()).max(stored));
        let (theirs, ours) = (resting.segments().clone(), writing.segments().clone());
        let end = resting.head();
        let begin = |found: Found, duty, others| {
            found.begin(
                (&self.config, Arc::default()),
                Arc::new(self.clock.clone()),
                duty,
                Some(others),
            )
        };
        let resting = begin(resting, Duty::Rest, ours)?;
        let mut writing = begin(writing, Duty::Write { above }, theirs)?;
        writing.core.hear_beside(Sequence(u64::MAX)).unwrap();
        let storer = self.storer(&writing, head, Some((&resting, end)));
        writing.shared.set_beside(Some(resting.shared.clone()));
        let resting = Process::of(resting, None, None);
        self.house = Some(House::of(
            (lane, head, above),
            Process::of(writing, Some(storer), None),
            Some(resting),
        ));
        Ok(())
    }

    fn storer(&self, writing: &Parts, head: Sequence, resting: Option<(&Parts, Sequence)>) -> Storer {
        let ours = (writing.core.segments().clone(), head);
        let theirs = resting.map(|(parts, end)| (parts.core.segments().clone(), end));
        let theirs = theirs.filter(|_| self.mutant != Some(Mutant::StoreLaneForgotten));
        let tracks = Tracks::begin(&writing.shared, ours, theirs, identity(0).0);
        Storer::new((self.store.clone(), tracks), &self.config)
    }

    /// A new process begins to listen.
    fn hand_over(&mut self) -> Result<(), String> {
        if self.before.is_some() || self.house.as_ref().is_none_or(|house| house.waits) {
            return Ok(());
        }
        let mut old = self.house.take().unwrap();
        // It lets go of the lane that rests.
        old.process.shared.set_handing_over(true);
        old.process.shared.set_beside(None);
        if let Some(mut resting) = old.resting.take() {
            resting.apply();
            resting.persist();
        }
        let (head, lane) = (old.process.shared.log.synced().max(old.above), 1 - old.lane);
        self.before = Some(old);
        let succeeded = self.succeed(lane, head).map_err(|error| error.to_string());
        self.hand_overs += 1;
        succeeded
    }

    fn succeed(&mut self, lane: usize, head: Sequence) -> Result<(), PipelineError> {
        let found = self.open(lane)?;
        let others = look(self.journals[1 - lane].disk(), identity(1 - lane)).unwrap();
        let own = found.head();
        let above = head.max(own).max(self.store.table().seen());
        let above = Sequence(above.0 + LEAP);
        let duty = Duty::Write { above };
        let clock = Arc::new(self.clock.clone());
        let mut parts = found.begin((&self.config, Arc::default()), clock, duty, Some(others))?;
        parts.core.hear_beside(head).unwrap();
        let early = (self.mutant == Some(Mutant::StoreTakenEarly)).then(|| self.storer(&parts, own, None));
        let mut house = House::of((lane, own, above), Process::of(parts, early, None), None);
        house.waits = true;
        self.house = Some(house);
        Ok(())
    }

    /// The process before ends, in peace or not; the new one looks after what it left.
    fn end_before(&mut self) -> Result<(), String> {
        let Some(old) = self.before.take() else {
            return Ok(());
        };
        if self.plan.kills && self.random.chance(40) {
            self.bury(old);
        } else {
            let answers = old.process.stop(&mut self.random);
            self.note(answers);
            self.forget(&old.tickets);
        }
        if self.store.is_dead() {
            self.store.revive();
        }
        self.take_over().map_err(|error| error.to_string())
    }

    fn take_over(&mut self) -> Result<(), PipelineError> {
        let Some(mut house) = self.house.take() else {
            return Ok(());
        };
        let found = self.open(1 - house.lane)?;
        {
            let mut core = house.process.core.borrow_mut();
            core.replace_beside(found.segments().clone());
            core.hear_beside(Sequence(u64::MAX)).unwrap();
        }
        let (end, ours) = (found.head(), house.process.core.borrow().segments().clone());
        let clock = Arc::new(self.clock.clone());
        let resting = found.begin((&self.config, Arc::default()), clock, Duty::Rest, Some(ours.clone()))?;
        let theirs = Some((resting.core.segments().clone(), end));
        let theirs = theirs.filter(|_| self.mutant != Some(Mutant::StoreLaneForgotten));
        let tracks = Tracks::begin(&house.process.shared, (ours, house.head), theirs, identity(0).0);
        house
            .process
            .take_store(Storer::new((self.store.clone(), tracks), &self.config));
        house.process.shared.set_beside(Some(resting.shared.clone()));
        house.resting = Some(Process::of(resting, None, None));
        house.waits = false;
        self.house = Some(house);
        Ok(())
    }

    fn send(&mut self) {
        for _ in 0..=self.random.below(3) {
            let shared = self.random.chance(20).then(|| self.random.place(8));
            let request = self.history.begin(0, shared);
            if self.random.chance(40) {
                self.history.requests[request].key = Some(format!("key-{request}").into_bytes());
            }
            self.history.requests[request].is_event = true;
            self.submit(request);
        }
    }

    fn submit(&mut self, request: usize) {
        let Some(house) = &mut self.house else { return };
        let ticket = self.history.attempt(request);
        let known = &self.history.requests[request];
        let fact = Fact {
            country: known.country,
            key: known.key.as_deref(),
            of: Some((known.user(), known.age_ms())),
        };
        house.tickets.push(ticket);
        house.process.event(ticket, &fact);
    }

    fn open_requests(&self) -> Vec<usize> {
        let requests = self.history.requests.iter().enumerate();
        requests
            .filter(|(_, request)| request.is_open())
            .map(|(number, _)| number)
            .collect()
    }

    fn send_again(&mut self) {
        let open = self.open_requests();
        if !open.is_empty() {
            let request = self.random.pick(&open);
            self.submit(request);
        }
    }

    fn wipe(&mut self) {
        let Some(house) = &mut self.house else { return };
        let user = self.random.place(USERS);
        let ticket = self.history.wipe(0, user);
        house.tickets.push(ticket);
        house.process.wipe(ticket, user);
    }

    /// Something of what the threads do; all of it once if it is `eager`.
    fn work(&mut self, eager: bool) {
        let Self {
            house, before, random, ..
        } = self;
        for house in [before, house].into_iter().flatten() {
            house.work(random, eager);
        }
    }

    fn hear(&mut self) {
        let houses = [&mut self.before, &mut self.house].into_iter().flatten();
        let answers: Vec<_> = houses.flat_map(|house| house.process.answers()).collect();
        self.note(answers);
    }

    fn note(&mut self, answers: Vec<(Ticket, Outcome)>) {
        let step = self.history.step;
        for (ticket, outcome) in answers {
            self.history.settle(ticket, outcome, (step, true));
        }
    }

    /// Whoever waited gets no answer.
    fn forget(&mut self, tickets: &[Ticket]) {
        let step = self.history.step;
        for ticket in self.history.waiting(0) {
            if tickets.contains(&ticket) {
                self.history.settle(ticket, Outcome::Unknown, (step, false));
            }
        }
    }

    fn bury(&mut self, house: House) {
        let House { process, tickets, .. } = house;
        drop(process);
        self.forget(&tickets);
    }

    /// Every process dies.
    fn kill(&mut self) {
        self.hear();
        for house in [self.before.take(), self.house.take()].into_iter().flatten() {
            self.bury(house);
        }
        self.store.revive();
    }

    fn cut_power(&mut self) {
        self.kill();
        self.journals.iter().for_each(Directory::cut_power);
        self.history.power_cut(0);
    }

    fn end(&mut self) -> Result<(), String> {
        self.come_to_rest()?;
        for _ in 0..3 {
            for request in self.open_requests() {
                self.submit(request);
            }
            self.come_to_rest()?;
        }
        if !self.open_requests().is_empty() {
            return Err("a healthy gateway does not answer".into());
        }
        self.compare()?;
        self.kill();
        self.come_to_rest()?;
        self.compare()
    }

    fn come_to_rest(&mut self) -> Result<(), String> {
        self.end_before()?;
        for _ in 0..ROUNDS_MAX {
            self.history.step += 1;
            self.pass(100);
            self.store.set_faults(|faults| *faults = DiskFaults::default());
            if self.house.is_none() {
                self.start().map_err(|error| error.to_string())?;
            }
            self.work(true);
            self.hear();
            if self.house.as_ref().is_some_and(House::is_at_rest) {
                return Ok(());
            }
        }
        Err("a healthy world does not come to rest".into())
    }

    fn compare(&self) -> Result<(), String> {
        let table = self.store.table();
        let house = self.house.as_ref().unwrap();
        let mut counted = BTreeMap::<String, u64>::new();
        for process in std::iter::once(&house.process).chain(&house.resting) {
            for (name, count) in process.counted_events() {
                *counted.entry(name).or_default() += count;
            }
        }
        for (country, (least, most)) in self.history.bounds() {
            let count = counted.get(&country).copied().unwrap_or_default();
            if count < least || count > most {
                return Err(format!("{country} is counted {count} times, not {least} to {most}"));
            }
        }
        stored::hold((&self.history, &self.plan), (0, 0), &table)?;
        stored::sessions(&table)?;
        stored::agree(&table, counted)
    }
}

fn identity(lane: usize) -> Identity {
    Identity([u8::try_from(lane).unwrap() + 1; 16])
}

/// Lives through a seed; how often a process took over, and what does not add up.
fn run(seed: u64, mutant: Option<Mutant>) -> (u64, Result<(), String>) {
    let mut lanes = Lanes::new(seed, mutant);
    let verdict = lanes.live().and_then(|()| lanes.end());
    (lanes.hand_overs, verdict)
}

#[test]
fn every_event_is_stored_once_through_hand_overs() {
    let (seeds, mut hand_overs) = (crate::number("FOOTFALL_SIMULATION_SEEDS").unwrap_or(SEEDS), 0);
    for seed in 0..seeds {
        let (times, verdict) = run(seed, None);
        assert_eq!(verdict, Ok(()), "seed {seed}");
        hand_overs += times;
    }
    assert!(hand_overs > seeds, "{hand_overs} hand-overs");
}

#[test]
fn every_mistake_planted_in_a_hand_over_is_noticed() {
    for mutant in Mutant::OF_LANES {
        let caught = (0..SEEDS).find(|seed| run(*seed, Some(mutant)).1.is_err());
        println!("{mutant:?}: seed {caught:?}");
        assert!(caught.is_some(), "{mutant:?} is not noticed");
    }
}
