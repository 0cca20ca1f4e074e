//! A worker: one thread with its own runtime, listeners and connections. Nothing a request does leaves it.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::pin::pin;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use hyper::server::conn::{http1, http2};
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::{Builder, LocalOptions};
use tokio::sync::mpsc;
use tokio::task::spawn_local;
use tokio::time::{sleep, timeout};

use super::caps::{Caps, Place};
use super::client_address::TrustedProxies;
use super::connection::{self, Connection};
use super::deadlines::{Deadlines, Roster};
use super::drain::{Drain, Stage};
use super::handler::Handler;
use super::listener::Row;
use super::opening::Opening;
use super::passing::{Arrival, Manner};
use super::protocols::{self, LocalExecutor};
use crate::clock;
use crate::config::EdgeConfig;
use crate::metrics::Metrics;

/// Pauses between attempts to accept while the machine has no room, in milliseconds: the first, the longest.
const PAUSE_MS: (u64, u64) = (10, 1_000);

/// What all workers share.
#[derive(Debug, Clone)]
pub(super) struct Shared {
    pub(super) config: Arc<EdgeConfig>,
    pub(super) caps: Arc<Caps>,
    pub(super) metrics: Arc<Metrics>,
    pub(super) drain: Drain,
}

/// What the connections of one worker share.
#[derive(Debug)]
pub(super) struct Worker<H> {
    pub(super) handler: H,
    pub(super) http1: http1::Builder,
    pub(super) http2: Option<http2::Builder<LocalExecutor>>,
    pub(super) trusted: TrustedProxies,
    pub(super) proxy_protocol: bool,
    pub(super) roster: Rc<Roster>,
    pub(super) metrics: Arc<Metrics>,
    caps: Arc<Caps>,
    drain: Drain,
}

/// Runs a worker on this thread until it is drained.
///
/// # Errors
///
/// When the runtime cannot be made or a listener cannot be watched.
pub(super) fn run<H: Handler>(shared: &Shared, row: Row, handler: impl FnOnce() -> H) -> io::Result<()> {
    let runtime = Builder::new_current_thread()
        .enable_all()
        .build_local(LocalOptions::default())?;
    runtime.block_on(async {
        let listeners = row.sockets.into_iter().map(TcpListener::from_std);
        let listeners = listeners.collect::<io::Result<Vec<_>>>()?;
        let worker = Rc::new(Worker::new(shared, handler()));
        if let Some(arrivals) = row.arrivals {
            spawn_local(welcome(Rc::clone(&worker), arrivals));
        }
        serve(shared, listeners, worker).await;
        Ok(())
    })
    // Dropping the runtime cuts what has not finished in time.
}

async fn serve<H: Handler>(shared: &Shared, listeners: Vec<TcpListener>, worker: Rc<Worker<H>>) {
    let roster = Rc::clone(&worker.roster);
    spawn_local({
        let roster = Rc::clone(&roster);
        async move { roster.reap().await }
    });
    let accepting: Vec<_> = listeners
        .into_iter()
        .map(|listener| spawn_local(accept(Rc::clone(&worker), listener, shared.drain.clone())))
        .collect();

    shared.drain.reached(Stage::NotReady).await;
    let config = &shared.config;
    let is_succeeded = shared.drain.successor().is_some();
    if !is_succeeded {
        sleep(clock::ms(config.drain_delay_ms)).await;
        // Answers say goodbye before the last connections are accepted: those are to be short.
        roster.finish_answers();
    }
    shared.drain.advance(Stage::Draining);
    for task in accepting {
        // A panic in there took the listener with it: closed, as it should be.
        let _ = task.await;
    }
    // One turn of the runtime, so that requests which have arrived are found before their connections count as idle.
    tokio::task::yield_now().await;
    let patience_ms = if is_succeeded {
        roster.pass_connections();
        config.linger_ms_max
    } else {
        roster.finish_connections();
        config.drain_ms
    };
    if timeout(clock::ms(patience_ms), roster.empty()).await.is_err() {
        tracing::warn!(
            connections = roster.open(),
            "cut connections that did not finish in time"
        );
    }
}

/// Serves what another process passes, until it is gone.
async fn welcome<H: Handler>(worker: Rc<Worker<H>>, mut arrivals: mpsc::Receiver<Arrival>) {
    while let Some(arrival) = arrivals.recv().await {
        worker.take_in(arrival);
    }
}

/// Accepts until the drain, then what the kernel has queued, then closes the listener. A successor listens on the same
/// socket, so to it the queue is left.
async fn accept<H: Handler>(worker: Rc<Worker<H>>, listener: TcpListener, drain: Drain) {
    let mut stop = pin!(drain.reached(Stage::Draining));
    let mut pause_ms = PAUSE_MS.0;
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = &mut stop => break,
        };
        match accepted {
            Ok((socket, peer)) => {
                pause_ms = PAUSE_MS.0;
                worker.admit(socket, peer);
            }
            Err(error) if is_of_one_connection(&error) => {}
            Err(error) => {
                // Out of descriptors or memory: the queued connection stays, so asking again at once would only spin.
                tracing::warn!(%error, pause_ms, "cannot accept connections");
                sleep(Duration::from_millis(pause_ms)).await;
                pause_ms = (pause_ms * 2).min(PAUSE_MS.1);
            }
        }
    }
    if drain.successor().is_none() {
        worker.admit_queued(listener);
    }
}

/// Errors that say something about the connection to be accepted, not about the machine.
fn is_of_one_connection(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset, Interrupted};
    matches!(
        error.kind(),
        ConnectionAborted | ConnectionRefused | ConnectionReset | Interrupted
    )
}

impl<H: Handler> Worker<H> {
    fn new(shared: &Shared, handler: H) -> Self {
        let config = &shared.config;
        Self {
            handler,
            http1: protocols::http1(config),
            http2: config.http2.then(|| protocols::http2(config)),
            trusted: TrustedProxies::new(&config.trusted_proxies),
            proxy_protocol: config.proxy_protocol,
            roster: Rc::new(Roster::new(Deadlines::new(config))),
            metrics: Arc::clone(&shared.metrics),
            caps: Arc::clone(&shared.caps),
            drain: shared.drain.clone(),
        }
    }

    /// Serves a connection if the caps let it in; else closes it at once.
    fn admit(self: &Rc<Self>, socket: TcpStream, peer: SocketAddr) {
        let peer = peer.ip().to_canonical();
        if let Some(connection) = self.enter(socket, Manner::of_new(peer), None) {
            spawn_local(connection::serve(Rc::clone(self), connection));
        }
    }

    /// Serves a connection that another process has passed, if the caps let it in.
    fn take_in(self: &Rc<Self>, arrival: Arrival) {
        let opening = arrival.manner.opened.then(|| Opening {
            read: arrival.read,
            ..Opening::default()
        });
        let Ok(socket) = TcpStream::from_std(arrival.socket) else {
            return;
        };
        if let Some(connection) = self.enter(socket, arrival.manner, opening) {
            if arrival.manner.rested {
                connection.line.life().has_rested();
            }
            spawn_local(connection::serve(Rc::clone(self), connection));
        }
    }

    fn enter(&self, socket: TcpStream, manner: Manner, opening: Option<Opening>) -> Option<Connection> {
        let trusted = self.trusted.contains(manner.peer);
        let Some(mut place) = self.caps.take() else {
            self.metrics.edge.refused.inc();
            return None;
        };
        if !self.may_open(&mut place, manner.peer, trusted) {
            return None;
        }
        self.metrics.edge.accepted.inc();
        Some(Connection {
            socket,
            manner,
            trusted,
            line: self.roster.enter(),
            place,
            opening,
        })
    }

    /// Sends a connection on which nothing is under way to the successor, with what was read of its next request.
    pub(super) fn pass(&self, socket: TcpStream, manner: Manner, read: Bytes) {
        let (Some(successor), Ok(socket)) = (self.drain.successor(), socket.into_std()) else {
            return;
        };
        let arrival = Arrival { socket, manner, read };
        if let Err(error) = successor.pass(&arrival) {
            tracing::warn!(%error, "a connection could not be passed to the new process and is closed");
        }
    }

    /// Puts the client that a PROXY header names in the proxy's place; false if it has too many connections.
    pub(super) fn introduce(&self, connection: &mut Connection, client: Option<IpAddr>) -> bool {
        connection.manner.introduced = true;
        let Some(client) = client else { return true };
        connection.manner.peer = client;
        connection.trusted = self.trusted.contains(client);
        self.may_open(&mut connection.place, client, connection.trusted)
    }

    /// Proxies carry many clients, so the cap of an address is not for them.
    fn may_open(&self, place: &mut Place, peer: IpAddr, trusted: bool) -> bool {
        let may = trusted || place.count_for(peer);
        if !may {
            self.metrics.edge.refused.inc();
        }
        may
    }

    /// Accepts until the kernel's queue is empty: closing the listener would reset what waits in it.
    fn admit_queued(self: &Rc<Self>, listener: TcpListener) {
        // The runtime's idea of readiness may be old; the kernel's answer is not.
        let Ok(listener) = listener.into_std() else { return };
        loop {
            match listener.accept() {
                Ok((socket, peer)) => {
                    if socket.set_nonblocking(true).is_ok()
                        && let Ok(socket) = TcpStream::from_std(socket)
                    {
                        self.admit(socket, peer);
                    }
                }
                Err(error) if is_of_one_connection(&error) => {}
                Err(_) => return,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;
    use std::net::{Ipv4Addr, TcpListener as StdListener};

    use http::{Request, Response};
    use http_body_util::combinators::UnsyncBoxBody;
    use hyper::body::Incoming;

    use super::*;
    use crate::admit::Client;

    async fn nobody_asks(_: Request<Incoming>, _: Client) -> Response<UnsyncBoxBody<Bytes, Infallible>> {
        Response::default()
    }

    #[test]
    fn what_the_kernel_has_queued_is_accepted_before_a_listener_closes() {
        let metrics = Arc::<Metrics>::default();
        let shared = Shared {
            config: Arc::default(),
            caps: Arc::new(Caps::new(metrics.edge.connections.clone(), 100, 0)),
            metrics,
            drain: Drain::default(),
        };
        let listener = StdListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        listener.set_nonblocking(true).unwrap();
        let address = listener.local_addr().unwrap();
        let clients: Vec<_> = (0..20)
            .map(|_| std::net::TcpStream::connect(address).unwrap())
            .collect();
        let runtime = Builder::new_current_thread()
            .enable_all()
            .build_local(LocalOptions::default())
            .unwrap();
        runtime.block_on(async {
            let worker = Rc::new(Worker::new(&shared, nobody_asks));
            worker.admit_queued(TcpListener::from_std(listener).unwrap());
            assert_eq!(worker.roster.open(), clients.len());
        });
        assert!(std::net::TcpStream::connect(address).is_err());
    }

    #[test]
    fn only_errors_of_the_machine_make_a_worker_pause() {
        for kind in [io::ErrorKind::ConnectionAborted, io::ErrorKind::Interrupted] {
            assert!(is_of_one_connection(&kind.into()));
        }
        // EMFILE, ENFILE, ENOBUFS, ENOMEM
        for code in [24, 23, 105, 12] {
            assert!(!is_of_one_connection(&io::Error::from_raw_os_error(code)));
        }
    }
}
