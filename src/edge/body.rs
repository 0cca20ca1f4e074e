//! An answer's body on its way out: watched, and cut into pieces.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::{Buf, Bytes};
use hyper::body::{Body, Frame, SizeHint};
use pin_project_lite::pin_project;

use super::in_flight::InFlight;

/// Largest piece given to hyper, which copies pieces into one buffer and keeps that for the connection's next answers.
const PIECE_BYTES_MAX: usize = 32 * 1_024;

pin_project! {
    /// An answer's body, which tells the connection's life how far it has come.
    #[derive(Debug)]
    pub(super) struct Watched<B: Body> {
        #[pin]
        body: B,
        rest: Option<B::Data>,
        in_flight: Option<InFlight>,
    }
}

impl<B: Body> Watched<B> {
    pub(super) fn new(body: B, in_flight: Option<InFlight>) -> Self {
        if let Some(in_flight) = &in_flight {
            in_flight.awaits_client();
        }
        Self {
            body,
            rest: None,
            in_flight,
        }
    }
}

impl<B: Body> Body for Watched<B> {
    type Data = Bytes;
    type Error = B::Error;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, B::Error>>> {
        let this = self.project();
        let polled = match this.rest.take() {
            Some(rest) => Poll::Ready(Some(Ok(Frame::data(rest)))),
            None => this.body.poll_frame(cx),
        };
        if let Some(in_flight) = this.in_flight {
            match polled {
                Poll::Pending => in_flight.awaits_handler(),
                Poll::Ready(_) => in_flight.awaits_client(),
            }
        }
        Poll::Ready(ready!(polled).map(|frame| frame.map(|frame| piece(frame, this.rest))))
    }

    fn is_end_stream(&self) -> bool {
        self.rest.is_none() && self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        // Asked before the first frame only, when there is no rest.
        self.body.size_hint()
    }
}

/// The frame, or its first piece, with what follows in `rest`.
fn piece<D: Buf>(frame: Frame<D>, rest: &mut Option<D>) -> Frame<Bytes> {
    frame.map_data(|mut data| {
        let length = data.remaining();
        if length <= PIECE_BYTES_MAX {
            return data.copy_to_bytes(length);
        }
        let piece = data.copy_to_bytes(PIECE_BYTES_MAX);
        *rest = Some(data);
        piece
    })
}

#[cfg(test)]
mod tests {
    use http_body_util::{BodyExt, Full};

    use super::*;

    #[tokio::test]
    async fn a_large_body_comes_in_pieces_and_whole() {
        for length in [0, 1, PIECE_BYTES_MAX, PIECE_BYTES_MAX + 1, 5 * PIECE_BYTES_MAX / 2] {
            let sent: Bytes = (0..length).map(|place| u8::try_from(place % 251).unwrap()).collect();
            let mut body = Watched::new(Full::new(sent.clone()), None);
            let mut received = Vec::new();
            while !body.is_end_stream() {
                let data = body.frame().await.unwrap().unwrap().into_data().unwrap();
                assert!(data.len() <= PIECE_BYTES_MAX);
                received.extend_from_slice(&data);
            }
            assert_eq!(received, sent);
            assert!(body.frame().await.is_none());
        }
    }
}
