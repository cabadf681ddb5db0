//! Workflows are changed, checked and put away.

use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, Uri};
use axum::response::Response;
use millwork_core::id::WorkflowId;
use serde::Serialize;
use utoipa::ToSchema;

use super::super::Api;
use super::super::body;
use super::super::json::answer;
use super::super::openapi::{
    Body as BodyProblems, InvalidDefinition, InvalidRequest, Unavailable, UnknownWorkflow,
    WorkflowChanged, WorkflowInUse,
};
use super::super::problem::{Fault, Problem};
use super::super::query::{Id, Query, flag, number};
use super::Definition;
use crate::engine::{Error, Updated};

/// A workflow that has its newest version.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = WorkflowUpdated)]
pub(in crate::api) struct UpdatedView {
    /// What became of it: there is a new version, or the newest said the same already.
    #[schema(example = "Workflow updated successfully")]
    message: &'static str,
    /// The workflow.
    #[schema(value_type = Uuid)]
    workflow_id: WorkflowId,
    /// The version that has the definition, which is the newest.
    #[schema(example = 2)]
    version: u32,
}

/// Change a workflow
///
/// The definition becomes a new version, which runs that begin from now on take; runs under way keep theirs. A definition that says what
/// the newest version says already makes no new one. An archived workflow takes runs again.
#[utoipa::path(
    put,
    path = "/api/v1/workflows/{workflow_id}",
    operation_id = "update_workflow",
    tag = "workflows",
    params(
        ("workflow_id" = Uuid, Path, description = "The workflow, with or without dashes"),
        ("expected_version" = Option<u32>, Query, description = "Only where this is the newest version: so that nobody's change is written over", minimum = 1, example = 1),
    ),
    request_body(content = Definition, content_type = "application/json"),
    responses(
        (status = 200, description = "The newest version says this", body = UpdatedView),
        UnknownWorkflow, WorkflowChanged, BodyProblems, InvalidDefinition, InvalidRequest, Unavailable,
    ),
)]
pub(in crate::api) async fn update(
    State(api): State<Api>,
    Id(id): Id<WorkflowId>,
    uri: Uri,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Problem> {
    let body = body::read_json(&headers, body, api.definition_limit(), api.body_timeout()).await?;
    let mut query = Query::of(&uri);
    let expected = query.one("expected_version", number);
    query.finish()?;
    let definition = body::document(&body)?;
    let Updated { version, is_new } = api
        .engine()
        .update_workflow(id, definition, expected)
        .await?;
    let message = match is_new {
        true => "Workflow updated successfully",
        false => "Workflow unchanged",
    };
    let updated = UpdatedView {
        message,
        workflow_id: id,
        version,
    };
    Ok(answer(StatusCode::OK, &updated))
}

/// What is to be said of a definition.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Validation)]
pub(in crate::api) struct Validation {
    /// Whether it would be taken.
    valid: bool,
    /// Everything that is wrong with it, in the order of the document.
    errors: Vec<Fault>,
}

/// Check a definition
///
/// Says everything that is wrong with it, and creates nothing.
#[utoipa::path(
    post,
    path = "/api/v1/workflows/validate",
    operation_id = "validate_workflow",
    tag = "workflows",
    request_body(content = Definition, content_type = "application/json"),
    responses(
        (status = 200, description = "Whether it holds, and what does not", body = Validation),
        BodyProblems, Unavailable,
    ),
)]
pub(in crate::api) async fn validate(
    State(api): State<Api>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Problem> {
    let body = body::read_json(&headers, body, api.definition_limit(), api.body_timeout()).await?;
    let checked = api.engine().check_workflow(body::document(&body)?).await;
    let problems = match checked {
        Ok(()) => Vec::new(),
        Err(Error::InvalidDefinition(problems)) => problems,
        Err(error) => return Err(error.into()),
    };
    let errors: Vec<_> = problems
        .into_iter()
        .map(|problem| Fault::new(problem.path, problem.message))
        .collect();
    let validation = Validation {
        valid: errors.is_empty(),
        errors,
    };
    Ok(answer(StatusCode::OK, &validation))
}

/// A workflow that has been put away, or taken back.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = WorkflowPutAway)]
pub(in crate::api) struct PutAway {
    /// What became of it.
    #[schema(example = "Workflow archived")]
    message: &'static str,
    /// The workflow.
    #[schema(value_type = Uuid)]
    workflow_id: WorkflowId,
}

/// Delete or archive a workflow
///
/// It is deleted where every run of it has ended; these are still shown. With `archive=true` it is set aside instead, whatever its runs do:
/// it takes no new ones, those that there are go on, and it can be taken back.
#[utoipa::path(
    delete,
    path = "/api/v1/workflows/{workflow_id}",
    operation_id = "delete_workflow",
    tag = "workflows",
    params(
        ("workflow_id" = Uuid, Path, description = "The workflow, with or without dashes"),
        ("archive" = Option<bool>, Query, description = "Set it aside instead"),
    ),
    responses(
        (status = 200, description = "It takes no new runs", body = PutAway),
        UnknownWorkflow, WorkflowInUse, InvalidRequest, Unavailable,
    ),
)]
pub(in crate::api) async fn remove(
    State(api): State<Api>,
    Id(id): Id<WorkflowId>,
    uri: Uri,
) -> Result<Response, Problem> {
    let mut query = Query::of(&uri);
    let archive = query.one("archive", flag).unwrap_or(false);
    query.finish()?;
    let message = if archive {
        api.engine().archive_workflow(id).await?;
        "Workflow archived"
    } else {
        api.engine().delete_workflow(id).await?;
        "Workflow deleted"
    };
    Ok(put_away(id, message))
}

/// Take an archived workflow back
///
/// It takes runs again. Nothing changes where it was not archived.
#[utoipa::path(
    post,
    path = "/api/v1/workflows/{workflow_id}/restore",
    operation_id = "restore_workflow",
    tag = "workflows",
    params(("workflow_id" = Uuid, Path, description = "The workflow, with or without dashes")),
    responses(
        (status = 200, description = "It takes runs", body = PutAway),
        UnknownWorkflow, InvalidRequest, Unavailable,
    ),
)]
pub(in crate::api) async fn restore(
    State(api): State<Api>,
    Id(id): Id<WorkflowId>,
) -> Result<Response, Problem> {
    api.engine().restore_workflow(id).await?;
    Ok(put_away(id, "Workflow restored"))
}

fn put_away(workflow_id: WorkflowId, message: &'static str) -> Response {
    let shown = PutAway {
        message,
        workflow_id,
    };
    answer(StatusCode::OK, &shown)
}
