//! The apply room.
