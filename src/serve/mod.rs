//! `serve`: puts the rooms together, runs until told to stop, takes them apart.

mod directory;
mod house;
mod predecessor;
mod successor;
mod supervisor;

use std::io::{self, Write};
use std::net::SocketAddr;
use std::process;
use std::sync::Arc;
use std::thread::JoinHandle;

use footfall::admit::Limiter;
use footfall::clock::{self, Machine};
use footfall::config::{Config, EdgeConfig, LimitConfig, Loaded};
use footfall::edge::channel::{Channel, Kind};
use footfall::edge::{Dealer, Drain, Edge, Listeners, worker_count};
use footfall::enrich::{AgentNames, Countries, Networks, Salts};
use footfall::http::{BodyBudget, Health, Service};
use footfall::journal::identity_of;
use footfall::metrics::{LimitMetrics, Metrics};
use footfall::pipeline::{OwnIds, Pipeline, Reception};
use footfall::points::RatesWatch;
use footfall::query::Answers;
use tokio::sync::oneshot;

use self::house::{End, House, Signals};
use self::predecessor::{Predecessor, Sockets};
use self::successor::Copies;

/// User agents whose names are remembered for the next answer; some 2 MB.
const AGENT_NAMES_MAX: usize = 5_000;
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
    let (predecessor, sockets) = match Predecessor::find()? {
        Some((predecessor, sockets)) => (Some(predecessor), sockets),
        None => (None, Sockets::default()),
    };
    let metrics = Arc::new(Metrics::default());
    let limiter = Limiter::new(&config.limit, &metrics.limit)?.map(Arc::new);
    let keyless = other_limiter(&config.limit, config.limit.keyless_max, &metrics.limit)?;
    let accounts = other_limiter(&config.limit, config.limit.accounts_max, &metrics.limit)?;
    let countries = Arc::new(Countries::open(&config.geo));
    let networks = Networks::open(config.events.bot_networks.as_deref())
        .map_err(|error| anyhow::anyhow!("events.bot_networks: {error}"))?;
    let networks = Arc::new(networks);
    let rates = RatesWatch::open(&config.points).map_err(|error| anyhow::anyhow!("points.path: {error}"))?;
    let rates = Arc::new(rates);
    let mut doors = Doors::open(&config, sockets)?;
    let copies = Arc::new(Copies::of(&doors.public, &doors.admin)?);
    let arrivals = predecessor.map(|predecessor| (predecessor, doors.expect_arrivals()));
    let pipeline = Arc::new(start_pipeline(
        &config,
        &metrics,
        arrivals.as_ref().map(|(from, _)| from),
    )?);

    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    // From here on a signal is answered with a drain.
    let signals = runtime.block_on(async { Signals::new() })?;
    let salts = Arc::new(Salts::open(&config.journal.data_dir, clock::unix_ms()));
    let (directory, registrar, looked) = directory::keep(&config, &metrics, &salts)?;
    if arrivals.is_none() {
        // A process that takes over must not wait: it has the file of sites and keys, and what it was told.
        runtime.block_on(meet(&pipeline, looked));
    }
    let house = House {
        salts,
        rates,
        request_key: identity_of(&config.journal.data_dir)?.0,
        config,
        limiter,
        keyless,
        accounts,
        directory,
        registrar,
        countries,
        networks,
        pipeline,
        copies,
    };
    let edges = doors.serve(&house, metrics)?;
    let arriving = match arrivals {
        Some((predecessor, dealers)) => Some(predecessor.relieve(house.pipeline.clone(), dealers)?),
        None => None,
    };
    supervisor::tell_ready();
    let code = runtime.block_on(live((house, arriving), edges, signals));
    // A thread that waits for another process must not hold this one up.
    runtime.shutdown_background();
    code
}

/// A limit beside the main one, such as that of events without a key: the same window and the same figures, an allowance
/// of its own.
fn other_limiter(config: &LimitConfig, max: u32, metrics: &LimitMetrics) -> anyhow::Result<Option<Arc<Limiter>>> {
    let config = LimitConfig { max, ..config.clone() };
    let metrics = LimitMetrics {
        refused: metrics.refused.clone(),
        ..LimitMetrics::default()
    };
    Ok(Limiter::new(&config, &metrics)?.map(Arc::new))
}

/// Asks for what others have counted and changed, as far as it can be had at the start.
async fn meet(pipeline: &Pipeline, looked: oneshot::Receiver<()>) {
    // Trouble with sites and keys is told where it is met.
    let (met, _) = tokio::join!(pipeline.first_contact(), looked);
    if !met {
        tracing::warn!("starting without Redis: visits are kept in the journal, totals are unknown until it answers");
    }
}

/// Where requests come in.
struct Doors {
    public: Listeners,
    admin: Listeners,
    admin_edge: EdgeConfig,
}

/// The workers behind a door, and how they are told to end.
type Side = (Edge, Drain);

impl Doors {
    /// Listens, on sockets of the process before where there are any.
    fn open(config: &Config, sockets: Sockets) -> anyhow::Result<Self> {
        let admin_edge = admin_edge(config);
        Ok(Self {
            public: Listeners::inherit(&config.edge, worker_count(&config.edge), sockets.public)?,
            admin: Listeners::inherit(&admin_edge, 1, sockets.admin)?,
            admin_edge,
        })
    }

    fn expect_arrivals(&mut self) -> [Dealer; 2] {
        [self.public.expect_arrivals(), self.admin.expect_arrivals()]
    }

    /// Starts the workers and says where they listen.
    fn serve(self, house: &House, metrics: Arc<Metrics>) -> anyhow::Result<[Side; 2]> {
        let addresses = (self.public.addresses().to_vec(), self.admin.addresses().to_vec());
        let (drain, admin_drain) = (Drain::default(), Drain::default());
        let accepting = drain.clone();
        let shared = house.pipeline.shared().clone();
        let countries = house.countries.clone();
        let reception = Reception {
            shared: shared.clone(),
            countries: countries.clone(),
            networks: house.networks.clone(),
            directory: house.directory.clone(),
            salts: house.salts.clone(),
            request_key: house.request_key,
            ids: OwnIds::new(),
        };
        let agent_names = Arc::new(AgentNames::new(AGENT_NAMES_MAX));
        let service = Service {
            shared: shared.clone(),
            limiter: house.limiter.clone(),
            keyless: house.keyless.clone(),
            accounts: house.accounts.clone(),
            registrar: house.registrar.clone(),
            reception: Arc::new(reception),
            body_budget: Arc::new(BodyBudget::new(house.config.events.bodies_bytes_max)),
            answers: Arc::new(open_answers(house, agent_names.clone())?),
            agent_names,
            countries: countries.clone(),
            rates: house.rates.clone(),
            health: Health::new(shared, countries, Arc::new(move || accepting.is_ready())),
        };
        let admin_service = service.clone();
        let public = Edge::start(self.public, &house.config.edge, metrics, drain.clone(), move |_| {
            let handler = service.handler();
            move |request, client| handler.answer(request, client)
        })?;
        // Figures of its own: connection caps count by them, and a full public side must not lock operators out.
        let figures = Arc::default();
        let admin = Edge::start(self.admin, &self.admin_edge, figures, admin_drain.clone(), move |_| {
            let handler = admin_service.admin_handler();
            move |request, client| handler.answer(request, client)
        })?;
        announce(&addresses.0, &addresses.1)?;
        Ok([(public, drain), (admin, admin_drain)])
    }
}

/// Starts the threads that answer questions about what the store of the moment has.
fn open_answers(house: &House, agent_names: Arc<AgentNames>) -> io::Result<Answers<Machine>> {
    let shared = house.pipeline.shared().clone();
    Answers::open(&house.config.query, Machine, move || {
        agent_names.rest();
        if let Some(library) = &*shared.stored.load() {
            library.forget();
        }
    })
}

/// Opens the data directory, or of it what the process before lets go of.
fn start_pipeline(
    config: &Config,
    metrics: &Arc<Metrics>,
    predecessor: Option<&Predecessor>,
) -> anyhow::Result<Pipeline> {
    let Some(predecessor) = predecessor else {
        return Ok(Pipeline::start(config, metrics.clone())?);
    };
    let (head, told) = predecessor.ask_for_lane()?;
    let pipeline = Pipeline::succeed(config, metrics.clone(), head)?;
    pipeline.hear(&told);
    Ok(pipeline)
}

/// Serves until there is a reason to end, then ends accordingly.
async fn live(
    (house, arriving): (House, Option<JoinHandle<()>>),
    edges: [Side; 2],
    mut signals: Signals,
) -> anyhow::Result<u8> {
    let [(_, drain), (_, admin_drain)] = &edges;
    let end = house.keep(arriving, [drain, admin_drain], &mut signals).await;
    let pipeline = house.pipeline.clone();
    // Only now is the last handle of each listening socket with its worker.
    drop(house);
    match end {
        End::Sealed => Ok(SEALED),
        End::Stop => {
            tracing::info!("stopping: finishing what is open; a second signal ends at once");
            take_apart((edges, None), pipeline, signals).await
        }
        End::HandedOver(channel) => {
            tracing::info!("handing over: passing what is open to the new process");
            take_apart((edges, Some(channel)), pipeline, signals).await
        }
        End::Stranded(error) => {
            tracing::error!(%error, "what the process before left cannot be taken over; the next start tries again");
            take_apart((edges, None), pipeline, signals).await?;
            Err(error.into())
        }
    }
}

/// Lets the public side finish, then the admin side, which tells of it meanwhile, then the pipeline; a further signal
/// ends the process at once.
async fn take_apart(
    (edges, successor): ([Side; 2], Option<Arc<Channel>>),
    pipeline: Arc<Pipeline>,
    mut signals: Signals,
) -> anyhow::Result<u8> {
    let finish = tokio::task::spawn_blocking(move || {
        let kinds = [Kind::PublicConnection, Kind::AdminConnection];
        for ((edge, drain), kind) in edges.into_iter().zip(kinds) {
            match &successor {
                Some(channel) => drain.hand_over(successor::passing(channel, kind, &pipeline)),
                None => drain.begin(),
            }
            edge.join()?;
        }
        if let Some(channel) = &successor {
            successor::tell_totals(channel, &pipeline);
        }
        pipeline.stop();
        anyhow::Ok(())
    });
    tokio::select! {
        finished = finish => finished??,
        () = signals.stop() => {
            tracing::warn!("ended at once by a further signal; the next start recovers");
            process::exit(CUT_SHORT);
        }
    }
    tracing::info!("stopped; everything that was answered is kept");
    Ok(0)
}

/// Metrics and health have listeners of their own, without what only the public side needs.
fn admin_edge(config: &Config) -> EdgeConfig {
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
