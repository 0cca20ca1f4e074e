//! Door 1: the limit by client address, and the headers that tell of it.

use std::sync::Arc;

use hyper::header::{HeaderMap, HeaderName, HeaderValue, RETRY_AFTER};

use crate::admit::{Client, HeaderText, Limiter, Verdict};

const RATE_LIMIT: HeaderName = HeaderName::from_static("ratelimit");
const RATE_LIMIT_POLICY: HeaderName = HeaderName::from_static("ratelimit-policy");
/// Limit, remaining, reset: the names of a refusal, and their older twins.
const PLAIN: [HeaderName; 3] = [
    HeaderName::from_static("ratelimit-limit"),
    HeaderName::from_static("ratelimit-remaining"),
    HeaderName::from_static("ratelimit-reset"),
];
const LEGACY: [HeaderName; 3] = [
    HeaderName::from_static("x-ratelimit-limit"),
    HeaderName::from_static("x-ratelimit-remaining"),
    HeaderName::from_static("x-ratelimit-reset"),
];

/// The door of one worker.
#[derive(Debug, Clone)]
pub struct Gate {
    limiter: Option<Arc<Limiter>>,
    policy: HeaderValue,
    always_plain: bool,
}

/// What the door said; `None`: there is no limit.
pub type Passage = Option<Verdict>;

impl Gate {
    /// A door; `always_plain` sends the older headers on every answer.
    pub fn new(limiter: Option<Arc<Limiter>>, always_plain: bool) -> Self {
        let policy = limiter
            .as_ref()
            .map_or(HeaderText::decimal(0), |limiter| *limiter.policy());
        Self {
            limiter,
            policy: value(&policy),
            always_plain,
        }
    }

    /// Counts a request of a client.
    pub fn pass(&self, client: Client) -> Passage {
        self.limiter.as_ref().map(|limiter| limiter.check(client.address))
    }

    /// Names the limit, in headers that are the same for every answer.
    pub fn add_policy(&self, headers: &mut HeaderMap) {
        if self.limiter.is_some() {
            headers.insert(RATE_LIMIT_POLICY, self.policy.clone());
            // A place for what `tell` says.
            headers.insert(RATE_LIMIT, HeaderValue::from_static(""));
        }
    }

    /// Tells the client how it stands.
    pub fn tell(&self, passage: Passage, headers: &mut HeaderMap) {
        let (Some(verdict), Some(limiter)) = (passage, &self.limiter) else {
            return;
        };
        let standing = value(&verdict.rate_limit());
        // An insert into a full map grows it, even where it only replaces.
        match headers.get_mut(RATE_LIMIT) {
            Some(place) => *place = standing,
            None => drop(headers.insert(RATE_LIMIT, standing)),
        }
        if let Some(seconds) = verdict.retry_after_seconds {
            headers.insert(RETRY_AFTER, HeaderValue::from(seconds));
        }
        if self.always_plain || !verdict.is_admitted() {
            let values = [limiter.max(), verdict.remaining, verdict.reset_seconds];
            add(headers, PLAIN, values);
            if self.always_plain {
                add(headers, LEGACY, values);
            }
        }
    }
}

fn add(headers: &mut HeaderMap, names: [HeaderName; 3], values: [u32; 3]) {
    for (name, number) in names.into_iter().zip(values) {
        headers.insert(name, HeaderValue::from(number));
    }
}

fn value(text: &HeaderText) -> HeaderValue {
    HeaderValue::from_bytes(text.as_bytes()).unwrap_or(HeaderValue::from_static(""))
}
