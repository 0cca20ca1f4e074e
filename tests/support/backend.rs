//! Where totals live: tests that hold for every kind of counters run on each.

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

/// The visits a Redis holds, as a person would read them.
#[track_caller]
pub fn visits_in(server: &RedisServer) -> Report {
    Report::parse_hash(&server.cli(&["HGETALL", "ff:{0}:visits"]))
}
