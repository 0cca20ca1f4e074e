//! The old process's side of a hand-over: starts the new one and passes it what is open.

use std::os::fd::{AsFd, OwnedFd};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::{env, process};

use anyhow::{Context, bail};
use footfall::clock;
use footfall::config::Config;
use footfall::edge::channel::{Channel, Kind};
use footfall::edge::{Listeners, Successor};
use footfall::pipeline::{Pipeline, Told};

use super::predecessor::PARENT;

/// The sockets that a new process would get.
pub struct Copies {
    public: Vec<OwnedFd>,
    admin: Vec<OwnedFd>,
}

impl Copies {
    /// Second handles of all sockets listened on.
    pub fn of(public: &Listeners, admin: &Listeners) -> anyhow::Result<Self> {
        Ok(Self {
            public: public.copies()?,
            admin: admin.copies()?,
        })
    }
}

/// Starts the program anew and waits until it answers. Blocks.
///
/// # Errors
/// When it cannot be started, or did not get ready; then everything is as it was.
pub fn start(config: &Config, pipeline: &Pipeline, copies: &Copies) -> anyhow::Result<Arc<Channel>> {
    let (channel, theirs) = Channel::pair()?;
    channel.set_patience(Some(clock::ms(config.edge.successor_ms_max)))?;
    let mut child = spawn(theirs)?;
    tracing::info!(process = child.id(), "a new process is started to hand over to");
    if let Err(error) = introduce(&channel, pipeline, copies) {
        // It may be gone already. Waited for, it holds no lane any more.
        let _ = child.kill();
        child.wait()?;
        pipeline.take_back()?;
        return Err(error);
    }
    tracing::info!(process = child.id(), "the new process answers");
    channel.set_patience(Some(clock::ms(config.edge.linger_ms_max)))?;
    Ok(Arc::new(channel))
}

/// The program by the name it was called by, which an update may have given to a new file; arguments and environment
/// as they were.
fn spawn(theirs: OwnedFd) -> anyhow::Result<Child> {
    let mut arguments = env::args_os();
    let program = arguments.next().context("this process does not know its name")?;
    let mut command = Command::new(&program);
    command
        .args(arguments)
        .env(PARENT, process::id().to_string())
        .stdin(Stdio::from(theirs));
    command
        .spawn()
        .with_context(|| format!("{} cannot be started", program.display()))
}

fn introduce(channel: &Channel, pipeline: &Pipeline, copies: &Copies) -> anyhow::Result<()> {
    let groups = [
        (Kind::PublicListener, &copies.public),
        (Kind::AdminListener, &copies.admin),
    ];
    for (kind, sockets) in groups {
        for socket in sockets {
            channel.send(kind, &[], Some(socket.as_fd()))?;
        }
    }
    channel.send(Kind::AllListeners, &[], None)?;
    expect(channel, Kind::WantLane)?;
    let head = pipeline.let_go();
    channel.send(Kind::Totals, &Told::own(&pipeline.shared().totals).encode(), None)?;
    channel.send(Kind::LaneFree, &head.0.to_le_bytes(), None)?;
    expect(channel, Kind::Ready)
}

fn expect(channel: &Channel, kind: Kind) -> anyhow::Result<()> {
    let received = channel.receive().context("the new process did not get ready in time")?;
    let Some(message) = received else {
        bail!("the new process ended before it was ready");
    };
    if message.kind != kind {
        bail!("the new process said {:?} instead of {kind:?}", message.kind);
    }
    Ok(())
}

/// Tells the last totals, once nobody is answered here any more.
pub fn tell_totals(channel: &Channel, pipeline: &Pipeline) {
    let told = Told::own(&pipeline.shared().totals);
    if let Err(error) = channel.send(Kind::Totals, &told.encode(), None) {
        tracing::warn!(%error, "the new process does not learn the last totals before it has read the journal");
    }
}

/// Passes connections of a kind. Before each the new process learns the totals, if they have changed: whoever is
/// passed finds its own visits in them.
pub fn passing(channel: &Arc<Channel>, kind: Kind, pipeline: &Arc<Pipeline>) -> Successor {
    let (pipeline, told) = (pipeline.clone(), AtomicU64::new(u64::MAX));
    Successor::new(channel.clone(), kind, move |channel| {
        let totals = &pipeline.shared().totals;
        let version = totals.version();
        if told.swap(version, Ordering::AcqRel) != version {
            channel.send(Kind::Totals, &Told::own(totals).encode(), None)?;
        }
        Ok(())
    })
}
