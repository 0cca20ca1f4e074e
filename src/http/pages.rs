//! The document of the calls, and a page to look at it: Swagger UI, whose files are part of the binary.

use std::borrow::Cow;
use std::sync::{Arc, LazyLock};

use bytes::Bytes;
use hyper::StatusCode;
use hyper::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, HeaderName, HeaderValue, REFERRER_POLICY, X_FRAME_OPTIONS,
};
use utoipa_swagger_ui::{Config, SwaggerFile, serve};

use super::answer::{Answer, JSON, document};
use super::openapi::DOCUMENT;

/// Where the page's files are; rows of the route table.
pub const FILES: &str = "/docs/";
/// Where the page finds the document.
const DOCUMENT_PATH: &str = "/openapi.json";
/// The page runs its own scripts, and styles that it makes itself; it asks nobody but this gateway.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; \
                      font-src 'self'; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";
const CROSS_ORIGIN_OPENER_POLICY: HeaderName = HeaderName::from_static("cross-origin-opener-policy");
const PERMISSIONS_POLICY: HeaderName = HeaderName::from_static("permissions-policy");

static CONFIG: LazyLock<Arc<Config<'static>>> = LazyLock::new(|| Arc::new(Config::new([DOCUMENT_PATH])));

/// The document as JSON.
pub fn openapi() -> Answer {
    let mut answer = secured(document(StatusCode::OK, JSON, Bytes::from_static(DOCUMENT.as_bytes())));
    let headers = answer.headers_mut();
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    answer
}

/// The page, which finds its files wherever it is shown.
pub fn page() -> Option<Answer> {
    let file = file_of("index.html")?;
    let text = String::from_utf8_lossy(&file.bytes).replace("=\"./", "=\"");
    let links = ["href=\"", "src=\""].into_iter();
    let text = links.fold(text, |text, link| text.replace(link, &format!("{link}{FILES}")));
    Some(answer(&file.content_type, text.into()))
}

/// A file of the page; `None` if there is none of that name.
pub fn file(path: &str) -> Option<Answer> {
    let name = path.trim_end_matches('/').rsplit('/').next()?;
    let file = file_of(name).filter(|_| name != "index.html")?;
    let bytes = match file.bytes {
        Cow::Borrowed(bytes) => Bytes::from_static(bytes),
        Cow::Owned(bytes) => bytes.into(),
    };
    Some(answer(&file.content_type, bytes))
}

fn file_of(name: &str) -> Option<SwaggerFile<'static>> {
    serve(name, CONFIG.clone()).ok().flatten()
}

fn answer(content_type: &str, body: Bytes) -> Answer {
    let content_type = HeaderValue::from_str(content_type).unwrap_or(HeaderValue::from_static("text/plain"));
    let mut answer = secured(document(StatusCode::OK, content_type, body));
    let headers = answer.headers_mut();
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("public, max-age=3600"));
    answer
}

/// What browsers shall not do with it.
fn secured(mut answer: Answer) -> Answer {
    let headers = answer.headers_mut();
    for (name, value) in [
        (CONTENT_SECURITY_POLICY, POLICY),
        (X_FRAME_OPTIONS, "DENY"),
        (REFERRER_POLICY, "no-referrer"),
        (CROSS_ORIGIN_OPENER_POLICY, "same-origin"),
        (PERMISSIONS_POLICY, "camera=(), geolocation=(), microphone=()"),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
    answer
}
