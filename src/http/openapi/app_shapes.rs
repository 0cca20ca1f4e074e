//! What the calls of the apps dialect take and answer, as the document shows it. As with [`super::shapes`], these types are
//! never filled.

use std::collections::BTreeMap;

use utoipa::ToSchema;

/// An app that registers.
#[derive(Debug, ToSchema)]
#[schema(rename_all = "camelCase")]
pub struct AppRegistration {
    /// What it is called.
    #[schema(example = "Blog", min_length = 1, max_length = 128)]
    pub name: String,
    /// Its domain.
    #[schema(example = "blog.example")]
    pub domain: String,
    /// When its key ends: a date or a time of ISO 8601; a year from now if it is not said.
    pub expires_at: Option<String>,
}

/// A key.
#[derive(Debug, ToSchema)]
#[schema(rename_all = "camelCase")]
pub struct AppKey {
    /// The whole key.
    pub api_key: String,
}

/// An app and its key, which is shown this once only.
#[derive(Debug, ToSchema)]
#[schema(rename_all = "camelCase")]
pub struct AppCredentials {
    /// The app: a UUID.
    pub app_id: String,
    /// What it sends in `X-API-Key`.
    #[schema(example = "ak_live_…")]
    pub api_key: String,
    /// When the key ends, ISO 8601; never, if an operator made it so.
    pub expires_at: Option<String>,
}

/// What was done.
#[derive(Debug, ToSchema)]
pub struct AppMessage {
    /// In words.
    pub message: String,
}

/// An event. Members that are not listed here are left alone.
#[derive(Debug, ToSchema)]
#[schema(rename_all = "camelCase")]
pub struct AppEvent {
    /// What happened: 1 to 128 bytes without control characters.
    #[schema(example = "login_form_cta_click", min_length = 1, max_length = 128)]
    pub event_name: String,
    /// The page: an `http` or `https` URL, or a path that begins with a slash.
    #[schema(example = "https://blog.example/shoes")]
    pub url: Option<String>,
    /// The page before.
    pub referrer: Option<String>,
    /// The app's id of the user.
    #[schema(max_length = 128)]
    pub user_id: Option<String>,
    /// Anything else.
    #[schema(value_type = Option<Object>)]
    pub metadata: Option<String>,
    /// When it happened: milliseconds since 1970, or ISO 8601 with a zone; now if it is not said.
    #[schema(value_type = Option<super::shapes::Moment>)]
    pub timestamp: Option<String>,
    /// `1920x1080`, or an object with `width` and `height`.
    #[schema(value_type = Option<serde_json::Value>)]
    pub screen: Option<String>,
}

/// Several events.
#[derive(Debug, ToSchema)]
pub struct AppBatch {
    /// The events: `events.batch_max` at most.
    pub events: Vec<AppEvent>,
}

/// What became of events.
#[derive(Debug, ToSchema)]
pub struct AppReceipt {
    /// Events that are kept.
    pub accepted: u64,
    /// Events that are not.
    pub rejected: u64,
    /// One entry for each event that is not kept.
    pub errors: Vec<AppItemError>,
}

/// Why an event is not kept.
#[derive(Debug, ToSchema)]
pub struct AppItemError {
    /// The event's place in the request, from 0.
    pub index: u64,
    /// What of it is wrong, if it is a field.
    pub field: Option<String>,
    /// What would be right.
    pub message: String,
}

/// Why a call was refused.
#[derive(Debug, ToSchema)]
pub struct AppError {
    /// What is wrong.
    #[schema(example = "Invalid API key")]
    pub error: String,
    /// A stable code: those of docs/errors.md in capitals, and `INVALID_API_KEY`.
    #[schema(example = "INVALID_API_KEY")]
    pub code: String,
    /// The field or parameter that is wrong, if it is one.
    pub field: Option<String>,
}

/// Figures of all events of a time.
#[derive(Debug, ToSchema)]
#[schema(rename_all = "camelCase")]
pub struct AppSummary {
    /// Events of people.
    pub total_events: u64,
    /// Different users.
    pub unique_users: u64,
    /// Events by name, the most frequent first.
    pub event_breakdown: BTreeMap<String, u64>,
    /// Events by class of the device; `desktop`, `mobile` and `tablet` are always there.
    pub device_breakdown: BTreeMap<String, u64>,
    /// Events by browser.
    pub browser_breakdown: BTreeMap<String, u64>,
    /// Events by operating system.
    pub os_breakdown: BTreeMap<String, u64>,
    /// When the answer was made, ISO 8601.
    pub generated_at: String,
    /// Whether it was made for somebody before.
    pub cached: bool,
}

/// What is known of a user.
#[derive(Debug, ToSchema)]
#[schema(rename_all = "camelCase")]
pub struct AppUser {
    /// The user.
    pub user_id: String,
    /// The user's events.
    pub total_events: u64,
    /// When the first one happened, ISO 8601.
    pub first_seen: String,
    /// When the last one happened, ISO 8601.
    pub last_seen: String,
    /// The newest events, 50 at most, the newest first.
    pub recent_events: Vec<AppRecentEvent>,
}

/// One event of a user.
#[derive(Debug, ToSchema)]
#[schema(rename_all = "camelCase")]
pub struct AppRecentEvent {
    /// What happened.
    pub event_name: String,
    /// The page, if there was one.
    pub url: Option<String>,
    /// When it happened, ISO 8601.
    pub timestamp: String,
    /// What was sent with it.
    #[schema(value_type = Object)]
    pub metadata: String,
}

/// Active users by day.
#[derive(Debug, ToSchema)]
#[schema(rename_all = "camelCase")]
pub struct AppActiveUsers {
    /// The first day.
    pub start_date: String,
    /// The last day.
    pub end_date: String,
    /// Users of the last day.
    pub dau: u64,
    /// Users of the 30 days that end with the last day.
    pub mau: u64,
    /// The same for each day.
    pub daily: Vec<AppActiveDay>,
    /// When the answer was made, ISO 8601.
    pub generated_at: String,
    /// Whether it was made for somebody before.
    pub cached: bool,
}

/// Active users of a day.
#[derive(Debug, ToSchema)]
pub struct AppActiveDay {
    /// The day, in UTC.
    #[schema(example = "2026-11-22")]
    pub date: String,
    /// Users of the day.
    pub dau: u64,
    /// Users of the 30 days that end with it.
    pub mau: u64,
}

/// Events over time.
#[derive(Debug, ToSchema)]
pub struct AppSeries {
    /// How wide a point is.
    pub interval: String,
    /// The points in order, also those without events.
    pub points: Vec<AppPoint>,
}

/// One point.
#[derive(Debug, ToSchema)]
pub struct AppPoint {
    /// Its beginning: a date for days, weeks and months, else a time of ISO 8601.
    pub time: String,
    /// Events.
    pub events: u64,
    /// Different users.
    pub users: u64,
}
