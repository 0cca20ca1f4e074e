//! The pipeline room.
