//! From a row to what the index takes, and back.

use std::fmt::Write;

use tantivy::TantivyDocument;
use uuid::Uuid;
use uuid::fmt::Hyphenated;

use super::column::{Column, Kind};
use super::properties::PropertyPaths;
use super::schema::Fields;
use crate::event::{EventId, Row, Session, Visitor};

/// First byte of a kept id that the gateway gave.
const OWN: u8 = 0;
/// First byte of a kept id that a client gave.
const CLIENT: u8 = 1;
/// First byte of a kept id that a client gave as a UUID, of which the 16 bytes are kept.
const CLIENT_UUID: u8 = 2;

/// The document of an event.
pub fn of_row(fields: &Fields, row: &Row<'_>, paths: &mut PropertyPaths) -> TantivyDocument {
    let event = &row.event;
    let mut document = TantivyDocument::with_capacity(512);
    document.add_i64(fields.lag, event.received_ms.wrapping_sub(event.time_ms).cast_signed());
    document.add_u64(fields.sequence, row.sequence.0);
    put_columns(&mut document, fields, row, Column::all());
    if let Some(revenue) = event.revenue {
        document.add_i64(fields.column(Column::Revenue), revenue.minor);
    }
    document.add_bytes(fields.id, &kept_id(event.id));
    if !event.properties.is_empty() {
        document.add_bytes(fields.sent_properties, event.properties);
        let columns = paths.columns(event.properties);
        if !columns.is_empty() {
            document.add_object(fields.properties, columns);
        }
    }
    if !event.items.is_empty() {
        document.add_bytes(fields.sent_items, event.items);
    }
    document
}

/// The document of a session that is over.
pub fn of_session(fields: &Fields, session: &Session) -> TantivyDocument {
    let mut document = TantivyDocument::with_capacity(256);
    // Its number is no text, and a client's own sessions are told by its events: both would be large.
    let columns = Column::all().filter(|column| !matches!(column, Column::Visit | Column::Session));
    put_columns(&mut document, fields, &session.row(), columns);
    document.add_u64(fields.sequence, session.number);
    for column in [Column::EntryPage, Column::ExitPage] {
        if let Some(path) = page(session, column) {
            document.add_text(fields.column(column), path);
        }
    }
    for column in SESSION_NUMBERS {
        document.add_i64(fields.column(column), session_number(session, column));
    }
    document
}

/// Columns that only sessions have, with a number.
const SESSION_NUMBERS: [Column; 4] = [
    Column::VisitEvents,
    Column::VisitViews,
    Column::VisitSeconds,
    Column::VisitBounce,
];

/// A session's number of a column.
pub fn session_number(session: &Session, column: Column) -> i64 {
    let number = match column {
        Column::VisitEvents => session.events,
        Column::VisitViews => session.views,
        Column::VisitSeconds => session.seconds(),
        Column::VisitBounce => u64::from(session.is_bounce()),
        _ => 0,
    };
    number.cast_signed()
}

/// A session's text of a column, as its document has it; what is not text in it is written into `made`.
pub fn session_text<'a>(session: &'a Session, row: &Row<'a>, column: Column, made: &'a mut String) -> &'a str {
    match column {
        Column::EntryPage | Column::ExitPage => page(session, column).unwrap_or_default(),
        Column::Screen => {
            made.clear();
            if let Some((width, height)) = row.event.screen {
                // Writing to a string cannot fail.
                let _ = write!(made, "{width}x{height}");
            }
            made
        }
        Column::Bot => {
            if row.bot_rule.is_empty() {
                "false"
            } else {
                "true"
            }
        }
        _ => text(row, column, made),
    }
}

fn page(session: &Session, column: Column) -> Option<&str> {
    let page = match column {
        Column::EntryPage => session.entry.as_ref(),
        _ => session.exit.as_ref(),
    };
    page.map(|page| &*page.path).filter(|path| !path.is_empty())
}

/// Puts what events and sessions have in common.
fn put_columns(document: &mut TantivyDocument, fields: &Fields, row: &Row<'_>, columns: impl Iterator<Item = Column>) {
    let event = &row.event;
    document.add_bytes(fields.site, &event.site.0);
    document.add_u64(fields.time, event.time_ms);
    let mut made = String::new();
    for column in columns {
        let field = fields.column(column);
        match column.kind() {
            Kind::Term | Kind::Text => match text(row, column, &mut made) {
                "" => {}
                text => document.add_text(field, text),
            },
            Kind::Screen => {
                if let Some((width, height)) = event.screen {
                    document.add_u64(field, u64::from(width) << 16 | u64::from(height));
                }
            }
            Kind::Flag => document.add_u64(field, u64::from(!row.bot_rule.is_empty())),
            Kind::Number => {}
        }
    }
}

/// A row's value of a text column, empty if it has none; what is not text in the row is written into `made`.
fn text<'a>(row: &Row<'a>, column: Column, made: &'a mut String) -> &'a str {
    let event = &row.event;
    made.clear();
    match column {
        Column::Name => event.name,
        Column::Region => event.region,
        Column::City => event.city,
        Column::Host => event.host,
        Column::Path => event.path,
        Column::Query => event.query,
        Column::Referrer => event.referrer,
        Column::Source => row.source,
        Column::ReferrerGroup => row.referrer_group,
        Column::Channel => row.channel,
        Column::ClickId => row.click_id,
        Column::UtmSource => row.utm_source,
        Column::UtmMedium => row.utm_medium,
        Column::UtmCampaign => row.utm_campaign,
        Column::UtmTerm => row.utm_term,
        Column::UtmContent => row.utm_content,
        Column::Title => event.title,
        Column::User => event.user,
        Column::Session => event.session,
        Column::Language => event.language,
        Column::Browser => row.browser,
        Column::BrowserVersion => row.browser_version,
        Column::BotRule => row.bot_rule,
        Column::Os => row.os,
        Column::Device => row.device,
        Column::UserAgent => event.user_agent,
        Column::Visitor => match event.visitor {
            Visitor::Stable(id) => id,
            Visitor::Daily(_) | Visitor::None => "",
        },
        Column::DailyVisitor | Column::Country | Column::Address | Column::Currency | Column::Visit => {
            write_made(row, column, made);
            made
        }
        Column::Revenue
        | Column::Screen
        | Column::Bot
        | Column::EntryPage
        | Column::ExitPage
        | Column::VisitEvents
        | Column::VisitViews
        | Column::VisitSeconds
        | Column::VisitBounce => "",
    }
}

fn write_made(row: &Row<'_>, column: Column, made: &mut String) {
    if let (Column::Visit, Some(number)) = (column, row.visit) {
        made.push_str(&shown_visit(number));
    }
    // Writing to a string cannot fail.
    let _ = match (column, row.event.visitor, row.event.address, row.event.revenue) {
        (Column::Country, ..) => write!(made, "{}", row.event.country),
        (Column::DailyVisitor, Visitor::Daily(hash), ..) => {
            made.push_str(&daily_visitor(hash));
            Ok(())
        }
        (Column::Address, _, Some(address), _) => write!(made, "{address}"),
        (Column::Currency, .., Some(revenue)) => {
            made.push_str(str::from_utf8(&revenue.currency).unwrap_or_default());
            Ok(())
        }
        _ => Ok(()),
    };
}

/// A session's number as the column has it: numbers that follow each other have most of their digits in common.
pub fn shown_visit(number: u64) -> String {
    format!("{number:014x}")
}

/// The number of a session from what [`shown_visit`] made of it.
pub fn read_visit(shown: &str) -> Option<u64> {
    u64::from_str_radix(shown, 16).ok()
}

/// A visitor's hash as the column has it.
pub fn daily_visitor(hash: u64) -> String {
    format!("{hash:016x}")
}

/// The bytes by which an id is kept. Most clients give UUIDs, and their digits cannot be compressed.
fn kept_id(id: EventId<'_>) -> Vec<u8> {
    let uuid = match id {
        EventId::Own(_) => None,
        EventId::Client(text) => uuid_of(text),
    };
    let (tag, bytes) = match (&uuid, &id) {
        (Some(uuid), _) => (CLIENT_UUID, &uuid[..]),
        (None, EventId::Own(bytes)) => (OWN, &bytes[..]),
        (None, EventId::Client(text)) => (CLIENT, *text),
    };
    let mut kept = Vec::with_capacity(bytes.len() + 1);
    kept.push(tag);
    kept.extend_from_slice(bytes);
    kept
}

/// The bytes of a UUID, if the text is what it is shown as, to the letter.
fn uuid_of(text: &[u8]) -> Option<[u8; 16]> {
    let uuid = Uuid::try_parse_ascii(text).ok()?;
    let mut shown = [0; Hyphenated::LENGTH];
    let same = uuid.hyphenated().encode_lower(&mut shown).as_bytes() == text;
    same.then(|| uuid.into_bytes())
}

/// An event's id as text: the client's own, or a UUID.
pub fn shown_id(kept: &[u8]) -> String {
    match kept.split_first() {
        Some((&(OWN | CLIENT_UUID), uuid)) => Uuid::from_slice(uuid).unwrap_or_default().to_string(),
        Some((_, client)) => String::from_utf8_lossy(client).into_owned(),
        None => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_shown_as_they_were_given() {
        assert_eq!(shown_id(&kept_id(EventId::Client(b"order-1"))), "order-1");
        let own = EventId::Own([0x01, 0x93, 0, 0, 0, 0, 0x70, 0, 0x80, 0, 0, 0, 0, 0, 0, 0xff]);
        assert_eq!(shown_id(&kept_id(own)), "01930000-0000-7000-8000-0000000000ff");
        assert_eq!(shown_id(&[]), "");
    }

    #[test]
    fn a_client_s_uuid_is_kept_as_bytes_and_shown_to_the_letter() {
        let lower = "0193a5f0-7b1c-7d3e-8f00-0123456789ab";
        let (upper, simple) = (lower.to_uppercase(), lower.replace('-', ""));
        let (braced, urn) = (format!("{{{lower}}}"), format!("urn:uuid:{lower}"));
        let rows = [(lower, 17), (&*upper, 37), (&*simple, 33), (&*braced, 39), (&*urn, 46)];
        for (id, length) in rows {
            let kept = kept_id(EventId::Client(id.as_bytes()));
            assert_eq!((kept.len(), &*shown_id(&kept)), (length, id));
        }
        // As earlier versions kept it.
        assert_eq!(shown_id(&[&[CLIENT], lower.as_bytes()].concat()), lower);
    }
}
