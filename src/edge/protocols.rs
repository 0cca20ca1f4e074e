//! How hyper is set up for each protocol: every size bounded.

use hyper::rt::Executor;
use hyper::server::conn::{http1, http2};

use crate::config::EdgeConfig;

/// Bytes hyper may hold of one connection, unless a request head may be larger.
const BUFFER_BYTES_MAX: usize = 64 * 1_024;
/// The number of header fields for which hyper has room without asking the allocator, and its default.
const HEADERS_FREE: usize = 100;
/// Requests one HTTP/2 connection may have in flight.
const STREAMS_MAX: u32 = 100;
/// Streams a client may reset before they are served, and streams it may break, before it is sent away.
const RESETS_MAX: usize = 20;
/// Bytes a client may send ahead, for each stream and for the connection.
const WINDOW_BYTES: (u32, u32) = (64 * 1_024, 1_024 * 1_024);

/// HTTP/1; deadlines are the edge's own, so hyper gets no timer.
pub(super) fn http1(config: &EdgeConfig) -> http1::Builder {
    let mut builder = http1::Builder::new();
    builder
        // Who has sent its last request may still read the answer. So nothing is read while one is being made, either:
        // a read that finds nothing would take a new buffer for every request.
        .half_close(true)
        .keep_alive(true)
        // One flat buffer: our answers are small, and so is the copy, compared with the bookkeeping of many slices.
        .writev(false)
        .header_read_timeout(None)
        .max_header_size(config.header_bytes_max)
        .max_buf_size(config.header_bytes_max.max(BUFFER_BYTES_MAX));
    if config.headers_max != HEADERS_FREE {
        builder.max_headers(config.headers_max);
    }
    builder
}

/// HTTP/2 with limits against floods of resets and of streams.
pub(super) fn http2(config: &EdgeConfig) -> http2::Builder<LocalExecutor> {
    let mut builder = http2::Builder::new(LocalExecutor);
    builder
        .max_concurrent_streams(STREAMS_MAX)
        .max_pending_accept_reset_streams(RESETS_MAX)
        .max_local_error_reset_streams(RESETS_MAX)
        .max_header_list_size(u32::try_from(config.header_bytes_max).unwrap_or(u32::MAX))
        .max_send_buf_size(BUFFER_BYTES_MAX)
        .initial_stream_window_size(WINDOW_BYTES.0)
        .initial_connection_window_size(WINDOW_BYTES.1);
    builder
}

/// Runs what hyper spawns for the streams of an HTTP/2 connection on the worker's own thread.
#[derive(Debug, Clone, Copy)]
pub(super) struct LocalExecutor;

impl<F: Future + 'static> Executor<F> for LocalExecutor {
    fn execute(&self, future: F) {
        tokio::task::spawn_local(future);
    }
}
