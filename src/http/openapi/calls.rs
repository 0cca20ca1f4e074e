//! Each endpoint in words.

use hyper::Method;
use serde_json::json;
use utoipa::PartialSchema;
use utoipa::openapi::path::{Operation, OperationBuilder, Parameter, ParameterBuilder, ParameterIn};
use utoipa::openapi::request_body::RequestBodyBuilder;
use utoipa::openapi::schema::{ArrayBuilder, OneOfBuilder, Type};
use utoipa::openapi::security::SecurityRequirement;
use utoipa::openapi::{ContentBuilder, ObjectBuilder, Ref, RefOr, Required, Response, ResponseBuilder, Schema};

use super::shapes::Totals;
use super::{apps, imports, points, questions, sessions};
use crate::http::routes::Endpoint;
use crate::outcome::{REASONS, Reason};

pub(super) const JSON: &str = "application/json";
const PROBLEM: &str = "application/problem+json";
const TEXT: &str = "text/plain";

/// What an endpoint does for a method that it takes.
pub fn describe(endpoint: Endpoint, method: &Method) -> Operation {
    let call = match endpoint {
        Endpoint::Stats if method == Method::POST => visit("Count a visit of a country", Required::True),
        Endpoint::Stats => totals(),
        Endpoint::Visits => visit(
            "Count a visit of a country, or of the country of the client's address",
            Required::False,
        ),
        Endpoint::Events if method == Method::POST => events(),
        Endpoint::Events
        | Endpoint::Query
        | Endpoint::User
        | Endpoint::UserEvents
        | Endpoint::Visitor
        | Endpoint::VisitorEvents => questions::describe(endpoint, method),
        Endpoint::Import => imports::describe(method),
        Endpoint::Pixel => pixel(),
        Endpoint::UserPoints => points::describe(method),
        Endpoint::Version => simple("points", "The version of the points calls: the text `v1`", TEXT),
        Endpoint::Apps(asked) => apps::describe(asked),
        Endpoint::Sessions(asked) => sessions::describe(asked),
        Endpoint::Ping => simple("health", "Whether the gateway answers: the text `OK` in JSON", JSON),
        Endpoint::Healthcheck => simple("health", "Whether the gateway answers", TEXT),
        Endpoint::Live => simple("health", "Whether the process is alive", TEXT),
        Endpoint::Ready => ready(),
        Endpoint::Health => {
            call("health", "Whether the gateway answers, and its time").response("200", shaped("It does.", "Check"))
        }
        Endpoint::Metrics => simple(
            "health",
            "Figures for Prometheus, on the admin port",
            "application/openmetrics-text",
        ),
        Endpoint::OpenApi => simple("documents", "This document", JSON),
        Endpoint::Docs => simple("documents", "This document to look at and to try", "text/html"),
        Endpoint::DocsFile => {
            let file = call("documents", "A file of the page that shows this document");
            let found = file.response("200", ResponseBuilder::new().description("The file."));
            refused(found, &[Reason::NotFound])
        }
    };
    call.build()
}

/// Adds the parameters that stand in a path.
pub fn with_parameters_of(path: &str, mut operation: Operation) -> Operation {
    let names = path
        .split('/')
        .filter_map(|part| part.strip_prefix('{')?.strip_suffix('}'));
    for name in names {
        let parameter = parameter(name, ParameterIn::Path, "Which one.", Required::True);
        let parameters = operation.parameters.get_or_insert_default();
        parameters.push(RefOr::T(parameter));
    }
    operation
}

fn visit(summary: &str, country: Required) -> OperationBuilder {
    let text = "The country's two letters, in any case.";
    let counted = "Counted: the country's lower-case code and its new total.";
    let later = "Kept, and counted later: Redis does not answer. The total is the last one known, with what waits.";
    let call = call("visits", summary)
        .parameter(parameter("countryCode", ParameterIn::Query, text, country))
        .parameter(repeatable("The same key again counts nothing and has the same answer."))
        .response("201", content(counted, JSON, Totals::schema()))
        .response("202", content(later, JSON, Totals::schema()));
    let refusals = [
        ("403", "The country code is not two letters, or given twice."),
        ("422", "No country code."),
        ("429", "Too many requests of this address."),
        (
            "500",
            "A sync failed: whether it is kept, nobody knows. Send it again with the same key.",
        ),
        ("503", "Definitely not kept; come back after `Retry-After`."),
    ];
    refusals.into_iter().fold(call, |call, (status, text)| {
        call.response(status, shaped(text, "VisitsError"))
    })
}

fn totals() -> OperationBuilder {
    call("visits", "Totals by country")
        .response("200", content("Lower-case codes and totals.", JSON, Totals::schema()))
        .response(
            "304",
            ResponseBuilder::new().description("As the client knows it (`If-None-Match`)."),
        )
        .response("429", shaped("Too many requests of this address.", "VisitsError"))
        .response("503", shaped("Totals are not known yet.", "VisitsError"))
}

fn events() -> OperationBuilder {
    let event = || reference("SentEvent");
    let one_of = OneOfBuilder::new()
        .item(event())
        .item(ArrayBuilder::new().items(event()))
        .item(reference("Batch"));
    let text = "One event, an array of them, an object with `events`, or an event a line. It may be compressed once: \
                gzip, br, zstd or deflate.";
    let example = json!({"name": "page_view", "url": "https://shop.example/shoes"});
    let json_body = ContentBuilder::new()
        .schema(Some(one_of))
        .example(Some(example))
        .build();
    let lines = ContentBuilder::new().schema(Some(event()));
    let body = RequestBodyBuilder::new()
        .description(Some(text))
        .required(Some(Required::True))
        .content(JSON, json_body.clone())
        .content(TEXT, json_body)
        .content("application/x-ndjson", lines.build());
    let call = call("events", "Send events")
        .description(Some(
            "With a write key for its site, or without one for the site of the page's domain.",
        ))
        .parameter(repeatable(
            "Covers the whole request: the same events again are counted once.",
        ))
        .request_body(Some(body.build()))
        .response(
            "202",
            shaped("Kept, at least one; a bad event never spoils the others.", "Receipt"),
        );
    let wrong = shaped(
        "Nothing was kept: every event is wrong (`Receipt`), or the body (`Problem`).",
        "Receipt",
    );
    refused(keyed(call), &WHOLE).response("400", with_problem(wrong))
}

/// Why the events of a request are refused together.
const WHOLE: [Reason; 12] = [
    Reason::KeyInvalid,
    Reason::KeyMissing,
    Reason::BodyTimeout,
    Reason::BodyTooLarge,
    Reason::DecompressedTooLarge,
    Reason::TooManyEvents,
    Reason::MediaTypeUnsupported,
    Reason::EncodingUnsupported,
    Reason::RateLimited,
    Reason::DurabilityUnknown,
    Reason::Overloaded,
    Reason::DiskFull,
];

fn pixel() -> OperationBuilder {
    let picture = ObjectBuilder::new().schema_type(Type::String).build();
    let shown = |text: &str| content(text, "image/gif", picture.clone());
    let mut call = call(
        "events",
        "Send an event without script: the query is the event, the answer a picture",
    )
    .response("200", shown("Kept, now or before."))
    .response("400", shown("The event is wrong, and not kept."))
    .response("401", shown("The key is not known, or nobody may send without one."))
    .response("429", shown("Too many requests of this address."))
    .response("503", shown("Not kept; come back later."));
    for (name, text) in [
        ("name", "What happened; `page_view` if it is not said."),
        (
            "url",
            "The page; the one that shows the picture (`Referer`) if it is not said.",
        ),
        ("domain", "The domain of the site."),
        ("title", "The page's title."),
        ("visitor", "The id that the page keeps for its visitor."),
        ("properties", "A JSON object."),
        ("revenue", "A whole number of the currency's minor units."),
        ("currency", "ISO 4217."),
    ] {
        call = call.parameter(parameter(name, ParameterIn::Query, text, Required::False));
    }
    keyed(call)
}

fn ready() -> OperationBuilder {
    call("health", "Whether traffic should come here, and how each part stands")
        .response("200", shaped("It should.", "Readiness"))
        .response("503", shaped("It should not.", "Readiness"))
}

pub(super) fn call(tag: &str, summary: &str) -> OperationBuilder {
    OperationBuilder::new().tag(tag).summary(Some(summary))
}

/// A call that always answers `200`.
fn simple(tag: &str, summary: &str, content_type: &str) -> OperationBuilder {
    let text = ObjectBuilder::new().schema_type(Type::String);
    call(tag, summary).response("200", content("It answers.", content_type, text))
}

/// Adds the ways to show a key, none of which is needed.
fn keyed(call: OperationBuilder) -> OperationBuilder {
    needs_key(call.security(SecurityRequirement::default()))
}

/// Adds the ways to show a key.
pub(super) fn needs_key(call: OperationBuilder) -> OperationBuilder {
    let none: [&str; 0] = [];
    ["bearer", "header", "query"].into_iter().fold(call, |call, scheme| {
        call.security(SecurityRequirement::new(scheme, none))
    })
}

/// Adds an answer for each status that reasons have, with their codes.
pub(super) fn refused(mut call: OperationBuilder, reasons: &[Reason]) -> OperationBuilder {
    let rows = || REASONS.iter().filter(|row| reasons.contains(&row.reason));
    let mut statuses: Vec<u16> = rows().map(|row| row.status).collect();
    statuses.sort_unstable();
    statuses.dedup();
    for status in statuses {
        let told = rows().filter(|row| row.status == status);
        let told: Vec<String> = told.map(|row| format!("`{}`: {}", row.code, row.text)).collect();
        let answer = content(&told.join("; "), PROBLEM, reference("Problem"));
        call = call.response(status.to_string(), answer);
    }
    call
}

pub(super) fn parameter(name: &str, place: ParameterIn, text: &str, required: Required) -> Parameter {
    ParameterBuilder::new()
        .name(name)
        .parameter_in(place)
        .required(required)
        .description(Some(text))
        .schema(Some(ObjectBuilder::new().schema_type(Type::String)))
        .build()
}

fn repeatable(text: &str) -> Parameter {
    parameter("Idempotency-Key", ParameterIn::Header, text, Required::False)
}

pub(super) fn reference(name: &str) -> Ref {
    Ref::from_schema_name(name)
}

pub(super) fn shaped(text: &str, schema: &str) -> Response {
    content(text, JSON, reference(schema))
}

fn content(text: &str, content_type: &str, schema: impl Into<RefOr<Schema>>) -> Response {
    let content = ContentBuilder::new().schema(Some(schema)).build();
    ResponseBuilder::new()
        .description(text)
        .content(content_type, content)
        .build()
}

/// Adds the problem document to an answer.
fn with_problem(mut answer: Response) -> Response {
    let content = ContentBuilder::new().schema(Some(reference("Problem"))).build();
    answer.content.insert(PROBLEM.into(), RefOr::T(content));
    answer
}
