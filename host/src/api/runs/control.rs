//! What may be done with a run: end it, hold it, let it go on, have it done again.

use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use bytes::Bytes;
use millwork_core::id::RunId;
use millwork_core::step::StepKey;
use serde_json::value::RawValue;
use utoipa::ToSchema;

use super::RunDocument;
use crate::api::Api;
use crate::api::body::{self, Limit, Members};
use crate::api::json::answer;
use crate::api::openapi::{
    Body as BodyProblems, CancelRefused, InvalidRequest, RetryRefused, RunFinished, Unavailable,
    UnknownRun,
};
use crate::api::problem::{Fault, Problem};
use crate::api::query::Id;
use crate::engine::{RetryFrom, RetryWith, RunView};
use crate::nearest::unknown;

/// Why something is done with a run.
#[derive(ToSchema)]
#[schema(as = ControlRequest, example = json!({"reason": "the order was taken back"}))]
#[expect(
    dead_code,
    reason = "it only describes the body, which is read member by member"
)]
pub(in crate::api) struct ControlRequest {
    /// For people; kept in the run's journal.
    reason: Option<String>,
}

/// From where a run is done again, and with what.
#[derive(ToSchema)]
#[schema(as = RetryRequest, example = json!({"from": {"step": "charge"}, "with": "newest"}))]
#[expect(
    dead_code,
    reason = "it only describes the body, which is read member by member"
)]
pub(in crate::api) struct RetryRequest {
    /// `failure` (from what failed or was cut off; the default), `start`, or a step.
    from: Option<RetryFromWords>,
    /// `pinned` (the workflow version and plugins that it has; the default) or `newest`.
    #[schema(example = "pinned")]
    with: Option<String>,
}

/// From where a run is done again.
#[derive(ToSchema)]
#[serde(untagged)]
#[expect(
    dead_code,
    reason = "it only describes the body, which is read member by member"
)]
enum RetryFromWords {
    Word(String),
    Step(RetryStep),
}

/// The step from which a run is done again.
#[derive(ToSchema)]
#[expect(
    dead_code,
    reason = "it only describes the body, which is read member by member"
)]
struct RetryStep {
    /// Its name.
    #[schema(example = "charge")]
    step: String,
    /// Which iteration, from zero, where it is a loop and only that one is to be done again.
    iteration: Option<u32>,
}

/// Cancel a run
///
/// What is under way is interrupted, what was done is undone (`compensate`), and what is to be done at the end (`finally`) is done; where there is
/// nothing of that, the run has ended with the answer. The body may be left out.
#[utoipa::path(
    post,
    path = "/api/v1/runs/{run_id}/cancel",
    operation_id = "cancel_run",
    tag = "runs",
    params(("run_id" = Uuid, Path, description = "The run, with or without dashes")),
    request_body(content = Option<ControlRequest>, content_type = "application/json"),
    responses(
        (status = 200, description = "The run, which has ended or is on its way", body = RunDocument),
        UnknownRun, CancelRefused, BodyProblems, InvalidRequest, Unavailable,
    ),
)]
pub(in crate::api) async fn cancel(
    State(api): State<Api>,
    Id(run): Id<RunId>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Problem> {
    let reason = reason(&api, &headers, body).await?;
    let view = api.engine().cancel_run(run, reason).await?;
    shown(&view)
}

/// Kill a run
///
/// The run ends at once: nothing is undone, and nothing is done at the end. The body may be left out.
#[utoipa::path(
    post,
    path = "/api/v1/runs/{run_id}/kill",
    operation_id = "kill_run",
    tag = "runs",
    params(("run_id" = Uuid, Path, description = "The run, with or without dashes")),
    request_body(content = Option<ControlRequest>, content_type = "application/json"),
    responses(
        (status = 200, description = "The run, which has ended", body = RunDocument),
        UnknownRun, RunFinished, BodyProblems, InvalidRequest, Unavailable,
    ),
)]
pub(in crate::api) async fn kill(
    State(api): State<Api>,
    Id(run): Id<RunId>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Problem> {
    let reason = reason(&api, &headers, body).await?;
    let view = api.engine().kill_run(run, reason).await?;
    shown(&view)
}

/// Pause a run
///
/// Nothing new of it begins until it is resumed. What is under way may finish, and is recorded. A run that is paused already stays so. The body
/// may be left out.
#[utoipa::path(
    post,
    path = "/api/v1/runs/{run_id}/pause",
    operation_id = "pause_run",
    tag = "runs",
    params(("run_id" = Uuid, Path, description = "The run, with or without dashes")),
    request_body(content = Option<ControlRequest>, content_type = "application/json"),
    responses(
        (status = 200, description = "The run, which is paused", body = RunDocument),
        UnknownRun, RunFinished, BodyProblems, InvalidRequest, Unavailable,
    ),
)]
pub(in crate::api) async fn pause(
    State(api): State<Api>,
    Id(run): Id<RunId>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Problem> {
    let reason = reason(&api, &headers, body).await?;
    let view = api.engine().pause_run(run, reason).await?;
    shown(&view)
}

/// Resume a run
///
/// What came due while the run was paused is done at once. One that is not paused goes on anyway. The body may be left out.
#[utoipa::path(
    post,
    path = "/api/v1/runs/{run_id}/resume",
    operation_id = "resume_run",
    tag = "runs",
    params(("run_id" = Uuid, Path, description = "The run, with or without dashes")),
    request_body(content = Option<ControlRequest>, content_type = "application/json"),
    responses(
        (status = 200, description = "The run, which goes on", body = RunDocument),
        UnknownRun, RunFinished, BodyProblems, InvalidRequest, Unavailable,
    ),
)]
pub(in crate::api) async fn resume(
    State(api): State<Api>,
    Id(run): Id<RunId>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Problem> {
    // A resumption needs no reason; one that is sent holds all the same.
    reason(&api, &headers, body).await?;
    let view = api.engine().resume_run(run).await?;
    shown(&view)
}

/// Retry a run
///
/// A run that has ended goes on: what failed, was cut off or was undone is done again, with all that follows it, and what is done stays done. The body
/// may be left out.
#[utoipa::path(
    post,
    path = "/api/v1/runs/{run_id}/retry",
    operation_id = "retry_run",
    tag = "runs",
    params(("run_id" = Uuid, Path, description = "The run, with or without dashes")),
    request_body(content = Option<RetryRequest>, content_type = "application/json"),
    responses(
        (status = 200, description = "The run, which goes on", body = RunDocument),
        UnknownRun, RetryRefused, BodyProblems, InvalidRequest, Unavailable,
    ),
)]
pub(in crate::api) async fn retry(
    State(api): State<Api>,
    Id(run): Id<RunId>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Problem> {
    let bytes = read(&api, &headers, body).await?;
    let (from, with) = read_retry(&bytes)?;
    let view = api.engine().retry_run(run, from, with).await?;
    shown(&view)
}

fn shown(view: &RunView) -> Result<Response, Problem> {
    Ok(answer(
        StatusCode::OK,
        &RunDocument::of(&view.run, &view.graph),
    ))
}

/// What is said beside such a request is a sentence or two; that is no setting.
const REQUEST_LIMIT: Limit = Limit {
    what: "the request",
    bytes: std::num::NonZeroUsize::new(4_096).expect("it is not zero"),
    around_bytes: 0,
    setting: "fixed",
};

/// Reads a body that may be left out, which is then `{}`.
async fn read(api: &Api, headers: &HeaderMap, body: Body) -> Result<Bytes, Problem> {
    let body = body::read(body, REQUEST_LIMIT, api.body_timeout()).await?;
    if body.is_empty() {
        return Ok(Bytes::from_static(b"{}"));
    }
    body::require_json(headers)?;
    Ok(body)
}

async fn reason(api: &Api, headers: &HeaderMap, body: Body) -> Result<Option<String>, Problem> {
    read_reason(&read(api, headers, body).await?)
}

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

fn read_retry(body: &[u8]) -> Result<(RetryFrom, RetryWith), Problem> {
    let (mut from, mut with) = (RetryFrom::Failure, RetryWith::Pinned);
    let mut faults = Vec::new();
    for (name, value) in Members::read(body)?.0 {
        match &*name {
            "from" | "with" if value.get() == "null" => {}
            "from" => match read_from(value) {
                Ok(read) => from = read,
                Err(fault) => faults.push(fault),
            },
            "with" => match body::string(value).as_deref() {
                Some("pinned") => with = RetryWith::Pinned,
                Some("newest") => with = RetryWith::Newest,
                _ => faults.push(Fault::new("/with", "must be one of \"pinned\", \"newest\"")),
            },
            other => faults.push(Fault::new(
                body::pointer(other),
                unknown("field", other, ["from", "with"]),
            )),
        }
    }
    match faults.is_empty() {
        true => Ok((from, with)),
        false => Err(Problem::invalid(faults)),
    }
}

pub(in crate::api) fn read_from(value: &RawValue) -> Result<RetryFrom, Fault> {
    let refuse = || {
        let message = "must be \"failure\", \"start\", or a step such as {\"step\": \"charge\"}, with an `iteration` where it is one of a loop";
        Fault::new("/from", message)
    };
    match body::string(value).as_deref() {
        Some("failure") => return Ok(RetryFrom::Failure),
        Some("start") => return Ok(RetryFrom::Start),
        _ => {}
    }
    let Members(members) = Members::read(value.get().as_bytes()).map_err(|_| refuse())?;
    let (mut step, mut iteration) = (None, None);
    for (name, value) in members {
        match &*name {
            "step" => step = Some(body::string(value).ok_or_else(refuse)?.into_owned()),
            "iteration" if value.get() == "null" => {}
            "iteration" => iteration = Some(value.get().parse().map_err(|_| refuse())?),
            other => {
                let message = unknown("field", other, ["step", "iteration"]);
                return Err(Fault::new(
                    format!("/from{}", body::pointer(other)),
                    message,
                ));
            }
        }
    }
    let name = step.ok_or_else(refuse)?.into();
    Ok(RetryFrom::Step(StepKey { name, iteration }))
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

    #[test]
    fn a_retry_says_from_where_and_with_what() {
        let read =
            |text: &str| read_retry(text.as_bytes()).map_err(|problem| problem.detail().to_owned());
        let step = |name: &str, iteration| {
            RetryFrom::Step(StepKey {
                name: name.into(),
                iteration,
            })
        };
        assert_eq!(read("{}"), Ok((RetryFrom::Failure, RetryWith::Pinned)));
        assert_eq!(
            read(r#"{"from": "start", "with": "newest"}"#),
            Ok((RetryFrom::Start, RetryWith::Newest))
        );
        assert_eq!(
            read(r#"{"from": {"step": "a", "iteration": 3}, "with": null}"#),
            Ok((step("a", Some(3)), RetryWith::Pinned))
        );
        assert_eq!(
            read(r#"{"from": {"step": "failure"}}"#),
            Ok((step("failure", None), RetryWith::Pinned))
        );
        for text in [
            r#"{"from": "beginning"}"#,
            r#"{"from": {"iteration": 1}}"#,
            r#"{"from": {"step": "a", "iteration": -1}}"#,
            r#"{"from": 7}"#,
            r#"{"with": "oldest"}"#,
            r#"{"form": "start"}"#,
        ] {
            assert!(read(text).is_err(), "{text}");
        }
    }
}
