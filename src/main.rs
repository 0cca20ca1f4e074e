//! The binary: reads the command line and runs a verb.

use std::io;
use std::process::ExitCode;

use clap::Parser;
use footfall::command_line::{CommandLine, Verb, check_config, write_reference};

fn main() -> anyhow::Result<ExitCode> {
    let line = CommandLine::parse();
    let (mut out, mut err) = (io::stdout().lock(), io::stderr().lock());
    let code = match line.verb() {
        Verb::CheckConfig => check_config(&line.sources(), &mut out, &mut err)?,
        Verb::Reference { check, dir } => write_reference(check, &dir, &mut out, &mut err)?,
        Verb::Serve | Verb::Verify => anyhow::bail!("this verb has no room yet"),
    };
    Ok(code.into())
}
