//! The claims of all gateways, in Redis 7 or later, or Valkey 8 or later.
//!
//! Keys: `ff:{0}:points` has the sums, a field `<kind>:<user>`, and can be read by a person; `ff:{0}:points:claims` has
//! every user and time that was ever claimed, and `ff:{0}:points:kinds` the kinds there are. `…:before` is what stepped
//! aside. Besides the commands of the counters an access list must allow `hscan`; and `rename`, for a
//! Redis that has lost one of the two.

use std::collections::BTreeMap;

use redis::aio::MultiplexedConnection;
use redis::{Client, FromRedisValue, RedisError, Script, Value, from_redis_value};

use super::file::{PointsError, Row};
use super::{Question, Rates, Standings};
use crate::config::CountersConfig;
use crate::redis_address::{RedisAddress, connecting};

pub(super) const CLAIMS: &str = "ff:{0}:points:claims";
pub(super) const SUMS: &str = "ff:{0}:points";
const KINDS: &str = "ff:{0}:points:kinds";
/// Fields that a look at all sums asks for at once.
pub(super) const SCANNED_AT_ONCE: usize = 1_000;

/// What Redis says to claims.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reply {
    /// Redis has this gateway's claims up to the number; and for each that was told, the kind that an earlier one of
    /// somebody else has, or `None` if it is the first.
    Told(u64, Vec<Option<Box<str>>>),
    /// It has them only up to this number.
    Gap(u64),
}

/// A way to ask Redis; not connected at first, and after any failure.
#[derive(Debug, Clone)]
pub struct RemotePoints {
    address: RedisAddress,
    client: Client,
    connecting: redis::AsyncConnectionConfig,
    tell: Script,
    adopt: Script,
    connection: Option<MultiplexedConnection>,
}

impl RemotePoints {
    /// Asks nothing of the network yet.
    ///
    /// # Errors
    /// The URL does not fit.
    pub fn new(address: &RedisAddress, config: &CountersConfig) -> Result<Self, PointsError> {
        let client = address
            .client()
            .map_err(|error| PointsError::Redis(error.to_string().into()))?;
        Ok(Self {
            address: address.clone(),
            client,
            connecting: connecting(config),
            tell: Script::new(include_str!("lua/tell.lua")),
            adopt: Script::new(include_str!("lua/adopt.lua")),
            connection: None,
        })
    }

    /// Goes on as `token` after `before`, which had told its claims up to a number for sure; up to where Redis has them.
    ///
    /// # Errors
    /// Redis cannot be asked.
    pub async fn adopt(&mut self, token: &str, (before, upto): (&str, u64)) -> Result<u64, PointsError> {
        let adopt = self.adopt.clone();
        let mut call = adopt.key(CLAIMS);
        call.arg(token).arg(before).arg(upto);
        self.ask(async |connection| call.invoke_async(connection).await).await
    }

    /// Tells claims, the first of which follows the number `from`. Without any it asks how far Redis is.
    ///
    /// # Errors
    /// Redis cannot be asked: it may or may not have them now, and they can be told again.
    pub async fn tell(&mut self, token: &str, from: u64, rows: &[Row]) -> Result<Reply, PointsError> {
        let tell = self.tell.clone();
        let to = rows.last().map_or(from, |row| row.number);
        let mut call = tell.key(CLAIMS);
        call.key(SUMS).key(KINDS).arg(token).arg(from).arg(to);
        for row in rows {
            let Row {
                user,
                timestamp,
                kind,
                sequence,
                ..
            } = row;
            call.arg(format!("{timestamp}:{user}"))
                .arg(format!("{token}:{sequence}:{kind}"))
                .arg(kind.as_bytes())
                .arg(format!("{kind}:{user}"));
        }
        let reply: Value = self.ask(async |connection| call.invoke_async(connection).await).await?;
        self.reply(reply, rows.len())
    }

    fn reply(&self, reply: Value, rows: usize) -> Result<Reply, PointsError> {
        let strange = || self.unavailable("gave a reply that no script of ours gives");
        let mut values: Vec<String> = from_redis_value(reply).map_err(|_| strange())?;
        let first = |place: usize| values.get(place).map(String::as_str).unwrap_or_default();
        let at = first(1).parse();
        match first(0) {
            "OK" if values.len() == rows + 2 => {
                let winners = values.drain(2..).map(|value| winner(&value)).collect();
                Ok(Reply::Told(at.map_err(|_| strange())?, winners))
            }
            "GAP" => Ok(Reply::Gap(at.map_err(|_| strange())?)),
            "BAD" => Err(self.unavailable(&format!("{} {:?} cannot be raised", first(1), first(2)))),
            _ => Err(strange()),
        }
    }

    /// Users with their points, by what all gateways have claimed.
    ///
    /// # Errors
    /// Redis cannot be asked.
    pub async fn standings(&mut self, question: &Question, rates: &Rates) -> Result<Standings, PointsError> {
        match &question.user {
            Some(user) => self.of_user(user, question.kind.as_deref(), rates).await,
            None => self.of_all(question.kind.as_deref(), rates).await,
        }
    }

    async fn of_user(&mut self, user: &str, kind: Option<&str>, rates: &Rates) -> Result<Standings, PointsError> {
        let kinds = if let Some(kind) = kind {
            vec![kind.to_owned()]
        } else {
            let asking = redis::Cmd::hkeys(KINDS);
            self.ask(async |connection| asking.query_async(connection).await)
                .await?
        };
        if kinds.is_empty() {
            return Ok(Standings::new());
        }
        let mut asking = redis::cmd("HMGET");
        asking.arg(SUMS);
        for kind in &kinds {
            asking.arg(format!("{kind}:{user}"));
        }
        let sums: Vec<Option<u64>> = self
            .ask(async |connection| asking.query_async(connection).await)
            .await?;
        let known = kinds.iter().zip(sums).filter_map(|(kind, sum)| Some((kind, sum?)));
        let points = known.map(|(kind, sum)| rates.points(kind, sum));
        let points: Option<f64> = points.fold(None, |all, points| Some(all.unwrap_or_default() + points));
        Ok(points.map(|points| (user.into(), points)).into_iter().collect())
    }

    /// A scan may give a field twice while the hash grows, so each is kept apart until the end.
    async fn of_all(&mut self, kind: Option<&str>, rates: &Rates) -> Result<Standings, PointsError> {
        let mut found: BTreeMap<Box<str>, BTreeMap<Box<str>, u64>> = BTreeMap::new();
        let mut cursor = 0_u64;
        loop {
            let mut asking = redis::cmd("HSCAN");
            asking.arg(SUMS).arg(cursor).arg("COUNT").arg(SCANNED_AT_ONCE);
            let (next, pairs): (u64, Vec<(String, u64)>) = self
                .ask(async |connection| asking.query_async(connection).await)
                .await?;
            for (field, sum) in pairs {
                let Some((of, user)) = field.split_once(':') else {
                    continue;
                };
                if kind.is_none_or(|kind| kind == of) {
                    found.entry(user.into()).or_default().insert(of.into(), sum);
                }
            }
            cursor = next;
            if cursor == 0 {
                break;
            }
        }
        let points = |sums: BTreeMap<Box<str>, u64>| sums.iter().map(|(kind, sum)| rates.points(kind, *sum)).sum();
        Ok(found.into_iter().map(|(user, sums)| (user, points(sums))).collect())
    }

    /// Lets everything step aside: every gateway that runs tells all its claims again, the others when they run.
    ///
    /// # Errors
    /// Redis cannot be asked.
    pub async fn renew(&mut self) -> Result<(), PointsError> {
        // What the script does with sums that have no claims.
        let mut asking = redis::cmd("EXISTS");
        asking.arg(CLAIMS);
        let there: bool = self
            .ask(async |connection| asking.query_async(connection).await)
            .await?;
        if there {
            let aside = redis::Cmd::rename(CLAIMS, format!("{CLAIMS}:before"));
            self.ask(async |connection| aside.query_async::<()>(connection).await)
                .await?;
        }
        self.tell("", 0, &[]).await.map(drop)
    }

    pub(super) async fn ask<T: FromRedisValue>(
        &mut self,
        call: impl AsyncFnOnce(&mut MultiplexedConnection) -> Result<T, RedisError>,
    ) -> Result<T, PointsError> {
        // Taken out for the time of the call, so that a failure, or a caller that gives up, leaves none behind.
        let mut connection = if let Some(connection) = self.connection.take() {
            connection
        } else {
            let connecting = self
                .client
                .get_multiplexed_async_connection_with_config(&self.connecting);
            connecting.await.map_err(|error| self.trouble(&error))?
        };
        let reply = call(&mut connection).await.map_err(|error| self.trouble(&error))?;
        self.connection = Some(connection);
        Ok(reply)
    }

    fn trouble(&self, error: &RedisError) -> PointsError {
        PointsError::Redis(self.address.trouble(error))
    }

    fn unavailable(&self, trouble: &str) -> PointsError {
        PointsError::Redis(self.address.told(trouble))
    }
}

/// The kind of the claim that was first: what stands behind token and sequence.
pub(super) fn winner(value: &str) -> Option<Box<str>> {
    value.splitn(3, ':').nth(2).map(Into::into)
}
