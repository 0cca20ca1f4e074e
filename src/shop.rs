//! `generate`: writes a made-up shop's traffic, or sends it to a gateway.

use std::io::{self, BufWriter, ErrorKind, Write};
use std::sync::Arc;

use footfall::clock::{self, Machine};
use footfall::command_line::GenerateOptions;
use footfall::generate::{Pace, Plan, Tally, Traffic, send};
use tokio::runtime::{Builder, LocalOptions};

const DAY_MS: u64 = 86_400_000;
/// How far back a gateway lets events be unless it is told otherwise (`events.late_ms_max`).
const USUAL_DAYS: u64 = 7;
/// How many events, if nobody says.
const USUAL_EVENTS: u64 = 1_000;
/// What the sessions of events that happen now are made for, if there is no rate.
const USUAL_RATE: u64 = 1_000;
/// How much is written at once.
const CHUNK_BYTES: usize = 64 << 10;

/// Runs the verb; returns the exit code.
///
/// # Errors
/// When events cannot be written, or no gateway takes them.
pub fn generate(options: &GenerateOptions) -> anyhow::Result<u8> {
    let traffic = Traffic::new(options.seed, pace(options)?);
    let traffic = if options.without_ids {
        traffic.without_ids()
    } else {
        traffic
    };
    match &options.to {
        None => write(traffic, options.events.unwrap_or(USUAL_EVENTS)).map(|()| 0),
        Some(to) => send_to(to, traffic, options),
    }
}

fn pace(options: &GenerateOptions) -> anyhow::Result<Pace> {
    let now_ms = clock::unix_ms();
    if options.to.is_some() && options.days.is_none() {
        let rate = options.rate.unwrap_or(USUAL_RATE);
        return Ok(Pace::Now { now_ms, rate });
    }
    let until_ms = match options.until {
        Some(until) => u64::try_from(until.as_millisecond())?,
        None => now_ms,
    };
    let days = options.days.unwrap_or(USUAL_DAYS);
    Ok(Pace::spread(
        options.events.unwrap_or(USUAL_EVENTS),
        days * DAY_MS,
        until_ms,
    ))
}

fn write(mut traffic: Traffic, events: u64) -> anyhow::Result<()> {
    let mut out = BufWriter::with_capacity(CHUNK_BYTES, io::stdout().lock());
    let mut line = Vec::with_capacity(1_024);
    let written = (0..events).try_for_each(|_| {
        line.clear();
        traffic.advance().write(&mut line);
        line.push(b'\n');
        out.write_all(&line)
    });
    match written.and_then(|()| out.flush()) {
        // Whoever read has seen enough, such as `head`.
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(()),
        other => Ok(other?),
    }
}

fn send_to(to: &str, traffic: Traffic, options: &GenerateOptions) -> anyhow::Result<u8> {
    if options.days.is_some_and(|days| days > USUAL_DAYS) {
        writeln!(
            io::stderr(),
            "footfall: gateways move events to at most {USUAL_DAYS} days before they are received, unless \
             events.late_ms_max says more"
        )?;
    }
    let events = options.seconds.is_none().then_some(USUAL_EVENTS);
    let plan = Plan {
        to: to.to_owned(),
        key: options.key.clone(),
        events: options.events.or(events),
        seconds: options.seconds,
        rate: options.rate,
        batch: options.batch,
        connections: options.connections.into(),
        has_ids: !options.without_ids,
    };
    let runtime = Builder::new_current_thread()
        .enable_all()
        .build_local(LocalOptions::default())?;
    let tally = runtime.block_on(send(traffic, plan, Arc::new(Machine)))?;
    print(&tally, options.json)?;
    Ok(u8::from(!tally.is_whole()))
}

fn print(tally: &Tally, json: bool) -> anyhow::Result<()> {
    let mut out = io::stdout();
    if json {
        writeln!(out, "{}", serde_json::to_string(tally)?)?;
    } else {
        writeln!(out, "{tally}")?;
    }
    Ok(())
}
