//! What calls take and answer, as the document shows it. These types are never filled: requests are read and answers
//! written without them, and tests hold them against both.

use std::collections::BTreeMap;

use serde::Serialize;
use utoipa::ToSchema;

/// An event. Members that are not listed here are left alone.
#[derive(Debug, ToSchema)]
pub struct SentEvent {
    /// What happened: 1 to 128 bytes without control characters.
    #[schema(example = "purchase", min_length = 1, max_length = 128)]
    pub name: String,
    /// The client's id of the event: the same id of the same site is counted once.
    #[schema(example = "order-1001", max_length = 128)]
    pub id: Option<String>,
    /// When it happened: milliseconds since 1970, or ISO 8601 with a zone.
    #[schema(value_type = Option<Moment>)]
    pub time: Option<String>,
    /// What the client's clock showed when it sent the event.
    #[schema(value_type = Option<Moment>)]
    pub sent_at: Option<String>,
    /// The page: an `http` or `https` URL, or a path that begins with a slash.
    #[schema(example = "https://shop.example/checkout/done")]
    pub url: Option<String>,
    /// The domain of the site, for those who send without a key.
    #[schema(max_length = 128)]
    pub domain: Option<String>,
    /// The page before.
    pub referrer: Option<String>,
    /// The page's title.
    pub title: Option<String>,
    /// The id that the page keeps for its visitor.
    #[schema(max_length = 128)]
    pub visitor: Option<String>,
    /// The client's id of the user.
    #[schema(max_length = 128)]
    pub user: Option<String>,
    /// The client's id of the session.
    #[schema(max_length = 128)]
    pub session: Option<String>,
    /// Width and height of the screen.
    #[schema(example = "1920x1080")]
    pub screen: Option<String>,
    /// The visitor's language.
    #[schema(example = "en-GB")]
    pub language: Option<String>,
    /// The visitor's user agent, if a server sends for it; used only with a key.
    pub user_agent: Option<String>,
    /// The visitor's address, if a server sends for it; used only with a key.
    pub ip: Option<String>,
    /// The visitor's country, two letters; used only with a key.
    #[schema(example = "GB")]
    pub country: Option<String>,
    /// What it brought in.
    pub revenue: Option<SentRevenue>,
    /// Anything else: a JSON object.
    #[schema(value_type = Option<Object>, example = json!({"coupon": "SPRING"}))]
    pub properties: Option<String>,
    /// Such as what was bought: a JSON array.
    #[schema(value_type = Option<Vec<serde_json::Value>>)]
    pub items: Option<String>,
}

/// How far an import is.
#[derive(Debug, ToSchema)]
pub struct ImportProgress {
    /// Its name.
    pub name: String,
    /// Lines that are taken.
    pub taken: u64,
    /// Up to this line, at most `taken`, its client has told the digest of what it read.
    pub checked: u64,
    /// That digest.
    #[schema(example = "0f3c8a55d01e9b27")]
    pub digest: String,
    /// Visits that are taken, by country.
    pub visits: BTreeMap<String, u64>,
    /// Most lines of a request.
    pub lines_max: u64,
    /// Largest body of a request.
    pub body_bytes_max: u64,
}

/// What became of a batch of an import. One of visits has `accepted` alone.
#[derive(Debug, ToSchema)]
pub struct ImportReport {
    /// Lines of the import that are taken now.
    pub taken: u64,
    /// Events, or visits, that are kept.
    pub accepted: u64,
    /// Events that had been kept before.
    pub repeated: u64,
    /// Lines that can be no event.
    pub rejected: u64,
    /// Why.
    pub errors: Vec<LineError>,
}

/// A line that can be no event.
#[derive(Debug, ToSchema)]
pub struct LineError {
    /// The line of the import, counted from 1.
    pub line: u64,
    /// The field that is wrong, if it is one.
    pub field: Option<String>,
    /// Why, as a stable code.
    pub code: String,
    /// Why, in words.
    pub message: String,
}

/// Milliseconds since 1970, or ISO 8601 with a zone.
#[derive(Debug, Serialize, ToSchema)]
#[serde(untagged)]
pub enum Moment {
    /// Milliseconds since 1970.
    #[schema(example = 1_793_491_200_000_i64)]
    Milliseconds(i64),
    /// ISO 8601 with a zone.
    Text(String),
}

/// An amount of money.
#[derive(Debug, ToSchema)]
pub struct SentRevenue {
    /// In the currency's minor unit, such as cents: 2^53 - 1 at most.
    #[schema(example = 4990)]
    pub minor: i64,
    /// ISO 4217; the site's if it is not named.
    #[schema(example = "EUR", min_length = 3, max_length = 3)]
    pub currency: Option<String>,
}

/// Events with what they share.
#[derive(Debug, ToSchema)]
pub struct Batch {
    /// The events: `events.batch_max` at most.
    pub events: Vec<SentEvent>,
    /// What the client's clock showed when it sent them.
    pub sent_at: Option<String>,
}

/// What became of the events of a request.
#[derive(Debug, ToSchema)]
pub struct Receipt {
    /// Events that are kept now.
    pub accepted: u64,
    /// Events that were kept before, and are not counted again.
    pub duplicates: u64,
    /// Events that are not kept.
    pub rejected: u64,
    /// One entry for each duplicate and each rejected event.
    pub errors: Vec<EventError>,
}

/// Why an event was not accepted.
#[derive(Debug, ToSchema)]
pub struct EventError {
    /// The event's place in the body, from 0.
    pub index: u64,
    /// The event's id, if it has one.
    pub id: Option<String>,
    /// What of the event is wrong, if it is a field.
    pub field: Option<String>,
    /// A stable code: docs/errors.md.
    #[schema(example = "field_missing")]
    pub code: String,
    /// What would be right.
    pub message: String,
}

/// Why a whole request was refused (RFC 9457).
#[derive(Debug, ToSchema)]
pub struct Problem {
    /// `about:blank`: the code tells more.
    #[schema(rename = "type")]
    pub r#type: String,
    /// The status in words.
    pub title: String,
    /// The status.
    pub status: u16,
    /// What is wrong.
    pub detail: String,
    /// A stable code: docs/errors.md.
    #[schema(example = "rate_limited")]
    pub code: String,
    /// Names the request in the gateway's log.
    pub request_id: String,
}

/// Why a visit was refused.
#[derive(Debug, ToSchema)]
pub struct VisitsError {
    /// What is wrong.
    #[schema(example = "Country code is required")]
    pub error: String,
    /// A stable code; none for `429`.
    #[schema(example = "MISSING_COUNTRY_CODE")]
    pub code: Option<String>,
}

/// Totals by country: lower-case codes.
#[derive(Debug, ToSchema)]
#[schema(example = json!({"cy": 123, "us": 456}))]
pub struct Totals(pub BTreeMap<String, u64>);

/// Whether traffic should come here.
#[derive(Debug, ToSchema)]
pub struct Readiness {
    /// `ready` or `not_ready`.
    pub status: String,
    /// What stands in the way.
    pub obstacles: Vec<String>,
    /// What a `2xx` promises: `os`, `disk` or `applied`.
    pub durability: String,
    /// How the counters stand.
    pub counters: String,
    /// How the database of countries stands.
    pub geo: String,
}

/// A sign of life.
#[derive(Debug, ToSchema)]
pub struct Check {
    /// `ok`.
    pub status: String,
    /// When it was asked, ISO 8601.
    pub timestamp: String,
}
