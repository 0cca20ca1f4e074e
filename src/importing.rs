//! `import`: brings what was before to a gateway.

use std::io::{self, Write};
use std::sync::Arc;
use std::time::Duration;

use footfall::clock::Machine;
use footfall::command_line::{ImportOptions, LineFormat};
use footfall::config::Secret;
use footfall::import::{Format, Gateway, LogRules, Plan, import_file, import_visits, read_hash};
use serde::Serialize;
use tokio::runtime::{Builder, LocalOptions, LocalRuntime};

/// What was asked for makes no sense.
const WRONG: u8 = 2;

/// Runs the verb; returns the exit code.
///
/// # Errors
/// When something cannot be read, or the gateway does not take it.
pub fn import(options: &ImportOptions) -> anyhow::Result<u8> {
    if options.files.len() > 1 && (options.name.is_some() || options.rejects.is_some()) {
        writeln!(io::stderr(), "footfall: --name and --rejects are for one file")?;
        return Ok(WRONG);
    }
    let patience = Duration::from_secs(options.patience);
    let gateway = Gateway::new(&options.to, &options.key, patience, Arc::new(Machine))?;
    let runtime = Builder::new_current_thread()
        .enable_all()
        .build_local(LocalOptions::default())?;
    if let Some(redis) = &options.redis {
        let hash = read_hash(&Secret::new(redis), &options.hash)?;
        let name = options
            .name
            .clone()
            .unwrap_or_else(|| format!("visits-{}", options.hash));
        let summary = runtime.block_on(import_visits(&gateway, &name, hash))?;
        print(&summary, options.json)?;
        return Ok(0);
    }
    files(options, &gateway, &runtime)?;
    Ok(0)
}

fn files(options: &ImportOptions, gateway: &Gateway<Machine>, runtime: &LocalRuntime) -> anyhow::Result<()> {
    for file in &options.files {
        let plan = Plan {
            file: file.clone(),
            format: options.format.map(|format| match format {
                LineFormat::Events => Format::Events,
                LineFormat::AccessLog => Format::AccessLog,
            }),
            rules: LogRules {
                host: options.host.clone(),
                include_assets: options.include_assets,
            },
            name: options.name.clone(),
            rejects: options.rejects.clone(),
            lines_max: options.lines,
            takes_open_end: options.last_line,
            quiet: options.quiet,
        };
        let mut shown = io::stderr();
        let summary = runtime.block_on(import_file(&plan, gateway, &Machine, &mut shown))?;
        print(&summary, options.json)?;
    }
    Ok(())
}

fn print(summary: &(impl Serialize + std::fmt::Display), json: bool) -> anyhow::Result<()> {
    let mut out = io::stdout();
    if json {
        writeln!(out, "{}", serde_json::to_string(summary)?)?;
    } else {
        writeln!(out, "{summary}")?;
    }
    Ok(())
}
