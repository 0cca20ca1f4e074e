//! The doors: what is decided before a request costs anything.
//!
//! Today one door stands here, the rate limit by client address: [`Limiter::check`] admits or refuses before a body
//! byte is read, and the [`Verdict`] carries what the answer's `RateLimit` headers say.
//!
//! The limit is a generic cell rate algorithm: an address may make a burst of its whole allowance at once, and a used
//! allowance refills evenly over the window. A bucket that refills while it is emptied therefore admits more than the
//! allowance within some windows; never more than the allowance plus what refilled.
//!
//! This room knows addresses and time. It must not know HTTP, routes, keys of sites, or what a visit is.
//!
//! Bounded: the addresses remembered apart ([`LimitConfig::addresses_max`](crate::config::LimitConfig)), then the
//! neighbourhoods (/24, /48) that later addresses share, then one last allowance for everybody else. Nothing here can
//! fail at run time; a limit that cannot be kept is refused at start ([`InvalidLimit`]).

mod address_key;
mod bounded_states;
mod header_text;
mod limiter;
mod quota;
mod region;
mod states;
mod verdict;

use std::net::IpAddr;

pub use header_text::HeaderText;
pub use limiter::Limiter;
pub use quota::InvalidLimit;
pub use verdict::Verdict;

/// Who is calling, as far as trusted hops tell.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Client {
    /// The client's address: the right-most untrusted hop; IPv4-mapped IPv6 is given as IPv4.
    pub address: IpAddr,
    /// Whether the connection comes from a trusted proxy, whose headers may be believed.
    pub via_proxy: bool,
}
