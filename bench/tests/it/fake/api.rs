//! The fake's endpoints.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use axum::body::Bytes;
use axum::extract::{Path, Query, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use serde_json::{Value, json};

use super::{Fault, Memory, definition, engine, lock};

type Shared = Arc<Mutex<Memory>>;

pub(super) fn router(memory: Shared) -> Router {
    Router::new()
        .route(
            "/",
            get(|| async { Json(json!({"message": "Hello World"})) }),
        )
        .route("/health", get(|| async { Json(json!({"status": "ok"})) }))
        .route("/api/v1/workflows", post(create))
        .route("/api/v1/workflows/{uuid}", get(workflow))
        .route("/api/v1/trigger", post(trigger))
        .route("/api/v1/runs/{uuid}", get(run))
        .route("/api/v1/runs/{uuid}/cancel", post(cancel))
        .route("/api/v1/runs", get(list))
        .route("/api/v1/stats", get(stats))
        .with_state(memory)
}

fn problem(memory: &Memory, status: StatusCode, detail: &str, errors: &[Value]) -> Response {
    let mut body = json!({"status": status.as_u16(), "detail": detail, "errors": errors});
    if memory.fault == Fault::RefusesWithoutAWord {
        body = json!({"status": status.as_u16()});
    }
    (
        status,
        [(header::CONTENT_TYPE, "application/problem+json")],
        body.to_string(),
    )
        .into_response()
}

async fn create(State(memory): State<Shared>, headers: HeaderMap, body: Bytes) -> Response {
    let mut memory = lock(&memory);
    if headers
        .get(header::CONTENT_TYPE)
        .is_none_or(|kind| kind != "application/json")
    {
        return problem(
            &memory,
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            "send application/json",
            &[],
        );
    }
    let Ok(mut definition) = serde_json::from_slice::<Value>(&body) else {
        return problem(&memory, StatusCode::BAD_REQUEST, "this is no JSON", &[]);
    };
    let errors = definition::problems(&definition);
    if !errors.is_empty() {
        return problem(
            &memory,
            StatusCode::UNPROCESSABLE_ENTITY,
            "the definition does not hold",
            &errors,
        );
    }
    let uuid = memory.next_id();
    definition["uuid"] = uuid.clone().into();
    memory.workflows.insert(uuid.clone(), definition);
    Json(json!({"message": "Workflow created successfully", "workflow_id": uuid})).into_response()
}

async fn workflow(State(memory): State<Shared>, Path(uuid): Path<String>) -> Response {
    let memory = lock(&memory);
    match memory.workflows.get(&uuid) {
        Some(definition) => Json(definition).into_response(),
        None => problem(
            &memory,
            StatusCode::NOT_FOUND,
            &format!("Workflow {uuid} not found"),
            &[],
        ),
    }
}

async fn trigger(
    State(shared): State<Shared>,
    Query(query): Query<HashMap<String, String>>,
    headers: HeaderMap,
    Json(body): Json<Value>,
) -> Response {
    let run = {
        let mut memory = lock(&shared);
        memory.triggers += 1;
        if memory.fault == Fault::AnswersErrors && memory.triggers.is_multiple_of(10) {
            return problem(
                &memory,
                StatusCode::INTERNAL_SERVER_ERROR,
                "the tenth is one too many",
                &[],
            );
        }
        let key = headers
            .get("idempotency-key")
            .and_then(|key| key.to_str().ok())
            .map(str::to_owned);
        let key = key.filter(|_| memory.fault != Fault::ForgetsTriggerKeys);
        let known = key.as_ref().and_then(|key| memory.keys.get(key));
        match known {
            Some((request, _)) if *request != body => {
                return problem(
                    &memory,
                    StatusCode::CONFLICT,
                    "this key was used with another request",
                    &[],
                );
            }
            Some((_, run)) => run.clone(),
            None => {
                let workflow = body["workflow_id"].as_str().unwrap_or_default().to_owned();
                if !memory.workflows.contains_key(&workflow) {
                    let detail = format!("Workflow {workflow} not found");
                    return problem(&memory, StatusCode::NOT_FOUND, &detail, &[]);
                }
                let payload = body.get("payload").cloned().unwrap_or_else(|| json!({}));
                let run = memory.start_run(&workflow, payload);
                if let Some(key) = key {
                    memory.keys.insert(key, (body, run.clone()));
                }
                tokio::spawn(engine::execute(Arc::clone(&shared), run.clone()));
                run
            }
        }
    };
    let wait = query
        .get("wait")
        .and_then(|wait| wait.strip_suffix('s')?.parse().ok())
        .map(Duration::from_secs);
    match wait {
        None => Json(json!({"run_id": run, "status": "triggered"})).into_response(),
        Some(wait) => finished(&shared, &run, wait).await,
    }
}

async fn finished(memory: &Shared, run: &str, wait: Duration) -> Response {
    let deadline = Instant::now() + wait;
    loop {
        let document = lock(memory).run(run).cloned().unwrap_or_default();
        if document["status"] != "running" {
            return Json(document).into_response();
        }
        if Instant::now() >= deadline {
            return (StatusCode::ACCEPTED, Json(document)).into_response();
        }
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}

async fn run(State(memory): State<Shared>, Path(uuid): Path<String>) -> Response {
    let memory = lock(&memory);
    match memory.run(&uuid) {
        Some(run) => Json(run).into_response(),
        None => problem(
            &memory,
            StatusCode::NOT_FOUND,
            "Workflow run not found",
            &[],
        ),
    }
}

async fn cancel(State(memory): State<Shared>, Path(uuid): Path<String>) -> Response {
    let mut memory = lock(&memory);
    match memory.run(&uuid) {
        None => problem(
            &memory,
            StatusCode::NOT_FOUND,
            "Workflow run not found",
            &[],
        ),
        Some(run) if run["status"] != "running" => {
            problem(&memory, StatusCode::CONFLICT, "the run has ended", &[])
        }
        Some(_) => {
            memory.end_run(&uuid, "cancelled", Value::Null);
            Json(memory.run(&uuid)).into_response()
        }
    }
}

async fn list(
    State(memory): State<Shared>,
    Query(query): Query<HashMap<String, String>>,
) -> Response {
    let memory = lock(&memory);
    let number = |name: &str| query.get(name).and_then(|text| text.parse::<usize>().ok());
    let limit = number("limit").unwrap_or(50);
    let from = number("cursor").unwrap_or(0);
    let wanted = |run: &&Value| match (query.get("status"), run["status"].as_str()) {
        (Some(statuses), Some(status)) => statuses.split(',').any(|wanted| wanted == status),
        (None, status) => status.is_some(),
        (Some(_), None) => false,
    };
    let mut newest: Vec<&Value> = memory.runs.iter().rev().filter(wanted).collect();
    if memory.fault == Fault::ListsARunTwice {
        newest.extend(newest.first().copied());
    }
    let items: Vec<&Value> = newest.iter().skip(from).take(limit).copied().collect();
    let next = (from + items.len() < newest.len()).then(|| (from + items.len()).to_string());
    Json(json!({"items": items, "next_cursor": next, "limit": limit})).into_response()
}

async fn stats(
    State(memory): State<Shared>,
    Query(query): Query<HashMap<String, String>>,
) -> Response {
    let memory = lock(&memory);
    let workflow = query.get("workflow_id").map(String::as_str);
    let count = |status: &str| {
        let is_counted = |run: &&Value| {
            run["status"] == status
                && workflow.is_none_or(|workflow| run["workflow_id"] == workflow)
        };
        memory.runs.iter().filter(is_counted).count()
    };
    let runs = json!({
        "pending": 0, "running": count("running"), "success": count("success"),
        "failed": count("failed"), "paused": 0, "cancelled": count("cancelled"),
    });
    // Of one length, whatever there is to count.
    let answer = json!({ "runs": runs }).to_string();
    (
        [(header::CONTENT_TYPE, "application/json")],
        format!("{answer:200}"),
    )
        .into_response()
}
