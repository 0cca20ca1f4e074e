//! Counters in Redis 7 or later, or Valkey 8 or later.
//!
//! Keys, all of one partition, `{0}`:
//! - `ff:meta`: a hash with `format` and `partitions`, written at birth; another value is refused.
//! - `ff:{0}:guard`: a hash; per gateway, named by its identity in hexadecimal, the fields `<id>` (the sequence its
//!   commits have come to), `<id>:epoch` and `<id>:nonce` (who may commit), `<id>:inherited` (what the journal of that
//!   process has of earlier ones), `<id>:ousted` and `<id>:at` (the nonce of the process that it ousted, and the
//!   sequence then), `<id>:before` (what the journal of the last other process had that committed); and `:generation`,
//!   `:started` and `:finished` (how many transactions have begun, and which came to its end last).
//! - `ff:{0}:begun`: a hash that is there when somebody has counted in this generation; `by` says who was first.
//! - `ff:{0}:visits`, `ff:{0}:events`: plain hashes, field to total, of the default site; `ff:{0}:<site>:visits`
//!   and so on of any other. `…:before-<generation>` is what such a hash was before that generation began.
//!
//! Only the guarded script writes counters. A user of an access list needs these commands and the keys `ff:*`:
//! `evalsha`, `script|load`, `hmget`, `hset`, `hincrby`, `hsetnx`, `hkeys`, `hget`, `hgetall`, `exists`, `ping`, `unwatch`,
//! `info`, `select` for a database other than 0, to begin a new generation `keys` and `rename`, and `hdel` for that and
//! for sites, keys and salts.
//!
//! Commits have a connection of their own: a pool would ask for a round trip before each. Any failure on it drops
//! it, so that no late reply is ever taken for a later one, and [`RedisCounters::connect`] claims the identity
//! anew: the claim's epoch keeps a commit that is still on its way over the old connection from being applied.

mod reader;
mod script;

use redis::aio::MultiplexedConnection;
use redis::{Client, RedisError};

pub use self::reader::{RedisReader, RedisServer};

use self::script::{Claimed, Kind, Scripts, Stamp};
use super::{Commit, CountersError, Fence, Inherited, Verdict};
use crate::config::CountersConfig;
use crate::event::{Deltas, Sequence};
use crate::redis_address::{RedisAddress, connecting};

/// The layout of keys and hashes that this program reads and writes.
const FORMAT: &str = "1";
/// How many partitions the keys are spread over.
const PARTITIONS: &str = "1";

/// The one writer of this gateway's counts in Redis. Disconnected at first, and again after any failure.
#[derive(Debug)]
pub struct RedisCounters {
    address: RedisAddress,
    client: Client,
    connecting: redis::AsyncConnectionConfig,
    scripts: Scripts,
    stamp: Stamp,
    nonce: [u8; 16],
    /// What every claim leaves word of.
    inherited: Vec<Inherited>,
    /// What the last other process had that committed under the name before the claim.
    before: Vec<Inherited>,
    connection: Option<MultiplexedConnection>,
    fenced: Option<Fence>,
}

impl RedisCounters {
    /// The counters of the gateway with this identity; asks nothing of the network yet.
    ///
    /// # Errors
    /// [`CountersError::Unsuitable`]: the URL does not fit, or the machine gives no random numbers.
    pub fn new(address: &RedisAddress, config: &CountersConfig, identity: [u8; 16]) -> Result<Self, CountersError> {
        let nonce = random()?;
        Ok(Self {
            address: address.clone(),
            client: address.client()?,
            connecting: connecting(config),
            scripts: Scripts::default(),
            stamp: Stamp::new(identity, nonce),
            nonce,
            inherited: Vec::new(),
            before: Vec::new(),
            connection: None,
            fenced: None,
        })
    }

    /// Connects, claims the identity, leaving word of what the journal has `inherited`, and returns this gateway's
    /// cursor: the sequence its commits have come to, or `None` if this Redis has nothing of it. After a commit whose
    /// fate is not known, the cursor tells it. Drops the connection that there was. Takes at most five times
    /// `redis_timeout_ms`.
    ///
    /// # Errors
    /// [`CountersError::Unavailable`]: pause, then try again. [`CountersError::Unsuitable`]: keys of another format
    /// or number of partitions. [`CountersError::Fenced`]: for good; every later call says so too.
    pub async fn connect(&mut self, inherited: &[Inherited]) -> Result<Option<Sequence>, CountersError> {
        self.connection = None;
        inherited.clone_into(&mut self.inherited);
        if let Some(fence) = self.fenced.clone() {
            return Err(CountersError::Fenced(fence));
        }
        let connecting = self
            .client
            .get_multiplexed_async_connection_with_config(&self.connecting);
        let mut connection = connecting.await.map_err(|error| self.unavailable(&error))?;
        self.check_format(&mut connection).await?;
        let cursor = self.claim(&mut connection).await?;
        self.connection = Some(connection);
        Ok(cursor)
    }

    /// What the journal of the last other process had that committed under this name before the claim, itself included;
    /// empty if there was none.
    #[must_use]
    pub fn before(&self) -> &[Inherited] {
        &self.before
    }

    /// The nonce of this process, as random as an identity: after a fence it can be the new name.
    #[must_use]
    pub const fn writer(&self) -> [u8; 16] {
        self.nonce
    }

    /// Goes on under another name, of which no Redis has anything yet; the former one is left to whoever claimed it.
    ///
    /// # Errors
    /// [`CountersError::Unsuitable`]: the machine gives no random numbers.
    pub fn rename(&mut self, guard: [u8; 16]) -> Result<(), CountersError> {
        self.nonce = random()?;
        self.stamp = Stamp::new(guard, self.nonce);
        self.before.clear();
        self.connection = None;
        self.fenced = None;
        Ok(())
    }

    /// Whether a commit can be tried; otherwise [`RedisCounters::connect`] first.
    #[must_use]
    pub fn is_connected(&self) -> bool {
        self.connection.is_some()
    }

    /// Applies a commit. One script call. A future that is dropped half-way drops the connection.
    ///
    /// # Errors
    /// [`CountersError::Unavailable`]: it may or may not have been applied; the connection is dropped, and the
    /// cursor of the next [`RedisCounters::connect`] tells.
    pub async fn commit(&mut self, commit: Commit<'_>) -> Result<Verdict, CountersError> {
        self.apply(commit, Kind::Next).await
    }

    /// After [`Verdict::Lost`]: gives this Redis everything that the gateway has counted up to `to`, as one commit
    /// from the beginning. Claims the identity anew, since the claim is lost as well. If Redis has a sequence of
    /// this gateway by now, the verdict is [`Verdict::Duplicate`] or [`Verdict::Gap`].
    ///
    /// # Errors
    /// Those of [`RedisCounters::connect`] and of [`RedisCounters::commit`].
    pub async fn contribute(&mut self, to: Sequence, whole: &Deltas) -> Result<Verdict, CountersError> {
        let mut connection = self.take_connection()?;
        self.check_format(&mut connection).await?;
        self.claim(&mut connection).await?;
        self.connection = Some(connection);
        let commit = Commit {
            from: Sequence::ZERO,
            to,
            deltas: whole,
        };
        self.apply(commit, Kind::Whole).await
    }

    async fn apply(&mut self, commit: Commit<'_>, kind: Kind) -> Result<Verdict, CountersError> {
        // Taken out for the time of the call, so that a failure, or a caller that gives up, leaves none behind.
        let mut connection = self.take_connection()?;
        let reply = self
            .scripts
            .apply(&self.stamp, commit, kind)
            .invoke_async(&mut connection)
            .await;
        let reply = reply.map_err(|error| self.unavailable(&error))?;
        let verdict = script::verdict(reply, commit.deltas)?;
        if verdict != Verdict::Stale {
            self.connection = Some(connection);
        }
        Ok(verdict)
    }

    fn take_connection(&mut self) -> Result<MultiplexedConnection, CountersError> {
        match self.connection.take() {
            Some(connection) => Ok(connection),
            None => Err(self.fenced.clone().map_or_else(
                || CountersError::Unavailable("not connected".into()),
                CountersError::Fenced,
            )),
        }
    }

    /// Writes format and number of partitions at birth, and compares them ever after.
    async fn check_format(&self, connection: &mut MultiplexedConnection) -> Result<(), CountersError> {
        let mut asking = redis::pipe();
        asking.hset_nx(script::META, "format", FORMAT).ignore();
        asking.hset_nx(script::META, "partitions", PARTITIONS).ignore();
        asking.cmd("HMGET").arg(script::META).arg(&["format", "partitions"]);
        let reply = asking.query_async(connection).await;
        let ((format, partitions),): ((String, String),) = reply.map_err(|error| self.unavailable(&error))?;
        for (what, found, wanted) in [("format", format, FORMAT), ("partitions", partitions, PARTITIONS)] {
            if found != wanted {
                let text = format!(
                    "{}: the counters have {what} {found}, this gateway needs {wanted}; give it another database",
                    self.address
                );
                return Err(CountersError::Unsuitable(text.into()));
            }
        }
        Ok(())
    }

    async fn claim(&mut self, connection: &mut MultiplexedConnection) -> Result<Option<Sequence>, CountersError> {
        let reply = self
            .scripts
            .claim(&self.stamp, &self.inherited)
            .invoke_async(connection)
            .await;
        match script::claimed(reply.map_err(|error| self.unavailable(&error))?, &self.stamp)? {
            Claimed::Held { epoch, cursor, before } => {
                self.stamp.epoch = epoch;
                self.before = before;
                Ok(cursor)
            }
            Claimed::Fenced(fence) => {
                self.fenced = Some(fence.clone());
                Err(CountersError::Fenced(fence))
            }
        }
    }

    fn unavailable(&self, error: &RedisError) -> CountersError {
        CountersError::Unavailable(self.address.trouble(error))
    }
}

fn random() -> Result<[u8; 16], CountersError> {
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes)
        .map_err(|error| CountersError::Unsuitable(format!("no random numbers: {error}").into()))?;
    Ok(bytes)
}
