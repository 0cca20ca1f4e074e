//! `[edge]`: listeners, connections and their deadlines.

use std::net::IpAddr;

use ipnet::IpNet;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Listeners, connections, deadlines and whom to believe about client addresses.
#[derive(Debug, Clone, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct EdgeConfig {
    /// Address the listeners bind.
    #[schemars(with = "String", extend("format" = "ip"))]
    pub host: IpAddr,
    /// Ports the gateway listens on; `0` takes any free port.
    pub ports: Vec<u16>,
    /// Worker threads, each with its own runtime and listener; `0` means one a core.
    #[schemars(range(max = 1_024))]
    pub workers: usize,
    /// Connections the kernel may queue for each listener.
    #[schemars(range(min = 1, max = 65_535))]
    pub backlog: u32,
    /// Open connections over all workers; more are closed at once.
    #[schemars(range(min = 1, max = 10_000_000))]
    pub connections_max: usize,
    /// Open connections of one client address (IPv4 address or IPv6 /64); trusted proxies are exempt, `0` means no cap.
    pub connections_per_address_max: usize,
    /// Time from accept to the first byte of a request, in milliseconds.
    #[schemars(range(min = 1, max = 86_400_000))]
    pub first_byte_ms: u64,
    /// Time from the first byte of a request to the end of its headers, in milliseconds.
    #[schemars(range(min = 1, max = 86_400_000))]
    pub header_ms: u64,
    /// Longest pause between two pieces of a request body, in milliseconds.
    #[schemars(range(min = 1, max = 86_400_000))]
    pub body_idle_ms: u64,
    /// Time for a whole request body, in milliseconds.
    #[schemars(range(min = 1, max = 86_400_000))]
    pub body_ms: u64,
    /// Longest time a client may leave an answer unread, in milliseconds.
    #[schemars(range(min = 1, max = 86_400_000))]
    pub write_ms: u64,
    /// Time a kept-alive connection may rest between requests, in milliseconds; keep it above the proxy's.
    #[schemars(range(min = 1, max = 86_400_000))]
    pub idle_ms: u64,
    /// Largest request head (request line and headers) in bytes; more is answered `431`.
    #[schemars(range(min = 8_192, max = 1_048_576))]
    pub header_bytes_max: usize,
    /// Most header fields in a request.
    #[schemars(range(min = 16, max = 1_024))]
    pub headers_max: usize,
    /// Also serve HTTP/2 with prior knowledge on the same ports.
    pub http2: bool,
    /// Expect a PROXY protocol v1 or v2 header from trusted peers.
    pub proxy_protocol: bool,
    /// Networks whose forwarding headers are believed.
    #[schemars(with = "Vec<String>")]
    pub trusted_proxies: Vec<IpNet>,
    /// Time between turning not ready and closing the listeners at shutdown, in milliseconds.
    #[schemars(range(max = 86_400_000))]
    pub drain_delay_ms: u64,
    /// Longest time open requests may take to finish at shutdown, in milliseconds.
    #[schemars(range(min = 1, max = 86_400_000))]
    pub drain_ms: u64,
    /// Longest time a new process may take to get ready at a hand-over (`SIGUSR2`), in milliseconds; then the old one
    /// goes on.
    #[schemars(range(min = 1, max = 86_400_000))]
    pub successor_ms_max: u64,
    /// Longest time open requests may take to finish in the old process of a hand-over, in milliseconds; visits with
    /// an `Idempotency-Key` wait for it in the new one.
    #[schemars(range(min = 1, max = 86_400_000))]
    pub linger_ms_max: u64,
}

impl Default for EdgeConfig {
    fn default() -> Self {
        Self {
            host: IpAddr::from([0, 0, 0, 0]),
            ports: vec![3030],
            workers: 0,
            backlog: 4_096,
            connections_max: 16_384,
            connections_per_address_max: 1_024,
            first_byte_ms: 10_000,
            header_ms: 10_000,
            body_idle_ms: 10_000,
            body_ms: 30_000,
            write_ms: 10_000,
            idle_ms: 75_000,
            header_bytes_max: 16_384,
            headers_max: 100,
            http2: false,
            proxy_protocol: false,
            trusted_proxies: vec![
                IpNet::from(ipnet::Ipv4Net::new_assert([127, 0, 0, 0].into(), 8)),
                IpNet::from(ipnet::Ipv6Net::new_assert(std::net::Ipv6Addr::LOCALHOST, 128)),
            ],
            drain_delay_ms: 0,
            drain_ms: 30_000,
            successor_ms_max: 60_000,
            linger_ms_max: 5_000,
        }
    }
}
