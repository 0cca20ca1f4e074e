//! An answer on its way.

use std::pin::Pin;
use std::task::{Context, Poll};

use super::answer::Answer;
use super::visits::Visit;

/// What a request comes to. Written out instead of nested `async` blocks, each of which would copy the request into the
/// next: most requests are answered at once or wait for the log only, and those two stay small.
pub enum Answering {
    /// The answer is there; taken by the first poll.
    Ready(Option<Answer>),
    /// A visit waits for the log.
    Visit(Visit),
    /// There is a body to read, or more than the log to wait for.
    Slow(Pin<Box<dyn Future<Output = Answer>>>),
}

impl Future for Answering {
    type Output = Answer;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Answer> {
        match &mut *self {
            Self::Ready(answer) => answer.take().map_or(Poll::Pending, Poll::Ready),
            Self::Visit(visit) => Pin::new(visit).poll(context),
            Self::Slow(answer) => answer.as_mut().poll(context),
        }
    }
}

impl From<Answer> for Answering {
    fn from(answer: Answer) -> Self {
        Self::Ready(Some(answer))
    }
}
