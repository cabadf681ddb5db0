//! The store in PostgreSQL: for any number of processes.
//!
//! Every call is one statement where that can be, and takes whole batches as arrays (`UNNEST`). What must not happen twice
//! is decided by the database, in the statement that writes.

mod access;
mod claims;
mod columns;
mod commit;
mod counts;
mod deliveries;
mod failure;
mod hold;
mod jobs;
mod keys;
mod labels;
mod limits;
mod list;
mod migrate;
mod newest;
mod options;
mod others;
mod registry;
mod retention;
mod text;
mod triggers;
mod values;
mod vault;
mod workflows;

#[cfg(test)]
pub(crate) mod tests;

use async_trait::async_trait;
use millwork_core::digest::Digest;
use millwork_core::event::Seq;
use millwork_core::id::{RunId, WorkflowId};
use millwork_core::time::Timestamp;
use sqlx::PgPool;
use sqlx::postgres::PgPoolOptions;

pub use self::hold::{Held, Hold};
pub use self::options::{Address, Options};
use crate::limits::{LimitQuery, LimitRow, Turn};
use crate::{
    Claim, Commit, Committed, CountsOverTime, Due, Error, Expected, Limits, OverTime, Plugin,
    Renewal, RunCounts, RunQuery, RunRow, Store, Stretch, Value, ValueKey, Written,
};
use failure::within;

/// Batches of commits that are written side by side: while one waits for the disk, the other is read from the wire. Two are
/// better than one by two thirds, and more are worse again.
const LANES: usize = 2;

/// A store in a PostgreSQL database. Cheap to clone: every clone is the same one.
#[derive(Clone, Debug)]
pub struct Postgres {
    pool: PgPool,
}

impl Postgres {
    /// Opens the store.
    ///
    /// # Errors
    /// Where the database does not answer, or its schema is older or newer than this host's.
    pub async fn open(options: &Options) -> Result<Self, Error> {
        let pool = connect(options).await?;
        migrate::check(&pool).await?;
        Ok(Self { pool })
    }

    /// Brings the schema of a database up to date. Any number of processes may do so at once. Returns how many migrations
    /// there are now.
    ///
    /// # Errors
    /// Where the database does not answer, or a later host has migrated it.
    pub async fn migrate(options: &Options) -> Result<u32, Error> {
        let pool = connect(options).await?;
        let known = migrate::run(&pool).await;
        pool.close().await;
        known
    }

    /// Makes sure that who must be alone on a database is, for as long as the answer lives.
    ///
    /// # Errors
    /// Where another process stands in the way; or the database does not answer.
    pub async fn hold(options: &Options, hold: Hold) -> Result<Held, Error> {
        Held::take(options, hold).await
    }
}

async fn connect(options: &Options) -> Result<PgPool, Error> {
    let pool = PgPoolOptions::new()
        .max_connections(options.connections_max)
        .acquire_timeout(options::CONNECT_TIMEOUT)
        // A connection that has died is found out by its first statement, which is tried again by whoever wanted it.
        .test_before_acquire(false)
        .connect_with(options.connect.clone())
        .await;
    pool.map_err(failure::of("connect to PostgreSQL"))
}

#[async_trait]
impl Limits for Postgres {
    async fn list_limits(&self, query: LimitQuery) -> Result<Vec<LimitRow>, Error> {
        within("list limits", limits::list(&self.pool, &query)).await
    }

    async fn find_turn(&self, run: RunId) -> Result<Option<Turn>, Error> {
        within(
            "find what a run waits for",
            limits::find_turn(&self.pool, run),
        )
        .await
    }

    async fn list_outdone(
        &self,
        workflow: WorkflowId,
        key: &str,
        kept: u32,
        limit: usize,
    ) -> Result<Vec<RunId>, Error> {
        let outdone = limits::list_outdone(&self.pool, workflow, key, kept, limit);
        within("list the runs of a key", outdone).await
    }
}

#[async_trait]
impl Store for Postgres {
    async fn commit(&self, commits: Vec<Commit>) -> Result<Vec<Committed>, Error> {
        within("commit", commit::write(&self.pool, commits)).await
    }

    fn lanes(&self) -> usize {
        LANES
    }

    async fn load_journal(&self, run: RunId, from: Seq) -> Result<Vec<String>, Error> {
        within("load a journal", list::journal(&self.pool, run, from)).await
    }

    async fn read_journal(
        &self,
        run: RunId,
        from: Seq,
        limit: usize,
    ) -> Result<Option<Stretch>, Error> {
        let read = list::stretch(&self.pool, run, from, limit);
        within("read a journal", read).await
    }

    async fn list_runs(&self, query: RunQuery) -> Result<Vec<RunRow>, Error> {
        within("list runs", list::runs(&self.pool, &query)).await
    }

    async fn list_due(
        &self,
        after: Option<Due>,
        before: Timestamp,
        limit: usize,
    ) -> Result<Vec<Due>, Error> {
        let due = list::due(&self.pool, after, before, limit);
        within("list the runs that are due", due).await
    }

    async fn claim_due(&self, claim: Claim) -> Result<Vec<Due>, Error> {
        within(
            "take on runs that are due",
            claims::claim_due(&self.pool, &claim),
        )
        .await
    }

    async fn renew(&self, renewals: Vec<Renewal>) -> Result<Vec<bool>, Error> {
        within("renew claims", claims::renew(&self.pool, &renewals)).await
    }

    async fn settle(&self, finished: Vec<RunId>) -> Result<(), Error> {
        within(
            "settle finished runs",
            claims::settle(&self.pool, &finished),
        )
        .await
    }

    async fn count_runs(&self, of: Vec<Option<WorkflowId>>) -> Result<Vec<RunCounts>, Error> {
        within("count the runs", counts::read(&self.pool, &of)).await
    }

    async fn count_over_time(&self, query: OverTime) -> Result<CountsOverTime, Error> {
        let count = counts::over_time(&self.pool, &query);
        within("count the runs over time", count).await
    }

    async fn insert_plugin(&self, plugin: Plugin) -> Result<(), Error> {
        within("keep a plugin", others::insert_plugin(&self.pool, &plugin)).await
    }

    async fn find_plugin(&self, digest: Digest) -> Result<Option<Plugin>, Error> {
        within("find a plugin", others::find_plugin(&self.pool, digest)).await
    }

    async fn find_value(&self, key: &ValueKey) -> Result<Option<Value>, Error> {
        within("find a connector's value", values::find(&self.pool, key)).await
    }

    async fn write_value(
        &self,
        key: &ValueKey,
        value: Option<Vec<u8>>,
        expected: Expected,
    ) -> Result<Written, Error> {
        let write = values::write(&self.pool, key, value.as_deref(), expected);
        within("write a connector's value", write).await
    }

    async fn remove_finished(
        &self,
        finished_before: Timestamp,
        now: Timestamp,
        limit: usize,
    ) -> Result<usize, Error> {
        const ACTION: &str = "remove old runs";
        while within(ACTION, retention::forget_keys(&self.pool, now)).await? {}
        while within(ACTION, limits::forget_idle(&self.pool, now)).await? {}
        let remove = retention::remove_runs(&self.pool, finished_before, limit);
        within(ACTION, remove).await
    }

    async fn ping(&self) -> Result<(), Error> {
        within("write the pulse", others::beat(&self.pool)).await
    }

    async fn size_bytes(&self) -> Result<Option<u64>, Error> {
        let size = others::size(&self.pool);
        within("find out how large the database is", size).await
    }

    async fn clock(&self) -> Result<Option<Timestamp>, Error> {
        within("ask for the time", others::clock(&self.pool)).await
    }
}
