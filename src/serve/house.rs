//! What the main thread does while the workers serve.

use std::io;
use std::sync::Arc;
use std::thread;

use footfall::admit::Limiter;
use footfall::clock;
use footfall::config::Config;
use footfall::directory::{Directory, Registrar};
use footfall::edge::channel::Channel;
use footfall::edge::{Drain, Stage};
use footfall::enrich::{Countries, Networks, Salts};
use footfall::pipeline::{Pipeline, PipelineError};
use footfall::points::RatesWatch;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::task::{JoinHandle, spawn_blocking};
use tokio::time::{Interval, MissedTickBehavior, interval};

use super::successor::{self, Copies};

/// Why the house is left.
pub enum End {
    /// Someone asked for a stop, or a worker ended.
    Stop,
    /// A new process serves.
    HandedOver(Arc<Channel>),
    /// The log is sealed: what is on disk is not known any more, and nothing may be answered from memory.
    Sealed,
    /// The lane of the process before cannot be taken over.
    Stranded(PipelineError),
}

/// What the house is kept with.
pub struct House {
    pub config: Config,
    pub limiter: Option<Arc<Limiter>>,
    pub keyless: Option<Arc<Limiter>>,
    pub accounts: Option<Arc<Limiter>>,
    pub directory: Arc<Directory>,
    pub registrar: Registrar,
    pub countries: Arc<Countries>,
    pub networks: Arc<Networks>,
    pub salts: Arc<Salts>,
    pub rates: Arc<RatesWatch>,
    /// Tells requests apart: see `Reception`.
    pub request_key: [u8; 16],
    pub pipeline: Arc<Pipeline>,
    pub copies: Arc<Copies>,
}

impl House {
    /// Housekeeping until there is a reason to end; `arriving` ends with the process before, if there is one.
    pub async fn keep(
        &self,
        arriving: Option<thread::JoinHandle<()>>,
        [drain, admin_drain]: [&Drain; 2],
        signals: &mut Signals,
    ) -> End {
        let (mut sweep, mut look) = (every(self.config.limit.sweep_ms), every(self.config.geo.reload_ms));
        let mut rates = every(self.config.points.reload_ms);
        let mut space = every(self.config.journal.space_look_ms);
        let mut search = None;
        let mut taking_over = arriving.map(|arriving| self.take_over(arriving));
        loop {
            tokio::select! {
                () = stop(&mut signals.terminate, &mut signals.interrupt) => return End::Stop,
                () = drain.reached(Stage::NotReady) => return End::Stop,
                () = admin_drain.reached(Stage::NotReady) => return End::Stop,
                () = self.pipeline.sealed() => return End::Sealed,
                _ = signals.hand_over.recv() => {
                    if search.is_some() || taking_over.is_some() {
                        tracing::warn!("a hand-over is under way: another one is refused");
                    } else {
                        search = Some(self.search());
                    }
                }
                found = ended(&mut search) => match found {
                    Ok(channel) => return End::HandedOver(channel),
                    Err(error) => tracing::error!("no hand-over, this process goes on: {error:#}"),
                },
                taken = ended(&mut taking_over) => if let Err(error) = taken {
                    return End::Stranded(error);
                },
                _ = sweep.tick() => {
                    let others = [&self.keyless, &self.accounts].into_iter().flatten();
                    self.limiter.iter().chain(others).for_each(|limiter| limiter.sweep());
                }
                _ = space.tick() => self.pipeline.look_for_space(),
                _ = rates.tick() => self.rates.refresh(),
                _ = look.tick() => {
                    self.countries.geo().refresh();
                }
            }
        }
    }

    fn search(&self) -> JoinHandle<anyhow::Result<Arc<Channel>>> {
        let (config, pipeline, copies) = (self.config.clone(), self.pipeline.clone(), self.copies.clone());
        spawn_blocking(move || successor::start(&config, &pipeline, &copies))
    }

    /// Waits for the end of the process before.
    fn take_over(&self, arriving: thread::JoinHandle<()>) -> JoinHandle<Result<(), PipelineError>> {
        let pipeline = self.pipeline.clone();
        spawn_blocking(move || {
            // The last that the process before tells is its totals: none of ours may be below them.
            if arriving.join().is_err() {
                tracing::error!("the thread that takes in connections panicked");
            }
            pipeline.take_over()?;
            tracing::info!("the process before has ended, and what it left is taken over");
            Ok(())
        })
    }
}

/// The result of a task, which is then forgotten; without a task it never comes.
async fn ended<T>(task: &mut Option<JoinHandle<T>>) -> T {
    loop {
        let Some(running) = task else {
            return std::future::pending().await;
        };
        let result = running.await;
        *task = None;
        match result {
            Ok(result) => return result,
            Err(error) => tracing::error!(%error, "a task of the main thread panicked"),
        }
    }
}

/// The signals that are listened to.
pub struct Signals {
    terminate: Signal,
    interrupt: Signal,
    hand_over: Signal,
}

impl Signals {
    pub fn new() -> io::Result<Self> {
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
            hand_over: signal(SignalKind::user_defined2())?,
        })
    }

    /// Returns when someone asks for a stop.
    pub async fn stop(&mut self) {
        stop(&mut self.terminate, &mut self.interrupt).await;
    }
}

async fn stop(terminate: &mut Signal, interrupt: &mut Signal) {
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
}

fn every(milliseconds: u64) -> Interval {
    let mut interval = interval(clock::ms(milliseconds.max(1)));
    interval.set_missed_tick_behavior(MissedTickBehavior::Delay);
    interval
}
