//! The first bytes of a connection, read before HTTP begins: a PROXY header, the choice of HTTP/2.

use std::io;
use std::net::IpAddr;

use bytes::{Bytes, BytesMut};
use tokio::io::AsyncReadExt;
use tokio::net::TcpStream;

use super::proxy_protocol::{self, Preamble};

/// What an HTTP/2 client says first.
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
/// Bytes asked for at once; what is read beyond the opening goes on to HTTP.
const READ_BYTES: usize = 1_024;

/// What is to be learnt from the first bytes.
#[derive(Debug, Clone, Copy)]
pub(super) struct Expected {
    /// A PROXY header, without which the connection is not served.
    pub(super) proxy_header: bool,
    /// Perhaps HTTP/2.
    pub(super) http2: bool,
}

/// What the first bytes said.
#[derive(Debug, Default)]
pub(super) struct Opening {
    /// The client that a PROXY header named.
    pub(super) client: Option<IpAddr>,
    /// Whether the client speaks HTTP/2.
    pub(super) http2: bool,
    /// What was read beyond the PROXY header.
    pub(super) read: Bytes,
}

/// Why a connection is not served.
#[derive(Debug)]
pub(super) enum Refusal {
    /// The PROXY header is missing or broken.
    ProxyHeader,
    /// The client went away, or the socket failed.
    Gone,
}

impl From<io::Error> for Refusal {
    fn from(_: io::Error) -> Self {
        Self::Gone
    }
}

/// Reads, after what was read before, until everything expected is known; the caller keeps the time.
pub(super) async fn read(socket: &mut TcpStream, expected: Expected, before: Bytes) -> Result<Opening, Refusal> {
    let mut read = BytesMut::from(before);
    let mut opening = Opening::default();
    if expected.proxy_header {
        opening.client = read_proxy_header(socket, &mut read).await?;
    }
    if expected.http2 {
        opening.http2 = read_preface(socket, &mut read).await?;
    }
    opening.read = read.freeze();
    Ok(opening)
}

async fn read_proxy_header(socket: &mut TcpStream, read: &mut BytesMut) -> Result<Option<IpAddr>, Refusal> {
    loop {
        read_more(socket, read).await?;
        match proxy_protocol::parse(read) {
            Preamble::Partial => {}
            Preamble::Broken => return Err(Refusal::ProxyHeader),
            Preamble::Complete { length, client } => {
                let _ = read.split_to(length);
                return Ok(client.map(|address| address.to_canonical()));
            }
        }
    }
}

async fn read_preface(socket: &mut TcpStream, read: &mut BytesMut) -> Result<bool, Refusal> {
    while read.len() < PREFACE.len() {
        if !PREFACE.starts_with(read) {
            return Ok(false);
        }
        read_more(socket, read).await?;
    }
    Ok(read.starts_with(PREFACE))
}

async fn read_more(socket: &mut TcpStream, read: &mut BytesMut) -> Result<(), Refusal> {
    read.reserve(READ_BYTES);
    match socket.read_buf(read).await? {
        0 => Err(Refusal::Gone),
        _ => Ok(()),
    }
}
