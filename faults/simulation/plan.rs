//! What a seed makes of a world: which gateways, which faults.

use footfall::config::{Config, Durability, Secret};

use crate::mutant::Mutant;
use crate::random::Random;

/// The faults that a world knows, and its shape.
#[derive(Debug, Clone)]
#[expect(clippy::struct_excessive_bools, reason = "each fault is there or not")]
pub struct Plan {
    pub steps: u64,
    pub gateways: usize,
    pub embedded: bool,
    pub durability: Durability,
    pub segment_bytes: u64,
    pub spool_bytes_max: u64,
    /// Visits with an `Idempotency-Key`, in percent.
    pub keyed: u64,
    /// Events instead of visits, in percent.
    pub events: u64,
    /// Counted segments go at once.
    pub removal: bool,
    pub kills: bool,
    pub power: bool,
    /// Failed syncs, no room, unreadable files.
    pub disk: bool,
    /// Bits flip in frames that were kept.
    pub rot: bool,
    /// Calls and replies lost, late commits, Redis away or out of memory.
    pub wire: bool,
    /// Redis comes back empty, or without its guard.
    pub redis_empty: bool,
    /// Redis comes back as it was some time ago.
    pub redis_back: bool,
    /// A directory is put back to an older copy.
    pub restores: bool,
    /// A copy of a directory is started beside it.
    pub clones: bool,
    pub time_jumps: bool,
    /// Events are stored.
    pub stored: bool,
    /// A user's events are erased now and then.
    pub wipes: bool,
    /// Old months are dropped.
    pub retention: bool,
    /// A part of the store is damaged when the power goes.
    pub store_rot: bool,
}

impl Plan {
    /// What concerns the store is drawn apart, so that worlds without one are what they were before there was one.
    pub fn draw(random: &mut Random, apart: &mut Random, mutant: Option<Mutant>) -> Self {
        let mut plan = Self {
            steps: 60 + random.below(200),
            gateways: 1 + random.place(2),
            embedded: random.chance(20),
            durability: if random.chance(70) {
                Durability::Disk
            } else {
                Durability::Os
            },
            segment_bytes: random.pick(&[100, 300, 1_000, 4_000]),
            spool_bytes_max: random.pick(&[300, 1 << 30, 1 << 30, 1 << 30]),
            keyed: random.pick(&[0, 20, 50]),
            events: random.pick(&[0, 30]),
            removal: random.chance(25),
            kills: random.chance(60),
            power: random.chance(50),
            disk: random.chance(40),
            rot: random.chance(10),
            wire: random.chance(60),
            redis_empty: random.chance(30),
            redis_back: random.chance(40),
            restores: random.chance(15),
            clones: random.chance(15),
            time_jumps: random.chance(20),
            stored: apart.chance(50),
            wipes: apart.chance(50),
            retention: apart.chance(20),
            store_rot: apart.chance(20),
        };
        if let Some(mutant) = mutant {
            plan.suit(mutant);
        }
        plan.leave_out_the_impossible();
        plan
    }

    /// How many percent of what is sent are events: what a store is for.
    pub fn events(&self) -> u64 {
        if self.stored { self.events.max(50) } else { self.events }
    }

    /// The same world without a store.
    pub fn leave_out_store(&mut self) {
        self.stored = false;
    }

    /// Gives a planted mistake the faults that it makes a difference in.
    fn suit(&mut self, mutant: Mutant) {
        match mutant {
            Mutant::SyncDoesNothing | Mutant::NamesNeverSynced => self.power = true,
            Mutant::SyncErrorIgnored => (self.disk, self.power, self.durability) = (true, true, Durability::Disk),
            Mutant::RefusedWritesStay => self.disk = true,
            Mutant::ChecksumIgnored | Mutant::RecoveryStopsAtDamage => {
                (self.power, self.rot, self.restores, self.clones) = (true, true, false, false);
            }
            Mutant::WindowForgotten => (self.keyed, self.kills, self.removal) = (50, true, false),
            Mutant::CursorWithoutTotals | Mutant::TotalsWithoutCursor => (self.embedded, self.kills) = (true, true),
            Mutant::NonceIgnored | Mutant::OriginalIgnored => (self.embedded, self.clones) = (false, true),
            Mutant::ResentAsNew => (self.embedded, self.wire) = (false, true),
            Mutant::TornIgnored => {
                // Redis must go back twice, the second time to what the first has torn, and nothing may hide it.
                self.steps += 400;
                (self.embedded, self.redis_back, self.redis_empty, self.rot) = (false, true, false, false);
                (self.restores, self.clones, self.wire, self.kills) = (false, false, false, false);
                (self.removal, self.disk, self.power) = (false, false, false);
            }
            Mutant::LostTakenForZero | Mutant::OrphansIgnored => {
                (self.embedded, self.redis_empty, self.restores, self.clones) = (false, true, false, false);
            }
            Mutant::FromIgnored | Mutant::GapIgnored => {
                (self.embedded, self.redis_back, self.removal, self.rot) = (false, true, false, false);
                (self.restores, self.clones, self.wire, self.kills) = (false, false, false, false);
            }
            Mutant::RefoldOneTooEarly | Mutant::RefoldOneTooLate | Mutant::SequenceFirst => self.embedded = false,
            Mutant::AnsweredBeforeWrite
            | Mutant::SegmentsRemovedEarly
            | Mutant::StoreLaneForgotten
            | Mutant::StoreTakenEarly => {}
            Mutant::StoreCursorFirst
            | Mutant::StoreReplayTaken
            | Mutant::SessionsTakenAgain
            | Mutant::OpenSessionsFirst => (self.stored, self.kills) = (true, true),
            Mutant::StoreCommitLost | Mutant::StoreToldEarly => {
                (self.stored, self.kills, self.removal, self.store_rot) = (true, true, true, false);
            }
            Mutant::StoreErasureForgotten => {
                (self.stored, self.wipes, self.durability) = (true, true, Durability::Disk);
            }
            Mutant::StoreWindowForgotten => (self.stored, self.keyed, self.removal) = (true, 50, false),
        }
    }

    /// Some losses nobody can make good; worlds have no such combination of faults.
    fn leave_out_the_impossible(&mut self) {
        if self.embedded {
            // Nobody but the directory knows what it counted.
            (self.wire, self.redis_empty, self.redis_back, self.clones) = (false, false, false, false);
            self.gateways = 1;
        }
        if self.clones {
            self.restores = false;
        }
        if self.clones {
            // What a clone has of a directory that then loses it counts, and counts again when it is sent again.
            self.power &= self.durability == Durability::Disk;
        }
        if self.restores || self.clones {
            // What the copy lacks is in Redis alone: a Redis that loses it, too, loses it for good.
            (self.redis_empty, self.redis_back, self.rot) = (false, false, false);
        }
        if self.rot {
            // A frame that only Redis has counted is gone with it.
            self.redis_back = false;
        }
        if self.removal {
            // Keys are remembered as far back as there are segments.
            self.keyed = 0;
        }
    }

    pub fn config(&self) -> Config {
        let mut config = Config::default();
        config.store.enabled = self.stored;
        config.journal.durability = self.durability;
        config.journal.segment_bytes = self.segment_bytes;
        config.journal.spool_bytes_max = self.spool_bytes_max;
        config.journal.keep_bytes = if self.removal { 0 } else { u64::MAX };
        config.journal.keep_ms = 365 * 86_400_000;
        config.apply.window_bytes_max = if self.removal { 0 } else { u64::MAX };
        config.counters.redis_url = (!self.embedded).then(|| Secret::new("redis://simulated"));
        config
    }
}
