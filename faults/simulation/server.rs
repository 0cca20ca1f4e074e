//! A Redis in memory: its keys, what the gateway's scripts do to them, and its life.
//!
//! The scripts are those of `src/counters/lua/`, told again in Rust; [`crate::twin`] holds the two against each other.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;

use footfall::counters::{BadReason, Fault, Fields, TOTAL_LIMIT};
use footfall::event::{CounterHash, Deltas, Family, Sequence};

use crate::mutant::Mutant;
use crate::random::Random;

pub const GUARD: &str = "ff:{0}:guard";
/// What all keys of the partition begin with.
pub const PREFIX: &str = "ff:{0}:";
const GENERATION: &str = ":generation";

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
    Claimed(u64, Option<u64>),
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
    snapshots: Vec<Keys>,
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
            snapshots: Vec::new(),
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
        self.life += u64::from(self.random.chance(50));
    }

    pub fn take_snapshot(&mut self) {
        let keys = self.keys.clone();
        self.snapshots.push(keys);
    }

    /// Goes back to one of the snapshots, with or without breaking the connections; whether there was one.
    pub fn go_back(&mut self) -> bool {
        if self.snapshots.is_empty() {
            return false;
        }
        let place = self.random.place(self.snapshots.len());
        self.keys.clone_from(&self.snapshots[place]);
        // What came after the snapshot belongs to a history that never was.
        self.snapshots.truncate(place + 1);
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

    fn set(&mut self, key: &str, field: String, value: String) {
        let held = self
            .keys
            .entry(key.into())
            .or_insert_with(|| Key::Hash(BTreeMap::new()));
        if let Key::Hash(fields) = held {
            fields.insert(field, value);
        }
    }

    fn remove(&mut self, key: &str, field: &str) {
        if let Some(Key::Hash(fields)) = self.keys.get_mut(key) {
            fields.remove(field);
        }
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
        for family in Family::ALL {
            let key = format!("{PREFIX}{}", family.name());
            if let Some(held) = self.keys.remove(&key) {
                self.keys.insert(format!("{key}:before-{}", current + 1), held);
            }
        }
        for field in self
            .fields(GUARD)
            .unwrap_or_default()
            .keys()
            .filter(|field| !field.contains(':'))
        {
            self.remove(GUARD, field);
        }
        self.set(GUARD, GENERATION.into(), (current + 1).to_string());
        Reply::Renewed(true, current + 1)
    }

    fn claim(&mut self, (id, nonce): (&str, &str), ours: u64, inherited: String) -> Reply {
        let Ok(held) = self.fields(GUARD) else {
            return Reply::Refused;
        };
        let stored = number(held.get(&format!("{id}:epoch")));
        let another = held.get(&format!("{id}:nonce")).map(String::as_str) != Some(nonce);
        let late = held
            .get(&format!("{id}:nonce"))
            .is_some_and(|nonce| inherited.contains(nonce.as_str()));
        if ours > 0 && stored >= ours && another && !late && self.mutant != Some(Mutant::NonceIgnored) {
            return fenced(id, &held);
        }
        if let Some(ousted) = held.get(&format!("{id}:nonce")).filter(|_| another) {
            self.set(GUARD, format!("{id}:ousted"), ousted.clone());
            self.set(GUARD, format!("{id}:inherited"), inherited);
            match held.get(id) {
                Some(cursor) => self.set(GUARD, format!("{id}:at"), cursor.clone()),
                None => self.remove(GUARD, &format!("{id}:at")),
            }
        }
        let epoch = stored.max(ours) + 1;
        self.set(GUARD, format!("{id}:epoch"), epoch.to_string());
        self.set(GUARD, format!("{id}:nonce"), nonce.into());
        Reply::Claimed(epoch, held.get(id).and_then(|cursor| cursor.parse().ok()))
    }

    fn apply(&mut self, call: &Apply) -> Reply {
        let held = match self.fields(GUARD) {
            Ok(held) => held,
            Err(reason) => return Reply::Bad(reason),
        };
        if let Some(refusal) = self.refuse(call, &held) {
            return refusal;
        }
        let guarded = held.keys().any(|field| !field.contains(':'));
        if call.whole && !guarded {
            let mut keys = call.deltas.iter().map(|(hash, _)| key_of(hash));
            if let Some(orphan) = keys.find(|key| self.keys.contains_key(key)) {
                return Reply::Bad(bad(&orphan, "", Fault::Orphan));
            }
        }
        let totals = match self.add_up(&call.deltas) {
            Ok(totals) => totals,
            Err(reason) => return Reply::Bad(reason),
        };
        self.set(GUARD, call.id.clone(), call.to.to_string());
        if self.mutant == Some(Mutant::SequenceFirst) && self.random.chance(10) {
            self.life += 1;
            return Reply::Refused;
        }
        for (hash, fields) in &totals {
            for (field, total) in fields {
                self.set(&key_of(hash), field.to_string(), total.to_string());
            }
        }
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
        match self.mutant {
            Some(Mutant::FromIgnored) => None,
            _ if cursor >= call.to => Some(Reply::Duplicate(cursor)),
            _ if cursor != call.from => Some(Reply::Gap(cursor)),
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
