//! The seven endpoints, as they answer when all is well.

use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use serde_json::{Value, json};

use super::Walk;
use crate::api::trigger_request;
use crate::client::Request;

pub(super) async fn walk(walk: &mut Walk<'_>) {
    let result = hello(walk).await;
    walk.note("GET / says hello", result);
    let result = health(walk).await;
    walk.note("GET /health is ok", result);
    let result = workflows(walk).await;
    walk.note("a workflow is created and read back", result);
    let result = runs(walk).await;
    walk.note("a run is triggered and read back", result);
    let result = list(walk).await;
    walk.note("runs are listed, newest first, page by page", result);
    let result = wait(walk).await;
    walk.note("a trigger can wait for its run", result);
    let result = same_key(walk).await;
    walk.note("a key leads to one run", result);
    let result = cancel(walk).await;
    walk.note("a run is cancelled, once", result);
}

async fn hello(walk: &mut Walk<'_>) -> Result<String> {
    let (response, body) = walk.ask(&Request::get("/").finish()).await?;
    ensure!(
        response.status == 200 && body == json!({"message": "Hello World"}),
        "{} {body}",
        response.status
    );
    Ok(body.to_string())
}

async fn health(walk: &mut Walk<'_>) -> Result<String> {
    let (response, body) = walk.ask(&Request::get("/health").finish()).await?;
    ensure!(
        response.status == 200 && body["status"] == "ok",
        "{} {body}",
        response.status
    );
    Ok(body.to_string())
}

async fn workflows(walk: &mut Walk<'_>) -> Result<String> {
    let steps = json!([{"name": "wait", "type": "delay", "config": {"duration": 0}}]);
    let definition = json!({
        "uuid": "00000000-0000-4000-8000-000000000000",
        "id": "label",
        "name": "Read me back",
        "description": "as I was",
        "steps": steps,
    });
    let (response, created) = walk
        .ask(&Request::post("/api/v1/workflows").json(&definition))
        .await?;
    ensure!(
        response.status == 200,
        "creating answered {} {created}",
        response.status
    );
    ensure!(
        created["message"] == "Workflow created successfully",
        "creating answered {created}"
    );
    let uuid = text(&created["workflow_id"])?;
    ensure!(
        created["workflow_id"] != definition["uuid"],
        "the client's uuid was taken"
    );
    let (_, found) = walk
        .ask(&Request::get(&format!("/api/v1/workflows/{uuid}")).finish())
        .await?;
    for field in ["id", "name", "description"] {
        ensure!(
            found[field] == definition[field],
            "its {field} is {}",
            found[field]
        );
    }
    ensure!(
        found["uuid"] == created["workflow_id"],
        "its uuid is {}",
        found["uuid"]
    );
    for field in ["name", "type", "config"] {
        ensure!(
            found["steps"][0][field] == steps[0][field],
            "its step has the {field} {}",
            found["steps"][0][field]
        );
    }
    Ok(format!("workflow {uuid}"))
}

async fn runs(walk: &mut Walk<'_>) -> Result<String> {
    let workflow = waits_for_nothing(walk).await?;
    let (response, triggered) = walk
        .ask(&trigger_request(&workflow, &json!({"n": 7}), None))
        .await?;
    ensure!(
        response.status == 200 && triggered["status"] == "triggered",
        "{} {triggered}",
        response.status
    );
    let run = text(&triggered["run_id"])?;
    let awaited = crate::runs::await_finished(
        walk.address,
        std::slice::from_ref(&run),
        walk.patience,
        |_| (),
    )
    .await?;
    ensure!(awaited.finished.len() == 1, "run {run} has not ended");
    let (_, found) = walk
        .ask(&Request::get(&format!("/api/v1/runs/{run}")).finish())
        .await?;
    ensure!(found["uuid"] == *run, "its uuid is {}", found["uuid"]);
    ensure!(
        found["workflow_id"] == *workflow,
        "its workflow is {}",
        found["workflow_id"]
    );
    ensure!(
        found["status"] == "success",
        "its status is {}",
        found["status"]
    );
    ensure!(
        found["payload"] == json!({"n": 7}),
        "its payload is {}",
        found["payload"]
    );
    ensure!(found.get("id").is_some(), "it has no id");
    ensure!(
        found.get("error").is_some_and(Value::is_null),
        "its error is {:?}",
        found.get("error")
    );
    let step = &found["step_results"]["wait"];
    ensure!(
        step["step_name"] == "wait" && step["status"] == "success",
        "its step is {step}"
    );
    for moment in [
        &found["started_at"],
        &found["completed_at"],
        &step["started_at"],
        &step["completed_at"],
    ] {
        ensure!(
            is_moment(moment),
            "{moment} is no RFC 3339 time in UTC with microseconds"
        );
    }
    Ok(format!(
        "run {run} from {} to {}",
        found["started_at"], found["completed_at"]
    ))
}

/// `2026-01-31T09:00:00.000001Z`.
fn is_moment(value: &Value) -> bool {
    let text = value.as_str().unwrap_or("");
    let fits = |(letter, form): (char, char)| {
        if form == '0' {
            letter.is_ascii_digit()
        } else {
            letter == form
        }
    };
    text.len() == 27
        && text
            .chars()
            .zip("0000-00-00T00:00:00.000000Z".chars())
            .all(fits)
}

async fn list(walk: &mut Walk<'_>) -> Result<String> {
    let workflow = waits_for_nothing(walk).await?;
    let mut triggered = Vec::new();
    for _ in 0..6 {
        triggered.push(walk.api.trigger(&workflow, &json!({})).await?);
        // Runs of one millisecond are listed by their identifiers, the rest of which is drawn by chance.
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    let mut listed = Vec::new();
    let mut cursor = String::new();
    while listed.len() < 5 {
        let (response, page) = walk
            .ask(&Request::get(&format!("/api/v1/runs?limit=2{cursor}")).finish())
            .await?;
        ensure!(
            response.status == 200 && page["limit"] == 2,
            "{} {page}",
            response.status
        );
        let items = page["items"].as_array().context("it has no items")?;
        ensure!(items.len() == 2, "a page of two has {} items", items.len());
        for item in items {
            listed.push(text(&item["uuid"])?);
        }
        if listed.len() < 5 {
            let next = text(&page["next_cursor"])
                .context("a page with more behind it has no next_cursor")?;
            cursor = format!("&cursor={next}");
        }
    }
    triggered.reverse();

    ensure!(
        listed == triggered,
        "triggered (newest first) {triggered:?}, listed {listed:?}"
    );
    Ok("the six newest, in three pages".to_owned())
}

async fn wait(walk: &mut Walk<'_>) -> Result<String> {
    let workflow = waits_for_nothing(walk).await?;
    let request = Request::post("/api/v1/trigger?wait=10s").json(&json!({"workflow_id": workflow}));
    let (response, run) = walk.ask(&request).await?;
    ensure!(
        response.status == 200 && run["status"] == "success",
        "{} {run}",
        response.status
    );
    ensure!(
        run["payload"] == json!({}),
        "without a payload, the payload is {}",
        run["payload"]
    );

    let steps = json!([{"name": "long", "type": "delay", "config": {"duration": 3}}]);
    let workflow = walk
        .api
        .create_workflow(&json!({"name": "contract", "steps": steps}))
        .await?;
    let request = Request::post("/api/v1/trigger?wait=1s").json(&json!({"workflow_id": workflow}));
    let (response, run) = walk.ask(&request).await?;
    ensure!(
        response.status == 202,
        "while the run went on, the answer was {} {run}",
        response.status
    );
    Ok("200 with the finished run, 202 with one that goes on".to_owned())
}

async fn same_key(walk: &mut Walk<'_>) -> Result<String> {
    let workflow = waits_for_nothing(walk).await?;
    let key = format!("contract-{workflow}");
    let first = trigger_request(&workflow, &json!({"n": 1}), Some(&key));
    let (_, one) = walk.ask(&first).await?;
    let (_, two) = walk.ask(&first).await?;
    ensure!(
        text(&one["run_id"])? == text(&two["run_id"])?,
        "the same request led to {one} and to {two}"
    );
    let (response, other) = walk
        .ask(&trigger_request(&workflow, &json!({"n": 2}), Some(&key)))
        .await?;
    ensure!(
        response.status == 409,
        "another request under the same key was answered {} {other}",
        response.status
    );
    Ok("the same run for the same request, 409 for another".to_owned())
}

async fn cancel(walk: &mut Walk<'_>) -> Result<String> {
    let steps = json!([{"name": "long", "type": "delay", "config": {"duration": 3600}}]);
    let workflow = walk
        .api
        .create_workflow(&json!({"name": "contract", "steps": steps}))
        .await?;
    let run = walk.api.trigger(&workflow, &json!({})).await?;
    let request = Request::post(&format!("/api/v1/runs/{run}/cancel")).json(&json!({}));
    let (response, cancelled) = walk.ask(&request).await?;
    ensure!(
        response.status == 200 && cancelled["status"] == "cancelled",
        "{} {cancelled}",
        response.status
    );
    let (_, found) = walk
        .ask(&Request::get(&format!("/api/v1/runs/{run}")).finish())
        .await?;
    ensure!(
        found["status"] == "cancelled" && is_moment(&found["completed_at"]),
        "read back, it is {found}"
    );
    let (response, again) = walk.ask(&request).await?;
    ensure!(
        response.status == 409,
        "cancelling it again was answered {} {again}",
        response.status
    );
    Ok("cancelled at once, 409 the second time".to_owned())
}

async fn waits_for_nothing(walk: &mut Walk<'_>) -> Result<String> {
    let steps = json!([{"name": "wait", "type": "delay", "config": {"duration": 0}}]);
    walk.api
        .create_workflow(&json!({"name": "contract", "steps": steps}))
        .await
}

fn text(value: &Value) -> Result<String> {
    value
        .as_str()
        .map(str::to_owned)
        .with_context(|| format!("{value} is no text"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_moment_has_six_decimals_and_is_in_utc() {
        assert!(is_moment(&json!("2026-01-31T09:00:00.000001Z")));
        for other in [
            "2026-01-31T09:00:00Z",
            "2026-01-31 09:00:00.000001Z",
            "2026-01-31T09:00:00.000001+01:00",
        ] {
            assert!(!is_moment(&json!(other)), "{other}");
        }
    }
}
