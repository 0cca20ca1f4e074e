//! Reading a request's body to its end, within its limits.

use http_body_util::BodyExt;
use hyper::body::{Body as _, Incoming};
use tokio::time::timeout;

use crate::clock;
use crate::config::EdgeConfig;
use crate::outcome::Reason;

/// What a body may cost.
#[derive(Debug, Clone, Copy)]
pub struct BodyLimits {
    bytes_max: u64,
    idle_ms: u64,
    whole_ms: u64,
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
        if body.size_hint().lower() > self.bytes_max {
            return Err(Reason::BodyTooLarge);
        }
        match timeout(clock::ms(self.whole_ms), self.read(body)).await {
            Ok(result) => result,
            Err(_) => Err(Reason::BodyTimeout),
        }
    }

    async fn read(self, mut body: Incoming) -> Result<(), Reason> {
        let mut bytes = 0;
        loop {
            let Ok(frame) = timeout(clock::ms(self.idle_ms), body.frame()).await else {
                return Err(Reason::BodyTimeout);
            };
            match frame {
                None => return Ok(()),
                Some(Err(_)) => return Err(Reason::BodyBroken),
                Some(Ok(frame)) => bytes += frame.data_ref().map_or(0, |data| data.len() as u64),
            }
            if bytes > self.bytes_max {
                return Err(Reason::BodyTooLarge);
            }
        }
    }
}
