//! `GET /api/v1/stats`: how many runs are in each state.

use axum::extract::State;
use axum::http::{StatusCode, Uri};
use axum::response::Response;
use millwork_core::id::WorkflowId;
use millwork_core::run::RunStatus;
use millwork_store::RunCounts;
use serde::Serialize;
use utoipa::ToSchema;

use super::Api;
use super::json::answer;
use super::openapi::{InvalidRequest, Unavailable, UnknownWorkflow};
use super::problem::Problem;
use super::query::{Query, parsed};

/// How many runs are in each state.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[schema(as = RunCounts)]
pub(super) struct Counts {
    /// Triggered, and nothing of them has begun.
    pending: u64,
    /// Under way, asleep or waiting.
    running: u64,
    /// Every step is done.
    success: u64,
    /// A step failed for good.
    failed: u64,
    /// Held until somebody resumes them.
    paused: u64,
    /// Ended because somebody asked.
    cancelled: u64,
}

impl From<RunCounts> for Counts {
    fn from(counts: RunCounts) -> Self {
        Self {
            pending: counts.of(RunStatus::Pending),
            running: counts.of(RunStatus::Running),
            success: counts.of(RunStatus::Success),
            failed: counts.of(RunStatus::Failed),
            paused: counts.of(RunStatus::Paused),
            cancelled: counts.of(RunStatus::Cancelled),
        }
    }
}

/// How things stand.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Stats)]
pub(super) struct Stats {
    /// The workflow, where one was asked for.
    #[schema(required, value_type = Option<Uuid>)]
    workflow_id: Option<WorkflowId>,
    /// How many runs are in each state; those that were removed are not counted.
    runs: Counts,
}

/// Read how many runs are in each state
///
/// Of all workflows, or of one. The counts are kept, so it costs the same however many runs there are.
#[utoipa::path(
    get,
    path = "/api/v1/stats",
    operation_id = "get_stats",
    tag = "runs",
    params(("workflow_id" = Option<Uuid>, Query, description = "Only runs of this workflow")),
    responses((status = 200, description = "The counts", body = Stats), UnknownWorkflow, InvalidRequest, Unavailable),
)]
pub(super) async fn stats(State(api): State<Api>, uri: Uri) -> Result<Response, Problem> {
    let mut query = Query::of(&uri);
    let workflow_id = query.one("workflow_id", parsed);
    query.finish()?;
    let stats = Stats {
        workflow_id,
        runs: api.engine().count_runs(workflow_id).await?.into(),
    };
    Ok(answer(StatusCode::OK, &stats))
}
