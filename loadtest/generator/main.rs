//! The load generator: one thread, many kept-alive connections, prebuilt request bytes, exact counts.
//!
//! Closed loop by default: each connection sends its next request when the last is answered, so the figure is what the
//! server can do. With `--rate` requests are due at fixed times whatever the server does, and latency is measured from
//! the time a request was due: a stalled server cannot hide behind requests that were never sent.
//!
//! Every answer is counted by status, those of the warm-up too, so that the counters of the server can be compared.

#![allow(clippy::indexing_slicing, reason = "a bug in the generator may stop the generator")]
#![allow(
    clippy::cast_possible_truncation,
    clippy::cast_precision_loss,
    clippy::cast_sign_loss,
    reason = "figures of a few seconds fit their types"
)]

mod answer;
mod request;
mod tally;

use std::cell::{Cell, RefCell};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::rc::Rc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use clap::Parser;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::runtime::LocalOptions;
use tokio::task::JoinSet;

use answer::Answer;
use request::Requests;
use tally::Tally;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Largest answer that is read, in bytes.
const ANSWER_BYTES_MAX: usize = 1 << 20;
/// Time the last answers may take after the end of a run.
const PATIENCE: Duration = Duration::from_secs(10);

/// What to send, how fast, for how long.
#[derive(Parser)]
struct Flags {
    /// Address and port of the server.
    #[arg(long)]
    target: SocketAddr,
    #[arg(long, default_value = "POST")]
    method: String,
    /// Path and query; `{country}` is replaced by each of `--countries` in turn.
    #[arg(long, default_value = "/api/v1/stats?countryCode={country}")]
    path: String,
    /// Two-letter codes, separated by commas.
    #[arg(long, default_value = "GB", value_delimiter = ',')]
    countries: Vec<String>,
    /// Client addresses to name in turn in `X-Forwarded-For`, up to a million; `0` sends no such header.
    #[arg(long, default_value_t = 0)]
    addresses: u32,
    #[arg(long, default_value_t = 64)]
    connections: usize,
    /// Requests a connection sends before it waits for answers.
    #[arg(long, default_value_t = 1)]
    pipeline: u64,
    /// Length of the measured part, in seconds.
    #[arg(long, default_value_t = 5.0)]
    seconds: f64,
    /// Time before the measured part, in seconds; its answers are counted but not timed.
    #[arg(long, default_value_t = 1.0)]
    warmup: f64,
    /// Send exactly this many requests, whatever time it takes, and time them all.
    #[arg(long)]
    requests: Option<u64>,
    /// A file of bodies, a line each, sent in turn as JSON.
    #[arg(long)]
    bodies: Option<PathBuf>,
    /// More header lines, `name: value`, sent with bodies.
    #[arg(long = "header")]
    headers: Vec<String>,
    /// Requests a second over all connections (open loop); without it each connection waits for its answers.
    #[arg(long)]
    rate: Option<f64>,
}

/// One run, shared by its connections.
struct Load {
    flags: Flags,
    requests: Requests,
    tally: RefCell<Tally>,
    sent: Cell<u64>,
    start: Instant,
    measure_from: Instant,
    until: Option<Instant>,
}

fn main() -> Result<()> {
    let flags = Flags::parse();
    ensure!(
        flags.connections > 0 && flags.pipeline > 0,
        "connections and pipeline start at 1"
    );
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build_local(LocalOptions::default())?;
    let report = runtime.block_on(run(flags))?;
    println!("{report}");
    Ok(())
}

async fn run(flags: Flags) -> Result<serde_json::Value> {
    let requests = Requests::new(
        &flags.method,
        &flags.path,
        flags.target,
        &flags.countries,
        flags.addresses,
    )?;
    let requests = match &flags.bodies {
        Some(path) => {
            let text = std::fs::read(path).with_context(|| format!("cannot read {}", path.display()))?;
            let lines = text.split(|byte| *byte == b'\n').filter(|line| !line.is_empty());
            let bodies: Vec<&[u8]> = lines.collect();
            ensure!(!bodies.is_empty(), "{} has no bodies", path.display());
            requests.with_bodies(&bodies, &flags.headers)
        }
        None => requests,
    };
    let mut streams = Vec::with_capacity(flags.connections);
    for _ in 0..flags.connections {
        streams.push(connect(flags.target).await?);
    }
    let load = Rc::new(Load::new(flags, requests));
    let mut connections = JoinSet::new();
    for stream in streams {
        let load = load.clone();
        connections.spawn_local(async move { load.drive(stream).await });
    }
    let finished = async { while connections.join_next().await.is_some() {} };
    let stuck = if let Some(until) = load.until {
        let patience = tokio::time::timeout_at((until + PATIENCE).into(), finished);
        patience.await.is_err()
    } else {
        finished.await;
        false
    };
    Ok(load.report(stuck))
}

async fn connect(target: SocketAddr) -> Result<TcpStream> {
    let stream = TcpStream::connect(target)
        .await
        .with_context(|| format!("cannot connect to {target}"))?;
    stream.set_nodelay(true)?;
    Ok(stream)
}

impl Load {
    fn new(flags: Flags, requests: Requests) -> Self {
        let start = Instant::now();
        let (measure_from, until) = if flags.requests.is_some() {
            (start, None)
        } else {
            let from = start + Duration::from_secs_f64(flags.warmup);
            (from, Some(from + Duration::from_secs_f64(flags.seconds)))
        };
        Self {
            flags,
            requests,
            tally: RefCell::default(),
            sent: Cell::new(0),
            start,
            measure_from,
            until,
        }
    }

    /// One connection's life; a broken one is replaced, and what it had not answered is counted as unknown.
    async fn drive(&self, mut stream: TcpStream) {
        let mut written = Vec::with_capacity(4_096);
        let mut read = vec![0; 4_096];
        while let Some((first, count)) = self.take() {
            let due = self.due(first).await;
            written.clear();
            self.requests.write(first, count, &mut written);
            let answered = self.exchange(&mut stream, &written, &mut read, (count, due)).await;
            if answered < count {
                self.tally.borrow_mut().unknown += count - answered;
                match connect(self.flags.target).await {
                    Ok(fresh) => stream = fresh,
                    Err(_) => return,
                }
            }
        }
    }

    /// The next requests to send: the number of the first and how many; `None` at the end of the run.
    fn take(&self) -> Option<(u64, u64)> {
        let first = self.sent.get();
        let count = match (self.flags.requests, self.until) {
            (Some(total), _) => self.flags.pipeline.min(total - first),
            (None, Some(until)) if Instant::now() >= until => 0,
            _ => self.flags.pipeline,
        };
        self.sent.set(first + count);
        (count > 0).then_some((first, count))
    }

    /// Waits until request number `first` is due, and says when that was.
    async fn due(&self, first: u64) -> Instant {
        let Some(rate) = self.flags.rate else {
            return Instant::now();
        };
        let due = self.start + Duration::from_secs_f64(first as f64 / rate);
        if due > Instant::now() {
            tokio::time::sleep_until(due.into()).await;
        }
        due
    }

    /// Sends a batch and reads its answers; returns how many came.
    async fn exchange(&self, stream: &mut TcpStream, batch: &[u8], read: &mut Vec<u8>, want: (u64, Instant)) -> u64 {
        let (count, due) = want;
        if stream.write_all(batch).await.is_err() {
            return 0;
        }
        let (mut answered, mut filled) = (0, 0);
        while answered < count {
            if filled == read.len() {
                if filled >= ANSWER_BYTES_MAX {
                    return answered;
                }
                read.resize(filled * 2, 0);
            }
            match stream.read(&mut read[filled..]).await {
                Ok(0) | Err(_) => return answered,
                Ok(more) => filled += more,
            }
            let mut used = 0;
            while let Some(answer) = Answer::parse(&read[used..filled]) {
                used += answer.length;
                answered += 1;
                self.note(&answer, due);
            }
            read.copy_within(used..filled, 0);
            filled -= used;
        }
        answered
    }

    fn note(&self, answer: &Answer, due: Instant) {
        let now = Instant::now();
        let timed = now >= self.measure_from && self.until.is_none_or(|until| now < until);
        let latency = timed.then(|| now.saturating_duration_since(due));
        self.tally.borrow_mut().note(answer.status, latency);
    }

    fn report(&self, stuck: bool) -> serde_json::Value {
        let end = self.until.unwrap_or_else(Instant::now);
        let seconds = end.saturating_duration_since(self.measure_from).as_secs_f64();
        let mut report = self.tally.borrow().report(seconds);
        report["sent"] = self.sent.get().into();
        report["stuck"] = stuck.into();
        report
    }
}
