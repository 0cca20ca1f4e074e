//! Facts that are added to an event and can never refuse it.
//!
//! The country of the client's address ([`Countries`]): named by a trusted proxy where the operator says so, else found
//! in a MaxMind database ([`GeoDatabase`]) that is loaded whole, verified, and swapped when its file changes
//! ([`GeoWatch`]). The hash of a visitor ([`visitor_hash`]) under a salt that changes daily ([`Salts`]), what is kept
//! of an address ([`kept_address`]), and the time of an event ([`event_time()`]). From what is journaled, where a visitor
//! came from, on what the page is shown, and whether that is a machine ([`Facts`]), by lists that are part of the binary.
//!
//! This room knows addresses and files of its own. It must not know HTTP, routes, the doors or the journal.
//!
//! Bounded: the size of a database file (see [`GeoWatch`]), user agents whose meaning is remembered. When there is no database, or only a bad one, countries
//! are unknown and everything else goes on; what is the matter is said in the log once and told by
//! [`GeoWatch::status`].

mod agent_names;
mod agents;
mod before;
mod bots;
mod channel;
mod countries;
mod country_path;
mod device;
mod event_time;
mod facts;
mod geo_database;
mod geo_watch;
mod lists;
mod networks;
mod person;
mod place;
mod referrers;
mod salts;
mod tags;

pub use agent_names::{AgentNames, Names};
pub use countries::Countries;
pub use event_time::event_time;
pub use facts::{Facts, Told};
pub use geo_database::{GeoDatabase, GeoError};
pub use geo_watch::{GeoStatus, GeoWatch, Refreshed};
pub use networks::{Networks, NetworksError};
pub use person::{Salt, kept_address, visitor_hash};
pub use place::{Name, Place};
pub use salts::Salts;
