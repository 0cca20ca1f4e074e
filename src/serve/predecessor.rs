//! The new process's side of a hand-over: what the old one passes, and when it has ended.

use std::net::TcpListener;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::process::parent_id;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::{env, io, thread};

use anyhow::{Context, bail};
use footfall::edge::channel::{Channel, Kind, Message};
use footfall::edge::{Arrival, Dealer};
use footfall::event::Sequence;
use footfall::pipeline::{Pipeline, Told};

/// Names the process that hands over. Whose parent it is not has only inherited the variable.
pub const PARENT: &str = "HANDED_OVER_BY";

/// The process that hands over; it talks on standard input.
pub struct Predecessor {
    channel: Channel,
}

/// The sockets it listens on.
#[derive(Default)]
pub struct Sockets {
    pub public: Vec<TcpListener>,
    pub admin: Vec<TcpListener>,
}

impl Predecessor {
    /// The process that hands over to this one, if one does.
    ///
    /// # Errors
    /// When it is gone again.
    pub fn find() -> anyhow::Result<Option<(Self, Sockets)>> {
        let parent = env::var(PARENT).ok().and_then(|id| id.parse().ok());
        if parent != Some(parent_id()) {
            return Ok(None);
        }
        let predecessor = Self {
            channel: Channel::over(io::stdin().as_fd().try_clone_to_owned()?),
        };
        let mut sockets = Sockets::default();
        loop {
            let message = predecessor.next()?;
            match (message.kind, message.descriptor.map(OwnedFd::into)) {
                (Kind::PublicListener, Some(socket)) => sockets.public.push(socket),
                (Kind::AdminListener, Some(socket)) => sockets.admin.push(socket),
                (Kind::AllListeners, None) => return Ok(Some((predecessor, sockets))),
                (kind, _) => bail!("the old process said {kind:?} where it should name its sockets"),
            }
        }
    }

    /// Asks for the lane that rests; tells the last frame of the other one, and the totals.
    ///
    /// # Errors
    /// When the old process is gone.
    pub fn ask_for_lane(&self) -> anyhow::Result<(Sequence, Told)> {
        self.channel.send(Kind::WantLane, &[], None)?;
        let totals = self.next()?;
        let told = Told::decode(&totals.said).filter(|_| totals.kind == Kind::Totals);
        let free = self.next()?;
        let head = free.said.as_slice().try_into().map(u64::from_le_bytes);
        match (told, free.kind, head) {
            (Some(told), Kind::LaneFree, Ok(head)) => Ok((Sequence(head), told)),
            _ => bail!("the old process let go of no lane"),
        }
    }

    /// Says that this process answers, and takes in on a thread of its own what the old one passes; the thread ends
    /// with the old process.
    ///
    /// # Errors
    /// When the old process is gone, or the thread cannot be made.
    pub fn relieve(self, pipeline: Arc<Pipeline>, mut dealers: [Dealer; 2]) -> anyhow::Result<JoinHandle<()>> {
        self.channel.send(Kind::Ready, &[], None)?;
        let builder = thread::Builder::new().name("arrivals".into());
        let thread = builder.spawn(move || {
            loop {
                match self.channel.receive() {
                    Ok(Some(message)) => take_in(&pipeline, &mut dealers, message),
                    Ok(None) => return,
                    Err(error) => return tracing::error!(%error, "nothing more comes from the old process"),
                }
            }
        })?;
        Ok(thread)
    }

    fn next(&self) -> anyhow::Result<Message> {
        let received = self.channel.receive().context("nothing comes from the old process")?;
        received.context("the old process is gone")
    }
}

fn take_in(pipeline: &Pipeline, [public, admin]: &mut [Dealer; 2], message: Message) {
    let kind = message.kind;
    match kind {
        Kind::Totals => {
            if let Some(told) = Told::decode(&message.said) {
                pipeline.hear(&told);
            }
        }
        Kind::PublicConnection => Arrival::from_message(message)
            .into_iter()
            .for_each(|one| public.deal(one)),
        Kind::AdminConnection => Arrival::from_message(message)
            .into_iter()
            .for_each(|one| admin.deal(one)),
        _ => tracing::warn!(?kind, "the old process said something it should not"),
    }
}
