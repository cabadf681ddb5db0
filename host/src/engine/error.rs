//! Why the engine did not do what it was asked.

use std::time::Duration;

use millwork_core::bounds::KeyError;
use millwork_core::decide::Rejection;
use millwork_core::definition::Problem;
use millwork_core::id::{DeliveryId, JobId, RunId, WorkflowId};

use super::committer::CommitError;

/// Why the engine did not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The definition does not hold.
    #[error("the definition does not hold")]
    InvalidDefinition(Vec<Problem>),
    /// The payload is not what the workflow takes.
    #[error("the payload does not hold{}", first(.0))]
    InvalidPayload(Vec<Problem>),
    /// There is no such workflow.
    #[error("Workflow {0} not found")]
    UnknownWorkflow(WorkflowId),
    /// The workflow has no such version.
    #[error("workflow {workflow} has no version {version}")]
    UnknownVersion {
        /// Which workflow.
        workflow: WorkflowId,
        /// What was asked for.
        version: u32,
    },
    /// The workflow was set aside, and takes no runs.
    #[error(
        "workflow {0} is archived: it takes no runs until it is restored or gets a new version"
    )]
    WorkflowArchived(WorkflowId),
    /// The workflow has runs that have not ended.
    #[error("workflow {workflow} cannot be deleted: run {run} of it has not ended")]
    WorkflowInUse {
        /// Which workflow.
        workflow: WorkflowId,
        /// One of them.
        run: RunId,
    },
    /// Somebody else has changed the workflow meanwhile.
    #[error("workflow {workflow} is at version {newest}, and version {expected} was to be changed")]
    WorkflowChanged {
        /// Which workflow.
        workflow: WorkflowId,
        /// What was expected.
        expected: u32,
        /// What is.
        newest: u32,
    },
    /// There is no such run.
    #[error("Workflow run not found")]
    UnknownRun(RunId),
    /// A plugin that the workflow uses is not installed any more.
    #[error("workflow {workflow} cannot start: {message}")]
    PluginMissing {
        /// Which workflow.
        workflow: WorkflowId,
        /// What is missing.
        message: String,
    },
    /// Too much waits already; nothing was accepted.
    #[error("{backlog} runs are waiting to be executed, the limit is {limit} (engine.backlog_max)")]
    Overloaded {
        /// How many wait.
        backlog: u64,
        /// How many may.
        limit: u64,
        /// When to try again.
        retry_after: Duration,
    },
    /// A limit of the workflow is full, and the run may not wait; nothing was accepted.
    #[error("{message}")]
    LimitReached {
        /// A sentence for people.
        message: String,
        /// When to try again.
        retry_after: Duration,
    },
    /// An expression gives no key for this payload.
    #[error("the run cannot begin: {0}")]
    InvalidKey(#[from] KeyError),
    /// There is no such delivery, or it has arrived.
    #[error("there is no delivery {0} that has not arrived")]
    UnknownDelivery(DeliveryId),
    /// There is no such job.
    #[error("there is no job {0}")]
    UnknownJob(JobId),
    /// As many jobs as may have not finished.
    #[error(
        "{limit} jobs have not finished, which is the limit (fixed): wait for one, or cancel one"
    )]
    TooManyJobs {
        /// How many may.
        limit: usize,
        /// When to try again.
        retry_after: Duration,
    },
    /// The same key came with another request.
    #[error("the idempotency key \"{key}\" was used with another request")]
    IdempotencyKeyReused {
        /// The key.
        key: String,
    },
    /// What was asked does not fit the run as it is.
    #[error(transparent)]
    Rejected(Rejection),
    /// A step that is a run has to say of which workflow, and several have the name.
    #[error("several workflows are called \"{name}\": say the uuid of the one that is meant")]
    WorkflowNotNamed {
        /// What it says.
        name: String,
    },
    /// A step that is a run has to say of which workflow, and none has the name.
    #[error("no workflow is called \"{name}\"")]
    NoSuchWorkflow {
        /// What it says.
        name: String,
    },
    /// The journal holds what this host cannot read.
    #[error("the journal of run {run} cannot be read: {detail}")]
    Journal {
        /// Which run.
        run: RunId,
        /// Why not.
        detail: String,
    },
    /// The host is about to end.
    #[error("the engine is shutting down")]
    ShuttingDown,
    /// The store did not do it.
    #[error(transparent)]
    Store(#[from] millwork_store::Error),
    /// Nobody knows whether it was written.
    #[error(transparent)]
    Commit(#[from] CommitError),
}

/// The first of several problems, for who is told one sentence.
fn first(problems: &[Problem]) -> String {
    let more = match problems.len() {
        0 | 1 => String::new(),
        all => format!(" (and {} more)", all - 1),
    };
    let first = problems.first();
    let first = first.map(|problem| format!(": {}: {}", problem.path, problem.message));
    first.unwrap_or_default() + &more
}
