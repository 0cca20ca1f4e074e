//! Sending to a gateway: some connections, each with one batch on its way.

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use http_body_util::{BodyExt, Full, Limited};
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper::header::{AUTHORIZATION, CONTENT_TYPE, HOST, RETRY_AFTER};
use hyper::{Method, Request, StatusCode, Uri};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;

use super::tally::{Receipt, Tally};
use super::traffic::Traffic;
use crate::clock::Clock;

/// How often a batch is tried before it is given up.
const TRIES_MAX: u32 = 10;
/// How long an answer may take.
const ANSWER_SECONDS_MAX: u64 = 30;
/// Longest wait before a batch is tried again.
const WAIT_SECONDS_MAX: u64 = 30;
/// Largest answer that is read, in bytes.
const ANSWER_BYTES_MAX: usize = 4 << 20;
/// Where events go.
const PATH: &str = "/api/v1/events";

/// Where to send, how much, how fast.
#[derive(Debug, Clone)]
pub struct Plan {
    /// The gateway, such as `http://localhost:3030`.
    pub to: String,
    /// A write key.
    pub key: Option<String>,
    /// How many events to send; without a number, as many as `seconds` allow.
    pub events: Option<u64>,
    /// For how long to send; with a rate, that number of events.
    pub seconds: Option<u64>,
    /// Events a second; without it as fast as the gateway takes them.
    pub rate: Option<u64>,
    /// Events of a request.
    pub batch: u64,
    /// Requests on their way at once.
    pub connections: usize,
    /// Whether events have ids, so that a batch can be sent again when nobody knows what became of it.
    pub has_ids: bool,
}

/// Why sending ended early.
#[derive(Debug, thiserror::Error)]
pub enum SendError {
    /// The URL is none, or not one of a gateway.
    #[error("{0} is no gateway: give a URL such as http://localhost:3030 (https is not spoken here)")]
    Address(String),
    /// Nobody answers there.
    #[error("cannot reach {0}: {1}")]
    Unreachable(String, String),
    /// The gateway refuses for a reason that will not go away.
    #[error("the gateway refused with {0}: {1}")]
    Refused(u16, String),
}

/// A batch, ready to be sent.
struct Batch {
    body: Bytes,
    count: u64,
    due: Instant,
}

struct Sender<C> {
    plan: Plan,
    authority: String,
    clock: Arc<C>,
    begun: Instant,
    left: RefCell<(Traffic, Option<u64>, u64)>,
    tally: RefCell<Tally>,
    failed: RefCell<Option<SendError>>,
}

/// Sends traffic as a plan says; must be called on a local runtime.
///
/// # Errors
/// When there is no gateway, or it refuses whatever is sent.
pub async fn send<C: Clock>(traffic: Traffic, plan: Plan, clock: Arc<C>) -> Result<Tally, SendError> {
    let authority = authority(&plan.to)?;
    let left = match (plan.events, plan.rate, plan.seconds) {
        (None, Some(rate), Some(seconds)) => Some(rate.saturating_mul(seconds)),
        (events, _, _) => events,
    };
    let sender = Rc::new(Sender {
        authority,
        begun: clock.now(),
        clock,
        left: RefCell::new((traffic, left, 0)),
        tally: RefCell::default(),
        failed: RefCell::default(),
        plan,
    });
    let mut tasks = tokio::task::JoinSet::new();
    for _ in 0..sender.plan.connections {
        let sender = sender.clone();
        tasks.spawn_local(async move { sender.work().await });
    }
    while tasks.join_next().await.is_some() {}
    if let Some(error) = sender.failed.take() {
        return Err(error);
    }
    let mut tally = sender.tally.take();
    tally.end(sender.clock.now().saturating_duration_since(sender.begun));
    Ok(tally)
}

/// Host and port of a gateway's URL.
fn authority(to: &str) -> Result<String, SendError> {
    let wrong = || SendError::Address(to.to_owned());
    let uri: Uri = to.parse().map_err(|_| wrong())?;
    let authority = uri.authority().ok_or_else(wrong)?;
    let is_plain = uri.scheme_str() == Some("http") && uri.path() == "/" && uri.query().is_none();
    if !is_plain || authority.host().is_empty() {
        return Err(wrong());
    }
    let port = authority.port_u16().unwrap_or(80);
    Ok(format!("{}:{port}", authority.host()))
}

impl<C: Clock> Sender<C> {
    /// One connection's life.
    async fn work(&self) {
        let mut connection = None;
        while let Some(batch) = self.take() {
            tokio::time::sleep_until(batch.due.into()).await;
            if self.failed.borrow().is_some() {
                return;
            }
            self.tally.borrow_mut().sent += batch.count;
            if let Err(error) = self.deliver(&batch, &mut connection).await {
                self.failed.borrow_mut().get_or_insert(error);
                return;
            }
        }
    }

    /// The next batch; `None` when everything is sent.
    fn take(&self) -> Option<Batch> {
        let (traffic, left, sent) = &mut *self.left.borrow_mut();
        let count = self.plan.batch.min(left.unwrap_or(u64::MAX));
        let spent = self.clock.now().saturating_duration_since(self.begun);
        let is_late = left.is_none() && self.plan.seconds.is_none_or(|seconds| spent.as_secs() >= seconds);
        if count == 0 || is_late {
            return None;
        }
        traffic.set_now(self.clock.unix_ms());
        let mut body = Vec::with_capacity(768 * usize::try_from(count).unwrap_or(0));
        for place in 0..count {
            body.push(if place == 0 { b'[' } else { b',' });
            traffic.advance().write(&mut body);
        }
        body.push(b']');
        let due = self.plan.rate.map_or(Duration::ZERO, |rate| {
            Duration::from_secs_f64(*sent as f64 / rate.max(1) as f64)
        });
        *sent += count;
        *left = left.map(|left| left - count);
        Some(Batch {
            body: body.into(),
            count,
            due: self.begun + due,
        })
    }

    /// Sends a batch, again if need be.
    async fn deliver(&self, batch: &Batch, connection: &mut Option<Connection>) -> Result<(), SendError> {
        for tries in 0..TRIES_MAX {
            if tries > 0 {
                self.tally.borrow_mut().again += 1;
            }
            let wait = match self.attempt(batch, connection).await {
                Ok(Attempt::Answered(receipt)) => {
                    self.tally.borrow_mut().note(receipt);
                    return Ok(());
                }
                Ok(Attempt::Later(wait)) => wait,
                Err(Lost::Unsent(error)) if self.was_never_there(tries) => {
                    return Err(SendError::Unreachable(self.authority.clone(), error));
                }
                Err(Lost::Unsent(_)) => None,
                Err(Lost::Unknown) if self.plan.has_ids => None,
                Err(Lost::Unknown) => break,
                Err(Lost::Refused(status, words)) => return Err(SendError::Refused(status, words)),
            };
            let usual = Duration::from_millis(50 << tries.min(10));
            let longest = Duration::from_secs(WAIT_SECONDS_MAX);
            tokio::time::sleep(wait.unwrap_or(usual).min(longest)).await;
        }
        self.tally.borrow_mut().unknown += batch.count;
        Ok(())
    }

    /// Whether nobody has ever answered, after a few tries; one that answered before may come back.
    fn was_never_there(&self, tries: u32) -> bool {
        tries >= 3 && self.tally.borrow().requests == 0
    }

    async fn attempt(&self, batch: &Batch, connection: &mut Option<Connection>) -> Result<Attempt, Lost> {
        let ready = match connection.take().filter(|open| !open.is_closed()) {
            Some(open) => open,
            None => self.connect().await.map_err(Lost::Unsent)?,
        };
        let patience = Duration::from_secs(ANSWER_SECONDS_MAX);
        let answered = tokio::time::timeout(patience, self.exchange(batch, ready)).await;
        let (open, attempt) = answered.map_err(|_| Lost::Unknown)??;
        *connection = Some(open);
        Ok(attempt)
    }

    async fn connect(&self) -> Result<Connection, String> {
        let stream = TcpStream::connect(&self.authority)
            .await
            .map_err(|error| error.to_string())?;
        stream.set_nodelay(true).map_err(|error| error.to_string())?;
        let (open, driver) = handshake(TokioIo::new(stream))
            .await
            .map_err(|error| error.to_string())?;
        tokio::task::spawn_local(async move {
            // Whoever waits for an answer hears of it.
            let _ = driver.await;
        });
        Ok(open)
    }

    async fn exchange(&self, batch: &Batch, mut open: Connection) -> Result<(Connection, Attempt), Lost> {
        let mut request = Request::builder()
            .method(Method::POST)
            .uri(PATH)
            .header(HOST, &self.authority)
            .header(CONTENT_TYPE, "application/json");
        if let Some(key) = &self.plan.key {
            request = request.header(AUTHORIZATION, format!("Bearer {key}"));
        }
        let request = request
            .body(Full::new(batch.body.clone()))
            .map_err(|error| Lost::Refused(0, error.to_string()))?;
        open.ready().await.map_err(|error| Lost::Unsent(error.to_string()))?;
        let answer = open.send_request(request).await.map_err(|_| Lost::Unknown)?;
        let status = answer.status();
        let wait = answer.headers().get(RETRY_AFTER).and_then(|value| value.to_str().ok());
        let wait = wait.and_then(|value| value.parse().ok()).map(Duration::from_secs);
        let body = Limited::new(answer.into_body(), ANSWER_BYTES_MAX).collect().await;
        let body = body.map_err(|_| Lost::Unknown)?.to_bytes();
        Ok((open, read(status, wait, &body)?))
    }
}

type Connection = SendRequest<Full<Bytes>>;

/// What came of a try that was answered.
enum Attempt {
    Answered(Receipt),
    /// Nothing was kept; perhaps later, after a time.
    Later(Option<Duration>),
}

/// What came of a try that was not.
enum Lost {
    /// Nothing reached the gateway.
    Unsent(String),
    /// Nobody knows.
    Unknown,
    /// It will be refused again: status and words.
    Refused(u16, String),
}

fn read(status: StatusCode, wait: Option<Duration>, body: &[u8]) -> Result<Attempt, Lost> {
    if let Ok(receipt) = serde_json::from_slice(body) {
        return Ok(Attempt::Answered(receipt));
    }
    let words = String::from_utf8_lossy(body).into_owned();
    match status {
        StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE => Ok(Attempt::Later(wait)),
        status if status.is_server_error() => Err(Lost::Unknown),
        status => Err(Lost::Refused(status.as_u16(), words)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_urls_of_gateways_are_taken() {
        for (to, expected) in [
            ("http://localhost:3030", Some("localhost:3030")),
            ("http://10.0.0.1/", Some("10.0.0.1:80")),
            ("http://[::1]:3030", Some("[::1]:3030")),
            ("https://shop.example", None),
            ("localhost:3030", None),
            ("http://localhost/api/v1/events", None),
            ("", None),
        ] {
            assert_eq!(authority(to).ok().as_deref(), expected, "{to}");
        }
    }

    #[test]
    fn answers_tell_what_to_do_next() {
        let receipt = br#"{"accepted":1,"duplicates":0,"rejected":0,"errors":[]}"#;
        let read = |status: u16, body: &[u8]| read(StatusCode::from_u16(status).unwrap(), None, body);
        assert!(matches!(read(202, receipt), Ok(Attempt::Answered(_))));
        assert!(matches!(read(400, receipt), Ok(Attempt::Answered(_))));
        assert!(matches!(read(503, b"{}"), Ok(Attempt::Later(None))));
        assert!(matches!(read(429, b""), Ok(Attempt::Later(None))));
        assert!(matches!(read(500, b"{}"), Err(Lost::Unknown)));
        assert!(matches!(read(401, b"{}"), Err(Lost::Refused(401, _))));
        assert!(matches!(read(200, b"hello"), Err(Lost::Refused(200, _))));
    }
}
