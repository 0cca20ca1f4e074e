//! The edge: sockets, connections, and whom a request comes from.
//!
//! One worker a core, each an OS thread with its own single-threaded runtime and its own listening sockets, over which
//! the kernel spreads connections (`SO_REUSEPORT`). A request is read, answered and written on one thread.
//!
//! The edge must not know what a request means: a [`Handler`] gets it with its [`Client`](crate::admit::Client), and answers.
//!
//! Bounded are: connections in all and of one address, the bytes of a request head, its header fields, the bytes of
//! answers a slow client leaves unread, connections passed by another process that wait, and the time for a first byte, a head, a write and a rest between requests.
//! Request bodies and their deadlines are the handler's.
//!
//! On failure: a port that cannot be bound is an error before anything starts. When the machine is out of descriptors a
//! worker pauses and goes on. A handler that panics loses its connection and nothing else. A worker that cannot start
//! begins the drain, so that the gateway ends rather than leave connections to nobody. When a connection ends, the
//! answer to its request in flight is dropped wherever it waits.

mod body;
mod caller;
mod caps;
pub mod channel;
mod client_address;
mod connection;
mod deadlines;
mod drain;
mod handler;
mod hops;
mod in_flight;
mod life;
mod listener;
mod opening;
mod passing;
mod protocols;
mod proxy_protocol;
mod stream;
mod worker;

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::thread::{Builder, JoinHandle, available_parallelism};

pub use client_address::{TrustedProxies, client_address};
pub use drain::{Drain, Stage};
pub use handler::Handler;
pub use listener::Listeners;
pub use passing::{Arrival, Dealer, Successor};

use self::caps::Caps;
use self::worker::Shared;
use crate::config::EdgeConfig;
use crate::metrics::Metrics;

/// Why the edge cannot start, or ended badly.
#[derive(Debug, thiserror::Error)]
pub enum EdgeError {
    /// An address cannot be listened on.
    #[error("cannot listen on {address}: {source}")]
    Bind {
        /// The address asked for.
        address: SocketAddr,
        /// What the machine said.
        source: io::Error,
    },
    /// A listening socket cannot be used.
    #[error("cannot use a listening socket: {0}")]
    Socket(#[source] io::Error),
    /// There is nothing to listen on.
    #[error("no port to listen on")]
    NoListener,
    /// A worker could not start.
    #[error("worker {worker} cannot start: {source}")]
    Worker {
        /// Which one.
        worker: usize,
        /// What the machine said.
        source: io::Error,
    },
    /// A worker ended by a panic.
    #[error("worker {0} panicked")]
    Panic(usize),
}

/// The running workers.
#[derive(Debug)]
pub struct Edge {
    threads: Vec<JoinHandle<io::Result<()>>>,
    drain: Drain,
}

/// Workers to start: as configured, or one a core.
pub fn worker_count(config: &EdgeConfig) -> usize {
    match config.workers {
        0 => available_parallelism().map_or(1, usize::from),
        count => count,
    }
}

impl Edge {
    /// Starts a worker for each row of `listeners`; `handler` makes each its own handler, on its own thread, inside its
    /// runtime.
    ///
    /// # Errors
    ///
    /// [`EdgeError::Worker`] if a thread cannot be started; those already started are drained.
    pub fn start<H: Handler>(
        listeners: Listeners,
        config: &EdgeConfig,
        metrics: Arc<Metrics>,
        drain: Drain,
        handler: impl Fn(usize) -> H + Send + Sync + 'static,
    ) -> Result<Self, EdgeError> {
        let open = metrics.edge.connections.clone();
        let shared = Shared {
            config: Arc::new(config.clone()),
            caps: Arc::new(Caps::new(
                open,
                config.connections_max,
                config.connections_per_address_max,
            )),
            metrics,
            drain: drain.clone(),
        };
        let handler = Arc::new(handler);
        let mut threads = Vec::new();
        for (worker, row) in listeners.into_rows().into_iter().enumerate() {
            let (shared, handler) = (shared.clone(), Arc::clone(&handler));
            let thread = Builder::new().name(format!("worker-{worker}")).spawn(move || {
                // However it ends: without this worker the gateway is not whole.
                let _alarm = Alarm(shared.drain.clone());
                worker::run(&shared, row, || handler(worker))
            });
            match thread {
                Ok(thread) => threads.push(thread),
                Err(source) => {
                    drain.begin();
                    return Err(EdgeError::Worker { worker, source });
                }
            }
        }
        Ok(Self { threads, drain })
    }

    /// Waits until every worker has drained.
    ///
    /// # Errors
    ///
    /// The first worker's end that was no drain.
    pub fn join(self) -> Result<(), EdgeError> {
        let mut result = Ok(());
        for (worker, thread) in self.threads.into_iter().enumerate() {
            let ended = match thread.join() {
                Ok(run) => run.map_err(|source| EdgeError::Worker { worker, source }),
                Err(_) => Err(EdgeError::Panic(worker)),
            };
            result = result.and(ended);
        }
        self.drain.advance(Stage::Done);
        result
    }
}

/// Begins the drain when a worker ends.
struct Alarm(Drain);

impl Drop for Alarm {
    fn drop(&mut self) {
        self.0.begin();
    }
}
