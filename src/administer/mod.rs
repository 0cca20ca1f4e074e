//! `site` and `key`: what operators do to the directory, while gateways run or not.

mod expiry;
mod keys;
mod print;
mod sites;

use std::io::{self, Write};
use std::sync::Arc;

use footfall::command_line::{KeyVerb, SiteVerb};
use footfall::config::Loaded;
use footfall::directory::{Copying, DirectoryError, Keeper};

/// What was asked for cannot be.
const REFUSED: u8 = 2;

/// Why a command ended early.
#[derive(Debug, thiserror::Error)]
enum Trouble {
    #[error(transparent)]
    Directory(#[from] DirectoryError),
    #[error("cannot print: {0}")]
    Print(#[from] io::Error),
}

/// Runs a command for sites; returns the exit code.
///
/// # Errors
/// When sites and keys cannot be read or written.
pub fn site(loaded: &Loaded, verb: SiteVerb) -> anyhow::Result<u8> {
    with_keeper(loaded, async |keeper| sites::run(keeper, verb, &mut io::stdout()).await)
}

/// Runs a command for keys; returns the exit code.
///
/// # Errors
/// When sites and keys cannot be read or written.
pub fn key(loaded: &Loaded, verb: KeyVerb) -> anyhow::Result<u8> {
    with_keeper(loaded, async |keeper| {
        keys::run(keeper, verb, (&mut io::stdout(), &mut io::stderr())).await
    })
}

fn with_keeper(loaded: &Loaded, run: impl AsyncFnOnce(&mut Keeper) -> Result<(), Trouble>) -> anyhow::Result<u8> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let mut keeper = Keeper::new(&loaded.config, Arc::default(), Copying::IfThere)?;
    match runtime.block_on(run(&mut keeper)) {
        Ok(()) => Ok(0),
        Err(Trouble::Directory(DirectoryError::Refused(refusal))) => {
            writeln!(io::stderr(), "footfall: {refusal}")?;
            Ok(REFUSED)
        }
        Err(trouble) => Err(trouble.into()),
    }
}
