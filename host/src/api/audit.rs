//! The audit log: who changed what.

use axum::extract::State;
use axum::http::{StatusCode, Uri};
use axum::response::Response;
use millwork_core::id::{AuditId, TokenId};
use millwork_store::AuditEntry;
use serde::Serialize;
use utoipa::ToSchema;

use super::Api;
use super::json::{Time, answer};
use super::openapi::{InvalidRequest, Unavailable};
use super::page::{LIMIT_DEFAULT, Page, read_cursor, read_limit};
use super::problem::Problem;
use super::query::Query;

/// What somebody changed, or tried to.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = AuditEntry)]
pub(super) struct AuditView {
    /// The entry's identifier.
    #[schema(value_type = Uuid)]
    id: AuditId,
    /// When.
    at: Time,
    /// Who: `token`, `admin-token`, `anonymous` or `command-line`.
    #[schema(example = "token")]
    actor: String,
    /// The token, where it was one.
    #[schema(required, value_type = Option<Uuid>)]
    token_id: Option<TokenId>,
    /// The token's name, as it was then.
    #[schema(required, example = "shop")]
    actor_name: Option<String>,
    /// What was to be done: the operation's identifier in this description.
    #[schema(example = "cancel_run")]
    action: String,
    /// The path that was asked for.
    #[schema(example = "/api/v1/runs/019ab2f1-0b7a-7d42-9b1e-2f4f6f0c8a11/cancel")]
    path: String,
    /// The request's identifier, which is also in the log.
    request_id: String,
    /// The status of the answer; null where the process ended before it answered, so that nobody knows.
    #[schema(required, example = 200)]
    status: Option<u16>,
    /// What was changed, where the path does not say.
    #[schema(required)]
    target: Option<String>,
}

impl From<AuditEntry> for AuditView {
    fn from(entry: AuditEntry) -> Self {
        let (status, target) = match entry.outcome {
            Some(outcome) => (Some(outcome.status), outcome.target),
            None => (None, None),
        };
        Self {
            id: entry.id,
            at: Time(entry.at),
            actor: entry.actor,
            token_id: entry.token,
            actor_name: entry.actor_name,
            action: entry.action,
            path: entry.path,
            request_id: entry.request,
            status,
            target,
        }
    }
}

/// Read the audit log
///
/// Every change and every try, the newest first. Triggers are not in it: their runs are.
#[utoipa::path(
    get,
    path = "/api/v1/audit",
    operation_id = "list_audit",
    tag = "access",
    params(
        ("limit" = Option<usize>, Query, description = "Items on the page", minimum = 1, maximum = 200),
        ("cursor" = Option<String>, Query, description = "The `next_cursor` of the page before"),
    ),
    responses((status = 200, description = "A page of the log", body = Page<AuditView>), InvalidRequest, Unavailable),
)]
pub(super) async fn list(State(api): State<Api>, uri: Uri) -> Result<Response, Problem> {
    let mut query = Query::of(&uri);
    let limit = query.one("limit", read_limit).unwrap_or(LIMIT_DEFAULT);
    let after = query.one("cursor", read_cursor);
    query.finish()?;
    let entries = api
        .gate()
        .list_audit(after.map(AuditId::from_bytes), limit + 1);
    let items = entries.await?.into_iter().map(AuditView::from).collect();
    let page = Page::of(items, limit, |entry| *entry.id.as_bytes());
    Ok(answer(StatusCode::OK, &page))
}
