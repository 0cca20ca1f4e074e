//! A gateway's edge with a trivial handler.

use std::convert::Infallible;
use std::net::{SocketAddr, TcpStream};
use std::pin::Pin;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use footfall::admit::Client;
use footfall::config::EdgeConfig;
use footfall::edge::{Drain, Edge, Listeners, Stage};
use footfall::metrics::Metrics;
use http::{Request, Response, StatusCode};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Full};
use hyper::body::{Body, Frame, Incoming};
use tokio::sync::Semaphore;

use crate::conversation::Conversation;

/// Far more than anything here takes; reached only when a test fails.
pub const PATIENCE: Duration = Duration::from_secs(10);
pub const BIG_BYTES: usize = 32 * 1024 * 1024;

/// Loopback, nobody trusted, and no deadline that passes within [`PATIENCE`] unless a test sets one.
pub fn config() -> EdgeConfig {
    EdgeConfig {
        host: [127, 0, 0, 1].into(),
        ports: vec![0],
        first_byte_ms: 60_000,
        header_ms: 60_000,
        write_ms: 60_000,
        idle_ms: 60_000,
        trusted_proxies: Vec::new(),
        drain_ms: 5_000,
        ..EdgeConfig::default()
    }
}

/// The networks of the test's own clients.
pub fn trusting(config: EdgeConfig) -> EdgeConfig {
    EdgeConfig {
        trusted_proxies: vec!["127.0.0.0/8".parse().unwrap()],
        ..config
    }
}

pub struct Server {
    pub address: SocketAddr,
    pub drain: Drain,
    pub metrics: Arc<Metrics>,
    /// What the handler waits for and tells.
    pub inside: Arc<Inside>,
    /// One word for each `/wait` or `/block` that began and each `/big` or `/wait` that ended.
    pub events: Receiver<&'static str>,
    edge: Option<Edge>,
}

/// What the handler shares with the test.
pub struct Inside {
    /// Opens `/wait`, once for each permit.
    pub gate: Semaphore,
    /// While held, `/block` holds its worker's thread.
    pub brake: Mutex<()>,
    events: Sender<&'static str>,
}

impl Server {
    pub fn start(config: &EdgeConfig) -> Self {
        Self::start_with(config, 1)
    }

    pub fn start_with(config: &EdgeConfig, workers: usize) -> Self {
        let listeners = Listeners::bind(config, workers).unwrap();
        let address = listeners.addresses()[0];
        let (metrics, drain) = (Arc::<Metrics>::default(), Drain::default());
        let (sender, events) = channel();
        let inside = Arc::new(Inside {
            gate: Semaphore::new(0),
            brake: Mutex::new(()),
            events: sender,
        });
        let shared = Arc::clone(&inside);
        let edge = Edge::start(listeners, config, Arc::clone(&metrics), drain.clone(), move |_| {
            let inside = Arc::clone(&shared);
            move |request, client| answer(request, client, Arc::clone(&inside))
        });
        Self {
            address,
            drain,
            metrics,
            inside,
            events,
            edge: Some(edge.unwrap()),
        }
    }

    /// Lets one `/wait` go on.
    pub fn open_gate(&self) {
        self.inside.gate.add_permits(1);
    }

    pub fn connect(&self) -> Conversation {
        Conversation::new(TcpStream::connect(self.address).unwrap())
    }

    pub fn next_event(&self) -> &'static str {
        self.events.recv_timeout(PATIENCE).unwrap()
    }

    pub fn wait_for(&self, stage: Stage) {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        runtime.block_on(async { tokio::time::timeout(PATIENCE, self.drain.reached(stage)).await.unwrap() });
    }

    /// Waits for the drain that was begun.
    pub fn join(&mut self) {
        self.edge.take().unwrap().join().unwrap();
    }

    pub fn expired(&self) -> u64 {
        self.metrics.edge.expired.get()
    }

    pub fn refused(&self) -> u64 {
        self.metrics.edge.refused.get()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.inside.gate.close();
        self.drain.begin();
        if let Some(edge) = self.edge.take() {
            let _ = edge.join();
        }
    }
}

type Answer = Response<UnsyncBoxBody<Bytes, Infallible>>;

async fn answer(request: Request<Incoming>, client: Client, inside: Arc<Inside>) -> Answer {
    match request.uri().path() {
        "/whoami" => text(format!("{} {}", client.address, client.via_proxy)),
        "/worker" => text(std::thread::current().name().unwrap_or_default().to_owned()),
        "/wait" => {
            let _ended = Ended(inside.events.clone());
            let _ = inside.events.send("began");
            let _ = inside.gate.acquire().await.map(tokio::sync::SemaphorePermit::forget);
            text("waited".to_owned())
        }
        "/block" => {
            let _ = inside.events.send("began");
            drop(inside.brake.lock());
            text("blocked".to_owned())
        }
        "/later" => {
            tokio::task::spawn_local(async move {
                let _body = request.into_body();
                let _ = inside.gate.acquire().await.map(tokio::sync::SemaphorePermit::forget);
            });
            text("later".to_owned())
        }
        "/length" => match request.into_body().collect().await {
            Ok(body) => text(body.to_bytes().len().to_string()),
            Err(_) => status(StatusCode::BAD_REQUEST),
        },
        "/refuse" => status(StatusCode::PAYLOAD_TOO_LARGE),
        "/big" => Response::new(UnsyncBoxBody::new(Big {
            body: Full::new(Bytes::from(vec![b'x'; BIG_BYTES])),
            _ended: Ended(inside.events.clone()),
        })),
        "/pieces" => Response::new(UnsyncBoxBody::new(Pieces { first: true })),
        "/panic" => panic!("a handler's panic, as asked for"),
        _ => text("hello".to_owned()),
    }
}

fn text(text: String) -> Answer {
    Response::new(UnsyncBoxBody::new(Full::from(text)))
}

fn status(status: StatusCode) -> Answer {
    let mut answer = text(String::new());
    *answer.status_mut() = status;
    answer
}

struct Ended(Sender<&'static str>);

impl Drop for Ended {
    fn drop(&mut self) {
        let _ = self.0.send("ended");
    }
}

struct Big {
    body: Full<Bytes>,
    _ended: Ended,
}

impl Body for Big {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        Pin::new(&mut self.body).poll_frame(cx)
    }
}

/// One piece, and another that never comes.
struct Pieces {
    first: bool,
}

impl Body for Pieces {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        if std::mem::take(&mut self.first) {
            Poll::Ready(Some(Ok(Frame::data(Bytes::from_static(b"piece")))))
        } else {
            Poll::Pending
        }
    }
}
