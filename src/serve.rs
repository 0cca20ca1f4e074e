//! `serve`: puts the rooms together, runs until told to stop, takes them apart.

use std::io::{self, Write};
use std::net::SocketAddr;
use std::process;
use std::sync::Arc;

use footfall::admit::Limiter;
use footfall::clock;
use footfall::config::{Config, Loaded};
use footfall::edge::{Drain, Edge, Listeners, Stage, worker_count};
use footfall::enrich::Countries;
use footfall::http::{Health, Service};
use footfall::metrics::Metrics;
use footfall::pipeline::Pipeline;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::time::{Interval, MissedTickBehavior, interval};

/// The process ended because a sync failed; a supervisor should start it again (`EX_SOFTWARE` of sysexits.h).
const SEALED: u8 = 70;
/// A second signal cut the stop short, as a shell would report it.
const CUT_SHORT: i32 = 130;

/// Runs the gateway; returns the exit code.
///
/// # Errors
/// When it cannot be started, or a part of it failed.
pub fn serve(loaded: Loaded) -> anyhow::Result<u8> {
    for ignored in &loaded.ignored {
        tracing::warn!(setting = %ignored.name, "{}", ignored.reason);
    }
    let config = loaded.config;
    let metrics = Arc::new(Metrics::default());
    let limiter = Limiter::new(&config.limit, &metrics.limit)?.map(Arc::new);
    let countries = Arc::new(Countries::open(&config.geo));
    let listeners = Listeners::bind(&config.edge, worker_count(&config.edge))?;
    let admin_edge = admin_edge(&config);
    let admin = Listeners::bind(&admin_edge, 1)?;
    let addresses = (listeners.addresses().to_vec(), admin.addresses().to_vec());
    let pipeline = Pipeline::start(&config, metrics.clone())?;

    let (drain, admin_drain) = (Drain::default(), Drain::default());
    let accepting = drain.clone();
    let service = Service {
        shared: pipeline.shared().clone(),
        limiter: limiter.clone(),
        countries: countries.clone(),
        health: Health::new(
            pipeline.shared().clone(),
            countries.clone(),
            Arc::new(move || accepting.is_ready()),
        ),
    };
    let admin_service = service.clone();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    // From here on a signal is answered with a drain.
    let signals = runtime.block_on(async { Signals::new() })?;
    if !runtime.block_on(pipeline.first_contact()) {
        tracing::warn!("starting without Redis: visits are kept in the journal, totals are unknown until it answers");
    }
    let public = Edge::start(listeners, &config.edge, metrics, drain.clone(), move |_| {
        let handler = service.handler();
        move |request, client| handler.answer(request, client)
    })?;
    // Figures of its own: connection caps count by them, and a full public side must not lock operators out.
    let admin = Edge::start(admin, &admin_edge, Arc::default(), admin_drain.clone(), move |_| {
        let handler = admin_service.admin_handler();
        move |request, client| handler.answer(request, client)
    })?;
    announce(&addresses.0, &addresses.1)?;
    runtime.block_on(async {
        let rooms = (limiter.as_deref(), countries.as_ref(), &pipeline);
        let Some(signals) = keep_house(&config, rooms, [&drain, &admin_drain], signals).await else {
            return Ok(SEALED);
        };
        take_apart([(public, drain), (admin, admin_drain)], pipeline, signals).await
    })
}

/// Lets the public side finish, then the admin side, which tells of it meanwhile, then the pipeline; a second signal
/// ends the process at once.
async fn take_apart(edges: [(Edge, Drain); 2], pipeline: Pipeline, mut signals: Signals) -> anyhow::Result<u8> {
    tracing::info!("stopping: finishing what is open; a second signal ends at once");
    let finish = tokio::task::spawn_blocking(move || {
        for (edge, drain) in edges {
            drain.begin();
            edge.join()?;
        }
        pipeline.stop();
        anyhow::Ok(())
    });
    tokio::select! {
        finished = finish => finished??,
        () = signals.next() => {
            tracing::warn!("ended at once by a second signal; the next start recovers");
            process::exit(CUT_SHORT);
        }
    }
    tracing::info!("stopped; everything that was answered is kept");
    Ok(0)
}

/// Metrics and health have listeners of their own, without what only the public side needs.
fn admin_edge(config: &Config) -> footfall::config::EdgeConfig {
    let mut edge = config.edge.clone();
    edge.host = config.admin.host;
    edge.ports = vec![config.admin.port];
    edge.http2 = false;
    edge.proxy_protocol = false;
    edge
}

/// Says on standard output where the gateway listens.
fn announce(public: &[SocketAddr], admin: &[SocketAddr]) -> io::Result<()> {
    let mut out = io::stdout().lock();
    for address in public {
        writeln!(out, "listening on http://{address}")?;
    }
    for address in admin {
        writeln!(out, "admin on http://{address}")?;
    }
    writeln!(out, "ready")?;
    out.flush()
}

/// Housekeeping until a signal comes or a worker ends; `None` when the log is sealed: what is on disk is not known any
/// more, and nothing may be answered from memory.
async fn keep_house(
    config: &Config,
    (limiter, countries, pipeline): (Option<&Limiter>, &Countries, &Pipeline),
    [drain, admin_drain]: [&Drain; 2],
    mut signals: Signals,
) -> Option<Signals> {
    let (mut sweep, mut look) = (every(config.limit.sweep_ms), every(config.geo.reload_ms));
    let mut space = every(config.journal.space_look_ms);
    loop {
        tokio::select! {
            () = signals.next() => return Some(signals),
            () = drain.reached(Stage::NotReady) => return Some(signals),
            () = admin_drain.reached(Stage::NotReady) => return Some(signals),
            () = pipeline.sealed() => return None,
            _ = sweep.tick() => limiter.into_iter().for_each(Limiter::sweep),
            _ = space.tick() => pipeline.look_for_space(),
            _ = look.tick() => {
                countries.geo().refresh();
            }
        }
    }
}

/// The signals that ask for a stop.
struct Signals {
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    fn new() -> io::Result<Self> {
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
        })
    }

    async fn next(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }
}

fn every(milliseconds: u64) -> Interval {
    let mut interval = interval(clock::ms(milliseconds.max(1)));
    interval.set_missed_tick_behavior(MissedTickBehavior::Delay);
    interval
}

/// Holds a data directory's counters against its journal; returns the exit code.
///
/// # Errors
/// When the directory or Redis cannot be read.
pub fn verify(loaded: &Loaded) -> anyhow::Result<u8> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let good = runtime.block_on(footfall::pipeline::verify(&loaded.config, &mut io::stdout()))?;
    Ok(u8::from(!good))
}

/// Lets the counters in Redis begin anew; returns the exit code.
///
/// # Errors
/// When the directory or Redis cannot be read or written.
pub fn rebuild(loaded: &Loaded) -> anyhow::Result<u8> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let whole = runtime.block_on(footfall::pipeline::rebuild(&loaded.config, &mut io::stdout()))?;
    Ok(u8::from(!whole))
}
