//! One fact from a client, as it is journaled.

use std::net::IpAddr;

use super::{Country, SiteId};

/// One fact from a client, as it is journaled; borrowed from the request or from a frame. All text is UTF-8, and an
/// empty text means that nobody knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Event<'a> {
    /// Whose event.
    pub site: SiteId,
    /// What happened: 1 to 128 bytes, no control characters.
    pub name: &'a str,
    /// Which event it is.
    pub id: EventId<'a>,
    /// When it happened: the client's time, corrected and clamped, in milliseconds since 1970.
    pub time_ms: u64,
    /// When it was received, in milliseconds since 1970; never later than when it was written, as the gateway's clock went.
    pub received_ms: u64,
    /// Where from.
    pub country: Country,
    /// Where in the country.
    pub region: &'a str,
    /// Where in the region.
    pub city: &'a str,
    /// The host of the page's URL, in lower case.
    pub host: &'a str,
    /// Its path, with a slash at the front.
    pub path: &'a str,
    /// Its query, without the question mark.
    pub query: &'a str,
    /// The page before.
    pub referrer: &'a str,
    /// The page's title.
    pub title: &'a str,
    /// By what visitors are told apart.
    pub visitor: Visitor<'a>,
    /// The user's id with the client.
    pub user: &'a str,
    /// The session's id with the client.
    pub session: &'a str,
    /// Width and height of the screen.
    pub screen: Option<(u16, u16)>,
    /// The language, as the client names it.
    pub language: &'a str,
    /// The `User-Agent`, as sent, cut to 512 bytes.
    pub user_agent: &'a str,
    /// The list of networks that the client's address is in, such as those of data centres.
    pub network: &'a str,
    /// Whether it came with a write key of the site.
    pub has_key: bool,
    /// The client's address, as far as the configuration keeps it.
    pub address: Option<IpAddr>,
    /// The bytes of a JSON object, or none.
    pub properties: &'a [u8],
    /// What it brought in.
    pub revenue: Option<Revenue>,
    /// The bytes of a JSON array, or none.
    pub items: &'a [u8],
}

/// Which event it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum EventId<'a> {
    /// The client's id, 1 to 128 bytes: an event with an id that was seen before is a duplicate.
    Client(&'a [u8]),
    /// A `UUIDv7` that the gateway gave.
    Own([u8; 16]),
}

/// By what visitors of a site are told apart; the two kinds are never mixed in one number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Visitor<'a> {
    /// The id that the client keeps for its visitor.
    Stable(&'a str),
    /// A hash of address and user agent, salted anew every day.
    Daily(u64),
    /// Nobody can tell.
    None,
}

/// An amount of money.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Revenue {
    /// In the currency's minor unit, such as cents.
    pub minor: i64,
    /// ISO 4217, upper case.
    pub currency: [u8; 3],
}

impl<'a> Event<'a> {
    /// An event of which only the name, the id and the time it was received are known.
    pub const fn new(site: SiteId, name: &'a str, id: EventId<'a>, received_ms: u64) -> Self {
        Self {
            site,
            name,
            id,
            time_ms: received_ms,
            received_ms,
            country: Country::UNKNOWN,
            region: "",
            city: "",
            host: "",
            path: "",
            query: "",
            referrer: "",
            title: "",
            visitor: Visitor::None,
            user: "",
            session: "",
            screen: None,
            language: "",
            user_agent: "",
            network: "",
            has_key: false,
            address: None,
            properties: &[],
            revenue: None,
            items: &[],
        }
    }
}
