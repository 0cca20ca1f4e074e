//! Reading totals and asking after the server's health, over a small pool of connections.
//!
//! A pool of connections belongs to the runtime that it is used on. A connection on which anything failed is taken
//! out of the pool and dropped.

use std::time::Duration;

use deadpool_redis::{Connection, Manager, Pool, Runtime};
use redis::{FromRedisValue, RedisError, Script, from_redis_value};

use super::script;
use crate::clock;
use crate::config::CountersConfig;
use crate::counters::{CountersError, Fields};
use crate::event::{CounterHash, Sequence};
use crate::redis_address::{RedisAddress, connecting};

/// Reads what all gateways have counted.
pub struct RedisReader {
    address: RedisAddress,
    pool: Pool,
    id: String,
    script: Script,
    timeout: Duration,
}

/// What a server says of itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RedisServer {
    /// `redis` or `valkey`.
    pub product: String,
    /// Its version, such as `7.0.15`.
    pub version: String,
    /// `maxmemory-policy`: what it does when its memory is full.
    pub eviction_policy: String,
}

impl RedisServer {
    /// Whether it may throw counters away, and their guard with them: any policy but `noeviction`, whether or not
    /// a limit is set today.
    #[must_use]
    pub fn may_evict(&self) -> bool {
        self.eviction_policy != "noeviction"
    }

    /// Whether it is of a version that the gateway is tested with: Redis 7, Valkey 8, or later.
    #[must_use]
    pub fn is_supported(&self) -> bool {
        let major = self
            .version
            .split('.')
            .next()
            .and_then(|major| major.parse::<u32>().ok());
        let least = if self.product == "valkey" { 8 } else { 7 };
        major.is_some_and(|major| major >= least)
    }

    fn from_info(info: &str) -> Option<Self> {
        let value = |name: &str| {
            let mut lines = info.lines().filter_map(|line| line.split_once(':'));
            lines
                .find(|(key, _)| *key == name)
                .map(|(_, value)| value.trim().to_owned())
        };
        // Valkey gives a `redis_version` too, for clients that know no other.
        let (product, version) = match value("valkey_version") {
            Some(version) => ("valkey", version),
            None => ("redis", value("redis_version")?),
        };
        Some(Self {
            product: product.to_owned(),
            version,
            eviction_policy: value("maxmemory_policy")?,
        })
    }
}

impl std::fmt::Debug for RedisReader {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RedisReader")
            .field("address", &self.address)
            .finish_non_exhaustive()
    }
}

impl RedisReader {
    /// A pool of `pool_size` connections for the gateway with this identity; asks nothing of the network yet.
    ///
    /// # Errors
    /// [`CountersError::Unsuitable`]: the URL does not fit.
    pub fn new(address: &RedisAddress, config: &CountersConfig, identity: [u8; 16]) -> Result<Self, CountersError> {
        let unsuitable = |error: String| CountersError::Unsuitable(error.into());
        let manager = Manager::new_with_config(address.info(), connecting(config))
            .map_err(|error| unsuitable(error.to_string()))?;
        let timeout = clock::ms(config.redis_timeout_ms);
        let pool = Pool::builder(manager)
            .max_size(config.pool_size.max(1))
            .runtime(Runtime::Tokio1)
            .wait_timeout(Some(timeout))
            .create_timeout(Some(timeout))
            .recycle_timeout(Some(timeout))
            .build()
            .map_err(|error| unsuitable(error.to_string()))?;
        Ok(Self {
            address: address.clone(),
            pool,
            id: script::hexadecimal(identity),
            script: script::read_script(),
            timeout,
        })
    }

    /// From now on this gateway is the one of this name.
    pub fn rename(&mut self, guard: [u8; 16]) {
        self.id = script::hexadecimal(guard);
    }

    /// The totals of one hash, of all gateways together, and the sequence that this gateway's commits have come to
    /// in them, both of the same moment. Fields that hold no total are left out.
    ///
    /// # Errors
    /// [`CountersError::Unavailable`].
    pub async fn read_totals(&self, hash: &CounterHash) -> Result<(Option<Sequence>, Fields), CountersError> {
        let call = script::read(&self.script, &self.id, hash);
        let reply = self.ask(async |connection| call.invoke_async(connection).await);
        let (cursor, pairs): (Option<u64>, Vec<(String, redis::Value)>) = reply.await?;
        let total = |(field, value): (String, redis::Value)| Some((field.into(), from_redis_value(value).ok()?));
        Ok((cursor.map(Sequence), pairs.into_iter().filter_map(total).collect()))
    }

    /// Which generation of counters this is: how often they were begun anew.
    ///
    /// # Errors
    /// [`CountersError::Unavailable`].
    pub async fn generation(&self) -> Result<u64, CountersError> {
        let asking = redis::Cmd::hget(script::GUARD, script::GENERATION);
        let found: Option<u64> = self
            .ask(async |connection| asking.query_async(connection).await)
            .await?;
        Ok(found.unwrap_or_default())
    }

    /// Ends a generation, unless that was done before: the counters step aside (`…:before-<generation>`), and every
    /// gateway learns that its counts are lost and contributes all it has counted. Says whether this call did it, and
    /// which generation there is now.
    ///
    /// # Errors
    /// [`CountersError::Unavailable`]: it may or may not have been done; [`RedisReader::generation`] tells.
    pub async fn renew(&self, ending: u64) -> Result<(bool, u64), CountersError> {
        let script = script::renew_script();
        let call = script::renew(&script, ending);
        let reply = self.ask(async |connection| call.invoke_async(connection).await);
        script::renewed(reply.await?)
    }

    /// How many gateways have counted here.
    ///
    /// # Errors
    /// [`CountersError::Unavailable`].
    pub async fn gateways(&self) -> Result<usize, CountersError> {
        let fields: Vec<String> = self
            .ask(async |connection| redis::cmd("HKEYS").arg(script::GUARD).query_async(connection).await)
            .await?;
        // Each has a field of its name for its sequence, and further ones after a colon.
        Ok(fields.iter().filter(|field| !field.contains(':')).count())
    }

    /// Whether Redis answers.
    ///
    /// # Errors
    /// [`CountersError::Unavailable`].
    pub async fn ping(&self) -> Result<(), CountersError> {
        self.ask(async |connection| redis::cmd("PING").exec_async(connection).await)
            .await
    }

    /// Which server it is, and whether it may evict keys.
    ///
    /// # Errors
    /// [`CountersError::Unavailable`], also when the access list forbids `INFO`.
    pub async fn server(&self) -> Result<RedisServer, CountersError> {
        let mut asking = redis::pipe();
        asking.cmd("INFO").arg("server").cmd("INFO").arg("memory");
        let info: Vec<String> = self
            .ask(async |connection| asking.query_async(connection).await)
            .await?;
        RedisServer::from_info(&info.concat()).ok_or_else(|| self.unavailable("INFO tells no version or policy"))
    }

    /// Gives a call a connection, and a time in which it must be done.
    async fn ask<T: FromRedisValue>(
        &self,
        call: impl AsyncFnOnce(&mut Connection) -> Result<T, RedisError>,
    ) -> Result<T, CountersError> {
        let mut connection = self
            .pool
            .get()
            .await
            .map_err(|error| self.unavailable(&error.to_string()))?;
        // Each reply has its limit already; this one is for calls that take several.
        match tokio::time::timeout(self.timeout, call(&mut connection)).await {
            Ok(Ok(reply)) => Ok(reply),
            failure => {
                drop(Connection::take(connection));
                Err(match failure {
                    Ok(Err(error)) => CountersError::Unavailable(self.address.trouble(&error)),
                    _ => self.unavailable("timed out"),
                })
            }
        }
    }

    fn unavailable(&self, trouble: &str) -> CountersError {
        CountersError::Unavailable(self.address.told(trouble))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn server(info: &str) -> RedisServer {
        RedisServer::from_info(info).unwrap()
    }

    #[test]
    fn product_version_and_policy_are_read_from_info() {
        let redis = server("# Server\r\nredis_version:7.0.15\r\n# Memory\r\nmaxmemory_policy:noeviction\r\n");
        assert_eq!((redis.product.as_str(), redis.version.as_str()), ("redis", "7.0.15"));
        assert!(redis.is_supported() && !redis.may_evict());
        let valkey = server("redis_version:7.2.4\r\nvalkey_version:9.1.2\r\nmaxmemory_policy:allkeys-lru\r\n");
        assert_eq!((valkey.product.as_str(), valkey.version.as_str()), ("valkey", "9.1.2"));
        assert!(valkey.is_supported() && valkey.may_evict());
        assert!(RedisServer::from_info("redis_version:7.0.15\r\n").is_none());
    }

    #[test]
    fn versions_that_the_scripts_do_not_run_on_are_not_supported() {
        let of = |version: &str| server(&format!("{version}\nmaxmemory_policy:noeviction")).is_supported();
        assert!(!of("redis_version:6.2.14") && of("redis_version:7.0.0") && of("redis_version:10.1.0"));
        assert!(!of("valkey_version:7.2.8\nredis_version:7.2.8") && of("valkey_version:8.0.0"));
        assert!(!of("redis_version:unstable"));
    }
}
