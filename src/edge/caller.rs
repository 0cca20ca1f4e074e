//! A connection's requests on their way to the handler, and the answers on their way back.

use std::convert::Infallible;
use std::net::IpAddr;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};

use http::header::{CONNECTION, HeaderValue};
use http::{Request, Response, Version};
use hyper::body::{Body, Frame, Incoming, SizeHint};

use super::client_address::{behind_proxy, direct};
use super::connection::Connection;
use super::handler::Handler;
use super::life::{InFlight, Life};
use super::worker::Worker;

/// Who calls on one connection.
#[derive(Debug)]
pub(super) struct Caller<H> {
    worker: Rc<Worker<H>>,
    life: Rc<Life>,
    peer: IpAddr,
    trusted: bool,
}

impl<H: Handler> Caller<H> {
    pub(super) fn new(worker: &Rc<Worker<H>>, connection: &Connection) -> Self {
        Self {
            worker: Rc::clone(worker),
            life: Rc::clone(connection.line.life()),
            peer: connection.peer,
            trusted: connection.trusted,
        }
    }

    /// Passes a request to the handler, and its answer back.
    pub(super) fn answer(
        &self,
        request: Request<Incoming>,
    ) -> impl Future<Output = Result<Response<Watched<H::Body>>, Infallible>> + use<H> {
        let client = if self.trusted {
            behind_proxy(self.peer, &self.worker.trusted, request.headers())
        } else {
            direct(self.peer)
        };
        // HTTP/2 has no such header; there the connection itself says goodbye.
        let may_end = request.version() < Version::HTTP_2;
        let in_flight = InFlight::begin(&self.life);
        let roster = Rc::clone(&self.worker.roster);
        let answer = self.worker.handler.answer(request, client);
        async move {
            let mut response = answer.await;
            if may_end && roster.is_finishing() {
                response
                    .headers_mut()
                    .insert(CONNECTION, HeaderValue::from_static("close"));
            }
            Ok(response.map(|body| Watched::new(body, in_flight)))
        }
    }
}

/// An answer's body, which tells the connection's life how far it has come.
#[derive(Debug)]
pub(super) struct Watched<B> {
    body: B,
    in_flight: InFlight,
}

impl<B> Watched<B> {
    fn new(body: B, in_flight: InFlight) -> Self {
        in_flight.awaits_client();
        Self { body, in_flight }
    }
}

impl<B: Body + Unpin> Body for Watched<B> {
    type Data = B::Data;
    type Error = B::Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<B::Data>, B::Error>>> {
        let polled = Pin::new(&mut self.body).poll_frame(cx);
        match polled {
            Poll::Pending => self.in_flight.awaits_handler(),
            Poll::Ready(_) => self.in_flight.awaits_client(),
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
