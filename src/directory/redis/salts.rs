//! The salts of visitor hashes, which gateways that count together have in common: one hash, `ff:dir:salts`, a field for
//! each day (since 1970), the salt in hexadecimal.
//!
//! Whoever is first offers a salt, and that is the one that all take. Those of days that are over are removed by whoever
//! looks next.

use std::collections::BTreeMap;

use redis::{AsyncConnectionConfig, Client, RedisError};

use super::super::hexadecimal;
use super::super::refusal::DirectoryError;
use crate::config::CountersConfig;
use crate::redis_address::{AddressError, RedisAddress, connecting};

const KEY: &str = "ff:dir:salts";

/// The salt of a day, counted since 1970.
pub type DaySalt = (u64, [u8; 16]);

/// The salts in Redis. Connects for each look: there is one a minute.
#[derive(Debug)]
pub struct SharedSalts {
    address: RedisAddress,
    client: Client,
    connecting: AsyncConnectionConfig,
}

impl SharedSalts {
    /// Those of the Redis that keeps the counters; `None` without one. Asks nothing of the network yet.
    ///
    /// # Errors
    /// The setting of Redis.
    pub fn of(config: &CountersConfig) -> Result<Option<Self>, AddressError> {
        let Some(url) = &config.redis_url else { return Ok(None) };
        let address = RedisAddress::parse(url)?;
        Ok(Some(Self {
            client: address.client()?,
            address,
            connecting: connecting(config),
        }))
    }

    /// Offers salts, removes those before a day, and gives those that all gateways use: for each day that one was offered
    /// for, and others that are there.
    ///
    /// # Errors
    /// When Redis does not answer, or refuses, or has something else where a salt should be.
    pub async fn agree(&self, offers: &[DaySalt], first_day: u64) -> Result<Vec<DaySalt>, DirectoryError> {
        let connected = self
            .client
            .get_multiplexed_async_connection_with_config(&self.connecting)
            .await;
        let mut connection = connected.map_err(|error| self.trouble(&error))?;
        let mut asking = redis::pipe();
        for (day, salt) in offers {
            asking.hset_nx(KEY, day, hexadecimal::write(salt)).ignore();
        }
        asking.hgetall(KEY);
        let asked = asking.query_async(&mut connection).await;
        let (fields,): (BTreeMap<String, String>,) = asked.map_err(|error| self.trouble(&error))?;
        let over: Vec<&String> = fields
            .keys()
            .filter(|field| field.parse().is_ok_and(|day: u64| day < first_day))
            .collect();
        if !over.is_empty() {
            let removed = redis::cmd("HDEL").arg(KEY).arg(over).exec_async(&mut connection).await;
            removed.map_err(|error| self.trouble(&error))?;
        }
        let agreed: Vec<DaySalt> = fields
            .iter()
            .filter_map(read)
            .filter(|(day, _)| *day >= first_day)
            .collect();
        match offers
            .iter()
            .find(|(day, _)| agreed.iter().all(|(found, _)| found != day))
        {
            Some((day, _)) => {
                let told = format!("{KEY} {day} is not a salt of 32 hexadecimal digits: remove it");
                Err(DirectoryError::Redis(self.address.told(&told)))
            }
            None => Ok(agreed),
        }
    }

    fn trouble(&self, error: &RedisError) -> DirectoryError {
        DirectoryError::Redis(self.address.trouble(error))
    }
}

/// What is no salt of a day is left alone.
fn read((field, value): (&String, &String)) -> Option<DaySalt> {
    Some((field.parse().ok()?, hexadecimal::read(value)?))
}
