//! What a gateway asks of counters that it shares with others.

use super::{Commit, CountersError, Fields, Inherited, RedisCounters, RedisReader, RedisServer, Verdict};
use crate::event::{CounterHash, Deltas, Sequence};

/// Shared counters, as one gateway sees them: what it writes under its guard, and what it reads.
#[expect(async_fn_in_trait, reason = "its one caller runs on one thread")]
pub trait Remote {
    /// Claims the identity; see [`RedisCounters::connect`].
    ///
    /// # Errors
    /// Those of [`RedisCounters::connect`].
    async fn connect(&mut self, inherited: &[Inherited]) -> Result<Option<Sequence>, CountersError>;
    /// What the last process had that committed before us; see [`RedisCounters::before`].
    fn before(&self) -> &[Inherited];
    /// Applies the next commit; see [`RedisCounters::commit`].
    ///
    /// # Errors
    /// Those of [`RedisCounters::commit`].
    async fn commit(&mut self, commit: Commit<'_>) -> Result<Verdict, CountersError>;
    /// Gives everything there is; see [`RedisCounters::contribute`].
    ///
    /// # Errors
    /// Those of [`RedisCounters::contribute`].
    async fn contribute(&mut self, to: Sequence, whole: &Deltas) -> Result<Verdict, CountersError>;
    /// All totals of a hash, with this gateway's sequence in them; see [`RedisReader::read_totals`].
    ///
    /// # Errors
    /// Those of [`RedisReader::read_totals`].
    async fn read_totals(&self, hash: &CounterHash) -> Result<(Option<Sequence>, Fields), CountersError>;
    /// Goes on under another name; see [`RedisCounters::rename`].
    ///
    /// # Errors
    /// Those of [`RedisCounters::rename`].
    fn rename(&mut self, guard: [u8; 16]) -> Result<(), CountersError>;
    /// The nonce of this process; see [`RedisCounters::writer`].
    fn writer(&self) -> [u8; 16];
    /// Which generation of counters there is; see [`RedisReader::generation`].
    ///
    /// # Errors
    /// Those of [`RedisReader::generation`].
    async fn generation(&self) -> Result<u64, CountersError>;
    /// Ends a generation; see [`RedisReader::renew`].
    ///
    /// # Errors
    /// Those of [`RedisReader::renew`].
    async fn renew(&self, ending: u64) -> Result<(bool, u64), CountersError>;
    /// Which server it is; see [`RedisReader::server`].
    ///
    /// # Errors
    /// Those of [`RedisReader::server`].
    async fn server(&self) -> Result<RedisServer, CountersError>;
}

/// Redis has a connection for commits and others for reads.
impl Remote for (RedisCounters, RedisReader) {
    async fn connect(&mut self, inherited: &[Inherited]) -> Result<Option<Sequence>, CountersError> {
        self.0.connect(inherited).await
    }

    fn before(&self) -> &[Inherited] {
        self.0.before()
    }

    async fn commit(&mut self, commit: Commit<'_>) -> Result<Verdict, CountersError> {
        self.0.commit(commit).await
    }

    async fn contribute(&mut self, to: Sequence, whole: &Deltas) -> Result<Verdict, CountersError> {
        self.0.contribute(to, whole).await
    }

    async fn read_totals(&self, hash: &CounterHash) -> Result<(Option<Sequence>, Fields), CountersError> {
        self.1.read_totals(hash).await
    }

    fn rename(&mut self, guard: [u8; 16]) -> Result<(), CountersError> {
        self.0.rename(guard)?;
        self.1.rename(guard);
        Ok(())
    }

    fn writer(&self) -> [u8; 16] {
        self.0.writer()
    }

    async fn generation(&self) -> Result<u64, CountersError> {
        self.1.generation().await
    }

    async fn renew(&self, ending: u64) -> Result<(bool, u64), CountersError> {
        self.1.renew(ending).await
    }

    async fn server(&self) -> Result<RedisServer, CountersError> {
        self.1.server().await
    }
}
