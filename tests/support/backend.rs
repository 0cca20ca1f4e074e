//! Where totals live: tests that hold for every kind of counters run on each.

use std::path::Path;

use rusqlite::{Connection, OpenFlags};

use super::gateway::Settings;
use super::redis::{Engine, RedisServer};
use super::report::Report;

/// A kind of counters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Backend {
    /// SQLite in the data directory.
    Embedded,
    /// A real Redis 7.
    Redis,
    /// A real Valkey 9.
    Valkey,
}

impl Backend {
    /// The two whose code differs.
    pub const KINDS: [Self; 2] = [Self::Embedded, Self::Redis];

    /// Its name in figures.
    pub fn name(self) -> &'static str {
        match self {
            Self::Embedded => "embedded",
            Self::Redis => "redis",
            Self::Valkey => "valkey",
        }
    }

    /// Starts what the backend needs; keep the stage as long as the gateway runs.
    pub fn stage(self) -> Stage {
        self.stage_with(&[])
    }

    /// The same with further arguments for the server.
    pub fn stage_with(self, arguments: &[&str]) -> Stage {
        let server = match self {
            Self::Embedded => None,
            Self::Redis => Some(RedisServer::start_with(Engine::Redis, arguments)),
            Self::Valkey => Some(RedisServer::start_with(Engine::Valkey, arguments)),
        };
        let settings = match &server {
            None => Settings::new(),
            Some(server) => Settings::new().set("REDIS_URL", server.url()),
        };
        Stage { settings, server }
    }
}

/// A backend that runs, and settings for gateways that use it.
#[derive(Debug)]
pub struct Stage {
    /// Settings that name the backend.
    pub settings: Settings,
    /// The server, if there is one.
    pub server: Option<RedisServer>,
}

impl Stage {
    /// The server of a stage that has one.
    #[track_caller]
    pub fn server(&mut self) -> &mut RedisServer {
        self.server.as_mut().expect("this stage has a Redis")
    }
}

/// Everything a Redis has counted: visits by country, events by `event:` and name.
#[track_caller]
pub fn counts_in(server: &RedisServer) -> Report {
    let events = Report::parse_hash(&server.cli(&["HGETALL", "ff:{0}:events"]));
    with_events(visits_in(server), events)
}

/// Adds events by name to visits.
pub fn with_events(mut visits: Report, events: Report) -> Report {
    let events = events.0.into_iter().filter(|(name, _)| name != "visit");
    visits
        .0
        .extend(events.map(|(name, count)| (format!("event:{name}"), count)));
    visits
}

/// Events by name in the counters of a data directory, of both lanes, and the frame up to which the one of them is
/// counted that was written last; the hexadecimal id names the site.
pub fn events_in(data_dir: &Path, site: &str) -> (Report, u64) {
    let (mut events, mut upto) = (Report::default(), 0);
    for lane in ["lane-0", "lane-1"] {
        let file = data_dir.join(lane).join("counters.sqlite");
        let Ok(database) = Connection::open_with_flags(&file, OpenFlags::SQLITE_OPEN_READ_ONLY) else {
            continue;
        };
        let cursor: i64 = database
            .query_row("SELECT cursor FROM ledger", [], |row| row.get(0))
            .unwrap();
        upto = upto.max(u64::try_from(cursor).unwrap());
        let query = "SELECT field, total FROM counters WHERE family = 'events' AND lower(hex(site)) = ?1";
        let mut statement = database.prepare(query).unwrap();
        let rows = statement.query_map([site], |row| Ok((row.get(0)?, row.get::<_, i64>(1)?)));
        for (name, count) in rows.unwrap().map(Result::unwrap) {
            *events.0.entry(name).or_default() += u64::try_from(count).unwrap();
        }
    }
    (events, upto)
}

/// The site of those who name none, as counters name it.
pub const DEFAULT_SITE: &str = "00000000000000000000000000000000";

/// The visits a Redis holds, as a person would read them.
#[track_caller]
pub fn visits_in(server: &RedisServer) -> Report {
    Report::parse_hash(&server.cli(&["HGETALL", "ff:{0}:visits"]))
}
