//! Generate: traffic that looks like a real shop's, for demonstrations, tests and load.
//!
//! People of some countries come when it is day there, on their devices, from search engines, advertisements and
//! newsletters; they look at pages and products, some fill a cart, fewer pay, and some come back. Everything follows
//! from a seed: the same seed and the same times give the same bytes on every machine.
//!
//! Must not know: the path of an event. This is a client among others, and what it sends takes the usual way.
//!
//! Bounded: sessions that are under way, visitors that may come back, batches on their way, tries to send one.
//!
//! On failure: a batch that was not answered is sent again if its events have ids, so that they count once; else it is
//! told as unknown. What a gateway refuses for good ends the sending with its words.

mod dice;
mod happening;
mod pace;
mod product;
mod send;
mod session;
mod tally;
mod traffic;
mod visitor;
mod world;
mod write;

pub use happening::Happening;
pub use pace::Pace;
pub use send::{Plan, SendError, send};
pub use tally::Tally;
pub use traffic::Traffic;
