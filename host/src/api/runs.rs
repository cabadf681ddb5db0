//! Runs: reading one, listing them, ending one.

mod list;
mod origin;
mod status;
mod turn;
mod view;
#[cfg(test)]
mod view_tests;

use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use millwork_core::id::RunId;
use utoipa::ToSchema;

pub(super) use list::{__path_list, list};
pub(super) use view::RunDocument;

use super::Api;
use super::body::{self, Limit, Members};
use super::json::answer;
use super::openapi::{Body as BodyProblems, InvalidRequest, RunFinished, Unavailable, UnknownRun};
use super::problem::{Fault, Kind, Problem};
use super::query::Id;
use crate::nearest::unknown;

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

/// Why a run is cancelled.
#[derive(ToSchema)]
#[schema(as = CancelRequest, example = json!({"reason": "the order was taken back"}))]
#[expect(
    dead_code,
    reason = "it only describes the body, which is read member by member"
)]
pub(super) struct CancelRequest {
    /// For people; kept in the run's journal.
    reason: Option<String>,
}

/// Cancel a run
///
/// Nothing new of it begins, and what is under way is interrupted. The body may be left out.
#[utoipa::path(
    post,
    path = "/api/v1/runs/{run_id}/cancel",
    operation_id = "cancel_run",
    tag = "runs",
    params(("run_id" = Uuid, Path, description = "The run, with or without dashes")),
    request_body(content = Option<CancelRequest>, content_type = "application/json"),
    responses(
        (status = 200, description = "The run, which has ended", body = RunDocument),
        UnknownRun, RunFinished, BodyProblems, InvalidRequest, Unavailable,
    ),
)]
pub(super) async fn cancel(
    State(api): State<Api>,
    Id(run): Id<RunId>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Problem> {
    let body = body::read(body, REASON_LIMIT, api.body_timeout()).await?;
    let reason = match body.is_empty() {
        true => None,
        false => {
            body::require_json(&headers)?;
            read_reason(&body)?
        }
    };
    let view = api.engine().cancel_run(run, reason).await?;
    Ok(answer(
        StatusCode::OK,
        &RunDocument::of(&view.run, &view.graph),
    ))
}

/// A reason is a sentence or two; that is no setting.
const REASON_LIMIT: Limit = Limit {
    what: "the reason",
    bytes: std::num::NonZeroUsize::new(4_096).expect("it is not zero"),
    around_bytes: 0,
    setting: "fixed",
};

fn read_reason(body: &[u8]) -> Result<Option<String>, Problem> {
    let mut reason = None;
    let mut faults = Vec::new();
    for (name, value) in Members::read(body)?.0 {
        match (&*name, value.get()) {
            ("reason", "null") => {}
            ("reason", _) => match body::string(value) {
                Some(text) => reason = Some(text.into_owned()),
                None => faults.push(Fault::new("/reason", "must be a string")),
            },
            (other, _) => faults.push(Fault::new(
                body::pointer(other),
                unknown("field", other, ["reason"]),
            )),
        }
    }
    match faults.is_empty() {
        true => Ok(reason),
        false => Err(Problem::invalid(faults)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reason_is_a_string_or_nothing() {
        let read = |text: &str| {
            read_reason(text.as_bytes()).map_err(|problem| problem.detail().to_owned())
        };
        assert_eq!(
            read(r#"{"reason":"no \u006conger needed"}"#),
            Ok(Some("no longer needed".to_owned()))
        );
        assert_eq!(
            (read("{}"), read(r#"{"reason":null}"#)),
            (Ok(None), Ok(None))
        );
        insta::assert_snapshot!(read(r#"{"reason":7,"raeson":""}"#).expect_err("it does not hold"), @r#"the request does not hold: /reason: must be a string (and 1 more)"#);
    }
}
