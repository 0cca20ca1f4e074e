//! The calls of the sessions dialect in words, and what they take and answer. The types are never filled.

use serde_json::json;
use utoipa::ToSchema;
use utoipa::openapi::path::{OperationBuilder, ParameterIn};
use utoipa::openapi::request_body::RequestBodyBuilder;
use utoipa::openapi::{ContentBuilder, Required};

use super::calls::{JSON, call, parameter, reference, shaped};
use crate::http::routes::SessionsCall;

/// A view of a page.
#[derive(Debug, ToSchema)]
#[schema(rename_all = "camelCase")]
pub struct PageView {
    /// The page; a scheme is not needed.
    #[schema(example = "https://shop.example/shoes", max_length = 2083)]
    pub page_url: String,
    /// The UUID that the page keeps for its visitor.
    #[schema(example = "8f6b1a52-3c4d-4e5f-8a9b-0c1d2e3f4a5b")]
    pub visitor_id: String,
    /// What else is known of the view.
    pub metadata: PageViewMetadata,
}

/// What else is known of a view.
#[derive(Debug, ToSchema)]
pub struct PageViewMetadata {
    /// The page before.
    pub referrer: Option<String>,
}

/// A sign that a visitor is still there.
#[derive(Debug, ToSchema)]
#[schema(rename_all = "camelCase")]
pub struct ActivityPing {
    /// The page.
    #[schema(example = "https://shop.example/shoes", max_length = 2083)]
    pub page_url: String,
    /// The UUID that the page keeps for its visitor.
    #[schema(example = "8f6b1a52-3c4d-4e5f-8a9b-0c1d2e3f4a5b")]
    pub visitor_id: String,
}

/// What became of a view or a ping.
#[derive(Debug, ToSchema)]
#[schema(rename_all = "camelCase")]
pub struct SessionTold {
    /// In words.
    #[schema(example = "New session created")]
    pub message: String,
    /// The session; none where there is none.
    pub session_id: Option<u64>,
}

/// Figures of views and sessions.
#[derive(Debug, ToSchema)]
#[schema(rename_all = "camelCase")]
pub struct SessionFigures {
    /// The whole time, as the row whose bucket is null, then its days or hours.
    pub stats_per_day: Vec<SessionBucket>,
    /// The ten pages with most visitors.
    pub stats_per_page: Vec<SessionPageFigures>,
    /// Figures of sessions, by the time at which they began.
    pub session_stats: SessionStats,
    /// Whether buckets are hours.
    pub hourly: bool,
}

/// Views of a day or an hour of UTC.
#[derive(Debug, ToSchema)]
pub struct SessionBucket {
    /// Such as `2025-08-01`, or `2025-08-01T13:00:00Z`.
    pub bucket: Option<String>,
    /// Views.
    pub total_visits: u64,
    /// Visitors.
    pub total_unique: u64,
}

/// Views of a page.
#[derive(Debug, ToSchema)]
pub struct SessionPageFigures {
    /// As it was sent.
    #[schema(rename = "pageUrl")]
    pub page_url: String,
    /// Views.
    pub total_visits: u64,
    /// Visitors.
    pub unique_visits: u64,
}

/// Figures of sessions.
#[derive(Debug, ToSchema)]
#[schema(rename_all = "camelCase")]
pub struct SessionStats {
    /// Their length in the mean, in seconds.
    pub avg_session_duration: f64,
    /// Those of less than a minute, out of a hundred.
    pub short_visit_percentage: f64,
    /// The browser that comes most often.
    pub top_browser: NamedShare,
    /// The operating system.
    #[schema(rename = "topOS")]
    pub top_os: NamedShare,
    /// The page that led to most.
    pub top_referrer: NamedShare,
}

/// A name, and how many sessions out of a hundred have it.
#[derive(Debug, ToSchema)]
pub struct NamedShare {
    /// `N/A` where there is none.
    pub name: String,
    /// 0 to 100.
    pub percentage: f64,
}

/// A page of sessions.
#[derive(Debug, ToSchema)]
pub struct SessionPage {
    /// Ten at most, the newest first.
    pub sessions: Vec<SessionRow>,
    /// How many there are in all.
    pub total: u64,
}

/// A session.
#[derive(Debug, ToSchema)]
#[schema(rename_all = "camelCase")]
pub struct SessionRow {
    /// Its number.
    pub id: u64,
    /// The client's address, as far as it is kept.
    pub ip: Option<String>,
    /// Such as `Chrome 139.0.0.0`.
    pub browser: Option<String>,
    /// Such as `Windows 10`.
    pub os: Option<String>,
    /// When it began, ISO 8601.
    pub start_time: String,
    /// When its last activity was.
    pub end_time: String,
    /// The page that led to it.
    pub referrer: Option<String>,
    /// As sent; `Unknown` if none came.
    pub user_agent: String,
}

/// Why a call is not answered as asked.
#[derive(Debug, ToSchema)]
#[schema(rename_all = "camelCase")]
pub struct SessionsError {
    /// All that is wrong with the fields, or a text.
    #[schema(value_type = serde_json::Value)]
    pub message: Vec<String>,
    /// The status in words.
    #[schema(example = "Bad Request")]
    pub error: String,
    /// The status.
    #[schema(example = 400)]
    pub status_code: u16,
}

/// What one of these calls does.
pub fn describe(asked: SessionsCall) -> OperationBuilder {
    match asked {
        SessionsCall::View => posted("A page was viewed: in which session of its visitor", "PageView"),
        SessionsCall::Ping => posted("A visitor is still there: its session goes on", "ActivityPing"),
        SessionsCall::Figures => {
            let figures = shaped("The figures. Everybody's, those of bots too.", "SessionFigures");
            about(
                "Views and sessions of a time",
                "A part of the pages' URLs, in any letter case.",
            )
            .response("200", figures)
        }
        SessionsCall::List => about("Sessions of a time, page by page", "The URL of a page, as it was sent.")
            .parameter(parameter("page", ParameterIn::Query, "From 1.", Required::True))
            .response(
                "200",
                shaped("The page, and how many sessions there are.", "SessionPage"),
            ),
    }
}

fn posted(summary: &str, schema: &str) -> OperationBuilder {
    let (page_url, visitor) = ("https://shop.example/shoes", "8f6b1a52-3c4d-4e5f-8a9b-0c1d2e3f4a5b");
    let example = match schema {
        "PageView" => {
            json!({"pageUrl": page_url, "visitorId": visitor, "metadata": {"referrer": "https://www.example.com/"}})
        }
        _ => json!({"pageUrl": page_url, "visitorId": visitor}),
    };
    let content = ContentBuilder::new()
        .schema(Some(reference(schema)))
        .example(Some(example))
        .build();
    let body = RequestBodyBuilder::new()
        .required(Some(Required::True))
        .content(JSON, content.clone())
        .content("text/plain", content);
    let posted = call("sessions", summary)
        .request_body(Some(body.build()))
        .response("201", shaped("Kept, as far as `X-Durability` says.", "SessionTold"));
    let more = [
        ("408", "The body came too slowly."),
        ("413", "The body is too large."),
        (
            "415",
            "The body is of a type, or compressed in a way, that is not read here.",
        ),
        ("500", "A sync failed: whether it is kept, nobody knows."),
    ];
    refused(more.into_iter().fold(posted, |call, (status, text)| {
        call.response(status, shaped(text, "SessionsError"))
    }))
    .response("429", shaped("Too many requests of this address.", "SessionsError"))
}

fn about(summary: &str, url: &str) -> OperationBuilder {
    let range = "`24h`, `7d`, `30d`, or `custom` with the two dates.";
    let dates = [
        ("startDate", "A date or a time of ISO 8601; for `custom` only."),
        ("endDate", "The same; a date means all of its day."),
        ("url", url),
    ];
    let asked = call("sessions", summary).parameter(parameter("dateRange", ParameterIn::Query, range, Required::True));
    refused(dates.into_iter().fold(asked, |call, (name, text)| {
        call.parameter(parameter(name, ParameterIn::Query, text, Required::False))
    }))
    .response(
        "422",
        shaped(
            "The answer is made of too many groups; ask for a shorter time.",
            "SessionsError",
        ),
    )
}

fn refused(call: OperationBuilder) -> OperationBuilder {
    [
        (
            "400",
            "Fields or parameters are missing or wrong; all of them are told.",
        ),
        ("404", "The operator has closed these calls."),
        ("503", "Nothing was done; come back after `Retry-After`."),
    ]
    .into_iter()
    .fold(call, |call, (status, text)| {
        call.response(status, shaped(text, "SessionsError"))
    })
}
