//! The edge over real sockets, with a trivial handler.

mod caps;
mod conversation;
mod deadlines;
mod descriptors;
mod drain;
mod http2;
mod proxy_protocol;
mod requests;
mod server;
