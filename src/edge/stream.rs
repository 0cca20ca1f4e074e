//! The socket as hyper sees it: notes what the connection waits for, and gathers pipelined answers into one write.
//!
//! hyper's own `pipeline_flush` gathers too, but keeps a finished answer back while half of the next request has
//! arrived, and buffers a streamed body without bound. Here an answer goes out as soon as hyper finds nothing more to
//! serve at once, and at most [`GATHERED_BYTES_MAX`] wait for a slow client.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use hyper::rt::{Read, ReadBufCursor, Write};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;

use super::life::Life;

/// Most bytes of answers that wait for the kernel to take them.
const GATHERED_BYTES_MAX: usize = 64 * 1_024;
/// From this size an answer goes to the kernel from where it lies: copying it would cost more than a write of its own.
const DIRECT_BYTES_MIN: usize = 1_024;
/// A larger buffer than this is given back when it is empty, so that idle connections stay small.
const KEPT_BYTES_MAX: usize = 4 * 1_024;

/// A client's socket.
#[derive(Debug)]
pub(super) struct Stream {
    socket: TokioIo<TcpStream>,
    life: Rc<Life>,
    /// What was read before the protocol was known.
    before: Bytes,
    /// Whether answers are gathered; HTTP/2 gathers by itself.
    gathers: bool,
    /// Bytes of answers, of which the first `sent` are with the kernel.
    gathered: Vec<u8>,
    sent: usize,
    /// Whether the last read found nothing: no further request can be served before the next read.
    dry: bool,
}

impl Stream {
    /// A stream that first yields the bytes read `before`.
    pub(super) fn new(socket: TcpStream, before: Bytes, gathers: bool, life: Rc<Life>) -> Self {
        Self {
            socket: TokioIo::new(socket),
            life,
            before,
            gathers,
            gathered: Vec::new(),
            sent: 0,
            dry: false,
        }
    }

    /// The socket, once everything gathered was sent as far as the kernel takes it.
    pub(super) fn into_socket(self) -> TcpStream {
        if let Some(rest) = self.gathered.get(self.sent..)
            && !rest.is_empty()
        {
            // The connection ends anyway: nobody is left to hear of an error.
            let _ = self.socket.inner().try_write(rest);
            self.life.set_unsent(false);
        }
        self.socket.into_inner()
    }

    /// Gives everything gathered to the kernel.
    fn poll_send(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while let Some(rest) = self.gathered.get(self.sent..)
            && !rest.is_empty()
        {
            let polled = Pin::new(&mut self.socket).poll_write(cx, rest);
            self.sent += ready!(self.noted(polled))?;
        }
        if self.sent > 0 {
            self.sent = 0;
            self.gathered.clear();
            self.gathered.shrink_to(KEPT_BYTES_MAX);
            self.life.set_unsent(false);
        }
        Poll::Ready(Ok(()))
    }

    /// Notes whether the kernel took bytes.
    fn noted(&self, polled: Poll<io::Result<usize>>) -> Poll<io::Result<usize>> {
        match &polled {
            Poll::Pending => self.life.is_blocked(),
            Poll::Ready(Ok(0)) => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
            Poll::Ready(_) => self.life.has_written(),
        }
        polled
    }

    fn poll_direct(&mut self, cx: &mut Context<'_>, pieces: &[IoSlice<'_>]) -> Poll<io::Result<usize>> {
        let socket = Pin::new(&mut self.socket);
        let polled = match pieces {
            [piece] => socket.poll_write(cx, piece),
            pieces => socket.poll_write_vectored(cx, pieces),
        };
        self.noted(polled)
    }

    /// Copies as much as there is room for.
    fn gather(&mut self, pieces: &[IoSlice<'_>]) -> usize {
        let before = self.gathered.len();
        for piece in pieces {
            let room = GATHERED_BYTES_MAX.saturating_sub(self.gathered.len());
            self.gathered.extend_from_slice(piece.get(..room).unwrap_or(piece));
        }
        let taken = self.gathered.len() - before;
        if taken > 0 {
            self.life.set_unsent(true);
        }
        taken
    }
}

impl Read for Stream {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, mut buf: ReadBufCursor<'_>) -> Poll<io::Result<()>> {
        if !self.before.is_empty() {
            let length = self.before.len().min(buf.remaining());
            buf.put_slice(&self.before.split_to(length));
            self.life.has_read();
            return Poll::Ready(Ok(()));
        }
        let polled = Pin::new(&mut self.socket).poll_read(cx, buf);
        self.dry = polled.is_pending();
        if !self.dry {
            self.life.has_read();
        } else if let Poll::Ready(Err(error)) = self.poll_send(cx) {
            // Nothing more to serve, so the answers gathered so far went out together; or could not.
            return Poll::Ready(Err(error));
        }
        polled
    }
}

impl Write for Stream {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.poll_write_vectored(cx, &[IoSlice::new(bytes)])
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        pieces: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let length = pieces.iter().map(|piece| piece.len()).sum();
        if !self.gathers {
            return self.poll_direct(cx, pieces);
        }
        // After a read that found nothing no further answer can follow at once, so there is nothing to wait for.
        let direct = self.dry || length >= DIRECT_BYTES_MIN;
        if direct || self.gathered.len().saturating_add(length) > GATHERED_BYTES_MAX {
            let polled = self.poll_send(cx)?;
            if polled.is_ready() && direct {
                return self.poll_direct(cx, pieces);
            }
        }
        match self.gather(pieces) {
            0 if length > 0 => Poll::Pending,
            taken => Poll::Ready(Ok(taken)),
        }
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        // More answers may follow at once only if hyper has just read and nothing is being served. Otherwise, as with a
        // handler that waits, or a body that streams, what is gathered must not wait with it.
        if self.dry || self.life.is_serving() || self.life.take_hurry() {
            self.poll_send(cx)
        } else {
            Poll::Ready(Ok(()))
        }
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.poll_send(cx))?;
        Pin::new(&mut self.socket).poll_shutdown(cx)
    }
}
