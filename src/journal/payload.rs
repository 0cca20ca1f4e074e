//! What frames say: the payload of each kind.

pub use super::erasure_payload::put_erasure;
pub use super::event_payload::{Manner, put_event, read_event};

use super::erasure_payload::read_erasure;
use super::fields::{Fields, Value, put_bytes, put_number, put_varint, take_varint};
use crate::event::{Country, Erasure, Event, SiteId};

/// Kind of a frame of folded visits.
pub const VISITS: u8 = 1;
/// Kind of a frame of a single visit with an idempotency key.
pub const VISIT: u8 = 2;
/// Kind of a frame that says nothing and only takes a sequence.
pub const ADVANCE: u8 = 3;
/// Kind of a frame of a single event.
pub const EVENT: u8 = 4;
/// Kind of a frame by which events are erased.
pub const ERASURE: u8 = 5;
/// Kind of a frame that says of a visitor only that it is still there; 6 and 7 are others'.
pub const SIGN: u8 = 8;

const SITE: u32 = 1;
const BUCKET: u32 = 2;
const COUNTS: u32 = 3;
const TIME_MS: u32 = 2;
const COUNTRY: u32 = 3;
const ID: u32 = 4;

/// A frame's payload, understood.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(
    clippy::large_enum_variant,
    reason = "one lives at a time, on the stack, and a box would cost every event an allocation"
)]
pub enum Payload<'a> {
    /// Visits of one site and 15-minute bucket, folded by country.
    Visits(Visits<'a>),
    /// One visit that is counted once for its id.
    Visit(Visit<'a>),
    /// Nothing happened.
    Advance,
    /// One event, and how it is counted.
    Event(Event<'a>, Manner),
    /// Events are to go for good.
    Erasure(Erasure<'a>),
    /// A visitor is still there, as an event that did not happen.
    Sign(Event<'a>),
    /// A kind of a later version.
    Unknown,
}

/// Visits of one site and bucket, folded by country.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Visits<'a> {
    /// Whose visits.
    pub site: SiteId,
    /// When: quarters of an hour since 1970.
    pub bucket: u64,
    counts: &'a [u8],
}

/// One visit that is counted once for its id.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Visit<'a> {
    /// Whose visit.
    pub site: SiteId,
    /// When it was received, in milliseconds since 1970.
    pub time_ms: u64,
    /// Where from.
    pub country: Country,
    /// The client's idempotency key.
    pub id: &'a [u8],
}

impl Visits<'_> {
    /// Each country and how many visits it had.
    pub fn counts(&self) -> impl Iterator<Item = (Country, u64)> {
        let mut rest = self.counts;
        std::iter::from_fn(move || {
            let index = usize::try_from(take_varint(&mut rest)?).ok()?;
            Some((Country::from_index(index)?, take_varint(&mut rest)?))
        })
    }
}

impl<'a> Payload<'a> {
    /// Reads the payload of a frame of some kind; `None` if a field it needs is missing or malformed.
    pub fn read(kind: u8, payload: &'a [u8]) -> Option<Self> {
        match kind {
            VISITS => read_visits(payload).map(Self::Visits),
            VISIT => read_visit(payload).map(Self::Visit),
            ADVANCE => Some(Self::Advance),
            EVENT => read_event(payload).map(|(event, manner)| Self::Event(event, manner)),
            ERASURE => read_erasure(payload).map(Self::Erasure),
            SIGN => read_event(payload).map(|(event, _)| Self::Sign(event)),
            _ => Some(Self::Unknown),
        }
    }
}

/// Writes the payload of folded visits.
pub fn put_visits(into: &mut Vec<u8>, site: SiteId, bucket: u64, counts: impl Iterator<Item = (Country, u64)>) {
    put_site(into, site);
    put_number(into, BUCKET, bucket);
    let mut pairs = Vec::new();
    for (country, visits) in counts {
        put_varint(&mut pairs, country.index() as u64);
        put_varint(&mut pairs, visits);
    }
    put_bytes(into, COUNTS, &pairs);
}

/// Writes the payload of a single visit.
pub fn put_visit(into: &mut Vec<u8>, visit: Visit<'_>) {
    put_site(into, visit.site);
    put_number(into, TIME_MS, visit.time_ms);
    put_number(into, COUNTRY, visit.country.index() as u64);
    put_bytes(into, ID, visit.id);
}

fn put_site(into: &mut Vec<u8>, site: SiteId) {
    if !site.is_default() {
        put_bytes(into, SITE, &site.0);
    }
}

fn read_visits(payload: &[u8]) -> Option<Visits<'_>> {
    let mut visits = Visits {
        site: SiteId::DEFAULT,
        bucket: 0,
        counts: &[],
    };
    for field in Fields(payload) {
        match field {
            (SITE, Value::Bytes(bytes)) => visits.site = SiteId(bytes.try_into().ok()?),
            (BUCKET, Value::Number(bucket)) => visits.bucket = bucket,
            (COUNTS, Value::Bytes(counts)) => visits.counts = counts,
            _ => {}
        }
    }
    Some(visits)
}

fn read_visit(payload: &[u8]) -> Option<Visit<'_>> {
    let (mut site, mut time_ms, mut country, mut id) = (SiteId::DEFAULT, 0, None, None);
    for field in Fields(payload) {
        match field {
            (SITE, Value::Bytes(bytes)) => site = SiteId(bytes.try_into().ok()?),
            (TIME_MS, Value::Number(number)) => time_ms = number,
            (COUNTRY, Value::Number(number)) => country = Country::from_index(usize::try_from(number).ok()?),
            (ID, Value::Bytes(bytes)) => id = Some(bytes),
            _ => {}
        }
    }
    Some(Visit {
        site,
        time_ms,
        country: country?,
        id: id?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folded_visits_read_back() {
        let counts = [
            (Country::parse(b"GB").unwrap(), 3),
            (Country::parse(b"cy").unwrap(), 70_000),
        ];
        let mut payload = Vec::new();
        put_visits(&mut payload, SiteId([9; 16]), 1_900_000, counts.into_iter());
        let Some(Payload::Visits(visits)) = Payload::read(VISITS, &payload) else {
            panic!("no visits")
        };
        assert_eq!((visits.site, visits.bucket), (SiteId([9; 16]), 1_900_000));
        assert_eq!(visits.counts().collect::<Vec<_>>(), counts);
    }

    #[test]
    fn a_single_visit_reads_back_and_unknown_fields_are_skipped() {
        let country = Country::parse(b"de").unwrap();
        let visit = Visit {
            site: SiteId::DEFAULT,
            time_ms: 1_795_000_000_000,
            country,
            id: b"order-1",
        };
        let mut payload = Vec::new();
        put_number(&mut payload, 77, 5);
        put_visit(&mut payload, visit);
        assert_eq!(Payload::read(VISIT, &payload), Some(Payload::Visit(visit)));
    }

    #[test]
    fn a_visit_without_country_or_id_is_malformed_and_a_later_kind_unknown() {
        let mut payload = Vec::new();
        put_number(&mut payload, TIME_MS, 1);
        assert_eq!(Payload::read(VISIT, &payload), None);
        assert_eq!(Payload::read(200, &payload), Some(Payload::Unknown));
    }
}
