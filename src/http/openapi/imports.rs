//! The calls of imports, in words.

use hyper::Method;
use serde_json::json;
use utoipa::openapi::path::{OperationBuilder, ParameterIn};
use utoipa::openapi::request_body::RequestBodyBuilder;
use utoipa::openapi::schema::Type;
use utoipa::openapi::{ContentBuilder, ObjectBuilder, Required};

use super::calls::{JSON, call, needs_key, parameter, reference, refused, shaped};
use crate::outcome::Reason;

/// What any of these calls may be refused for.
const REFUSALS: [Reason; 6] = [
    Reason::KeyInvalid,
    Reason::KeyMissing,
    Reason::RightsMissing,
    Reason::FieldInvalid,
    Reason::RateLimited,
    Reason::ImportUnknown,
];
/// What a batch may be refused for, too.
const UNTAKEN: [Reason; 13] = [
    Reason::ImportGap,
    Reason::ImportBusy,
    Reason::ImportsFull,
    Reason::FieldMissing,
    Reason::JsonInvalid,
    Reason::BodyEmpty,
    Reason::BodyTimeout,
    Reason::BodyTooLarge,
    Reason::TooManyEvents,
    Reason::MediaTypeUnsupported,
    Reason::DurabilityUnknown,
    Reason::Overloaded,
    Reason::DiskFull,
];

/// What the endpoint does for a method that it takes.
pub fn describe(method: &Method) -> OperationBuilder {
    if method == Method::POST {
        return batch();
    }
    let told = call("imports", "How far an import is; one that was never begun is at 0")
        .response("200", shaped("So far.", "ImportProgress"));
    refused(needs_key(told), &REFUSALS)
}

fn batch() -> OperationBuilder {
    let text = "The next lines of an import, an event a line, of which blank ones count too; or the visits that there \
                have been up to now, of which those are counted that were not before.";
    let lines = ContentBuilder::new().schema(Some(reference("SentEvent"))).build();
    let visits = ContentBuilder::new()
        .schema(Some(ObjectBuilder::new().schema_type(Type::Object)))
        .example(Some(json!({"visits": {"gb": 17, "cy": 4}})))
        .build();
    let body = RequestBodyBuilder::new()
        .description(Some(text))
        .required(Some(Required::True))
        .content("application/x-ndjson", lines)
        .content(JSON, visits);
    let from = "How many lines of the import are before these.";
    let digest =
        "What the client made of all lines up to the last of these, 16 hexadecimal digits; told with `checked`.";
    let taken = call("imports", "Bring in what was before, each line once")
        .description(Some(
            "With a key that may `manage`. Lines that are taken are not taken again.",
        ))
        .parameter(parameter("from", ParameterIn::Query, from, Required::False))
        .parameter(parameter("digest", ParameterIn::Query, digest, Required::False))
        .request_body(Some(body.build()))
        .response("200", shaped("All of it was taken before.", "ImportReport"))
        .response("202", shaped("Taken.", "ImportReport"));
    refused(needs_key(taken), &[&REFUSALS[..], &UNTAKEN].concat())
}
