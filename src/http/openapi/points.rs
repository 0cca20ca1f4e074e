//! The points dialect's calls in words, and what they take and answer.

use hyper::Method;
use serde_json::json;
use utoipa::ToSchema;
use utoipa::openapi::path::{OperationBuilder, ParameterIn};
use utoipa::openapi::request_body::RequestBodyBuilder;
use utoipa::openapi::{ContentBuilder, Required};

use super::calls::{JSON, call, parameter, reference, shaped};

/// An event that earns its user points.
#[derive(Debug, ToSchema)]
pub struct UserEvent {
    /// Whose points: 1 to 128 bytes, without control characters.
    #[schema(example = "13")]
    pub user_id: String,
    /// One of the types that are configured.
    #[schema(example = "PURCHASE")]
    pub event_type: String,
    /// A whole number from 0 to 2^53 - 1. A user has one event for each.
    #[schema(example = 14_223_343)]
    pub timestamp: u64,
}

/// An event was recorded.
#[derive(Debug, ToSchema)]
pub struct UserEventRecorded {
    /// `User events recorded Successfully`.
    pub message: String,
    /// The event's id.
    pub id: String,
}

/// Users with their points.
#[derive(Debug, ToSchema)]
pub struct UserPoints {
    /// `User events queried Successfully`.
    pub message: String,
    /// By the users' ids.
    pub data: Vec<PointsOfUser>,
}

/// A user with points.
#[derive(Debug, ToSchema)]
#[schema(rename_all = "camelCase")]
#[allow(non_snake_case, reason = "the clients' spelling")]
pub struct PointsOfUser {
    /// Whose points.
    pub userId: String,
    /// How many.
    pub points: f64,
}

/// Why a call of the points dialect was refused.
#[derive(Debug, ToSchema)]
pub struct PointsError {
    /// What is wrong.
    #[schema(example = "User event already exists")]
    pub message: String,
}

/// What the endpoint does for a method that it takes.
pub fn describe(method: &Method) -> OperationBuilder {
    if method == Method::POST { record() } else { query() }
}

fn record() -> OperationBuilder {
    let example = json!({"user_id": "13", "event_type": "PURCHASE", "timestamp": 14_223_343});
    let content = ContentBuilder::new()
        .schema(Some(reference("UserEvent")))
        .example(Some(example));
    let body = RequestBodyBuilder::new()
        .required(Some(Required::True))
        .content(JSON, content.build());
    let recorded = call("points", "Record an event that earns its user points")
        .request_body(Some(body.build()))
        .response("201", shaped("It is kept, and counts.", "UserEventRecorded"));
    let refusals = [
        ("400", "A field is wrong, or the body."),
        ("409", "The user has an event with this timestamp; it counts already."),
        ("413", "The body is too large."),
        ("415", "The body is no `application/json`."),
        ("429", "Too many requests of this address."),
        ("503", "It may or may not count: send it again."),
    ];
    told(recorded, &refusals)
}

fn query() -> OperationBuilder {
    let asked = call("points", "Users with their points")
        .parameter(parameter(
            "user_id",
            ParameterIn::Query,
            "Of one user only.",
            Required::False,
        ))
        .parameter(parameter(
            "event_type",
            ParameterIn::Query,
            "For one type of events only.",
            Required::False,
        ))
        .response("200", shaped("None, if nothing was found.", "UserPoints"));
    let refusals = [
        ("400", "A parameter is given twice."),
        ("429", "Too many requests of this address."),
        ("503", "Points cannot be told now."),
    ];
    told(asked, &refusals)
}

fn told(call: OperationBuilder, refusals: &[(&str, &str)]) -> OperationBuilder {
    refusals.iter().fold(call, |call, (status, text)| {
        call.response(*status, shaped(text, "PointsError"))
    })
}
