//! The rate limit by client address.

use std::net::IpAddr;
use std::time::Duration;

use governor::clock::Clock;
use governor::middleware::StateInformationMiddleware;
use governor::nanos::Nanos;
use governor::{NotUntil, Quota, RateLimiter};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::gauge::Gauge;

use super::address_key::AddressKey;
use super::header_text::HeaderText;
use super::quota::{InvalidLimit, quota, seconds_up};
use super::states::States;
use super::verdict::Verdict;
use crate::clock;
use crate::config::LimitConfig;
use crate::metrics::LimitMetrics;

/// The limiter of one gateway, shared by all its workers.
///
/// The clock is the kernel's monotonic one: clocks read from the processor's counter jump back on machines whose cores
/// disagree, and then refuse clients who did nothing.
#[derive(Debug)]
pub struct Limiter<C: Clock = KernelClock> {
    governor: RateLimiter<AddressKey, States, C, StateInformationMiddleware>,
    quota: Quota,
    policy: HeaderText,
    refused: Counter,
    addresses: Gauge,
}

impl Limiter {
    /// The limiter of a configuration; `None` if the limit is off.
    ///
    /// # Errors
    /// [`InvalidLimit`] if the configured limit cannot be kept.
    pub fn new(config: &LimitConfig, metrics: &LimitMetrics) -> Result<Option<Self>, InvalidLimit> {
        Self::with_clock(config, metrics, KernelClock)
    }
}

impl<C: Clock> Limiter<C> {
    /// Decides about one request of an address, which is thereby counted if it is admitted.
    pub fn check(&self, address: IpAddr) -> Verdict {
        match self.governor.check_key(&AddressKey::of(address)) {
            Ok(snapshot) => self.admit(snapshot.remaining_burst_capacity()),
            Err(until) => self.refuse(&until),
        }
    }

    /// Forgets addresses that have their whole allowance again.
    ///
    /// Takes tens of milliseconds for a million addresses: to be called every [`LimitConfig::sweep_ms`] from a thread
    /// that serves nobody.
    pub fn sweep(&self) {
        self.governor.retain_recent();
        self.addresses
            .set(i64::try_from(self.governor.len()).unwrap_or(i64::MAX));
    }

    /// Requests an address may make at once.
    pub fn max(&self) -> u32 {
        self.quota.burst_size().get()
    }

    /// The value of `RateLimit-Policy`, such as `"ip";q=100;w=60`; the same for every answer.
    pub const fn policy(&self) -> &HeaderText {
        &self.policy
    }

    fn with_clock(config: &LimitConfig, metrics: &LimitMetrics, clock: C) -> Result<Option<Self>, InvalidLimit> {
        let quota = quota(config)?;
        Ok(quota.map(|quota| Self {
            governor: RateLimiter::new(quota, States::new(config.addresses_max), clock),
            quota,
            policy: policy(config),
            refused: metrics.refused.clone(),
            addresses: metrics.addresses.clone(),
        }))
    }

    fn admit(&self, remaining: u32) -> Verdict {
        Verdict {
            remaining,
            reset_seconds: seconds_up(self.refill_of(self.max().saturating_sub(remaining))),
            retry_after_seconds: None,
        }
    }

    fn refuse(&self, until: &NotUntil<C::Instant>) -> Verdict {
        self.refused.inc();
        let wait = until.wait_time_from(self.governor.clock().now());
        Verdict {
            remaining: 0,
            // When one request can be admitted again, all others are still to be given back.
            reset_seconds: seconds_up(wait.saturating_add(self.refill_of(self.max() - 1))),
            retry_after_seconds: Some(seconds_up(wait).max(1)),
        }
    }

    fn refill_of(&self, requests: u32) -> Duration {
        self.quota.replenish_interval().saturating_mul(requests)
    }
}

/// [`clock::since_boot`], whose few milliseconds of lag are nothing against the windows of limits.
#[derive(Debug, Clone, Copy)]
pub struct KernelClock;

impl Clock for KernelClock {
    type Instant = Nanos;

    fn now(&self) -> Nanos {
        clock::since_boot().into()
    }
}

fn policy(config: &LimitConfig) -> HeaderText {
    HeaderText::EMPTY
        .text("\"ip\";q=")
        .number(config.max)
        .text(";w=")
        .number(seconds_up(clock::ms(config.window_ms)))
}

#[cfg(test)]
#[path = "limiter_tests.rs"]
mod tests;
