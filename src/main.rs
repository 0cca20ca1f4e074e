//! The binary: reads the command line and runs a verb.

// The same as in lib.rs: errors are values, one clock, a bound on every queue.
#![warn(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    clippy::print_stderr,
    clippy::print_stdout,
    clippy::disallowed_methods
)]

mod administer;
mod importing;
mod serve;
mod shop;

use std::io::{self, Write};
use std::process::ExitCode;

use clap::Parser;
use footfall::command_line::{CommandLine, Verb, check_config, write_reference};
use footfall::config::{Config, Loaded, Sources};
use footfall::log;

/// Cross-thread frees are rare here: a request's buffers live and die on one worker.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// The command line or the configuration is wrong.
const WRONG: u8 = 2;

/// The verb failed.
const FAILED: u8 = 1;

fn main() -> ExitCode {
    let code = run(&CommandLine::parse()).unwrap_or_else(|error| {
        // Errors name their causes themselves. If nobody reads this, the code still tells.
        let _ = writeln!(io::stderr(), "footfall: {error}");
        FAILED
    });
    code.into()
}

fn run(line: &CommandLine) -> anyhow::Result<u8> {
    let (mut out, mut err) = (io::stdout(), io::stderr());
    match line.verb() {
        Verb::CheckConfig => Ok(check_config(&line.sources(), &mut out, &mut err)?),
        Verb::Reference { check, dir } => Ok(write_reference(check, &dir, &mut out, &mut err)?),
        Verb::Serve => with_config(&line.sources(), serve::serve),
        Verb::Site(verb) => with_config(&line.sources(), |loaded| administer::site(&loaded, verb)),
        Verb::Key(verb) => with_config(&line.sources(), |loaded| administer::key(&loaded, verb)),
        Verb::Generate(options) => shop::generate(&options),
        Verb::Import(options) => importing::import(&options),
        Verb::Rebuild => with_config(&line.sources(), |loaded| serve::rebuild(&loaded)),
        Verb::Verify => with_config(&line.sources(), |loaded| serve::verify(&loaded)),
    }
}

/// Runs a verb with the configuration and the log in place.
fn with_config(sources: &Sources, verb: impl FnOnce(Loaded) -> anyhow::Result<u8>) -> anyhow::Result<u8> {
    match Config::load(sources) {
        Ok(loaded) => {
            log::start(&loaded.config.log)?;
            verb(loaded)
        }
        Err(error) => {
            writeln!(io::stderr(), "{error}")?;
            Ok(WRONG)
        }
    }
}
