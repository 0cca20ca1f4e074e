//! One connection, from its first byte to its close.

use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::task::Poll;

use bytes::Bytes;
use hyper::service::service_fn;
use tokio::io::{AsyncReadExt, AsyncWriteExt, ReadBuf};
use tokio::net::TcpStream;

use super::caller::Caller;
use super::caps::Place;
use super::deadlines::Line;
use super::handler::Handler;
use super::life::{Life, Phase};
use super::opening::{self, Expected, Opening, Refusal};
use super::passing::Manner;
use super::stream::Stream;
use super::worker::Worker;

const TIMEOUT_ANSWER: &[u8] = b"HTTP/1.1 408 Request Timeout\r\nConnection: close\r\nContent-Length: 0\r\n\r\n";
/// Most bytes read and thrown away after the last answer, so that closing does not destroy it on its way.
const DISCARDED_BYTES_MAX: usize = 1_024 * 1_024;

/// A connection that the caps let in.
#[derive(Debug)]
pub(super) struct Connection {
    pub(super) socket: TcpStream,
    /// Whose it is, and how far it has come.
    pub(super) manner: Manner,
    /// Whether the peer is one of our proxies.
    pub(super) trusted: bool,
    pub(super) line: Line,
    pub(super) place: Place,
    /// Set when it is past everything that comes before HTTP, as one from another process may be.
    pub(super) opening: Option<Opening>,
}

/// How serving came to its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    /// HTTP is done with the connection, in peace or by an error.
    Closed,
    /// The worker drains and nothing was in flight.
    Finished,
    /// The worker hands over and nothing was under way.
    Passing,
    /// A deadline passed in this phase.
    Expired(Phase),
    /// No request has come for a while: the room for one can be given back.
    Resting,
}

/// Why HTTP did not begin.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Unopened {
    /// The worker hands over, and nothing was read, or only a PROXY header.
    Passing,
    /// The connection is not to be served.
    Gone,
}

/// Serves a connection until it ends.
pub(super) async fn serve<H: Handler>(worker: Rc<Worker<H>>, mut connection: Connection) {
    let opening = match connection.opening.take() {
        Some(opening) => Ok(opening),
        None => open(&worker, &mut connection).await,
    };
    match opening {
        // Boxed, so that connections of HTTP/1 do not carry its room about.
        Ok(opening) if opening.http2 => Box::pin(serve_http2(&worker, connection, opening.read)).await,
        Ok(opening) => serve_http1(&worker, connection, opening.read).await,
        Err(Unopened::Passing) => worker.pass(connection.socket, connection.manner, Bytes::new()),
        Err(Unopened::Gone) => {}
    }
}

/// Reads what comes before HTTP, if anything can.
async fn open<H: Handler>(worker: &Worker<H>, connection: &mut Connection) -> Result<Opening, Unopened> {
    let mut opening = Opening::default();
    if worker.proxy_protocol && connection.trusted && !connection.manner.introduced {
        let expected = Expected {
            proxy_header: true,
            http2: false,
        };
        opening = read_opening(worker, connection, expected, opening.read).await?;
        if !worker.introduce(connection, opening.client) {
            return Err(Unopened::Gone);
        }
    }
    if worker.http2.is_some() {
        let expected = Expected {
            proxy_header: false,
            http2: true,
        };
        opening = read_opening(worker, connection, expected, opening.read).await?;
    }
    Ok(opening)
}

async fn read_opening<H: Handler>(
    worker: &Worker<H>,
    connection: &mut Connection,
    expected: Expected,
    before: Bytes,
) -> Result<Opening, Unopened> {
    let life = Rc::clone(connection.line.life());
    if before.is_empty() && untouched_passes(&life, &connection.socket).await {
        return Err(Unopened::Passing);
    }
    match timely(&life, opening::read(&mut connection.socket, expected, before)).await {
        Some(Ok(opening)) => return Ok(opening),
        Some(Err(Refusal::Gone)) => {}
        Some(Err(Refusal::ProxyHeader)) => {
            worker.metrics.edge.unproxied.inc();
            tracing::debug!(peer = %connection.manner.peer, "closed: the PROXY header is missing or broken");
        }
        None => {
            worker.metrics.edge.expired.inc();
        }
    }
    Err(Unopened::Gone)
}

/// Waits for the first byte without taking it; true if the worker hands over before it comes.
async fn untouched_passes(life: &Life, socket: &TcpStream) -> bool {
    poll_fn(|cx| {
        life.watch(cx);
        // Asked of the kernel, since the runtime's idea of readiness may be wrong. An error shows itself at the read that
        // follows, and so does a deadline.
        let mut byte = [0];
        let ready = socket.poll_peek(cx, &mut ReadBuf::new(&mut byte)).is_ready() || life.is_expired();
        match (ready, life.may_pass()) {
            (true, _) => Poll::Ready(false),
            (false, true) => Poll::Ready(true),
            (false, false) => Poll::Pending,
        }
    })
    .await
}

/// Drives a future until a deadline of the connection passes.
async fn timely<F: Future>(life: &Life, future: F) -> Option<F::Output> {
    let mut future = pin!(future);
    poll_fn(|cx| {
        life.watch(cx);
        match future.as_mut().poll(cx) {
            Poll::Pending if life.is_expired() => Poll::Ready(None),
            polled => polled.map(Some),
        }
    })
    .await
}

async fn serve_http1<H: Handler>(worker: &Rc<Worker<H>>, connection: Connection, mut read: Bytes) {
    let life = Rc::clone(connection.line.life());
    let caller = Caller::new(worker, &connection);
    let (manner, mut socket) = (connection.manner, connection.socket);
    let (end, rested) = loop {
        let end;
        (end, socket, read) = exchange(worker, &life, &caller, socket, read).await;
        let rested = life.phase() == Phase::Idle;
        match end {
            End::Resting if !read.is_empty() => {}
            End::Resting => {
                // Empty as it is, it holds the whole of what was read before.
                read = Bytes::new();
                if let Some(end) = rest(&life, &socket).await {
                    note(worker, end);
                    break (end, rested);
                }
            }
            end => break (end, rested),
        }
    };
    match end {
        End::Passing => {
            let manner = Manner {
                opened: true,
                rested,
                ..manner
            };
            worker.pass(socket, manner, read);
        }
        End::Closed => discard(&life, socket).await,
        // A courtesy: who does not take it at once is not waited for.
        End::Expired(Phase::Head) => drop(socket.try_write(TIMEOUT_ANSWER)),
        End::Finished | End::Expired(_) | End::Resting => {}
    }
}

/// Serves requests until none has come for a while, or the connection ends: how, its socket, and what was read of a
/// request that is not served.
async fn exchange<H: Handler>(
    worker: &Worker<H>,
    life: &Rc<Life>,
    caller: &Caller<H>,
    socket: TcpStream,
    read: Bytes,
) -> (End, TcpStream, Bytes) {
    let service = service_fn(|request| caller.answer(request));
    let stream = Stream::new(socket, read, true, Rc::clone(life));
    let mut http = worker.http1.serve_connection(stream, service);
    let end = poll_fn(|cx| {
        life.watch(cx);
        // hyper is asked first, so that a request which has just arrived is still served.
        if Pin::new(&mut http).poll(cx).is_ready() {
            return Poll::Ready(End::Closed);
        }
        if life.must_hurry() {
            cx.waker().wake_by_ref();
        }
        end(life).map_or(Poll::Pending, Poll::Ready)
    })
    .await;
    note(worker, end);
    let parts = http.into_parts();
    (end, parts.io.into_socket(), parts.read_buf)
}

/// Counts a deadline that passed, before anything shows it.
fn note<H: Handler>(worker: &Worker<H>, end: End) {
    if matches!(end, End::Expired(_)) {
        worker.metrics.edge.expired.inc();
    }
}

/// Waits for the next request without taking a byte of it; how the connection ends if it does so before.
async fn rest(life: &Life, socket: &TcpStream) -> Option<End> {
    poll_fn(|cx| {
        life.watch(cx);
        let mut byte = [0];
        if socket.poll_peek(cx, &mut ReadBuf::new(&mut byte)).is_ready() {
            return Poll::Ready(None);
        }
        match end(life) {
            None | Some(End::Resting) => Poll::Pending,
            end => Poll::Ready(end),
        }
    })
    .await
}

/// Whether serving or resting is to stop, asked when nothing can be done at once.
fn end(life: &Life) -> Option<End> {
    if life.is_expired() {
        Some(End::Expired(life.phase()))
    } else if life.may_pass() {
        Some(End::Passing)
    } else if life.is_finishing() && life.is_idle() {
        Some(End::Finished)
    } else if life.may_rest() {
        Some(End::Resting)
    } else {
        None
    }
}

async fn serve_http2<H: Handler>(worker: &Rc<Worker<H>>, connection: Connection, read: Bytes) {
    let Some(builder) = &worker.http2 else { return };
    let life = Rc::clone(connection.line.life());
    life.is_multiplexed();
    let caller = Caller::new(worker, &connection);
    let service = service_fn(move |request| caller.answer(request));
    let stream = Stream::new(connection.socket, read, false, Rc::clone(&life));
    let mut http = pin!(builder.serve_connection(stream, service));
    let mut goodbye = false;
    poll_fn(|cx| {
        life.watch(cx);
        while http.as_mut().poll(cx).is_pending() {
            let (phase, expired) = (life.phase(), life.is_expired());
            if expired && phase != Phase::Closing {
                worker.metrics.edge.expired.inc();
            }
            let forgotten = expired && phase == Phase::Idle;
            // Its state is too much to pass, and its clients know what a goodbye means.
            let leaving = life.is_finishing() || life.is_passing();
            if !forgotten && (goodbye || !leaving) {
                return if expired { Poll::Ready(()) } else { Poll::Pending };
            }
            // The client learns which of its requests were taken; those in flight finish.
            goodbye = true;
            life.is_closing();
            http.as_mut().graceful_shutdown();
        }
        Poll::Ready(())
    })
    .await;
}

/// Closes a connection whose answers are all with the kernel: a close with bytes unread would be a reset, which can
/// reach the client before the answer does.
async fn discard(life: &Life, mut socket: TcpStream) {
    life.is_closing();
    let discarding = async {
        socket.shutdown().await?;
        let mut scratch = vec![0; 4_096];
        let mut total = 0;
        while total < DISCARDED_BYTES_MAX {
            match socket.read(&mut scratch).await? {
                0 => break,
                length => total += length,
            }
        }
        std::io::Result::Ok(())
    };
    // An error or a deadline ends it as well as the client does.
    let _ = timely(life, discarding).await;
}
