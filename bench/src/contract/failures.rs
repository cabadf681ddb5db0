//! What goes wrong outside: which failures are tried again, and how a run ends that they stop.

use anyhow::{Context as _, Result, ensure};
use serde_json::{Value, json};

use super::{Walk, only, output};
use crate::api::Run;

pub(super) async fn walk(walk: &mut Walk<'_>) {
    let result = permanent(walk).await;
    walk.note("a 404 is permanent: one call, and the run fails", result);
    let result = busy(walk).await;
    walk.note(
        "a 503 is tried again under the same key, until it works",
        result,
    );
    let result = always_busy(walk).await;
    walk.note(
        "a 503 that stays fails the run when the attempts are used up",
        result,
    );
    let result = unreachable(walk).await;
    walk.note("a host that is not there fails the run", result);
    let result = what_follows(walk).await;
    walk.note("what follows a failed step does not run", result);
}

async fn permanent(walk: &mut Walk<'_>) -> Result<String> {
    let config = json!({"url": walk.sink.url("/status/404"), "method": "GET"});
    let (run, calls) = walk.call(config, json!({})).await?;
    only(&calls)?;
    failed(&run, "call")
}

async fn busy(walk: &mut Walk<'_>) -> Result<String> {
    let config = json!({"url": walk.sink.url("/busy/2"), "method": "POST", "body": {"n": 1}});
    let retry = json!({"retry": {"max_attempts": 5, "initial": "50ms", "factor": 2, "max": "1s"}});
    let (run, calls) = walk.call(config, retry).await?;
    let said = output(&run, "call")?;
    ensure!(
        said["status_code"] == 200,
        "its status_code is {}",
        said["status_code"]
    );
    let statuses: Vec<u16> = calls.iter().map(|call| call.status).collect();
    ensure!(
        statuses == [503, 503, 200],
        "the calls were answered {statuses:?}"
    );
    let keys: Vec<Option<&str>> = calls.iter().map(crate::sink::Call::key).collect();
    ensure!(
        keys[0].is_some() && keys.iter().all(|key| *key == keys[0]),
        "the calls came with the keys {keys:?}"
    );
    Ok(format!(
        "503 503 200 under {:?}",
        keys[0].unwrap_or_default()
    ))
}

async fn always_busy(walk: &mut Walk<'_>) -> Result<String> {
    let config = json!({"url": walk.sink.url("/status/503"), "method": "POST", "body": {"n": 1}});
    let retry =
        json!({"retry": {"max_attempts": 3, "initial": "20ms", "factor": 1, "jitter": "none"}});
    let (run, calls) = walk.call(config, retry).await?;
    ensure!(
        calls.len() == 3,
        "{} calls were made, three were allowed",
        calls.len()
    );
    failed(&run, "call")
}

async fn unreachable(walk: &mut Walk<'_>) -> Result<String> {
    // A port that was free a moment ago, and that nobody has a reason to take.
    let port = tokio::net::TcpListener::bind("127.0.0.1:0")
        .await?
        .local_addr()?
        .port();
    let config = json!({"url": format!("http://127.0.0.1:{port}/"), "method": "GET"});
    let retry = json!({"retry": {"max_attempts": 2, "initial": "20ms", "jitter": "none"}});
    let (run, _) = walk.call(config, retry).await?;
    failed(&run, "call")
}

async fn what_follows(walk: &mut Walk<'_>) -> Result<String> {
    let steps = json!([
        {"name": "call", "type": "webhook", "config": {"url": walk.sink.url("/status/400"), "method": "GET"}},
        {"name": "later", "type": "delay", "config": {"duration": 0}},
    ]);
    let run = walk.run_steps(steps, json!({})).await?;
    let later = run
        .step_results
        .get("later")
        .map_or("absent", |step| step.status.as_str());
    ensure!(
        matches!(later, "absent" | "pending" | "skipped" | "cancelled"),
        "the step behind it is {later}"
    );
    failed(&run, "call").map(|error| format!("later: {later}; {error}"))
}

/// The run has to be failed, by this step, and both have to say why.
fn failed(run: &Run, step: &str) -> Result<String> {
    ensure!(run.status == "failed", "the run ended as {}", run.status);
    ensure!(
        run.completed_at.is_some(),
        "the run does not say when it ended"
    );
    let result = run
        .step_results
        .get(step)
        .with_context(|| format!("there is no step \"{step}\""))?;
    ensure!(
        result.status == "failed",
        "step \"{step}\" is {}",
        result.status
    );
    ensure!(!result.error.is_null(), "step \"{step}\" does not say why");
    let error = match &run.error {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    };
    ensure!(
        !run.error.is_null() && error.contains(step),
        "the run's error does not name the step: {error}"
    );
    Ok(error)
}
