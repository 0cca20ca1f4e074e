//! The payload of an erasure: a site, and whose events of it; without anyone, all of them.

use super::fields::{Fields, Value, put_bytes, put_number};
use crate::event::{Erasure, SiteId};

const SITE: u32 = 1;
/// When it was asked for, in milliseconds since 1970: for who reads a journal.
const RECEIVED_MS: u32 = 2;
/// Whose events go: a word that stands in every payload, so that one cut short means nothing at all.
const WHOSE: u32 = 3;
const TEXT: u32 = 4;
const HASH: u32 = 5;

const SITES: u64 = 1;
const USERS: u64 = 2;
const VISITORS: u64 = 3;
const DAILY_VISITORS: u64 = 4;

/// Writes the payload of an erasure.
pub fn put_erasure(into: &mut Vec<u8>, erasure: &Erasure<'_>, received_ms: u64) {
    let (site, whose) = match erasure {
        Erasure::Site(site) => (site, SITES),
        Erasure::User(site, _) => (site, USERS),
        Erasure::StableVisitor(site, _) => (site, VISITORS),
        Erasure::DailyVisitor(site, _) => (site, DAILY_VISITORS),
    };
    if !site.is_default() {
        put_bytes(into, SITE, &site.0);
    }
    put_number(into, RECEIVED_MS, received_ms);
    put_number(into, WHOSE, whose);
    match erasure {
        Erasure::Site(_) => {}
        Erasure::User(_, text) | Erasure::StableVisitor(_, text) => put_bytes(into, TEXT, text.as_bytes()),
        Erasure::DailyVisitor(_, hash) => put_number(into, HASH, *hash),
    }
}

/// Reads the payload of an erasure; `None` if anything in it is malformed or not known: it may narrow down what goes.
pub fn read_erasure(payload: &[u8]) -> Option<Erasure<'_>> {
    let (mut site, mut whose, mut text, mut hash) = (SiteId::DEFAULT, 0, None, None);
    for field in Fields(payload) {
        match field {
            (SITE, Value::Bytes(bytes)) => site = SiteId(bytes.try_into().ok()?),
            (RECEIVED_MS, Value::Number(_)) => {}
            (WHOSE, Value::Number(number)) => whose = number,
            (TEXT, Value::Bytes(bytes)) => text = Some(str::from_utf8(bytes).ok()?),
            (HASH, Value::Number(number)) => hash = Some(number),
            _ => return None,
        }
    }
    match (whose, text, hash) {
        (SITES, None, None) => Some(Erasure::Site(site)),
        (USERS, Some(user), None) => Some(Erasure::User(site, user)),
        (VISITORS, Some(visitor), None) => Some(Erasure::StableVisitor(site, visitor)),
        (DAILY_VISITORS, None, Some(hash)) => Some(Erasure::DailyVisitor(site, hash)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SITE: SiteId = SiteId([7; 16]);

    fn payload(erasure: &Erasure<'_>) -> Vec<u8> {
        let mut payload = Vec::new();
        put_erasure(&mut payload, erasure, 1_795_000_000_000);
        payload
    }

    #[test]
    fn an_erasure_reads_back() {
        for erasure in [
            Erasure::Site(SITE),
            Erasure::Site(SiteId::DEFAULT),
            Erasure::User(SITE, "anna"),
            Erasure::StableVisitor(SiteId::DEFAULT, "0b5f"),
            Erasure::DailyVisitor(SITE, u64::MAX),
            Erasure::DailyVisitor(SITE, 0),
        ] {
            assert_eq!(read_erasure(&payload(&erasure)), Some(erasure));
        }
    }

    #[test]
    fn what_cannot_be_understood_in_full_erases_nothing() {
        let whole = payload(&Erasure::User(SITE, "anna"));
        for end in 0..whole.len() {
            assert_eq!(read_erasure(&whole[..end]), None, "cut at {end}");
        }
        let mut later = payload(&Erasure::Site(SITE));
        put_number(&mut later, 6, 1);
        assert_eq!(read_erasure(&later), None);
        let mut both = payload(&Erasure::User(SITE, "anna"));
        put_number(&mut both, HASH, 1);
        assert_eq!(read_erasure(&both), None);
    }
}
