//! The thread that keeps sites and keys fresh, and the salts that gateways share.

use std::sync::Arc;
use std::thread;

use footfall::clock;
use footfall::config::Config;
use footfall::directory::{Copying, Directory, Keeper, Registrar, SharedSalts};
use footfall::enrich::Salts;
use footfall::metrics::Metrics;
use tokio::sync::oneshot;
use tokio::time::sleep;

/// How often salts are looked at: old ones must go, and those of others be known before they are used.
const SALTS_EVERY_MS: u64 = 60_000;

/// Starts the thread, which ends with the process; gives what it keeps fresh and who asks it for
/// changes, and hears when it has looked once.
///
/// A thread of its own, since SQLite waits for whoever else writes, and nothing else should.
///
/// # Errors
/// The setting of Redis, or no thread can be had.
pub fn keep(
    config: &Config,
    metrics: &Arc<Metrics>,
    salts: &Arc<Salts>,
) -> anyhow::Result<(Arc<Directory>, Registrar, oneshot::Receiver<()>)> {
    let mut keeper = Keeper::new(config, metrics.clone(), Copying::Always)?;
    let mut turning = Turning {
        salts: salts.clone(),
        shared: SharedSalts::of(&config.counters)?,
        refresh_ms: config.directory.refresh_ms,
        troubled: false,
    };
    let directory = keeper.directory();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let (registrar, wishes) = Registrar::open();
    let (looked, hears) = oneshot::channel();
    let keep = async move {
        tokio::join!(keeper.watch(), turning.look());
        // Nobody waits for it when another process is taken over from.
        let _ = looked.send(());
        tokio::join!(keeper.keep_fresh(wishes), turning.keep_looking());
    };
    thread::Builder::new()
        .name("directory".into())
        .spawn(move || runtime.block_on(keep))?;
    Ok((directory, registrar, hears))
}

/// Keeps the salts of visitor hashes those of the day, and those of all gateways.
struct Turning {
    salts: Arc<Salts>,
    shared: Option<SharedSalts>,
    /// Pause before another try when Redis did not answer.
    refresh_ms: u64,
    troubled: bool,
}

impl Turning {
    async fn keep_looking(&mut self) {
        loop {
            let pause = if self.troubled {
                self.refresh_ms.clamp(1_000, SALTS_EVERY_MS)
            } else {
                SALTS_EVERY_MS
            };
            sleep(clock::ms(pause)).await;
            self.look().await;
        }
    }

    /// Events look for a new day, too; but a salt must go also where none come any more.
    async fn look(&mut self) {
        let now_ms = clock::unix_ms();
        let Some(shared) = &self.shared else {
            return self.salts.look(now_ms);
        };
        let offers = self.salts.offers(now_ms);
        let first_day = offers.first().map_or(0, |(today, _)| today.saturating_sub(1));
        match shared.agree(&offers, first_day).await {
            Ok(agreed) => {
                self.salts.adopt(&agreed);
                self.troubled = false;
            }
            Err(error) => {
                if !self.troubled {
                    tracing::warn!(%error, "salts cannot be agreed on: until they are, a visitor may have another hash here");
                }
                self.troubled = true;
            }
        }
    }
}
