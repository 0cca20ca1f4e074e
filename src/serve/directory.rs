//! The thread that keeps sites and keys fresh.

use std::sync::Arc;
use std::thread;

use footfall::config::Config;
use footfall::directory::{Copying, Directory, Keeper};
use footfall::metrics::Metrics;
use tokio::sync::oneshot;

/// Starts the thread, which ends with the process; gives what it keeps fresh, and hears when it has
/// looked once.
///
/// A thread of its own, since SQLite waits for whoever else writes, and nothing else should.
///
/// # Errors
/// The setting of Redis, or no thread can be had.
pub fn keep(config: &Config, metrics: &Arc<Metrics>) -> anyhow::Result<(Arc<Directory>, oneshot::Receiver<()>)> {
    let mut keeper = Keeper::new(config, metrics.clone(), Copying::Always)?;
    let directory = keeper.directory();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let (looked, hears) = oneshot::channel();
    let keep = async move {
        keeper.watch().await;
        // Nobody waits for it when another process is taken over from.
        let _ = looked.send(());
        keeper.keep_fresh().await;
    };
    thread::Builder::new()
        .name("directory".into())
        .spawn(move || runtime.block_on(keep))?;
    Ok((directory, hears))
}
