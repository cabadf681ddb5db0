//! `GET /api/v1/runs`: the runs, a page at a time.

use axum::extract::State;
use axum::http::{StatusCode, Uri};
use axum::response::Response;
use millwork_core::event::Opening;
use millwork_core::id::{RunId, WorkflowId};
use millwork_core::json::Json;
use millwork_core::run::RunStatus as Status;
use millwork_store::{Labels, Order, RunQuery, RunRow};
use serde::Serialize;
use utoipa::ToSchema;

use super::super::Api;
use super::super::json::{Time, answer};
use super::super::labels;
use super::super::openapi::{InvalidRequest, Unavailable};
use super::super::page::{LIMIT_DEFAULT, Page, read_cursor, read_limit};
use super::super::problem::Problem;
use super::super::query::{Query, parsed};
use super::status::RunStatus;

/// A run in a list: without its steps, and without what they wait for.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = RunItem)]
pub(in crate::api) struct RunItem {
    /// The run's identifier.
    #[schema(value_type = Uuid)]
    uuid: RunId,
    /// The run's identifier again.
    #[schema(value_type = Uuid)]
    id: RunId,
    /// The workflow.
    #[schema(value_type = Uuid)]
    workflow_id: WorkflowId,
    /// The version of the workflow that the run keeps to its end.
    #[schema(example = 1)]
    workflow_version: u32,
    /// Where the run stands. One that sleeps or waits is `running`.
    status: RunStatus,
    /// What the trigger carried.
    #[schema(value_type = Object)]
    payload: Json,
    /// Texts by their names, by which it is found; where it has any.
    #[serde(skip_serializing_if = "Labels::is_empty")]
    #[schema(required = false)]
    labels: Labels,
    /// When it was triggered.
    created_at: Time,
    /// When its first step began.
    #[schema(required)]
    started_at: Option<Time>,
    /// When it ended.
    #[schema(required)]
    completed_at: Option<Time>,
    /// Why it failed, in a sentence.
    #[schema(required)]
    error: Option<String>,
}

/// List runs
///
/// The latest triggered first, a page at a time. Items have no `step_results` and no `waiting_for`: read the run for these.
#[utoipa::path(
    get,
    path = "/api/v1/runs",
    operation_id = "list_runs",
    tag = "runs",
    params(
        ("limit" = Option<u32>, Query, description = "Items on a page, from 1 to 200; 50 where nothing is said", minimum = 1, maximum = 200, example = 50),
        ("cursor" = Option<String>, Query, description = "The `next_cursor` of the page before; send the other parameters unchanged"),
        ("workflow_id" = Option<Uuid>, Query, description = "Only runs of this workflow"),
        ("status" = Option<Vec<RunStatus>>, Query, description = "Only runs in this state; may be given more than once, or as a list with commas", example = "running"),
        ("label" = Option<Vec<String>>, Query, description = "Only runs with this label: its name, a colon, its text; may be given more than once, and then all of them count", example = "customer:7"),
        ("created_from" = Option<String>, Query, description = "Only runs triggered at this time or after it (RFC 3339)", example = "2026-01-31T09:00:00Z"),
        ("created_before" = Option<String>, Query, description = "Only runs triggered before this time (RFC 3339)", example = "2026-02-01T00:00:00Z"),
        ("order" = Option<String>, Query, description = "`desc` for the latest first, `asc` for the earliest first", example = "desc"),
    ),
    responses((status = 200, description = "A page of runs", body = Page<RunItem>), InvalidRequest, Unavailable),
)]
pub(in crate::api) async fn list(State(api): State<Api>, uri: Uri) -> Result<Response, Problem> {
    let query = read(Query::of(&uri))?;
    let limit = query.limit;
    // One more than asked for tells whether there is another page.
    let rows = api
        .engine()
        .list_runs(RunQuery {
            limit: limit + 1,
            ..query
        })
        .await?;
    let items: Result<Vec<_>, _> = rows.into_iter().map(RunItem::of).collect();
    Ok(answer(
        StatusCode::OK,
        &Page::of(items?, limit, |item| *item.uuid.as_bytes()),
    ))
}

fn read(mut query: Query) -> Result<RunQuery, Problem> {
    let read = RunQuery {
        limit: query.one("limit", read_limit).unwrap_or(LIMIT_DEFAULT),
        after: query.one("cursor", read_cursor).map(RunId::from_bytes),
        workflow: query.one("workflow_id", parsed),
        statuses: query.all("status", read_statuses).concat(),
        labels: query.all("label", labels::read_pair),
        created_from: query.one("created_from", parsed),
        created_before: query.one("created_before", parsed),
        order: query.one("order", read_order).unwrap_or(Order::NewestFirst),
    };
    query.finish()?;
    Ok(read)
}

fn read_statuses(text: &str) -> Result<Vec<Status>, String> {
    text.split(',').map(parsed).collect()
}

fn read_order(text: &str) -> Result<Order, String> {
    match text {
        "desc" => Ok(Order::NewestFirst),
        "asc" => Ok(Order::OldestFirst),
        _ => Err("must be \"desc\" or \"asc\"".to_owned()),
    }
}

impl RunItem {
    fn of(row: RunRow) -> Result<Self, Problem> {
        let Opening { payload, labels } = match Opening::decode(&row.first_record) {
            Ok(Some(opening)) => opening,
            Ok(None) => return Err(Problem::internal().caused_by(Headless(row.run))),
            Err(error) => return Err(Problem::internal().caused_by(error)),
        };
        Ok(Self {
            uuid: row.run,
            id: row.run,
            workflow_id: row.workflow,
            workflow_version: row.version,
            status: row.summary.status.into(),
            payload,
            labels,
            created_at: Time(row.created_at),
            started_at: row.summary.started_at.map(Time),
            completed_at: row.summary.completed_at.map(Time),
            error: row.summary.error,
        })
    }
}

#[derive(Debug, thiserror::Error)]
#[error("the journal of {0:?} does not begin with run-created")]
struct Headless(RunId);

#[cfg(test)]
mod tests {
    use millwork_core::run::Summary;
    use millwork_core::time::Timestamp;

    use super::*;

    fn query(text: &str) -> Result<RunQuery, String> {
        let uri = format!("/api/v1/runs?{text}").parse().expect("it is a URI");
        read(Query::of(&uri))
            .map_err(|problem| String::from_utf8_lossy(&problem.body("r")).into_owned())
    }

    #[test]
    fn a_query_that_says_nothing_asks_for_the_newest_fifty() {
        let expected = RunQuery {
            workflow: None,
            statuses: Vec::new(),
            labels: Vec::new(),
            created_from: None,
            created_before: None,
            after: None,
            order: Order::NewestFirst,
            limit: 50,
        };
        assert_eq!(query(""), Ok(expected));
    }

    #[test]
    fn every_filter_is_read() {
        let id = "018bcfe568007707870707070707abcd";
        let text = format!(
            "workflow_id={id}&status=running,failed&status=paused&label=team:shop&label=at:10:30&order=asc&limit=7&created_from=2026-01-31T10:00:00%2B01:00"
        );
        let query = query(&text).expect("it holds");
        assert_eq!(query.workflow, id.parse().ok());
        assert_eq!(
            query.statuses,
            [Status::Running, Status::Failed, Status::Paused]
        );
        let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        assert_eq!(query.labels, [pair("team", "shop"), pair("at", "10:30")]);
        assert_eq!((query.order, query.limit), (Order::OldestFirst, 7));
        assert_eq!(query.created_from, "2026-01-31T09:00:00Z".parse().ok());
    }

    #[test]
    fn everything_wrong_with_a_query_is_said_at_once() {
        let problem = query("limit=0&limt=5&status=done&cursor=x&order=up&workflow_id=7&created_before=today&limit=3").expect_err("nothing holds");
        let problem: serde_json::Value = serde_json::from_str(&problem).expect("it is JSON");
        insta::assert_json_snapshot!(problem["errors"], @r#"
        [
          {
            "path": "limit",
            "message": "must be a whole number from 1 to 200"
          },
          {
            "path": "cursor",
            "message": "is no cursor: send the next_cursor of a page as it is"
          },
          {
            "path": "workflow_id",
            "message": "cannot be read: \"7\" is not a UUID"
          },
          {
            "path": "status",
            "message": "cannot be read: \"done\" is not a status: use pending, running, success, failed, paused or cancelled"
          },
          {
            "path": "created_before",
            "message": "cannot be read: \"today\" is not an RFC 3339 timestamp such as 2026-01-31T09:00:00Z"
          },
          {
            "path": "order",
            "message": "must be \"desc\" or \"asc\""
          },
          {
            "path": "limt",
            "message": "unknown parameter \"limt\"; did you mean \"limit\"?"
          }
        ]
        "#);
    }

    #[test]
    fn an_item_shows_the_row_and_the_payload() {
        let record = r#"{"v":1,"at":5,"event":{"run-created":{"workflow":"018bcfe5-6800-7707-8707-07070707abcd","version":2,"payload":{"n":1.10},"plugins":{}}}}"#;
        let row = RunRow {
            run: RunId::from_bytes([1; 16]),
            workflow: WorkflowId::from_bytes([2; 16]),
            version: 2,
            created_at: Timestamp::from_micros(5),
            summary: Summary {
                status: Status::Pending,
                started_at: None,
                completed_at: None,
                error: None,
            },
            due_at: None,
            first_record: record.to_owned(),
        };
        let item = RunItem::of(row.clone()).expect("the record holds");
        insta::assert_snapshot!(serde_json::to_string_pretty(&item).expect("it is JSON"), @r#"
        {
          "uuid": "01010101-0101-0101-0101-010101010101",
          "id": "01010101-0101-0101-0101-010101010101",
          "workflow_id": "02020202-0202-0202-0202-020202020202",
          "workflow_version": 2,
          "status": "pending",
          "payload": {"n":1.10},
          "created_at": "1970-01-01T00:00:00.000005Z",
          "started_at": null,
          "completed_at": null,
          "error": null
        }
        "#);
        let damaged = RunItem::of(RunRow {
            first_record: "{}".to_owned(),
            ..row
        });
        assert!(damaged.is_err_and(|problem| problem.cause().is_some()));
    }
}
