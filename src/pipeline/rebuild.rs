//! `rebuild`: lets the counters in Redis begin anew from what the gateways have counted.

use std::io::{self, Write};
use std::sync::Arc;
use std::time::Duration;

use tokio::time::{Instant, sleep};

use super::{Pipeline, PipelineError};
use crate::config::Config;
use crate::counters::{CountersError, RedisReader};
use crate::journal::{JournalError, Lane};
use crate::metrics::Metrics;
use crate::points::RemotePoints;
use crate::redis_address::RedisAddress;

/// Time in which gateways that run notice that their counts are gone and contribute them again, many times over.
const PATIENCE: Duration = Duration::from_secs(10);
const PAUSE: Duration = Duration::from_millis(50);

/// Why the counters could not be rebuilt.
#[derive(Debug, thiserror::Error)]
pub enum RebuildError {
    /// Nothing to rebuild.
    #[error("counters.redis_url is not set: embedded counters are made from the journal at every start")]
    Embedded,
    /// The data directory, its database, or the setting of Redis.
    #[error(transparent)]
    Pipeline(#[from] PipelineError),
    /// Redis cannot be asked.
    #[error(transparent)]
    Counters(#[from] CountersError),
    /// The directory cannot be read, or the report not written.
    #[error(transparent)]
    Io(#[from] io::Error),
}

/// Begins a new generation of the counters in Redis; what there was is kept under other keys. Contributes what the data
/// directory has counted, if no gateway runs on it, and waits a while for those that run. Says whether as many gateways
/// have contributed as had before.
///
/// # Errors
/// When the directory cannot be read or Redis not be asked.
pub async fn rebuild(config: &Config, out: &mut dyn Write) -> Result<bool, RebuildError> {
    let url = config.counters.redis_url.as_ref().ok_or(RebuildError::Embedded)?;
    let address = RedisAddress::parse(url).map_err(CountersError::from)?;
    // Asks only for what all gateways have in common, so it needs no name.
    let reader = RedisReader::new(&address, &config.counters, [0; 16])?;
    let before = reader.gateways().await?;
    let ending = reader.generation().await?;
    let (_, generation) = reader.renew(ending).await?;
    writeln!(
        out,
        "redis: generation {generation} has begun; former counters are kept as ff:{{0}}:…:before-{generation}"
    )?;
    let points = |error| RebuildError::Pipeline(PipelineError::Points(error));
    let mut remote = RemotePoints::new(&address, &config.counters).map_err(points)?;
    remote.renew().await.map_err(points)?;
    contribute(config, out).await?;
    let deadline = Instant::now() + PATIENCE;
    let mut after = reader.gateways().await?;
    while after < before && Instant::now() < deadline {
        sleep(PAUSE).await;
        after = reader.gateways().await?;
    }
    writeln!(out, "redis: {after} gateways have contributed; {before} had before")?;
    if after < before {
        writeln!(out, "redis: the others contribute when they run again")?;
    }
    Ok(after >= before)
}

async fn contribute(config: &Config, out: &mut dyn Write) -> Result<(), RebuildError> {
    let folder = &config.journal.data_dir;
    let mut is_used = false;
    for lane in Lane::BOTH {
        is_used |= lane.identity(folder)?.is_some();
    }
    if !is_used {
        writeln!(out, "{}: nothing was ever kept there", folder.display())?;
        return Ok(());
    }
    match Pipeline::start(config, Arc::new(Metrics::default())) {
        Ok(pipeline) => {
            let met = pipeline.first_contact().await;
            // Waits for the applier's thread, which has a runtime of its own.
            let stopped = tokio::task::spawn_blocking(move || pipeline.stop()).await;
            stopped.map_err(io::Error::other)?;
            let told = if met { "contributed" } else { "Redis did not answer" };
            writeln!(out, "{}: {told}", folder.display())?;
        }
        Err(PipelineError::Journal(JournalError::Locked { holder, .. })) => {
            writeln!(
                out,
                "{}: process {holder} runs on it and contributes by itself",
                folder.display()
            )?;
        }
        Err(error) => return Err(error.into()),
    }
    Ok(())
}
