//! Values from elsewhere: the payload, earlier results, conditions.

use anyhow::{Result, ensure};
use serde_json::{Value, json};

use super::{Walk, output};

pub(super) async fn walk(walk: &mut Walk<'_>) {
    let result = placeholders(walk).await;
    walk.note(
        "placeholders keep their type alone and become text inside text",
        result,
    );
    let result = missing(walk).await;
    walk.note(
        "a key that is missing at run time fails the step and is named",
        result,
    );
    let result = condition(walk).await;
    walk.note("a step whose condition does not hold is skipped", result);
    let result = beside(walk).await;
    walk.note("steps that need the same run beside each other", result);
}

async fn placeholders(walk: &mut Walk<'_>) -> Result<String> {
    let body = json!({
        "number": "${payload.n}",
        "list": "${payload.list}",
        "sentence": "n is ${payload.n} of ${payload.list}, says ${payload.who}",
        "step": "${initial-delay}",
        "member": "${fetch.status_code}",
        "computed": "${payload.n + 1}",
        "literal": "$${payload.n}",
        "run": "${run.id}",
    });
    let steps = json!([
        {"name": "initial-delay", "type": "delay", "config": {"duration": "${payload.pause}"}},
        {"name": "fetch", "type": "webhook", "config": {"url": walk.sink.url("/fetch"), "method": "GET"}},
        {"name": "send", "type": "webhook", "config": {
            "url": walk.sink.url("/send/${payload.who}"), "method": "POST", "body": body,
        }},
    ]);
    let run = walk
        .run_steps(
            steps,
            json!({"n": 3, "list": [1, 2], "who": "Ada", "pause": 0.01}),
        )
        .await?;
    let received = output(&run, "send")?["response_data"]["received"].clone();
    let expected = json!({
        "number": 3,
        "list": [1, 2],
        "sentence": "n is 3 of [1,2], says Ada",
        "step": output(&run, "initial-delay")?,
        "member": 200,
        "computed": 4,
        "literal": "${payload.n}",
        "run": run.uuid,
    });
    for (field, expected) in expected.as_object().into_iter().flatten() {
        ensure!(
            received[field] == *expected,
            "{field} arrived as {}, not as {expected}",
            received[field]
        );
    }
    let last = walk.sink.calls().pop();
    let path = last.map(|call| call.path).unwrap_or_default();
    ensure!(path == "/send/Ada", "the url became {path}");
    Ok(received.to_string())
}

async fn missing(walk: &mut Walk<'_>) -> Result<String> {
    let steps =
        json!([{"name": "wait", "type": "delay", "config": {"duration": "${payload.absent}"}}]);
    let run = walk.run_steps(steps, json!({})).await?;
    ensure!(run.status == "failed", "the run ended as {}", run.status);
    let error = run.error.to_string();
    ensure!(
        error.contains("payload.absent"),
        "the error does not name it: {error}"
    );
    Ok(error)
}

async fn condition(walk: &mut Walk<'_>) -> Result<String> {
    let step = |name: &str, condition: &str| json!({"name": name, "type": "delay", "config": {"duration": 0}, "if": condition});
    let steps = json!([step("no", "${payload.n > 5}"), step("yes", "payload.n < 5")]);
    let run = walk.run_steps(steps, json!({"n": 3})).await?;
    let status = |name: &str| {
        run.step_results
            .get(name)
            .map_or("absent", |step| step.status.as_str())
    };
    ensure!(
        run.status == "success",
        "the run ended as {}: {}",
        run.status,
        run.error
    );
    ensure!(
        status("no") == "skipped",
        "the step that should not run is {}",
        status("no")
    );
    ensure!(
        status("yes") == "success",
        "the step that should run is {}",
        status("yes")
    );
    Ok("no: skipped, yes: success".to_owned())
}

async fn beside(walk: &mut Walk<'_>) -> Result<String> {
    let step = |name: &str, seconds: f64, needs: Value| json!({"name": name, "type": "delay", "config": {"duration": seconds}, "needs": needs});
    let steps = json!([
        step("left", 1.0, json!([])),
        step("right", 1.0, json!([])),
        step("both", 0.0, json!(["left", "right"])),
    ]);
    let run = walk.run_steps(steps, json!({})).await?;
    ensure!(
        run.status == "success",
        "the run ended as {}: {}",
        run.status,
        run.error
    );
    let times = |name: &str| {
        let step = run.step_results.get(name);
        step.and_then(|step| step.started_at.zip(step.completed_at))
    };
    let (Some(left), Some(right)) = (times("left"), times("right")) else {
        anyhow::bail!("a step does not say when it began and ended");
    };
    // Each began before the other one ended. How long that took is the machine's business.
    ensure!(
        left.0.micros_since(right.1) < 0 && right.0.micros_since(left.1) < 0,
        "one wait began after the other one had ended: {left:?}, {right:?}"
    );
    let apart = left.0.micros_since(right.0).abs() / 1_000;
    Ok(format!("two waits of a second began within {apart} ms"))
}
