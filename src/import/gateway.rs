//! The gateway that an import goes to: one connection, one call at a time, each tried again for a while.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use http_body_util::{BodyExt, Full, Limited};
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper::header::{AUTHORIZATION, CONTENT_TYPE, HOST, RETRY_AFTER};
use hyper::{Method, Request, StatusCode, Uri};
use hyper_util::rt::TokioIo;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use tokio::net::TcpStream;

use crate::clock::Clock;

/// How long an answer may take.
const ANSWER_SECONDS_MAX: u64 = 60;
/// First wait before a call is tried again; it doubles from time to time.
const WAIT_MS: u64 = 50;
/// Longest wait before a call is tried again.
const WAIT_SECONDS_MAX: u64 = 5;
/// How often a gateway is tried that has never answered.
const FIRST_TRIES_MAX: u32 = 4;
/// Largest answer that is read, in bytes: it may name every line of a batch.
const ANSWER_BYTES_MAX: usize = 64 << 20;

type Connection = SendRequest<Full<Bytes>>;

/// A gateway.
pub struct Gateway<C> {
    authority: String,
    key: String,
    patience: Duration,
    clock: Arc<C>,
    connection: Rc<RefCell<Option<Connection>>>,
    has_answered: RefCell<bool>,
}

/// Why a call came to nothing.
#[derive(Debug, thiserror::Error)]
pub enum GatewayError {
    /// The URL is none, or not one of a gateway.
    #[error("{0} is no gateway: give a URL such as http://localhost:3030 (https is not spoken here)")]
    Address(String),
    /// Nobody answers there.
    #[error("cannot reach {0}: {1}")]
    Unreachable(String, String),
    /// It did not take a batch for too long.
    #[error("the gateway took nothing for {0} s ({1}); the same command goes on where this one ended")]
    Patience(u64, String),
    /// The gateway refuses for a reason that will not go away.
    #[error("the gateway refused with {0}: {1}")]
    Refused(u16, String),
}

/// How far an import is.
#[derive(Debug, Clone, Default, Deserialize)]
pub struct Told {
    /// Lines that are taken.
    pub taken: u64,
    /// Up to here the digest is known.
    pub checked: u64,
    /// The digest, hexadecimal.
    pub digest: String,
    /// Visits that are taken, by country.
    pub visits: BTreeMap<String, u64>,
    /// Most lines of a batch.
    pub lines_max: u64,
    /// Most bytes of a batch.
    pub body_bytes_max: usize,
}

/// What became of a batch.
#[derive(Debug, Deserialize)]
pub struct Report {
    /// Lines that are taken.
    pub taken: u64,
    /// Lines that can be no event.
    pub errors: Vec<Flaw>,
}

/// A line that can be no event.
#[derive(Debug, Deserialize)]
pub struct Flaw {
    /// Its number, counted from 1.
    pub line: u64,
    #[serde(default)]
    field: String,
    code: String,
    message: String,
}

impl Flaw {
    /// What is wrong, in words.
    pub fn words(&self) -> String {
        match self.field.as_str() {
            "" => format!("{}: {}", self.code, self.message),
            field => format!("{}: {field} {}", self.code, self.message),
        }
    }
}

/// What came of a try that was not answered well.
enum Lost {
    /// Perhaps later, after a time.
    Later(Option<Duration>, String),
    /// It will be refused again: status and words.
    Refused(u16, String),
}

impl<C: Clock> Gateway<C> {
    /// A gateway by its URL, and a key that may import. A batch that it does not take is tried for so long.
    ///
    /// # Errors
    /// [`GatewayError::Address`].
    pub fn new(to: &str, key: &str, patience: Duration, clock: Arc<C>) -> Result<Self, GatewayError> {
        let wrong = || GatewayError::Address(to.to_owned());
        let uri: Uri = to.parse().map_err(|_| wrong())?;
        let authority = uri.authority().ok_or_else(wrong)?;
        let is_plain = uri.scheme_str() == Some("http") && uri.path() == "/" && uri.query().is_none();
        if !is_plain || authority.host().is_empty() {
            return Err(wrong());
        }
        Ok(Self {
            authority: format!("{}:{}", authority.host(), authority.port_u16().unwrap_or(80)),
            key: key.to_owned(),
            patience,
            clock,
            connection: Rc::default(),
            has_answered: RefCell::new(false),
        })
    }

    /// How far an import is.
    ///
    /// # Errors
    /// When nobody says.
    pub async fn ask(&self, name: &str) -> Result<Told, GatewayError> {
        self.call((Method::GET, &path(name)), ("", &Bytes::new())).await
    }

    /// Sends lines, before which there are so many, with the digest of all up to the last of them.
    ///
    /// # Errors
    /// When they are not taken.
    pub async fn send_lines(
        &self,
        name: &str,
        (from, digest): (u64, u64),
        body: &Bytes,
    ) -> Result<Report, GatewayError> {
        let path = format!("{}?from={from}&digest={digest:016x}", path(name));
        self.call((Method::POST, &path), ("application/x-ndjson", body)).await
    }

    /// Sends visits, of which those are counted that were not taken before; how many these are.
    ///
    /// # Errors
    /// When they are not taken.
    pub async fn send_visits(&self, name: &str, visits: &BTreeMap<String, u64>) -> Result<u64, GatewayError> {
        #[derive(Deserialize)]
        struct Accepted {
            accepted: u64,
        }
        let body = serde_json::json!({ "visits": visits }).to_string().into();
        let call = (Method::POST, &*path(name));
        let Accepted { accepted } = self.call(call, ("application/json", &body)).await?;
        Ok(accepted)
    }

    /// Makes a call, again until it is answered.
    async fn call<A: DeserializeOwned>(
        &self,
        (method, path): (Method, &str),
        (content_type, body): (&str, &Bytes),
    ) -> Result<A, GatewayError> {
        let begun = self.clock.now();
        for tries in 1_u32.. {
            let request = Request::builder()
                .method(method.clone())
                .uri(path)
                .header(HOST, &self.authority)
                .header(AUTHORIZATION, format!("Bearer {}", self.key))
                .header(CONTENT_TYPE, content_type)
                .body(Full::new(body.clone()))
                .map_err(|error| GatewayError::Refused(0, error.to_string()))?;
            let (wait, why) = match self.attempt(request).await {
                Ok(answer) => return Ok(answer),
                Err(Lost::Refused(status, words)) => return Err(GatewayError::Refused(status, words)),
                Err(Lost::Later(wait, why)) => (wait, why),
            };
            if !*self.has_answered.borrow() && tries >= FIRST_TRIES_MAX {
                return Err(GatewayError::Unreachable(self.authority.clone(), why));
            }
            if self.gone_since(begun) >= self.patience {
                return Err(GatewayError::Patience(self.patience.as_secs(), why));
            }
            let usual = Duration::from_millis(WAIT_MS << tries.min(10));
            let longest = Duration::from_secs(WAIT_SECONDS_MAX);
            tokio::time::sleep(wait.unwrap_or(usual).min(longest)).await;
        }
        Err(GatewayError::Patience(self.patience.as_secs(), String::new()))
    }

    fn gone_since(&self, begun: Instant) -> Duration {
        self.clock.now().saturating_duration_since(begun)
    }

    async fn attempt<A: DeserializeOwned>(&self, request: Request<Full<Bytes>>) -> Result<A, Lost> {
        let patience = Duration::from_secs(ANSWER_SECONDS_MAX);
        let later = |why: String| Lost::Later(None, why);
        let answered = tokio::time::timeout(patience, self.exchange(request)).await;
        let (status, wait, body) = answered.map_err(|_| later("no answer came".into()))?.map_err(later)?;
        *self.has_answered.borrow_mut() = true;
        let words = || {
            let problem: Option<serde_json::Value> = serde_json::from_slice(&body).ok();
            let detail = problem.as_ref().and_then(|problem| problem.get("detail")?.as_str());
            detail.map_or_else(|| String::from_utf8_lossy(&body).into_owned(), str::to_owned)
        };
        if status.is_success() {
            let unread = |_| Lost::Refused(status.as_u16(), "the answer is none of a gateway that imports".into());
            return serde_json::from_slice(&body).map_err(unread);
        }
        if status == StatusCode::TOO_MANY_REQUESTS || status == StatusCode::REQUEST_TIMEOUT || status.is_server_error()
        {
            return Err(Lost::Later(wait, words()));
        }
        Err(Lost::Refused(status.as_u16(), words()))
    }

    async fn exchange(&self, request: Request<Full<Bytes>>) -> Result<(StatusCode, Option<Duration>, Bytes), String> {
        let open = self.connection.borrow_mut().take();
        let mut open = match open.filter(|open| !open.is_closed()) {
            Some(open) => open,
            None => self.connect().await?,
        };
        open.ready().await.map_err(|error| error.to_string())?;
        let answer = open.send_request(request).await.map_err(|error| error.to_string())?;
        let status = answer.status();
        let wait = answer.headers().get(RETRY_AFTER).and_then(|value| value.to_str().ok());
        let wait = wait.and_then(|value| value.parse().ok()).map(Duration::from_secs);
        let body = Limited::new(answer.into_body(), ANSWER_BYTES_MAX).collect().await;
        let body = body.map_err(|error| error.to_string())?.to_bytes();
        *self.connection.borrow_mut() = Some(open);
        Ok((status, wait, body))
    }

    async fn connect(&self) -> Result<Connection, String> {
        let told = |error: &dyn std::error::Error| error.to_string();
        let stream = TcpStream::connect(&self.authority)
            .await
            .map_err(|error| told(&error))?;
        stream.set_nodelay(true).map_err(|error| told(&error))?;
        let (open, driver) = handshake(TokioIo::new(stream)).await.map_err(|error| told(&error))?;
        tokio::task::spawn_local(async move {
            // Whoever waits for an answer hears of it.
            let _ = driver.await;
        });
        Ok(open)
    }
}

fn path(name: &str) -> String {
    format!("/api/v1/imports/{}", utf8_percent_encode(name, NON_ALPHANUMERIC))
}
