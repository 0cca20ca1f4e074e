//! The directory: sites and keys, and the salts that gateways share.
//!
//! ```text
//!  commands ──► Keeper ── change, if nobody was faster ──► SQLite in the data directory, or one hash in Redis
//!                 │  ▲                                                │
//!                 │  └── look every `refresh_ms`: a new edition? ◄────┘
//!                 ▼
//!             Directory: everything in memory, replaced whole; what requests ask
//! ```
//!
//! Requests ask the [`Directory`], which never waits. A [`Keeper`] looks for changes that other processes have made,
//! and makes changes itself: it works one out on the register that it holds, and has it written only if the stored
//! edition is still the one that it was worked out on. So the rules (no two sites of one name or domain, the limits)
//! stand once, in plain code, for SQLite and Redis alike.
//!
//! With Redis, each gateway keeps a copy in the file that would be its own if it were alone. From it it starts when
//! Redis is away, and it gives it back to a Redis that came up empty or with an earlier edition, so that no key is
//! lost with Redis' data, and none that was revoked returns.
//!
//! A worker that wants a change asks the [`Registrar`], which hands the wish to the keeper's thread and waits for its
//! word, in a queue that ends somewhere. Who registers over HTTP gets a site and a key at once; the domain that they name
//! is only noted down, since anyone may name any: no events are routed by it, and nobody else is kept from it.
//!
//! Salts of visitor hashes go by a hash of their own, without editions: whoever is first in a day decides
//! ([`SharedSalts`]).
//!
//! Must not know: requests, events, counters. That a removed site has figures is none of its business: they stay.
//!
//! Bounded: sites, those of them that were registered over HTTP, keys and domains of a site by the configuration, a presented key by 256 bytes, one connection to
//! Redis with the timeouts of the counters. Unknown sites and keys leave no trace.
//!
//! On failure what is known stays in use, also for readiness: an ingest gateway that turned clients away because a
//! list cannot be read afresh would lose more than one that takes a key for good a little longer. The log says it
//! once, `footfall_directory_up` as long as it lasts. Records that cannot be read are left out.

mod changes;
mod changing;
mod domain;
mod edition;
mod hexadecimal;
mod keeper;
mod key;
mod place;
mod record;
mod redis;
mod refusal;
mod register;
mod registering;
mod registrar;
mod site;
mod sqlite;

use std::sync::Arc;

use arc_swap::ArcSwap;

pub use self::changes::KeyWish;
pub use self::keeper::{Copying, Keeper};
pub use self::key::{Grant, Key, KeyRecord, NewKey, Rights};
pub use self::redis::{DaySalt, SharedSalts};
pub use self::refusal::{DirectoryError, Refusal};
pub use self::register::Register;
pub use self::registering::Application;
pub use self::registrar::{Registered, Registrar, Wishes};
pub use self::site::{Counting, Site, SiteWish, parse_id};

use crate::event::SiteId;

/// Sites and keys as they are known now. Cheap to ask from any thread; never waits.
#[derive(Debug, Default)]
pub struct Directory {
    current: ArcSwap<Register>,
}

impl Directory {
    /// A site by its id.
    pub fn site(&self, id: SiteId) -> Option<Arc<Site>> {
        self.current.load().site(id).cloned()
    }

    /// The site of a page's host; port, letter case and `www.` make no difference.
    pub fn site_of_domain(&self, host: &str) -> Option<SiteId> {
        self.current.load().site_of_domain(host)
    }

    /// What the key that a client presents allows, if it is good now.
    pub fn key(&self, presented: &str, now_ms: u64) -> Option<Grant> {
        self.current.load().key(presented, now_ms)
    }

    /// The key that a client presents and may end by that, if it is good now: one of an app.
    pub fn app_key(&self, presented: &str, now_ms: u64) -> Option<Arc<KeyRecord>> {
        self.current.load().app_key(presented, now_ms).cloned()
    }

    /// Everything, as it is at this moment.
    pub fn register(&self) -> Arc<Register> {
        self.current.load_full()
    }

    fn publish(&self, register: Register) {
        self.current.store(Arc::new(register));
    }
}
