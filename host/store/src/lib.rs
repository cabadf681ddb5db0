//! The store: what Millwork remembers. The door is [`Store`]; the implementations are behind it.
//!
//! The truth about a run is its **journal**. Beside it each run has one narrow row, which lists, filters and the
//! schedule read. The row's `due_at` says from when on the run has something to do, whether that is a step to run now
//! or a timer in a month; so recovery after a crash, timers and the backlog are one and the same question:
//! *which runs are due?*

use async_trait::async_trait;
use millwork_core::digest::Digest;
use millwork_core::event::Seq;
use millwork_core::id::{RunId, WorkflowId};
use millwork_core::run::{RunStatus, Summary};
use millwork_core::time::Timestamp;

/// PORT: keeps workflows, runs and plugins.
///
/// Every method may be called from many tasks at once. An error means that nothing is known to have been written; the
/// caller may try again, since each write is harmless the second time (a commit that did get through conflicts with itself).
#[async_trait]
pub trait Store: Send + Sync + 'static {
    /// Advances runs. The only write that does.
    ///
    /// Each commit is atomic by itself: its records, the row of its run and its idempotency key are all written or none
    /// of them. All commits of one call are made durable together, before the answer. The answers stand in the order of
    /// the commits; two commits of one run in one call are taken in their order.
    async fn commit(&self, commits: Vec<Commit>) -> Result<Vec<Committed>, Error>;

    /// Reads the journal of a run from a position on, oldest first, as [`millwork_core::event::Record`] wrote it.
    /// Empty where there is no such run, or nothing from there on.
    async fn load_journal(&self, run: RunId, from: Seq) -> Result<Vec<String>, Error>;

    /// Lists runs by time of creation.
    async fn list_runs(&self, query: RunQuery) -> Result<Vec<RunRow>, Error>;

    /// Lists the runs that have something to do before `before`, soonest first, from after a position on.
    async fn list_due(&self, after: Option<Due>, before: Timestamp, limit: usize) -> Result<Vec<Due>, Error>;

    /// Counts the runs that are not finished, by status, without reading them all one by one.
    async fn count_unfinished(&self) -> Result<u64, Error>;

    /// Keeps the first version of a workflow. The definition has been checked.
    async fn insert_workflow(&self, workflow: Workflow) -> Result<(), Error>;

    /// Finds a version of a workflow; the newest where none is named.
    async fn find_workflow(&self, id: WorkflowId, version: Option<u32>) -> Result<Option<Workflow>, Error>;

    /// Keeps the bytes of a plugin, so that a run in flight can go on with them when the file is gone. Keeping the
    /// same digest again changes nothing.
    async fn insert_plugin(&self, plugin: Plugin) -> Result<(), Error>;

    /// Finds the bytes of a plugin.
    async fn find_plugin(&self, digest: Digest) -> Result<Option<Plugin>, Error>;

    /// Reads a connector's value.
    async fn find_value(&self, key: &ValueKey) -> Result<Option<Value>, Error>;

    /// Writes (`Some`) or deletes (`None`) a connector's value where what is there is as expected; compares and writes in one step.
    /// Returns the new version, or what stood in the way. Versions of one key grow and are never given twice.
    async fn write_value(&self, key: &ValueKey, value: Option<Vec<u8>>, expected: Expected) -> Result<Written, Error>;

    /// Removes runs that finished before a time, with their journals, and idempotency keys that expired before `now`; at most `limit` runs a call.
    /// Returns how many runs went.
    async fn remove_finished(&self, finished_before: Timestamp, now: Timestamp, limit: usize) -> Result<usize, Error>;

    /// Asks the store for a sign of life: that it can be read, and written.
    async fn ping(&self) -> Result<(), Error>;
}

/// A step in the life of a run, to be written whole or not at all.
#[derive(Clone, Debug, PartialEq)]
pub struct Commit {
    /// Which run.
    pub run: RunId,
    /// Where the first record goes. The journal has at most one record at a position: of two writers
    /// who would both advance a run, the slower finds its place taken.
    pub first_seq: Seq,
    /// The records, as [`millwork_core::event::Record::encode`] wrote them. At least one.
    pub records: Vec<String>,
    /// What the row of the run says from now on.
    pub summary: Summary,
    /// From when on the run has something to do; absent where only a signal can move it, and where it is finished.
    pub due_at: Option<Timestamp>,
    /// What the row says for good; present exactly where `first_seq` is zero.
    pub new: Option<NewRun>,
}

/// What the row of a run says from the beginning.
#[derive(Clone, Debug, PartialEq)]
pub struct NewRun {
    /// The workflow.
    pub workflow: WorkflowId,
    /// Its version.
    pub version: u32,
    /// When the run was created.
    pub created_at: Timestamp,
    /// What makes a second trigger with the same key the same run.
    pub idempotency: Option<Idempotency>,
}

/// A caller's promise that two triggers with the same key are one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Idempotency {
    /// The caller's key; it counts within one workflow.
    pub key: String,
    /// A digest of the request: the same key with another request is a mistake.
    pub fingerprint: Digest,
    /// When the key is forgotten.
    pub expires_at: Timestamp,
}

/// What became of a commit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Committed {
    /// It is written, and durable.
    Written,
    /// Nothing is written: the run is not where the commit expected it (its place in the journal is taken, or there is a gap before it).
    Conflict,
    /// Nothing is written: the idempotency key has already made this run, from a request with this fingerprint.
    Replayed {
        /// The run that the key made.
        run: RunId,
        /// The request that made it.
        fingerprint: Digest,
    },
}

/// A run that has something to do from a time on. Sorts by time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Due {
    /// From when on.
    pub at: Timestamp,
    /// Which run.
    pub run: RunId,
}

/// Which runs to list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RunQuery {
    /// Only of this workflow.
    pub workflow: Option<WorkflowId>,
    /// Only in one of these states; any where empty.
    pub statuses: Vec<RunStatus>,
    /// Only created at or after this time.
    pub created_from: Option<Timestamp>,
    /// Only created before this time.
    pub created_before: Option<Timestamp>,
    /// Only beyond this run, in the order of the list.
    pub after: Option<RunId>,
    /// Which way.
    pub order: Order,
    /// At most so many.
    pub limit: usize,
}

/// Which way a list goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    /// The latest created first.
    NewestFirst,
    /// The earliest created first.
    OldestFirst,
}

/// A run in a list.
#[derive(Clone, Debug, PartialEq)]
pub struct RunRow {
    /// Which run.
    pub run: RunId,
    /// Of which workflow.
    pub workflow: WorkflowId,
    /// Of which version of it.
    pub version: u32,
    /// When it was created.
    pub created_at: Timestamp,
    /// Where it stands.
    pub summary: Summary,
    /// From when on it has something to do.
    pub due_at: Option<Timestamp>,
    /// The first record of its journal, which carries the payload.
    pub first_record: String,
}

/// A version of a workflow, which never changes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Workflow {
    /// Which workflow.
    pub id: WorkflowId,
    /// Which version, from one.
    pub version: u32,
    /// Its name, for lists.
    pub name: String,
    /// The definition, as JSON.
    pub definition: String,
    /// When it was created.
    pub created_at: Timestamp,
}

/// A plugin's bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plugin {
    /// The SHA-256 of the bytes.
    pub digest: Digest,
    /// Its name.
    pub name: String,
    /// Its version.
    pub version: String,
    /// The component.
    pub wasm: Vec<u8>,
}

/// Where a connector's value lies.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ValueKey {
    /// The plugin's name.
    pub plugin: String,
    /// The workflow's name.
    pub workflow: String,
    /// The connector's own key.
    pub key: String,
}

/// A connector's value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Value {
    /// The bytes.
    pub bytes: Vec<u8>,
    /// Grows with every write.
    pub version: u64,
}

/// What a writer expects to find.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Expected {
    /// Whatever is there.
    Any,
    /// Nothing.
    Absent,
    /// This version.
    Version(u64),
}

/// What became of a write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Written {
    /// It is written; its version.
    Version(u64),
    /// It is deleted.
    Deleted,
    /// Something else is there: its version, or nothing.
    Conflict(Option<u64>),
}

/// Why the store did not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The database did not do it: it cannot be reached, its disk is full, its lock is held.
    #[error("could not {action}")]
    Unavailable {
        /// What was being done.
        action: &'static str,
        /// What the database said; for the log, never for a user.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// What is stored is not what this host writes.
    #[error("{what} in the store is damaged: {detail}")]
    Damaged {
        /// Which part.
        what: &'static str,
        /// What is wrong with it.
        detail: String,
    },
    /// A later host has migrated the store.
    #[error("the store has schema {found}, this host knows up to {known}: use the version of the host that wrote it, or a later one")]
    Newer {
        /// The schema found.
        found: u32,
        /// The newest that this host knows.
        known: u32,
    },
    /// Another process has the store open.
    #[error("{path} is in use by another millwork process: stop it, or give this one a data directory of its own with --data-dir")]
    InUse {
        /// The directory.
        path: String,
    },
}
