//! The simulated Redis against a real one: the same calls, the same replies, the same keys.
//!
//! The real one runs the gateway's own scripts. Traces are random: claims of two gateways and their clones, commits from
//! the right place and from wrong ones, keys that are gone, of another type, or hold what is no number, snapshots.

use std::collections::{BTreeMap, BTreeSet};

use footfall::counters::{BadReason, Fault, Fields};
use footfall::event::{CounterHash, Deltas, Family, Sequence, SiteId};
use redis::{Commands, Connection, Value};

use crate::mutant::Mutant;
use crate::random::Random;
use crate::real::{Engine, RedisServer};
use crate::server::{Apply, BEGUN, Call, GUARD, Key, Keys, PREFIX, Reply, Server, id_of, key_of};

const CALLS_A_TRACE: usize = 60;
const TRACES: u64 = 120;
const FAMILIES: [Family; 2] = Family::ALL;
/// What a gateway asks without a script.
const GENERATION_SCRIPT: &str = "return {'generation', redis.call('HGET', KEYS[1], ':generation') or '0'}";
/// Every kind of reply that the scripts give, in alphabetical order.
const KINDS: [&str; 17] = [
    "claimed",
    "duplicate",
    "fenced",
    "gap",
    "generation",
    "limit",
    "lost",
    "number",
    "orphan",
    "past",
    "read",
    "refused",
    "renewed",
    "stale",
    "torn",
    "totals",
    "type",
];

/// One gateway's claim, as far as it knows it.
struct Claimant {
    id: String,
    nonce: String,
    epoch: u64,
    cursor: u64,
}

struct Twins {
    real: Connection,
    simulated: Server,
    random: Random,
    claimants: Vec<Claimant>,
    snapshot: Keys,
    /// Whether a reply has differed.
    differs: bool,
    seen: BTreeSet<&'static str>,
}

#[test]
fn the_simulated_redis_replies_and_holds_what_a_real_one_does() {
    for engine in Engine::ALL {
        let server = RedisServer::start(engine);
        let mut seen = BTreeSet::new();
        for seed in 0..TRACES {
            assert!(!differ(&server, (seed, None), &mut seen), "{engine:?}, seed {seed}");
        }
        assert_eq!(
            seen.into_iter().collect::<Vec<_>>(),
            KINDS,
            "every reply must have been seen"
        );
    }
}

#[test]
fn a_guard_with_a_mistake_differs_from_a_real_one() {
    let server = RedisServer::start(Engine::Redis);
    for mutant in [Mutant::FromIgnored, Mutant::NonceIgnored, Mutant::OriginalIgnored] {
        let differs = (0..TRACES).any(|seed| differ(&server, (seed, Some(mutant)), &mut BTreeSet::new()));
        assert!(differs, "{mutant:?}");
    }
}

/// Whether a trace ends differently in the two.
fn differ(server: &RedisServer, (seed, mutant): (u64, Option<Mutant>), seen: &mut BTreeSet<&'static str>) -> bool {
    let client = redis::Client::open(server.url()).unwrap();
    let mut twins = Twins::new(client.get_connection().unwrap(), (seed, mutant));
    for _ in 0..CALLS_A_TRACE {
        twins.step();
        if twins.differs || twins.real_keys() != twins.simulated.keys {
            return true;
        }
    }
    seen.append(&mut twins.seen);
    false
}

impl Twins {
    fn new(mut real: Connection, (seed, mutant): (u64, Option<Mutant>)) -> Self {
        redis::cmd("FLUSHALL").exec(&mut real).unwrap();
        let mut random = Random::new(seed);
        // Two processes of one directory, and one of another.
        let claimant = |(directory, process): (u8, u64)| Claimant {
            id: id_of([directory; 16]),
            nonce: format!("{process:032x}"),
            epoch: 0,
            cursor: 0,
        };
        Self {
            real,
            simulated: Server::new(random.fork(), mutant),
            random,
            claimants: [(1, 1), (1, 2), (2, 3)].map(claimant).into(),
            snapshot: Keys::new(),
            differs: false,
            seen: BTreeSet::new(),
        }
    }

    fn step(&mut self) {
        let who = self.random.place(self.claimants.len());
        match self.random.below(20) {
            0..5 => self.claim(who),
            5..15 => self.commit(who),
            15 | 16 => self.read(who),
            17 => self.tamper(),
            18 => self.snapshot = self.simulated.keys.clone(),
            _ if self.random.chance(40) => self.renew(),
            _ if self.random.chance(30) => self.put(self.snapshot.clone()),
            _ => {}
        }
    }

    fn claim(&mut self, who: usize) {
        let other = self.random.place(self.claimants.len());
        let before = &self.claimants[if self.random.chance(30) { other } else { who }].nonce;
        let Claimant { id, nonce, epoch, .. } = &self.claimants[who];
        let call = Call::Claim {
            id: id.clone(),
            nonce: nonce.clone(),
            epoch: *epoch,
            inherited: format!("{before}:{epoch}"),
        };
        if let Reply::Claimed(epoch, cursor, _) = self.both(&call) {
            (self.claimants[who].epoch, self.claimants[who].cursor) = (epoch, cursor.unwrap_or(0));
        }
    }

    fn commit(&mut self, who: usize) {
        let whole = self.random.chance(15);
        let Claimant {
            id,
            nonce,
            epoch,
            cursor,
        } = &self.claimants[who];
        let (id, nonce, epoch, cursor) = (id.clone(), nonce.clone(), *epoch, *cursor);
        let from = match self.random.below(10) {
            _ if whole => 0,
            0 => cursor + 1,
            1 => cursor.saturating_sub(1),
            _ => cursor,
        };
        let to = from + 1 + self.random.below(3);
        let mut deltas = Deltas::default();
        for _ in 0..self.random.below(5) {
            let family = self.random.pick(&FAMILIES);
            let amount = self.random.pick(&[1, 2, 70_000, 1 << 52, (1 << 53) - 1]);
            let site = SiteId::DEFAULT;
            deltas.add(
                CounterHash { site, family },
                self.random.pick(&["gb", "cy", "visit"]),
                amount,
            );
        }
        let epoch = if self.random.chance(10) {
            epoch.saturating_sub(1)
        } else {
            epoch
        };
        let call = Apply {
            id,
            epoch,
            nonce,
            from,
            to,
            whole,
            deltas,
        };
        match self.both(&Call::Apply(call)) {
            Reply::Totals(_) => self.claimants[who].cursor = to,
            Reply::Duplicate(held) | Reply::Gap(held) => self.claimants[who].cursor = held,
            _ => {}
        }
    }

    fn read(&mut self, who: usize) {
        let hash = CounterHash {
            site: SiteId::DEFAULT,
            family: self.random.pick(&FAMILIES),
        };
        let id = self.claimants[who].id.clone();
        self.both(&Call::Read { id, hash });
    }

    /// Ends the generation that there is, or one that there is not.
    fn renew(&mut self) {
        if let Reply::Generation(current) = self.both(&Call::Generation) {
            let ending = if self.random.chance(70) { current } else { current + 1 };
            self.both(&Call::Renew(ending));
        }
    }

    /// What people and failures do to keys.
    fn tamper(&mut self) {
        let mut keys = self.simulated.keys.clone();
        let key = self.random.pick(&["ff:{0}:visits", "ff:{0}:events", GUARD, BEGUN]);
        match self.random.below(6) {
            0 => keys.clear(),
            1 => {
                keys.remove(key);
            }
            2 if ![GUARD, BEGUN].contains(&key) => {
                keys.insert(key.into(), Key::Text("12".into()));
            }
            3 if ![GUARD, BEGUN].contains(&key) => {
                if let Some(Key::Hash(fields)) = keys.get_mut(key) {
                    let value =
                        self.random
                            .pick(&["many", "-1", "1.5", "", "9007199254740991", "99999999999999999999"]);
                    fields.insert("gb".into(), value.into());
                }
            }
            4 => {
                // A transaction has come back.
                if let Some(Key::Hash(fields)) = keys.get_mut(GUARD) {
                    fields.insert(":started".into(), "1000".into());
                }
            }
            _ => {
                // The guard of one gateway is gone.
                let id = self.claimants[0].id.clone();
                if let Some(Key::Hash(fields)) = keys.get_mut(GUARD) {
                    fields.remove(&id);
                    if fields.is_empty() {
                        keys.remove(GUARD);
                    }
                }
            }
        }
        self.put(keys);
    }

    fn put(&mut self, keys: Keys) {
        redis::cmd("FLUSHALL").exec(&mut self.real).unwrap();
        for (key, held) in &keys {
            match held {
                Key::Hash(fields) => {
                    let fields: Vec<_> = fields.iter().collect();
                    let () = self.real.hset_multiple(key, &fields).unwrap();
                }
                Key::Text(text) => {
                    let () = self.real.set(key, text).unwrap();
                }
            }
        }
        self.simulated.keys = keys;
    }

    /// Runs a call on both; they must reply the same.
    fn both(&mut self, call: &Call) -> Reply {
        let real = self.real_call(call);
        let simulated = self.simulated.call(call.clone());
        self.differs |= real != simulated;
        self.seen.insert(kind(&real));
        simulated
    }

    fn real_call(&mut self, call: &Call) -> Reply {
        let (script, keys, arguments) = match call {
            Call::Claim {
                id,
                nonce,
                epoch,
                inherited,
            } => {
                let arguments = vec![id.clone(), nonce.clone(), epoch.to_string(), inherited.clone()];
                (
                    include_str!("../../src/counters/lua/claim.lua"),
                    vec![GUARD.into()],
                    arguments,
                )
            }
            Call::Read { id, hash } => {
                let script = include_str!("../../src/counters/lua/read.lua");
                (script, vec![GUARD.into(), key_of(hash)], vec![id.clone()])
            }
            Call::Generation => (GENERATION_SCRIPT, vec![GUARD.into()], Vec::new()),
            Call::Renew(ending) => {
                let keys = vec![GUARD.into(), BEGUN.into(), PREFIX.into()];
                (
                    include_str!("../../src/counters/lua/renew.lua"),
                    keys,
                    vec![ending.to_string()],
                )
            }
            Call::Apply(apply) => {
                let (keys, arguments) = parameters(apply);
                (include_str!("../../src/counters/lua/apply.lua"), keys, arguments)
            }
        };
        let mut eval = redis::cmd("EVAL");
        eval.arg(script).arg(keys.len()).arg(keys).arg(arguments);
        match eval.query::<Value>(&mut self.real) {
            Ok(reply) => understand(call, reply),
            Err(_) => Reply::Refused,
        }
    }

    fn real_keys(&mut self) -> Keys {
        let mut keys = Keys::new();
        let names: Vec<String> = self.real.keys("*").unwrap();
        for name in names {
            let kind: String = redis::cmd("TYPE").arg(&name).query(&mut self.real).unwrap();
            let held = if kind == "hash" {
                Key::Hash(self.real.hgetall(&name).unwrap())
            } else {
                Key::Text(self.real.get(&name).unwrap())
            };
            keys.insert(name, held);
        }
        keys
    }
}

fn parameters(apply: &Apply) -> (Vec<String>, Vec<String>) {
    let kind = if apply.whole { "whole" } else { "next" };
    let mut keys = vec![GUARD.to_owned(), BEGUN.to_owned()];
    let mut arguments = vec![apply.id.clone(), apply.epoch.to_string(), apply.nonce.clone()];
    arguments.extend([apply.from.to_string(), apply.to.to_string(), kind.into()]);
    for (hash, amounts) in apply.deltas.iter() {
        keys.push(key_of(hash));
        arguments.push(amounts.len().to_string());
        arguments.extend(amounts.keys().map(ToString::to_string));
        arguments.extend(amounts.values().map(ToString::to_string));
    }
    (keys, arguments)
}

fn understand(call: &Call, reply: Value) -> Reply {
    if let Call::Read { .. } = call {
        let (cursor, fields): (Option<String>, BTreeMap<String, String>) = redis::from_redis_value(reply).unwrap();
        let totals = fields
            .into_iter()
            .filter_map(|(field, total)| Some((field.into(), total.parse().ok()?)));
        let cursor = cursor.and_then(|cursor| cursor.parse().ok()).map(Sequence);
        return Reply::Read(cursor, totals.collect());
    }
    let Value::Array(values) = reply else {
        panic!("{reply:?}")
    };
    let text = |place: usize| redis::from_redis_value::<String>(values[place].clone()).unwrap();
    let number = |place: usize| text(place).parse::<u64>().unwrap();
    match (text(0).as_str(), call) {
        ("OK", Call::Claim { .. }) => {
            let cursor: Option<String> = redis::from_redis_value(values.get(2).cloned().unwrap_or(Value::Nil)).unwrap();
            Reply::Claimed(number(1), cursor.and_then(|cursor| cursor.parse().ok()), text(3))
        }
        ("OK", Call::Apply(apply)) => {
            let mut at = 0;
            let mut totals = |amounts: &BTreeMap<Box<str>, u64>| -> Fields {
                let fields = amounts.keys().map(|field| {
                    at += 1;
                    (field.clone(), number(at))
                });
                fields.collect()
            };
            let hashes = apply.deltas.iter();
            Reply::Totals(hashes.map(|(hash, amounts)| (*hash, totals(amounts))).collect())
        }
        ("DUP", _) => Reply::Duplicate(number(1)),
        ("GAP", _) => Reply::Gap(number(1)),
        ("LOST", _) => Reply::Lost,
        ("FENCED", _) => {
            let given = |place: usize| -> Option<String> {
                redis::from_redis_value(values.get(place).cloned().unwrap_or(Value::Nil)).unwrap()
            };
            Reply::Fenced(given(1), given(2).and_then(|at| at.parse().ok()), given(3))
        }
        ("PAST", _) => Reply::Renewed(false, number(1)),
        ("OK", Call::Renew(_)) => Reply::Renewed(true, number(1)),
        ("generation", _) => Reply::Generation(number(1)),
        ("STALE", _) => Reply::Stale,
        ("BAD", _) => Reply::Bad(BadReason {
            key: text(1).into(),
            field: text(2).into(),
            fault: match text(3).as_str() {
                "limit" => Fault::Limit,
                "number" => Fault::Number,
                "type" => Fault::Type,
                "orphan" => Fault::Orphan,
                "torn" => Fault::Torn,
                other => panic!("{other}"),
            },
        }),
        other => panic!("{other:?}"),
    }
}

fn kind(reply: &Reply) -> &'static str {
    match reply {
        Reply::Claimed(..) => "claimed",
        Reply::Totals(_) => "totals",
        Reply::Read(..) => "read",
        Reply::Duplicate(_) => "duplicate",
        Reply::Gap(_) => "gap",
        Reply::Lost => "lost",
        Reply::Fenced(..) => "fenced",
        Reply::Stale => "stale",
        Reply::Generation(_) => "generation",
        Reply::Renewed(true, _) => "renewed",
        Reply::Renewed(false, _) => "past",
        Reply::Refused => "refused",
        Reply::Bad(reason) => match reason.fault {
            Fault::Limit => "limit",
            Fault::Number => "number",
            Fault::Type => "type",
            Fault::Orphan => "orphan",
            Fault::Torn => "torn",
        },
    }
}
