//! The calls that ask about events, and those that delete them, in words.

use hyper::Method;
use serde_json::json;
use utoipa::openapi::path::{OperationBuilder, ParameterIn};
use utoipa::openapi::request_body::RequestBodyBuilder;
use utoipa::openapi::{ContentBuilder, Required};

use super::calls::{JSON, call, needs_key, parameter, reference, refused, shaped};
use crate::http::routes::Endpoint;
use crate::outcome::Reason;

/// What any of these calls may be refused for.
const REFUSALS: [Reason; 8] = [
    Reason::KeyInvalid,
    Reason::KeyMissing,
    Reason::RightsMissing,
    Reason::FieldInvalid,
    Reason::RateLimited,
    Reason::QueryOverloaded,
    Reason::QueryTimeout,
    Reason::StoreUnavailable,
];
/// What a deletion may be refused for, beside its parameters.
const UNDELETED: [Reason; 9] = [
    Reason::KeyInvalid,
    Reason::KeyMissing,
    Reason::RightsMissing,
    Reason::FieldInvalid,
    Reason::ConfirmationMissing,
    Reason::RateLimited,
    Reason::DurabilityUnknown,
    Reason::Overloaded,
    Reason::DiskFull,
];

/// What one of these endpoints does for a method that it takes.
pub fn describe(endpoint: Endpoint, method: &Method) -> OperationBuilder {
    match endpoint {
        Endpoint::User => deletion("Delete all events of a user for good"),
        Endpoint::Visitor => deletion("Delete all events of a visitor for good"),
        Endpoint::UserEvents => list("What a user did, the newest first"),
        Endpoint::VisitorEvents => list("What a visitor did, the newest first"),
        Endpoint::Events if method == Method::DELETE => {
            let text = "The site's id: all its events will be gone.";
            deletion("Delete all events of the site for good").parameter(parameter(
                "confirm",
                ParameterIn::Query,
                text,
                Required::True,
            ))
        }
        Endpoint::Events => list("Events, the newest first"),
        _ => query(),
    }
}

fn query() -> OperationBuilder {
    let example = json!({
        "metrics": ["visitors", "revenue"],
        "dimensions": ["time:day"],
        "date_range": "30d",
        "filters": [["is", "country", ["de", "at"]]]
    });
    let question = ContentBuilder::new()
        .schema(Some(reference("Question")))
        .example(Some(example))
        .build();
    let body = RequestBodyBuilder::new()
        .required(Some(Required::True))
        .content(JSON, question);
    let asked = call(
        "questions",
        "Figures of events: metrics by dimensions, of what filters let through",
    )
    .request_body(Some(body.build()))
    .response("200", shaped("The figures, and what they were made from.", "Figures"));
    let refusals = [
        Reason::BodyTimeout,
        Reason::BodyTooLarge,
        Reason::JsonInvalid,
        Reason::QueryTooLarge,
    ];
    refused(needs_key(asked), &[&REFUSALS[..], &refusals].concat())
}

fn list(summary: &str) -> OperationBuilder {
    let mut listed = call("questions", summary)
        .description(Some(
            "Any dimension but time may be a parameter, with the value that it must have.",
        ))
        .response("200", shaped("A page of events.", "EventPage"));
    for (name, text) in [
        ("filters", "The filters of a query, as JSON."),
        ("date_range", "As in a query."),
        ("from", "The date or time to begin at."),
        ("to", "The date or time to end at."),
        ("timezone", "As in a query."),
        ("limit", "Events of a page; 100 if it is not named."),
        ("cursor", "`next` of the page before."),
    ] {
        listed = listed.parameter(parameter(name, ParameterIn::Query, text, Required::False));
    }
    refused(needs_key(listed), &REFUSALS)
}

fn deletion(summary: &str) -> OperationBuilder {
    let text = "The deletion is in the journal, as far as `X-Durability` says; the events go within seconds.";
    let deleted = call("questions", summary)
        .description(Some("With a key that may `manage`. Counters keep their totals."))
        .response("202", shaped(text, "Deletion"));
    refused(needs_key(deleted), &UNDELETED)
}
