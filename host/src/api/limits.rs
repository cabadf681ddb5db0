//! `GET /api/v1/limits`: what limits hold, and how many runs they keep waiting.

use axum::extract::State;
use axum::http::{StatusCode, Uri};
use axum::response::Response;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use millwork_core::id::WorkflowId;
use millwork_store::limits::{LimitKey, LimitQuery, LimitRow};
use serde::Serialize;
use utoipa::ToSchema;

use super::Api;
use super::json::{Time, answer};
use super::openapi::{InvalidRequest, Unavailable};
use super::page::{LIMIT_DEFAULT, Page, read_limit};
use super::problem::Problem;
use super::query::{Query, parsed};

/// What is limited of a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub(super) enum LimitKind {
    /// How many runs are under way at once.
    Concurrency,
    /// How many runs begin in a span of time.
    Rate,
}

impl From<millwork_store::limits::LimitKind> for LimitKind {
    fn from(kind: millwork_store::limits::LimitKind) -> Self {
        use millwork_store::limits::LimitKind as Stored;
        match kind {
            Stored::Concurrency => Self::Concurrency,
            Stored::Rate => Self::Rate,
        }
    }
}

/// A key that is limited.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Limit)]
pub(super) struct LimitDocument {
    /// The workflow within which the key counts.
    #[schema(value_type = Uuid)]
    workflow_id: WorkflowId,
    /// What is limited.
    kind: LimitKind,
    /// The key.
    #[schema(example = "customer-7")]
    key: String,
    /// How many.
    #[schema(example = 1)]
    limit: u32,
    /// In how many seconds, where it is a rate.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(example = 60.0)]
    per_seconds: Option<f64>,
    /// How many runs of the key are under way, where that is what is limited.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(example = 1)]
    running: Option<u32>,
    /// How many runs wait.
    #[schema(example = 12)]
    waiting: u32,
    /// When a rate lets the next run begin, where as many have begun as may; that may have passed.
    #[serde(skip_serializing_if = "Option::is_none")]
    next_at: Option<Time>,
}

impl From<LimitRow> for LimitDocument {
    fn from(row: LimitRow) -> Self {
        let kind = LimitKind::from(row.key.kind);
        Self {
            workflow_id: row.key.workflow,
            kind,
            key: row.key.key,
            limit: row.limit,
            per_seconds: row.per.map(|per| per.as_secs_f64()),
            running: (kind == LimitKind::Concurrency).then_some(row.held),
            waiting: row.waiting,
            next_at: row.next_at.map(Time),
        }
    }
}

/// List limits
///
/// The keys that runs hold or wait for, by workflow: how many are under way, and how many wait. A rate is listed for as long as
/// its last start matters.
#[utoipa::path(
    get,
    path = "/api/v1/limits",
    operation_id = "list_limits",
    tag = "runs",
    params(
        ("limit" = Option<u32>, Query, description = "Items on a page, from 1 to 200; 50 where nothing is said", minimum = 1, maximum = 200, example = 50),
        ("cursor" = Option<String>, Query, description = "The `next_cursor` of the page before; send the other parameters unchanged"),
        ("workflow_id" = Option<Uuid>, Query, description = "Only limits of this workflow"),
    ),
    responses(
        (status = 200, description = "A page of limits", body = Page<LimitDocument>),
        InvalidRequest, Unavailable,
    ),
)]
pub(super) async fn list(State(api): State<Api>, uri: Uri) -> Result<Response, Problem> {
    let mut query = Query::of(&uri);
    let limit = query.one("limit", read_limit).unwrap_or(LIMIT_DEFAULT);
    let asked = LimitQuery {
        workflow: query.one("workflow_id", parsed),
        after: query.one("cursor", read_cursor),
        // One more than asked for tells whether there is another page.
        limit: limit + 1,
    };
    query.finish()?;
    let mut rows = api.engine().list_limits(asked).await?;
    let has_more = rows.len() > limit;
    rows.truncate(limit);
    let next_cursor = rows
        .last()
        .filter(|_| has_more)
        .map(|last| cursor(&last.key));
    let page = Page {
        items: rows.into_iter().map(LimitDocument::from).collect(),
        next_cursor,
        limit,
    };
    Ok(answer(StatusCode::OK, &page))
}

/// The key after which the next page begins. What is in it is nobody's business but ours.
fn cursor(key: &LimitKey) -> String {
    let place = (key.workflow.to_string(), key.kind.as_str(), &key.key);
    URL_SAFE_NO_PAD.encode(serde_json::json!(place).to_string())
}

fn read_cursor(text: &str) -> Result<LimitKey, String> {
    let read = || {
        let bytes = URL_SAFE_NO_PAD.decode(text).ok()?;
        let (workflow, kind, key): (String, String, String) =
            serde_json::from_slice(&bytes).ok()?;
        Some(LimitKey {
            workflow: workflow.parse().ok()?,
            kind: kind.parse().ok()?,
            key,
        })
    };
    read().ok_or_else(|| "is no cursor: send the next_cursor of a page as it is".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_leads_to_the_key_it_was_made_from_and_nothing_else_is_one() {
        let key = LimitKey {
            workflow: WorkflowId::from_bytes([7; 16]),
            kind: millwork_store::limits::LimitKind::Rate,
            key: "customer \u{1}\"7\"".to_owned(),
        };
        assert_eq!(read_cursor(&cursor(&key)), Ok(key));
        for text in ["", "!", "AQ", "WzEsMl0"] {
            assert!(read_cursor(text).is_err(), "{text}");
        }
    }
}
