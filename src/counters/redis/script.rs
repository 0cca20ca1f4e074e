//! The scripts: what they are called with, and what their replies mean.

use redis::{Script, ScriptInvocation, Value, from_redis_value};

use crate::clock;
use crate::counters::{BadReason, Commit, CountersError, Fault, Fence, Fields, Inherited, Totals, Verdict, key_of};
use crate::event::{CounterHash, Deltas, Sequence, SiteId};

/// What the keys look like, for every gateway that shares them.
pub(super) const META: &str = "ff:meta";
/// The guard of the one partition.
pub(super) const GUARD: &str = "ff:{0}:guard";
/// There as soon as somebody has counted in a generation, whatever becomes of the guard.
const BEGUN: &str = "ff:{0}:begun";
/// What the names of all keys of the one partition begin with.
const PARTITION: &str = "ff:{0}:";
/// The guard's field that counts how often the counters were begun anew.
pub(super) const GENERATION: &str = ":generation";

/// Who commits: the identity, and the claim it holds.
#[derive(Debug)]
pub(super) struct Stamp {
    /// The identity in hexadecimal: the gateway's field in the guard.
    id: String,
    /// Random for each process, in hexadecimal.
    nonce: String,
    /// The epoch of the last claim; 0 before the first.
    pub(super) epoch: u64,
    /// What every claim's epoch is above: when this process took the name, in milliseconds since 1970. So a Redis that
    /// was empty for a while and then has an old snapshot again does not take an earlier process for a rival.
    floor: u64,
}

impl Stamp {
    pub(super) fn new(identity: [u8; 16], nonce: [u8; 16]) -> Self {
        Self {
            id: hexadecimal(identity),
            nonce: hexadecimal(nonce),
            epoch: 0,
            floor: clock::unix_ms(),
        }
    }
}

/// Sixteen bytes as the scripts' arguments and fields spell them.
pub(super) fn hexadecimal(bytes: [u8; 16]) -> String {
    SiteId(bytes).to_string()
}

/// Which commit it is.
#[derive(Debug, Clone, Copy)]
pub(super) enum Kind {
    /// The next one.
    Next,
    /// Everything the gateway has counted, for a Redis that has nothing of it.
    Whole,
}

/// The scripts with their digests. They are called by digest; a server that does not know one is given its text.
#[derive(Debug)]
pub(super) struct Scripts {
    apply: Script,
    claim: Script,
}

impl Default for Scripts {
    fn default() -> Self {
        Self {
            apply: Script::new(include_str!("../lua/apply.lua")),
            claim: Script::new(include_str!("../lua/claim.lua")),
        }
    }
}

impl Scripts {
    pub(super) fn claim(&self, stamp: &Stamp, inherited: &[Inherited]) -> ScriptInvocation<'_> {
        let mut call = self.claim.key(GUARD);
        call.arg(&stamp.id).arg(&stamp.nonce).arg(stamp.epoch);
        let parts = inherited
            .iter()
            .map(|part| format!("{}:{}", hexadecimal(part.writer), part.last));
        call.arg(parts.collect::<Vec<_>>().join(" ")).arg(stamp.floor);
        call
    }

    pub(super) fn apply(&self, stamp: &Stamp, commit: Commit<'_>, kind: Kind) -> ScriptInvocation<'_> {
        let kind = match kind {
            Kind::Next => "next",
            Kind::Whole => "whole",
        };
        let mut call = self.apply.key(GUARD);
        call.key(BEGUN);
        call.arg(&stamp.id).arg(stamp.epoch).arg(&stamp.nonce);
        call.arg(commit.from.0).arg(commit.to.0).arg(kind);
        for (hash, amounts) in commit.deltas.iter() {
            call.key(key_of(hash)).arg(amounts.len());
            // Fields together, then amounts together: so the script passes the fields on as they lie.
            for field in amounts.keys() {
                call.arg(field.as_bytes());
            }
            for amount in amounts.values() {
                call.arg(*amount);
            }
        }
        call
    }
}

/// The script that begins a new generation.
pub(super) fn renew_script() -> Script {
    Script::new(include_str!("../lua/renew.lua"))
}

/// A call of [`renew_script`] that ends a generation.
pub(super) fn renew(script: &Script, ending: u64) -> ScriptInvocation<'_> {
    let mut call = script.key(GUARD);
    call.key(BEGUN).key(PARTITION).arg(ending);
    call
}

/// Whether the generation was ended by the call, and which one there is now.
pub(super) fn renewed(reply: Value) -> Result<(bool, u64), CountersError> {
    let (word, values) = split(reply)?;
    match (word.as_str(), values.as_slice()) {
        ("OK", [generation]) => Ok((true, number(generation)?)),
        ("PAST", [generation]) => Ok((false, number(generation)?)),
        _ => Err(strange(&word)),
    }
}

/// The script of a reader.
pub(super) fn read_script() -> Script {
    Script::new(include_str!("../lua/read.lua"))
}

/// A call of [`read_script`].
pub(super) fn read<'a>(script: &'a Script, id: &str, hash: &CounterHash) -> ScriptInvocation<'a> {
    let mut call = script.key(GUARD);
    call.key(key_of(hash)).arg(id);
    call
}

/// The outcome of a claim.
pub(super) enum Claimed {
    Held {
        epoch: u64,
        cursor: Option<Sequence>,
        before: Vec<Inherited>,
    },
    Fenced(Fence),
}

/// What the claim script replied.
pub(super) fn claimed(reply: Value, stamp: &Stamp) -> Result<Claimed, CountersError> {
    let (word, values) = split(reply)?;
    match (word.as_str(), values.as_slice()) {
        ("FENCED", [ousted, at, inherited]) => Ok(Claimed::Fenced(fence([ousted, at, inherited], stamp)?)),
        ("OK", [epoch, cursor, before]) => Ok(Claimed::Held {
            epoch: number(epoch)?,
            cursor: sequence(cursor)?,
            before: parts(before)?,
        }),
        _ => Err(strange(&word)),
    }
}

/// Who was ousted, how far it had come, and what of it the claimant has.
fn fence([ousted, at, inherited]: [&Value; 3], stamp: &Stamp) -> Result<Fence, CountersError> {
    Ok(Fence {
        held: sequence(at)?,
        ours: !matches!(ousted, Value::Nil) && text(ousted)? == stamp.nonce,
        inherited: parts(inherited)?,
    })
}

fn parts(written: &Value) -> Result<Vec<Inherited>, CountersError> {
    match written {
        Value::Nil => Ok(Vec::new()),
        value => Ok(text(value)?.split_whitespace().filter_map(part).collect()),
    }
}

/// Reads what [`Scripts::claim`] wrote.
fn part(written: &str) -> Option<Inherited> {
    let (writer, last) = written.split_once(':')?;
    Some(Inherited {
        writer: u128::from_str_radix(writer, 16).ok()?.to_be_bytes(),
        last: Sequence(last.parse().ok()?),
    })
}

fn sequence(value: &Value) -> Result<Option<Sequence>, CountersError> {
    match value {
        Value::Nil => Ok(None),
        _ => Ok(Some(Sequence(number(value)?))),
    }
}

/// What the apply script replied to a commit of these deltas.
pub(super) fn verdict(reply: Value, deltas: &Deltas) -> Result<Verdict, CountersError> {
    let (word, values) = split(reply)?;
    match (word.as_str(), values.as_slice()) {
        ("OK", totals) => Ok(Verdict::Applied(new_totals(deltas, totals)?)),
        ("DUP", [cursor]) => Ok(Verdict::Duplicate(Sequence(number(cursor)?))),
        ("GAP", [cursor]) => Ok(Verdict::Gap(Sequence(number(cursor)?))),
        ("LOST", []) => Ok(Verdict::Lost),
        ("STALE", []) => Ok(Verdict::Stale),
        ("BAD", [key, field, fault]) => Ok(Verdict::Bad(BadReason {
            key: text(key)?.into(),
            field: text(field)?.into(),
            fault: match text(fault)?.as_str() {
                "limit" => Fault::Limit,
                "number" => Fault::Number,
                "type" => Fault::Type,
                "orphan" => Fault::Orphan,
                "torn" => Fault::Torn,
                other => return Err(strange(other)),
            },
        })),
        _ => Err(strange(&word)),
    }
}

/// Totals come as bare numbers, in the order in which the deltas were sent.
fn new_totals(deltas: &Deltas, values: &[Value]) -> Result<Totals, CountersError> {
    let mut values = values.iter();
    let mut totals = Totals::default();
    for (hash, amounts) in deltas.iter() {
        let mut fields = Fields::new();
        for field in amounts.keys() {
            let value = values.next().ok_or_else(|| strange("too few totals"))?;
            fields.insert(field.clone(), number(value)?);
        }
        totals.insert(*hash, fields);
    }
    Ok(totals)
}

fn split(reply: Value) -> Result<(String, Vec<Value>), CountersError> {
    let Value::Array(mut values) = reply else {
        return Err(strange("no list"));
    };
    if values.is_empty() {
        return Err(strange("an empty list"));
    }
    let word = text(&values.remove(0))?;
    Ok((word, values))
}

fn number(value: &Value) -> Result<u64, CountersError> {
    from_redis_value(value.clone()).map_err(|_| strange("no number"))
}

fn text(value: &Value) -> Result<String, CountersError> {
    from_redis_value(value.clone()).map_err(|_| strange("no text"))
}

fn strange(what: &str) -> CountersError {
    CountersError::Unavailable(format!("Redis gave a reply that no script of ours gives: {what}").into())
}
