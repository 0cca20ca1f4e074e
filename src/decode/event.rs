//! One event as its client describes it.

use std::net::IpAddr;

use jiff::Timestamp;

use super::Flaw;
use super::compact::{Compact, Fault, has_twins};
use super::page::Page;
use super::text::{label, prose, screen};
use super::tree::Value;
use crate::currency;
use crate::event::Country;
use crate::outcome::Reason;

/// Longest name, id, and id of a visitor, user or session.
const LABEL_BYTES_MAX: usize = 128;
const PATH_BYTES_MAX: usize = 2_048;
const TITLE_BYTES_MAX: usize = 512;
const LANGUAGE_BYTES_MAX: usize = 64;
/// Numbers below are no milliseconds of this century, but maybe seconds.
const TIME_MS_MIN: i128 = 100_000_000_000;
/// The last millisecond of the year 9999.
const TIME_MS_MAX: i128 = 253_402_300_799_999;
/// From here on JSON's readers skip some whole numbers.
const WHOLE_MAX: i128 = (1 << 53) - 1;

/// What a client says of an event; an empty text means that it does not.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Sent<'a> {
    /// What happened.
    pub name: &'a str,
    /// The client's id of the event.
    pub id: &'a str,
    /// When it happened by the client's clock, in milliseconds since 1970.
    pub time_ms: Option<u64>,
    /// What the client's clock showed when it sent the event.
    pub sent_at_ms: Option<u64>,
    /// The page's host, as it was written.
    pub host: &'a str,
    /// The page's path.
    pub path: &'a str,
    /// The page's query.
    pub query: &'a str,
    /// The domain of the site.
    pub domain: &'a str,
    /// The page before.
    pub referrer: &'a str,
    /// The page's title.
    pub title: &'a str,
    /// The client's id of the visitor.
    pub visitor: &'a str,
    /// Whether its visitor is told by that id, however the site counts its own.
    pub keeps_visitor: bool,
    /// The client's id of the user.
    pub user: &'a str,
    /// The client's id of the session.
    pub session: &'a str,
    /// Width and height of the screen.
    pub screen: Option<(u16, u16)>,
    /// The language.
    pub language: &'a str,
    /// The user agent, if it is not the one that sends.
    pub user_agent: &'a str,
    /// The visitor's address, if it is not the one that sends.
    pub address: Option<IpAddr>,
    /// The visitor's country, if it is not that of the address.
    pub country: Option<Country>,
    /// What it brought in.
    pub revenue: Option<SentRevenue>,
    /// The bytes of a JSON object, or none.
    pub properties: &'a [u8],
    /// The bytes of a JSON array, or none.
    pub items: &'a [u8],
    /// It earns its user points, once for this time; nothing that a body of events can say.
    pub points: Option<u64>,
}

/// An amount of money; without a currency it is the site's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SentRevenue {
    /// In the currency's minor unit.
    pub minor: i64,
    /// ISO 4217, upper case.
    pub currency: Option<[u8; 3]>,
}

/// The fields of an event; all others are left alone.
pub const FIELDS: [&str; 19] = [
    "name",
    "id",
    "time",
    "sent_at",
    "url",
    "domain",
    "referrer",
    "title",
    "visitor",
    "user",
    "session",
    "screen",
    "language",
    "user_agent",
    "ip",
    "country",
    "revenue",
    "properties",
    "items",
];

/// What wire formats call the fields of an event. A format need not have all of them.
#[derive(Debug, Clone, Copy)]
pub struct Words {
    /// The field of a key.
    pub field: fn(&str) -> Option<Field>,
    /// The key of a field that the format has.
    pub key: fn(Field) -> &'static str,
}

/// Our own words: [`FIELDS`].
pub const NATIVE: Words = Words {
    field: Field::parse,
    key: Field::name,
};

/// A field, by its place in [`FIELDS`] as far as it is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(missing_docs, reason = "`Sent` tells what they are")]
pub enum Field {
    Name,
    Id,
    Time,
    SentAt,
    Url,
    Domain,
    Referrer,
    Title,
    Visitor,
    User,
    Session,
    Screen,
    Language,
    UserAgent,
    Ip,
    Country,
    Revenue,
    Properties,
    Items,
    /// As `Screen`, or an object with `width` and `height`.
    ScreenSize,
}

impl Field {
    /// The field of a key. Compiled to a choice by length, which a search through [`FIELDS`] would not be.
    fn parse(key: &str) -> Option<Self> {
        Some(match key {
            "name" => Self::Name,
            "id" => Self::Id,
            "time" => Self::Time,
            "sent_at" => Self::SentAt,
            "url" => Self::Url,
            "domain" => Self::Domain,
            "referrer" => Self::Referrer,
            "title" => Self::Title,
            "visitor" => Self::Visitor,
            "user" => Self::User,
            "session" => Self::Session,
            "screen" => Self::Screen,
            "language" => Self::Language,
            "user_agent" => Self::UserAgent,
            "ip" => Self::Ip,
            "country" => Self::Country,
            "revenue" => Self::Revenue,
            "properties" => Self::Properties,
            "items" => Self::Items,
            _ => return None,
        })
    }

    fn name(self) -> &'static str {
        FIELDS.get(self as usize).copied().unwrap_or_default()
    }

    const fn bit(self) -> u32 {
        1 << self as u32
    }
}

const LABEL: Fault = (
    Reason::FieldInvalid,
    "must be a text of 1 to 128 bytes without control characters",
);
const TEXT: Fault = (Reason::FieldInvalid, "must be a text without NUL");
const TIME: Fault = (
    Reason::FieldInvalid,
    "must be milliseconds since 1970, or a date and time of ISO 8601 with its zone",
);
const TIME_RANGE: Fault = (Reason::NumberOutOfRange, "must be milliseconds since 1970");
const URL: Fault = (
    Reason::FieldInvalid,
    "must be an http or https URL, or a path that begins with a slash",
);
const SCREEN: Fault = (Reason::FieldInvalid, "must be width and height, such as 1920x1080");
const SCREEN_SIZE: Fault = (
    Reason::FieldInvalid,
    "must be width and height: 1920x1080, or an object with both as whole numbers",
);
const ADDRESS: Fault = (Reason::FieldInvalid, "must be an IP address");
const COUNTRY: Fault = (Reason::FieldInvalid, "must be a country's two letters");
const REVENUE: Fault = (
    Reason::FieldInvalid,
    "must be an object with a whole number of minor units, and the code of a currency",
);
const REVENUE_RANGE: Fault = (Reason::NumberOutOfRange, "must be between -(2^53 - 1) and 2^53 - 1");
const OBJECT: Fault = (Reason::FieldInvalid, "must be an object");
const ARRAY: Fault = (Reason::FieldInvalid, "must be an array");

/// Reads an event; `properties` and `items` are left in `compact`. An event without a time of sending of its own has
/// that of its batch.
pub fn read<'a>(
    value: Value<'_, 'a>,
    sent_at: Option<Value<'_, 'a>>,
    words: &Words,
    compact: &mut Compact,
) -> Result<Sent<'a>, Flaw<'a>> {
    let flaw = |field, (reason, rule)| Flaw {
        reason,
        field,
        rule,
        id: id_of(value),
    };
    let members = value.members().ok_or_else(|| flaw("", OBJECT))?;
    let mut sent = Sent::default();
    let (mut seen, mut properties, mut items) = (0_u32, None, None);
    for (key, member) in members {
        let Some(field) = (words.field)(key) else { continue };
        if seen & field.bit() != 0 {
            return Err(flaw((words.key)(field), (Reason::KeyDuplicate, "must be given once")));
        }
        seen |= field.bit();
        match field {
            _ if member.is_null() => {}
            Field::Properties => properties = Some(member),
            Field::Items => items = Some(member),
            _ => set(&mut sent, field, member).map_err(|fault| flaw((words.key)(field), fault))?,
        }
    }
    if sent.name.is_empty() {
        // Whoever sends a batch that is none is better told so.
        return Err(match value.get("events") {
            Some(_) => flaw("events", ARRAY),
            None => flaw((words.key)(Field::Name), (Reason::FieldMissing, "must be given")),
        });
    }
    let knows_sent_at = (words.field)("sent_at") == Some(Field::SentAt);
    let sent_at = sent_at.filter(|sent_at| knows_sent_at && sent.sent_at_ms.is_none() && !sent_at.is_null());
    if let Some(sent_at) = sent_at {
        sent.sent_at_ms = Some(time(sent_at).map_err(|fault| flaw("sent_at", fault))?);
    }
    if let Some(properties) = properties {
        let written = if properties.members().is_some() {
            compact.put_properties(properties)
        } else {
            Err(OBJECT)
        };
        written.map_err(|fault| flaw((words.key)(Field::Properties), fault))?;
    }
    if let Some(items) = items {
        let written = if items.is_array() {
            compact.put_items(items)
        } else {
            Err(ARRAY)
        };
        written.map_err(|fault| flaw((words.key)(Field::Items), fault))?;
    }
    Ok(sent)
}

/// The id of an event that is flawed, as far as it has one.
fn id_of<'a>(value: Value<'_, 'a>) -> &'a str {
    let id = value.get("id").and_then(|id| label(id.text()?, LABEL_BYTES_MAX));
    id.unwrap_or_default()
}

fn set<'a>(sent: &mut Sent<'a>, field: Field, value: Value<'_, 'a>) -> Result<(), Fault> {
    match field {
        Field::Name => sent.name = text_of(value, label, LABEL_BYTES_MAX, LABEL)?,
        Field::Id => sent.id = text_of(value, label, LABEL_BYTES_MAX, LABEL)?,
        Field::Visitor => sent.visitor = some_label(value)?,
        Field::User => sent.user = some_label(value)?,
        Field::Session => sent.session = some_label(value)?,
        Field::Time => sent.time_ms = Some(time(value)?),
        Field::SentAt => sent.sent_at_ms = Some(time(value)?),
        Field::Url => {
            let page = Page::parse(value.text().ok_or(URL)?).ok_or(URL)?;
            sent.host = page.host;
            sent.path = super::text::cut(page.path, PATH_BYTES_MAX);
            sent.query = super::text::cut(page.query, PATH_BYTES_MAX);
        }
        Field::Domain => sent.domain = some_label(value)?,
        Field::Referrer => sent.referrer = text_of(value, prose, PATH_BYTES_MAX, TEXT)?,
        Field::Title => sent.title = text_of(value, prose, TITLE_BYTES_MAX, TEXT)?,
        Field::Language => sent.language = text_of(value, prose, LANGUAGE_BYTES_MAX, TEXT)?,
        Field::UserAgent => sent.user_agent = text_of(value, prose, super::USER_AGENT_BYTES_MAX, TEXT)?,
        Field::Screen => sent.screen = Some(value.text().and_then(screen).ok_or(SCREEN)?),
        Field::ScreenSize => sent.screen = Some(screen_size(value).ok_or(SCREEN_SIZE)?),
        Field::Ip => sent.address = Some(value.text().and_then(address).ok_or(ADDRESS)?),
        Field::Country => {
            let code = value.text().ok_or(COUNTRY)?;
            sent.country = Some(Country::parse(code.as_bytes()).ok_or(COUNTRY)?);
        }
        Field::Revenue => sent.revenue = Some(revenue(value)?),
        Field::Properties | Field::Items => {}
    }
    Ok(())
}

fn screen_size(value: Value<'_, '_>) -> Option<(u16, u16)> {
    if let Some(text) = value.text() {
        return screen(text);
    }
    let side = |name| u16::try_from(value.get(name)?.whole()?).ok();
    Some((side("width")?, side("height")?))
}

/// An address in its own family: an IPv4 one may come in the clothes of IPv6.
fn address(text: &str) -> Option<IpAddr> {
    text.parse().ok().map(|address: IpAddr| address.to_canonical())
}

type Check = fn(&str, usize) -> Option<&str>;

fn text_of<'a>(value: Value<'_, 'a>, check: Check, bytes_max: usize, fault: Fault) -> Result<&'a str, Fault> {
    value.text().and_then(|text| check(text, bytes_max)).ok_or(fault)
}

/// A label that may also be empty, which says nothing.
fn some_label<'a>(value: Value<'_, 'a>) -> Result<&'a str, Fault> {
    match value.text() {
        Some("") => Ok(""),
        _ => text_of(value, label, LABEL_BYTES_MAX, LABEL),
    }
}

fn time(value: Value<'_, '_>) -> Result<u64, Fault> {
    let ms = match (value.whole(), value.text()) {
        (Some(number), _) if (TIME_MS_MIN..=TIME_MS_MAX).contains(&number) => number,
        (Some(_), _) => return Err(TIME_RANGE),
        (None, Some(text)) => text.parse::<Timestamp>().map_err(|_| TIME)?.as_millisecond().into(),
        (None, None) => return Err(TIME),
    };
    // What was before 1970 is moved to where events may be, as everything that is too old.
    Ok(u64::try_from(ms).unwrap_or(0))
}

fn revenue(value: Value<'_, '_>) -> Result<SentRevenue, Fault> {
    let members = value.members().ok_or(REVENUE)?;
    let mut keys = members.map(|(key, _)| key);
    if has_twins(keys.clone()) || keys.any(|key| key != "minor" && key != "currency") {
        return Err(REVENUE);
    }
    let minor = value.get("minor").and_then(|minor| minor.whole()).ok_or(REVENUE)?;
    if minor.abs() > WHOLE_MAX {
        return Err(REVENUE_RANGE);
    }
    let named = value.get("currency").filter(|currency| !currency.is_null());
    let currency = match named {
        Some(code) => Some(code.text().and_then(currency::parse).ok_or(REVENUE)?),
        None => None,
    };
    Ok(SentRevenue {
        minor: i64::try_from(minor).unwrap_or_default(),
        currency,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_field_is_known_by_its_name() {
        for name in FIELDS {
            assert_eq!(Field::parse(name).map(Field::name), Some(name));
        }
        assert_eq!(Field::parse("names"), None);
    }
}
