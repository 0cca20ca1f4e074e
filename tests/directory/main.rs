//! The promises of the directory: sites and keys, the same in SQLite, Redis and Valkey, seen by gateways that run.

#[path = "../support/mod.rs"]
mod support;

mod broken_replies;
mod changes;
mod commands;
mod copies;
mod file;
mod gateways;

use std::path::PathBuf;
use std::sync::Arc;

use footfall::config::{Config, Secret};
use footfall::directory::{Copying, DirectoryError, Keeper, KeyWish, Rights, SiteWish};
use footfall::metrics::Metrics;
use support::redis::{Engine, RedisServer};
use tempfile::TempDir;

/// A data directory, and a server if the directory is there.
struct Home {
    data: TempDir,
    server: Option<RedisServer>,
    config: Config,
}

impl Home {
    fn embedded() -> Self {
        Self::new(None)
    }

    fn on(engine: Engine) -> Self {
        Self::new(Some(RedisServer::start(engine)))
    }

    /// One of each kind.
    fn all() -> [Self; 3] {
        [Self::embedded(), Self::on(Engine::Redis), Self::on(Engine::Valkey)]
    }

    fn new(server: Option<RedisServer>) -> Self {
        let data = tempfile::tempdir().unwrap();
        let mut config = Config::default();
        config.journal.data_dir = data.path().into();
        config.counters.redis_timeout_ms = 5_000;
        config.counters.redis_url = server.as_ref().map(|server| Secret::new(server.url()));
        Self { data, server, config }
    }

    /// Another data directory at the same server.
    fn neighbour(&self) -> Config {
        let mut config = self.config.clone();
        if config.counters.redis_url.is_some() {
            config.journal.data_dir = self.data.path().join("neighbour");
        }
        config
    }

    fn keeper(&self) -> Keeper {
        keeper(&self.config)
    }

    fn server(&self) -> &RedisServer {
        self.server.as_ref().unwrap()
    }

    fn file(&self) -> PathBuf {
        self.data.path().join("directory.sqlite")
    }
}

fn keeper(config: &Config) -> Keeper {
    Keeper::new(config, Arc::new(Metrics::default()), Copying::Always).unwrap()
}

fn named(name: &str) -> SiteWish {
    SiteWish {
        name: Some(name.into()),
        ..SiteWish::default()
    }
}

fn with_domain(name: &str, domain: &str) -> SiteWish {
    SiteWish {
        domains: Some(vec![domain.into()]),
        ..named(name)
    }
}

fn write_key(site: &str) -> KeyWish {
    KeyWish {
        site: site.into(),
        rights: Rights::Write,
        name: String::new(),
        expires_ms: None,
    }
}

/// The names of all sites that a keeper knows, in the order of their names.
fn names(keeper: &Keeper) -> Vec<String> {
    let register = keeper.directory().register();
    let mut names: Vec<String> = register.sites().map(|site| site.name.to_string()).collect();
    names.sort();
    names
}

/// The field that was refused.
#[track_caller]
fn refused<T: std::fmt::Debug>(result: Result<T, DirectoryError>) -> &'static str {
    match result {
        Err(DirectoryError::Refused(refusal)) => refusal.field,
        other => panic!("{other:?}"),
    }
}
