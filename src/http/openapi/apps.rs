//! The calls of the apps dialect in words.

use serde_json::{Value, json};
use utoipa::openapi::path::{OperationBuilder, ParameterIn};
use utoipa::openapi::request_body::{RequestBody, RequestBodyBuilder};
use utoipa::openapi::schema::OneOfBuilder;
use utoipa::openapi::security::SecurityRequirement;
use utoipa::openapi::{ContentBuilder, RefOr, Required, Schema};

use super::calls::{JSON, call, parameter, reference, shaped};
use crate::http::routes::AppsCall;

/// Statuses that these calls share.
const REFUSALS: [(&str, &str); 4] = [
    ("400", "A field or a parameter is missing or wrong."),
    ("401", "The key is missing, unknown, revoked or expired."),
    ("429", "Too many requests of this address without a good key."),
    ("503", "Nothing was done; come back after `Retry-After`."),
];

/// What one of these calls does.
pub fn describe(asked: AppsCall) -> OperationBuilder {
    match asked {
        AppsCall::Register => changing(
            posted(
                "Register an app: a site and a key of its own",
                reference("AppRegistration").into(),
                json!({"name": "Blog", "domain": "blog.example"}),
            ),
            "The operator registers apps.",
        )
        .response(
            "201",
            shaped("Registered. The key is shown this once only.", "AppCredentials"),
        ),
        AppsCall::Revoke => with_key("Revoke a key, which is proof enough").response(
            "200",
            shaped(
                "The key is refused from now on, by all gateways within a second.",
                "AppMessage",
            ),
        ),
        AppsCall::Regenerate => with_key("Replace a key, which is proof enough").response(
            "200",
            shaped(
                "A new key, which lasts as long as the old one was to last; that one has ended.",
                "AppCredentials",
            ),
        ),
        AppsCall::Collect => collect(),
        AppsCall::EventSummary => asked_for("Figures of all events of a time", "AppSummary", &DATES),
        AppsCall::ActiveUsers => asked_for(
            "Active users, of each day and of the 30 days before its end",
            "AppActiveUsers",
            &DATES,
        ),
        AppsCall::Timeseries => asked_for(
            "Events and users over time",
            "AppSeries",
            &[&DATES[..], &SERIES].concat(),
        ),
        AppsCall::UserStats => asked_for(
            "What is known of a user",
            "AppUser",
            &[("userId", "The app's id of the user.")],
        )
        .response("404", shaped("There are no events of this user.", "AppError")),
    }
}

const DATES: [(&str, &str); 2] = [
    (
        "startDate",
        "The first day (UTC), or a time; the last 30 days if neither is said.",
    ),
    ("endDate", "The last day, all of it, or a time."),
];
const SERIES: [(&str, &str); 3] = [
    (
        "interval",
        "`minute`, `hour`, `day` (if it is not said), `week` or `month`.",
    ),
    ("eventName", "Only events of this name."),
    (
        "timezone",
        "In which days and hours are meant, a name of the IANA database; UTC if it is not said.",
    ),
];

fn collect() -> OperationBuilder {
    let one_of = OneOfBuilder::new()
        .item(reference("AppEvent"))
        .item(reference("AppBatch"));
    let example = json!({"eventName": "page_view", "url": "https://blog.example/", "userId": "anna"});
    let call = posted("Send events of the app", Schema::OneOf(one_of.build()).into(), example).response(
        "202",
        shaped("Kept, at least one; a bad event never spoils the others.", "AppReceipt"),
    );
    let wrong = "Nothing was kept: every event is wrong (this body), or the body as a whole (`AppError`).";
    let more = [
        ("403", "The key may not send."),
        ("408", "The body came too slowly."),
        ("413", "The body is too large, or has too many events."),
        (
            "415",
            "The body is of a type, or compressed in a way, that is not read here.",
        ),
        ("500", "A sync failed: whether it is kept, nobody knows."),
    ];
    let call = more.into_iter().fold(refused(keyed(call)), |call, (status, text)| {
        call.response(status, shaped(text, "AppError"))
    });
    call.response("400", shaped(wrong, "AppReceipt"))
}

fn with_key(summary: &str) -> OperationBuilder {
    let call = posted(summary, reference("AppKey").into(), json!({"apiKey": "ak_live_…"}));
    changing(call, "The operator revokes keys.")
}

/// What a call that changes keys may be refused for.
fn changing(call: OperationBuilder, closed: &str) -> OperationBuilder {
    let more = [
        ("403", closed),
        ("408", "The body came too slowly."),
        ("413", "The body is too large."),
        ("415", "The body is no plain JSON."),
        ("500", "The change broke off: whether it was made, nobody knows."),
    ];
    more.into_iter().fold(refused(call), |call, (status, text)| {
        call.response(status, shaped(text, "AppError"))
    })
}

fn posted(summary: &str, schema: RefOr<Schema>, example: Value) -> OperationBuilder {
    let content = ContentBuilder::new().schema(Some(schema)).example(Some(example));
    let body: RequestBody = RequestBodyBuilder::new()
        .required(Some(Required::True))
        .content(JSON, content.build())
        .build();
    call("apps", summary).request_body(Some(body))
}

fn asked_for(summary: &str, schema: &str, parameters: &[(&str, &str)]) -> OperationBuilder {
    let asked = call("apps", summary).response("200", shaped("The figures. Those of bots are left out.", schema));
    let with = parameters.iter().fold(asked, |call, (name, text)| {
        let required = if *name == "userId" {
            Required::True
        } else {
            Required::False
        };
        call.parameter(parameter(name, ParameterIn::Query, text, required))
    });
    refused(keyed(with)).response("403", shaped("The key may not ask.", "AppError"))
}

fn keyed(call: OperationBuilder) -> OperationBuilder {
    let none: [&str; 0] = [];
    call.security(SecurityRequirement::new("header", none))
}

fn refused(call: OperationBuilder) -> OperationBuilder {
    REFUSALS.into_iter().fold(call, |call, (status, text)| {
        call.response(status, shaped(text, "AppError"))
    })
}
