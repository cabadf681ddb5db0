//! What is refused, how, and with which words.

use anyhow::{Result, ensure};
use serde_json::{Value, json};

use super::Walk;
use crate::api::trigger_request;
use crate::client::Request;

const NOBODY: &str = "00000000-0000-7000-8000-000000000000";

pub(super) async fn walk(walk: &mut Walk<'_>) {
    let unknown_workflow = format!("Workflow {NOBODY} not found");
    let get = |path: String| Request::get(&path).finish();
    let post = |path: &str, body: Value| Request::post(path).json(&body);
    let steps = |steps: Value| {
        post(
            "/api/v1/workflows",
            json!({"name": "contract", "steps": steps}),
        )
    };

    let cases: Vec<(&'static str, Request, u16, &str)> = vec![
        (
            "an unknown workflow is 404",
            get(format!("/api/v1/workflows/{NOBODY}")),
            404,
            &unknown_workflow,
        ),
        (
            "an unknown run is 404",
            get(format!("/api/v1/runs/{NOBODY}")),
            404,
            "Workflow run not found",
        ),
        (
            "a trigger of an unknown workflow is 404",
            trigger_request(NOBODY, &json!({}), None),
            404,
            &unknown_workflow,
        ),
        (
            "malformed JSON is 400",
            Request::post("/api/v1/workflows")
                .header("content-type", "application/json")
                .body(b"{\"name\": "),
            400,
            "",
        ),
        (
            "another content type is 415",
            Request::post("/api/v1/workflows")
                .header("content-type", "text/plain")
                .body(b"{}"),
            415,
            "",
        ),
        (
            "a delay of less than nothing is 422",
            steps(json!([{"name": "wait", "type": "delay", "config": {"duration": -1}}])),
            422,
            "/steps/0/config",
        ),
        (
            "a webhook without a url is 422",
            steps(json!([{"name": "call", "type": "webhook", "config": {"method": "POST"}}])),
            422,
            "url",
        ),
        (
            "an unknown type is 422",
            steps(json!([{"name": "a", "type": "no-such-type", "config": {}}])),
            422,
            "no-such-type",
        ),
        (
            "a name that nothing provides is 422",
            steps(
                json!([{"name": "call", "type": "webhook", "config": {"url": "http://127.0.0.1/${nobody.x}"}}]),
            ),
            422,
            "nobody",
        ),
        (
            "an unknown field is 422 and names the nearest",
            steps(
                json!([{"name": "wait", "type": "delay", "config": {"duration": 0}, "need": []}]),
            ),
            422,
            "needs",
        ),
        (
            "two steps of one name are 422",
            steps(json!([
                {"name": "twin", "type": "delay", "config": {"duration": 0}},
                {"name": "twin", "type": "delay", "config": {"duration": 0}},
            ])),
            422,
            "twin",
        ),
    ];
    for (case, request, status, word) in cases {
        let result = refused(walk, &request, status, word).await;
        walk.note(case, result);
    }
    let result = every_problem(walk).await;
    walk.note("every problem is told at once, with its path", result);
}

/// Sends what has to be refused: with this status, as a problem document, with this word somewhere in it.
async fn refused(
    walk: &mut Walk<'_>,
    request: &Request,
    status: u16,
    word: &str,
) -> Result<String> {
    let (response, body) = walk.ask(request).await?;
    ensure!(
        response.status == status,
        "it was answered {} {body}",
        response.status
    );
    let kind = response.header("content-type").unwrap_or("nothing");
    ensure!(
        kind.starts_with("application/problem+json"),
        "the refusal is {kind}"
    );
    let detail = body["detail"].as_str().unwrap_or("");
    ensure!(!detail.is_empty(), "the refusal has no detail: {body}");
    ensure!(
        body.to_string().contains(word),
        "nothing is said of {word:?}: {body}"
    );
    if status == 404 {
        ensure!(detail == word, "the detail is {detail:?}");
    }
    Ok(format!("{status} {detail}"))
}

async fn every_problem(walk: &mut Walk<'_>) -> Result<String> {
    let definition = json!({"steps": [
        {"name": "wait", "type": "delay", "config": {"duration": -1}},
        {"name": "call", "type": "webhook", "config": {}, "needs": ["nobody"]},
    ]});
    let (response, body) = walk
        .ask(&Request::post("/api/v1/workflows").json(&definition))
        .await?;
    ensure!(
        response.status == 422,
        "it was answered {} {body}",
        response.status
    );
    let errors = body["errors"]
        .as_array()
        .map_or(&[] as &[Value], Vec::as_slice);
    let paths: Vec<&str> = errors
        .iter()
        .filter_map(|error| error["path"].as_str())
        .collect();
    for wanted in [
        "/name",
        "/steps/0/config",
        "/steps/1/config",
        "/steps/1/needs",
    ] {
        ensure!(
            paths.iter().any(|path| path.starts_with(wanted)),
            "nothing is said of {wanted}: {paths:?}"
        );
    }
    ensure!(
        errors.iter().all(|error| error["message"].is_string()),
        "an error has no message: {body}"
    );
    Ok(paths.join(" "))
}
