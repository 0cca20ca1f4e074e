//! Reading a request's body to its end, within its limits.

use std::future::poll_fn;
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::Poll;

use bytes::Bytes;
use http_body_util::BodyExt;
use hyper::body::{Body as _, Frame, Incoming};
use tokio::time::timeout;

use crate::clock;
use crate::config::EdgeConfig;
use crate::decode::ROOM_BEHIND;
use crate::outcome::Reason;

/// Room that is made for a body before it comes: who only announces one shall not cost memory.
const ANNOUNCED_MAX: usize = 64 << 10;

/// What a body may cost.
#[derive(Debug, Clone, Copy)]
pub struct BodyLimits {
    bytes_max: u64,
    idle_ms: u64,
    whole_ms: u64,
}

/// What all bodies may take together while they come: many clients that send slowly must not fill the memory.
#[derive(Debug)]
pub struct BodyBudget {
    bytes_max: usize,
    taken: AtomicUsize,
}

impl BodyBudget {
    /// A budget of so many bytes, of all workers.
    pub const fn new(bytes_max: usize) -> Self {
        Self {
            bytes_max,
            taken: AtomicUsize::new(0),
        }
    }
}

/// What one body has of a budget; given back when it is dropped.
struct Share<'b> {
    budget: &'b BodyBudget,
    bytes: usize,
}

impl Share<'_> {
    fn grow(&mut self, bytes: usize) -> Result<(), Reason> {
        self.bytes += bytes;
        let before = self.budget.taken.fetch_add(bytes, Ordering::Relaxed);
        if before.saturating_add(bytes) > self.budget.bytes_max {
            return Err(Reason::Overloaded);
        }
        Ok(())
    }
}

impl Drop for Share<'_> {
    fn drop(&mut self) {
        self.budget.taken.fetch_sub(self.bytes, Ordering::Relaxed);
    }
}

impl BodyLimits {
    /// Limits of the configuration.
    pub fn new(bytes_max: usize, edge: &EdgeConfig) -> Self {
        Self {
            bytes_max: bytes_max as u64,
            idle_ms: edge.body_idle_ms,
            whole_ms: edge.body_ms,
        }
    }

    /// Reads a body that says nothing to its end, so that the connection can be used again.
    ///
    /// # Errors
    /// When it is too large, too slow or broken.
    pub async fn discard(self, body: &mut Incoming) -> Result<(), Reason> {
        if body.is_end_stream() {
            return Ok(());
        }
        self.read_all(body, |_| Ok(())).await
    }

    /// Reads a body, within what all bodies may take together while they come.
    ///
    /// # Errors
    /// When it is too large, too slow or broken, or too many come at once.
    pub async fn collect(self, body: &mut Incoming, budget: &BodyBudget) -> Result<Vec<u8>, Reason> {
        let announced = body.size_hint().lower().min(self.bytes_max);
        let announced = usize::try_from(announced).unwrap_or_default();
        let mut bytes = Vec::with_capacity(announced.min(ANNOUNCED_MAX) + ROOM_BEHIND);
        let mut share = Share { budget, bytes: 0 };
        let take = |data: &[u8]| {
            share.grow(data.len())?;
            bytes.extend_from_slice(data);
            Ok(())
        };
        self.read_all(body, take).await?;
        Ok(bytes)
    }

    async fn read_all(self, body: &mut Incoming, take: impl FnMut(&[u8]) -> Result<(), Reason>) -> Result<(), Reason> {
        if body.size_hint().lower() > self.bytes_max {
            return Err(Reason::BodyTooLarge);
        }
        let mut taken = Taken {
            bytes: 0,
            bytes_max: self.bytes_max,
            take,
        };
        // Most bodies are here as a whole when their head is: they need no clock.
        while let Poll::Ready(frame) = poll_fn(|cx| Poll::Ready(Pin::new(&mut *body).poll_frame(cx))).await {
            if taken.is_end(frame, body)? {
                return Ok(());
            }
        }
        // Few bodies come in pieces; those that do not need no room for what it takes to wait.
        let waiting = Box::pin(timeout(clock::ms(self.whole_ms), self.wait_for_all(body, taken)));
        waiting.await.unwrap_or(Err(Reason::BodyTimeout))
    }

    async fn wait_for_all<T>(self, body: &mut Incoming, mut taken: Taken<T>) -> Result<(), Reason>
    where
        T: FnMut(&[u8]) -> Result<(), Reason>,
    {
        loop {
            let Ok(frame) = timeout(clock::ms(self.idle_ms), body.frame()).await else {
                return Err(Reason::BodyTimeout);
            };
            if taken.is_end(frame, body)? {
                return Ok(());
            }
        }
    }
}

/// What has come of a body.
struct Taken<T> {
    bytes: u64,
    bytes_max: u64,
    take: T,
}

impl<T: FnMut(&[u8]) -> Result<(), Reason>> Taken<T> {
    /// Takes what has come; whether it was the last. A body of an announced length ends with its last byte, not with a
    /// frame that says so.
    fn is_end(&mut self, frame: Option<hyper::Result<Frame<Bytes>>>, body: &Incoming) -> Result<bool, Reason> {
        let frame = match frame {
            None => return Ok(true),
            Some(Err(_)) => return Err(Reason::BodyBroken),
            Some(Ok(frame)) => frame,
        };
        if let Some(data) = frame.data_ref() {
            self.bytes += data.len() as u64;
            if self.bytes > self.bytes_max {
                return Err(Reason::BodyTooLarge);
            }
            (self.take)(data)?;
        }
        Ok(body.is_end_stream())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_budget_refuses_what_is_beyond_it_and_gets_back_what_was_taken() {
        let budget = BodyBudget::new(10);
        let share = || Share {
            budget: &budget,
            bytes: 0,
        };
        let (mut first, mut second) = (share(), share());
        assert_eq!((first.grow(6), second.grow(4)), (Ok(()), Ok(())));
        assert_eq!(second.grow(1), Err(Reason::Overloaded));
        drop(second);
        assert_eq!(first.grow(4), Ok(()));
        drop(first);
        assert_eq!(budget.taken.into_inner(), 0);
    }
}
