//! `GET /api/v1/schedules`: what the clock starts, and when next.

use axum::extract::State;
use axum::http::{StatusCode, Uri};
use axum::response::Response;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use millwork_core::definition::{Missed, ScheduleTrigger};
use millwork_core::id::WorkflowId;
use millwork_store::trigger::{Trigger, TriggerId, TriggerKind, TriggerQuery};
use serde::Serialize;
use utoipa::ToSchema;

use super::Api;
use super::json::{Time, answer};
use super::openapi::{InvalidRequest, Unavailable};
use super::page::{LIMIT_DEFAULT, Page, read_limit};
use super::problem::Problem;
use super::query::{Query, parsed};

/// A schedule of a workflow.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Schedule)]
pub(super) struct ScheduleDocument {
    /// The workflow whose runs it starts.
    #[schema(value_type = Uuid)]
    workflow_id: WorkflowId,
    /// The version of the workflow that says so: the newest.
    #[schema(example = 1)]
    workflow_version: u32,
    /// Its place among the workflow's triggers, from zero.
    #[schema(example = 0)]
    trigger: u32,
    /// The times, as cron writes them.
    #[schema(example = "0 9 * * 1-5")]
    cron: String,
    /// The time zone in which they are meant.
    #[schema(example = "Europe/Berlin")]
    timezone: String,
    /// What becomes of times that pass while nothing runs: `skip`, `run-once` or `run-all`.
    #[schema(example = "run-once")]
    missed: &'static str,
    /// The next time for which it starts a run; null where there is none any more.
    #[schema(required)]
    next_at: Option<Time>,
}

impl ScheduleDocument {
    fn of(trigger: &Trigger, schedule: ScheduleTrigger) -> Self {
        Self {
            workflow_id: trigger.id.workflow,
            workflow_version: trigger.id.version,
            trigger: trigger.id.number,
            cron: schedule.cron,
            timezone: schedule.timezone.unwrap_or_else(|| "UTC".to_owned()),
            missed: match schedule.missed {
                Missed::Skip => "skip",
                Missed::RunOnce => "run-once",
                Missed::RunAll => "run-all",
            },
            next_at: trigger.next_at.map(Time),
        }
    }
}

/// List schedules
///
/// What the clock starts, and when next, by workflow.
#[utoipa::path(
    get,
    path = "/api/v1/schedules",
    operation_id = "list_schedules",
    tag = "workflows",
    params(
        ("limit" = Option<u32>, Query, description = "Items on a page, from 1 to 200; 50 where nothing is said", minimum = 1, maximum = 200, example = 50),
        ("cursor" = Option<String>, Query, description = "The `next_cursor` of the page before; send the other parameters unchanged"),
        ("workflow_id" = Option<Uuid>, Query, description = "Only schedules of this workflow"),
    ),
    responses(
        (status = 200, description = "A page of schedules", body = Page<ScheduleDocument>),
        InvalidRequest, Unavailable,
    ),
)]
pub(super) async fn list(State(api): State<Api>, uri: Uri) -> Result<Response, Problem> {
    let mut query = Query::of(&uri);
    let limit = query.one("limit", read_limit).unwrap_or(LIMIT_DEFAULT);
    let asked = TriggerQuery {
        workflow: query.one("workflow_id", parsed),
        kind: Some(TriggerKind::Schedule),
        after: query.one("cursor", read_cursor),
        // One more than asked for tells whether there is another page.
        limit: limit + 1,
    };
    query.finish()?;
    let mut found = api.engine().list_triggers(asked).await?;
    let has_more = found.len() > limit;
    found.truncate(limit);
    let next_cursor = found
        .last()
        .filter(|_| has_more)
        .map(|last| cursor(last.id));
    let mut items = Vec::with_capacity(found.len());
    for trigger in &found {
        // What is left of an older version is no schedule any more.
        let schedule = api.engine().find_schedule(trigger.id).await?;
        items.extend(schedule.map(|schedule| ScheduleDocument::of(trigger, schedule)));
    }
    let page = Page {
        items,
        next_cursor,
        limit,
    };
    Ok(answer(StatusCode::OK, &page))
}

/// The schedule after which the next page begins. What is in it is nobody's business but ours.
fn cursor(id: TriggerId) -> String {
    let place = (id.workflow.to_string(), id.version, id.number);
    URL_SAFE_NO_PAD.encode(serde_json::json!(place).to_string())
}

fn read_cursor(text: &str) -> Result<TriggerId, String> {
    let read = || {
        let bytes = URL_SAFE_NO_PAD.decode(text).ok()?;
        let (workflow, version, number): (String, u32, u32) =
            serde_json::from_slice(&bytes).ok()?;
        Some(TriggerId {
            workflow: workflow.parse().ok()?,
            version,
            number,
        })
    };
    read().ok_or_else(|| "is no cursor: send the next_cursor of a page as it is".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_leads_to_the_schedule_it_was_made_from_and_nothing_else_is_one() {
        let id = TriggerId {
            workflow: WorkflowId::from_bytes([7; 16]),
            version: 3,
            number: 9,
        };
        assert_eq!(read_cursor(&cursor(id)), Ok(id));
        for text in ["", "!", "AQ", "WzEsMl0"] {
            assert!(read_cursor(text).is_err(), "{text}");
        }
    }
}
