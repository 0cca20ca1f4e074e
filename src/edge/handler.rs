//! What the edge needs from whoever answers requests.

use std::error::Error;

use bytes::Buf;
use http::{Request, Response};
use hyper::body::{Body, Incoming};

use crate::admit::Client;

/// Answers the requests of one worker, on the worker's own thread; any closure of this shape is one.
pub trait Handler: 'static {
    /// The body of an answer.
    type Body: Body<Data: Buf + 'static, Error: Into<Box<dyn Error + Send + Sync>>> + 'static;
    /// The answer to come. It is dropped, wherever it waits, when its connection ends: at the end of a drain, or when a
    /// client of HTTP/2 takes its request back. That a client of HTTP/1 has gone away shows only when it is answered, so
    /// whoever answers bounds the time.
    type Answer: Future<Output = Response<Self::Body>> + 'static;

    /// Begins to answer a request.
    fn answer(&self, request: Request<Incoming>, client: Client) -> Self::Answer;
}

impl<H, F, B> Handler for H
where
    H: Fn(Request<Incoming>, Client) -> F + 'static,
    F: Future<Output = Response<B>> + 'static,
    B: Body<Data: Buf + 'static, Error: Into<Box<dyn Error + Send + Sync>>> + 'static,
{
    type Body = B;
    type Answer = F;

    fn answer(&self, request: Request<Incoming>, client: Client) -> F {
        self(request, client)
    }
}
