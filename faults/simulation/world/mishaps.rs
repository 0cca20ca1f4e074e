//! What goes wrong with disks, wires, clocks and directories.

use footfall::clock::Clock as _;

use super::World;
use crate::disk::DiskFaults;
use crate::remote::WireFaults;

impl World {
    /// What happens to an event store beside everything else.
    pub(super) fn look_after_store(&mut self, node: usize) {
        let mut random = self.store_random.fork();
        if random.chance(30) {
            self.with(node, |process| process.store(&mut random, false));
        }
        if self.plan.wipes && random.chance(4) && self.nodes[node].process.is_some() {
            let user = random.place(crate::history::USERS);
            let ticket = self.history.wipe(node, user);
            self.say(|| format!("{ticket:?} to node {node}: user {user} is to be erased"));
            self.with(node, |process| process.wipe(ticket, user));
        }
        if self.plan.retention && random.chance(1) {
            let before_ms = self.clock.unix_ms() - random.below(100) * 86_400_000;
            self.say(|| format!("node {node} drops old months"));
            self.with(node, |process| process.drop_before(before_ms));
        }
    }

    pub(super) fn die_soon(&mut self, node: usize) {
        let calls = self.random.below(12);
        self.nodes[node]
            .directory
            .set_faults(|faults| faults.dies_in = Some(calls));
    }

    pub(super) fn break_disk(&mut self, node: usize) {
        let in_calls = self.random.below(4);
        let kind = self.random.below(4);
        self.say(|| format!("the disk of node {node} breaks: {kind} in {in_calls}"));
        self.nodes[node].directory.set_faults(|faults| match kind {
            0 => faults.full = true,
            1 => faults.write_fails_in = Some(in_calls),
            2 => faults.sync_fails_in = Some(in_calls),
            _ => faults.reads_fail = 30,
        });
    }

    pub(super) fn break_wire(&mut self) {
        let kind = self.random.below(5);
        self.say(|| format!("the wire breaks: {kind}"));
        let mut server = self.server.borrow_mut();
        match kind {
            0 => server.down = true,
            1 => server.out_of_memory = true,
            2 => server.life += 1,
            _ => {
                *self.wire.borrow_mut() = WireFaults {
                    lost: self.random.below(30),
                    unanswered: self.random.below(40),
                    late: self.random.below(30),
                }
            }
        }
    }

    /// Mends Redis and the disks; no directory, no process.
    pub fn heal(&mut self) {
        for node in &self.nodes {
            node.directory.set_faults(|faults| {
                *faults = DiskFaults {
                    dies_in: faults.dies_in,
                    ..DiskFaults::default()
                };
            });
        }
        let mut server = self.server.borrow_mut();
        (server.down, server.out_of_memory) = (false, false);
        *self.wire.borrow_mut() = WireFaults::default();
    }

    pub(super) fn jump(&mut self) {
        let hours = i64::try_from(self.random.below(60)).unwrap() - 30;
        self.say(|| format!("the time of day jumps by {hours} hours"));
        self.clock.jump(hours * 3_600_000);
        self.look_at_the_clock();
    }

    pub(super) fn copy_or_restore(&mut self, node: usize) {
        self.hear(node);
        match self.nodes[node].copy.take() {
            Some((copy, step)) if self.random.chance(60) => {
                self.kill(node);
                self.say(|| format!("node {node} is restored to step {step}"));
                self.forfeit(node, step);
                self.nodes[node].restored = self.step;
                if self.plan.stored && self.store_random.chance(40) {
                    self.say(|| "the event store is not put back".into());
                    self.nodes[node].directory.restore_without_store(&copy);
                } else {
                    self.nodes[node].directory.restore(&copy);
                }
            }
            _ => {
                self.say(|| format!("node {node} is copied"));
                self.nodes[node].copy = Some((self.nodes[node].directory.copy(), self.step));
            }
        }
    }

    /// All segments go, whether anybody needs them or not.
    pub(super) fn remove_everything(&mut self, node: usize) {
        if let Some(process) = &self.nodes[node].process {
            let core = process.core.borrow();
            // An error means that the process is dead.
            let _ = core
                .segments()
                .remove_done(footfall::event::Sequence(u64::MAX - 1), |_| true);
        }
    }

    /// Starts a copy beside a gateway in service; one clone a world.
    pub(super) fn clone_beside(&mut self, node: usize) {
        if self.nodes.len() > self.plan.gateways || self.nodes[node].process.is_none() {
            return;
        }
        self.hear(node);
        self.nodes[node]
            .directory
            .set_faults(|faults| *faults = DiskFaults::default());
        let copy = self.nodes[node].directory.copy();
        let clone = self.add(copy, self.nodes[node].identity);
        self.say(|| format!("node {clone} is a clone of node {node}"));
        self.start(clone);
    }

    /// Whether a clone, or what it was cloned from, has the same name with Redis still. Until one of them was fenced and
    /// has taken another, neither may end: a start claims the name without learning whose it was meanwhile.
    pub(super) fn is_twinned(&self, node: usize) -> bool {
        let name = self.nodes[node].directory.guard();
        let others = self.nodes.iter().enumerate().filter(|(place, _)| *place != node);
        others.into_iter().any(|(_, other)| other.directory.guard() == name)
    }
}
