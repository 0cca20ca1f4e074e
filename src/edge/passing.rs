//! Connections that go from the old process of a hand-over to the new one, between two requests.
//!
//! Nothing is closed, so no request can meet a connection that is just being closed. What the client sends meanwhile
//! waits in the socket.

use std::fmt;
use std::io;
use std::net::{IpAddr, Ipv6Addr, TcpStream};
use std::os::fd::AsFd;
use std::sync::Arc;

use bytes::Bytes;
use tokio::sync::mpsc;

use super::channel::{Channel, Kind, MESSAGE_BYTES_MAX, Message};

/// Connections that may wait for one worker.
const WAITING_MAX: usize = 1_024;
/// Bytes before those that were read: flags, address.
const HEAD_BYTES: usize = 17;
const INTRODUCED: u8 = 1;
const OPENED: u8 = 2;
const RESTED: u8 = 4;

/// Whose a connection is, and how far it has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Manner {
    /// The other end, IPv4-mapped addresses as IPv4; behind a PROXY header the client it names.
    pub(super) peer: IpAddr,
    /// Whether a PROXY header was read.
    pub(super) introduced: bool,
    /// Whether it is past everything that comes before HTTP.
    pub(super) opened: bool,
    /// Whether a request was answered on it.
    pub(super) rested: bool,
}

impl Manner {
    /// That of a connection that was just accepted.
    pub(super) const fn of_new(peer: IpAddr) -> Self {
        Self {
            peer,
            introduced: false,
            opened: false,
            rested: false,
        }
    }
}

/// A connection on its way.
#[derive(Debug)]
pub struct Arrival {
    pub(super) socket: TcpStream,
    pub(super) manner: Manner,
    /// The beginning of its next request, as far as it was read.
    pub(super) read: Bytes,
}

impl Arrival {
    /// The connection that a message brings; `None` if it brings none.
    pub fn from_message(message: Message) -> Option<Self> {
        let (head, read) = message.said.split_first_chunk::<HEAD_BYTES>()?;
        let [flags, address @ ..] = *head;
        Some(Self {
            socket: message.descriptor?.into(),
            manner: Manner {
                peer: IpAddr::from(Ipv6Addr::from(address)).to_canonical(),
                introduced: flags & INTRODUCED != 0,
                opened: flags & OPENED != 0,
                rested: flags & RESTED != 0,
            },
            read: Bytes::copy_from_slice(read),
        })
    }

    fn encode(&self) -> Vec<u8> {
        let manner = &self.manner;
        let noted = [
            (manner.introduced, INTRODUCED),
            (manner.opened, OPENED),
            (manner.rested, RESTED),
        ];
        let flags = noted
            .into_iter()
            .filter(|(is_so, _)| *is_so)
            .map(|(_, flag)| flag)
            .sum();
        let address = match manner.peer {
            IpAddr::V4(address) => address.to_ipv6_mapped(),
            IpAddr::V6(address) => address,
        };
        let mut said = vec![flags];
        said.extend_from_slice(&address.octets());
        said.extend_from_slice(&self.read);
        said
    }
}

/// What is told the new process before each connection.
type Foreword = Box<dyn Fn(&Channel) -> io::Result<()> + Send + Sync>;

/// The new process, as the workers of the old one see it.
pub struct Successor {
    channel: Arc<Channel>,
    kind: Kind,
    foreword: Foreword,
}

impl Successor {
    /// Passes connections as messages of a kind, each after `foreword`.
    pub fn new(
        channel: Arc<Channel>,
        kind: Kind,
        foreword: impl Fn(&Channel) -> io::Result<()> + Send + Sync + 'static,
    ) -> Self {
        Self {
            channel,
            kind,
            foreword: Box::new(foreword),
        }
    }

    /// Passes a connection; it is closed here whatever comes of it.
    pub(super) fn pass(&self, arrival: &Arrival) -> io::Result<()> {
        let said = arrival.encode();
        if said.len() >= MESSAGE_BYTES_MAX {
            return Err(io::Error::new(
                io::ErrorKind::InvalidData,
                "too much of a request was read",
            ));
        }
        (self.foreword)(&self.channel)?;
        self.channel.send(self.kind, &said, Some(arrival.socket.as_fd()))
    }
}

impl fmt::Debug for Successor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Successor")
            .field("channel", &self.channel)
            .field("kind", &self.kind)
            .finish_non_exhaustive()
    }
}

/// Deals connections out to the workers of the new process.
#[derive(Debug)]
pub struct Dealer {
    workers: Vec<mpsc::Sender<Arrival>>,
    turn: usize,
}

impl Dealer {
    /// A dealer, and what each worker gets.
    pub(super) fn new(workers: usize) -> (Self, Vec<mpsc::Receiver<Arrival>>) {
        let (workers, receivers) = (0..workers).map(|_| mpsc::channel(WAITING_MAX)).unzip();
        (Self { workers, turn: 0 }, receivers)
    }

    /// Gives a connection to the worker whose turn it is; waits when too many wait there. Not for async code.
    pub fn deal(&mut self, arrival: Arrival) {
        self.turn = (self.turn + 1) % self.workers.len().max(1);
        if let Some(worker) = self.workers.get(self.turn) {
            // A worker that has ended drains: the connection is closed like its others.
            let _ = worker.blocking_send(arrival);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::net::{Ipv4Addr, TcpListener};

    use super::*;

    #[test]
    fn a_connection_arrives_as_it_was() {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let peers: [IpAddr; 2] = ["203.0.113.7".parse().unwrap(), "2001:db8::1".parse().unwrap()];
        for (peer, flags) in [(peers[0], [true, true, false]), (peers[1], [false, false, true])] {
            let [introduced, opened, rested] = flags;
            let manner = Manner {
                peer,
                introduced,
                opened,
                rested,
            };
            let (channel, theirs) = Channel::pair().unwrap();
            let theirs = Channel::over(theirs);
            let successor = Successor::new(Arc::new(channel), Kind::PublicConnection, |channel| {
                channel.send(Kind::Totals, b"first this", None)
            });
            let sent = Arrival {
                socket: TcpStream::connect(listener.local_addr().unwrap()).unwrap(),
                manner,
                read: Bytes::from_static(b"GET /"),
            };
            successor.pass(&sent).unwrap();
            assert_eq!(theirs.receive().unwrap().unwrap().kind, Kind::Totals);
            let arrived = Arrival::from_message(theirs.receive().unwrap().unwrap()).unwrap();
            assert_eq!((arrived.manner, arrived.read), (manner, sent.read));
            assert_eq!(arrived.socket.local_addr().unwrap(), sent.socket.local_addr().unwrap());
        }
    }

    #[test]
    fn a_message_without_a_socket_or_an_address_brings_no_connection() {
        let message = |said: &[u8]| Message {
            kind: Kind::PublicConnection,
            said: said.to_vec(),
            descriptor: None,
        };
        assert!(Arrival::from_message(message(&[0; HEAD_BYTES])).is_none());
        assert!(Arrival::from_message(message(&[0; 3])).is_none());
    }
}
