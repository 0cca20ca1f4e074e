//! The payload of a single event: one numbered field a column, what is empty or unknown left out.

use std::net::IpAddr;

use super::fields::{Fields, Value, put_bytes, put_number};
use crate::event::{Country, Event, EventId, ImportId, ImportMark, Revenue, SiteId, Visitor};

const SITE: u32 = 1;
const RECEIVED_MS: u32 = 2;
const COUNTRY: u32 = 3;
const CLIENT_ID: u32 = 4;
const OWN_ID: u32 = 5;
const NAME: u32 = 6;
const TIME_MS: u32 = 7;
const REQUEST: u32 = 8;
const IS_OTHER: u32 = 9;
const REGION: u32 = 10;
const CITY: u32 = 11;
const HOST: u32 = 12;
const PATH: u32 = 13;
const QUERY: u32 = 14;
const REFERRER: u32 = 15;
const TITLE: u32 = 16;
const VISITOR: u32 = 17;
const VISITOR_HASH: u32 = 18;
const USER: u32 = 19;
const SESSION: u32 = 20;
const SCREEN: u32 = 21;
const LANGUAGE: u32 = 22;
const USER_AGENT: u32 = 23;
const ADDRESS: u32 = 24;
const PROPERTIES: u32 = 25;
const REVENUE: u32 = 26;
const CURRENCY: u32 = 27;
const ITEMS: u32 = 28;
const HAS_KEY: u32 = 29;
const NETWORK: u32 = 30;
const IMPORT: u32 = 33;
const LINE: u32 = 34;
const POINTS: u32 = 37;

/// How an event came and is counted, which is no part of the fact.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Manner {
    /// A hash of the request's `Idempotency-Key` and body and the event's place in it; 0 without such a key. An event
    /// that comes again with its request gets its first answer, others learn that they are duplicates.
    pub request: u64,
    /// The site has too many names already: it counts among all others.
    pub is_other: bool,
    /// The line that it was in an import. That tells it from all others, so its id means nothing for counting.
    pub import: Option<ImportMark>,
    /// It earns its user points, once for this time of the client's.
    pub points: Option<u64>,
}

/// Writes the payload of an event.
pub fn put_event(into: &mut Vec<u8>, event: &Event<'_>, manner: Manner) {
    if !event.site.is_default() {
        put_bytes(into, SITE, &event.site.0);
    }
    put_number(into, RECEIVED_MS, event.received_ms);
    if event.country != Country::UNKNOWN {
        put_number(into, COUNTRY, event.country.index() as u64);
    }
    match event.id {
        EventId::Client(id) => put_bytes(into, CLIENT_ID, id),
        EventId::Own(id) => put_bytes(into, OWN_ID, &id),
    }
    put_bytes(into, NAME, event.name.as_bytes());
    if event.time_ms != event.received_ms {
        put_number(into, TIME_MS, event.time_ms);
    }
    put_some_number(into, REQUEST, manner.request);
    put_some_number(into, IS_OTHER, u64::from(manner.is_other));
    put_place_and_page(into, event);
    put_person(into, event);
    put_some(into, PROPERTIES, event.properties);
    if let Some(Revenue { minor, currency }) = event.revenue {
        put_number(into, REVENUE, zigzag(minor));
        put_bytes(into, CURRENCY, &currency);
    }
    put_some(into, ITEMS, event.items);
    put_some_number(into, HAS_KEY, u64::from(event.has_key));
    put_some(into, NETWORK, event.network.as_bytes());
    if let Some(ImportMark { id, line }) = manner.import {
        put_bytes(into, IMPORT, &id);
        put_number(into, LINE, line);
    }
    if let Some(timestamp) = manner.points {
        put_number(into, POINTS, timestamp);
    }
}

fn put_place_and_page(into: &mut Vec<u8>, event: &Event<'_>) {
    for (field, text) in [
        (REGION, event.region),
        (CITY, event.city),
        (HOST, event.host),
        (PATH, event.path),
        (QUERY, event.query),
        (REFERRER, event.referrer),
        (TITLE, event.title),
    ] {
        put_some(into, field, text.as_bytes());
    }
}

fn put_person(into: &mut Vec<u8>, event: &Event<'_>) {
    match event.visitor {
        Visitor::Stable(id) => put_bytes(into, VISITOR, id.as_bytes()),
        Visitor::Daily(hash) => put_number(into, VISITOR_HASH, hash),
        Visitor::None => {}
    }
    put_some(into, USER, event.user.as_bytes());
    put_some(into, SESSION, event.session.as_bytes());
    if let Some((width, height)) = event.screen {
        put_number(into, SCREEN, u64::from(width) << 16 | u64::from(height));
    }
    put_some(into, LANGUAGE, event.language.as_bytes());
    put_some(into, USER_AGENT, event.user_agent.as_bytes());
    match event.address {
        Some(IpAddr::V4(address)) => put_bytes(into, ADDRESS, &address.octets()),
        Some(IpAddr::V6(address)) => put_bytes(into, ADDRESS, &address.octets()),
        None => {}
    }
}

fn put_some(into: &mut Vec<u8>, field: u32, bytes: &[u8]) {
    if !bytes.is_empty() {
        put_bytes(into, field, bytes);
    }
}

fn put_some_number(into: &mut Vec<u8>, field: u32, number: u64) {
    if number != 0 {
        put_number(into, field, number);
    }
}

/// Reads the payload of an event; `None` if it has no name or id, or a field is malformed.
pub fn read_event(payload: &[u8]) -> Option<(Event<'_>, Manner)> {
    let mut event = Event::new(SiteId::DEFAULT, "", EventId::Client(b""), 0);
    let (mut manner, mut time_ms, mut revenue, mut currency) = (Manner::default(), None, None, None);
    let (mut import, mut line) = (None::<ImportId>, 0);
    for (field, value) in Fields(payload) {
        match (field, value) {
            (RECEIVED_MS, Value::Number(number)) => event.received_ms = number,
            (COUNTRY, Value::Number(number)) => event.country = Country::from_index(usize::try_from(number).ok()?)?,
            (TIME_MS, Value::Number(number)) => time_ms = Some(number),
            (REQUEST, Value::Number(number)) => manner.request = number,
            (IS_OTHER, Value::Number(number)) => manner.is_other = number != 0,
            (POINTS, Value::Number(number)) => manner.points = Some(number),
            (VISITOR_HASH, Value::Number(number)) => event.visitor = Visitor::Daily(number),
            (HAS_KEY, Value::Number(number)) => event.has_key = number != 0,
            (SCREEN, Value::Number(number)) => event.screen = Some(screen(number)?),
            (REVENUE, Value::Number(number)) => revenue = Some(unzigzag(number)),
            (IMPORT, Value::Bytes(bytes)) => import = Some(bytes.try_into().ok()?),
            (LINE, Value::Number(number)) => line = number,
            (CURRENCY, Value::Bytes(bytes)) => currency = Some(bytes.try_into().ok()?),
            (_, Value::Bytes(bytes)) => read_bytes(&mut event, field, bytes)?,
            _ => {}
        }
    }
    manner.import = import.map(|id| ImportMark { id, line });
    event.time_ms = time_ms.unwrap_or(event.received_ms);
    event.revenue = revenue
        .zip(currency)
        .map(|(minor, currency)| Revenue { minor, currency });
    (!event.name.is_empty() && event.id != EventId::Client(b"")).then_some((event, manner))
}

fn read_bytes<'a>(event: &mut Event<'a>, field: u32, bytes: &'a [u8]) -> Option<()> {
    match field {
        SITE => event.site = SiteId(bytes.try_into().ok()?),
        CLIENT_ID => event.id = EventId::Client(bytes),
        OWN_ID => event.id = EventId::Own(bytes.try_into().ok()?),
        ADDRESS => event.address = Some(address(bytes)?),
        PROPERTIES => event.properties = bytes,
        ITEMS => event.items = bytes,
        VISITOR => event.visitor = Visitor::Stable(text(bytes)?),
        _ => {
            if let Some(place) = place_of_text(event, field) {
                *place = text(bytes)?;
            }
        }
    }
    Some(())
}

/// Where the text of a field belongs; `None` for a field of a later version.
const fn place_of_text<'e, 'a>(event: &'e mut Event<'a>, field: u32) -> Option<&'e mut &'a str> {
    Some(match field {
        NAME => &mut event.name,
        REGION => &mut event.region,
        CITY => &mut event.city,
        HOST => &mut event.host,
        PATH => &mut event.path,
        QUERY => &mut event.query,
        REFERRER => &mut event.referrer,
        TITLE => &mut event.title,
        USER => &mut event.user,
        SESSION => &mut event.session,
        LANGUAGE => &mut event.language,
        USER_AGENT => &mut event.user_agent,
        NETWORK => &mut event.network,
        _ => return None,
    })
}

fn text(bytes: &[u8]) -> Option<&str> {
    std::str::from_utf8(bytes).ok()
}

fn address(bytes: &[u8]) -> Option<IpAddr> {
    let v4 = <[u8; 4]>::try_from(bytes).map(IpAddr::from);
    v4.or_else(|_| <[u8; 16]>::try_from(bytes).map(IpAddr::from)).ok()
}

fn screen(number: u64) -> Option<(u16, u16)> {
    Some((u16::try_from(number >> 16).ok()?, u16::try_from(number & 0xffff).ok()?))
}

/// Small numbers of either sign become small numbers.
const fn zigzag(number: i64) -> u64 {
    (number.cast_unsigned() << 1) ^ (number >> 63).cast_unsigned()
}

const fn unzigzag(number: u64) -> i64 {
    (number >> 1).cast_signed() ^ -((number & 1).cast_signed())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn full() -> Event<'static> {
        Event {
            time_ms: 1_795_000_000_000,
            country: Country::parse(b"cy").unwrap(),
            region: "Limassol",
            city: "Λεμεσός",
            host: "shop.example",
            path: "/a/b",
            query: "x=1",
            referrer: "https://search.example/",
            title: "Shoes",
            visitor: Visitor::Daily(u64::MAX),
            user: "u",
            session: "s",
            screen: Some((1_920, 65_535)),
            language: "el-CY",
            user_agent: "Agent/1",
            network: "cloud",
            has_key: true,
            address: Some([203, 0, 113, 0].into()),
            properties: br#"{"colour":"red"}"#,
            revenue: Some(Revenue {
                minor: -1_999,
                currency: *b"EUR",
            }),
            items: br#"[{"sku":1}]"#,
            ..Event::new(
                SiteId([9; 16]),
                "purchase",
                EventId::Client(b"order-1"),
                1_795_000_000_777,
            )
        }
    }

    fn payload(event: &Event<'_>, manner: Manner) -> Vec<u8> {
        let mut payload = Vec::new();
        put_event(&mut payload, event, manner);
        payload
    }

    #[test]
    fn an_event_reads_back_with_every_field_and_unknown_ones_are_skipped() {
        let manner = Manner {
            request: 77,
            is_other: true,
            import: Some(ImportMark {
                id: [3; 16],
                line: 70_000,
            }),
            points: Some(0),
        };
        let mut with_later = Vec::new();
        put_number(&mut with_later, 500, 5);
        put_bytes(&mut with_later, 501, b"later");
        with_later.extend(payload(&full(), manner));
        assert_eq!(read_event(&with_later), Some((full(), manner)));
    }

    #[test]
    fn what_is_unknown_takes_no_bytes() {
        let event = Event::new(SiteId::DEFAULT, "view", EventId::Own([7; 16]), 1_795_000_000_000);
        let payload = payload(&event, Manner::default());
        assert_eq!(payload.len(), 1 + 6 + 1 + 1 + 16 + 1 + 1 + 4);
        assert_eq!(read_event(&payload), Some((event, Manner::default())));
    }

    #[test]
    fn an_event_without_name_or_id_or_with_a_malformed_field_is_none() {
        let nameless = Event { name: "", ..full() };
        let idless = Event {
            id: EventId::Client(b""),
            ..full()
        };
        for bad in [nameless, idless] {
            assert_eq!(read_event(&payload(&bad, Manner::default())), None);
        }
        for (field, bytes) in [
            (SITE, &[1; 15][..]),
            (ADDRESS, &[1; 5]),
            (IMPORT, &[1; 15]),
            (TITLE, b"\xff"),
            (CURRENCY, b"EU"),
        ] {
            let mut payload = payload(&full(), Manner::default());
            put_bytes(&mut payload, field, bytes);
            assert_eq!(read_event(&payload), None, "{field}");
        }
    }

    proptest! {
        #[test]
        fn amounts_of_either_sign_read_back(minor in any::<i64>()) {
            let event = Event { revenue: Some(Revenue { minor, currency: *b"JPY" }), ..full() };
            let payload = payload(&event, Manner::default());
            prop_assert_eq!(read_event(&payload).unwrap().0, event);
        }

        #[test]
        fn random_bytes_are_read_or_refused(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
            let mut payload = payload(&full(), Manner::default());
            payload.extend(bytes);
            if let Some((event, _)) = read_event(&payload) {
                prop_assert!(!event.name.is_empty());
            }
        }
    }
}
