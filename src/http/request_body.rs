//! Reading a request's body to its end, within its limits.

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
        self.read_all(body, |_| {}).await
    }

    /// Reads a body.
    ///
    /// # Errors
    /// When it is too large, too slow or broken.
    pub async fn collect(self, body: Incoming) -> Result<Vec<u8>, Reason> {
        let announced = body.size_hint().lower().min(self.bytes_max);
        let mut bytes = Vec::with_capacity(usize::try_from(announced).unwrap_or_default().min(ANNOUNCED_MAX));
        self.read_all(body, |data| bytes.extend_from_slice(data)).await?;
        Ok(bytes)
    }

    async fn read_all(self, body: Incoming, take: impl FnMut(&[u8])) -> Result<(), Reason> {
        if body.size_hint().lower() > self.bytes_max {
            return Err(Reason::BodyTooLarge);
        }
        match timeout(clock::ms(self.whole_ms), self.read(body, take)).await {
            Ok(result) => result,
            Err(_) => Err(Reason::BodyTimeout),
        }
    }

    async fn read(self, mut body: Incoming, mut take: impl FnMut(&[u8])) -> Result<(), Reason> {
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
            take(data);
        }
    }
}
