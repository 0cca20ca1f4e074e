//! The document of the calls (`OpenAPI` 3.1), drawn from the route table: a path that is not in the table is not in the
//! document, and an endpoint that [`calls`] does not describe does not compile.
//!
//! Whoever adds a call: give it a row in `routes.rs`, describe it in [`calls::describe`], and what it takes and answers
//! in [`shapes`].

pub mod app_shapes;
mod apps;
pub mod calls;
mod imports;
pub mod points;
pub mod question_shapes;
mod questions;
pub mod sessions;
pub mod shapes;

use std::sync::LazyLock;

use hyper::Method;
use utoipa::OpenApi;
use utoipa::openapi::security::{ApiKey, ApiKeyValue, Http, HttpAuthScheme, SecurityScheme};
use utoipa::openapi::{HttpMethod, PathItem, PathsBuilder, Server};

use super::routes::{ADMIN, Endpoint, PUBLIC};

/// Schemas, and what stands at the top.
#[derive(OpenApi)]
#[openapi(
    info(
        title = "Footfall",
        description = "A high-throughput, lossless ingestion gateway for web and e-commerce events. A `2xx` means kept: \
                       the event is in a journal on disk before it is answered, and is counted exactly once.",
        license(name = "MIT", identifier = "MIT")
    ),
    tags(
        (name = "events", description = "Events of any kind."),
        (name = "questions", description = "What is known of events: figures, lists, histories; and their deletion."),
        (name = "imports", description = "What was before, brought in once."),
        (name = "visits", description = "Visits by country."),
        (name = "points", description = "Events that earn their users points."),
        (name = "apps", description = "Apps: keys, collected events, summaries."),
        (name = "sessions", description = "Views of pages in sessions."),
        (name = "health", description = "Is it well?"),
        (name = "documents", description = "This document, for programs and for people.")
    ),
    components(schemas(
        shapes::SentEvent,
        shapes::SentRevenue,
        shapes::Moment,
        shapes::Batch,
        shapes::Receipt,
        shapes::EventError,
        shapes::Problem,
        question_shapes::Question,
        question_shapes::Figures,
        question_shapes::FigureRow,
        question_shapes::EventPage,
        question_shapes::Deletion,
        shapes::ImportProgress,
        shapes::ImportReport,
        shapes::LineError,
        app_shapes::AppRegistration,
        app_shapes::AppKey,
        app_shapes::AppCredentials,
        app_shapes::AppMessage,
        app_shapes::AppEvent,
        app_shapes::AppBatch,
        app_shapes::AppReceipt,
        app_shapes::AppItemError,
        app_shapes::AppError,
        app_shapes::AppSummary,
        app_shapes::AppUser,
        app_shapes::AppRecentEvent,
        app_shapes::AppActiveUsers,
        app_shapes::AppActiveDay,
        app_shapes::AppSeries,
        app_shapes::AppPoint,
        sessions::PageView,
        sessions::PageViewMetadata,
        sessions::ActivityPing,
        sessions::SessionTold,
        sessions::SessionFigures,
        sessions::SessionBucket,
        sessions::SessionPageFigures,
        sessions::SessionStats,
        sessions::NamedShare,
        sessions::SessionPage,
        sessions::SessionRow,
        sessions::SessionsError,
        shapes::VisitsError,
        points::UserEvent,
        points::UserEventRecorded,
        points::UserPoints,
        points::PointsOfUser,
        points::PointsError,
        shapes::Readiness,
        shapes::Check
    ))
)]
struct Frame;

/// The document as JSON: rendered once, served by all workers.
pub static DOCUMENT: LazyLock<String> = LazyLock::new(|| document().to_json().unwrap_or_default());

/// The document.
pub fn document() -> utoipa::openapi::OpenApi {
    let mut document = Frame::openapi();
    let mut paths = PathsBuilder::new();
    for (path, endpoint) in PUBLIC {
        paths = paths.path(path, item(path, endpoint));
    }
    for (path, endpoint) in ADMIN.into_iter().filter(|row| !PUBLIC.contains(row)) {
        let mut item = item(path, endpoint);
        item.servers = Some(vec![Server::new("http://127.0.0.1:9090")]);
        paths = paths.path(path, item);
    }
    document.paths = paths.build();
    let components = document.components.get_or_insert_default();
    components.add_security_scheme("bearer", SecurityScheme::Http(Http::new(HttpAuthScheme::Bearer)));
    let header = ApiKey::Header(ApiKeyValue::new("X-API-Key"));
    let query = ApiKey::Query(ApiKeyValue::new("key"));
    for (scheme, key) in [("header", header), ("query", query)] {
        components.add_security_scheme(scheme, SecurityScheme::ApiKey(key));
    }
    document
}

/// All calls of a path but `OPTIONS` and `HEAD`, which follow from the others.
fn item(path: &str, endpoint: Endpoint) -> PathItem {
    let known = [
        (Method::GET, HttpMethod::Get),
        (Method::POST, HttpMethod::Post),
        (Method::DELETE, HttpMethod::Delete),
    ];
    let taken = known.into_iter().filter(|(method, _)| endpoint.takes(method));
    let mut item = PathItem::default();
    for (method, named) in taken {
        let mut operation = calls::with_parameters_of(path, calls::describe(endpoint, &method));
        operation.operation_id = Some(operation_id(&method, path));
        item.merge_operations(PathItem::new(named, operation));
    }
    item
}

/// A name that programs can make a function of.
fn operation_id(method: &Method, path: &str) -> String {
    let word = |letter: char| if letter.is_ascii_alphanumeric() { letter } else { '_' };
    let path: String = path.trim_matches(['/', '}']).chars().map(word).collect();
    format!("{}_{path}", method.as_str().to_ascii_lowercase())
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use serde_json::Value;

    use super::*;
    use crate::decode::FIELDS;

    fn drawn() -> Value {
        serde_json::from_str(&DOCUMENT).unwrap()
    }

    #[test]
    fn the_document_has_the_calls_of_the_route_table_and_no_others() {
        let document = drawn();
        assert_eq!(document["openapi"], "3.1.0");
        let mut described = BTreeSet::new();
        for (path, item) in document["paths"].as_object().unwrap() {
            for method in item.as_object().unwrap().keys().filter(|key| *key != "servers") {
                described.insert((path.clone(), method.to_ascii_uppercase()));
            }
        }
        let mut served = BTreeSet::new();
        for (path, endpoint) in PUBLIC.into_iter().chain(ADMIN) {
            let methods = endpoint.allow().split(", ");
            let methods = methods.filter(|method| !["HEAD", "OPTIONS"].contains(method));
            served.extend(methods.map(|method| (path.to_owned(), method.to_owned())));
        }
        assert_eq!(described, served);
    }

    #[test]
    fn every_call_says_what_it_does_and_has_a_name_of_its_own() {
        let mut names = BTreeSet::new();
        for (path, item) in drawn()["paths"].as_object().unwrap() {
            for (method, call) in item.as_object().unwrap().iter().filter(|(key, _)| *key != "servers") {
                assert!(
                    call["summary"].as_str().is_some_and(|text| !text.is_empty()),
                    "{method} {path}"
                );
                assert!(!call["responses"].as_object().unwrap().is_empty(), "{method} {path}");
                assert!(names.insert(call["operationId"].as_str().unwrap().to_owned()), "{call}");
            }
        }
    }

    #[test]
    fn every_reference_leads_somewhere() {
        let document = drawn();
        let mut references = Vec::new();
        collect(&document, &mut references);
        assert!(references.len() > 5);
        for reference in references {
            let pointer = reference.strip_prefix('#').unwrap();
            assert!(document.pointer(pointer).is_some(), "{reference}");
        }
    }

    fn collect(value: &Value, found: &mut Vec<String>) {
        match value {
            Value::Object(members) => {
                if let Some(Value::String(reference)) = members.get("$ref") {
                    found.push(reference.clone());
                }
                members.values().for_each(|member| collect(member, found));
            }
            Value::Array(elements) => elements.iter().for_each(|element| collect(element, found)),
            _ => {}
        }
    }

    #[test]
    fn the_fields_of_an_event_are_those_that_are_read() {
        let document = drawn();
        let described = document["components"]["schemas"]["SentEvent"]["properties"]
            .as_object()
            .unwrap();
        let described: BTreeSet<&str> = described.keys().map(String::as_str).collect();
        assert_eq!(described, FIELDS.into_iter().collect());
    }
}
