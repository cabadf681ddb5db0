//! The engine's door (signatures only on this branch; the founder's engine takes this file's place at the merge).

use std::sync::Arc;
use std::time::Duration;

use millwork_core::definition::Problem;
use millwork_core::graph::Graph;
use millwork_core::id::{RunId, WorkflowId};
use millwork_core::json::Json;
use millwork_core::run::{Run, RunStatus};
use millwork_store::{RunQuery, RunRow, Workflow};

/// Cheap to clone: every clone is the same engine.
#[derive(Clone)]
pub struct Engine {
    _inner: Arc<()>,
}

/// A workflow to be run.
#[derive(Clone, Debug)]
pub struct Trigger {
    pub workflow: WorkflowId,
    pub payload: Json,
    pub idempotency_key: Option<String>,
}

/// A run, with the graph of the workflow version that it is pinned to.
#[derive(Clone, Debug)]
pub struct RunView {
    pub run: Run,
    pub graph: Arc<Graph>,
}

/// Why the engine did not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("the definition does not hold")]
    InvalidDefinition(Vec<Problem>),
    #[error("Workflow {0} not found")]
    UnknownWorkflow(WorkflowId),
    #[error("Workflow run not found")]
    UnknownRun(RunId),
    /// The backlog is full; nothing was accepted.
    #[error("{backlog} runs are waiting to be executed, the limit is {limit} (engine.backlog_max)")]
    Overloaded { backlog: u64, limit: u64, retry_after: Duration },
    #[error("the idempotency key \"{key}\" was used with another request")]
    IdempotencyKeyReused { key: String },
    #[error("run {run} has ended: its status is {status}")]
    Finished { run: RunId, status: RunStatus },
    #[error("the engine is shutting down")]
    ShuttingDown,
    #[error(transparent)]
    Store(#[from] millwork_store::Error),
}

/// What `/health/ready` shows.
#[derive(Clone, Debug)]
pub struct Health {
    /// Each part by name (`store`, `bus`), with what is wrong with it, if anything. Never database text.
    pub parts: Vec<(&'static str, Option<String>)>,
}

impl Engine {
    /// Checks the definition whole and keeps it as version 1 of a new workflow.
    pub async fn create_workflow(&self, _document: serde_json::Value) -> Result<WorkflowId, Error> { unimplemented!() }
    /// The newest version.
    pub async fn find_workflow(&self, _id: WorkflowId) -> Result<Option<Workflow>, Error> { unimplemented!() }
    /// Answers once the run is durable. The same idempotency key with the same payload answers with the first run.
    pub async fn trigger(&self, _trigger: Trigger) -> Result<RunId, Error> { unimplemented!() }
    /// The run once it has finished, or as it is when the time is up.
    pub async fn wait_for_run(&self, _run: RunId, _at_most: Duration) -> Result<RunView, Error> { unimplemented!() }
    pub async fn find_run(&self, _run: RunId) -> Result<Option<RunView>, Error> { unimplemented!() }
    pub async fn list_runs(&self, _query: RunQuery) -> Result<Vec<RunRow>, Error> { unimplemented!() }
    /// Ends a run.
    pub async fn cancel_run(&self, _run: RunId, _reason: Option<String>) -> Result<RunView, Error> { unimplemented!() }
    pub async fn health(&self) -> Health { unimplemented!() }
}
