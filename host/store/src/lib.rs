//! The store: what Millwork remembers. The door is [`Store`]; the implementations are behind it.
//!
//! The truth about a run is its **journal**. Beside it each run has one narrow row, which lists, filters and the
//! schedule read. The row's `due_at` says from when on the run has something to do, whether that is a step to run now
//! or a timer in a month; so recovery after a crash, timers and the backlog are one and the same question:
//! *which runs are due?*

#[cfg(any(test, feature = "conformance"))]
pub mod conformance;
pub mod memory;
pub mod postgres;
pub mod sqlite;

mod access;
mod chance;
mod claim;
mod counts;
mod delivery;
mod error;
mod job;
pub mod leaf;
pub mod limits;
mod over_time;
mod plugin;
mod registry;
mod run;
pub mod trigger;
mod value;
mod vault;
mod workflow;

use async_trait::async_trait;
use millwork_core::digest::Digest;
use millwork_core::event::Seq;
use millwork_core::id::{RunId, WorkflowId};
use millwork_core::time::Timestamp;

pub use crate::access::{Access, AuditEntry, AuditOutcome, Token};
pub use crate::claim::{Claim, Renewal};
pub use crate::counts::RunCounts;
pub use crate::delivery::{
    Came, Deliveries, Delivery, DeliveryCounts, DeliveryQuery, DeliveryState, DeliveryStep, Resend,
};
pub use crate::error::Error;
pub use crate::job::{Job, JobStep, Jobs};
pub use crate::limits::Limits;
pub use crate::memory::Memory;
pub use crate::over_time::{CountsOverTime, OverTime};
pub use crate::plugin::Plugin;
pub use crate::postgres::Postgres;
pub use crate::registry::{Installed, InstalledPlugin, PluginDecision, Registry};
pub use crate::run::{
    Commit, Committed, Due, Idempotency, NewRun, Order, RunQuery, RunRow, STRETCH_BYTES_MAX,
    Stretch,
};
pub use crate::sqlite::Sqlite;
pub use crate::trigger::Triggers;
pub use crate::value::{Expected, Value, ValueKey, Written};
pub use crate::vault::{SealedSecret, Vault};
pub use crate::workflow::{
    Changed, Deleted, Labels, NewVersion, VersionRow, Workflow, WorkflowHead, WorkflowQuery,
    Workflows,
};

/// PORT: keeps runs and plugins; and workflows, by [`Workflows`]; jobs, by [`Jobs`]; deliveries, by [`Deliveries`].
///
/// Every method may be called from many tasks at once. An error means that nothing is known to have been written; the
/// caller may try again, since each write is harmless the second time (a commit that did get through conflicts with itself).
/// A write whose future is dropped before it answered may still be carried out.
#[async_trait]
pub trait Store: Workflows + Limits + Triggers + Jobs + Deliveries {
    /// Advances runs. The only write that does.
    ///
    /// Each commit is atomic by itself: its records, the row of its run and its idempotency key are all written or none
    /// of them. All commits of one call are made durable together, before the answer. The answers stand in the order of
    /// the commits; two commits of one run in one call are taken in their order.
    ///
    /// The place in the journal is looked at before the version, and that before the idempotency key; so a new run that exists
    /// already is a [`Committed::Conflict`], also where its own key made it.
    ///
    /// A commit that asks something of limits ([`Commit::passage`]) is decided in the order of the call, after all three, and
    /// what is decided is written in the same transaction: slots taken and given back, and the rows of runs whose turn has come.
    /// A limit holds for all processes that share the store.
    async fn commit(&self, commits: Vec<Commit>) -> Result<Vec<Committed>, Error>;

    /// How many calls of [`Store::commit`] go well side by side.
    fn lanes(&self) -> usize {
        1
    }

    /// Reads the journal of a run from a position on, oldest first, as [`millwork_core::event::Record`] wrote it.
    /// Empty where there is no such run, or nothing from there on.
    async fn load_journal(&self, run: RunId, from: Seq) -> Result<Vec<String>, Error>;

    /// Reads a stretch of the journal of a run from a position on, and where the run stands, both of one moment. At most `limit`
    /// records, and fewer where they are large ([`STRETCH_BYTES_MAX`]), but one at least where there is one. Nothing where there
    /// is no such run.
    async fn read_journal(
        &self,
        run: RunId,
        from: Seq,
        limit: usize,
    ) -> Result<Option<Stretch>, Error>;

    /// Lists runs by time of creation; those of one millisecond by their ids.
    async fn list_runs(&self, query: RunQuery) -> Result<Vec<RunRow>, Error>;

    /// Lists the runs that have something to do before `before`, soonest first, from after a position on.
    async fn list_due(
        &self,
        after: Option<Due>,
        before: Timestamp,
        limit: usize,
    ) -> Result<Vec<Due>, Error>;

    /// Takes on runs that are due, so that nobody else who asks is given them: moves their `due_at` ahead. Returns them
    /// with the times at which they were due, soonest first. Of several callers at once each run goes to at most one.
    async fn claim_due(&self, claim: Claim) -> Result<Vec<Due>, Error>;

    /// Moves the `due_at` of runs that are where their holder left them, and says of each whether it was. A run is named
    /// once.
    async fn renew(&self, renewals: Vec<Renewal>) -> Result<Vec<bool>, Error>;

    /// Notes that nothing is left to do for finished runs: they are not due any more. Others stay as they are.
    async fn settle(&self, finished: Vec<RunId>) -> Result<(), Error>;

    /// Says how many runs of some workflows are in each state, in their order; of all workflows together in the place of none.
    /// Cheap: the store keeps count in the writes that change it, and does not look.
    async fn count_runs(&self, of: Vec<Option<WorkflowId>>) -> Result<Vec<RunCounts>, Error>;

    /// Counts the runs that were created within a time, by state and stretch of it. Looks at the newest of them, as many as the
    /// question allows, along an index; the answer says from when on all are in it.
    async fn count_over_time(&self, query: OverTime) -> Result<CountsOverTime, Error>;

    /// Keeps the bytes of a plugin, so that a run in flight can go on with them when the file is gone. Keeping the
    /// same digest again changes nothing.
    async fn insert_plugin(&self, plugin: Plugin) -> Result<(), Error>;

    /// Finds the bytes of a plugin.
    async fn find_plugin(&self, digest: Digest) -> Result<Option<Plugin>, Error>;

    /// Reads a connector's value.
    async fn find_value(&self, key: &ValueKey) -> Result<Option<Value>, Error>;

    /// Writes (`Some`) or deletes (`None`) a connector's value where what is there is as expected; compares and writes in one step.
    /// Returns the new version, or what stood in the way. Versions of one key grow and are never given twice, not even after the
    /// value has been deleted. Deleting what is not there is done where that was expected.
    async fn write_value(
        &self,
        key: &ValueKey,
        value: Option<Vec<u8>>,
        expected: Expected,
    ) -> Result<Written, Error>;

    /// Removes runs that finished before a time and have nothing left to do, with their journals, the first finished first, at most `limit` a call;
    /// and the idempotency keys that have expired by `now`, and the rates that remember nothing that matters then. Returns how many runs went. The store may do it in several
    /// transactions, so that nobody waits behind a long one.
    async fn remove_finished(
        &self,
        finished_before: Timestamp,
        now: Timestamp,
        limit: usize,
    ) -> Result<usize, Error>;

    /// Asks the store for a sign of life: that it can be read, and written.
    async fn ping(&self) -> Result<(), Error>;

    /// Says how large the database is; nothing where there is none.
    async fn size_bytes(&self) -> Result<Option<u64>, Error>;

    /// Tells what time it is in the store, at some moment between the question and the answer. Nothing where the store has
    /// no clock of its own, being of one machine.
    async fn clock(&self) -> Result<Option<Timestamp>, Error>;
}

#[cfg(test)]
mod tests;
