//! Memory that nobody needs any more goes back to the system.
//!
//! The allocator, mimalloc, keeps a page that became empty for a second, and gives it back when something is allocated or
//! freed after that. Pages belong to threads: what others have freed of a thread's pages is only found when that thread
//! looks, which it does once in so many allocations. A thread with nothing to do allocates nothing, so it must be told.

use std::hint;
use std::time::Duration;

/// When to call [`give_back`] again: longer than mimalloc keeps an empty page (its `purge_delay`).
pub const KEPT: Duration = Duration::from_millis(1_250);
/// Allocations of pieces that are not small after which mimalloc looks through a thread's pages (its `generic_collect`).
const ALLOCATIONS: usize = 10_000;
/// No small piece: those up to 1,024 bytes are not counted.
const PIECE_BYTES: usize = 4_096;

/// Gives back what was freed longer than [`KEPT`] ago, and finds what of this thread's pages became empty since, which goes
/// back with the next call. Takes less than a millisecond.
pub fn give_back() {
    for _ in 0..ALLOCATIONS {
        drop(hint::black_box(Vec::<u8>::with_capacity(PIECE_BYTES)));
    }
}
