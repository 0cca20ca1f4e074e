//! The route table: every path there is, what answers it, and which methods it takes.

use std::borrow::Cow;

use hyper::Method;
use hyper::header::HeaderValue;

/// What answers a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Endpoint {
    /// Totals by country: read, and count a visit of a named country.
    Stats,
    /// Count a visit of a named country, or of the country of the client's address.
    Visits,
    /// Events of any kind: sent, listed, and all of them deleted.
    Events,
    /// Figures of events.
    Query,
    /// A user, whose events can be deleted.
    User,
    /// The history of a user.
    UserEvents,
    /// A visitor, whose events can be deleted.
    Visitor,
    /// The history of a visitor.
    VisitorEvents,
    /// An import: how far it is, and what comes next of it.
    Import,
    /// An event in a query, answered with a picture.
    Pixel,
    /// The points dialect: events that earn their user points, and the points.
    UserPoints,
    /// The points dialect's version.
    Version,
    /// A call of the apps dialect.
    Apps(AppsCall),
    /// A call of the sessions dialect.
    Sessions(SessionsCall),
    /// The visits dialect's ping.
    Ping,
    /// The visits dialect's health check.
    Healthcheck,
    /// Is the process alive?
    Live,
    /// Should traffic come here?
    Ready,
    /// The apps dialect's health check.
    Health,
    /// Figures for Prometheus.
    Metrics,
    /// The document of all calls.
    OpenApi,
    /// A page that shows the document.
    Docs,
    /// A file of that page.
    DocsFile,
}

/// What a call of the apps dialect is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AppsCall {
    /// An app registers.
    Register,
    /// A key is revoked by who shows it.
    Revoke,
    /// A key is replaced for who shows it.
    Regenerate,
    /// Events are sent.
    Collect,
    /// Figures of all events.
    EventSummary,
    /// What a user did.
    UserStats,
    /// Active users by day.
    ActiveUsers,
    /// Events over time.
    Timeseries,
}

impl AppsCall {
    /// Whether it is one that is posted.
    pub const fn is_post(self) -> bool {
        matches!(self, Self::Register | Self::Revoke | Self::Regenerate | Self::Collect)
    }
}

/// What a call of the sessions dialect is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SessionsCall {
    /// A page was viewed.
    View,
    /// A visitor is still there.
    Ping,
    /// Figures.
    Figures,
    /// Sessions, page by page.
    List,
}

impl SessionsCall {
    /// Whether it is one that is posted.
    pub const fn is_post(self) -> bool {
        matches!(self, Self::View | Self::Ping)
    }
}

const READ: &str = "GET, HEAD, OPTIONS";

impl Endpoint {
    /// The methods it takes, as `Allow` lists them.
    pub const fn allow(self) -> &'static str {
        match self {
            Self::Stats | Self::Import | Self::UserPoints => "GET, HEAD, POST, OPTIONS",
            Self::Events => "GET, HEAD, POST, DELETE, OPTIONS",
            Self::User | Self::Visitor => "DELETE, OPTIONS",
            Self::Visits | Self::Query => "POST, OPTIONS",
            Self::Apps(call) if call.is_post() => "POST, OPTIONS",
            Self::Sessions(call) if call.is_post() => "POST, OPTIONS",
            Self::Apps(_)
            | Self::Sessions(_)
            | Self::UserEvents
            | Self::VisitorEvents
            | Self::Pixel
            | Self::Version
            | Self::Ping
            | Self::Healthcheck
            | Self::Live
            | Self::Ready
            | Self::Health
            | Self::Metrics
            | Self::OpenApi
            | Self::Docs
            | Self::DocsFile => READ,
        }
    }

    /// Whether it takes a method.
    pub fn takes(self, method: &Method) -> bool {
        let posted = match self {
            Self::Apps(call) => Some(call.is_post()),
            Self::Sessions(call) => Some(call.is_post()),
            _ => None,
        };
        if let Some(is_post) = posted {
            let taken = if is_post {
                *method == Method::POST
            } else {
                [Method::GET, Method::HEAD].contains(method)
            };
            return taken || *method == Method::OPTIONS;
        }
        match *method {
            Method::OPTIONS => true,
            Method::POST => matches!(
                self,
                Self::Stats | Self::Visits | Self::Events | Self::Query | Self::Import | Self::UserPoints
            ),
            Method::GET | Method::HEAD => !matches!(self, Self::Visits | Self::Query | Self::User | Self::Visitor),
            Method::DELETE => matches!(self, Self::Events | Self::User | Self::Visitor),
            _ => false,
        }
    }

    /// The `Allow` header.
    pub const fn allow_value(self) -> HeaderValue {
        HeaderValue::from_static(self.allow())
    }
}

/// Paths of the main listeners. The document of the calls (`openapi`) is drawn from these tables.
pub const PUBLIC: [(&str, Endpoint); 38] = [
    ("/api/v1/stats", Endpoint::Stats),
    ("/api/v1/visits", Endpoint::Visits),
    ("/api/v1/events", Endpoint::Events),
    ("/api/v1/pixel.gif", Endpoint::Pixel),
    ("/api/v1/query", Endpoint::Query),
    ("/api/v1/users/{id}", Endpoint::User),
    ("/api/v1/users/{id}/events", Endpoint::UserEvents),
    ("/api/v1/visitors/{id}", Endpoint::Visitor),
    ("/api/v1/visitors/{id}/events", Endpoint::VisitorEvents),
    ("/api/v1/imports/{name}", Endpoint::Import),
    ("/v1/users/events", Endpoint::UserPoints),
    ("/version", Endpoint::Version),
    ("/api/auth/register", Endpoint::Apps(AppsCall::Register)),
    ("/api/auth/revoke", Endpoint::Apps(AppsCall::Revoke)),
    ("/api/auth/regenerate", Endpoint::Apps(AppsCall::Regenerate)),
    ("/api/analytics/collect", Endpoint::Apps(AppsCall::Collect)),
    ("/api/analytics/event-summary", Endpoint::Apps(AppsCall::EventSummary)),
    ("/api/analytics/user-stats", Endpoint::Apps(AppsCall::UserStats)),
    ("/api/analytics/active-users", Endpoint::Apps(AppsCall::ActiveUsers)),
    ("/api/analytics/timeseries", Endpoint::Apps(AppsCall::Timeseries)),
    ("/tracking", Endpoint::Sessions(SessionsCall::View)),
    ("/tracking/ping", Endpoint::Sessions(SessionsCall::Ping)),
    ("/ping", Endpoint::Sessions(SessionsCall::Ping)),
    ("/stats", Endpoint::Sessions(SessionsCall::Figures)),
    ("/stats/sessions", Endpoint::Sessions(SessionsCall::List)),
    ("/api/v1/ping", Endpoint::Ping),
    ("/api/v1/healthcheck", Endpoint::Healthcheck),
    ("/livez", Endpoint::Live),
    ("/readyz", Endpoint::Ready),
    ("/health", Endpoint::Health),
    ("/openapi.json", Endpoint::OpenApi),
    ("/api-json", Endpoint::OpenApi),
    ("/api/v1/docs.json", Endpoint::OpenApi),
    ("/docs", Endpoint::Docs),
    ("/docs/{file}", Endpoint::DocsFile),
    ("/api", Endpoint::Docs),
    ("/api/docs", Endpoint::Docs),
    ("/api/v1/docs", Endpoint::Docs),
];

/// Paths of the admin listener.
pub const ADMIN: [(&str, Endpoint); 4] = [
    ("/metrics", Endpoint::Metrics),
    ("/livez", Endpoint::Live),
    ("/readyz", Endpoint::Ready),
    ("/health", Endpoint::Health),
];

/// Finds endpoints by path.
#[derive(Debug, Clone)]
pub struct Routes {
    router: matchit::Router<Endpoint>,
}

impl Routes {
    /// A table made ready for look-ups.
    pub fn new(table: &[(&str, Endpoint)]) -> Self {
        let mut router = matchit::Router::new();
        for (path, endpoint) in table {
            if let Err(error) = router.insert(*path, *endpoint) {
                // A test looks every row up, so this cannot stay unnoticed.
                tracing::error!(%path, %error, "a route cannot be reached");
            }
        }
        Self { router }
    }

    /// The endpoint of a path; a trailing slash is allowed, repeated slashes collapse.
    pub fn find(&self, path: &str) -> Option<Endpoint> {
        match self.router.at(path) {
            Ok(found) => Some(*found.value),
            Err(_) => self.router.at(&tidy(path)?).ok().map(|found| *found.value),
        }
    }
}

/// The path without repeated and trailing slashes; `None` if it has none of them.
fn tidy(path: &str) -> Option<Cow<'_, str>> {
    let trimmed = path.trim_end_matches('/');
    if trimmed.contains("//") {
        let parts: Vec<_> = trimmed.split('/').filter(|part| !part.is_empty()).collect();
        return Some(format!("/{}", parts.join("/")).into());
    }
    (trimmed.len() < path.len()).then_some(trimmed.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_row_is_found_also_with_more_slashes() {
        for table in [&PUBLIC[..], &ADMIN[..]] {
            let routes = Routes::new(table);
            for &(path, endpoint) in table {
                assert_eq!(routes.find(path), Some(endpoint));
                assert_eq!(routes.find(&format!("{path}/")), Some(endpoint));
                assert_eq!(routes.find(&format!("/{}//", path.replace('/', "///"))), Some(endpoint));
            }
        }
    }

    #[test]
    fn an_endpoint_takes_exactly_the_methods_it_allows() {
        for (_, endpoint) in PUBLIC.into_iter().chain(ADMIN) {
            for method in [
                "GET", "HEAD", "POST", "OPTIONS", "PUT", "DELETE", "PATCH", "TRACE", "get",
            ] {
                let allowed = endpoint.allow().split(", ").any(|allowed| allowed == method);
                let method = Method::from_bytes(method.as_bytes()).unwrap();
                assert_eq!(endpoint.takes(&method), allowed, "{endpoint:?} {method}");
            }
        }
    }

    #[test]
    fn other_paths_are_not_found() {
        let routes = Routes::new(&PUBLIC);
        for path in [
            "/",
            "",
            "*",
            "/api/v1",
            "/api/v1/statsx",
            "/API/v1/stats",
            "/api/v1/stats/x",
            "/metrics",
        ] {
            assert_eq!(routes.find(path), None, "{path}");
        }
    }
}
