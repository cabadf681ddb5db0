//! Runs: reading one, listing them, and what may be done with one; what happened to one, and what its steps said.

mod control;
mod event;
mod events;
mod list;
mod logs;
mod origin;
mod status;
mod step;
mod turn;
mod view;
#[cfg(test)]
mod view_tests;
mod waiting;

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use millwork_core::id::RunId;

pub(super) use control::{
    __path_cancel, __path_kill, __path_pause, __path_resume, __path_retry, cancel, kill, pause,
    read_from, resume, retry,
};
pub(super) use events::{__path_events, events};
pub(super) use list::{__path_list, list};
pub(super) use logs::{__path_logs, logs};
pub(super) use status::RunStatus;
pub(super) use step::{IterationResult, Iterations};
pub(super) use view::RunDocument;

use super::Api;
use super::json::answer;
use super::openapi::{InvalidRequest, Unavailable, UnknownRun};
use super::problem::{Kind, Problem};
use super::query::Id;

/// Read a run
///
/// The run with every step of its workflow, also those that have not begun.
#[utoipa::path(
    get,
    path = "/api/v1/runs/{run_id}",
    operation_id = "get_run",
    tag = "runs",
    params(("run_id" = Uuid, Path, description = "The run, with or without dashes")),
    responses((status = 200, description = "The run", body = RunDocument), UnknownRun, InvalidRequest, Unavailable),
)]
pub(super) async fn show(State(api): State<Api>, Id(run): Id<RunId>) -> Result<Response, Problem> {
    let view = api.engine().find_run(run).await?;
    let view = view.ok_or_else(|| Problem::new(Kind::UnknownRun, "Workflow run not found"))?;
    let document = RunDocument::of(&view.run, &view.graph).kept_by(view.turn.as_ref());
    Ok(answer(StatusCode::OK, &document))
}
