//! A connection's requests on their way to the handler, and the answers on their way back.

use std::convert::Infallible;
use std::net::IpAddr;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};

use http::header::{CONNECTION, HeaderValue};
use http::{Request, Response, Version};
use hyper::body::{Body, Incoming};
use pin_project_lite::pin_project;

use super::body::Watched;
use super::client_address::{behind_proxy, direct};
use super::connection::Connection;
use super::deadlines::Roster;
use super::handler::Handler;
use super::in_flight::InFlight;
use super::life::Life;
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
            peer: connection.manner.peer,
            trusted: connection.trusted,
        }
    }

    /// Passes a request to the handler.
    pub(super) fn answer(&self, request: Request<Incoming>) -> Answering<H::Answer> {
        let client = if self.trusted {
            behind_proxy(self.peer, &self.worker.trusted, request.headers())
        } else {
            direct(self.peer)
        };
        Answering {
            // HTTP/2 has no such header; there the connection itself says goodbye.
            may_say_close: request.version() < Version::HTTP_2,
            in_flight: Some(InFlight::begin(&self.life)),
            roster: Rc::clone(&self.worker.roster),
            answer: self.worker.handler.answer(request, client),
        }
    }
}

// By hand, since an `async` block would move the handler's future, with the request in it, once more at its
// first poll.
pin_project! {
    /// A handler's answer to come.
    #[derive(Debug)]
    pub(super) struct Answering<F> {
        #[pin]
        answer: F,
        in_flight: Option<InFlight>,
        roster: Rc<Roster>,
        may_say_close: bool,
    }
}

impl<F: Future<Output = Response<B>>, B: Body> Future for Answering<F> {
    type Output = Result<Response<Watched<B>>, Infallible>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let (mut parts, body) = ready!(this.answer.poll(cx)).into_parts();
        if *this.may_say_close && this.roster.is_finishing() {
            parts.headers.insert(CONNECTION, HeaderValue::from_static("close"));
        }
        let body = Watched::new(body, this.in_flight.take());
        Poll::Ready(Ok(Response::from_parts(parts, body)))
    }
}
