//! A Redis in memory: its keys, what the gateway's scripts do to them, and its life.
//!
//! The scripts are those of `src/counters/lua/`, told again in Rust; [`crate::twin`] holds the two against each other.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::iter;
use std::rc::Rc;

use footfall::counters::{BadReason, Fault, Fields, TOTAL_LIMIT};
use footfall::event::{CounterHash, Deltas, Family, Sequence};

mod file;

use self::file::{File, Write};
use crate::mutant::Mutant;
use crate::random::Random;

pub const GUARD: &str = "ff:{0}:guard";
pub const BEGUN: &str = "ff:{0}:begun";
/// What all keys of the partition begin with.
pub const PREFIX: &str = "ff:{0}:";
const GENERATION: &str = ":generation";
const STARTED: &str = ":started";
const FINISHED: &str = ":finished";

/// What a key holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Key {
    Hash(BTreeMap<String, String>),
    Text(String),
}

pub type Keys = BTreeMap<String, Key>;

/// A call of one of the scripts.
#[derive(Debug, Clone)]
pub enum Call {
    Claim {
        id: String,
        nonce: String,
        epoch: u64,
        inherited: String,
    },
    Apply(Apply),
    Read {
        id: String,
        hash: CounterHash,
    },
    /// Asks for the generation.
    Generation,
    /// Ends a generation.
    Renew(u64),
}

/// A commit on its way.
#[derive(Debug, Clone)]
pub struct Apply {
    pub id: String,
    pub epoch: u64,
    pub nonce: String,
    pub from: u64,
    pub to: u64,
    pub whole: bool,
    pub deltas: Deltas,
}

/// What a script replies.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reply {
    Claimed(u64, Option<u64>, String),
    Totals(Vec<(CounterHash, Fields)>),
    Read(Option<Sequence>, Fields),
    Duplicate(u64),
    Gap(u64),
    Lost,
    /// The nonce that was ousted, the sequence at that moment, and what who did it inherited.
    Fenced(Option<String>, Option<u64>, Option<String>),
    Generation(u64),
    Renewed(bool, u64),
    Stale,
    Bad(BadReason),
    /// An error of Redis itself: nothing was done.
    Refused,
}

/// A Redis and the wires that lead to it.
pub struct Server {
    pub keys: Keys,
    file: File,
    /// What the call that runs has done.
    transaction: Vec<Write>,
    pub down: bool,
    pub out_of_memory: bool,
    /// Rises whenever all connections break.
    pub life: u64,
    /// Calls that were sent and have not been run; those whose sender gave up may still come.
    wire: BTreeMap<u64, (Call, bool)>,
    sent: u64,
    mutant: Option<Mutant>,
    random: Random,
}

pub type SharedServer = Rc<RefCell<Server>>;

impl Server {
    pub fn new(random: Random, mutant: Option<Mutant>) -> Self {
        Self {
            keys: Keys::new(),
            file: File::default(),
            transaction: Vec::new(),
            down: false,
            out_of_memory: false,
            life: 0,
            wire: BTreeMap::new(),
            sent: 0,
            mutant,
            random,
        }
    }

    /// All of a family's totals of the default site.
    pub fn totals(&self, family: Family) -> BTreeMap<String, u64> {
        let Some(Key::Hash(fields)) = self.keys.get(&format!("ff:{{0}}:{}", family.name())) else {
            return BTreeMap::new();
        };
        let parsed = fields
            .iter()
            .map(|(field, total)| (field.clone(), total.parse().unwrap()));
        parsed.collect()
    }

    /// The sequence it holds of a gateway; zero if none.
    pub fn cursor(&self, identity: [u8; 16]) -> Sequence {
        let guard = self.fields(GUARD).unwrap_or_default();
        Sequence(number(guard.get(&id_of(identity))))
    }

    /// It is flushed, or comes back empty and has broken all connections.
    pub fn lose_everything(&mut self) {
        self.keys.clear();
        self.file.clear();
        self.life += u64::from(self.random.chance(50));
    }

    /// Somebody deletes the guard, and the counts stay.
    pub fn lose_guard(&mut self) {
        self.keys.remove(GUARD);
        self.file.remove(GUARD);
    }

    pub fn take_snapshot(&mut self) {
        self.file.take_snapshot();
    }

    /// Goes back to one of the snapshots, with or without breaking the connections; whether there was one.
    pub fn go_back(&mut self) -> bool {
        let Some(found) = self.file.start(&mut self.random) else {
            return false;
        };
        self.keys = found;
        self.life += u64::from(self.random.chance(50));
        true
    }

    /// Puts a call on the wire.
    pub fn send(&mut self, call: Call) -> u64 {
        self.sent += 1;
        self.wire.insert(self.sent, (call, false));
        self.sent
    }

    /// Whoever sent it waits no longer; it may come all the same.
    pub fn give_up(&mut self, number: u64) {
        if let Some((_, given_up)) = self.wire.get_mut(&number) {
            *given_up = true;
        }
    }

    /// It never gets there.
    pub fn lose(&mut self, number: u64) {
        self.wire.remove(&number);
    }

    /// It gets there now.
    pub fn run(&mut self, number: u64) -> Reply {
        match self.wire.remove(&number) {
            Some((call, _)) if !self.down => self.call(call),
            _ => Reply::Refused,
        }
    }

    /// Lets a call come late whose sender gave up; whether there was one.
    pub fn run_late(&mut self) -> bool {
        let late: Vec<u64> = self
            .wire
            .iter()
            .filter_map(|(number, (_, given_up))| given_up.then_some(*number))
            .collect();
        if late.is_empty() {
            return false;
        }
        let number = self.random.pick(&late);
        self.run(number);
        true
    }

    /// Runs a script.
    pub fn call(&mut self, call: Call) -> Reply {
        let reply = self.script(call);
        let done = std::mem::take(&mut self.transaction);
        if !done.is_empty() {
            self.file.append(done);
        }
        reply
    }

    fn script(&mut self, call: Call) -> Reply {
        match call {
            Call::Read { id, hash } => self.read(&id, &hash),
            Call::Generation => self.generation().map_or(Reply::Refused, Reply::Generation),
            _ if self.out_of_memory => Reply::Refused,
            Call::Claim {
                id,
                nonce,
                epoch,
                inherited,
            } => self.claim((&id, &nonce), epoch, inherited),
            Call::Apply(apply) => self.apply(&apply),
            Call::Renew(ending) => self.renew(ending),
        }
    }

    fn fields(&self, key: &str) -> Result<BTreeMap<String, String>, BadReason> {
        match self.keys.get(key) {
            Some(Key::Hash(fields)) => Ok(fields.clone()),
            None => Ok(BTreeMap::new()),
            Some(Key::Text(_)) => Err(bad(key, "", Fault::Type)),
        }
    }

    fn set(&mut self, key: &str, fields: &[(&str, &str)]) {
        let owned = |(field, value): &(&str, &str)| ((*field).to_owned(), (*value).to_owned());
        self.write(Write::Set(key.into(), fields.iter().map(owned).collect()));
    }

    /// Counts a transaction; its number.
    fn start_transaction(&mut self) -> String {
        self.write(Write::Increase(GUARD.into(), STARTED.into()));
        let guard = self.fields(GUARD).unwrap_or_default();
        guard.get(STARTED).cloned().unwrap_or_default()
    }

    fn remove(&mut self, key: &str, field: &str) {
        self.write(Write::Remove(key.into(), field.into()));
    }

    fn write(&mut self, write: Write) {
        write.carry_out(&mut self.keys);
        self.transaction.push(write);
    }

    fn generation(&self) -> Option<u64> {
        let guard = self.fields(GUARD).ok()?;
        Some(number(guard.get(GENERATION)))
    }

    fn renew(&mut self, ending: u64) -> Reply {
        let Some(current) = self.generation() else {
            return Reply::Refused;
        };
        if current != ending {
            return Reply::Renewed(false, current);
        }
        let former = self
            .keys
            .keys()
            .filter_map(|key| key.rsplit_once(":before-")?.1.parse().ok());
        let beginning = 1 + former.max().unwrap_or(0).max(current);
        let started = self.start_transaction();
        for family in Family::ALL {
            let key = format!("{PREFIX}{}", family.name());
            let aside = format!("{key}:before-{beginning}");
            self.write(Write::Rename(key, aside));
        }
        self.remove(BEGUN, "by");
        for field in self
            .fields(GUARD)
            .unwrap_or_default()
            .keys()
            .filter(|field| !field.contains(':'))
        {
            self.remove(GUARD, field);
        }
        self.set(GUARD, &[(GENERATION, &beginning.to_string()), (FINISHED, &started)]);
        Reply::Renewed(true, beginning)
    }

    fn claim(&mut self, (id, nonce): (&str, &str), ours: u64, inherited: String) -> Reply {
        let Ok(held) = self.fields(GUARD) else {
            return Reply::Refused;
        };
        let of = |what: &str| format!("{id}:{what}");
        let stored = number(held.get(&of("epoch")));
        let holder = held.get(&of("nonce"));
        let another = holder.is_some_and(|holder| holder != nonce);
        let theirs = held.get(&of("inherited")).cloned().unwrap_or_default();
        let original = another && theirs.contains(nonce);
        let found_free = held.get(&of("ousted")).is_some_and(String::is_empty);
        let late = holder.is_some_and(|holder| inherited.contains(holder.as_str()));
        let rival = ours > 0 && stored >= ours && another && !late;
        match self.mutant {
            Some(Mutant::NonceIgnored) => {}
            Some(Mutant::OriginalIgnored) if !rival => {}
            _ if original && (ours == 0 || found_free) => {
                return Reply::Fenced(Some(nonce.to_owned()), None, Some(theirs));
            }
            _ if original || rival => return fenced(id, &held),
            _ => {}
        }
        let epoch = stored.max(ours) + 1;
        let mut claim = vec![(of("epoch"), epoch.to_string()), (of("nonce"), nonce.to_owned())];
        claim.push((of("inherited"), inherited));
        let mut before = held.get(&of("before")).cloned().unwrap_or_default();
        if another || holder.is_none() {
            let cursor = held.get(id).cloned().unwrap_or_default();
            let found = held.get(&of("at")).cloned().unwrap_or_default();
            match holder {
                None => before.clear(),
                Some(holder) if cursor != found => before = format!("{holder}:{} {theirs}", u64::MAX),
                Some(_) => {}
            }
            claim.extend([(of("ousted"), holder.cloned().unwrap_or_default()), (of("at"), cursor)]);
            claim.push((of("before"), before.clone()));
        }
        let claim: Vec<(&str, &str)> = claim.iter().map(|(field, value)| (&**field, &**value)).collect();
        self.set(GUARD, &claim);
        Reply::Claimed(epoch, held.get(id).and_then(|cursor| cursor.parse().ok()), before)
    }

    fn apply(&mut self, call: &Apply) -> Reply {
        let held = match self.fields(GUARD) {
            Ok(held) => held,
            Err(reason) => return Reply::Bad(reason),
        };
        if let Some(refusal) = self.refuse(call, &held) {
            return refusal;
        }
        let first = call.whole && held.keys().all(|field| field.contains(':'));
        if first && self.mutant != Some(Mutant::OrphansIgnored) {
            let mut keys = iter::once(BEGUN.to_owned()).chain(call.deltas.iter().map(|(hash, _)| key_of(hash)));
            if let Some(orphan) = keys.find(|key| self.keys.contains_key(key)) {
                return Reply::Bad(bad(&orphan, "", Fault::Orphan));
            }
        }
        let totals = match self.add_up(&call.deltas) {
            Ok(totals) => totals,
            Err(reason) => return Reply::Bad(reason),
        };
        let started = self.start_transaction();
        if first {
            self.set(BEGUN, &[("by", &call.id)]);
        }
        let sequence = call.to.to_string();
        let end = [(call.id.as_str(), sequence.as_str()), (FINISHED, &started)];
        if self.mutant == Some(Mutant::SequenceFirst) && self.random.chance(10) {
            self.set(GUARD, &end);
            self.life += 1;
            return Reply::Refused;
        }
        for (hash, fields) in &totals {
            let totals: Vec<_> = fields.iter().map(|(field, total)| (field, total.to_string())).collect();
            let totals: Vec<(&str, &str)> = totals.iter().map(|(field, total)| (&***field, &**total)).collect();
            self.set(&key_of(hash), &totals);
        }
        self.set(GUARD, &end);
        Reply::Totals(totals)
    }

    fn refuse(&self, call: &Apply, held: &BTreeMap<String, String>) -> Option<Reply> {
        let cursor = held.get(&call.id);
        let epoch = held.get(&format!("{}:epoch", call.id));
        if cursor.is_none() && epoch.is_none() && call.from != 0 {
            return Some(Reply::Lost);
        }
        let stored = number(epoch);
        let nonce_counts = self.mutant != Some(Mutant::NonceIgnored);
        if nonce_counts && held.get(&format!("{}:nonce", call.id)) != Some(&call.nonce) {
            return Some(Reply::Stale);
        }
        if nonce_counts && stored != call.epoch {
            return Some(Reply::Stale);
        }
        let cursor = match cursor.map(|cursor| cursor.parse::<u64>()) {
            Some(Ok(cursor)) => cursor,
            Some(Err(_)) => return Some(Reply::Bad(bad(GUARD, &call.id, Fault::Number))),
            None if call.from != 0 => return Some(Reply::Lost),
            None => 0,
        };
        let torn = held.get(STARTED) != held.get(FINISHED);
        match self.mutant {
            Some(Mutant::FromIgnored) => None,
            _ if cursor >= call.to => Some(Reply::Duplicate(cursor)),
            _ if cursor != call.from => Some(Reply::Gap(cursor)),
            _ if torn && self.mutant != Some(Mutant::TornIgnored) => {
                Some(Reply::Bad(bad(GUARD, FINISHED, Fault::Torn)))
            }
            _ => None,
        }
    }

    fn add_up(&self, deltas: &Deltas) -> Result<Vec<(CounterHash, Fields)>, BadReason> {
        let mut totals = Vec::new();
        for (hash, amounts) in deltas.iter() {
            let key = key_of(hash);
            let held = self.fields(&key)?;
            let mut fields = Fields::new();
            for (field, amount) in amounts {
                let value = held.get(field.as_ref()).map_or("0", String::as_str);
                if value.is_empty() || !value.bytes().all(|byte| byte.is_ascii_digit()) {
                    return Err(bad(&key, field, Fault::Number));
                }
                let total = value.parse::<u64>().unwrap_or(TOTAL_LIMIT).saturating_add(*amount);
                if total >= TOTAL_LIMIT {
                    return Err(bad(&key, field, Fault::Limit));
                }
                fields.insert(field.clone(), total);
            }
            totals.push((*hash, fields));
        }
        Ok(totals)
    }

    fn read(&self, id: &str, hash: &CounterHash) -> Reply {
        let (Ok(guard), Ok(held)) = (self.fields(GUARD), self.fields(&key_of(hash))) else {
            return Reply::Refused;
        };
        let totals = held
            .iter()
            .filter_map(|(field, total)| Some((field.as_str().into(), total.parse().ok()?)));
        let cursor = guard.get(id).and_then(|cursor| cursor.parse().ok()).map(Sequence);
        Reply::Read(cursor, totals.collect())
    }
}

/// A gateway's name in the guard.
pub fn id_of(identity: [u8; 16]) -> String {
    format!("{:032x}", u128::from_be_bytes(identity))
}

/// The key of a counter hash.
pub fn key_of(hash: &CounterHash) -> String {
    assert!(hash.site.is_default(), "the simulated gateways know one site");
    format!("ff:{{0}}:{}", hash.family.name())
}

fn fenced(id: &str, held: &BTreeMap<String, String>) -> Reply {
    let at = held.get(&format!("{id}:at")).and_then(|at| at.parse().ok());
    let told = |what: &str| held.get(&format!("{id}:{what}")).cloned();
    Reply::Fenced(told("ousted"), at, told("inherited"))
}

fn number(text: Option<&String>) -> u64 {
    text.and_then(|text| text.parse().ok()).unwrap_or(0)
}

fn bad(key: &str, field: &str, fault: Fault) -> BadReason {
    BadReason {
        key: key.into(),
        field: field.into(),
        fault,
    }
}
