//! The versions of a workflow, and what differs between them.

use axum::extract::State;
use axum::http::{StatusCode, Uri};
use axum::response::Response;
use millwork_core::id::WorkflowId;
use millwork_store::VersionRow;
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

use super::super::Api;
use super::super::json::{Time, answer};
use super::super::openapi::{InvalidRequest, Unavailable, UnknownVersion, UnknownWorkflow};
use super::super::page::{LIMIT_DEFAULT, Page, read_limit, read_number};
use super::super::problem::{Fault, Problem};
use super::super::query::{Id, IdAndName, Query, number};
use super::{WorkflowDocument, show_view};
use crate::difference::{Change, ChangeKind, difference};

/// A version in a list.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = WorkflowVersion)]
pub(in crate::api) struct VersionItem {
    /// Its number, from 1.
    #[schema(example = 3)]
    version: u32,
    /// The workflow's name in it.
    #[schema(example = "Order paid")]
    name: String,
    /// When it was created.
    created_at: Time,
}

impl From<VersionRow> for VersionItem {
    fn from(row: VersionRow) -> Self {
        Self {
            version: row.version,
            name: row.name,
            created_at: Time(row.created_at),
        }
    }
}

/// List the versions of a workflow
///
/// The newest first, a page at a time.
#[utoipa::path(
    get,
    path = "/api/v1/workflows/{workflow_id}/versions",
    operation_id = "list_workflow_versions",
    tag = "workflows",
    params(
        ("workflow_id" = Uuid, Path, description = "The workflow, with or without dashes"),
        ("limit" = Option<u32>, Query, description = "Items on a page, from 1 to 200; 50 where nothing is said", minimum = 1, maximum = 200, example = 50),
        ("cursor" = Option<String>, Query, description = "The `next_cursor` of the page before"),
    ),
    responses((status = 200, description = "A page of versions", body = Page<VersionItem>), UnknownWorkflow, InvalidRequest, Unavailable),
)]
pub(in crate::api) async fn versions(
    State(api): State<Api>,
    Id(id): Id<WorkflowId>,
    uri: Uri,
) -> Result<Response, Problem> {
    let mut query = Query::of(&uri);
    let limit = query.one("limit", read_limit).unwrap_or(LIMIT_DEFAULT);
    let before = query.one("cursor", read_number);
    query.finish()?;
    let mut rows = api.engine().list_versions(id, before, limit + 1).await?;
    let has_more = rows.len() > limit;
    rows.truncate(limit);
    let items: Vec<_> = rows.into_iter().map(VersionItem::from).collect();
    let page = Page::numbered(items, limit, has_more, |item| item.version);
    Ok(answer(StatusCode::OK, &page))
}

/// Read a version of a workflow
///
/// As it was written. It never changes.
#[utoipa::path(
    get,
    path = "/api/v1/workflows/{workflow_id}/versions/{version}",
    operation_id = "get_workflow_version",
    tag = "workflows",
    params(
        ("workflow_id" = Uuid, Path, description = "The workflow, with or without dashes"),
        ("version" = u32, Path, description = "The version's number", minimum = 1),
    ),
    responses((status = 200, description = "The workflow in this version", body = WorkflowDocument), UnknownVersion, InvalidRequest, Unavailable),
)]
pub(in crate::api) async fn show_version(
    State(api): State<Api>,
    IdAndName(id, version): IdAndName<WorkflowId>,
) -> Result<Response, Problem> {
    let version = number(&version)
        .map_err(|message| Problem::invalid(vec![Fault::new("version", message)]))?;
    let view = api.engine().find_workflow(id, Some(version)).await?;
    show_view(&view)
}

/// What differs between two versions.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = WorkflowDifference)]
pub(in crate::api) struct DifferenceView {
    /// The earlier version.
    #[schema(example = 2)]
    from: u32,
    /// The later version.
    #[schema(example = 3)]
    to: u32,
    /// Everything that differs; nothing where they say the same.
    changes: Vec<ChangeView>,
}

/// One difference. Steps are known by their names, wherever they stand.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = WorkflowChange)]
struct ChangeView {
    /// What happened there.
    kind: KindView,
    /// Where: a JSON Pointer (RFC 6901) into the later version; into the earlier one where it was removed.
    #[schema(example = "/steps/0/config/url")]
    path: String,
    /// The step that it belongs to.
    #[schema(required, example = "fetch")]
    step: Option<String>,
    /// What stood there, any JSON; or where it stood, where it was moved.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Value>)]
    before: Option<Value>,
    /// What stands there, any JSON; or where it stands, where it was moved.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Value>)]
    after: Option<Value>,
}

#[derive(Clone, Copy, Debug, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
#[schema(as = WorkflowChangeKind)]
enum KindView {
    Added,
    Removed,
    Changed,
    Moved,
}

impl From<Change> for ChangeView {
    fn from(change: Change) -> Self {
        let kind = match change.kind {
            ChangeKind::Added => KindView::Added,
            ChangeKind::Removed => KindView::Removed,
            ChangeKind::Changed => KindView::Changed,
            ChangeKind::Moved => KindView::Moved,
        };
        Self {
            kind,
            path: change.path,
            step: change.step,
            before: change.before,
            after: change.after,
        }
    }
}

/// Compare two versions of a workflow
///
/// What was added, removed, changed or moved from one to the other.
#[utoipa::path(
    get,
    path = "/api/v1/workflows/{workflow_id}/diff",
    operation_id = "diff_workflow",
    tag = "workflows",
    params(
        ("workflow_id" = Uuid, Path, description = "The workflow, with or without dashes"),
        ("from" = Option<u32>, Query, description = "The earlier version; the one before `to` where nothing is said", minimum = 1, example = 1),
        ("to" = Option<u32>, Query, description = "The later version; the newest where nothing is said", minimum = 1, example = 2),
    ),
    responses((status = 200, description = "What differs", body = DifferenceView), UnknownVersion, InvalidRequest, Unavailable),
)]
pub(in crate::api) async fn diff(
    State(api): State<Api>,
    Id(id): Id<WorkflowId>,
    uri: Uri,
) -> Result<Response, Problem> {
    let mut query = Query::of(&uri);
    let from = query.one("from", number);
    let to = query.one("to", number);
    query.finish()?;
    let later = api.engine().find_workflow(id, to).await?.workflow;
    let from = from.unwrap_or_else(|| later.version.saturating_sub(1).max(1));
    let earlier = api.engine().find_workflow(id, Some(from)).await?.workflow;
    let read = |definition: &str| {
        serde_json::from_str(definition).map_err(|error| Problem::internal().caused_by(error))
    };
    let changes = difference(&read(&earlier.definition)?, &read(&later.definition)?);
    let shown = DifferenceView {
        from: earlier.version,
        to: later.version,
        changes: changes.into_iter().map(ChangeView::from).collect(),
    };
    Ok(answer(StatusCode::OK, &shown))
}
