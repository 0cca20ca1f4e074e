//! Reading a request's body to its end, within its limits.

use std::sync::atomic::{AtomicUsize, Ordering};

use http_body_util::BodyExt;
use hyper::body::{Body as _, Incoming};
use tokio::time::timeout;

use crate::clock;
use crate::config::EdgeConfig;
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
    pub async fn discard(self, body: Incoming) -> Result<(), Reason> {
        if body.is_end_stream() {
            return Ok(());
        }
        self.read_all(body, |_| Ok(())).await
    }

    /// Reads a body, within what all bodies may take together while they come.
    ///
    /// # Errors
    /// When it is too large, too slow or broken, or too many come at once.
    pub async fn collect(self, body: Incoming, budget: &BodyBudget) -> Result<Vec<u8>, Reason> {
        let announced = body.size_hint().lower().min(self.bytes_max);
        let mut bytes = Vec::with_capacity(usize::try_from(announced).unwrap_or_default().min(ANNOUNCED_MAX));
        let mut share = Share { budget, bytes: 0 };
        let take = |data: &[u8]| {
            share.grow(data.len())?;
            bytes.extend_from_slice(data);
            Ok(())
        };
        self.read_all(body, take).await?;
        Ok(bytes)
    }

    async fn read_all(self, body: Incoming, take: impl FnMut(&[u8]) -> Result<(), Reason>) -> Result<(), Reason> {
        if body.size_hint().lower() > self.bytes_max {
            return Err(Reason::BodyTooLarge);
        }
        match timeout(clock::ms(self.whole_ms), self.read(body, take)).await {
            Ok(result) => result,
            Err(_) => Err(Reason::BodyTimeout),
        }
    }

    async fn read(self, mut body: Incoming, mut take: impl FnMut(&[u8]) -> Result<(), Reason>) -> Result<(), Reason> {
        let mut bytes = 0;
        loop {
            let Ok(frame) = timeout(clock::ms(self.idle_ms), body.frame()).await else {
                return Err(Reason::BodyTimeout);
            };
            let frame = match frame {
                None => return Ok(()),
                Some(Err(_)) => return Err(Reason::BodyBroken),
                Some(Ok(frame)) => frame,
            };
            let Some(data) = frame.data_ref() else { continue };
            bytes += data.len() as u64;
            if bytes > self.bytes_max {
                return Err(Reason::BodyTooLarge);
            }
            take(data)?;
        }
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
