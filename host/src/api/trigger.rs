//! `POST /api/v1/trigger`: the one request that has to be fast.

use std::time::Duration;

use axum::extract::{Request, State};
use axum::http::{HeaderMap, StatusCode, Uri};
use axum::response::Response;
use millwork_core::id::{RunId, WorkflowId};
use millwork_core::json::Json;
use millwork_store::Labels;
use serde::Serialize;
use serde_json::value::RawValue;
use utoipa::ToSchema;

use super::Api;
use super::body::{self, Limit, Members};
use super::idempotency_key;
use super::json::answer;
use super::labels;
use super::openapi::{
    Body as BodyProblems, InvalidRequest, LimitReached, Overloaded, TriggerRefused, UnknownVersion,
};
use super::problem::{Fault, Problem};
use super::query::{Query, span};
use super::runs::RunDocument;
use super::traced;
use crate::engine::Trigger;
use crate::nearest::unknown;

/// What may stand in the body around the payload.
const ENVELOPE_MAX: usize = 32 << 10;

/// A workflow to be run.
#[derive(ToSchema)]
#[schema(as = TriggerRequest, example = json!({"workflow_id": "019ab2f0-5d3c-7e11-8c3a-6f2f0a9d1e55", "payload": {"order_id": 7}}))]
#[expect(
    dead_code,
    reason = "it only describes the body, which is read member by member"
)]
pub(super) struct TriggerRequest {
    /// The workflow.
    #[schema(value_type = Uuid)]
    workflow_id: WorkflowId,
    /// The version of it; the newest where nothing is said.
    #[schema(minimum = 1, example = 3)]
    version: Option<u32>,
    /// What the run is about; expressions read it as `payload`. An object; empty where nothing is said.
    #[schema(value_type = Option<Object>)]
    payload: Option<Json>,
    /// Texts by their names, by which the run is found: at most 16, names of 1 to 64 letters, digits, dashes, dots, slashes and
    /// underscores, texts of at most 256 characters.
    #[schema(example = json!({"customer": "7"}))]
    labels: Option<std::collections::HashMap<String, String>>,
}

/// A run that has been accepted.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Triggered)]
pub(super) struct Triggered {
    /// The run's identifier.
    #[schema(value_type = Uuid)]
    run_id: RunId,
    /// Always `triggered`: the run is durable.
    #[schema(example = "triggered")]
    status: &'static str,
}

/// What a trigger answers with.
#[derive(ToSchema)]
#[schema(as = TriggerAnswer)]
#[serde(untagged)]
#[expect(dead_code, reason = "it only describes the answer")]
pub(super) enum TriggerAnswer<'a> {
    /// Without `wait`: the run is durable.
    Triggered(Triggered),
    /// With `wait`: the finished run.
    #[schema(value_type = RunDocument)]
    Finished(Box<RunDocument<'a>>),
}

/// Trigger a workflow
///
/// Answers once the run is durable: from then on no crash loses it. With `wait` it answers with the run once it has ended, or
/// with the run as it is when the time is up.
#[utoipa::path(
    post,
    path = "/api/v1/trigger",
    operation_id = "trigger",
    tag = "runs",
    params(
        ("wait" = Option<String>, Query, description = "Wait this long for the run to end, at most `server.wait_max`", example = "10s"),
        ("Idempotency-Key" = Option<String>, Header, description = "The same key and payload make the same run: 1 to 255 visible characters, remembered for `engine.idempotency_kept`", example = "order-7"),
    ),
    request_body(content = TriggerRequest, content_type = "application/json"),
    responses(
        (status = 200, description = "The run is durable; or, with `wait`, it has ended", body = TriggerAnswer),
        (status = 202, description = "With `wait`: the run so far, which goes on", body = RunDocument),
        UnknownVersion, TriggerRefused, BodyProblems, InvalidRequest, LimitReached, Overloaded,
    ),
)]
pub(super) async fn trigger(
    State(api): State<Api>,
    // Whole, since every extractor would clone its part of it.
    request: Request,
) -> Result<Response, Problem> {
    let (head, body) = request.into_parts();
    let limit = Limit {
        around_bytes: ENVELOPE_MAX,
        ..api.payload_limit()
    };
    let body = body::read_json(&head.headers, body, limit, api.body_timeout()).await?;
    let wait = read_wait(&head.uri, api.wait_max())?;
    let trigger = read(&head.headers, &body, limit)?;
    let run = api.engine().trigger(trigger).await?;
    match wait {
        None => Ok(answer(
            StatusCode::OK,
            &Triggered {
                run_id: run,
                status: "triggered",
            },
        )),
        Some(wait) => answer_with_run(&api, run, wait).await,
    }
}

async fn answer_with_run(api: &Api, run: RunId, wait: Duration) -> Result<Response, Problem> {
    // A server that is about to end answers with what there is: the run goes on after the next start.
    let waited = api
        .closing()
        .run_until_cancelled(api.engine().wait_for_run(run, wait))
        .await;
    let view = match waited {
        Some(view) => view,
        None => api.engine().wait_for_run(run, Duration::ZERO).await,
    };
    let view = view.map_err(|error| {
        Problem::from(error).about(format_args!("run {run} is triggered, but cannot be shown"))
    })?;
    let status = if view.run.status().is_finished() {
        StatusCode::OK
    } else {
        StatusCode::ACCEPTED
    };
    let document = RunDocument::of(&view.run, &view.graph).kept_by(view.turn.as_ref());
    Ok(answer(status, &document))
}

fn read_wait(uri: &Uri, max: Duration) -> Result<Option<Duration>, Problem> {
    if uri.query().is_none() {
        return Ok(None);
    }
    let mut query = Query::of(uri);
    let wait = query.one("wait", |text| span(text, max, "server.wait_max"));
    query.finish()?;
    Ok(wait)
}

/// What a request may say.
const FIELDS: [&str; 4] = ["workflow_id", "version", "payload", "labels"];

/// Reads the request. The payload stays the text that it is.
fn read(headers: &HeaderMap, body: &[u8], limit: Limit) -> Result<Trigger, Problem> {
    let mut faults = Vec::new();
    let idempotency_key = idempotency_key::read(headers, &mut faults);
    let (mut workflow, mut version, mut payload, mut labels) = (None, None, None, None);
    for (name, value) in Members::read(body)?.0 {
        let member = match &*name {
            "workflow_id" => &mut workflow,
            "version" => &mut version,
            "payload" => &mut payload,
            "labels" => &mut labels,
            other => {
                let message = unknown("field", other, FIELDS);
                faults.push(Fault::new(body::pointer(other), message));
                continue;
            }
        };
        if member.replace(value).is_some() {
            faults.push(Fault::new(body::pointer(&name), "is there twice"));
        }
    }
    if let Some(payload) = payload.filter(|payload| payload.get().len() > limit.bytes.get()) {
        tracing::debug!(payload.bytes = payload.get().len(), "refused a payload");
        return Err(limit.exceeded());
    }
    let workflow = read_workflow(workflow, &mut faults);
    let version = read_version(version, &mut faults);
    let payload = read_payload(payload, &mut faults);
    let labels = labels.map_or_else(Labels::new, |value| {
        labels::read("/labels", value, &mut faults)
    });
    match (workflow, payload) {
        (Some(workflow), Some(payload)) if faults.is_empty() => Ok(Trigger {
            workflow,
            version,
            payload,
            idempotency_key,
            labels,
            trace: traced::trace(headers),
        }),
        _ => Err(Problem::invalid(faults)),
    }
}

fn read_workflow(value: Option<&RawValue>, faults: &mut Vec<Fault>) -> Option<WorkflowId> {
    let mut fault = |message: String| faults.push(Fault::new("/workflow_id", message));
    let Some(value) = value else {
        fault("is missing".to_owned());
        return None;
    };
    let Some(text) = body::string(value) else {
        fault("must be a string".to_owned());
        return None;
    };
    text.parse()
        .map_err(|error: millwork_core::id::ParseIdError| fault(error.to_string()))
        .ok()
}

fn read_version(value: Option<&RawValue>, faults: &mut Vec<Fault>) -> Option<u32> {
    let value = value.filter(|value| value.get() != "null")?;
    let version = value.get().parse().ok().filter(|version| *version >= 1);
    if version.is_none() {
        faults.push(Fault::new("/version", "must be a whole number from 1 on"));
    }
    version
}

fn read_payload(value: Option<&RawValue>, faults: &mut Vec<Fault>) -> Option<Json> {
    let Some(value) = value.filter(|value| value.get() != "null") else {
        return Some(Json::empty_object());
    };
    if !value.get().starts_with('{') {
        faults.push(Fault::new("/payload", "must be an object"));
        return None;
    }
    Json::from_raw(value.to_owned())
        .map_err(|error| faults.push(Fault::new("/payload", error.to_string())))
        .ok()
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroUsize;

    use axum::http::HeaderName;

    use super::super::idempotency_key::IDEMPOTENCY_KEY;
    use super::*;

    const WORKFLOW: &str = "018bcfe5-6800-7707-8707-07070707abcd";
    const LIMIT: Limit = Limit {
        what: "the payload",
        bytes: NonZeroUsize::new(64).expect("64"),
        around_bytes: 0,
        setting: "limits.payload_max_bytes",
    };

    fn read_text(headers: &[(HeaderName, &str)], body: &str) -> Result<Trigger, serde_json::Value> {
        let headers = headers
            .iter()
            .map(|(name, value)| (name.clone(), value.parse().expect("it is a header")))
            .collect();
        read(&headers, body.as_bytes(), LIMIT)
            .map_err(|problem| serde_json::from_slice(&problem.body("r")).expect("it is JSON"))
    }

    #[test]
    fn a_payload_keeps_its_text() {
        let body =
            format!(r#"{{"workflow_id":"{WORKFLOW}", "payload": {{"b":1.10, "a":[1e2]}} }}"#);
        let trigger = read_text(&[(IDEMPOTENCY_KEY, "order 7")], &body).expect("it holds");
        assert_eq!(trigger.workflow.to_string(), WORKFLOW);
        assert_eq!(trigger.payload.text(), r#"{"b":1.10, "a":[1e2]}"#);
        assert_eq!(trigger.idempotency_key.as_deref(), Some("order 7"));
    }

    #[test]
    fn no_payload_is_an_empty_one_and_an_id_needs_no_dashes() {
        let without_dashes = WORKFLOW.replace('-', "");
        for payload in ["", r#","payload":null"#, r#","payload":{}"#] {
            let trigger = read_text(
                &[],
                &format!(r#"{{"workflow_id":"{without_dashes}"{payload}}}"#),
            )
            .expect("it holds");
            assert_eq!(
                (
                    trigger.workflow.to_string().as_str(),
                    trigger.payload.text()
                ),
                (WORKFLOW, "{}")
            );
            assert_eq!(trigger.idempotency_key, None);
        }
    }

    #[test]
    fn everything_wrong_with_a_request_is_said_at_once() {
        let body = r#"{"workflow_id":"7","payload":[],"payloads":1,"payload":[]}"#;
        let problem = read_text(&[(IDEMPOTENCY_KEY, "")], body).expect_err("nothing holds");
        insta::assert_json_snapshot!(problem, @r#"
        {
          "type": "/docs/errors/invalid-request",
          "title": "Invalid request",
          "status": 422,
          "detail": "the request does not hold: Idempotency-Key: must be 1 to 255 visible ASCII characters (and 4 more)",
          "request_id": "r",
          "errors": [
            {
              "path": "Idempotency-Key",
              "message": "must be 1 to 255 visible ASCII characters"
            },
            {
              "path": "/payloads",
              "message": "unknown field \"payloads\"; did you mean \"payload\"?"
            },
            {
              "path": "/payload",
              "message": "is there twice"
            },
            {
              "path": "/workflow_id",
              "message": "\"7\" is not a UUID"
            },
            {
              "path": "/payload",
              "message": "must be an object"
            }
          ]
        }
        "#);
        let problem = read_text(&[], "{}").expect_err("the workflow is missing");
        assert_eq!(
            problem["errors"],
            serde_json::json!([{"path": "/workflow_id", "message": "is missing"}])
        );
        let deep = format!(
            r#"{{"workflow_id":"{WORKFLOW}","payload":{{"a":{}{}}}}}"#,
            "[".repeat(200),
            "]".repeat(200)
        );
        let limit = Limit {
            bytes: NonZeroUsize::new(1_000).expect("1000"),
            ..LIMIT
        };
        let problem =
            read(&HeaderMap::new(), deep.as_bytes(), limit).expect_err("it nests too deep");
        assert!(
            problem.detail().contains("/payload: nests deeper than"),
            "{}",
            problem.detail()
        );
    }

    #[test]
    fn a_payload_over_the_limit_is_refused_by_the_name_of_the_limit() {
        let body = format!(
            r#"{{"workflow_id":"{WORKFLOW}","payload":{{"a":"{}"}}}}"#,
            "x".repeat(64)
        );
        let problem = read_text(&[], &body).expect_err("it is too large");
        assert_eq!(problem["status"], 413);
        assert_eq!(
            problem["detail"],
            "the payload is larger than 64 bytes, the limit (limits.payload_max_bytes)"
        );
    }

    #[test]
    fn a_wait_is_a_span_up_to_a_limit() {
        let wait = |path: &str| {
            let uri = path.parse().expect("it is a URI");
            read_wait(&uri, Duration::from_secs(60)).map_err(|problem| problem.detail().to_owned())
        };
        assert_eq!(wait("/api/v1/trigger"), Ok(None));
        assert_eq!(
            wait("/api/v1/trigger?wait=1m"),
            Ok(Some(Duration::from_secs(60)))
        );
        insta::assert_snapshot!(
            ["/?wait=61s", "/?wait=soon", "/?weight=1s", "/?wait=1s&wait=2s"].map(|query| wait(query).expect_err("it does not hold")).join("\n"),
            @r#"
        the request does not hold: wait: is longer than 60s, the limit (server.wait_max)
        the request does not hold: wait: "soon" is not a span of time such as "10s" or "500ms"
        the request does not hold: weight: unknown parameter "weight"; known here: "wait"
        the request does not hold: wait: is given more than once
        "#
        );
    }
}
