//! `GET /api/v1/workflows`: the workflows, a page at a time.

use axum::extract::State;
use axum::http::{StatusCode, Uri};
use axum::response::Response;
use millwork_core::id::WorkflowId;
use millwork_store::{Labels, WorkflowHead, WorkflowQuery};
use serde::Serialize;
use utoipa::ToSchema;

use super::super::Api;
use super::super::json::{Time, answer};
use super::super::openapi::{InvalidRequest, Unavailable};
use super::super::page::{LIMIT_DEFAULT, Page, read_cursor, read_limit};
use super::super::problem::Problem;
use super::super::query::{Query, flag};

/// Characters that may be searched for.
const TEXT_MAX: usize = 256;

/// A workflow in a list: what its newest version says of it, without its steps.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = WorkflowItem)]
pub(in crate::api) struct WorkflowItem {
    /// The workflow's identifier.
    #[schema(value_type = Uuid)]
    uuid: WorkflowId,
    /// The author's own identifier.
    #[schema(required, example = "order-paid")]
    id: Option<String>,
    /// The name, for people.
    #[schema(example = "Order paid")]
    name: String,
    /// Its labels.
    #[schema(value_type = std::collections::HashMap<String, String>)]
    labels: Labels,
    /// The version that new runs take.
    #[schema(example = 3)]
    version: u32,
    /// When the workflow was created.
    created_at: Time,
    /// When its newest version was created.
    updated_at: Time,
    /// Since when it takes no new runs, where it was set aside.
    #[schema(required)]
    archived_at: Option<Time>,
}

impl From<WorkflowHead> for WorkflowItem {
    fn from(head: WorkflowHead) -> Self {
        Self {
            uuid: head.id,
            id: head.label,
            name: head.name,
            labels: head.labels,
            version: head.newest,
            created_at: Time(head.created_at),
            updated_at: Time(head.updated_at),
            archived_at: head.archived_at.map(Time),
        }
    }
}

/// List workflows
///
/// The latest created first, a page at a time. Archived ones only where they are asked for.
#[utoipa::path(
    get,
    path = "/api/v1/workflows",
    operation_id = "list_workflows",
    tag = "workflows",
    params(
        ("limit" = Option<u32>, Query, description = "Items on a page, from 1 to 200; 50 where nothing is said", minimum = 1, maximum = 200, example = 50),
        ("cursor" = Option<String>, Query, description = "The `next_cursor` of the page before; send the other parameters unchanged"),
        ("search" = Option<String>, Query, description = "Only where the name, the author's identifier or a label (as `key=value`) has this in it, however the letters are written", example = "order"),
        ("id" = Option<String>, Query, description = "Only with this author's identifier, exactly", example = "order-paid"),
        ("name" = Option<String>, Query, description = "Only of this name, exactly", example = "Order paid"),
        ("archived" = Option<bool>, Query, description = "Also those that were archived"),
    ),
    responses((status = 200, description = "A page of workflows", body = Page<WorkflowItem>), InvalidRequest, Unavailable),
)]
pub(in crate::api) async fn list(State(api): State<Api>, uri: Uri) -> Result<Response, Problem> {
    let query = read(Query::of(&uri))?;
    let limit = query.limit;
    // One more than asked for tells whether there is another page.
    let asked = WorkflowQuery {
        limit: limit + 1,
        ..query
    };
    let heads = api.engine().list_workflows(asked).await?;
    let items = heads.into_iter().map(WorkflowItem::from).collect();
    let page = Page::of(items, limit, |item: &WorkflowItem| *item.uuid.as_bytes());
    Ok(answer(StatusCode::OK, &page))
}

fn read(mut query: Query) -> Result<WorkflowQuery, Problem> {
    let read = WorkflowQuery {
        limit: query.one("limit", read_limit).unwrap_or(LIMIT_DEFAULT),
        after: query.one("cursor", read_cursor).map(WorkflowId::from_bytes),
        text: query.one("search", read_text),
        label: query.one("id", |text| Ok(text.to_owned())),
        name: query.one("name", |text| Ok(text.to_owned())),
        with_archived: query.one("archived", flag).unwrap_or(false),
    };
    query.finish()?;
    Ok(read)
}

fn read_text(text: &str) -> Result<String, String> {
    match text.chars().count() {
        0..=TEXT_MAX => Ok(text.to_owned()),
        length => Err(format!(
            "is {length} characters long, the limit is {TEXT_MAX}"
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn query(text: &str) -> Result<WorkflowQuery, String> {
        let uri = format!("/api/v1/workflows?{text}").parse();
        let query = Query::of(&uri.expect("it is a URI"));
        read(query).map_err(|problem| problem.detail().to_owned())
    }

    #[test]
    fn every_filter_is_read() {
        let expected = WorkflowQuery {
            label: Some("order-paid".to_owned()),
            name: Some("Order paid".to_owned()),
            text: Some("team=shop".to_owned()),
            with_archived: true,
            after: None,
            limit: 7,
        };
        let text = "id=order-paid&name=Order+paid&search=team%3Dshop&archived=true&limit=7";
        assert_eq!(query(text), Ok(expected));
        let nothing = WorkflowQuery {
            limit: 50,
            ..WorkflowQuery::default()
        };
        assert_eq!(query(""), Ok(nothing));
    }

    #[test]
    fn what_does_not_hold_is_refused_in_words() {
        let long = format!("search={}", "x".repeat(300));
        let refused = ["archived=yes", "cursor=x", &long].map(|text| query(text).expect_err(text));
        insta::assert_snapshot!(refused.join("\n"), @r#"
        the request does not hold: archived: must be "true" or "false"
        the request does not hold: cursor: is no cursor: send the next_cursor of a page as it is
        the request does not hold: search: is 300 characters long, the limit is 256
        "#);
    }
}
