//! What the two first connectors result in.

use anyhow::{Context as _, Result, ensure};
use serde_json::json;

use super::{Walk, output};
use crate::sink::TEXT;

pub(super) async fn walk(walk: &mut Walk<'_>) {
    let result = delay(walk).await;
    walk.note("a delay waits and says so", result);
    let result = json_reply(walk).await;
    walk.note("a reply in JSON is JSON", result);
    let result = text_reply(walk).await;
    walk.note("a reply in text is text", result);
    let result = accepted(walk).await;
    walk.note("a status that is accepted does not fail the step", result);
}

async fn delay(walk: &mut Walk<'_>) -> Result<String> {
    let steps = json!([
        {"name": "seconds", "type": "delay", "config": {"duration": 1}},
        {"name": "words", "type": "delay", "config": {"duration": "300ms"}},
        {"name": "past", "type": "delay", "config": {"until": "2020-01-01T00:00:00Z"}},
    ]);
    let run = walk.run_steps(steps, json!({})).await?;
    let said = output(&run, "seconds")?;
    let expected = json!({"type": "delay", "duration": 1, "message": "Delayed for 1 seconds"});
    for field in ["type", "duration", "message"] {
        ensure!(
            said[field] == expected[field],
            "its {field} is {}, not {}",
            said[field],
            expected[field]
        );
    }
    let mut seen = Vec::new();
    for (name, from_ms, to_ms) in [
        ("seconds", 1_000, 1_500),
        ("words", 300, 800),
        ("past", 0, 500),
    ] {
        let step = &run.step_results[name];
        let times = step.started_at.zip(step.completed_at);
        let (from, to) = times.with_context(|| format!("step \"{name}\" has no times"))?;
        let millis = to.micros_since(from) / 1_000;
        ensure!(
            (from_ms..to_ms).contains(&millis),
            "step \"{name}\" took {millis} ms, not {from_ms} to {to_ms}"
        );
        seen.push(format!("{name} {millis} ms"));
    }
    Ok(seen.join(", "))
}

async fn json_reply(walk: &mut Walk<'_>) -> Result<String> {
    let url = walk.sink.url("/json");
    let config = json!({"url": url, "method": "POST", "body": {"a": [1, null, "ü"]}});
    let (run, _) = walk.call(config, json!({})).await?;
    let said = output(&run, "call")?;
    for (field, expected) in [
        ("type", json!("webhook")),
        ("status_code", json!(200)),
        ("method", json!("POST")),
    ] {
        ensure!(said[field] == expected, "its {field} is {}", said[field]);
    }
    ensure!(said["url"] == *url, "its url is {}", said["url"]);
    let data = &said["response_data"];
    ensure!(
        data["received"] == json!({"a": [1, null, "ü"]}),
        "its response_data is {data}"
    );
    let kind = said["headers"]["content-type"].as_str().unwrap_or("");
    ensure!(
        kind.starts_with("application/json"),
        "its headers are {}",
        said["headers"]
    );
    Ok(data.to_string())
}

async fn text_reply(walk: &mut Walk<'_>) -> Result<String> {
    let config = json!({"url": walk.sink.url("/text"), "method": "GET"});
    let (run, _) = walk.call(config, json!({})).await?;
    let data = &output(&run, "call")?["response_data"];
    ensure!(*data == TEXT, "its response_data is {data}");
    Ok(data.to_string())
}

async fn accepted(walk: &mut Walk<'_>) -> Result<String> {
    let config = json!({"url": walk.sink.url("/status/404"), "method": "GET", "accept_status": ["2xx", 404]});
    let (run, _) = walk.call(config, json!({})).await?;
    let said = output(&run, "call")?;
    ensure!(
        said["status_code"] == 404,
        "its status_code is {}",
        said["status_code"]
    );
    Ok("404 taken for an answer".to_owned())
}
