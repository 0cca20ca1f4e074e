//! Import: what was before, from files and from the Redis of another counter, brought to a gateway, each line once.
//!
//! A file is read line by line, and batches of lines go to the gateway, each with the number of lines before it. The
//! gateway knows how far each import is and takes no line twice. So nothing has to be remembered here: who is stopped,
//! killed, or never hears an answer, asks the gateway and goes on from there.
//!
//! Must not know: the path of an event. This is a client among others.
//!
//! Bounded: the length of a line, lines and bytes of a batch, batches that are ready, waits between tries.
//!
//! On failure: a batch without an answer is sent again, for a while; then the next run goes on. Lines that can be no
//! event go to a file of rejects with the reason, and hold up nothing.

mod access_log;
mod batches;
mod gateway;
mod lines;
mod log_time;
mod page_view;
mod progress;
mod rejects;
mod run;
mod summary;
mod trouble;
mod visits_hash;

pub use batches::Format;
pub use gateway::{Gateway, GatewayError};
pub use page_view::LogRules;
pub use run::{Plan, import_file};
pub use summary::Summary;
pub use trouble::ImportError;
pub use visits_hash::{VisitsSummary, import_visits, read_hash};
