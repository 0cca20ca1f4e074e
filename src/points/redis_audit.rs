//! Whether what Redis has of points fits together, for who checks it.

use std::collections::HashMap;

use redis::FromRedisValue;

use super::file::{PointsError, Row};
use super::redis::{CLAIMS, RemotePoints, SCANNED_AT_ONCE, SUMS, winner};

impl RemotePoints {
    /// Up to which number Redis says that it has the claims of whoever told them under a token; `None` if it has none.
    ///
    /// # Errors
    /// Redis cannot be asked.
    pub async fn told_by(&mut self, token: &str) -> Result<Option<u64>, PointsError> {
        let asking = redis::Cmd::hget(CLAIMS, format!(":{token}"));
        self.ask(async |connection| asking.query_async(connection).await).await
    }

    /// How many of these claims Redis lacks.
    ///
    /// # Errors
    /// Redis cannot be asked.
    pub async fn lacks(&mut self, rows: &[Row]) -> Result<usize, PointsError> {
        if rows.is_empty() {
            return Ok(0);
        }
        let mut asking = redis::cmd("HMGET");
        asking.arg(CLAIMS);
        for row in rows {
            asking.arg(format!("{}:{}", row.timestamp, row.user));
        }
        let held: Vec<Option<String>> = self
            .ask(async |connection| asking.query_async(connection).await)
            .await?;
        Ok(held.iter().filter(|held| held.is_none()).count())
    }

    /// How many sums are not what the claims come to; `None` if some were made meanwhile. Reads all of them.
    ///
    /// # Errors
    /// Redis cannot be asked.
    pub async fn wrong_sums(&mut self) -> Result<Option<usize>, PointsError> {
        let before = self.transactions().await?;
        let mut sums: HashMap<String, i64> = HashMap::new();
        self.scan::<i64>(SUMS, &mut |field, sum| *sums.entry(field).or_default() += sum)
            .await?;
        let mut expected: HashMap<String, i64> = HashMap::new();
        self.scan::<String>(CLAIMS, &mut |field, value| {
            if let Some(((_, user), kind)) = field
                .split_once(':')
                .filter(|(at, _)| !at.is_empty())
                .zip(winner(&value))
            {
                *expected.entry(format!("{kind}:{user}")).or_default() += 1;
            }
        })
        .await?;
        if self.transactions().await? != before {
            return Ok(None);
        }
        let strangers = sums.keys().filter(|field| !expected.contains_key(*field)).count();
        let wrong = expected.iter().filter(|(field, count)| sums.get(*field) != Some(count));
        Ok(Some(strangers + wrong.count()))
    }

    async fn transactions(&mut self) -> Result<Option<u64>, PointsError> {
        let asking = redis::Cmd::hget(CLAIMS, ":finished");
        self.ask(async |connection| asking.query_async(connection).await).await
    }

    /// Gives every field of a hash once.
    async fn scan<T: FromRedisValue + Clone>(
        &mut self,
        key: &str,
        take: &mut dyn FnMut(String, T),
    ) -> Result<(), PointsError> {
        // A scan may give a field twice while the hash grows.
        let (mut cursor, mut found) = (0_u64, HashMap::<String, T>::new());
        loop {
            let mut asking = redis::cmd("HSCAN");
            asking.arg(key).arg(cursor).arg("COUNT").arg(SCANNED_AT_ONCE);
            let (next, pairs): (u64, Vec<(String, T)>) = self
                .ask(async |connection| asking.query_async(connection).await)
                .await?;
            found.extend(pairs);
            cursor = next;
            if cursor == 0 {
                break;
            }
        }
        for (field, value) in found {
            take(field, value);
        }
        Ok(())
    }
}
