//! Signals: what the world tells a run that is under way.

use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use millwork_core::command::Signal;
use millwork_core::id::RunId;
use millwork_core::json::Json;
use serde::Serialize;
use utoipa::ToSchema;

use super::Api;
use super::body;
use super::idempotency_key;
use super::json::answer;
use super::openapi::{
    Body as BodyProblems, InvalidRequest, SignalRefused, Unavailable, UnknownRun,
};
use super::problem::{Fault, Kind, Problem};
use super::query::IdAndName;

/// Characters of a signal's name.
const NAME_MAX: usize = 128;

/// A signal that has been accepted.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Signalled {
    /// The run.
    #[schema(value_type = Uuid)]
    run_id: RunId,
    /// The signal's name.
    #[schema(example = "approved")]
    name: String,
    /// Always `accepted`: the signal is durable.
    #[schema(example = "accepted")]
    status: &'static str,
}

/// Send a run a signal
///
/// Answers once the signal is durable. The step that waits for a signal of this name is given it; where none does, it waits for one
/// that asks. Each signal is given to one step. The body is what it carries, any JSON, and may be left out.
#[utoipa::path(
    post,
    path = "/api/v1/runs/{run_id}/signals/{name}",
    operation_id = "signal_run",
    tag = "runs",
    params(
        ("run_id" = Uuid, Path, description = "The run, with or without dashes"),
        ("name" = String, Path, description = "The signal's name: 1 to 128 characters", example = "approved"),
        ("Idempotency-Key" = Option<String>, Header, description = "The same key is the same signal: 1 to 255 visible characters", example = "click-7"),
    ),
    request_body(content = Option<Object>, content_type = "application/json"),
    responses(
        (status = 202, description = "The signal is durable", body = Signalled),
        UnknownRun, SignalRefused, BodyProblems, InvalidRequest, Unavailable,
    ),
)]
pub(super) async fn send(
    State(api): State<Api>,
    IdAndName(run, name): IdAndName<RunId>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Problem> {
    let body = body::read(body, api.payload_limit(), api.body_timeout()).await?;
    let mut faults = Vec::new();
    let key = idempotency_key::read(&headers, &mut faults);
    if !(1..=NAME_MAX).contains(&name.chars().count()) || name.chars().any(char::is_control) {
        let message =
            format!("must have 1 to {NAME_MAX} characters, none of them a control character");
        faults.push(Fault::new("name", message));
    }
    if !faults.is_empty() {
        return Err(Problem::invalid(faults));
    }
    let payload = match body.is_empty() {
        true => Json::null(),
        false => {
            body::require_json(&headers)?;
            read_payload(&body)?
        }
    };
    let signal = Signal {
        name: name.clone(),
        payload,
        key,
    };
    api.engine().signal_run(run, signal).await?;
    let signalled = Signalled {
        run_id: run,
        name,
        status: "accepted",
    };
    Ok(answer(StatusCode::ACCEPTED, &signalled))
}

fn read_payload(body: &[u8]) -> Result<Json, Problem> {
    let raw = body::raw(body)?.to_owned();
    Json::from_raw(raw).map_err(|error| Problem::new(Kind::MalformedJson, error.to_string()))
}
