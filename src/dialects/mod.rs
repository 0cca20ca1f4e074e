//! Dialects: one file a foreign wire format, a thin translation to Footfall's nouns and back.
//!
//! Must not know: sockets, files, how visits are kept. Nothing here decides anything; errors are rows of tables.

pub mod apps;
pub mod points;
pub mod sessions;
pub mod visits;
