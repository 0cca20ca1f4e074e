//! The directory in Redis or Valkey: one hash, `ff:dir:register`, so that it is always read and changed as a whole.
//!
//! Its fields are `edition`, `site:<id>` and `key:<id>`; others are left alone. Texts of users are in values only.

mod salts;

use std::fmt;

use redis::aio::MultiplexedConnection;
use redis::{AsyncConnectionConfig, Client, Cmd, FromRedisValue, RedisError, Script};

pub use self::salts::{DaySalt, SharedSalts};

use super::edition::Edition;
use super::record::{self, Kind, Writing};
use super::refusal::DirectoryError;
use super::register::Register;
use crate::config::CountersConfig;
use crate::redis_address::{AddressError, RedisAddress, connecting};

const KEY: &str = "ff:dir:register";
const EDITION: &str = "edition";

/// The hash, over a connection that is made when it is needed and dropped after any failure, so that no late reply is
/// taken for another one's.
#[derive(Debug)]
pub(super) struct RedisHash {
    address: RedisAddress,
    client: Client,
    connecting: AsyncConnectionConfig,
    change: Script,
    connection: Option<MultiplexedConnection>,
}

impl RedisHash {
    /// Asks nothing of the network yet.
    pub fn new(address: RedisAddress, config: &CountersConfig) -> Result<Self, AddressError> {
        Ok(Self {
            client: address.client()?,
            address,
            connecting: connecting(config),
            change: Script::new(include_str!("../lua/change.lua")),
            connection: None,
        })
    }

    pub async fn edition(&mut self) -> Result<Edition, DirectoryError> {
        let text: Option<String> = self.ask(&Cmd::hget(KEY, EDITION)).await?;
        Edition::parse(&text.unwrap_or_default()).ok_or_else(|| self.strange())
    }

    pub async fn load(&mut self) -> Result<Register, DirectoryError> {
        let fields = self.ask(&Cmd::hgetall(KEY)).await?;
        self.read(fields)
    }

    /// Writes a change if the hash has the edition that it was made for.
    pub async fn write(&mut self, writing: &Writing) -> Result<bool, DirectoryError> {
        let mut connection = match self.connection.take() {
            Some(connection) => connection,
            None => self.connect().await?,
        };
        let mut call = self.change.key(KEY);
        call.arg(writing.from.to_string()).arg(writing.to.to_string());
        call.arg(u8::from(writing.whole));
        for entry in &writing.entries {
            let field = format!("{}:{}", entry.kind.name(), entry.id);
            call.arg(field).arg(entry.text.as_deref().unwrap_or_default());
        }
        let written: Result<bool, _> = call.invoke_async(&mut connection).await;
        match written {
            Ok(written) => {
                self.connection = Some(connection);
                Ok(written)
            }
            // What Redis refuses it has not done; anything else may have happened on the way there or back.
            Err(error) if error.code().is_some() => Err(self.trouble(&error)),
            Err(error) => Err(DirectoryError::Unknown(self.address.trouble(&error))),
        }
    }

    fn read(&self, fields: Vec<(Vec<u8>, Vec<u8>)>) -> Result<Register, DirectoryError> {
        let (mut edition, mut records) = (Some(Edition::NONE), Vec::new());
        for (field, value) in fields {
            let Ok(field) = String::from_utf8(field) else { continue };
            if field == EDITION {
                edition = str::from_utf8(&value).ok().and_then(Edition::parse);
            } else if let Some((kind, id)) = parse_field(&field) {
                records.push((kind, id.to_owned(), value));
            }
        }
        let edition = edition.ok_or_else(|| self.strange())?;
        Ok(record::read(edition, records.into_iter()))
    }

    /// Asks something that changes nothing, so that it can be asked again on a new connection if the one that has
    /// rested since the last time turns out to be closed.
    async fn ask<T: FromRedisValue>(&mut self, command: &Cmd) -> Result<T, DirectoryError> {
        if let Some(mut rested) = self.connection.take() {
            match command.query_async(&mut rested).await {
                Ok(reply) => {
                    self.connection = Some(rested);
                    return Ok(reply);
                }
                Err(error) if error.is_connection_dropped() => {}
                Err(error) => return Err(self.trouble(&error)),
            }
        }
        let mut connection = self.connect().await?;
        let reply = command.query_async(&mut connection).await;
        let reply = reply.map_err(|error| self.trouble(&error))?;
        self.connection = Some(connection);
        Ok(reply)
    }

    async fn connect(&self) -> Result<MultiplexedConnection, DirectoryError> {
        let connected = self
            .client
            .get_multiplexed_async_connection_with_config(&self.connecting)
            .await;
        connected.map_err(|error| self.trouble(&error))
    }

    fn trouble(&self, error: &RedisError) -> DirectoryError {
        DirectoryError::Redis(self.address.trouble(error))
    }

    fn strange(&self) -> DirectoryError {
        let why = format!("{KEY} has an {EDITION} that this program does not know");
        DirectoryError::Redis(self.address.told(&why))
    }
}

impl fmt::Display for RedisHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.address.fmt(f)
    }
}

fn parse_field(field: &str) -> Option<(Kind, &str)> {
    let (name, id) = field.split_once(':')?;
    let kind = Kind::ALL.into_iter().find(|kind| kind.name() == name)?;
    Some((kind, id))
}
