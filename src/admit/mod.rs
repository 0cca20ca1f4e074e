//! The doors: what is decided before a request costs anything.

use std::net::IpAddr;

/// Who is calling, as far as trusted hops tell.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Client {
    /// The client's address: the right-most untrusted hop; IPv4-mapped IPv6 is given as IPv4.
    pub address: IpAddr,
    /// Whether the connection comes from a trusted proxy, whose headers may be believed.
    pub via_proxy: bool,
}
