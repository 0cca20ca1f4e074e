//! The counters room.
