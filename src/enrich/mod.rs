//! The enrich room.
